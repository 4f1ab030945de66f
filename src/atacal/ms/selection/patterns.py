"""Shell patterns and regular expressions for names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atacal.errors import SelectionError


def glob_to_regex(pattern: str) -> str:
    """Translate a shell pattern (``*``, ``?``, ``[abc]``, ``[!abc]``, ``{this,that}``) to a regular expression."""
    out: list[str] = []
    depth = 0
    i = 0
    while i < len(pattern):
        c = pattern[i]
        # the first character of a set, behind a negation, belongs to it even if it is a bracket
        close = pattern.find("]", i + 2 + (pattern[i + 1 : i + 2] in ("!", "^"))) if c == "[" else -1
        if c == "*":
            out.append(".*")
        elif c == "?":
            out.append(".")
        elif close > 0:
            body = pattern[i + 1 : close]
            negate = body[0] in "!^"
            out.append("[" + ("^" if negate else "") + re.sub(r"([\\\[\]&|~^])", r"\\\1", body[negate:]) + "]")
            i = close
        elif c == "{" and "}" in pattern[i:]:
            depth += 1
            out.append("(?:")
        elif c == "}" and depth:
            depth -= 1
            out.append(")")
        elif c == "," and depth:
            out.append("|")
        else:
            out.append(re.escape(c))
        i += 1
    return "".join(out) + ")" * depth


def compiled(pattern: str, *, is_regex: bool, what: str, text: str) -> re.Pattern[str]:
    """Compile a shell pattern or a regular expression.

    Parameters
    ----------
    pattern : str
        Without the quotes or slashes around it.
    is_regex : bool
    what, text : str
        The kind of selection and the whole expression, for the message.

    Raises
    ------
    SelectionError
        If the regular expression cannot be compiled.
    """
    source = pattern if is_regex else glob_to_regex(pattern)
    try:
        return re.compile(source)
    except re.error as error:
        raise SelectionError(
            f"{what} selection {text!r} cannot be read: {pattern!r} is not a valid "
            f"{'regular expression' if is_regex else 'pattern'} ({error})"
        ) from error


def matching(pattern: re.Pattern[str], names: Sequence[str]) -> list[int]:
    """Indices of the names that match as a whole; surrounding blanks of a name and empty names do not count."""
    return [i for i, name in enumerate(names) if name.strip() and pattern.fullmatch(name.strip())]


def listed(items: Sequence[object], limit: int = 60) -> str:
    """Write a list for a message, cut when very long."""
    shown = ", ".join(str(i) for i in items[:limit])
    return shown + (f", ... ({len(items)} in all)" if len(items) > limit else "") if items else "none"


def ranges(numbers: Sequence[int]) -> str:
    """Write integers as CASA users would select them: ``1~3,7``."""
    out: list[str] = []
    ordered = sorted(set(numbers))
    start = previous = None
    for n in [*ordered, None]:
        if previous is not None and n == previous + 1:
            previous = n
            continue
        if start is not None:
            out.append(str(start) if start == previous else f"{start}~{previous}")
        start = previous = n
    return ",".join(out) if out else "none"
