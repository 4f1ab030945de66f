"""A task as scripts call it: CASA's positional arguments, CASA's freedom with types, globals, the log."""

from __future__ import annotations

import difflib
import inspect
import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from typing import Any

from atacal.errors import ArgumentError
from atacal.scripts.task_files import Files, files_of

log = logging.getLogger("atacal")

OLD_PARAMETERS: dict[str, frozenset[str]] = {
    "importasdm": frozenset({"singledish", "antenna", "showversion", "useversion", "scansummary", "gainspline"}),
    "split": frozenset({"async"}),
    "gaincal": frozenset({"async", "opacity", "gaincurve", "caldesc"}),
    "bandpass": frozenset({"async", "opacity", "gaincurve"}),
    "applycal": frozenset({"async", "opacity", "gaincurve"}),
    "setjy": frozenset({"async", "scalefact"}),
    "wvrgcal": frozenset({"spwmap"}),
    "flagdata": frozenset({"async", "sequential"}),
    "plotms": frozenset({"async"}),
}
"""Parameters of older CASAs that change nothing in what is computed: taken, and said to be without effect."""


class CasaTask:
    """A task of atacal under CASA's calling conventions.

    Parameters
    ----------
    name : str
        CASA's name.
    load : callable
        Returns the function.
    shell : Shell
        What the call goes through: the log, the guard, the record of a dry run.
    """

    def __init__(self, name: str, load: Callable[[], Callable[..., Any]], shell: Any) -> None:
        self.__name__ = name
        self._load, self._shell = load, shell

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The task itself."""
        return self._load()

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Its parameters, in CASA's order."""
        return dict(inspect.signature(self.function).parameters)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.function.__doc__

    def __repr__(self) -> str:
        return f"<CASA task {self.__name__}>"

    def defaults(self) -> dict[str, Any]:
        """Return each parameter's default, '' where there is none (as CASA's ``default``)."""
        return {n: "" if p.default is p.empty else p.default for n, p in self.parameters.items()}

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Run the task; without any argument, with the values of the script's variables of the parameters' names."""
        if not args and not keywords and self._shell.globals_are_parameters:
            keywords = self._from_globals(self._shell.variables)
        return self._shell.call(self, self.bound(args, keywords))

    def _from_globals(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {n: variables[n] for n in self.parameters if n in variables}

    def bound(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Put arguments to the names of parameters, in the types the task takes.

        Raises
        ------
        ArgumentError
        """
        names = list(self.parameters)
        if len(args) > len(names):
            raise ArgumentError(f"{self.__name__}() takes {len(names)} parameters, not {len(args)}")
        given = dict(zip(names, args, strict=False))
        for name, value in keywords.items():
            if name in given:
                raise ArgumentError(f"{self.__name__}() got {name} twice")
            given[name] = value
        for name in [n for n in given if n not in self.parameters]:
            self._drop(name, given.pop(name))
        missing = [n for n, p in self.parameters.items() if p.default is p.empty and n not in given and is_named(p)]
        if missing:
            raise ArgumentError(f"{self.__name__}() needs {', '.join(missing)}")
        return {n: self.adapted(n, v) for n, v in given.items()}

    def _drop(self, name: str, value: Any) -> None:
        why = self.unknown(name)
        if why is not None:
            raise ArgumentError(why)
        log.warning("%s(): %s=%r is of an older CASA and has no effect", self.__name__, name, value)

    def unknown(self, name: str) -> str | None:
        """Say that there is no such parameter; None if there is, or once was one without effect."""
        if any(p.kind is p.VAR_KEYWORD for p in self.parameters.values()):
            return None
        if name in self.parameters or name in OLD_PARAMETERS.get(self.__name__, ()):
            return None
        near = difflib.get_close_matches(name, self.parameters, n=1)
        hint = f"; did the script mean {near[0]}?" if near else ""
        return f"{self.__name__}() has no parameter {name}{hint}"

    def adapted(self, name: str, value: Any) -> Any:
        """Bring a value into a type that the task takes, as CASA's tasks do: ``field=0``, ``spw=[17, 19]``."""
        value = _plain(value)
        hint = self._hint(name)
        strings, lists, numbers = (
            "str" in hint,
            ("list" in hint or "Sequence" in hint),
            ("int" in hint or "float" in hint),
        )
        if not strings:
            return value
        if isinstance(value, (list, tuple)):
            if lists:
                return list(value) if numbers else [_text(v) for v in value]
            return ",".join(_text(v) for v in value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not numbers:
            return _text(value)
        return value

    def _hint(self, name: str) -> str:
        parameter = self.parameters.get(name)
        return (
            str(parameter.annotation) if parameter is not None and parameter.annotation is not parameter.empty else ""
        )

    def files(self, arguments: Mapping[str, Any]) -> Files:
        """Tell which files a call reads, makes and changes."""
        return files_of(self.__name__, self.defaults() | dict(arguments))

    def written(self, arguments: Mapping[str, Any]) -> str:
        """Write a call as a script would."""
        return f"{self.__name__}({', '.join(f'{n}={v!r}' for n, v in arguments.items())})"

    def run(self, arguments: dict[str, Any]) -> Any:
        """Run the task, with CASA's lines before and after it in the log."""
        log.info("##########################################")
        log.info("##### Begin Task: %-18s #####", self.__name__)
        log.info("%s", self.written(arguments))
        began = time.monotonic()
        try:
            return self.function(**arguments)
        finally:
            log.info("##### End Task: %-20s ##### %.1f s", self.__name__, time.monotonic() - began)
            log.info("##########################################")


def is_named(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is one of its own, not ``*args`` or ``**given``."""
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _plain(value: Any) -> Any:
    """Make Python's own values of numpy's."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v) for v in value) if type(value) in (list, tuple) else value
    return list(value) if isinstance(value, range) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def set_defaults(task: CasaTask, variables: MutableMapping[str, Any]) -> None:
    """Give the script's variables the defaults of a task's parameters (CASA's ``default``)."""
    variables.update(task.defaults())
