"""A dry run: the script's control flow with calls taken down instead of made, and no file touched."""

from __future__ import annotations

import builtins
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atacal.scripts.casa_task import CasaTask
from atacal.scripts.shell import plan_of, text_of


class Unknown:
    """What a call would give back: anything may be asked of it, and the answer is unknown again."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __repr__(self) -> str:
        return f"<unknown: {self._what}>"

    __str__ = __repr__

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unknown(f"{self._what}.{name}")

    def __call__(self, *args: Any, **keywords: Any) -> Unknown:
        return Unknown(f"{self._what}()")

    def __getitem__(self, key: Any) -> Unknown:
        return Unknown(f"{self._what}[{key!r}]")

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __contains__(self, item: Any) -> bool:
        return False

    def __int__(self) -> int:
        return 0

    __index__ = __int__

    def __float__(self) -> float:
        return 0.0

    def __enter__(self) -> Unknown:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def _same(self, *other: Any) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __neg__ = __abs__ = __array_ufunc__ = _same

    def __lt__(self, other: Any) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__


@dataclass
class DryCall:
    """A call that would be made: its line, its step, its words, its files."""

    line: int
    step: int | None
    call: str
    reads: list[str] = field(default_factory=list)
    makes: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class DryRun:
    """Takes down calls, and keeps account of the files there would be.

    Parameters
    ----------
    where : callable
        Returns the script's line and step at this moment.
    """

    def __init__(self, where: Callable[[], tuple[int, int | None]]) -> None:
        self.calls: list[DryCall] = []
        self._where = where
        self._there: dict[str, bool] = {}
        self._real_exists, self._real_chdir = os.path.exists, os.chdir
        self._folder = os.getcwd()

    def task(self, task: CasaTask, arguments: dict[str, Any]) -> Unknown:
        """Take a task's call down."""
        files = task.files(arguments)
        missing = [f for f in (*files.reads, *files.changes) if not self.exists(f)]
        self._add(
            task.written(arguments), reads=list(files.reads), makes=list(files.makes), changes=list(files.changes),
            missing=missing,
        )  # fmt: skip
        for made in files.makes:
            self._set(made, True)
        return Unknown(f"{task.__name__}()")

    def tool(self, call: str) -> Unknown:
        """Take a tool's call down."""
        self._add(call)
        return Unknown(call.split("(", 1)[0] + "()")

    def command(self, command: Any, *_: Any, **__: Any) -> int:
        """Take a shell command down."""
        words = os.fsdecode(command) if isinstance(command, (str, bytes)) else [os.fsdecode(w) for w in command]
        plan = plan_of(words, self._folder)
        deleted = [c.path for c in plan.changes if c.how == "delete"]
        written = [c.path for c in plan.changes if c.how == "write"]
        self._add(f"$ {text_of(words)}", deletes=[_short(p) for p in deleted], makes=[_short(p) for p in written])
        landed = isinstance(words, str) and words.split()[:1] in (["mv"], ["ln"], ["cp"])
        for path in deleted:
            self._set(path, landed and path == deleted[-1])
        for path in written:
            self._set(path, True)
        return 0

    def exists(self, path: Any) -> bool:
        """Tell whether a file would be there."""
        if isinstance(path, Unknown):
            return False
        full = self.full(path)
        known = self._there.get(full)
        if known is None and any(self._there.get(str(p)) is False for p in Path(full).parents):
            return False  # the folder it is in would be gone
        return self._real_exists(full) if known is None else known

    def full(self, path: Any) -> str:
        """Return a path from the root, of a folder that may be made only in a real run."""
        return os.path.normpath(os.path.join(self._folder, os.fspath(path)))

    def _set(self, path: str, there: bool) -> None:
        self._there[self.full(path)] = there

    def chdir(self, path: Any) -> None:
        """Go into a folder that is there, or would be."""
        full = self.full(path)
        if not self.exists(full):
            raise FileNotFoundError(f"there is no folder {path}")
        self._folder = full
        if os.path.isdir(full) and self._real_exists(full):
            self._real_chdir(full)

    def getcwd(self) -> str:
        """Return the folder that the script would be in."""
        return self._folder

    def _add(self, call: str, **files: list[str]) -> None:
        line, step = self._where()
        self.calls.append(DryCall(line, step, call, **files))

    def patch(self) -> None:
        """Replace what touches files, in this process: it ends with the dry run."""
        change = self._changing
        real_isdir, real_isfile, real_glob = os.path.isdir, os.path.isfile, glob.glob
        made: dict[Any, dict[str, Any]] = {
            os: {"system": self.command, "popen": lambda command, *a, **k: self._piped(command)},
            os.path: {
                "exists": self.exists,
                "isdir": lambda p: self._kind(p, real_isdir),
                "isfile": lambda p: self._kind(p, real_isfile),
            },
            glob: {"glob": lambda pattern, *a, **k: self._glob(pattern, self._found(real_glob, pattern))},
            shutil: {"rmtree": change("shutil.rmtree", "deletes"), "move": change("shutil.move", "deletes", "makes")},
            subprocess: {},
        }
        for name in ("call", "check_call", "run", "check_output", "Popen", "getoutput", "getstatusoutput"):
            made[subprocess][name] = lambda command, *a, _n=name, **k: self._ran(command, _n)
        for name in ("remove", "unlink", "rmdir", "removedirs"):
            made[os][name] = change(f"os.{name}", "deletes")
        for name in ("mkdir", "makedirs"):
            made[os][name] = change(f"os.{name}", "makes")
        for name in ("rename", "renames", "replace", "symlink", "link"):
            made[os][name] = change(f"os.{name}", "deletes" if name.startswith("re") else "reads", "makes")
        for name in ("copy", "copy2", "copyfile", "copytree"):
            made[shutil][name] = change(f"shutil.{name}", "reads", "makes")
        for module, functions in made.items():
            for name, function in functions.items():
                setattr(module, name, _for_scripts(function, getattr(module, name)))
        os.chdir, os.getcwd = self.chdir, self.getcwd

    def _kind(self, path: Any, real: Callable[[Any], bool]) -> bool:
        known = None if isinstance(path, Unknown) else self._there.get(self.full(path))
        return (False if isinstance(path, Unknown) else real(self.full(path))) if known is None else known

    def _found(self, real_glob: Callable[..., list[str]], pattern: str) -> list[str]:
        """Find what is there already, named as the pattern names it."""
        if os.path.isabs(pattern):
            return real_glob(pattern)
        found = real_glob(os.path.join(self._folder, pattern))
        return [os.path.join(os.path.dirname(pattern), os.path.basename(f)) for f in found]

    def _glob(self, pattern: str, found: list[str]) -> list[str]:
        import fnmatch

        depth, whole = pattern.count("/"), self.full(pattern)
        made = [p for p, there in self._there.items() if there and fnmatch.fnmatch(p, whole)]
        prefix = os.path.dirname(pattern)
        new = [os.path.join(prefix, os.path.basename(p)) for p in made if p.count("/") == whole.count("/")]
        new = new if depth == 0 or not any(c in prefix for c in "*?[") else made
        return [f for f in found if self.exists(f)] + [n for n in new if n not in found]

    def _changing(self, name: str, *roles: str) -> Callable[..., None]:
        def call(*args: Any, **keywords: Any) -> None:
            files: dict[str, list[str]] = {}
            for role, path in zip(roles, args, strict=False):
                files.setdefault(role, []).append(str(path))
                if role != "reads":
                    self._set(str(path), role == "makes")
            self._add(f"{name}({', '.join(repr(a) for a in args[: len(roles)])})", **files)

        return call

    def _piped(self, command: Any) -> Unknown:
        self.command(command)
        return Unknown(f"output of `{text_of(command)}`")

    def _ran(self, command: Any, name: str) -> Any:
        self.command(command)
        return 0 if name in ("call", "check_call") else Unknown(f"output of `{text_of(command)}`")

    def open(self, file: Any, mode: str = "r", *args: Any, **keywords: Any) -> Any:
        """Open what is there for reading; nothing is opened for writing."""
        if any(c in mode for c in "wax+"):
            self._add(f"open({file!r}, {mode!r})", makes=[str(file)])
            self._set(str(file), True)
            return Unknown(f"{file} being written")
        if isinstance(file, Unknown) or not self._real_exists(self.full(file)):
            return Unknown(f"what is in {file}")
        return builtins.open(self.full(file), mode.replace("U", "") or "r", *args, **keywords)


class DryTool:
    """A tool whose calls are taken down."""

    def __init__(self, name: str, dry: DryRun) -> None:
        self._name, self._dry = name, dry

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "stuffForScienceDataReduction":
            return DryTool("es", self._dry)
        if self._name == "casalog":  # no file is written: the log would only fill the list
            return lambda *a, **k: Unknown(f"casalog.{name}()")
        return lambda *a, **k: self._dry.tool(_written(f"{self._name}.{name}", a, k))

    def __call__(self, *args: Any, **keywords: Any) -> DryTool:
        return self


def _written(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    return f"{name}({', '.join([*(repr(a) for a in args), *(f'{k}={v!r}' for k, v in keywords.items())])})"


def _short(path: str) -> str:
    return os.path.relpath(path)


_PLACES = (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), str(Path(__file__).parents[1]))
_LIBRARIES = tuple({os.path.realpath(p) for p in _PLACES})


def _for_scripts(function: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """Let libraries have the real function: only what the script does is taken down (the guard stops all writing)."""

    def call(*args: Any, **keywords: Any) -> Any:
        caller = os.path.realpath(sys._getframe(1).f_code.co_filename)
        return (real if caller.startswith(_LIBRARIES) else function)(*args, **keywords)

    return call
