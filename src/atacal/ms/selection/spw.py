"""Spectral window and channel selection: ``0``, ``0~3:4~123^2;130``, ``*FULL_RES``, ``0:86.1~86.2GHz``, ``>2``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.ms.metadata import Metadata, Spw
from atacal.ms.selection.patterns import compiled, listed, matching, ranges
from atacal.ms.selection.scanner import Cursor, Grammar, rule

log = logging.getLogger("atacal")

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[DdEe][+-]?[0-9]+)?"
GRAMMAR = Grammar(
    "spw",
    (
        rule("quoted", r"\"[^\"\n]*\""),
        rule("regex", r"/[^/\n]*/"),
        rule("number", _NUMBER),
        rule("unit", r"[KkMmGgTt]?[Hh][Zz]"),
        rule("velocity", r"[KkMm]?m/[Ss](?:[Ee][Cc])?"),
        rule("name", r"[a-zA-Z_'{}+\-#][a-zA-Z0-9_'{}+\-#.]*"),
        rule("pattern", r"[A-Za-z_*?'{}+\-#\[][A-Za-z0-9_'{}+\-*?#.\[\]]*"),
        rule("<>", "<>"), rule("lt", "<"), rule("gt", ">"), rule("~", "~"), rule(",", ","), rule(";", ";"),
        rule(":", ":"), rule("^", r"\^"), rule("(", r"\("), rule(")", r"\)"),
    ),
    "Write ids, ranges (0~3), <id, >id, names, patterns (*FULL_RES), /regex/ or frequencies (86~87GHz), joined by ','; "
    "behind a ':' channels, ranges with a step (4~123^2) or frequencies (86.1~86.2GHz), joined by ';'.",
)  # fmt: skip

_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


@dataclass(frozen=True)
class _Range:
    """``low ~ high ^ step``, of channel or spw numbers or [Hz]."""

    low: float
    high: float
    step: float
    is_hz: bool


@dataclass(eq=False)
class SpwSelection:
    """What an spw expression means.

    Attributes
    ----------
    channels : dict of spw -> bool (chan,)
    groups : dict of spw -> list of slice
        The channel ranges as written.
    unmatched : list of str
        Parts that match no spw.
    """

    channels: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    groups: dict[int, list[slice]] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)

    def add(self, spw: Spw, group: slice) -> None:
        """Add a range of channels of an spw."""
        mask = self.channels.setdefault(spw.id, np.zeros(spw.nchan, bool))
        mask[group] = True
        self.groups.setdefault(spw.id, []).append(group)


def parse_spw(text: str, meta: Metadata) -> SpwSelection:
    """Read an spw expression.

    Parameters
    ----------
    text : str
        Empty means every channel of every spw.
    meta : Metadata

    Returns
    -------
    SpwSelection
        Of spws that a data description uses.

    Raises
    ------
    SelectionError
        If the expression cannot be read.
    EmptySelection
        If a part names an spw that is not there, or no channel matches.
    """
    selection = SpwSelection()
    used = {d.spw for d in meta.ddids}
    if not text.strip():
        for spw in meta.spws:
            if spw.id in used:
                selection.add(spw, slice(0, spw.nchan, 1))
        return selection
    parser = _Parser(text, meta, selection)
    parser.whole()
    for spw_id in [s for s in selection.channels if s not in used]:
        del selection.channels[spw_id], selection.groups[spw_id]
    if not selection.channels or selection.unmatched:
        there = listed([_described(s) for s in meta.spws])
        wrong = listed(selection.unmatched) if selection.unmatched else "it"
        raise EmptySelection(f"spw selection {text!r}: no spw matches {wrong}; {meta.path} has {there}")
    return selection


class _Parser:
    """Recursive descent over an spw expression."""

    def __init__(self, text: str, meta: Metadata, selection: SpwSelection) -> None:
        self.text, self.meta, self.selection = text, meta, selection
        self.cursor = Cursor(GRAMMAR, text)
        self.names = [s.name for s in meta.spws]

    def whole(self) -> None:
        bracket = self.cursor.take("(")
        self._spec()
        while self.cursor.take(","):
            self._spec()
        if bracket:
            self.cursor.expect(")", what="')'")
        self.cursor.end()

    def _spec(self) -> None:
        """``spws`` or ``spws:channels``."""
        spws = [self.meta.spws[i] for i in self._spws()]
        parts = self._ranges() if self.cursor.take(":") else None
        for spw in spws:
            if parts is None:
                self.selection.add(spw, slice(0, spw.nchan, 1))
                continue
            for part in parts:
                group = self._frequencies(part, spw) if part.is_hz else self._channels(part, spw)
                if group is not None:
                    self.selection.add(spw, group)

    def _spws(self) -> list[int]:
        if token := self.cursor.take("name", "pattern", "quoted", "regex", "unit"):
            return self._named(token.kind, token.text)
        if sign := self.cursor.take("lt", "gt"):
            bound = self._quantity()
            return self._between(None, bound) if sign.kind == "lt" else self._between(bound, None)
        if self.cursor.take("~"):
            value, is_hz = self._quantity()
            if not is_hz:
                self.cursor.fail("'~' before a single value needs a frequency with its unit")
            return self._noted(
                [s.id for s in self.meta.spws if abs(_middle(s) - value) <= s.total_bandwidth_hz], f"~{value:g}Hz"
            )
        if self.cursor.peek() == "number" and self._is_open_range():
            low = self._quantity()
            self.cursor.take("<>")
            return self._between(low, self._quantity())
        ids: list[int] = []
        for part in self._ranges():
            ids += self._by_frequency(part) if part.is_hz else self._by_id(part)
        return sorted(set(ids))

    def _is_open_range(self) -> bool:
        return self.cursor.peek(1 + (self.cursor.peek(1) == "unit")) == "<>"

    def _named(self, kind: str, text: str) -> list[int]:
        bare = text[1:-1] if kind in ("quoted", "regex") else text
        if bare == "*" and kind != "regex":
            return list(range(len(self.names)))
        ids = [i for i, n in enumerate(self.names) if n == bare] if kind != "regex" else []
        if not ids and kind in ("quoted", "pattern", "regex"):
            regex = compiled(bare, is_regex=kind == "regex", what="spw", text=self.text)
            ids = matching(regex, self.names)
        return self._noted(ids, text)

    def _noted(self, ids: list[int], text: str) -> list[int]:
        if not ids:
            self.selection.unmatched.append(text)
        return ids

    def _between(self, low: tuple[float, bool] | None, high: tuple[float, bool] | None) -> list[int]:
        """Spws with low < id < high, or low < reference frequency < high."""
        is_hz = (low or high)[1]  # type: ignore[index]
        if low and high and low[1] != high[1]:
            self.cursor.fail("both ends of a range must be ids, or both frequencies")
        value = {s.id: s.ref_freq_hz if is_hz else float(s.id) for s in self.meta.spws}

        def whole(bound: tuple[float, bool]) -> float:
            return bound[0] if is_hz else int(bound[0])

        ids = [i for i, v in value.items() if (low is None or v > whole(low)) and (high is None or v < whole(high))]
        text = f"{'' if low is None else format(low[0], 'g')}<>{'' if high is None else format(high[0], 'g')}"
        return self._noted(ids, text)

    def _by_id(self, part: _Range) -> list[int]:
        count = len(self.names)
        low, high = (0, count - 1) if part.low < 0 else (int(part.low), int(part.high))
        ids: list[int] = []
        for number in range(low, min(high, low + 100_000) + 1, max(1, int(part.step))):
            if number < count:
                ids.append(number)
            else:
                ids += self._noted([i for i, n in enumerate(self.names) if n == str(number)][:1], str(number))
        return ids

    def _by_frequency(self, part: _Range) -> list[int]:
        """Spws by the middle of their band [Hz]."""
        text = f"{part.low / 1e9:g}~{part.high / 1e9:g}GHz"
        if part.low == part.high:
            near = [s.id for s in self.meta.spws if abs(_middle(s) - part.low) < np.abs(s.chan_width_hz).max()]
            return self._noted(near[:1], text)
        if not part.step:
            return self._noted([s.id for s in self.meta.spws if part.low <= _middle(s) <= part.high], text)
        grid = part.low + part.step * np.arange(min(10**6, int((part.high - part.low) / part.step) + 1))
        found = [s.id for s in self.meta.spws if np.abs(grid - _middle(s)).min() < np.abs(s.chan_width_hz).max()]
        return self._noted(found, text)

    def _ranges(self) -> list[_Range]:
        parts = [self._range()]
        while self.cursor.take(";"):
            parts.append(self._range())
        return parts

    def _range(self) -> _Range:
        """``a``, ``a~b``, ``a~b^step``, ``^step``; a unit behind the second number covers both."""
        if self.cursor.take("^"):
            step, is_hz = self._quantity()
            if is_hz:
                self.cursor.fail("a step alone is a number of channels, not a frequency")
            return _Range(-1.0, -1.0, step, False)
        low, low_hz = self._quantity()
        if not self.cursor.take("~"):
            low = low if low_hz else float(int(low))
            return _Range(low, low, 0.0, low_hz)
        at = self.cursor._at
        high, high_hz = self._quantity()
        if high_hz and not low_hz:
            low, low_hz = low * _unit_factor(self.cursor._tokens[at + 1].text), True
        if low_hz != high_hz:
            self.cursor.fail("both ends of a range must have a unit, or the second one alone")
        if low > high:
            self.cursor.fail(f"the range {low:g}~{high:g} runs backwards")
        step, step_hz = 0.0, low_hz
        if self.cursor.take("^"):
            step, step_hz = self._quantity()
        if step_hz != low_hz:
            self.cursor.fail("the step must be of the range's kind (channels, or a frequency with its unit)")
        return _Range(low, high, step, low_hz)

    def _quantity(self) -> tuple[float, bool]:
        """Return a number and whether it is a frequency [Hz]."""
        token = self.cursor.expect("number", what="a number")
        value = float(token.text.replace("d", "e").replace("D", "e"))
        if value < 0 or not np.isfinite(value):
            self.cursor.fail(f"{token.text} is not an id, a channel or a frequency")
        if self.cursor.peek() == "velocity":
            self.cursor.fail("velocities cannot be selected on; write channels or frequencies")
        unit = self.cursor.take("unit")
        return (value * _unit_factor(unit.text), True) if unit else (min(value, 2.0**31), False)

    def _channels(self, part: _Range, spw: Spw) -> slice:
        """A range of channel numbers, cut to those there are."""
        last = spw.nchan - 1
        low, high = (0, last) if part.low < 0 else (int(part.low), int(part.high))
        if high > last:
            log.warning("spw selection %r: spw %d has channels %s only", self.text, spw.id, ranges(range(spw.nchan)))
        return slice(min(low, last), min(high, last) + 1, max(1, int(part.step)))

    def _frequencies(self, part: _Range, spw: Spw) -> slice | None:
        """The channels whose centres lie in a range of frequencies [Hz].

        As in CASA a range (or a single frequency) that falls between two centres takes both of them.
        """
        freq = spw.chan_freq_hz
        tolerance = 1e-3 * float(np.abs(spw.chan_width_hz).max())
        above = np.flatnonzero(freq >= part.low - tolerance)
        below = np.flatnonzero(freq <= part.high + tolerance)
        if not len(above) or not len(below):
            text = f"{part.low / 1e9:g}~{part.high / 1e9:g} GHz"
            log.warning("spw selection %r: spw %d has no channel in %s", self.text, spw.id, text)
            return None
        first, last = above[np.argmin(freq[above])], below[np.argmax(freq[below])]
        low, high = sorted((int(first), int(last)))
        step = max(1, int(abs(part.step) / float(np.abs(spw.chan_width_hz).max())))
        return slice(low, high + 1, step)


def _described(spw: Spw) -> str:
    """Say what an spw is, for a message."""
    low, high = spw.chan_freq_hz.min() / 1e9, spw.chan_freq_hz.max() / 1e9
    return f"{spw.id}: {spw.name or '(no name)'} ({spw.nchan} channels, {low:.6f}~{high:.6f} GHz)"


def _middle(spw: Spw) -> float:
    """Half-way between the first and last channel's centre [Hz]."""
    return float(spw.chan_freq_hz[0] + spw.chan_freq_hz[-1]) / 2


def _unit_factor(unit: str) -> float:
    return _PREFIX[unit.lower().removesuffix("hz")]
