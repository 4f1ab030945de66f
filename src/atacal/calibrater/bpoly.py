"""How bandpass's polynomial tables (BPOLY) are solved."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.gather import gather
from atacal.calibrater.solve import ConstantModel, Groups
from atacal.caltables.bpoly import BPolyTable, Polynomials
from atacal.caltables.bpoly_disk import append_bpoly, write_bpoly
from atacal.caltables.bpoly_new import new_table
from atacal.errors import ArgumentError, NoSolutions
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.models import SkyModel
from atacal.ms.selected import Selected
from atacal.solve import intervals
from atacal.solve.bpoly import PolynomialGains, normalised, scaled, solve_polynomial_gains
from atacal.solve.refant import choices

log = logging.getLogger("atacal")

_TINY = 5e-324


@dataclass(frozen=True)
class PolynomialSetup:
    """The parameters of `bandpass` that matter here, under its names; ``refant`` as antenna ids."""

    solint: str
    combine: str
    refant: list[int]
    minblperant: int
    minsnr: float
    solnorm: bool
    corr_dep_flags: bool
    degamp: int
    degphase: int
    visnorm: bool
    maskcenter: int
    maskedge: float

    def __post_init__(self) -> None:
        for name in ("degamp", "degphase", "maskcenter"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"{name}={getattr(self, name)} is not possible; it has to be 0 or more")
        if not 0 <= self.maskedge < 50:
            raise ArgumentError(
                f"maskedge={self.maskedge} is not possible: a percentage of channels from 0 to below 50"
            )


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """The frequencies of the channels that a solution is fitted to (group by group), and what it is valid for."""

    freq_hz: NDArray[np.float64]
    domain_hz: tuple[float, float]


def masked_channels(count: int, maskcenter: int, maskedge: float) -> NDArray[np.bool_]:
    """Return which of an spw's selected channels (averaged ones, if so) are left out of the fit, bool (count,).

    ``maskcenter`` channels about the middle (channel ``count // 2``), and ``maskedge`` percent at either edge. As in
    CASA the lower edge is the channels below ``maskedge/100 count``, the upper one those above ``(1 - maskedge/100)
    count``, which is one channel less.
    """
    number = np.arange(count)
    low = count // 2 - maskcenter // 2
    fraction = maskedge / 100.0
    centre = (number >= low) & (number < low + maskcenter)
    return centre | (number < count * fraction) | (number > count * (1 - fraction))


def solve_bpoly(
    ms: MeasurementSet,
    selected: Selected,
    setup: PolynomialSetup,
    *,
    library: Any = None,
    smodel: list[float] | None = None,
) -> tuple[BPolyTable, dict[str, Any]]:
    """Solve for a polynomial bandpass.

    Returns
    -------
    table : BPolyTable
    stats : dict
        Numbers of solution intervals and solutions (antenna and receptor), and why there are none.

    Raises
    ------
    ArgumentError
        If an spw has too few channels for the degree.
    NoSolutions
    """
    metadata = ms.metadata
    solint = intervals.parse_solint(setup.solint)
    combine = intervals.parse_combine(setup.combine)
    slots = intervals.make_slots(selected.runs, metadata.ddid_spw[selected.runs.ddid], solint.seconds, combine)
    groups, spectra = _spectra(metadata, selected, setup, solint, joined="spw" in combine)
    log.info("For solint = %s, found %d solution intervals.", setup.solint, len(slots))
    log.info("Fitting bandpass polynomials of degree %d in log amplitude, %d in phase", setup.degamp, setup.degphase)
    model = ConstantModel(smodel, metadata) if smodel else SkyModel.of(ms)
    order = choices(setup.refant, metadata.antenna_positions_m, "flex") if setup.refant else []
    found: list[tuple[int, float, list[PolynomialGains]]] = []
    for batch in gather(ms, selected, slots, groups, library=library, model=model, corr_dep_flags=setup.corr_dep_flags):
        time = batch.time
        for i, slot in enumerate(batch.slots):
            spectrum = spectra[int(slots.spw[slot])]
            fits = _solve_slot(batch.d[i], batch.b[i], spectrum, setup, metadata.nant, order)
            found.append((int(slot), float(time[i]), fits))
        del batch  # before the next one is made
    stats = _statistics(found, slots, setup.minsnr)
    solutions = _collect(found, slots, spectra, setup)
    if not solutions:
        raise NoSolutions(
            f"{ms.path}: no good BPOLY solution in {len(slots)} solution intervals; "
            f"{stats['flagged_few_baselines']} had too few baselines or channels with data, {stats['flagged_low_snr']} "
            "too low a signal-to-noise ratio; no table was written"
        )
    if setup.solnorm:
        log.info("Normalizing antenna-based solutions.")
    log.info("Found good BPOLY solutions in %d solution intervals.", stats["succeeded"])
    return new_table(metadata, solutions), stats


def _spectra(
    metadata: Metadata, selected: Selected, setup: PolynomialSetup, solint: intervals.Solint, *, joined: bool
) -> tuple[Groups, dict[int, _Spectrum]]:
    """Number the channels to be fitted, spw by spw, or (``joined``) one after another through all spws."""
    groups: Groups = {}
    count, total = 0, 0
    freqs: dict[int, NDArray[np.float64]] = {}
    ends: dict[int, NDArray[np.float64]] = {}
    for spw in sorted(selected.channels):
        of_spw, wanted = metadata.spws[spw], selected.channels[spw]
        ends[spw] = of_spw.chan_freq_hz[wanted]
        group, ngroup = intervals.channel_groups(wanted, of_spw.chan_width_hz, solint, per_channel=True)
        kept = ~masked_channels(ngroup, setup.maskcenter, setup.maskedge)
        number = np.where(kept, np.cumsum(kept) - 1, -1)
        group = np.where(group >= 0, number[group], -1).astype(np.int32)
        nchan, ngroup = ngroup, int(kept.sum())
        if not joined:
            _check_degree(metadata, f"spw {spw}", ngroup, nchan, setup)
        freqs[spw] = np.array([of_spw.chan_freq_hz[group == g].mean() for g in range(ngroup)])
        groups[spw] = (np.where(group >= 0, group + count, -1).astype(np.int32) if joined else group, ngroup)
        count, total = count + ngroup, total + nchan
    if not joined:
        return groups, {s: _Spectrum(f, (float(ends[s].min()), float(ends[s].max()))) for s, f in freqs.items()}
    everything = np.concatenate(list(ends.values()))
    _check_degree(metadata, "the combined spws", count, total, setup)
    whole = _Spectrum(np.concatenate(list(freqs.values())), (float(everything.min()), float(everything.max())))
    return {s: (g, count) for s, (g, _) in groups.items()}, dict.fromkeys(groups, whole)


def _check_degree(metadata: Metadata, where: str, ngroup: int, nchan: int, setup: PolynomialSetup) -> None:
    for name in ("degamp", "degphase"):
        if ngroup < getattr(setup, name) + 1:
            raise ArgumentError(
                f"{name}={getattr(setup, name)} is not possible: {where} of {metadata.name} has {ngroup} channels to "
                f"fit ({nchan} less those masked by maskedge={setup.maskedge} and maskcenter={setup.maskcenter}); they "
                f"allow degree {max(ngroup - 1, 0)}, and leaving the spw out of spw= is possible too"
            )


def _solve_slot(
    d: NDArray[np.complex128],
    b: NDArray[np.float64],
    spectrum: _Spectrum,
    setup: PolynomialSetup,
    nant: int,
    order: list[int],
) -> list[PolynomialGains]:
    """Solve one interval: a fit for each receptor, antennas of low signal-to-noise ratio not good."""
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    used = len(spectrum.freq_hz)
    fits = []
    for receptor in range(2):
        data, weight = d[:, :used, receptor], b[:, :used, receptor]
        if setup.visnorm:
            total = weight.sum(1, keepdims=True)
            mean = (weight * data).sum(1, keepdims=True) / np.where(total > 0, total, 1.0)
            data = np.where(mean != 0, data / np.where(mean != 0, mean, 1.0), 0.0)
            weight = np.where(mean != 0, weight, 0.0)
        fit = solve_polynomial_gains(
            data, weight, spectrum.freq_hz, spectrum.domain_hz, ant1, ant2, nant, degree_amplitude=setup.degamp,
            degree_phase=setup.degphase, minblperant=setup.minblperant, references=order,
        )  # fmt: skip
        _log_scatter(fit, receptor)
        fits.append(fit)
    return fits


def _log_scatter(fit: PolynomialGains, receptor: int) -> None:
    if fit.noisy:
        log.info(
            "Receptor %d: too noisy channel by channel for logarithms; the visibilities themselves are fitted", receptor
        )
    there = np.isfinite(fit.log_rms)
    if there.any():
        amplitude, phase = fit.log_rms[there], np.rad2deg(fit.phase_rms_rad[there])
        log.info(
            "Receptor %d: scatter about the fit by baseline (min/mean/max): log(amp) %.3g/%.3g/%.3g, "
            "phase %.3g/%.3g/%.3g deg",
            receptor, amplitude.min(), amplitude.mean(), amplitude.max(), phase.min(), phase.mean(), phase.max(),
        )  # fmt: skip


def _collect(
    found: list[tuple[int, float, list[PolynomialGains]]],
    slots: intervals.Slots,
    spectra: dict[int, _Spectrum],
    setup: PolynomialSetup,
) -> dict[int, Polynomials]:
    """Put the intervals of every spw together in the order of time, those without any solution left out."""
    out = {}
    for spw in sorted({int(s) for s in slots.spw}):
        mine = [f for f in found if slots.spw[f[0]] == spw and any((_kept(p, setup.minsnr)).any() for p in f[2])]
        if not mine:
            continue
        mine.sort(key=lambda f: f[1])
        number = np.array([f[0] for f in mine])
        good = np.stack([np.stack([_kept(p, setup.minsnr) for p in f[2]], -1) for f in mine])
        amplitude, phase = (_stacked(mine, what, spectra[spw], setup.solnorm) for what in ("amplitude", "phase"))
        amplitude[~good], phase[~good] = 0.0, 0.0
        # a gain of exactly 1 must not look like a missing solution, whose coefficients are all 0
        unit = good & (amplitude == 0).all(3) & (phase == 0).all(3)
        amplitude[unit, 0] = _TINY
        shape = good.shape[:2]
        refant = np.array([_reference(g, setup.refant, p) for g, p in zip(good, phase, strict=True)], np.int32)
        out[spw] = Polynomials(
            spw, np.array([f[1] for f in mine]), np.zeros(len(mine)), slots.field[number], slots.scan[number],
            slots.obs[number], np.broadcast_to(refant[:, None], shape).astype(np.int32), amplitude, phase,
            np.ones(shape, np.complex128), np.broadcast_to(spectra[spw].domain_hz, (*shape, 2)).copy(), good,
            np.stack([np.stack([p.snr for p in f[2]], -1) for f in mine]).astype(np.float32) * good,
        )  # fmt: skip
    return out


def _kept(fit: PolynomialGains, minsnr: float) -> NDArray[np.bool_]:
    return fit.good & (fit.snr >= minsnr)


def _stacked(
    mine: list[tuple[int, float, list[PolynomialGains]]], what: str, spectrum: _Spectrum, solnorm: bool
) -> NDArray[np.float64]:
    """Return one sort of coefficients, (slot, antenna, receptor, count), normalised if wanted."""
    out = np.stack([np.stack([getattr(p, what) for p in f[2]], 1) for f in mine])
    if solnorm:
        x = scaled(spectrum.freq_hz, *spectrum.domain_hz)
        for i, (_, _, fits) in enumerate(mine):
            for receptor, fit in enumerate(fits):
                for ant in np.flatnonzero(fit.good):
                    both = normalised(fit.amplitude[ant], fit.phase[ant], x, fit.used[ant] > 0)
                    out[i, ant, receptor] = both[0 if what == "amplitude" else 1]
    return out


def _reference(good: NDArray[np.bool_], wanted: list[int], phase: NDArray[np.float64]) -> int:
    """Return the antenna whose phase polynomial is 0 in one interval; -1 if that is none."""
    zero = np.flatnonzero(good.any(1) & (phase[:, :, 1:] == 0).all((1, 2)))
    return next((i for i in [*wanted, *zero.tolist()] if i in zero), -1)


def _statistics(
    found: list[tuple[int, float, list[PolynomialGains]]], slots: intervals.Slots, minsnr: float
) -> dict[str, Any]:
    stats: dict[str, Any] = {"expected": len(slots), "attempted": 0, "succeeded": 0}
    stats |= {"flagged_low_snr": 0, "flagged_few_baselines": 0, "unconverged": 0}
    for spw in sorted({int(s) for s in slots.spw}):
        part = {"expected": int((slots.spw == spw).sum()), "succeeded": 0, "solutions": 0, "flagged": 0}
        for slot, _, fits in found:
            if slots.spw[slot] != spw:
                continue
            kept = np.stack([_kept(p, minsnr) for p in fits])
            good = np.stack([p.good for p in fits])
            part["solutions"] += int(kept.sum())
            part["flagged"] += int((~kept).sum())
            part["succeeded"] += int(kept.any())
            stats["attempted"] += int(good.any())
            stats["flagged_low_snr"] += int((good & ~kept).sum())
            stats["flagged_few_baselines"] += int((~good).sum())
        stats["succeeded"] += part["succeeded"]
        stats[f"spw{spw}"] = part
    return stats


def save_bpoly(path: str | os.PathLike[str], table: BPolyTable, *, append: bool) -> None:
    """Write or append a solved table; an older one of the name is replaced when all is well."""
    if append and Path(path).exists():
        append_bpoly(path, table)
    else:
        write_bpoly(path, table, overwrite=True)
    log.info("Wrote %s (BPOLY)", path)
