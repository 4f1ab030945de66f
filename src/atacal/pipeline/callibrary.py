"""Which tables calibrate what: registered by stages, asked for by solves, by applycal and by the list of calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from atacal.pipeline.facts import Facts


@dataclass(frozen=True)
class Applied:
    """A calibration table and what it is applied to.

    Attributes
    ----------
    term : str
        Which factor of the calibration it is: tsys, antpos, wvr, bandpass, offset, phase, amp, diffgain,
        diffgain_amp. Of two of the same term that concern the same data the later one counts.
    gaintable : str
        Its path, relative to the run directory.
    gainfield, interp : str
    spwmap : tuple of int
    calwt : bool
    field, intent, spw : str
        What it calibrates: ids of fields and spws with commas between, the pipeline's intents; empty for all.
    """

    term: str
    gaintable: str
    gainfield: str = ""
    interp: str = "linear"
    spwmap: tuple[int, ...] = ()
    calwt: bool = True
    field: str = ""
    intent: str = ""
    spw: str = ""

    def concerns(self, field: int, intents: Iterable[str], spw: int) -> bool:
        """Whether it calibrates a field, observed with some intents, in an spw."""
        return (
            _among(str(field), self.field)
            and _among(str(spw), self.spw)
            and (not self.intent or bool(set(intents) & set(self.intent.split(","))))
        )


@dataclass(frozen=True)
class Unit:
    """Data that the same tables calibrate: their fields, scans, spws, and the tables in the order of registration."""

    fields: tuple[int, ...]
    scans: tuple[int, ...]
    spws: tuple[int, ...]
    stack: tuple[Applied, ...]

    def selection(self) -> dict[str, str]:
        """Return the data as arguments of a task."""
        return {
            "field": ",".join(map(str, self.fields)),
            "spw": ",".join(map(str, self.spws)),
            "scan": ",".join(map(str, self.scans)),
        }


@dataclass
class CalLibrary:
    """The tables registered so far.

    Attributes
    ----------
    entries : list of Applied
    """

    entries: list[Applied] = field(default_factory=list)

    def plain(self) -> list[dict[str, Any]]:
        """Return the entries as plain values."""
        return [asdict(e) for e in self.entries]

    @staticmethod
    def of(plain: Sequence[dict[str, Any]]) -> CalLibrary:
        """Read what `plain` gave."""
        return CalLibrary([Applied(**{**e, "spwmap": tuple(e["spwmap"])}) for e in plain])

    def without(self, *terms: str) -> CalLibrary:
        return CalLibrary([e for e in self.entries if e.term not in terms])

    def stack(
        self, field: int, intents: Iterable[str], spw: int, terms: Iterable[str] | None = None
    ) -> tuple[Applied, ...]:
        """Return the tables of some data, one a term (the last registered), in the order of registration."""
        last: dict[str, Applied] = {}
        for entry in self.entries:
            if (terms is None or entry.term in terms) and entry.concerns(field, intents, spw):
                last.pop(entry.term, None)
                last[entry.term] = entry
        return tuple(last.values())

    def units(
        self, facts: Facts, intents: Sequence[str], spws: Sequence[int], *,
        fields: Sequence[int] | None = None, scans: Sequence[int] | None = None, terms: Iterable[str] | None = None,
    ) -> list[Unit]:  # fmt: skip
        """Divide the science data of some intents and spws into units.

        Parameters
        ----------
        facts : Facts
        intents : sequence of str
            Empty for all.
        spws : sequence of int
        fields, scans : sequence of int, optional
            Only these.
        terms : iterable of str, optional
            Tables of these terms only; all by default, none if empty.

        Returns
        -------
        list of Unit
            In the order of the first scans.
        """
        terms = None if terms is None else set(terms)
        cells: dict[tuple[int, tuple[Applied, ...]], dict[int, set[int]]] = {}
        for scan in facts.science_scans(*intents):
            if scans is not None and scan.number not in scans:
                continue
            for f in scan.fields:
                if fields is not None and f not in fields:
                    continue
                for spw in sorted(set(scan.spws) & set(spws)):
                    cells.setdefault((f, self.stack(f, scan.intents, spw, terms)), {}).setdefault(spw, set()).add(
                        scan.number
                    )
        found: list[Unit] = []
        for (f, stack), of_spw in cells.items():
            by_scans: dict[tuple[int, ...], list[int]] = {}
            for spw, numbers in of_spw.items():
                by_scans.setdefault(tuple(sorted(numbers)), []).append(spw)
            found += [Unit((f,), seen, tuple(sorted(s)), stack) for seen, s in by_scans.items()]
        return _joined(found, facts)


def _joined(units: list[Unit], facts: Facts) -> list[Unit]:
    """Join the units of fields that have the same tables and spws, where a selection of all of them means just them."""
    of_field = {s.number: set(s.fields) for s in facts.scans}
    out: list[Unit] = []
    for unit in units:
        for i, other in enumerate(out):
            if other.stack == unit.stack and other.spws == unit.spws and not set(unit.fields) & set(other.fields):
                fields, scans = {*other.fields, *unit.fields}, {*other.scans, *unit.scans}
                meant = {(f, s) for u in (other, unit) for f in u.fields for s in u.scans if f in of_field[s]}
                if meant == {(f, s) for f in fields for s in scans if f in of_field[s]}:
                    out[i] = Unit(tuple(sorted(fields)), tuple(sorted(scans)), unit.spws, unit.stack)
                    break
        else:
            out.append(unit)
    return out


def arguments(stack: Sequence[Applied], folder: str = "") -> dict[str, Any]:
    """Return the arguments of a solving task, or of applycal, that apply some tables.

    Parameters
    ----------
    stack : sequence of Applied
    folder : str
        The run directory, put before the tables' names.
    """
    if not stack:
        return {}
    return {
        "gaintable": [f"{folder}/{e.gaintable}" if folder else e.gaintable for e in stack],
        "gainfield": [e.gainfield for e in stack],
        "interp": [e.interp for e in stack],
        "spwmap": [list(e.spwmap) for e in stack],
    }


def _among(word: str, words: str) -> bool:
    return not words or word in words.split(",")
