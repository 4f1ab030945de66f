"""What CASA's tools have in common: their errors, and the answer to a method that is not there."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from atacal.errors import AtacalError, NoSuchMethod, ToolError

TOOLS: dict[str, type[Tool]] = {}
"""Every tool by the name that scripts know it by: ``tb``, ``ms``, ``msmd`` ..."""


class Tool:
    """A tool: an object of CASA's shell whose methods scripts call.

    Errors of casacore become `ToolError`, which is a ``RuntimeError`` as CASA's are, and names tool and method.
    """

    tool: ClassVar[str] = ""

    def __init_subclass__(cls, *, tool: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        for name, value in list(vars(cls).items()):
            if inspect.isfunction(value) and not name.startswith("_"):
                setattr(cls, name, _told(value))
        if tool:
            cls.tool = tool
            TOOLS[tool] = cls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        there = ", ".join(methods(self.tool))
        raise NoSuchMethod(f"{self.tool}.{name} is not available; the tool {self.tool} has {there}")

    def __repr__(self) -> str:
        return f"<atacal's tool {self.tool}>"

    def create(self) -> Any:
        """Make another tool of this kind, as CASA 3 did."""
        return type(self)()

    def __call__(self) -> Any:
        """Make another tool of this kind: CASA has classes with its tools' names (``casatools.ms()``)."""
        return type(self)()


def _told(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method so that what casacore raises says which tool and method it was."""

    @functools.wraps(method)
    def told(self: Tool, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except AtacalError:
            raise
        except RuntimeError as error:
            raise ToolError(f"{self.tool}.{method.__name__}: {error}") from error

    return told


def methods(tool: str) -> dict[str, inspect.Signature]:
    """Return the methods of a tool and their signatures, without ``self``.

    Parameters
    ----------
    tool : str
        As scripts know it: ``tb``, ``ms``, ``msmd``, ``qa``, ``me``, ``casalog``.

    Returns
    -------
    dict of str -> inspect.Signature
        In alphabetical order.

    Raises
    ------
    ToolError
        If there is no such tool.
    """
    if tool not in TOOLS:
        raise ToolError(f"there is no tool {tool!r}; there are {', '.join(sorted(TOOLS))}")
    found = {}
    for name, value in inspect.getmembers(TOOLS[tool], inspect.isfunction):
        if not name.startswith("_"):
            signature = inspect.signature(value)
            found[name] = signature.replace(parameters=list(signature.parameters.values())[1:])
    return found
