"""Antenna and baseline selection: ``DA41``, ``DV*&DA*``, ``0~5&&``, ``!DV08``, ``DA41@A001``, ``<100m``, ``A;B``."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.ms.metadata import Metadata
from atacal.ms.selection.patterns import compiled, listed, matching
from atacal.ms.selection.scanner import Cursor, Grammar, Token, rule

log = logging.getLogger("atacal")

_NAMECHAR = r"-+a-zA-Z0-9_."
_PATTCHAR = r"\]\[*?^"
GRAMMAR = Grammar(
    "antenna",
    (
        rule("quoted", r"(?:\"[^\"\n]*\"|'[^'\n]*')"),
        rule("regex", r"\^?/[^/\n]*/"),
        rule("unit", r"[a-zA-Z]+"),
        # a name or pattern that holds a colon comes first: the alternatives are tried in order
        rule("name", rf"[{_NAMECHAR}]*:[{_NAMECHAR}:]*|[a-zA-Z_][{_NAMECHAR}]*"),
        rule("escaped", r"\\\S+"),
        rule("pattern", rf"[{_NAMECHAR}{_PATTCHAR}]*:[{_NAMECHAR}{_PATTCHAR}:]*"
                        rf"|[a-zA-Z_{_PATTCHAR}][{_NAMECHAR}{_PATTCHAR}]*"),
        rule("int", r"[0-9]+"),
        rule("float", r"[0-9]+[DdEe][+-]?[0-9]+|[0-9]+\.[0-9]*(?:[DdEe][+-]?[0-9]+)?"
                      r"|[0-9]*\.[0-9]+(?:[DdEe][+-]?[0-9]+)?"),
        rule("le", r"<="), rule("ge", r">="), rule("lt", r"<"), rule("gt", r">"),
        rule(";", ";"), rule("@", "@"), rule("&", "&"), rule("~", "~"), rule(",", ","), rule("!", "!"),
        rule("(", r"\("), rule(")", r"\)"),
    ),
    "Write names, ids, ranges of ids (0~5), patterns (DV*, \"D{A,V}4?\", /regex/), name@station or @station, joined by "
    "','; & (with, no autocorrelations), && (with, autocorrelations too), &&& (autocorrelations only); baseline "
    "lengths (<100m, 0.2~1.5km); a leading ! excludes; ';' joins baseline lists.",
)  # fmt: skip

_METRES = {"m": 1.0, "in": 0.0254, "ft": 0.3048, "yd": 0.9144, "mile": 1609.344, "n_mile": 1852.0}
_METRES |= {p + "m": f for p, f in {"k": 1e3, "h": 1e2, "da": 10.0, "d": 0.1, "c": 1e-2, "m": 1e-3, "u": 1e-6,
                                    "M": 1e6, "G": 1e9}.items()}  # fmt: skip
_EDGE_M = 1e-9


@dataclass(frozen=True, eq=False)
class AntennaSelection:
    """What an antenna expression means.

    Attributes
    ----------
    baselines : bool (antenna, antenna)
        Wanted (ANTENNA1, ANTENNA2) pairs.
    antennas : tuple of int
        The antennas named in terms that are not negated, in order of appearance.
    unmatched : tuple of str
        Ids beyond the last antenna.
    """

    baselines: NDArray[np.bool_]
    antennas: tuple[int, ...]
    unmatched: tuple[str, ...]


def parse_antenna(text: str, meta: Metadata, *, autocorr: bool = True) -> AntennaSelection:
    """Read an antenna expression.

    Parameters
    ----------
    text : str
        The expression; empty means all.
    meta : Metadata
    autocorr : bool
        Whether an empty expression includes the autocorrelations (an expression says itself what it includes).

    Returns
    -------
    AntennaSelection

    Raises
    ------
    SelectionError
        If the expression cannot be read.
    EmptySelection
        If it names an antenna that is not there, or selects none.
    """
    n = meta.nant
    if not text.strip():
        everything = np.ones((n, n), bool)
        if not autocorr:
            np.fill_diagonal(everything, False)
        return AntennaSelection(everything, tuple(range(n)), ())
    return _Parser(text, meta).whole()


def parse_antenna_list(text: str, meta: Metadata) -> list[int]:
    """Read a plain list of antennas (refant, antenna of a plot): ids in the order written, without repetition."""
    return list(dict.fromkeys(parse_antenna(text, meta).antennas))


class _Parser:
    """Recursive descent over an antenna expression."""

    def __init__(self, text: str, meta: Metadata) -> None:
        self.text, self.meta = text, meta
        self.cursor = Cursor(GRAMMAR, text)
        self.names = [a.name for a in meta.antennas]
        self.stations = [a.station for a in meta.antennas]
        self.named: list[int] = []
        self.unmatched: list[str] = []

    def whole(self) -> AntennaSelection:
        """``baselines ; !baselines ; ...``: plain lists add to what precedes them, negated ones take away."""
        wanted: NDArray[np.bool_] | None = None
        empty = True
        while True:
            negate = self.cursor.take("!") is not None
            before = len(self.named)
            term, found = self._term()
            empty &= not found
            if negate:
                del self.named[before:]
                term = ~term
                wanted = term if wanted is None else wanted & term
            else:
                wanted = term if wanted is None else wanted | term
            if not self.cursor.take(";"):
                break
        self.cursor.end()
        wrong = [part for part in self.unmatched if not part.isdigit()]
        if empty or wrong:
            self._nothing(wrong or self.unmatched)
        if self.unmatched:
            log.warning("antenna selection %r: there are no antennas %s", self.text, listed(self.unmatched))
        return AntennaSelection(wanted, tuple(self.named), tuple(self.unmatched))

    def _nothing(self, wrong: list[str]) -> NoReturn:
        """Raise: an unknown name is an error even beside known ones; ids beyond the last are left out, as in CASA."""
        there = ", ".join(f"{a.id}: {a.name}@{a.station}" for a in self.meta.antennas)
        raise EmptySelection(
            f"antenna selection {self.text!r}: nothing in {self.meta.path} matches {listed(wrong) or 'it'}; "
            f"its antennas are {there}"
        )

    def _term(self) -> tuple[NDArray[np.bool_], bool]:
        if self._is_length():
            return self._lengths(), True
        if self.cursor.peek() == "regex" and "&" in self._text_ahead():
            return self._baseline_patterns()
        first = self._list()
        amps = 0
        while amps < 3 and self.cursor.take("&"):
            amps += 1
        second = first
        if amps in (1, 2) and self._starts_item():
            second = self._list()
        return self._mask(first, second, amps), bool(first) and bool(second)

    def _mask(self, first: list[int], second: list[int], amps: int) -> NDArray[np.bool_]:
        n = self.meta.nant
        a, b = np.zeros(n, bool), np.zeros(n, bool)
        a[first], b[second] = True, True
        if amps == 0:
            mask = a[:, None] | a[None, :]
        elif amps == 3:
            return np.diag(a)
        else:
            mask = (a[:, None] & b[None, :]) | (b[:, None] & a[None, :])
        if amps < 2:
            np.fill_diagonal(mask, False)
        return mask

    def _starts_item(self) -> bool:
        return self.cursor.peek() in ("quoted", "regex", "unit", "name", "escaped", "pattern", "int", "@", "(")

    def _text_ahead(self) -> str:
        return self.cursor._tokens[self.cursor._at].text

    def _list(self) -> list[int]:
        ids = self._item()
        while self.cursor.take(","):
            ids += self._item()
        self.named += ids
        return ids

    def _item(self) -> list[int]:
        """``ant``, ``ant@station`` or ``@station``."""
        if self.cursor.take("@"):
            return self._station()
        start = self.cursor._at
        if self.cursor.take("("):
            ids = self._item()
            while self.cursor.take(","):
                ids += self._item()
            self.cursor.expect(")", what="')'")
            self.cursor.expect("@", what="'@' (brackets only stand before or behind an @)")
            return self._at_station(ids, start)
        ids = self._antenna()
        return self._at_station(ids, start) if self.cursor.take("@") else ids

    def _at_station(self, ids: list[int], start: int) -> list[int]:
        there = self._station()
        both = [i for i in ids if i in there]
        if ids and there and not both:
            tokens = self.cursor._tokens[start : self.cursor._at]
            self.unmatched.append("".join(t.text for t in tokens))
        return both

    def _antenna(self) -> list[int]:
        token = self.cursor.expect(
            "unit", "name", "escaped", "quoted", "pattern", "regex", "int", what="an antenna name, id or pattern"
        )
        if token.kind == "int":
            return self._ids(token)
        if token.kind in ("unit", "name", "escaped"):
            name = token.text.removeprefix("\\")
            ids = self._exact(name)
        else:
            ids = self._pattern(token, [self.names, self.stations])
        if not ids:
            self.unmatched.append(token.text)
        return ids

    def _exact(self, name: str) -> list[int]:
        """Antennas of a name, or else at a station of that name."""
        ids = [i for i, n in enumerate(self.names) if n == name]
        return ids or [i for i, s in enumerate(self.stations) if s == name]

    def _ids(self, token: Token) -> list[int]:
        """Digits are a name first (VLA antennas are called "1", "2"...), an id otherwise."""
        first = last = int(token.text)
        if self.cursor.take("~"):
            last = int(self.cursor.expect("int", what="an antenna id").text)
            if last < first:
                self.cursor.fail(f"the range {first}~{last} runs backwards")
            last = min(last, max(first, 100_000))
        ids: list[int] = []
        for number in range(first, last + 1):
            named = self._exact(token.text if first == last else str(number))
            if named:
                ids.append(named[0])
            elif number < self.meta.nant:
                ids.append(number)
            else:
                self.unmatched.append(str(number))
        return ids

    def _pattern(self, token: Token, columns: list[list[str]]) -> list[int]:
        pattern = token.text
        if token.kind == "quoted":
            pattern = pattern[1:-1]
        elif token.kind == "regex":
            pattern = pattern.replace("/", "", 1)[:-1]
        negate = pattern.startswith("^")
        regex = compiled(pattern[negate:], is_regex=token.kind == "regex", what="antenna", text=self.text)
        found = set().union(*(matching(regex, column) for column in columns))
        return [i for i in range(self.meta.nant) if (i in found) != negate]

    def _station(self) -> list[int]:
        if self.cursor.take("("):
            ids = self._one_station()
            while self.cursor.take(","):
                ids += self._one_station()
            self.cursor.expect(")", what="')'")
            return ids
        return self._one_station()

    def _one_station(self) -> list[int]:
        token = self.cursor.expect(
            "unit", "name", "escaped", "quoted", "pattern", "regex", what="a station name or pattern"
        )
        if token.kind in ("unit", "name", "escaped"):
            name = token.text.removeprefix("\\")
            ids = [i for i, s in enumerate(self.stations) if s == name]
        else:
            ids = self._pattern(token, [self.stations])
        if not ids:
            self.unmatched.append("@" + token.text)
        return ids

    def _is_length(self) -> bool:
        kind = self.cursor.peek()
        return kind in ("lt", "le", "gt", "ge", "float") or (kind == "int" and self.cursor.peek(1) == "unit")

    def _lengths(self) -> NDArray[np.bool_]:
        """Baseline lengths [m]; an autocorrelation has length 0."""
        xyz = self.meta.antenna_positions_m
        length = np.linalg.norm(xyz[:, None] - xyz[None, :], axis=-1)
        mask = np.zeros(length.shape, bool)
        while True:
            low, high = self._length()
            mask |= (length >= low) & (length <= high)
            if not self.cursor.take(","):
                return mask

    def _length(self) -> tuple[float, float]:
        sign = self.cursor.take("lt", "le", "gt", "ge")
        value, unit = self._number()
        if sign:
            metres = value * (unit or 1.0)
            edge = {"lt": -_EDGE_M, "gt": _EDGE_M}.get(sign.kind, 0.0)
            return (-np.inf, metres + edge) if sign.kind in ("lt", "le") else (metres + edge, np.inf)
        self.cursor.expect("~", what="'~' and the other end of the range of baseline lengths")
        other, other_unit = self._number()
        return value * (unit or other_unit or 1.0), other * (other_unit or 1.0)

    def _number(self) -> tuple[float, float | None]:
        token = self.cursor.expect("int", "float", what="a baseline length")
        value = float(re.sub("[dD]", "e", token.text))
        if self.cursor.peek() != "unit":
            return value, None
        if self._text_ahead() not in _METRES:
            self.cursor.fail(f"{self._text_ahead()!r} is no unit of length (m, km, cm, ft ...)")
        unit = self.cursor.take("unit")
        assert unit is not None
        return value, _METRES[unit.text]

    def _baseline_patterns(self) -> tuple[NDArray[np.bool_], bool]:
        """``/name1&name2/``: regular expressions on the pair of names, in the order of the rows."""
        n = self.meta.nant
        pairs = [f"{a}&{b}" for a in self.names for b in self.names]
        mask = np.zeros(n * n, bool)
        while True:
            token = self.cursor.expect("regex", what="a regular expression on baselines, like /DA.*&DV.*/")
            pattern = token.text.replace("/", "", 1)[:-1]
            negate = pattern.startswith("^")
            regex = compiled(pattern[negate:], is_regex=True, what="antenna", text=self.text)
            mask |= np.array([bool(regex.fullmatch(p)) != negate for p in pairs], bool)
            if not self.cursor.take(","):
                return mask.reshape(n, n), bool(mask.any())
