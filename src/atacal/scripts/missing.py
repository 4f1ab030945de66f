"""What CASA has and atacal has not: names that say so when they are called."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from atacal.errors import AtacalError
from atacal.scripts.casa_names import CHANGING_UTILITIES, DATA, LEFT_OUT, UTILITY

log = logging.getLogger("atacal")


class Unsupported(AtacalError, NotImplementedError):
    """A script calls something that atacal does not have."""


@dataclass(frozen=True)
class LeftOut:
    """A call that was left out: the file, the line, what it was and why."""

    file: str
    line: int
    call: str
    why: str


class Ledger:
    """What was left out in a run, and what may be.

    Parameters
    ----------
    skip_all : bool
        Leave out every call that is not supported, whatever hangs on it.
    """

    def __init__(self, skip_all: bool = False) -> None:
        self.skip_all = skip_all
        self.left_out: list[LeftOut] = []
        self._unused: set[tuple[str, int, int]] = set()

    def add_unused(self, file: str, places: set[tuple[int, int]]) -> None:
        """Take down the calls of a file whose results nothing uses: (line, column) of each."""
        self._unused |= {(file, line, column) for line, column in places}

    def decide(self, name: str, kind: str, frame: FrameType | None) -> None:
        """Leave a call out, or raise.

        Raises
        ------
        Unsupported
        """
        file, line, column = _place(frame)
        if self.skip_all or (kind in LEFT_OUT and (file, line, column) in self._unused):
            why = "not supported"
            self.left_out.append(LeftOut(file, line, name, why))
            log.warning("line %d: %s is not supported: LEFT OUT", line, name)
            return
        if kind in LEFT_OUT:
            raise Unsupported(f"{name} is not supported, and the script uses its result")
        raise Unsupported(f"{name} is not supported, and what follows may need it; --skip-unsupported goes on without")


def _place(frame: FrameType | None) -> tuple[str, int, int]:
    """Where in the script a call is made: file, line, column."""
    if frame is None:
        return "", 0, -1
    positions = list(frame.f_code.co_positions())
    start = positions[frame.f_lasti // 2] if frame.f_lasti // 2 < len(positions) else (None,) * 4
    return frame.f_code.co_filename, start[0] or frame.f_lineno, -1 if start[2] is None else start[2]


class Missing:
    """A task, a tool or a function that atacal does not have."""

    def __init__(self, name: str, kind: str, ledger: Ledger) -> None:
        self.__name__ = name
        self._kind, self._ledger = kind, ledger

    def __call__(self, *args: Any, **keywords: Any) -> None:
        """Leave the call out or raise, see `Ledger.decide`."""
        self._ledger.decide(f"{self.__name__}()", self._kind, sys._getframe(1))

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self.__name__}.{name}", self._kind, self._ledger)

    def __repr__(self) -> str:
        return f"<{self.__name__}, not supported>"


def utility_kind(name: str) -> str:
    """Tell whether a function of analysisUtils changes data, or only shows them."""
    return DATA if name in CHANGING_UTILITIES else UTILITY


class Partial:
    """An object of CASA of which atacal has a part: what it lacks is `Missing`.

    Parameters
    ----------
    name : str
        What scripts call it.
    target : object
        What atacal has.
    missing : callable
        Makes the stand-in of an attribute that is not there.
    """

    def __init__(self, name: str, target: Any, missing: Callable[[str], Any]) -> None:
        self.__dict__.update(_name=name, _target=target, _missing=missing)

    def __getattr__(self, name: str) -> Any:
        target = self.__dict__["_target"]
        try:
            value = getattr(target, name)
        except (AttributeError, AtacalError):
            if name.startswith("__"):
                raise
            return self.__dict__["_missing"](name)
        return partial_class(value, self.__dict__["_missing"]) if isinstance(value, type) else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_target"], name, value)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_target"])

    def __repr__(self) -> str:
        return repr(self.__dict__["_target"])

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.__dict__["_target"](*args, **keywords)


def partial_class(cls: type, missing: Callable[[str], Any]) -> type:
    """Make a subclass whose objects answer for methods they lack."""
    if issubclass(cls, BaseException) or "__getattr__" in dir(cls):
        return cls

    def fallback(self: Any, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return missing(name)

    return type(cls.__name__, (cls,), {"__getattr__": fallback, "__doc__": cls.__doc__, "__module__": cls.__module__})
