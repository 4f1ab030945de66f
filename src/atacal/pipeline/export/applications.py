"""The registered tables as calls of applycal, in words that select just the data that they calibrate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from atacal.errors import AtacalError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Unit
from atacal.pipeline.facts import CALIBRATORS, Facts
from atacal.restore.calapply import Application, Use
from atacal.restore.intents import MEANING, select_intents


def applications(block: Block) -> list[Application]:
    """Return a call of applycal for each part of a block's science data that the same tables calibrate.

    Fields are named and intents are the pipeline's where these words select just the rows that are meant. Where they
    do not (fields of one name that differ, scans whose intents the stages have judged otherwise), ids of fields and
    scans are given.

    Parameters
    ----------
    block : Block

    Returns
    -------
    list of Application
        Without data that no table calibrates.
    """
    facts = block.facts
    units = block.library.units(facts, (), facts.science_spws)
    antennas = f"0~{len(facts.metadata.antennas) - 1}"
    out = []
    with MeasurementSet(block.vis) as ms:
        for unit in units:
            if not unit.stack:
                continue
            uses = tuple(
                Use(e.gaintable.rpartition("/")[2], e.gainfield, e.interp, e.spwmap, e.calwt) for e in unit.stack
            )
            field, intent, scan = _words(ms, facts, unit)
            out.append(
                Application(
                    block.name, uses, field, intent, unit.selection()["spw"], antennas,
                    selection={"scan": scan} if scan else {},
                )
            )  # fmt: skip
    return out


def _words(ms: MeasurementSet, facts: Facts, unit: Unit) -> tuple[str, str, str]:
    """Return field, intent and scan that select a unit's rows, the fewest words first."""
    exact = unit.selection()
    meant = _rows(ms, Selection(**exact))
    for field, intent, scan in _candidates(facts, unit, exact):
        selected = _intents(ms, intent)
        if selected is None:
            continue
        try:
            rows = _rows(ms, Selection(field=field, spw=exact["spw"], intent=selected, scan=scan))
        except AtacalError:  # a name that the selection's grammar reads otherwise
            continue
        if np.array_equal(rows, meant):
            return field, intent, scan
    return exact["field"], "", exact["scan"]


def _candidates(facts: Facts, unit: Unit, exact: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    names = ",".join(dict.fromkeys(facts.metadata.fields[f].name for f in unit.fields))
    of_scans = {i for s in facts.scans if s.number in unit.scans for i in s.intents}
    intents = ",".join(i for i in MEANING if i in of_scans & {*CALIBRATORS, "TARGET"})
    for scan in ("", exact["scan"]):
        for field in (names, exact["field"]):
            yield field, intents, scan


def _intents(ms: MeasurementSet, names: str) -> str | None:
    try:
        return select_intents(names, ms.metadata.state_intents, "") if names else None
    except AtacalError:
        return None


def _rows(ms: MeasurementSet, selection: Selection) -> NDArray[np.int64]:
    """Return the stretches of rows that a selection picks, as (first, count)."""
    runs = select(ms, selection, autocorr=False).runs
    return np.stack([runs.row0, runs.nrow])
