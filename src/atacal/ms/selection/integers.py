"""Selection by number, the grammar that scans, observations and arrays share: ``1``, ``1~5,9``, ``>=3``, ``>2&<9``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.ms.selection.patterns import ranges
from atacal.ms.selection.scanner import Cursor, Grammar, rule

_RULES = (
    rule("int", "[0-9]+"), rule("le", "<="), rule("ge", ">="), rule("lt", "<"), rule("gt", ">"),
    rule("~", "~"), rule(",", ","), rule("&", "&"),
)  # fmt: skip
_ALLOWED = "Write numbers, ranges (2~5), <n, <=n, >n, >=n, >n&<m or >=n&<=m, joined by ','."


def parse_integers(text: str, there: Iterable[int], what: str) -> NDArray[np.int64]:
    """Read an expression on numbers.

    Parameters
    ----------
    text : str
        Empty means all.
    there : iterable of int
        The numbers that exist.
    what : str
        ``"scan"``, ``"observation"`` or ``"array"``, for messages.

    Returns
    -------
    int64 (n,)
        The numbers that exist and are selected, ascending.

    Raises
    ------
    SelectionError
    EmptySelection
    """
    numbers = np.unique(np.fromiter(there, np.int64))
    if not text.strip():
        return numbers
    grammar = Grammar(what, _RULES, _ALLOWED)
    cursor = Cursor(grammar, text)
    wanted = np.zeros(len(numbers), bool)
    while True:
        wanted |= _term(cursor, numbers)
        if not cursor.take(","):
            break
    cursor.end()
    if not wanted.any():
        raise EmptySelection(f"{what} selection {text!r} matches nothing; there are {what}s {ranges(numbers.tolist())}")
    return numbers[wanted]


def _term(cursor: Cursor, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    sign = cursor.take("lt", "le", "gt", "ge")
    first = int(cursor.expect("int", what="a number").text)
    if sign is None:
        if not cursor.take("~"):
            return numbers == first
        last = int(cursor.expect("int", what="the end of the range").text)
        if last < first:
            cursor.fail(f"the range {first}~{last} runs backwards")
        return (numbers >= first) & (numbers <= last)
    if sign.kind == "lt":
        return numbers < first
    if sign.kind == "le":
        return numbers <= first
    mask = numbers > first if sign.kind == "gt" else numbers >= first
    if cursor.take("&"):
        upper = "lt" if sign.kind == "gt" else "le"
        cursor.expect(upper, what="'<' after '>' (or '<=' after '>=')")
        last = int(cursor.expect("int", what="a number").text)
        mask &= numbers < last if upper == "lt" else numbers <= last
    return mask
