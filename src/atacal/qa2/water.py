"""What is known of the water beside the radiometers' table: its amount, and what the correction did to the phases."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atacal.caltables.table import CalTable
from atacal.qa2.find import stem_of
from atacal.qa2.marks import Mark

_RETRIEVED = re.compile(
    r"(?:^|\s)-?\d+\.\d+\s+(\d+\.\d+) \+- \d+\.\d+(?:\s+-?\d+\.\d+ \+- \s*\d+\.\d+){4}\s+(\S+)[ \t]*$", re.MULTILINE
)
_ANTENNA = re.compile(r"(\w+)\s+(?:Yes|No)\s+(?:Yes|No)\s+([-0-9.eE+nan]+)\s+([-0-9.eE+nan]+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class WaterNotes:
    """Notes of the correction by radiometers.

    Attributes
    ----------
    pwv : list of (sources, mm)
    scatter : list of (calibrator, without, with)
        Phase scatter [deg].
    antennas_um : dict of antenna -> (float, float)
        Scatter of the path towards the zenith, and of the difference between the radiometers' channels.
    """

    pwv: list[tuple[str, float]] = field(default_factory=list)
    scatter: list[tuple[str, float, float]] = field(default_factory=list)
    antennas_um: dict[str, tuple[float, float]] = field(default_factory=dict)

    def marks(self, section: str) -> list[Mark]:
        """Mark a correction that does not help, and channels that disagree (clouds)."""
        out = []
        for name, without, with_it in self.scatter:
            if without > 0 and with_it > without:
                text = "the radiometers' correction raises the phase scatter"
                out.append(Mark(with_it / without * 1.5, section, name, text))
        for name, (_, value) in self.antennas_um.items():
            if value > 500:
                text = "channels of the radiometer disagree by more than 500 um (cloud?)"
                out.append(Mark(value / 500, section, name, text))
        return out


def read_water_notes(vis: str | os.PathLike[str], table: CalTable) -> WaterNotes:
    """Read what wvrgcal or `atacal calibrate` have left beside the table: ``X.ms.wvrgcal``, ``summary.json``."""
    folder = table.path.parent if table.path else Path(vis).absolute().parent
    notes = WaterNotes()
    _from_summary(folder / "summary.json", notes)
    if not notes.pwv:
        for path in sorted(folder.glob(f"{stem_of(table.ms_name)}*.wvrgcal")):
            _from_log(path, notes)
    return notes


def _from_summary(path: Path, notes: WaterNotes) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for record in _records(found):
        if "pwv_mm" in record:
            sources = record.get("sources", record.get("name", ""))
            name = ", ".join(sources) if isinstance(sources, list) else str(sources)
            notes.pwv.append((name, float(record["pwv_mm"])))
        without, with_it = record.get("without_deg"), record.get("with_deg")
        if without is not None and with_it is not None:
            notes.scatter.append((str(record.get("name", record.get("field", ""))), float(without), float(with_it)))


def _records(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _records(one)
    elif isinstance(value, list):
        for one in value:
            yield from _records(one)


def _from_log(path: Path, notes: WaterNotes) -> None:
    """Read wvrgcal's log, ours or CASA's: the retrieved water, and the antennas' RMS and discrepancy."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    found: dict[str, list[float]] = {}
    for match in _RETRIEVED.finditer(text):
        found.setdefault(match[2], []).append(float(match[1]))
    casa = re.search(r"PWV Error.*?\n(.*?)Times used", text, re.DOTALL)
    for line in casa[1].split("\n") if casa else ():
        words = line.split("casa+")[-1].split()
        if len(words) == 7:  # evidence, PWV, its error, four dT/dL
            found.setdefault("", []).append(float(words[1]))
    notes.pwv.extend((name, float(np.mean(values))) for name, values in found.items())
    for match in _ANTENNA.finditer(text):
        scatter, difference = float(match[2]), float(match[3])
        if np.isfinite(difference):
            notes.antennas_um[match[1]] = (scatter, difference)
