"""Which CASA a script wants, so that its own check of the version passes.

ALMA's scripts end when they are not run by the CASA they were written for. Their conditions are plain expressions
(``re.search('^5.1.1', casadef.casa_version) == None``); candidates are read from their constants, and the first for
which no condition ends the script is the version that is presented.
"""

from __future__ import annotations

import ast
import operator
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from atacal.errors import ArgumentError

DEFAULTS = {2: ("5.6.1", "4.7.2", "4.5.3", "4.3.1", "4.2.2"), 3: ("6.7.0", "6.5.4", "6.2.1", "6.1.1")}
"""Versions of CASA for scripts of Python 2 and 3 that ask for none, in the order in which they are tried."""

_ATTRIBUTES = {"casa_version", "version_string", "compare_version"}
_TOOLS = {"cu", "casalith", "ctsys", "casatools", "casatasks"}
_ENDINGS = {"exit", "quit", "_exit"}
_CALLS = {
    "search", "match", "str", "int", "float", "compare_version", "version", "version_string", "join", "tolist", "split",
    "startswith", "len", "list", "map", "LooseVersion", "StrictVersion",
}  # fmt: skip
_NODES = (
    ast.Expression, ast.Call, ast.Attribute, ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Not,
    ast.And, ast.Or, ast.Subscript, ast.Slice, ast.List, ast.Tuple, ast.ListComp, ast.comprehension, ast.Load,
    ast.Store, ast.USub, ast.BinOp, ast.Add, ast.cmpop, ast.keyword,
)  # fmt: skip
_COMPARE = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "==": operator.eq,
    "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, order=True)
class CasaVersion:
    """A version of CASA: major, minor, patch, build."""

    parts: tuple[int, int, int, int]

    @classmethod
    def parse(cls, text: str) -> CasaVersion:
        """Read ``5.1``, ``5.1.1`` or ``6.5.4-9``.

        Raises
        ------
        ArgumentError
        """
        if not re.fullmatch(r"\d+(\.\d+){1,3}([-.]\d+)?", text.strip()):
            raise ArgumentError(f"casa_version={text!r} is no version of CASA, which is like 5.1.1 or 6.5.4-9")
        numbers = [int(n) for n in re.findall(r"\d+", text)][:4]
        return cls(tuple(numbers + [0] * (4 - len(numbers))))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return ".".join(str(n) for n in self.parts[:3])

    @property
    def major(self) -> int:
        """4, 5 or 6."""
        return self.parts[0]

    def compare(self, how: str, other: Any) -> bool:
        """CASA's ``compare_version(how, [6, 1, 1, 15])``."""
        wanted = tuple(int(n) for n in other)
        return bool(_COMPARE[how](self.parts[: len(wanted)], wanted))


class VersionTool:
    """What tells scripts the version: ``casalith``, and the methods of CASA's tool ``utils`` (``cu``, ``ctsys``)."""

    def __init__(self, version: CasaVersion) -> None:
        self._version = version

    def version(self) -> Any:
        """Major, minor, patch and build, as integers."""
        import numpy as np

        return np.array(self._version.parts)

    def version_string(self) -> str:
        """The version and its build: ``6.5.4.9``."""
        return ".".join(str(n) for n in self._version.parts)

    version_info = version_string

    def compare_version(self, how: str, other: Any) -> bool:
        """Compare with a list of integers: ``compare_version('<', [6, 1, 1])``."""
        return self._version.compare(how, other)


def casadef_of(version: CasaVersion) -> dict[str, Any]:
    """List the attributes of CASA's module casadef."""
    return {
        "casa_version": str(version),
        "casa_revision": str(version.parts[3]),
        "subversion_revision": "40000",
        "build_time": "",
        "python_version": "2.7",
    }


def casa_of(version: CasaVersion) -> dict[str, Any]:
    """Make CASA's dictionary ``casa``."""
    return {
        "build": {"version": f"{version}-{version.parts[3]}", "time": "", "number": str(version.parts[3])},
        "version": str(version),
        "source": {"url": "", "revision": "40000"},
        "helpers": {"logger": "", "viewer": "", "info": None},
        "dirs": {"rc": "", "root": "", "data": "", "recipes": "", "python": ""},
        "flags": {"--nogui": True, "--nologger": True},
        "files": {"logfile": ""},
        "state": {"startup": False, "unwritable": set(), "telemetry-enabled": False},
    }


def wanted_version(tree: ast.Module, python: int) -> CasaVersion | None:
    """Find the version of CASA that a script asks for.

    Parameters
    ----------
    tree : ast.Module
        The script, as Python 3 parses it.
    python : int
        2 or 3: which versions are tried last, if the constants of the conditions pass none.

    Returns
    -------
    CasaVersion or None
        The first candidate that no condition refuses; None if the script has no such condition.
    """
    names = _names_of_versions(tree)
    tests = [
        n.test for n in ast.walk(tree) if isinstance(n, ast.If) and _about_version(n.test, names) and _ends(n.body)
    ]
    asked = [n for n in ast.walk(tree) if isinstance(n, (ast.If, ast.IfExp)) and _about_version(n.test, names)]
    if not asked:
        return None
    candidates = [v for node in asked for v in _constants(node.test)]
    newer = [CasaVersion((*c.parts[:2], c.parts[2] + 1, 0)) for c in candidates]
    newer += [CasaVersion((c.parts[0], c.parts[1] + 1, 0, 0)) for c in candidates]
    for version in [*candidates, *newer, *(CasaVersion.parse(d) for d in DEFAULTS[python])]:
        if not any(_true(test, version, names) for test in tests):
            return version
    return None


def _names_of_versions(tree: ast.Module) -> dict[str, ast.expr]:
    """Find the variables that hold the version, and what they are assigned."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _about_version(node.value, found):
            found |= {t.id: node.value for t in node.targets if isinstance(t, ast.Name)}
    return found


def _about_version(node: ast.AST, names: dict[str, ast.expr]) -> bool:
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            if part.attr in _ATTRIBUTES:
                return True
            if part.attr == "version" and isinstance(part.value, ast.Name) and part.value.id in _TOOLS:
                return True
        if isinstance(part, ast.Name) and part.id in names:
            return True
        if (
            isinstance(part, ast.Subscript)
            and isinstance(part.slice, ast.Constant)
            and part.slice.value == "version"
            and "casa" in ast.dump(part.value)
        ):
            return True
    return False


def _ends(body: list[ast.stmt]) -> bool:
    """Whether a body ends the script."""
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in _ENDINGS:
                    return True
    return False


def _constants(test: ast.expr) -> list[CasaVersion]:
    """Read the versions in a condition's constants; those that it must match come first."""
    found: list[CasaVersion] = []
    for node in ast.walk(test):
        texts: list[str] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts = [part.strip("^$(). ").replace("\\", "") for part in node.value.split("|")]
        elif isinstance(node, (ast.List, ast.Tuple)):
            numbers = [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, int)]
            texts = [".".join(map(str, numbers))] if len(numbers) == len(node.elts) else []
        for text in texts:
            match = re.match(r"\d+(\.\d+){1,3}", text)
            if match and 3 <= int(text.split(".", 1)[0]) <= 9:
                found.append(CasaVersion.parse(match.group()))
    return found


def _true(test: ast.expr, version: CasaVersion, names: dict[str, ast.expr]) -> bool:
    """Evaluate a condition for a version; what is no plain expression of it counts as false."""
    tool = VersionTool(version)
    known: dict[str, Any] = dict.fromkeys(_TOOLS, tool) | {
        "re": re, "str": str, "int": int, "float": float, "len": len, "list": list, "map": map,
        "casadef": SimpleNamespace(**casadef_of(version)), "casa": casa_of(version),
        "LooseVersion": _numbers, "StrictVersion": _numbers, "__builtins__": {},
    }  # fmt: skip
    try:
        for name, value in names.items():
            known[name] = _evaluate(value, known)
        return bool(_evaluate(test, known))
    except Exception:  # any error of the script's own expression: it does not tell
        return False


def _numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def _evaluate(node: ast.expr, known: dict[str, Any]) -> Any:
    for part in ast.walk(node):
        name = ""
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
        if not isinstance(part, _NODES) or (name and name not in _CALLS):
            raise ValueError(ast.dump(part))
        if isinstance(part, ast.Attribute) and part.attr.startswith("_"):
            raise ValueError(part.attr)
    return eval(compile(ast.Expression(node), "version check", "eval"), dict(known))
