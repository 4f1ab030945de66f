"""Charts of calibrated data, and the antennas whose spectra differ from the others'."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.spectral_fit import AntennaLines, Outlier, find_outliers, fit_lines, score_outliers
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.corrected import View, mean_of

_TIME, _FREQ, _UV = Axis("Time", "MJD s", "time"), Axis("Frequency", "GHz"), Axis("Projected baseline", "m")
_PHASE = Axis("Phase", "deg")
_POLS = ("X", "Y")
_LEAST_CHANNELS = 8
_UNITS = {"amp_slope": "1/GHz", "amp_offset": "", "phase_slope": "deg/GHz", "phase_offset": "deg"}
_WORDS = {
    "amp_slope": "slope of the amplitude", "amp_offset": "amplitude", "phase_slope": "slope of the phase",
    "phase_offset": "phase",
}  # fmt: skip


def chart_view(block: Block, view: View, lengths_m: Mapping[int, NDArray[np.float64]], *, model: bool) -> None:
    """Write the charts of a view: against time and frequency for every antenna, against the baseline.

    Parameters
    ----------
    block : Block
    view : View
    lengths_m : mapping of field -> float64 (baseline,)
    model : bool
        Whether the data are over their model.
    """
    name = block.facts.metadata.fields[view.number].name
    safe = "".join(c if c.isalnum() or c in "-+_" else "_" for c in name)
    tag = f"{view.intent}_{safe}_spw{view.spw}"
    title = f"{name} ({view.intent}), spw {view.spw}"
    amp = Axis("Amplitude over model" if model else "Amplitude", "" if model else "Jy")
    in_time, _ = mean_of(*(np.stack([t[k] for t in view.in_time]) for k in (0, 1)))
    spectrum, _ = view.spectrum()
    time = np.array(view.time)
    for quantity, axis in (("amp", amp), ("phase", _PHASE)):
        against_time = [
            Series(_keys(block, view, a, p), time, _value(in_time[:, a, p], quantity), {"scan": np.array(view.scan)})
            for a, p in _present(in_time, 0)
        ]
        block.chart(Chart(f"{quantity}_time_{tag}", title, _TIME, axis, against_time))
        against_freq = [
            Series(_keys(block, view, a, p), view.freq_hz / 1e9, _value(spectrum[a, :, p], quantity), line=True)
            for a, p in _present(spectrum, 1)
        ]
        block.chart(Chart(f"{quantity}_freq_{tag}", title, _FREQ, axis, against_freq))
    _chart_uv(block, view, lengths_m, amp, tag, title)


def _chart_uv(
    block: Block, view: View, lengths_m: Mapping[int, NDArray[np.float64]], amp: Axis, tag: str, title: str
) -> None:
    length = lengths_m.get(view.number)
    if length is None:
        return
    mean, _ = mean_of(*view.by_baseline)
    first, second = np.triu_indices(len(block.facts.metadata.antennas), 1)
    series = []
    for p in range(mean.shape[1]):
        good = np.isfinite(mean[:, p]) & np.isfinite(length)
        if good.any():
            more = {"antenna1": first[good], "antenna2": second[good]}
            keys = {"spw": str(view.spw), "polarisation": _POLS[p], "field": str(view.number), "intent": view.intent}
            series.append(Series(keys, length[good], np.abs(mean[good, p]), more))
    block.chart(Chart(f"amp_uv_{tag}", title, _UV, amp, series))


def _value(gain: NDArray[np.complex128], quantity: str) -> NDArray[np.float64]:
    return np.abs(gain) if quantity == "amp" else np.degrees(np.angle(gain))


def _present(values: NDArray[np.complex128], axis: int) -> list[tuple[int, int]]:
    """Return antennas and polarisations with values; ``axis`` is not theirs."""
    return [(int(a), int(p)) for a, p in np.argwhere(np.isfinite(values).any(axis=axis))]


def _keys(block: Block, view: View, antenna: int, pol: int) -> dict[str, str]:
    return {
        "antenna": block.facts.metadata.antennas[antenna].name, "spw": str(view.spw), "polarisation": _POLS[pol],
        "field": str(view.number), "intent": view.intent,
    }  # fmt: skip


def fit_spectra(
    spectrum: NDArray[np.complex128], weight: NDArray[np.float64], freq_hz: NDArray[np.float64]
) -> list[AntennaLines]:
    """Fit lines to the spectra (antenna, chan, pol) of all antennas; their noise is that between neighbours."""
    out = []
    for antenna, pol in _present(spectrum, 1):
        vis, w = spectrum[antenna, :, pol], weight[antenna, :, pol]
        good = np.isfinite(vis)
        if good.sum() < _LEAST_CHANNELS:
            continue
        step = np.diff(vis[good])
        parts = np.concatenate([step.real, step.imag])
        noise = 1.4826 * float(np.median(np.abs(parts - np.median(parts)))) / math.sqrt(2.0)
        sigma = np.full(len(vis), np.nan)
        sigma[good] = noise * np.sqrt(np.median(w[good]) / w[good])
        lines = fit_lines(vis, sigma, freq_hz, antenna, pol)
        if lines is not None:
            out.append(lines)
    return out


def score_spectra(block: Block, views: Sequence[View], intent: str) -> None:
    """Find antennas whose calibrated spectra differ from the others', scan by scan and in all, and score them."""
    names = block.facts.metadata.antenna_names()
    rows = []
    for view in views:
        found: list[tuple[int, Outlier]] = []
        scans = sorted(view.by_scan)
        for scan in [*scans, *([-1] if len(scans) > 1 else [])]:
            lines = fit_spectra(*view.spectrum(None if scan < 0 else [scan]), view.freq_hz)
            found += [(scan, o) for o in find_outliers(lines)]
        rows += [
            {"field": view.number, "spw": view.spw, "scan": scan, "antenna": names[o.antenna], "pol": _POLS[o.pol],
             "what": o.what, "value": o.value, "sigmas": o.sigmas if math.isfinite(o.sigmas) else None}
            for scan, o in found
        ]  # fmt: skip
        for what in _UNITS:
            of_kind = [o for _, o in found if o.what == what]
            _score(block, view, intent, what, of_kind, names)
    block.out.decisions.setdefault("spectral_outliers", {})[intent] = rows


def _score(block: Block, view: View, intent: str, what: str, outliers: list[Outlier], names: list[str]) -> None:
    field = block.facts.metadata.fields[view.number].name
    where = f"{block.name}, {field} ({intent}), spw {view.spw}"
    value = score_outliers(outliers, intent)
    if not outliers:
        text, measured, who = (
            f"{where}: no antenna's {_WORDS[what]} against frequency differs from the others'",
            0.0,
            "",
        )
    else:
        worst = max(outliers, key=lambda o: (abs(o.sigmas), o.antenna, o.pol))
        who = ",".join(dict.fromkeys(names[o.antenna] for o in outliers))
        measured = worst.value
        one = f"{names[worst.antenna]} {_POLS[worst.pol]} by {measured:.3g} {_UNITS[what]}"
        text = f"{where}: the {_WORDS[what]} of {who} differs, {one}"
    block.out.score(
        value, what, measured, _UNITS[what], f"{_WORDS[what]} against frequency", text, field=field,
        spw=str(view.spw), intent=intent, antenna=who, hidden=not outliers,
    )  # fmt: skip
