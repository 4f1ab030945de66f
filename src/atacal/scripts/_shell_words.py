"""A shell command cut into simple commands, as far as what it does can be told without running it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|&\n()]")
_REDIRECTION = re.compile(r"(?P<fd>\d*|&)(?P<op>>>|>\||>&|<&|<<<|<<|<>|>|<)")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<name>\w+))")
_KEYWORDS = frozenset({
    "for", "while", "until", "if", "case", "select", "function", "then", "do", "else", "elif", "fi", "done", "esac",
    "{", "}", "!", "[[", "eval", "exec", "source", ".", "trap", "alias", "export", "unset", "set", "time", "coproc",
})  # fmt: skip


class NotReadable(ValueError):
    """What a command does cannot be told before it runs."""


@dataclass(frozen=True)
class Word:
    """One word of a command, its quotes and variables resolved."""

    text: str
    pattern: bool = False

    def paths(self, folder: str) -> list[str]:
        """Name the files that the word stands for in a folder; itself if it is no pattern or matches none."""
        full = os.path.join(folder, self.text)
        if self.pattern:
            found = sorted(glob.glob(full))
            if found:
                return found
        return [full]


@dataclass
class Simple:
    """A simple command: its words, and the files that its output goes to."""

    words: list[Word] = field(default_factory=list)
    written: list[Word] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The program; without its folder if that is one of the system's."""
        if not self.words:
            return ""
        folder, name = os.path.split(self.words[0].text)
        return name if folder in ("", "/bin", "/usr/bin") else self.words[0].text


def simple_commands(command: str, environ: Mapping[str, str] | None = None) -> list[Simple]:
    """Cut a command into simple commands.

    Parameters
    ----------
    command : str
        For ``sh -c``.
    environ : mapping, optional
        The variables; by default those of this process.

    Returns
    -------
    list of Simple

    Raises
    ------
    NotReadable
        It has substitutions, loops, here-documents or variables that are not set.
    """
    reader = _Reader(command, os.environ if environ is None else environ)
    return reader.read()


class _Reader:
    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self._text, self._environ, self._at = text, environ, 0

    def read(self) -> list[Simple]:
        commands = [Simple()]
        while True:
            self._skip_blanks()
            if self._at >= len(self._text):
                break
            operator = _OPERATOR.match(self._text, self._at)
            if operator is not None:
                if operator.group() in ("(", ")", ";;"):
                    raise NotReadable("a subshell or case")
                self._at = operator.end()
                commands.append(Simple())
                continue
            if self._redirection(commands[-1]):
                continue
            commands[-1].words.append(self._word())
        done = [c for c in commands if c.words or c.written]
        for one in done:
            if one.words and (one.words[0].text in _KEYWORDS or re.match(r"^\w+=", one.words[0].text)):
                raise NotReadable(f"`{one.words[0].text}`")
        return done

    def _skip_blanks(self) -> None:
        while self._at < len(self._text):
            if self._text[self._at] in " \t" or self._text.startswith("\\\n", self._at):
                self._at += 2 if self._text[self._at] == "\\" else 1
            elif self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return

    def _redirection(self, command: Simple) -> bool:
        match = _REDIRECTION.match(self._text, self._at)
        if match is None:
            return False
        self._at = match.end()
        op = match["op"]
        if op in ("<<", "<<<"):
            raise NotReadable("a here-document")
        self._skip_blanks()
        target = self._word()
        if op in (">&", "<&") and re.fullmatch(r"\d+|-", target.text):
            return True
        if op not in ("<", "<&"):
            command.written.append(target)
        return True

    def _word(self) -> Word:
        """Read one word: quotes, backslashes, variables, patterns."""
        text, out, pattern = self._text, "", False
        start = self._at
        while self._at < len(text):
            char = text[self._at]
            if char in " \t\n;|&()<>":
                break
            if char == "'":
                end = text.find("'", self._at + 1)
                if end < 0:
                    raise NotReadable("a quote that is not closed")
                out, self._at = out + text[self._at + 1 : end], end + 1
            elif char == '"':
                out += self._quoted()
            elif char == "\\":
                out, self._at = out + text[self._at + 1 : self._at + 2], self._at + 2
            elif char in "$`":
                value = self._variable()
                pattern = pattern or any(c in value for c in "*?[")
                if any(c.isspace() for c in value):
                    raise NotReadable("a variable with blanks in it, unquoted")
                out += value
            elif char == "~" and self._at == start:
                out, self._at = out + self._home(), self._at + 1
            elif char == "{" and re.match(r"\{[^{}]*(,|\.\.)[^{}]*\}", text[self._at :]):
                raise NotReadable("braces")
            else:
                pattern = pattern or char in "*?["
                out, self._at = out + char, self._at + 1
        if self._at == start:
            raise NotReadable(f"`{text[start : start + 1]}`")
        return Word(out, pattern)

    def _quoted(self) -> str:
        out = ""
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return out
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                out, self._at = out + self._text[self._at + 1], self._at + 2
            elif char in "$`":
                out += self._variable()
            else:
                out, self._at = out + char, self._at + 1
        raise NotReadable("a quote that is not closed")

    def _variable(self) -> str:
        match = _VARIABLE.match(self._text, self._at)
        if match is None:
            if self._text.startswith(("`", "$(", "${", "$'", '$"'), self._at):
                raise NotReadable("a substitution")
            self._at += 1
            return "$"
        name = match["braced"] or match["name"]
        self._at = match.end()
        if name == "PWD":
            return os.getcwd()
        if name not in self._environ:
            raise NotReadable(f"the variable {name}")
        return self._environ[name]

    def _home(self) -> str:
        following = self._text[self._at + 1 : self._at + 2]
        if following not in ("", "/", " ", "\t", ";", "\n"):
            raise NotReadable("somebody's home")
        return os.path.expanduser("~")
