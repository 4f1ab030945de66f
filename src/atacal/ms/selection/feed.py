"""Feed selection: ``0&&``, ``0~1&&&``, ``!1&``; the grammar of baselines, on feed ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.ms.selection.scanner import Cursor, Grammar, rule

GRAMMAR = Grammar(
    "feed",
    (rule("int", "[0-9]+"), rule("~", "~"), rule(",", ","), rule("&", "&"), rule(";", ";"), rule("!", "!")),
    "Write feed ids or ranges (0~1) joined by ','; & (different feeds of the list), && (equal ones too), &&& (equal "
    "ones only); a list alone takes rows whose two feeds differ; a leading ! excludes; ';' joins.",
)


def parse_feed(text: str, feed1: NDArray[np.integer], feed2: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which rows a feed expression selects.

    Parameters
    ----------
    text : str
        Not empty.
    feed1, feed2 : integers (row,)
        Columns FEED1, FEED2.

    Returns
    -------
    bool (row,)

    Raises
    ------
    SelectionError
    """
    cursor = Cursor(GRAMMAR, text)
    wanted: NDArray[np.bool_] | None = None
    while True:
        negate = cursor.take("!") is not None
        term = _term(cursor, feed1, feed2)
        if wanted is None:
            wanted = np.full(feed1.shape, negate)
        wanted = wanted & ~term if negate else wanted | term
        if not cursor.take(";"):
            break
    cursor.end()
    return wanted


def _term(cursor: Cursor, feed1: NDArray[np.integer], feed2: NDArray[np.integer]) -> NDArray[np.bool_]:
    first = _ids(cursor)
    amps = 0
    while amps < 3 and cursor.take("&"):
        amps += 1
    second = _ids(cursor) if amps in (1, 2) and cursor.peek() == "int" else first
    in1, in2 = np.isin(feed1, first), np.isin(feed2, first)
    if amps == 0:
        return (in1 | in2) & (feed1 != feed2)
    if amps == 3:
        return in1 & (feed1 == feed2)
    mask = (in1 & np.isin(feed2, second)) | (np.isin(feed1, second) & in2)
    return mask & (feed1 != feed2) if amps == 1 else mask


def _ids(cursor: Cursor) -> list[int]:
    ids: list[int] = []
    while True:
        first = last = int(cursor.expect("int", what="a feed id").text)
        if cursor.take("~"):
            last = int(cursor.expect("int", what="the end of the range").text)
            if last < first:
                cursor.fail(f"the range {first}~{last} runs backwards")
        ids += range(first, min(last, first + 10_000) + 1)
        if not cursor.take(","):
            return ids
