"""Numbers of calibration tables: flags, system temperatures, spectra, scatter and steps of gains."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.plots.tables import antenna_names, pol_names
from atacal.qa2.marks import Mark

TSYS_RATIO = 2.0
"""An antenna's Tsys over the median of the antennas (the pipeline's nmedian)."""
TSYS_SHAPE = 0.1
"""Scatter of an antenna's Tsys spectrum, over that of the antennas, about a straight line."""
_SHAPE_CHANNELS = 8
FLAGGED = 0.3
"""Flagged part of an antenna's solutions; all of them is three times as serious."""
SLOPE_DEG = 180.0
"""Phase across an spw's bandpass: a delay of 250 ps in 2 GHz; averages of channels lose from here on."""
NOISE_RATIO = 3.0
"""Channel to channel scatter over the antennas' median."""
STEP_DEG, STEP_RATIO = 40.0, 5.0
"""Largest step of an antenna's phase: at least this, and this many times the antennas' median."""
PHASE_RMS_DEG = 40.0
AMPLITUDE_SCATTER = 0.1
"""Relative scatter of an antenna's amplitudes in time."""
POSITION_MM = 2.0
NO_SOLUTIONS = "no solutions"


@dataclass(frozen=True)
class Row:
    """A line of a table's numbers: whose, and value by column; nan where there is none."""

    name: str
    values: dict[str, float]


def _each(table: CalTable) -> Iterator[tuple[int, SpwSolutions, int, str, NDArray[np.intp]]]:
    """Yield spw, its solutions, antenna id, antenna name and the slots where that antenna has a row."""
    names = antenna_names(table)
    for spw, s in sorted(table.solutions.items()):
        for antenna, name in enumerate(names):
            slots = np.arange(s.nslot) if s.row is None else np.flatnonzero(s.row[:, antenna] >= 0)
            if len(slots):
                yield spw, s, antenna, name, slots


def flagged_parts(table: CalTable) -> dict[str, dict[int, float]]:
    """Return the flagged part of the solutions by antenna and spw.

    Channels that all antennas have flagged (edges) do not count.
    """
    edges = {}
    for spw, s in table.solutions.items():
        edges[spw] = s.flag.all(axis=(0, 1, 3)) if s.nchan > 1 and not s.flag.all() else np.zeros(s.nchan, bool)
    out: dict[str, dict[int, float]] = {}
    for spw, s, antenna, name, slots in _each(table):
        out.setdefault(name, {})[spw] = float(s.flag[slots, antenna][:, ~edges[spw]].mean())
    return out


def flag_marks(table: CalTable, section: str, parts: dict[str, dict[int, float]]) -> list[Mark]:
    """Mark antennas and polarisations without solutions, and antennas with many flagged ones.

    The text of the first two names no table, so that an antenna is marked once for all tables.
    """
    marks = []
    pols = pol_names(table)
    for antenna, name in enumerate(antenna_names(table)):
        spws = parts.get(name)
        if not spws:
            continue
        if min(spws.values()) >= 0.999:
            marks.append(Mark(1 / FLAGGED, section, name, NO_SOLUTIONS))
            continue
        dead = {p for p in range(len(pols)) if len(pols) > 1 and _dead(table, antenna, p)}
        if dead:
            text = f"no solutions of polarisation {', '.join(pols[p] for p in sorted(dead))}"
            marks.append(Mark(0.9 / FLAGGED, section, name, text))
            continue
        gone = [spw for spw, part in spws.items() if part >= 0.999]
        if gone:
            text = f"no solutions in spw {', '.join(map(str, gone))}"
            marks.append(Mark(0.9 / FLAGGED, section, name, text))
        worst = max((part for spw, part in spws.items() if spw not in gone), default=0.0)
        if worst > FLAGGED:
            text = f"{100 * worst:.0f} % of the solutions flagged in {table.name}"
            marks.append(Mark(worst / FLAGGED, section, name, text))
    return marks


def _dead(table: CalTable, antenna: int, pol: int) -> bool:
    """Whether every solution of an antenna's polarisation is flagged."""
    return all(s.flag[:, antenna, :, min(pol, s.flag.shape[3] - 1)].all() for s in table.solutions.values())


def tsys_numbers(table: CalTable, section: str) -> tuple[list[Row], list[Mark]]:
    """Return each antenna's median system temperature [K] by spw and polarisation, and what is unusual."""
    names, pols = antenna_names(table), pol_names(table)
    values: dict[str, dict[str, float]] = {n: {} for n in names}
    marks: list[Mark] = []
    shapes: dict[int, NDArray[np.float64]] = {}
    for spw, s in sorted(table.solutions.items()):
        good = ~s.flag & (s.param > 0)
        medians = np.full((len(names), s.param.shape[3]), np.nan)
        for antenna in range(len(names)):
            for pol in range(s.param.shape[3]):
                mine = s.param[:, antenna, :, pol][good[:, antenna, :, pol]]
                medians[antenna, pol] = np.median(mine) if mine.size else np.nan
        typical = float(np.nanmedian(medians)) if np.isfinite(medians).any() else np.nan
        for antenna, name in enumerate(names):
            for pol in range(medians.shape[1]):
                values[name][f"spw {spw} {pols[pol]}"] = float(medians[antenna, pol])
            top = np.nanmax(medians[antenna]) if np.isfinite(medians[antenna]).any() else np.nan
            if top > TSYS_RATIO * typical:
                text = f"system temperature {top:.0f} K where the antennas' median is {typical:.0f} K"
                marks.append(Mark(float(top / typical / TSYS_RATIO), section, f"{name} spw {spw}", text))
        shapes[spw] = _shape_scatter(s.param, good)
    return [Row(n, v) for n, v in values.items()], marks + _shape_marks(names, shapes, section)


def _shape_marks(names: list[str], shapes: dict[int, NDArray[np.float64]], section: str) -> list[Mark]:
    marks = []
    for antenna, name in enumerate(names):
        off = {spw: float(scatter[antenna]) for spw, scatter in shapes.items() if scatter[antenna] > TSYS_SHAPE}
        if off:
            worst = max(off.values())
            text = f"spectrum of the system temperature off that of the antennas by {100 * worst:.0f} % rms"
            marks.append(Mark(worst / TSYS_SHAPE, section, f"{name} spw {', '.join(map(str, off))}", text))
    return marks


def _shape_scatter(tsys: NDArray[Any], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much each antenna's spectrum, over the median of the antennas', scatters about a straight line.

    Parameters
    ----------
    tsys, good : (slot, antenna, chan, pol)

    Returns
    -------
    float64 (antenna,)
        The worst polarisation's; nan where there is nothing to compare.
    """
    values = np.where(good, tsys, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # antennas and channels without any value
        spectra = np.nanmedian(values, axis=0)
        ratio = spectra / np.nanmedian(spectra, axis=0)
    out = np.full(spectra.shape[0], np.nan)
    at = np.linspace(-1.0, 1.0, spectra.shape[1])
    for antenna in range(spectra.shape[0]):
        for pol in range(spectra.shape[2]):
            mine = ratio[antenna, :, pol]
            keep = np.isfinite(mine)
            if keep.sum() >= _SHAPE_CHANNELS:
                flat = mine[keep] / np.median(mine[keep])
                line = np.polynomial.Polynomial.fit(at[keep], flat, 1)
                out[antenna] = np.fmax(out[antenna], np.std(flat - line(at[keep])))
    return out


def bandpass_numbers(table: CalTable, section: str) -> tuple[list[Row], list[Mark]]:
    """Return of each antenna, spw and polarisation: phase slope, amplitude at the edges, scatter of channels.

    The slope [deg across the spw] and the delay [ps] are from a straight line through the unwrapped phases; edges are
    the mean amplitude of the outer twentieths over that of the central half; scatter is the rms difference between
    neighbouring channels over the square root of two [%], [deg].
    """
    pols = pol_names(table)
    rows: list[Row] = []
    noise: list[tuple[str, int, float]] = []
    marks: list[Mark] = []
    for spw, s, antenna, name, slots in _each(table):
        freq = table.spws[spw].chan_freq_hz
        for pol in range(s.param.shape[3]):
            keep = ~s.flag[slots[0], antenna, :, pol]
            if keep.sum() < 8:
                continue
            gain, f = s.param[slots[0], antenna, keep, pol].astype(np.complex128), freq[keep]
            amplitude, phase = np.abs(gain), np.unwrap(np.angle(gain))
            slope = np.polyfit(f - f.mean(), phase, 1)[0]
            edge, middle = max(len(f) // 20, 1), slice(len(f) // 4, 3 * len(f) // 4)
            typical = amplitude[middle].mean()
            scatter = np.std(np.diff(amplitude)) / np.sqrt(2) / typical
            across = float(np.rad2deg(slope) * np.ptp(f))
            rows.append(Row(f"{name} spw {spw} {pols[pol]}", {
                "slope [deg]": across, "delay [ps]": float(slope / (2 * np.pi) * 1e12),
                "low edge": float(amplitude[:edge].mean() / typical),
                "high edge": float(amplitude[-edge:].mean() / typical),
                "amp scatter [%]": float(100 * scatter),
                "phase scatter [deg]": float(np.rad2deg(np.std(np.diff(phase)) / np.sqrt(2))),
            }))  # fmt: skip
            noise.append((f"{name} spw {spw} {pols[pol]}", spw, float(scatter)))
            if abs(across) > SLOPE_DEG:
                text = f"phase slopes by more than {SLOPE_DEG:.0f} deg across the spw"
                marks.append(Mark(abs(across) / SLOPE_DEG, section, f"{name} spw {spw} {pols[pol]}", text))
    for spw in {n[1] for n in noise}:
        typical = float(np.median([n[2] for n in noise if n[1] == spw]))
        for subject, where, scatter in noise:
            if where == spw and scatter > NOISE_RATIO * typical > 0:
                text = "channels scatter more than three times as much as the antennas' median"
                marks.append(Mark(scatter / typical / NOISE_RATIO, section, subject, text))
    return rows, marks


def gain_numbers(table: CalTable, section: str) -> tuple[list[Row], list[Mark]]:
    """Return of each antenna: scatter of phases and amplitudes in time, and the largest step of the phase.

    Scatter is about the mean of each field and spw, of all polarisations; steps are between solutions that follow each
    other, spws and polarisations averaged.
    """
    names = antenna_names(table)
    phases: dict[str, list[float]] = {n: [] for n in names}
    amplitudes: dict[str, list[float]] = {n: [] for n in names}
    levels: dict[str, list[float]] = {n: [] for n in names}
    steps: dict[str, float] = dict.fromkeys(names, np.nan)
    for spw, s, antenna, name, slots in _each(table):
        for field in np.unique(s.field[slots]):
            mine = slots[s.field[slots] == field]
            for pol in range(s.param.shape[3]):
                good = mine[~s.flag[mine, antenna, 0, pol]]
                gain = s.param[good, antenna, 0, pol].astype(np.complex128)
                if len(gain) < max(2, len(mine) / 2) or not np.abs(gain).all():  # what is left by chance says nothing
                    continue
                unit = gain / np.abs(gain)
                angle = np.rad2deg(np.angle(unit * np.conj(unit.mean())))
                phases[name].append(float(np.sqrt(np.mean(angle**2))))
                amplitude = np.abs(gain)
                amplitudes[name].append(float(amplitude.std() / amplitude.mean()))
                levels[name].append(float(amplitude.mean()))
                jump = np.abs(np.rad2deg(np.angle(unit[1:] * np.conj(unit[:-1]))))
                steps[name] = np.nanmax([steps[name], float(jump.max())])
        del spw
    rows, marks = [], []
    moving = any(p > 1e-3 for values in phases.values() for p in values)
    changing = any(a > 1e-6 for values in amplitudes.values() for a in values)
    typical_step = float(np.nanmedian(list(steps.values()))) if np.isfinite(list(steps.values())).any() else 0.0
    for name in names:
        values: dict[str, float] = {}
        if moving:
            values["phase rms [deg]"] = float(np.median(phases[name])) if phases[name] else np.nan
            values["largest step [deg]"] = steps[name]
        if changing:
            values["amplitude"] = float(np.median(levels[name])) if levels[name] else np.nan
            values["amp scatter [%]"] = 100 * float(np.median(amplitudes[name])) if amplitudes[name] else np.nan
        if values:
            rows.append(Row(name, values))
        rms, scatter = values.get("phase rms [deg]", np.nan), values.get("amp scatter [%]", np.nan) / 100
        if rms > PHASE_RMS_DEG:
            text = f"phase rms above {PHASE_RMS_DEG:.0f} deg in {table.name}"
            marks.append(Mark(rms / PHASE_RMS_DEG, section, name, text))
        limit = max(STEP_DEG, STEP_RATIO * typical_step)
        if steps[name] > limit:
            text = f"a phase step of {steps[name]:.0f} deg in {table.name} (median of all antennas {typical_step:.0f})"
            marks.append(Mark(steps[name] / limit, section, name, text))
        if scatter > AMPLITUDE_SCATTER:
            text = f"amplitudes scatter by more than {100 * AMPLITUDE_SCATTER:.0f} % in {table.name}"
            marks.append(Mark(scatter / AMPLITUDE_SCATTER, section, name, text))
    return rows, marks


def low_gain_marks(table: CalTable, section: str) -> list[Mark]:
    """Mark antennas whose amplitude gain is far from the others' (the pipeline's lowgainflag: 0.5 to 1.5)."""
    marks = []
    for spw, s in sorted(table.solutions.items()):
        amplitude = np.where(s.flag, np.nan, np.abs(s.param))
        with np.errstate(invalid="ignore"):
            mean = np.array([np.nanmean(a) if np.isfinite(a).any() else np.nan for a in amplitude.swapaxes(0, 1)])
        typical = np.nanmedian(mean) if np.isfinite(mean).any() else np.nan
        for name, value in zip(antenna_names(table), mean, strict=True):
            ratio = value / typical
            if np.isfinite(ratio) and not 0.5 < ratio < 1.5:
                text = f"gains {ratio:.2f} of the antennas' median in {table.name}"
                marks.append(Mark(2 / 3 / ratio if ratio < 1 else ratio / 1.5, section, f"{name} spw {spw}", text))
    return marks


def position_numbers(table: CalTable, section: str) -> tuple[list[Row], list[Mark]]:
    """Return the position corrections [mm]."""
    rows, marks = [], []
    for _, s, antenna, name, slots in _each(table):
        x, y, z = 1e3 * s.param[slots[0], antenna, 0, :3].astype(float)
        size = float(np.sqrt(x * x + y * y + z * z))
        if size > 0:
            rows.append(Row(name, {"x": x, "y": y, "z": z, "total [mm]": size}))
        if size > POSITION_MM:
            marks.append(Mark(size / POSITION_MM * 0.9, section, name, f"position corrected by {size:.1f} mm"))
    return rows, marks


def water_numbers(table: CalTable, section: str) -> tuple[list[Row], list[Mark]]:
    """Return the scatter of the water's path of each antenna, within fields, against the array's mean [micrometre]."""
    spw = min(table.solutions)
    s = table.solutions[spw]
    wavelength_um = 299792458.0 / float(np.mean(table.spws[spw].chan_freq_hz)) * 1e6
    angle = np.angle(s.param[:, :, 0, 0]).astype(np.float64)
    good = ~s.flag[:, :, 0, 0]
    if s.row is not None:
        good &= s.row >= 0
    per_field: dict[str, list[float]] = {n: [] for n in antenna_names(table)}
    for field in np.unique(s.field):
        mine = np.flatnonzero(s.field == field)
        phase = np.where(good[mine], np.unwrap(angle[mine], axis=0), np.nan)
        counts = np.isfinite(phase).sum(axis=0)
        mean = np.nanmean(phase[:, counts > 0], axis=1, keepdims=True) if (counts > 0).any() else 0.0
        spread = phase - mean
        for antenna, name in enumerate(per_field):
            if counts[antenna] > 2:
                one = spread[:, antenna]
                per_field[name].append(float(np.nanstd(one) / (2 * np.pi) * wavelength_um))
    rows = [Row(n, {"path rms [um]": float(np.median(v)) if v else np.nan}) for n, v in per_field.items()]
    return rows, []
