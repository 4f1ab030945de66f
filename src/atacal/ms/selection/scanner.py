"""Cutting a selection expression into tokens, and walking over them; errors say where and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from atacal.errors import SelectionError


@dataclass(frozen=True)
class Token:
    """One token: its kind, its text, and the position of its first character, counted from 0."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Grammar:
    """The words of one selection language.

    Attributes
    ----------
    name : str
        What is selected, for messages: ``"antenna"``.
    rules : sequence of (kind, pattern)
        The longest match wins, and among equally long ones the first rule (as in the lexers that CASA uses).
    allowed : str
        One sentence for messages: what may be written.
    """

    name: str
    rules: Sequence[tuple[str, re.Pattern[str]]]
    allowed: str

    def fail(self, text: str, position: int, why: str) -> NoReturn:
        """Raise `SelectionError` about a position of an expression."""
        raise SelectionError(
            f"{self.name} selection {text!r} cannot be read: {why} at character {position + 1}. {self.allowed}"
        )

    def tokens(self, text: str) -> list[Token]:
        """Cut an expression into tokens, without the white space between them.

        Raises
        ------
        SelectionError
        """
        found: list[Token] = []
        at = 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            best: Token | None = None
            for kind, pattern in self.rules:
                match = pattern.match(text, at)
                if match and match.end() > at and (best is None or len(match[0]) > len(best.text)):
                    best = Token(kind, match[0], at)
            if best is None:
                self.fail(text, at, f"{text[at]!r} has no meaning")
            found.append(best)
            at += len(best.text)
        return found


def rule(kind: str, pattern: str) -> tuple[str, re.Pattern[str]]:
    """Return one rule of a `Grammar`."""
    return kind, re.compile(pattern)


class Cursor:
    """A place in the tokens of an expression."""

    def __init__(self, grammar: Grammar, text: str) -> None:
        self.grammar = grammar
        self.text = text
        self._tokens = grammar.tokens(text)
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        """Kind of the token that comes (``ahead`` = 0) or of a later one; "" behind the end."""
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else ""

    def take(self, *kinds: str) -> Token | None:
        """Step over the coming token and return it if it is of one of the kinds."""
        if self.peek() in kinds and self.peek():
            self._at += 1
            return self._tokens[self._at - 1]
        return None

    def expect(self, *kinds: str, what: str) -> Token:
        """Step over the coming token, which must be of one of the kinds."""
        token = self.take(*kinds)
        if token is None:
            self.fail(f"expected {what}")
        return token

    def end(self) -> None:
        """Raise unless everything was read."""
        if self.peek():
            self.fail(f"did not expect {self._tokens[self._at].text!r}")

    def fail(self, why: str) -> NoReturn:
        """Raise `SelectionError` about the coming token."""
        at = self._tokens[self._at].position if self.peek() else len(self.text)
        self.grammar.fail(self.text, at, why)
