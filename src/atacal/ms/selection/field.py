"""Field selection: ``0``, ``0~3,5``, ``>2``, ``J1617-7717``, ``N5921*``, ``/J14.*/``."""

from __future__ import annotations

import logging

from atacal.errors import EmptySelection
from atacal.ms.metadata import Metadata
from atacal.ms.selection.patterns import compiled, listed, matching
from atacal.ms.selection.scanner import Cursor, Grammar, Token, rule

log = logging.getLogger("atacal")

NAME_RULES = (
    rule("quoted", r"\"[^\"\n]*\""),
    rule("regex", r"/[^/\n]*/"),
    rule("int", r"\s*[0-9]+\s*"),
    rule("~", "~"), rule(",", ","), rule("lt", "<"), rule("gt", ">"), rule("&", "&"),
    rule("name", r"[-A-Za-z0-9_{}+.=;@#%:! ]+"),
    rule("pattern", r"\s*[-A-Za-z0-9_+.{}=;@#$%:!'*? \[\]^]+\s*"),
    rule("(", r"\("), rule(")", r"\)"),
)  # fmt: skip
"""Names of fields and intents may hold blanks and most signs; only , ~ < > & ( ) " / end them."""

GRAMMAR = Grammar(
    "field",
    NAME_RULES,
    'Write names, ids, ranges of ids (0~3), <id, >id, patterns (3C*, "J{14,16}*"), /regular expressions/, joined '
    "by ','; a name with other signs in double quotes.",
)


def parse_field(text: str, meta: Metadata) -> list[int]:
    """Read a field expression.

    Parameters
    ----------
    text : str
        Empty means all fields.
    meta : Metadata

    Returns
    -------
    list of int
        Ids, ascending.

    Raises
    ------
    SelectionError
        If the expression cannot be read.
    EmptySelection
        If a name or the whole expression matches no field.
    """
    count = len(meta.fields)
    if not text.strip():
        return list(range(count))
    names = [f.name.strip() for f in meta.fields]
    codes = [f.code.strip() for f in meta.fields]
    cursor = Cursor(GRAMMAR, text)
    bracket = cursor.take("(")
    ids: set[int] = set()
    outside: list[int] = []
    while True:
        if cursor.peek() in ("int", "lt", "gt"):
            numbers = read_ids(cursor, count)
            for number in numbers:
                if number < count:
                    ids.add(number)
                elif str(number) in names:
                    ids.update(i for i, n in enumerate(names) if n == str(number))
                elif str(number) in codes:
                    ids.update(i for i, c in enumerate(codes) if c == str(number))
                else:
                    outside.append(number)
        else:
            token = cursor.expect("name", "pattern", "quoted", "regex", what="a field name, id or pattern")
            found = match_names(token, names, "field", text) or match_names(token, codes, "field", text)
            if not found:
                name = token.text.strip()
                hint = f"; did you mean '{name}*'?" if any(n.startswith(name) for n in names) else ""
                raise EmptySelection(f"field selection {text!r}: no field is called {name!r}; {_there(meta)}{hint}")
            ids.update(found)
        if not cursor.take(","):
            break
    if bracket:
        cursor.expect(")", what="')'")
    cursor.end()
    if not ids:
        raise EmptySelection(f"field selection {text!r} matches no field; {_there(meta)}")
    if outside:
        log.warning("field selection %r: there are no fields %s", text, listed(outside))
    return sorted(ids)


def _there(meta: Metadata) -> str:
    return f"{meta.path} has {listed([f'{f.id}: {f.name}' for f in meta.fields])}"


def read_ids(cursor: Cursor, count: int) -> list[int]:
    """Read ``n``, ``n~m``, ``<n``, ``>n`` or ``>n & <m``; bounds are exclusive and stay within ``count``."""
    sign = cursor.take("lt", "gt")
    first = int(cursor.expect("int", what="a number").text)
    if sign is None:
        if not cursor.take("~"):
            return [first]
        last = int(cursor.expect("int", what="the end of the range").text)
        if last < first:
            cursor.fail(f"the range {first}~{last} runs backwards")
        return list(range(first, min(last, first + 100_000) + 1))
    if sign.kind == "lt":
        return list(range(min(first, count)))
    if cursor.peek() == "&" and cursor.peek(1) == "lt":
        cursor.take("&")
        cursor.take("lt")
        return list(range(first + 1, min(int(cursor.expect("int", what="a number").text), count)))
    return list(range(first + 1, count))


def match_names(token: Token, names: list[str], what: str, text: str) -> list[int]:
    """Indices of the names that a token picks: exactly, by pattern or by regular expression."""
    if token.kind == "name":
        wanted = token.text.strip()
        return [i for i, name in enumerate(names) if name and name == wanted]
    inner = token.text[1:-1] if token.kind in ("quoted", "regex") else token.text.strip()
    if token.kind == "quoted" and inner.strip() in names:
        return [i for i, name in enumerate(names) if name and name == inner.strip()]
    return matching(compiled(inner, is_regex=token.kind == "regex", what=what, text=text), names)
