"""Flux densities given by hand: a point source at the phase centre, as a model column or a virtual model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms._virtual_model import Component, ComponentList, Spectrum, put_virtual_models, remove_virtual_models
from atacal.ms.columns import ensure_column
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import correlations
from atacal.ms.selected import Selected
from atacal.ms.stream import stream

_UNITS_HZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "thz": 1e12}


def parse_frequency(text: str | float) -> float:
    """Read a frequency such as ``1.4GHz`` (a bare number is in Hz); return it in Hz.

    Raises
    ------
    ArgumentError
    """
    words = str(text).strip().lower()
    unit = next((u for u in ("thz", "ghz", "mhz", "khz", "hz") if words.endswith(u)), "")
    try:
        value = float(words[: len(words) - len(unit)])
    except ValueError:
        value = -1.0
    if value <= 0:
        raise ArgumentError(f"reffreq={text!r} is not a frequency such as '1.4GHz'")
    return value * _UNITS_HZ.get(unit, 1.0)


def parse_stokes(fluxdensity: float | Sequence[float]) -> NDArray[np.float64]:
    """Return Stokes I, Q, U, V [Jy] of a flux density given as I alone or as up to four numbers; -1 means 1 Jy.

    Raises
    ------
    ArgumentError
    """
    values = [float(v) for v in np.atleast_1d(np.asarray(fluxdensity, float))]
    if not 1 <= len(values) <= 4 or not np.all(np.isfinite(values)):
        raise ArgumentError(f"fluxdensity={fluxdensity!r} must be one to four numbers: I, Q, U, V in Jy")
    if values[0] == -1:
        return np.array([1.0, 0.0, 0.0, 0.0])
    return np.array(values + [0.0] * (4 - len(values)))


def flux_densities(
    stokes_jy: NDArray[np.float64], spix: Sequence[float], ref_freq_hz: float, freq_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evaluate a flux density against frequency.

    Parameters
    ----------
    stokes_jy : float64 (4,)
        At ``ref_freq_hz``.
    spix : sequence of float
        Spectral index, curvature, ...
    ref_freq_hz : float
    freq_hz : float64 (chan,)

    Returns
    -------
    float64 (4, chan)
        ``S(nu) = S(nu0) x**(spix[0] + spix[1] lg x + spix[2] lg^2 x...)``, ``x = nu / nu0``.
    """
    ratio = freq_hz / ref_freq_hz
    exponent = sum((s * np.log10(ratio) ** k for k, s in enumerate(spix)), np.zeros_like(ratio))
    return stokes_jy[:, None] * ratio**exponent


def set_model(
    ms: MeasurementSet,
    selected: Selected,
    stokes_jy: NDArray[np.float64],
    spix: Sequence[float],
    ref_freq_hz: float,
    *,
    scalebychan: bool,
    column: bool,
) -> dict[int, dict[int, NDArray[np.float64]]]:
    """Make a point source at the phase centre the model of the selected data.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    selected : Selected
    stokes_jy, spix, ref_freq_hz
        As for `flux_densities`.
    scalebychan : bool
        Evaluate the spectrum at every channel instead of once, at the spw's middle.
    column : bool
        Fill MODEL_DATA (and drop the fields' virtual models, which would win over it) instead of writing a virtual
        model.

    Returns
    -------
    dict of field -> dict of spw -> float64 (4,)
        Flux densities at the first channel of each spw [Jy], as CASA reports them.
    """
    md = ms.metadata
    spw_of = md.ddid_spw[selected.runs.ddid]
    pairs = sorted({(int(f), int(s)) for f, s in zip(selected.runs.field, spw_of, strict=True)})
    spectra = {}
    for spw in {s for _, s in pairs}:
        freq = md.spws[spw].chan_freq_hz
        spectra[spw] = flux_densities(
            stokes_jy, spix, ref_freq_hz, freq if scalebychan else np.full(len(freq), md.spws[spw].centre_freq_hz)
        )
    if column:
        _fill_column(ms, selected, spectra)
        remove_virtual_models(ms.path, {f for f, _ in pairs})
    else:
        power_law = Spectrum(stokes_jy, [*spix, 0.0][0], ref_freq_hz) if scalebychan and len(spix) < 2 else None
        for number in sorted({f for f, _ in pairs}):
            _put_virtual(ms, selected, number, spectra, power_law)
    return {f: {s: spectra[s][:, 0] for g, s in pairs if g == f} for f in sorted({f for f, _ in pairs})}


def _fill_column(ms: MeasurementSet, selected: Selected, spectra: dict[int, NDArray[np.float64]]) -> None:
    ensure_column(ms, "MODEL_DATA")
    for block in stream(ms, selected, []):
        corr_types = ms.metadata.pols[block.pol].corr_types
        cell = correlations(spectra[block.spw], corr_types).astype(np.complex64)
        ms.write("MODEL_DATA", block.segments, np.ascontiguousarray(np.broadcast_to(cell, (block.nrow, *cell.shape))))
    ms.flush()


def _put_virtual(
    ms: MeasurementSet,
    selected: Selected,
    number: int,
    spectra: dict[int, NDArray[np.float64]],
    spectrum: Spectrum | None,
) -> None:
    """Write the virtual model of a field: one component list for all its spws, or one a spw where it is a table."""
    md, runs = ms.metadata, selected.runs
    mine = runs.field == number
    spw_of = md.ddid_spw[runs.ddid]
    target = md.fields[number]
    groups = [sorted(set(spw_of[mine].tolist()))] if spectrum is not None else [[s] for s in sorted(set(spw_of[mine]))]
    lists = []
    for spws in groups:
        wanted = mine & np.isin(spw_of, spws)
        keys = zip(runs.field[wanted], spw_of[wanted], runs.scan[wanted], runs.state[wanted], strict=True)
        own = spectrum or _table(md.spws[spws[0]].chan_freq_hz, spectra[spws[0]])
        lists.append(
            ComponentList(
                components=(Component(own, target.phase_dir_rad, target.frame),),
                channels=tuple((int(s), 0, md.spws[s].nchan, 1) for s in spws),
                combinations=frozenset((int(a), int(b), int(c), int(d)) for a, b, c, d in keys),
            )
        )
    put_virtual_models(ms.path, number, target.source_id, lists)


def _table(freq_hz: NDArray[np.float64], stokes_jy: NDArray[np.float64]) -> Spectrum:
    order = np.argsort(freq_hz)
    return Spectrum(stokes_jy[:, 0], ref_freq_hz=freq_hz[0], table_hz=freq_hz[order], table_jy=stokes_jy[:, order])
