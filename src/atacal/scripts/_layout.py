"""Lines of a script that fissix's tokenizer or Python 3's could not take: tabs, ``!commands``, ``ur''`` strings.

Each works on physical lines and changes none of their number.
"""

from __future__ import annotations

import re

_LEXEME = re.compile(
    r"""
      \#[^\n]*
    | (?P<prefix>[bBuUrRfF]{0,2})(?P<quote>\"\"\"|'''|"|')
    """,
    re.VERBOSE,
)
_SHELL = re.compile(r"^(?P<indent>[ \t]*)!(?P<command>.*)$")
_UR = re.compile(r"(?<![A-Za-z0-9_])[uU](?=[rR]['\"])")
_TAB = 8

SHELL_CALL = "__atacal_shell__"
"""Name that a line ``!command`` becomes a call of."""


def strings(text: str) -> list[tuple[int, int]]:
    """Find the string literals of a source.

    Parameters
    ----------
    text : str
        Python source, 2 or 3.

    Returns
    -------
    list of (int, int)
        Where each begins (its quotes, not its prefix) and where it ends, in characters.
    """
    found = []
    at = 0
    while (match := _LEXEME.search(text, at)) is not None:
        if match["quote"] is None:
            at = match.end()
            continue
        end = _end_of_string(text, match.end(), match["quote"])
        found.append((match.start("quote"), end))
        at = end
    return found


def _end_of_string(text: str, at: int, quote: str) -> int:
    single = len(quote) == 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote)
        elif single and text[at] == "\n":  # never closed: the parser will say so
            return at
        else:
            at += 1
    return len(text)


def lines_in_code(text: str) -> list[bool]:
    """Tell of each line whether it begins outside a string literal."""
    inside = [False] * (text.count("\n") + 1)
    for start, end in strings(text):
        first, last = text.count("\n", 0, start), text.count("\n", 0, end)
        for line in range(first + 1, last + 1):
            inside[line] = True
    return [not i for i in inside]


def tidy(text: str) -> str:
    """Make what fissix reads: Unix line ends, indentation of spaces, shell lines as calls, ``r''`` for ``ur''``.

    Tabs stand for the columns up to the next multiple of eight, as in Python 2.

    Parameters
    ----------
    text : str
        The script.

    Returns
    -------
    str
        With as many lines.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    for number, in_code in enumerate(lines_in_code(text)):
        if not in_code:
            continue
        line = _expanded(lines[number])
        shell = _SHELL.match(line)
        if shell is not None:
            line = f"{shell['indent']}{SHELL_CALL}({shell['command'].strip()!r})"
        lines[number] = line
    return _without_ur("\n".join(lines))


def _expanded(line: str) -> str:
    """Turn the tabs (and form feeds) before a line's first word into spaces."""
    body = line.lstrip(" \t\f")
    lead = line[: len(line) - len(body)]
    if "\t" not in lead and "\f" not in lead:
        return line
    return lead.rsplit("\f", 1)[-1].expandtabs(_TAB) + body


def _without_ur(text: str) -> str:
    """Drop the u of ``ur'...'`` outside of strings and comments (Python 3 has no such prefix)."""
    out = []
    at = 0
    for start, end in strings(text):
        # up to the opening quote: the prefix stands right before it
        out.append(_UR.sub("", text[at : start + 1]))
        out.append(text[start + 1 : end])
        at = end
    out.append(text[at:])
    return "".join(out)
