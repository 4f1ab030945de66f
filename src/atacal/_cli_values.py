"""Turning the words of a command line into the values that a task's signature asks for."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import os
import re
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin

TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})

WHOLE = frozenset({
    "field", "spw", "antenna", "scan", "timerange", "uvrange", "intent", "correlation", "observation", "array", "feed",
    "msselect", "gainfield", "interp", "tie",
})  # fmt: skip
"""Parameters in whose strings a comma has a meaning of its own, so that it does not separate a list's elements."""

_SCALARS = (bool, int, float, str, complex)


class BadValue(ValueError):
    """A word cannot be read as what the parameter takes."""


@dataclass(frozen=True)
class Kind:
    """What a parameter takes.

    Attributes
    ----------
    scalars : frozenset of type
        Types of a single value; empty if only lists are taken.
    elements : frozenset of type
        Types of a list's elements; empty if no list is taken.
    nested : bool
        Whether lists of lists are taken.
    mapping, none : bool
        Whether a dict, or None, is taken.
    choices : tuple
        The only values allowed, if not empty.
    """

    scalars: frozenset[type] = frozenset()
    elements: frozenset[type] = frozenset()
    nested: bool = False
    mapping: bool = False
    none: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def is_bool(self) -> bool:
        """Whether the parameter is a plain switch."""
        return self.scalars == {bool} and not self.elements

    @property
    def takes_list(self) -> bool:
        return bool(self.elements) or self.nested

    def __or__(self, other: Kind) -> Kind:
        return Kind(
            self.scalars | other.scalars,
            self.elements | other.elements,
            self.nested or other.nested,
            self.mapping or other.mapping,
            self.none or other.none,
            self.choices + other.choices,
        )


def kind_of(annotation: Any, default: Any = inspect.Parameter.empty) -> Kind:
    """Tell what a parameter takes from its annotation and its default."""
    kind = _from_annotation(annotation)
    if not (kind.scalars or kind.takes_list or kind.mapping):
        known = type(default) if isinstance(default, (*_SCALARS, list, tuple, dict)) else str
        kind = kind | _from_annotation(known)
    return kind


def _from_annotation(annotation: Any) -> Kind:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is type(None) or annotation is None:
        return Kind(none=True)
    if origin in (Union, types.UnionType):
        kind = Kind()
        for part in args:
            kind = kind | _from_annotation(part)
        return kind
    if origin is typing.Annotated:
        return _from_annotation(args[0])
    if origin is Literal:
        return Kind(scalars=frozenset(type(a) for a in args), choices=args)
    target = origin if isinstance(origin, type) else annotation
    if not isinstance(target, type):
        return Kind()
    if target in _SCALARS:
        return Kind(scalars=frozenset({target}))
    if issubclass(target, os.PathLike):
        return Kind(scalars=frozenset({str}))
    if issubclass(target, (dict, collections.abc.Mapping)):
        return Kind(mapping=True)
    if issubclass(target, collections.abc.Iterable):
        anything = Kind(scalars=frozenset(_SCALARS), elements=frozenset(_SCALARS))
        inner = [anything if a is Any else _from_annotation(a) for a in args if a is not Ellipsis] or [anything]
        scalars = frozenset[type]().union(*(k.scalars for k in inner))
        return Kind(elements=scalars, nested=any(k.takes_list for k in inner))
    return Kind()


@dataclass(frozen=True)
class Param:
    """One parameter of a task as the command line sees it."""

    name: str
    kind: Kind
    default: Any
    help: str = ""
    typed: str = ""

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def value(self, words: Sequence[str]) -> Any:
        """Read the words given for this parameter (one, or several where the option was repeated).

        Raises
        ------
        BadValue
        """
        if len(words) == 1:
            return self._one(words[0])
        if not self.kind.takes_list:
            raise BadValue(f"given {len(words)} times, but takes one value")
        one = replace(self, kind=replace(self.kind, scalars=self.kind.elements or self.kind.scalars))
        return [one._element(word) for word in words]

    def _one(self, word: str) -> Any:
        kind, text = self.kind, word.strip()
        if kind.none and text == "None":
            return None
        if kind.mapping and text.startswith("{"):
            return _literal(text)
        if kind.takes_list and text[:1] in ("[", "("):
            return self._bracketed(text)
        if kind.takes_list and "," in text and (self.name not in WHOLE or str not in kind.elements):
            return [_scalar(part.strip(), kind.elements, self) for part in text.split(",") if part.strip()]
        if kind.scalars:
            return _scalar(word, kind.scalars, self)
        if kind.takes_list:
            return [_scalar(word, kind.elements, self)] if text else []
        raise BadValue(f"{word!r} is not {self.expected()}")

    def _element(self, word: str) -> Any:
        if self.kind.nested and word.strip()[:1] in ("[", "("):
            return _literal(word)
        return _scalar(word, self.kind.elements or self.kind.scalars, self)

    def _bracketed(self, text: str) -> list[Any]:
        """Read ``[0,0,2]``, ``['a','b']`` and, with the quotes eaten by the shell, ``[a,b]``."""
        try:
            return list(ast.literal_eval(text))
        except (ValueError, SyntaxError, TypeError):
            pass
        if text[-1:] not in ("]", ")") or any(c in text[1:-1] for c in "[]()"):
            raise BadValue(f"{text!r} is not a list like [0,0,2] or [a,b]")
        return [_scalar(part.strip().strip("'\""), self.kind.elements, self) for part in text[1:-1].split(",")]

    def expected(self) -> str:
        """Say in words what the parameter takes."""
        kind = self.kind
        if kind.choices:
            return "one of " + ", ".join(str(c) for c in kind.choices)
        names = {
            bool: "true or false",
            int: "an integer",
            float: "a number",
            str: "a text",
            complex: "a complex number",
        }
        alternatives = [names[t] for t in _SCALARS if t in kind.scalars]
        if kind.takes_list:
            alternatives.append("a list (a,b or [a,b])")
        if kind.mapping:
            alternatives.append("a dict ({'key': value})")
        return " or ".join(alternatives)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise BadValue(f"{text!r} is not a Python literal") from error


def _scalar(word: str, allowed: frozenset[type], param: Param) -> Any:
    """Read one word as one of the allowed types; text wins where it is allowed and is the default's own type."""
    if param.kind.choices:
        for choice in param.kind.choices:
            if str(choice) == word:
                return choice
        raise BadValue(f"{word!r} is not {param.expected()}")
    if str in allowed and (allowed == {str} or isinstance(param.default, str) or param.required):
        return word
    readers: list[tuple[type, Callable[[str], Any]]] = [
        (int, int),
        (float, float),
        (complex, complex),
        (bool, _bool),
    ]
    for kind, read in readers:
        if kind in allowed and not (str in allowed and re.fullmatch(r"[+-]?[a-zA-Z]+", word)):
            try:
                return read(word)
            except ValueError:
                continue
    if bool in allowed and word.lower() in ("true", "false"):
        return word.lower() == "true"
    if str in allowed:
        return word
    raise BadValue(f"{word!r} is not {param.expected()}")


def _bool(word: str) -> bool:
    if word.lower() in TRUE:
        return True
    if word.lower() in FALSE:
        return False
    raise ValueError(word)
