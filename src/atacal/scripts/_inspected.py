"""What the inspector of a script asks of trees, and of objects that calling a class would make."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from atacal.errors import AtacalError
from atacal.scripts._static import UNKNOWN
from atacal.scripts.casa_names import PIPELINE_PREFIXES
from atacal.scripts.casa_task import CasaTask
from atacal.scripts.missing import Ledger, Missing

_CHOICES = re.compile(r"^(?P<names>\w[\w, ]*) : \{(?P<choices>[^}]*)\}", re.MULTILINE)


class Made:
    """An object that calling a class would make."""

    def __init__(self, name: str, cls: Any) -> None:
        self.name, self.cls = name, cls


def issue_kind(kind: str, name: str) -> str:
    if kind == "utility" or name.startswith(("aU.", "es.")):
        return "utility"
    if kind == "pipeline" or name.startswith(PIPELINE_PREFIXES):
        return "pipeline"
    return "tool" if "." in name else "task"


def method_of(owner: Made, name: str) -> Any:
    """Find a method of an object of a class, without making one."""
    for cls in owner.cls.__mro__:
        if name in vars(cls):
            return (
                getattr(owner.cls, name, UNKNOWN)
                if isinstance(vars(cls)[name], (staticmethod, classmethod))
                else _Bound(getattr(owner.cls, name))
            )
    fallback = getattr(owner.cls, "__getattr__", None)
    if fallback is None:
        return UNKNOWN
    try:
        return fallback(owner, name)
    except (AttributeError, AtacalError):
        return Missing(f"{owner.name}.{name}", "data", Ledger())


class _Bound:
    """A method of an object that was not made: its signature without ``self``."""

    def __init__(self, function: Any) -> None:
        self.__module__ = str(getattr(function, "__module__", ""))
        try:
            signature = inspect.signature(function)
            self.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        except (ValueError, TypeError):
            self.__signature__ = inspect.Signature()

    def __call__(self) -> None:
        """Not called: only its signature is looked at."""


@cache
def found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def choices_of(task: CasaTask) -> dict[str, list[str]]:
    """Read the only possible values of a task's parameters from its docstring: ``gaintype : {'G', 'T', 'K'}``."""
    out: dict[str, list[str]] = {}
    for match in _CHOICES.finditer(inspect.cleandoc(task.__doc__ or "")):
        try:
            values = [str(v) for v in ast.literal_eval(f"[{match['choices']}]")]
        except (ValueError, SyntaxError):
            continue
        out |= {name.strip(): values for name in match["names"].split(",")}
    return out


def dotted_name(node: ast.expr) -> str:
    """Write ``os.path.exists`` of a tree; empty if it is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def looked_for(tree: ast.AST) -> set[str]:
    """Find names that a script asks for before it uses them: ``if 'USEMS' in globals()``."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and text.isidentifier()}


def assigned(tree: ast.AST) -> set[str]:
    return set(_stored(tree))


def _stored(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (a.asname or a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.Global):
            yield from node.names


def catches_imports(handler: ast.ExceptHandler) -> bool:
    names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else set()
    return handler.type is None or bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "NameError"})
