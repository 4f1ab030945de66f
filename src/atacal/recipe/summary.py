"""What a calibration run found, for people and for programs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atacal.recipe.apriori_summary import Apriori
from atacal.recipe.refant import RankedAntenna
from atacal.recipe.scatter import PhaseScatter


@dataclass(frozen=True)
class TableCount:
    """Solutions of a calibration table.

    Attributes
    ----------
    name, path, kind : str
    solutions, flagged : int
        Over slots, antennas, channels and polarisations.
    dead : list of str
        Antennas (and spws) of which every solution is flagged: ``DV05 (spw 0, 1)``.
    """

    name: str
    path: str
    kind: str
    solutions: int
    flagged: int
    dead: list[str]


@dataclass(frozen=True)
class FluxDensity:
    """A flux density from fluxscale [Jy].

    Attributes
    ----------
    field : str
    spw : int
    freq_hz : float
        Mean of the spw's channels.
    flux_jy, error_jy : float
        The error is fluxscale's ``fluxdErrMedian``: from the scatter of the antennas, few of which are allowed for; nan
        for one antenna. The flux calibrator's own error comes on top.
    solutions : int
        Antennas and polarisations that took part.
    """

    field: str
    spw: int
    freq_hz: float
    flux_jy: float
    error_jy: float
    solutions: int


@dataclass
class Summary:
    """The outcome of `atacal.recipe.calibrate`.

    Attributes
    ----------
    vis, outdir : str
    roles : dict of role -> list of field names
    refant : str
        The reference antenna, first of ``refants``.
    refants : list of str
        Antennas tried in this order.
    ranking : list of RankedAntenna
        Empty when the reference was given.
    tables : list of TableCount
    fluxes : list of FluxDensity
    scatter : list of PhaseScatter
        Of the calibrators and check sources.
    calibrated : str
        The calibrated MeasurementSet.
    flag_version : str
        The flags before the run, as ``flagmanager`` knows them.
    pictures : list of str
    steps : list of (name, seconds)
    flux_model : str
        Where the flux calibrator's flux density comes from.
    flux_antennas : list of str
        The antennas that the flux scale is from, if the flux calibrator is resolved; else empty: all.
    notes : list of str
        What was left out or stands in for something better, and why.
    apriori : Apriori, optional
        The a-priori part, of raw data.
    """

    vis: str
    outdir: str
    roles: dict[str, list[str]] = field(default_factory=dict)
    refant: str = ""
    refants: list[str] = field(default_factory=list)
    ranking: list[RankedAntenna] = field(default_factory=list)
    tables: list[TableCount] = field(default_factory=list)
    fluxes: list[FluxDensity] = field(default_factory=list)
    scatter: list[PhaseScatter] = field(default_factory=list)
    calibrated: str = ""
    flag_version: str = ""
    pictures: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    flux_model: str = ""
    flux_antennas: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    apriori: Apriori | None = None

    def __str__(self) -> str:
        """Write the summary for people."""
        apriori = self.apriori.lines() if self.apriori else []
        return "\n".join(
            [
                *self._head(), *apriori, *self._tables(), *self._fluxes(), *self._scatter(), *self._notes(),
                *self._files(),
            ]
        )  # fmt: skip

    def _head(self) -> list[str]:
        roles = [f"  {role:<9} {', '.join(names) or '-'}" for role, names in self.roles.items()]
        model = [f"  {'model':<9} {self.flux_model}"] if self.flux_model else []
        return [f"Calibration of {self.vis}", *roles, *model, f"  {'reference':<9} {self.refant}"]

    def _notes(self) -> list[str]:
        return ["", "Note", *(f"  - {note}" for note in self.notes)] if self.notes else []

    def _tables(self) -> list[str]:
        lines = ["", f"Solutions   {'found':>9} {'flagged':>9}"]
        for t in self.tables:
            share = 100 * t.flagged / t.solutions if t.solutions else 0.0
            lines.append(f"  {t.name:<10}{t.solutions - t.flagged:>9} {t.flagged:>9}  {share:6.2f} %")
            if t.dead:
                lines.append(f"  {'':<10}none on {'; '.join(t.dead)}")
        return lines

    def _fluxes(self) -> list[str]:
        if not self.fluxes:
            return []
        lines = ["", "Flux densities [Jy]"]
        for f in self.fluxes:
            lines.append(
                f"  {f.field:<18} spw {f.spw:<3} {f.freq_hz / 1e9:9.4f} GHz  {f.flux_jy:10.5f} +- {f.error_jy:.5f}"
            )
        return lines

    def _scatter(self) -> list[str]:
        lines = ["", "Phase scatter [deg]    before     after"]
        return [*lines, *(f"  {s.name:<18} {s.before_deg:8.2f}  {s.after_deg:8.2f}" for s in self.scatter)]

    def _files(self) -> list[str]:
        lines = ["", f"Products in {self.outdir}", f"  calibrated   {self.calibrated}"]
        if self.pictures:
            lines.append(f"  pictures     {Path(self.pictures[0]).parent} ({len(self.pictures)} PNG)")
        lines.append(f"  flags before the run: flagmanager version {self.flag_version!r} of {self.vis}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can carry it."""
        return asdict(self)


def count_table(name: str, path: str | os.PathLike[str]) -> TableCount:
    """Count a calibration table's solutions, and name the antennas that have none."""
    from atacal.caltables.disk import read_caltable

    table = read_caltable(path)
    solutions = flagged = 0
    dead: dict[str, list[int]] = {}
    for spw, part in sorted(table.solutions.items()):
        solutions += part.flag.size
        flagged += int(part.flag.sum())
        for antenna in np.flatnonzero(part.flag.all(axis=(0, 2, 3))):
            dead.setdefault(table.antennas[antenna].name, []).append(spw)
    words = [f"{antenna} (spw {', '.join(map(str, spws))})" for antenna, spws in dead.items()]
    return TableCount(name, os.fspath(path), table.kind, solutions, flagged, words)


def flux_densities(result: Mapping[str, Any], freq_hz: Mapping[int, float]) -> list[FluxDensity]:
    """Read the dict that ``fluxscale`` returns.

    Parameters
    ----------
    result : mapping
        By field id and spw id, as CASA's.
    freq_hz : mapping of spw -> float
        Mean channel frequency of every spw.
    """
    out = []
    for field_id, entry in result.items():
        if not (str(field_id).isdigit() and isinstance(entry, Mapping)):
            continue
        for spw, values in entry.items():
            if str(spw).isdigit() and values["fluxd"][0] > 0:
                out.append(
                    FluxDensity(
                        str(entry["fieldName"]), int(spw), freq_hz[int(spw)],
                        float(values["fluxd"][0]), float(values["fluxdErrMedian"][0]), int(values["numSol"][0]),
                    )
                )  # fmt: skip
    return out


def write_summary(summary: Summary, json_path: Path, text_path: Path) -> None:
    """Write ``summary.json`` and ``summary.txt``, each in one move."""
    from atacal.results import as_json

    for path, content in ((json_path, as_json(summary)), (text_path, str(summary))):
        partial = path.with_name(path.name + ".partial")
        partial.write_text(content + "\n", encoding="utf-8")
        os.replace(partial, path)
