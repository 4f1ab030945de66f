"""CASA's shell: the names that a script finds without importing anything, and CASA's modules that it may import.

Tasks come from `atacal.tasks`, the pipeline's functions from `atacal.pipeline` and `atacal.restore`, tools from
`atacal.scripts.tools`, and ``aU`` from `atacal.scripts.analysis_utils`: whatever these export is there, and nothing is
listed here.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from atacal.scripts import missing as absent
from atacal.scripts.casa_names import MODULES, TASKS, TOOLS, kind_of
from atacal.scripts.casa_task import CasaTask, set_defaults
from atacal.scripts.casa_version import CasaVersion, VersionTool, casa_of, casadef_of
from atacal.scripts.missing import Missing, Partial, partial_class, utility_kind
from atacal.scripts.pipeline import loaders, recipe_of_script, restores

SHELL_MODULES = ("os", "sys", "re", "glob", "shutil", "time", "string", "math", "copy", "inspect", "traceback")
"""Modules that CASA's shell has imported."""


class Names:
    """The names of CASA's shell for one run.

    Parameters
    ----------
    shell : object
        What calls of tasks go through: ``call(task, arguments)``, ``variables``, ``globals_are_parameters``.
    ledger : Ledger
        Decides about calls that are not supported.
    version : CasaVersion
        The CASA that is presented.
    """

    def __init__(self, shell: Any, ledger: absent.Ledger, version: CasaVersion) -> None:
        self._shell, self._ledger = shell, ledger
        self.tasks: dict[str, CasaTask] = {}
        self.tools: dict[str, Any] = {}
        self.utilities: Any = None
        self._reduction: Any = None
        self._collect_tasks()
        self._collect_tools()
        self._collect_utilities()
        self._casadef = ModuleType("casadef")
        self._casalith = ModuleType("casalith")
        self._casa: dict[str, Any] = {}
        self.present(version)

    def present(self, version: CasaVersion) -> None:
        """Change the version of CASA that scripts see."""
        self.version = version
        tool = VersionTool(version)
        self._version_tool = tool
        vars(self._casadef).update(casadef_of(version))
        for name in ("version", "version_string", "compare_version"):
            setattr(self._casalith, name, getattr(tool, name))
        self._casa.clear()
        self._casa.update(casa_of(version))

    def _collect_tasks(self) -> None:
        from atacal.tasks import task_names

        for name in task_names():
            self.tasks[name] = CasaTask(name, _loader("atacal.tasks", name), self._shell)
        self._take_pipeline(loaders(restoring=False))

    def _take_pipeline(self, functions: dict[str, Callable[[], Callable[..., Any]]]) -> None:
        self.tasks |= {name: CasaTask(name, load, self._shell) for name, load in functions.items()}

    def choose_pipeline(self, tree: ast.Module, variables: dict[str, Any]) -> None:
        """Give a script those of the pipeline's functions that it means: of a run, or of restoring.

        Parameters
        ----------
        tree : ast.Module
            The script.
        variables : dict
            What it finds; changed in place where it still has the pipeline's own.
        """
        restoring = restores(tree)
        if restoring is None:
            return
        before = dict(self.tasks)
        self._take_pipeline(loaders(restoring=restoring, recipe=recipe_of_script(tree)))
        variables |= {n: t for n, t in self.tasks.items() if n in variables and variables[n] is before.get(n)}

    def _collect_tools(self) -> None:
        module = importlib.import_module("atacal.scripts.tools")
        self._classes: dict[str, Any] = {}
        for name, value in getattr(module, "CASATOOLS", {}).items():
            self._classes[name] = partial_class(value, self._absent_of(name, "data"))
        for name in _exported("atacal.scripts.tools"):
            value = getattr(module, name)
            if name in TOOLS or name == "casalog":
                self.tools[name] = Partial(name, value, self._absent_of(name, "data"))
            elif name in TOOLS.values() and isinstance(value, type):
                self._classes.setdefault(name, partial_class(value, self._absent_of(name, "data")))
        for name in TOOLS:
            self.tools.setdefault(name, Missing(name, "data", self._ledger))
        self.tools.setdefault("casalog", Missing("casalog", "report", self._ledger))

    def _collect_utilities(self) -> None:
        module = importlib.import_module("atacal.scripts.analysis_utils")
        self.utilities = Partial("aU", module, self._absent_utility)

    def _absent_utility(self, name: str) -> Any:
        if name == "stuffForScienceDataReduction":
            return self.science_reduction
        return Missing(f"aU.{name}", utility_kind(name), self._ledger)

    def _absent_of(self, owner: str, kind: str) -> Callable[[str], Missing]:
        return lambda name: Missing(f"{owner}.{name}", kind, self._ledger)

    def science_reduction(self) -> Any:
        """Return ``es``, an object of analysisUtils' class for ALMA's reduction scripts: always the same."""
        if self._reduction is None:
            self._reduction = self._new_reduction()
        return self._reduction

    def _new_reduction(self) -> Any:
        cls = getattr(self.utilities.__dict__["_target"], "stuffForScienceDataReduction", None)

        def make(name: str) -> Missing:
            return Missing(f"es.{name}", utility_kind(name), self._ledger)

        return partial_class(cls, make)() if isinstance(cls, type) else Partial("es", object(), make)

    @property
    def casalog(self) -> Any:
        """CASA's log."""
        return self.tools["casalog"]

    def shell(self) -> dict[str, Any]:
        """Make the script's variables as it finds them.

        Returns
        -------
        dict
            Name -> value; those of tasks and tools that are not supported stand for themselves until they are called.
        """
        import numpy

        out: dict[str, Any] = {m: importlib.import_module(m) for m in SHELL_MODULES}
        out |= {
            "np": numpy,
            "numpy": numpy,
            "pl": _Lazy("pylab"),
            "pylab": _Lazy("pylab"),
            "plt": _Lazy("matplotlib.pyplot"),
        }
        out |= {name: self.absent_task(name) for name in TASKS}
        out |= self.tools | self.tasks
        out |= {"cu": self._version_tool, "casa": self._casa, "casadef": self._casadef, "casalith": self._casalith}
        out |= {"aU": self.utilities, "analysisUtils": self.utilities, "es": self.science_reduction()}
        out |= {"T": True, "F": False, "true": True, "false": False}
        out |= {"default": self._default, "inp": self._inp, "go": self._go, "clearstat": lambda: None}
        return out

    def absent_task(self, name: str) -> Missing:
        """Stand in for a task that atacal does not have."""
        return Missing(name, kind_of(name) or "data", self._ledger)

    def _default(self, task: Any = None) -> None:
        found = self.tasks.get(task) if isinstance(task, str) else task
        if isinstance(found, CasaTask):
            set_defaults(found, self._shell.variables)

    def _inp(self, task: Any = None) -> None:
        if isinstance(task, CasaTask):
            for name in task.parameters:
                print(f"{name} = {self._shell.variables.get(name, task.defaults()[name])!r}")

    def _go(self, task: Any) -> Any:
        return self._shell.call(task, task.bound((), task._from_globals(self._shell.variables)))

    def install_modules(self) -> None:
        """Put CASA's modules where ``import`` finds them, in this process."""
        for name in MODULES:
            if (made := self.module(name)) is not None:
                sys.modules[name] = made

    def module(self, name: str) -> ModuleType | None:
        """Make one of CASA's modules; None if there is none of that name."""
        if name == "casadef":
            return self._casadef
        if name == "casalith":
            return self._casalith
        if name == "pipeline":
            return self._as_module(name, {"initcli": lambda *spaces: None}.__getitem__)
        if name in ("analysisUtils", "analysis_scripts.analysisUtils"):
            return self._as_module(name, lambda n: getattr(self.utilities, n))
        if name.endswith("_cli") and name[:-4] in TASKS:
            task = self.tasks.get(name[:-4]) or self.absent_task(name[:-4])
            return self._as_module(name, {name: task, name[:-4]: task}.__getitem__)
        if name not in MODULES:
            return None
        contents = self._contents(name)
        module = self._as_module(name, contents.__getitem__)
        vars(module).update(contents)
        vars(module)["__all__"] = list(contents)
        return module

    def _contents(self, name: str) -> dict[str, Any]:
        tasks: dict[str, Any] = {n: self.absent_task(n) for n in TASKS} | self.tasks
        casalog = {"casalog": self.casalog}
        classes: dict[str, Any] = {c: self._tool_class(n, c) for n, c in TOOLS.items()}
        if name in ("recipes.almahelpers", "almahelpers_localcopy"):
            return {n: self.tasks[n] for n in ("fixsyscaltimes", "tsysspwmap") if n in self.tasks}
        if name == "recipes":
            return {"almahelpers": self.module("recipes.almahelpers")}
        if name == "analysis_scripts":
            return {"analysisUtils": self.utilities}
        if name in ("casatasks", "tasks"):
            version = {n: getattr(self._version_tool, n) for n in ("version", "version_string")}
            return tasks | casalog | version | ({"default": self._default} if name == "tasks" else {})
        if name == "casaplotms":
            return {"plotms": tasks["plotms"]}
        if name == "casaviewer":
            return {n: tasks[n] for n in ("imview", "msview")}
        factories = {f"{n}tool": c for n, c in zip(TOOLS, classes.values(), strict=True)}
        factories["tbtool"] = classes["table"]
        if name == "casatools":
            return classes | factories | {"ctsys": self._version_tool, "version": self._version_tool.version}
        if name == "taskinit":
            shell = {n: self.tools[n] for n in TOOLS} | {"cu": self._version_tool, "casa": self._casa}
            return shell | casalog | factories | {"casac": self._casac(classes), "gentools": self._gentools(classes)}
        if name in ("casac", "__casac__"):
            casac = self._casac(classes)
            return {"casac": casac} | classes
        return {}

    def _tool_class(self, shell_name: str, class_name: str) -> Any:
        if class_name == "utils":
            return lambda: self._version_tool
        return self._classes.get(class_name) or Missing(class_name, "data", self._ledger)

    def _casac(self, classes: dict[str, Any]) -> Any:
        return type("casac", (), {n: staticmethod(c) for n, c in classes.items()})

    def _gentools(self, classes: dict[str, Any]) -> Callable[..., tuple[Any, ...]]:
        def gentools(tools: list[str] | None = None) -> tuple[Any, ...]:
            return tuple(classes[TOOLS[n]]() for n in tools or ["im", "cb", "ms", "tb", "me", "ia"])

        return gentools

    def _as_module(self, name: str, get: Callable[[str], Any]) -> ModuleType:
        module = ModuleType(name)

        def attribute(wanted: str) -> Any:
            if wanted.startswith("__"):
                raise AttributeError(wanted)
            try:
                return get(wanted)
            except KeyError:
                raise AttributeError(f"CASA's module {name} has no {wanted}") from None

        module.__getattr__ = attribute  # type: ignore[method-assign]
        if name in ("recipes", "analysis_scripts"):
            module.__path__ = []
        return module


class _Lazy:
    """A module that is imported when something of it is used."""

    def __init__(self, name: str) -> None:
        self.__dict__["_module_name"] = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__dict__["_module_name"]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(importlib.import_module(self.__dict__["_module_name"]), name, value)


def _loader(package: str, name: str) -> Callable[[], Callable[..., Any]]:
    def load() -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(importlib.import_module(package), name)
        return function

    return load


def _exported(package: str) -> list[str]:
    """List what a package exports: its ``__all__``, else its public names."""
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    return [n for n in names if n != "annotations"]
