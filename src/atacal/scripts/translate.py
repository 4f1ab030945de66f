"""Python 2 source into Python 3 source, line by line.

fissix (the maintained lib2to3) rewrites what Python 3 cannot parse; every statement stays on its line. What Python 3
parses but means otherwise (division, lists from map, ...) is left to `atacal.scripts.semantics`.
"""

from __future__ import annotations

import ast
import io
import logging
import tokenize
from functools import cache
from typing import Any

from atacal.errors import AtacalError
from atacal.scripts._layout import tidy

FIXERS = ("print", "except", "exec", "raise", "throw", "repr", "ne", "numliterals", "paren")
"""fissix's fixers for what is no longer syntax."""


class ScriptSyntaxError(AtacalError, SyntaxError):
    """A script is neither Python 2 nor Python 3."""

    def __str__(self) -> str:
        return str(self.args[0])


def translate(text: str, name: str = "script") -> str:
    r"""Translate Python 2 source so that Python 3 parses it.

    Parameters
    ----------
    text : str
        The script.
    name : str
        What it is called in messages.

    Returns
    -------
    str
        Source for Python 3, with as many lines, each with what the same line of the script says.

    Raises
    ------
    ScriptSyntaxError
        It is not Python 2 either.

    Examples
    --------
    >>> translate('print "a", 1\\n')
    'print("a", 1)\\n'
    """
    source = tidy(text)
    whole = source if source.endswith("\n") else source + "\n"
    from fissix.pgen2.parse import ParseError
    from fissix.pgen2.tokenize import TokenError

    first: Exception | None = None
    for print_function in (_asks_for_print_function(whole), True):
        try:
            out = str(_tool(print_function).refactor_string(whole, name))
        except (ParseError, TokenError, IndentationError) as error:
            first = first or error
            continue
        # the last line's end is the script's own
        out = out[:-1] if whole is not source and out.endswith("\n") else out
        _check_lines(source, out, name)
        return out
    raise ScriptSyntaxError(_told(first, whole, name))


@cache
def _tool(print_function: bool) -> Any:
    from fissix import refactor

    logging.getLogger("RefactoringTool").setLevel(logging.CRITICAL)
    fixers = [f"fissix.fixes.fix_{n}" for n in FIXERS if not (print_function and n == "print")]
    fixers += ["atacal.scripts.fixes.fix_unpack", "atacal.scripts.fixes.fix_leftovers"]
    return refactor.RefactoringTool(fixers, {"print_function": print_function})


def _asks_for_print_function(text: str) -> bool:
    return "print_function" in text and any(
        line.lstrip().startswith("from __future__") and "print_function" in line for line in text.split("\n")
    )


def _check_lines(source: str, out: str, name: str) -> None:
    """Insist that the lines correspond, as far as line numbers go."""
    if source.count("\n") != out.count("\n"):
        raise ScriptSyntaxError(
            f"{name}: the translation to Python 3 has {out.count(chr(10))} lines, not {source.count(chr(10))}: "
            "please report it with the script"
        )


def _told(error: Exception | None, text: str, name: str) -> str:
    """Say where the script cannot be read."""
    context = getattr(error, "context", None)
    line = context[1][0] if context else getattr(error, "lineno", None)
    if line is None and error is not None and len(error.args) == 2 and isinstance(error.args[1], tuple):
        line = error.args[1][0]
    if not isinstance(line, int):
        return f"{name} is no Python: {error}"
    lines = text.split("\n")
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return f"{name}, line {line}: neither Python 2 nor Python 3 can read `{shown}`"


def parses_as_python3(text: str) -> bool:
    """Tell whether Python 3 can parse a source as it is (``!commands`` taken as calls)."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in strings are the script's affair
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            return False
    return True


def decoded(data: bytes) -> str:
    """Decode a script: the encoding it declares, else UTF-8, else Latin-1 (as Python 2 took any byte)."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "latin-1"
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return data.decode("latin-1")
