"""The flux scale: how much brighter than its model is a calibrator, from the gains of fields with known fluxes.

Gains solved against a model of the wrong flux density S_model are off by sqrt(S / S_model). With the gains of a
reference field, whose model is right, the flux density of a transfer field solved against 1 Jy is ``m**2``, where m is
the median over antennas and polarisations of the ratio of the mean gain amplitudes (transfer / reference).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable
from atacal.errors import ArgumentError, CaltableError, CaltableMismatch, NoSolutions
from atacal.flux.ratio_error import median_error
from atacal.flux.spectrum import Spectrum, fit_spectrum

log = logging.getLogger("atacal")

_EVEN_MEDIAN_UP_TO = 100
Masks = Mapping[int, NDArray[np.bool_]]
"""Spw -> bool (slot, antenna): which solutions take part."""


@dataclass(frozen=True)
class SpwFlux:
    """The flux density of a field in one spw.

    Attributes
    ----------
    spw, ref_spw : int
        The spw, and the spw of the reference gains.
    freq_hz : float
        Its solutions' frequency.
    ratio : float
        m, the median gain ratio.
    flux_jy : float
        ``m**2``.
    error_jy : float
        CASA's ``fluxdErr``, ``2 std(ratio) / sqrt(N - 1)``; it lacks a factor m.
    propagated_error_jy : float
        ``2 m std(ratio) / sqrt(N - 1)``, the derivative of ``m**2`` included; nan for N = 1.
    median_error_jy : float
        ``2 m`` times `atacal.flux.ratio_error.median_error`: twice it holds the truth in 95 % of cases; nan for one
        antenna.
    nsol : int
        N, the number of ratios: antennas times polarisations that have both fields.
    """

    spw: int
    ref_spw: int
    freq_hz: float
    ratio: float
    flux_jy: float
    error_jy: float
    propagated_error_jy: float
    median_error_jy: float
    nsol: int


@dataclass(frozen=True, eq=False)
class FieldFlux:
    """What was found for a transfer field: spws with a flux density (others are missing), and the fitted spectrum."""

    field: int
    name: str
    spws: dict[int, SpwFlux]
    spectrum: Spectrum | None


@dataclass(frozen=True, eq=False)
class FluxScale:
    """The outcome of `derive_fluxes`.

    Attributes
    ----------
    reference, transfer : tuple of int
        Field ids that took part.
    fields : dict of field -> FieldFlux
    freq_hz : float64 (spw,)
        Frequency of each spw that has solutions of these fields, -1 of the others (CASA's ``freq``).
    ref_spw : int (spw,)
        Which spw's reference gains each spw was compared with.
    step_time : float
        Time that CASA gives the rows of an incremental table [MJD s].
    """

    reference: tuple[int, ...]
    transfer: tuple[int, ...]
    fields: dict[int, FieldFlux]
    freq_hz: NDArray[np.float64]
    ref_spw: NDArray[np.int64]
    step_time: float


@dataclass(frozen=True, eq=False)
class _Means:
    """Mean gain amplitudes of one field: mean float64 and ok bool, (spw, antenna, par)."""

    mean: NDArray[np.float64]
    ok: NDArray[np.bool_]


def casacore_median(values: NDArray) -> float:
    """Median as casacore takes it: the mean of the middle two of up to 100 values, else the lower of the two."""
    ordered = np.sort(values, axis=None)
    low = (len(ordered) - 1) // 2
    if len(ordered) % 2 == 0 and len(ordered) <= _EVEN_MEDIAN_UP_TO:
        return float((ordered[low] + ordered[low + 1]) / 2)
    return float(ordered[low])


def derive_fluxes(
    table: CalTable,
    reference: Sequence[int],
    transfer: Sequence[int] = (),
    *,
    refspwmap: Sequence[int] = (-1,),
    gain_threshold: float = -1.0,
    use: Masks | None = None,
    threshold_use: Masks | None = None,
    fit_order: int = 1,
) -> FluxScale:
    """Derive the flux densities of the transfer fields.

    Parameters
    ----------
    table : CalTable
        ``G Jones`` or ``T Jones`` with one channel.
    reference : sequence of int
        Fields whose model was right when the gains were solved.
    transfer : sequence of int
        Fields to be measured; empty for all others in the table.
    refspwmap : sequence of int
        Spw of the reference gains for each spw; -1 for the spw itself; one number for all.
    gain_threshold : float
        Use only amplitudes within this fraction of the median of their field and spw; negative for all.
    use : mapping of spw -> bool (slot, antenna), optional
        Solutions that take part; all when not given.
    threshold_use : mapping of spw -> bool (slot, antenna), optional
        Solutions that make the median which ``gain_threshold`` compares with.
    fit_order : int
        Order of the polynomial fitted to log flux against log frequency.

    Returns
    -------
    FluxScale

    Raises
    ------
    CaltableError
        If the table is of another kind, or has two solutions for one time and field.
    CaltableMismatch
        If it has no solutions of the fields.
    NoSolutions
        If no flux density could be derived; the message says what is missing.
    ArgumentError
        If ``refspwmap`` names an spw there is not.
    """
    _check_kind(table)
    ref, tran = _fields(table, reference, transfer)
    ref_spw = _ref_spws(refspwmap, len(table.spws))
    everything = {spw: np.ones(sol.refant.shape, bool) for spw, sol in table.solutions.items()}
    use, threshold_use = use or everything, threshold_use or everything
    means = {f: _means(table, f, use, threshold_use, gain_threshold) for f in (*ref, *tran)}
    reference_means = _collapse([means[f] for f in ref])
    freq_hz = _frequencies(table, [*ref, *tran], use)
    fields = {}
    for f in tran:
        if not any((table.solutions[s].field == f)[use[s].any(1)].any() for s in table.solutions):
            continue
        found = {}
        for spw in range(len(table.spws)):
            flux = _spw_flux(spw, int(ref_spw[spw]), means[f], reference_means, freq_hz)
            if flux is not None:
                found[spw] = flux
        fields[f] = FieldFlux(f, table.fields[f].name, found, _spectrum(table.fields[f].name, found, fit_order))
    result = FluxScale(ref, tran, fields, freq_hz, ref_spw, _step_time(table, [*ref, *tran], use))
    _report_missing(table, result, means, reference_means)
    return result


def _check_kind(table: CalTable) -> None:
    if table.kind not in ("G Jones", "T Jones") or table.par_type != "Complex":
        raise CaltableError(f"{table.name} holds {table.kind} solutions; a flux scale needs G Jones or T Jones ones")
    for spw, sol in table.solutions.items():
        if sol.nchan != 1:
            raise CaltableError(f"{table.name} has {sol.nchan} channels in spw {spw}; a flux scale needs one")
        keys = list(zip(sol.time.tolist(), sol.field.tolist(), strict=True))
        twice = (
            next((k for i, k in enumerate(keys) if k in set(keys[:i])), None) if len(set(keys)) < len(keys) else None
        )
        if twice is not None:
            raise CaltableError(
                f"{table.name} has two solutions at one time of field {table.fields[twice[1]].name} in spw {spw}; "
                "was a solve appended twice?"
            )


def _fields(table: CalTable, reference: Sequence[int], transfer: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the reference and the transfer fields that have solutions."""
    present = sorted({int(f) for sol in table.solutions.values() for f in sol.field})

    def names(ids: Sequence[int]) -> str:
        return ", ".join(f"{table.fields[f].name} ({f})" if 0 <= f < len(table.fields) else str(f) for f in ids)

    wanted = sorted(set(reference))
    ref = [f for f in wanted if f in present]
    if not ref:
        raise CaltableMismatch(
            f"{table.name} has no solutions of the reference field {names(wanted)}; it has them of {names(present)}"
        )
    both = sorted(set(transfer) & set(ref))
    if both:
        log.info("The reference field %s is also listed as a transfer field; it is not scaled.", names(both))
    asked = sorted(set(transfer) - set(ref))
    tran = [f for f in (asked or present) if f in present and f not in ref]
    for what, missing in (("reference", set(wanted) - set(ref)), ("transfer", set(asked) - set(tran))):
        if missing:
            log.warning("These %s fields have no solutions in %s: %s", what, table.name, names(sorted(missing)))
    if not tran or (transfer and not asked):
        raise CaltableMismatch(
            f"{table.name} has no solutions of the transfer field {names(asked) or '(any)'} that is not a reference; "
            f"it has them of {names(present)}"
        )
    for what, found in (("reference", ref), ("transfer", tran)):  # CASA's words
        log.info("Found %s field(s): %s", what, " ".join(table.fields[f].name for f in found))
    return tuple(ref), tuple(tran)


def _ref_spws(refspwmap: Sequence[int], nspw: int) -> NDArray[np.int64]:
    """Return the reference spw of every spw."""
    wrong = [s for s in refspwmap if not -1 <= s < nspw]
    if wrong or len(refspwmap) > nspw:
        raise ArgumentError(
            f"refspwmap={list(refspwmap)}: there are {nspw} spws, 0 to {nspw - 1}; -1 means the spw itself"
        )
    result = np.arange(nspw)
    if len(refspwmap) == 1 and refspwmap[0] >= 0:
        result[:] = refspwmap[0]
    else:
        for spw, other in enumerate(refspwmap):
            result[spw] = other if other >= 0 else spw
    for spw in np.flatnonzero(result != np.arange(nspw)).tolist():
        log.info("Spw %d is referenced to spw %d", spw, result[spw])
    return result


def _means(table: CalTable, field: int, use: Masks, threshold_use: Masks, threshold: float) -> _Means:
    """Average the gain amplitudes of a field over time, per spw, antenna and polarisation."""
    npar = next(iter(table.solutions.values())).param.shape[3]
    shape = (len(table.spws), len(table.antennas), npar)
    total, count, before = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for spw, sol in table.solutions.items():
        here = sol.field == field
        amp = np.abs(sol.param[here, :, 0, :])
        unflagged = ~sol.flag[here, :, 0, :]
        good = unflagged & use[spw][here, :, None]
        before[spw] = good.sum(0)
        if threshold >= 0:
            among = np.broadcast_to(threshold_use[spw][here, :, None], amp.shape)
            good &= _near_median(amp, unflagged & among, int(among.sum()), threshold)
        total[spw] = np.where(good, amp.astype(np.float64), 0.0).sum(0)
        count[spw] = good.sum(0)
    if threshold >= 0:
        _report_threshold(table, field, count.sum((0, 2)), before.sum((0, 2)))
    return _Means(np.divide(total, count, out=np.zeros(shape), where=count > 0), count > 0)


def _near_median(amp: NDArray[np.float32], among: NDArray[np.bool_], size: int, threshold: float) -> NDArray[np.bool_]:
    """Return which amplitudes lie within a fraction of the median of those ``among``, in CASA's single precision."""
    if not among.any():
        return np.zeros(amp.shape, bool)
    ordered = np.sort(amp[among])
    low = (len(ordered) - 1) // 2
    even = len(ordered) % 2 == 0 and size <= _EVEN_MEDIAN_UP_TO
    median = np.float32((ordered[low] + ordered[low + 1]) / 2 if even else ordered[low])
    bound = np.float32(1 - threshold if threshold < 1 else 0)
    return (amp >= bound * median) & (amp <= np.float32(1 + threshold) * median)


def _report_threshold(table: CalTable, field: int, kept: NDArray, before: NDArray) -> None:
    for ant in np.flatnonzero(kept < before).tolist():
        log.info(
            "  %s (field %d), antenna %s: %.3g %% of %d solutions are outside the gain threshold",
            table.fields[field].name, field, table.antennas[ant].name, 100 * (1 - kept[ant] / before[ant]), before[ant],
        )  # fmt: skip


def _collapse(means: Sequence[_Means]) -> _Means:
    """Average the reference fields, each antenna and polarisation over the fields that have it."""
    count = sum(m.ok.astype(np.int64) for m in means)
    total = sum(np.where(m.ok, m.mean, 0.0) for m in means)
    ok = np.asarray(count) > 0
    return _Means(np.divide(total, count, out=np.zeros(ok.shape), where=ok), ok)


def _spw_flux(spw: int, ref_spw: int, field: _Means, ref: _Means, freq_hz: NDArray[np.float64]) -> SpwFlux | None:
    """Derive one flux density; None when no antenna has both fields."""
    ok = field.ok[spw] & ref.ok[ref_spw] & (ref.mean[ref_spw] > 0)
    ratio = np.divide(field.mean[spw], ref.mean[ref_spw], out=np.zeros(ok.shape), where=ok)
    ratios = ratio[ok]
    n = len(ratios)
    if not n:
        return None
    m = casacore_median(ratios)
    error = 2.0 * float(np.std(ratios, ddof=1)) / np.sqrt(n - 1) if n > 1 else 0.0
    return SpwFlux(
        spw=spw,
        ref_spw=ref_spw,
        freq_hz=float(freq_hz[spw]),
        ratio=m,
        flux_jy=m * m,
        error_jy=float(error),
        propagated_error_jy=float(m * error) if n > 1 else float("nan"),
        median_error_jy=2.0 * m * median_error(ratio, ok),
        nsol=n,
    )


def _spectrum(name: str, found: Mapping[int, SpwFlux], order: int) -> Spectrum | None:
    """Fit the fluxes of a field; one alone is its own spectrum."""
    if not found:
        return None
    if len(found) == 1:
        (only,) = found.values()
        return Spectrum.single(only.freq_hz, only.flux_jy, order)
    if order >= len(found):
        log.warning(
            "%s: fitorder=%d needs more than %d spws; fitted with order %d", name, order, len(found), len(found) - 1
        )
    freq = np.array([s.freq_hz for s in found.values()])
    flux = np.array([s.flux_jy for s in found.values()])
    error = np.array([s.error_jy for s in found.values()])
    return fit_spectrum(freq, flux, error, order=min(order, len(found) - 1), pad_to=order)


def _frequencies(table: CalTable, fields: Sequence[int], use: Masks) -> NDArray[np.float64]:
    freq = np.full(len(table.spws), -1.0)
    for spw, sol in table.solutions.items():
        if (np.isin(sol.field, fields) & use[spw].any(1)).any():
            chans = table.spws[spw].chan_freq_hz
            freq[spw] = chans[len(chans) // 2]
    return freq


def _step_time(table: CalTable, fields: Sequence[int], use: Masks) -> float:
    """Return the time of CASA's incremental rows: where, in order of spw and time, the field id last rises."""
    rows = [
        (spw, float(t), int(f))
        for spw, sol in sorted(table.solutions.items())
        for t, f, used in zip(sol.time, sol.field, np.asarray(use[spw].any(1)), strict=True)
        if used and f in fields
    ]
    previous, time = -1, 0.0
    for _, t, f in sorted(rows):
        if f > previous:
            time = t
        previous = f
    return time


def _report_missing(table: CalTable, scale: FluxScale, means: Mapping[int, _Means], ref: _Means) -> None:
    """Say which spws lack reference gains, and what would help; raise when nothing was derived at all."""
    hopeless = []
    for f in scale.fields:
        lacking = [
            spw
            for spw in range(len(table.spws))
            if means[f].ok[spw].any() and not ref.ok[scale.ref_spw[spw]].any() and spw not in scale.fields[f].spws
        ]
        if lacking:
            good = np.flatnonzero(ref.ok.any((1, 2))).tolist()
            hint = (
                f"{table.fields[f].name}: in spw {', '.join(map(str, lacking))} the reference has no good solutions; "
                f"it has them in spw {', '.join(map(str, good)) or 'none'} (refspwmap maps one to another)"
            )
            log.warning("%s", hint)
            hopeless.append(hint)
    if not any(flux.spws for flux in scale.fields.values()):
        raise NoSolutions(
            f"{table.name}: no flux density could be derived: "
            + ("; ".join(hopeless) or "no antenna has good solutions of both fields in the selection")
        )
