"""The steps of a script in the form of ALMA's generator: ``mystep = 3`` and ``if mystep in thesteps:``."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from atacal.errors import ArgumentError

BEGIN, END = "__atacal_step__", "__atacal_step_done__"
"""Functions that an instrumented script calls at the beginning and at the end of a step."""


@dataclass(frozen=True)
class Step:
    """A step: its number, its title, its lines, and what its code is (without comments and layout)."""

    number: int
    title: str
    first_line: int
    last_line: int
    digest: str


@dataclass(frozen=True)
class StepMap:
    """The steps of a script, in their order, and what the code outside of them is."""

    steps: tuple[Step, ...]
    rest: str

    @property
    def numbers(self) -> list[int]:
        """Their numbers, in the script's order."""
        return list(dict.fromkeys(s.number for s in self.steps))

    def of(self, number: int) -> Step | None:
        """Return a step by its number (the first part of it, if it has several)."""
        return next((s for s in self.steps if s.number == number), None)

    def at_line(self, line: int) -> Step | None:
        """Return the step that a line belongs to."""
        return next((s for s in self.steps if s.first_line <= line <= s.last_line), None)

    def digests(self) -> dict[int, str]:
        """Return what the code of each step is."""
        out: dict[int, str] = {}
        for step in self.steps:
            out[step.number] = _digest(out.get(step.number, "") + step.digest)
        return out


def find_steps(tree: ast.Module) -> StepMap:
    """Find a script's steps.

    Parameters
    ----------
    tree : ast.Module
        As parsed, without instruments.

    Returns
    -------
    StepMap
        Without steps if the script is of another form.
    """
    titles = _titles(tree)
    steps, rest = [], []
    for node, number in _blocks(tree):
        if number is None:
            rest.append(ast.dump(node))
            continue
        step = Step(
            number, titles.get(number, ""), node.lineno, node.end_lineno or node.lineno, _digest(ast.dump(node))
        )
        steps.append(step)
    return StepMap(tuple(steps), _digest("\n".join(rest)))


def instrumented(tree: ast.Module) -> ast.Module:
    """Let each step say that it begins and that it has ended.

    Parameters
    ----------
    tree : ast.Module
        Changed in place; no line numbers change.

    Returns
    -------
    ast.Module
    """
    for node, number in _blocks(tree):
        if number is not None:
            assert isinstance(node, ast.If)
            node.body.insert(0, _call(BEGIN, number, node.lineno))
            node.body.append(_call(END, number, node.end_lineno or node.lineno))
    return ast.fix_missing_locations(tree)


def unused_calls(tree: ast.AST) -> set[tuple[int, int]]:
    """Find the calls whose result nothing uses: (line, column) of each."""
    return {
        (node.value.lineno, node.value.col_offset)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    }


def _blocks(tree: ast.Module) -> list[tuple[ast.stmt, int | None]]:
    """Pair each statement of a script with its step's number, None outside of steps."""
    values: dict[str, int] = {}
    out: list[tuple[ast.stmt, int | None]] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if isinstance(node.value, ast.Constant) and type(node.value.value) is int:
                values[name] = node.value.value
            else:
                values.pop(name, None)
        out.append((node, _number(node, values)))
    return out


def _number(node: ast.stmt, values: dict[str, int]) -> int | None:
    """Return the number of the step that an ``if`` is; None if it is none."""
    if not (isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and len(node.test.ops) == 1):
        return None
    left, right = node.test.left, node.test.comparators[0]
    if not (isinstance(node.test.ops[0], ast.In) and isinstance(right, ast.Name) and "step" in right.id.lower()):
        return None
    if isinstance(left, ast.Name):
        return values.get(left.id)
    return left.value if isinstance(left, ast.Constant) and type(left.value) is int else None


def _titles(tree: ast.Module) -> dict[int, str]:
    """Read ``step_title = {0: '...'}``."""
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and "title" in node.targets[0].id
            and isinstance(node.value, ast.Dict)
        ):
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {
                k.value: str(v.value)
                for k, v in pairs
                if isinstance(k, ast.Constant) and type(k.value) is int and isinstance(v, ast.Constant)
            }
    return {}


def _call(name: str, number: int, line: int) -> ast.Expr:
    node = ast.Expr(ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number)], []))
    for part in ast.walk(node):
        part.lineno = part.end_lineno = line  # type: ignore[attr-defined]
        part.col_offset = part.end_col_offset = 0  # type: ignore[attr-defined]
    return node


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def parse_steps(text: str, known: Sequence[int]) -> list[int]:
    """Read ``0-7,13`` or ``15-``.

    Parameters
    ----------
    text : str
        Numbers and ranges; a range without an end goes to the last step.
    known : sequence of int
        The script's steps.

    Returns
    -------
    list of int
        In ascending order.

    Raises
    ------
    ArgumentError
    """
    wanted: set[int] = set()
    for part in text.replace("~", "-").strip("[] ").split(","):
        match = re.fullmatch(r"\s*(\d+)?\s*(-)?\s*(\d+)?\s*", part)
        if not match or not (match[1] or match[3]) or (match[3] and not match[2]):
            raise ArgumentError(f"steps={text!r}: {part!r} is neither a step nor a range like 0-7 or 15-")
        first = int(match[1]) if match[1] else min(known, default=0)
        last = first if not match[2] else int(match[3]) if match[3] else max(known, default=first)
        if not [n for n in known if first <= n <= last]:
            raise ArgumentError(f"steps={text!r}: the script has no step {part.strip()}; {said(known)}")
        wanted |= {n for n in known if first <= n <= last}
    return sorted(wanted)


def said(numbers: Sequence[int]) -> str:
    """Write step numbers for people: ``it has 0-19``."""
    if not numbers:
        return "it has no steps"
    return f"it has {ranges(numbers)}"


def ranges(numbers: Sequence[int]) -> str:
    """Write numbers shortly: ``0-7,13``."""
    out: list[list[int]] = []
    for number in sorted(set(numbers)):
        if out and number == out[-1][1] + 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in out)
