"""The report of a manual calibration: its diagnostic pictures and their numbers on one page."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atacal.caltables.table import CalTable
from atacal.ms.measurement_set import MeasurementSet
from atacal.qa2 import table_numbers as numbers
from atacal.qa2.calibrated import (
    CalibratedSums,
    FieldNumbers,
    calibrated_marks,
    field_numbers,
    flag_fractions,
    sum_calibrated,
)
from atacal.qa2.find import ROLES, Found, find_tables, stem_of
from atacal.qa2.fluxes import FluxScaleFound, find_fluxes, flux_marks
from atacal.qa2.marks import Mark, gathered
from atacal.qa2.pictures import Picture, air_pictures, field_pictures, quiet, table_pictures
from atacal.qa2.water import WaterNotes, read_water_notes

log = logging.getLogger("atacal")


@dataclass(frozen=True)
class NumberTable:
    """A table of the report.

    Attributes
    ----------
    title : str
    columns : list of str
        The first names the rows.
    rows : list of list
        Text or numbers; nan is an empty cell.
    """

    title: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Section:
    """A part of the report: a key for links, title, a sentence of explanation, tables, pictures."""

    key: str
    title: str
    text: str
    tables: list[NumberTable] = field(default_factory=list)
    _pictures: list[Picture] = field(default_factory=list)

    @property
    def pictures(self) -> list[Picture]:
        """The pictures; JSON leaves them out."""
        return self._pictures


@dataclass(frozen=True)
class Report:
    """The outcome of `qa2`.

    Attributes
    ----------
    vis : str
    page, json : str
        The files that were written.
    overview : list of (name, value)
    marks : list of Mark
        What deserves a look, worst first.
    sections : list of Section
    """

    vis: str
    page: str
    json: str
    overview: list[tuple[str, str]]
    marks: list[Mark]
    sections: list[Section]

    def __str__(self) -> str:
        """Write the marks for people."""
        lines = [f"{self.vis}: {self.page}"]
        lines += [f"  {m.level:<8} {m.section:<12} {m.subject}: {m.text}" for m in self.marks]
        return "\n".join(lines if self.marks else [*lines, "  nothing stands out"])


def qa2(
    vis: str | os.PathLike[str],
    output: str | os.PathLike[str] = "",
    tables: Sequence[str] = (),
    rawvis: str = "",
    pictures: bool = True,
) -> Report:
    """Collect the pictures and numbers of a manual calibration on one page.

    The page carries everything in itself: it opens from a file, without network. What deserves a look stands first.

    Parameters
    ----------
    vis : path
        The calibrated MeasurementSet: ``X.ms.split`` with CORRECTED_DATA, or ``X.ms.split.cal``.
    output : path
        The page to write, by default the MeasurementSet's name with ``.qa2.html``, beside it. A file of that name is
        replaced. The numbers go into a JSON file of the same name.
    tables : list of str
        The calibration tables, by default those that were made from it, beside it and in ``X.calibrate``.
    rawvis : str
        The raw MeasurementSet with weather and water vapour, by default ``X.ms`` beside it.
    pictures : bool
        Draw pictures, too.

    Returns
    -------
    Report

    Raises
    ------
    NoSolutions
        If there is no calibration table.
    ArgumentError, NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    from atacal.qa2.page import write_report

    path = Path(os.path.normpath(vis))
    found = find_tables(path, tables)
    raw = rawvis or _raw_beside(path)
    with quiet():
        scales = find_fluxes(found)
    with MeasurementSet(path) as ms:
        calibrators = _calibrators(ms, found)
        flux = {(r.field, r.spw): r.flux_jy for s in scales for r in s.rows}
        sums = sum_calibrated(ms, calibrators, flux)
        maker = _Sections(ms, found, raw, draw=pictures)
        sections = maker.of_tables()
        marks = list(maker.marks)
        if scales:
            sections.insert(maker.flux_place, _flux_section(scales))
            marks += flux_marks(scales, "fluxes")
        lines = field_numbers(ms, sums, calibrators)
        marks += calibrated_marks(ms, sums, lines, "calibrated")
        sections.append(_calibrated_section(ms, lines, calibrators, draw=pictures))
        sections.append(_flag_section(ms, sums))
        overview = _overview(ms, found, calibrators)
    target = Path(output) if output else path.with_name(f"{path.name}.qa2.html")
    report = Report(
        os.fspath(path), os.fspath(target), os.fspath(target.with_suffix(".json")), overview, gathered(marks), sections
    )
    write_report(report)
    log.info("qa2: wrote %s, %s", report.page, report.json)
    return report


def _raw_beside(path: Path) -> str:
    """Return the raw MeasurementSet, for the weather and the water, if it is near; else the calibrated one."""
    name = f"{stem_of(path.name)}.ms"
    for folder in (path.absolute().parent, path.absolute().parent.parent):
        if (folder / name / "SPECTRAL_WINDOW").is_dir():
            return os.fspath(folder / name)
    return os.fspath(path)


def _calibrators(ms: MeasurementSet, found: Sequence[Found]) -> set[int]:
    """Return the calibrators and check sources by intent; without intents the fields that gains were solved on."""
    states = ms.metadata.state_intents
    pairs = {(int(f), int(s)) for f, s in zip(ms.runs.field, ms.runs.state, strict=True)}
    wanted = ("CALIBRATE_BANDPASS", "CALIBRATE_FLUX", "CALIBRATE_AMPLI", "CALIBRATE_PHASE", "OBSERVE_CHECK")
    by_intent = {f for f, s in pairs if 0 <= s < len(states) and any(w in states[s] for w in wanted)}
    if by_intent:
        return by_intent
    names = {
        f.table.fields[int(i)].name
        for f in found
        if f.role in ("phase_int", "phase_inf", "ampli", "bandpass")
        for s in f.table.solutions.values()
        for i in s.field
        if 0 <= i < len(f.table.fields)
    }
    return {f.id for f in ms.metadata.fields if f.name in names}


_TEXTS = {
    "tsys": "Medians over channels and times [K], unflagged values.",
    "wvr": "Scatter of the water's path about the array's mean, within fields; taken from neighbours where an antenna "
    "has no radiometer.",
    "antpos": "Corrections of the antennas' positions [mm].",
    "bandpass": "First solution of each antenna. A phase slope is a delay; edges are relative to the middle; scatter "
    "is from channel to channel.",
    "phaseup": "Scatter about the mean of each field and spw.",
    "phase_int": "Scatter about the mean of each field and spw; the largest step between solutions that follow each "
    "other.",
    "phase_inf": "Scatter about the mean of each field and spw; the largest step between solutions that follow each "
    "other.",
    "ampli": "Mean amplitude gain and its scatter in time.",
    "flux": "Mean amplitude gain and its scatter in time.",
    "trial": "The calibrators' phases without and with the radiometers' correction.",
}


class _Sections:
    """Make the sections of the tables, and collect marks."""

    def __init__(self, ms: MeasurementSet, found: Sequence[Found], raw: str, *, draw: bool) -> None:
        self.ms, self.found, self.raw, self.draw = ms, found, raw, draw
        self.marks: list[Mark] = []
        self.flux_place = 0

    def of_tables(self) -> list[Section]:
        """Return a section for each purpose that has tables."""
        sections = []
        for role, title in ROLES:
            mine = [f for f in self.found if f.role == role]
            if mine:
                sections.append(self._section(role, title, mine))
            if role in ("flux", "ampli") and mine:
                self.flux_place = len(sections)
        return sections

    def _section(self, role: str, title: str, mine: Sequence[Found]) -> Section:
        tables, drawn = [], []
        if role == "wvr":
            notes = read_water_notes(self.ms.path, mine[0].table)
            tables += _water_tables(notes)
            self.marks += notes.marks("wvr")
        for one in mine:
            tables += self._tables(role, one)
            if self.draw:
                if role in ("tsys", "bandpass"):
                    drawn += air_pictures(one.table, self.raw)
                drawn += table_pictures(one.table, role)
        return Section(role, title, _TEXTS.get(role, ""), tables, drawn)

    def _tables(self, role: str, one: Found) -> list[NumberTable]:
        table = one.table
        parts = numbers.flagged_parts(table)
        if role not in ("antpos", "trial"):
            self.marks += numbers.flag_marks(table, role, parts)
        rows, marks = _NUMBERS[role](table, role) if role in _NUMBERS else ([], [])
        self.marks += marks if role != "trial" else []  # without the correction they may scatter as they like
        if role == "ampli":
            self.marks += numbers.low_gain_marks(table, role)
        out = []
        per_antenna = {r.name for r in rows} <= set(parts)
        if rows:
            columns = list(rows[0].values)
            lines = [[r.name, *(r.values.get(c, float("nan")) for c in columns)] for r in rows]
            if per_antenna and role != "antpos":
                columns.append("flagged [%]")
                for line in lines:
                    spws = parts[str(line[0])]
                    line.append(100 * sum(spws.values()) / len(spws))
            out.append(NumberTable(one.name, ["antenna", *columns], lines))
        if not rows or not per_antenna:
            lines = [[name, 100 * sum(spws.values()) / len(spws)] for name, spws in parts.items()]
            out.append(NumberTable(f"{one.name}: flagged solutions", ["antenna", "flagged [%]"], lines))
        return out


_Numbers = Callable[[CalTable, str], tuple[list[numbers.Row], list[Mark]]]
_NUMBERS: dict[str, _Numbers] = {
    "tsys": numbers.tsys_numbers,
    "wvr": numbers.water_numbers,
    "antpos": numbers.position_numbers,
    "bandpass": numbers.bandpass_numbers,
    "phaseup": numbers.gain_numbers,
    "phase_int": numbers.gain_numbers,
    "phase_inf": numbers.gain_numbers,
    "ampli": numbers.gain_numbers,
    "flux": numbers.gain_numbers,
    "trial": numbers.gain_numbers,
}


def _water_tables(notes: WaterNotes) -> list[NumberTable]:
    out = []
    if notes.pwv:
        out.append(NumberTable("Precipitable water", ["sources", "PWV [mm]"], [[a, b] for a, b in notes.pwv]))
    if notes.antennas_um:
        columns = ["antenna", "path towards the zenith, rms [um]", "discrepancy [um]"]
        out.append(NumberTable("wvrgcal's log", columns, [[n, a, b] for n, (a, b) in notes.antennas_um.items()]))
    if notes.scatter:
        columns = ["calibrator", "without [deg]", "with [deg]", "ratio"]
        rows = [[name, a, b, b / a if a else float("nan")] for name, a, b in notes.scatter]
        out.append(NumberTable("Phase scatter without and with the correction", columns, rows))
    return out


def _flux_section(scales: Sequence[FluxScaleFound]) -> Section:
    columns = ["field", "spw", "GHz", "flux density [Jy]", "error [Jy]", "antenna by antenna [Jy]",
               "their scatter [Jy]",
               "spectrum through the spws [Jy]", "solutions"]  # fmt: skip
    tables = []
    for scale in scales:
        rows = [
            [r.name, r.spw, r.freq_ghz, r.flux_jy, r.error_jy, r.antennas_jy, r.antennas_error_jy, r.spectrum_jy,
             r.solutions]
            for r in scale.rows
        ]  # fmt: skip
        tables.append(NumberTable(f"{scale.table}, reference {', '.join(scale.reference)}", columns, rows))
    text = (
        "fluxscale's values, with errors of medians of few antennas (twice it holds the truth in 95 % of cases); "
        "beside them mean and scatter of each antenna's own (outliers left out), and the spectrum through all spws."
    )
    return Section("fluxes", "Flux densities", text, tables)


def _calibrated_section(
    ms: MeasurementSet, lines: Sequence[FieldNumbers], calibrators: set[int], *, draw: bool
) -> Section:
    columns = ["calibrator", "spw", "model [Jy]", "amplitude [Jy]", "over model", "phase rms [deg]", "noise [deg]",
               "worst antenna", "its rms [deg]", "flagged [%]"]  # fmt: skip
    rows = [
        [n.name, n.spw, n.model_jy, n.amplitude_jy, n.ratio, n.phase_rms_deg, n.noise_deg, n.worst, n.worst_deg,
         100 * n.flagged]
        for n in lines
    ]  # fmt: skip
    drawn = []
    for number in sorted(calibrators) if draw else ():
        drawn += field_pictures(ms, number)
    text = (
        "Averages of the central half of the channels, each integration and baseline; phases about the model's. The "
        "model is setjy's, or the flux density above. A phase calibrator is corrected with its scans' means: what "
        "scatters is the air within a scan."
    )
    return Section(
        "calibrated", "Calibrated data", text, [NumberTable("Calibrators and check sources", columns, rows)], drawn
    )


def _flag_section(ms: MeasurementSet, sums: CalibratedSums) -> Section:
    antennas, fields = flag_fractions(ms, sums)
    tables = [
        NumberTable("By antenna", ["antenna", "flagged [%]"], [[n, 100 * v] for n, v in antennas.items()]),
        NumberTable("By field", ["field", "flagged [%]"], [[n, 100 * v] for n, v in fields.items()]),
    ]
    return Section("flags", "Flagged data", "Of the cross-correlations, all channels.", tables)


def _overview(ms: MeasurementSet, found: Sequence[Found], calibrators: set[int]) -> list[tuple[str, str]]:
    from atacal.plots.style import utc_text

    meta, runs = ms.metadata, ms.runs
    first, last = float(runs.time.min()), float(runs.time.max())
    with_data = sorted({int(f) for f in runs.field})
    spws = sorted({int(meta.ddid_spw[d]) for d in runs.ddid})
    named = [f"{f} {meta.fields[f].name}{' (calibrator)' if f in calibrators else ''}" for f in with_data]
    if len(named) > 20:
        named = [*named[:20], f"and {len(named) - 20} more"]
    windows = [f"{s}: {meta.spws[s].centre_freq_hz / 1e9:.3f} GHz, {meta.spws[s].nchan} channels" for s in spws]
    return [
        ("Telescope", f"{meta.telescope}, {meta.nant} antennas"),
        ("Time", f"{utc_text(first)} to {utc_text(last)} UTC"),
        ("Fields", "; ".join(named)),
        ("Spectral windows", "; ".join(windows)),
        ("Tables", ", ".join(f.name for f in found)),
    ]
