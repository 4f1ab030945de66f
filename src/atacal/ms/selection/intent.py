"""Intent selection: ``CALIBRATE_PHASE#ON_SOURCE``, ``*BANDPASS*``, ``*PHASE*&*ON_SOURCE*``, ``!*ATMOSPHERE*``."""

from __future__ import annotations

import logging
import re

from atacal.errors import EmptySelection
from atacal.ms.metadata import Metadata
from atacal.ms.selection.field import NAME_RULES, match_names, read_ids
from atacal.ms.selection.patterns import listed
from atacal.ms.selection.scanner import Cursor, Grammar, Token

_log = logging.getLogger("atacal")
GRAMMAR = Grammar(
    "intent",
    NAME_RULES,
    "Write intents, patterns (*PHASE*), /regular expressions/ or ids of STATE rows (0~3, <3, >3), joined by ',' (or) "
    "or '&' (and); a leading ! excludes.",
)


def parse_intent(text: str, meta: Metadata, *, partial: bool = False) -> list[int]:
    """Read an intent expression.

    Parameters
    ----------
    text : str
        Empty means all states.
    meta : Metadata
    partial : bool
        Pass over a part that matches no intent, with a warning, when others do. So does CASA's flagging, for recipes
        name the intents of every kind of block; its other tasks refuse.

    Returns
    -------
    list of int
        Ids of STATE rows, ascending. A name matches when it is one of the intents of a row's OBS_MODE.

    Raises
    ------
    SelectionError
    EmptySelection
        If nothing matches, or, unless ``partial``, any part of the expression.
    """
    count = len(meta.state_intents)
    if not text.strip():
        return list(range(count))
    cursor = Cursor(GRAMMAR, text)
    bracket = cursor.take("(")
    ids: set[int] = set()
    missing: list[str] = []
    while True:
        if cursor.peek() in ("int", "lt", "gt"):
            ids.update(i for i in read_ids(cursor, count) if i < count)
        else:
            found = _named(cursor, meta, text, missing)
            while cursor.take("&"):
                found &= _named(cursor, meta, text, missing)
            ids |= found
        if not cursor.take(","):
            break
    if bracket:
        cursor.expect(")", what="')'")
    cursor.end()
    if not ids or (missing and not partial):
        what = f": nothing matches {', '.join(map(repr, missing))}" if missing else " matches nothing"
        raise EmptySelection(f"intent selection {text!r}{what}; {_there(meta)}")
    if missing:
        _log.warning("intent selection %r: nothing matches %s; %s", text, ", ".join(map(repr, missing)), _there(meta))
    return sorted(ids)


def _named(cursor: Cursor, meta: Metadata, text: str, missing: list[str]) -> set[int]:
    """Read a name; one that matches nothing is added to ``missing``."""
    token = cursor.expect("name", "pattern", "quoted", "regex", what="an intent or a pattern")
    negate = token.kind in ("name", "pattern") and token.text.strip().startswith("!")
    if negate:
        bare = token.text.strip()[1:]
        token = Token("pattern" if re.search(r"[*?\[]", bare) else "name", bare, token.position)
    found = {
        i
        for i, modes in enumerate(meta.state_intents)
        if match_names(token, [m.strip() for m in modes.split(",")], "intent", text)
    }
    if not found:
        missing.append(token.text.strip())
        return set()
    return set(range(len(meta.state_intents))) - found if negate else found


def _there(meta: Metadata) -> str:
    intents = sorted({m.strip() for modes in meta.state_intents for m in modes.split(",") if m.strip()})
    if not intents:
        return f"{meta.path} has no intents"
    return f"the intents of {meta.path} are {listed(intents)}"
