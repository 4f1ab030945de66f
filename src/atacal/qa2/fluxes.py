"""The flux scale of a calibration: flux densities from the tables, with two errors and a cross-check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atacal.caltables.table import CalTable
from atacal.errors import AtacalError
from atacal.flux.antenna_ratios import antenna_fluxes
from atacal.flux.fluxscale import derive_fluxes
from atacal.qa2.find import Found
from atacal.qa2.marks import Mark

ERROR = 0.05
"""Relative error of a flux density."""
APART = 0.05
"""Relative distance from the spectrum through all spws, or from the antennas' mean."""


@dataclass(frozen=True)
class FluxRow:
    """A flux density [Jy].

    Attributes
    ----------
    field, spw : int
    name : str
    freq_ghz : float
    flux_jy, error_jy : float
        fluxscale's, with the error of a median of few antennas: twice it holds the truth in 95 % of cases.
    antennas_jy, antennas_error_jy : float
        Mean and standard deviation of what each antenna finds.
    spectrum_jy : float
        The spectrum through all spws; nan for a single one.
    solutions : int
    """

    field: int
    spw: int
    name: str
    freq_ghz: float
    flux_jy: float
    error_jy: float
    antennas_jy: float
    antennas_error_jy: float
    spectrum_jy: float
    solutions: int


@dataclass(frozen=True)
class FluxScaleFound:
    """Flux densities by one pair of tables; ``reference`` names its fields."""

    table: str
    reference: list[str]
    rows: list[FluxRow]


def find_fluxes(tables: Sequence[Found]) -> list[FluxScaleFound]:
    """Return the flux densities that each table of scaled amplitudes stands for.

    The amplitudes before fluxscale are those of the table whose name has ``ampli`` where this one has ``flux``; the
    reference are the fields whose amplitudes fluxscale has left alone.
    """
    before = {f.name: f.table for f in tables if f.role == "ampli"}
    out = []
    for found in tables:
        partner = before.get(found.name.replace("flux", "ampli"))
        if found.role != "flux" or partner is None:
            continue
        reference = _unscaled(partner, found.table)
        there = {int(f) for s in partner.solutions.values() for f in s.field}
        if not reference or reference == there:
            continue
        try:
            out.append(_derived(found.name, partner, sorted(reference)))
        except AtacalError:
            continue  # a table that is not fluxscale's work
    return out


def _unscaled(before: CalTable, after: CalTable) -> set[int]:
    """Return the fields whose amplitudes are the same in both tables."""
    same: dict[int, bool] = {}
    for spw, s in before.solutions.items():
        other = after.solutions.get(spw)
        if other is None or other.param.shape != s.param.shape:
            continue
        for field in np.unique(s.field):
            mine = s.field == field
            good = ~s.flag[mine] & ~other.flag[mine]
            if good.any():
                ratio = np.abs(other.param[mine][good]) / np.abs(s.param[mine][good])
                same[int(field)] = same.get(int(field), True) and bool(np.all(np.abs(ratio - 1) < 1e-4))
    return {f for f, equal in same.items() if equal}


def _derived(name: str, table: CalTable, reference: list[int]) -> FluxScaleFound:
    scale = derive_fluxes(table, reference)
    check = {(c.field, c.spw): c for c in antenna_fluxes(table, reference)}
    rows = []
    for field, found in scale.fields.items():
        for spw, one in found.spws.items():
            beside = check.get((field, spw))
            fitted = np.nan
            if found.spectrum is not None and len(found.spws) > 1:
                x = np.log10(one.freq_hz / found.spectrum.ref_freq_hz)
                fitted = float(10 ** np.polynomial.polynomial.polyval(x, found.spectrum.coefficients))
            rows.append(FluxRow(
                field, spw, found.name, one.freq_hz / 1e9, one.flux_jy, one.median_error_jy,
                beside.flux_jy if beside else np.nan, beside.error_jy if beside else np.nan, fitted, one.nsol,
            ))  # fmt: skip
    names = [table.fields[r].name for r in reference if 0 <= r < len(table.fields)]
    return FluxScaleFound(name, names, rows)


def flux_marks(scales: Sequence[FluxScaleFound], section: str) -> list[Mark]:
    """Mark flux densities that are uncertain or do not fit together."""
    marks = []
    for scale in scales:
        for row in scale.rows:
            subject = f"{row.name} spw {row.spw}"
            relative = row.error_jy / row.flux_jy
            if relative > ERROR:
                text = f"error of the flux density above {100 * ERROR:.0f} %"
                marks.append(Mark(relative / ERROR, section, subject, text))
            apart = abs(row.antennas_jy / row.flux_jy - 1)
            if apart > APART:
                text = f"antenna by antenna the flux density differs by more than {100 * APART:.0f} %"
                marks.append(Mark(apart / APART, section, subject, text))
            off = abs(row.flux_jy / row.spectrum_jy - 1)
            if off > APART and off > 3 * relative:
                text = f"flux density more than {100 * APART:.0f} % from the spectrum through all spws"
                marks.append(Mark(off / APART, section, subject, text))
    return marks
