"""Stage tsysflagcontamination: lines of targets in their system temperatures, flagged in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.atmosphere.ozone import ozone_ranges
from atacal.errors import ArgumentError
from atacal.heuristics.raw_channels import exempt_channels
from atacal.heuristics.tsys_lines import Comparison, ContaminationLimits, Feature, compare
from atacal.heuristics.tsys_shapes import TsysSpectra
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.files import write_bytes
from atacal.pipeline.stage import stage
from atacal.pipeline.tsys_table import copy_tsys, flag_copy, register_copy

_FLAGGED, _WIDE, _NOT_DONE = 0.9, 0.6, 0.6
_CO_MHZ = (
    115271.2018, 230538.0, 345795.9899, 461040.7682, 691473.0763, 806651.806, 921799.7,
)  # fmt: skip
"""CO in the mesosphere has lines as narrow as clouds'; those are told as the air's when both fields have them."""


@stage("hifa_tsysflagcontamination", "Lines of targets in system temperatures")
def hifa_tsysflagcontamination(
    block: Block,
    caltable: str = "",
    filetemplate: str = "",
    logpath: str = "",
    remove_n_extreme: int = 2,
    relative_detection_factor: float = 0.005,
    diagnostic_plots: bool = True,
    continue_on_failure: bool = True,
) -> None:
    """Flag channels in which the Tsys of a field has a line that the bandpass calibrator's has not.

    The spectra of a field are compared with those of the bandpass calibrator, antenna by antenna
    (`atacal.heuristics.tsys_lines`). Only features within science spws are flagged; wide ones are told, not flagged.

    Parameters
    ----------
    caltable : str
        Another table than the registered one.
    filetemplate, logpath : str
        Files, in the run directory, that get the commands, and what was found; none if empty.
    remove_n_extreme : int
        Spectra left out at each end when antennas are averaged.
    relative_detection_factor : float
        Lines below this share of the median Tsys do no harm.
    diagnostic_plots : bool
        Write charts.
    continue_on_failure : bool
        Only True is possible: a failure is told and scored.
    """
    if not continue_on_failure:
        raise ArgumentError("hifa_tsysflagcontamination: continue_on_failure=False is not possible; failures are told")
    limits = ContaminationLimits(remove_n_extreme, relative_detection_factor)
    reference = block.facts.fields("BANDPASS")
    copy = copy_tsys(block, caltable)
    if copy is None:
        block.out.say("warning", "there are no system temperatures to look at")
        block.out.score(0.0, "tables", 0, "", "no Tsys", f"{block.name}: there are no system temperatures")
        block.out.summary = "no system temperatures"
        return
    found: list[dict[str, Any]] = []
    flags: dict[int, NDArray[np.bool_]] = {}
    compared = 0
    for spw in sorted(copy.table.solutions):
        spectra = copy.spectra(spw)
        here = _compared(block, spectra, reference, limits)
        compared += len(here)
        flags[spw] = np.zeros_like(spectra.flag)
        for field, comparison in here.items():
            features = [_told(block, f, spw, field) for f in comparison.features]
            found += features
            for f, told in zip(comparison.features, features, strict=True):
                if told["kind"] == "line":
                    flags[spw][spectra.field == field, :, f.first : f.last + 1] = True
            if diagnostic_plots:
                block.chart(_chart(block, spw, field, comparison, features))
    commands = flag_copy(block, copy, flags, "tsysflagcontamination")
    register_copy(block, copy, caltable)
    _report(block, limits, found, commands, compared, bool(reference))
    if filetemplate:
        write_bytes(block.path(filetemplate), "".join(f"{c}\n" for c in commands).encode())
    if logpath:
        write_bytes(block.path(logpath), "".join(f"{_line(f)}\n" for f in found).encode())


def _compared(
    block: Block, spectra: TsysSpectra, reference: Sequence[int], limits: ContaminationLimits
) -> dict[int, Comparison]:
    """Compare each field's spectra with the bandpass calibrator's, by field."""
    spw = block.facts.metadata.spws[spectra.spw]
    value = np.where(spectra.flag, np.nan, spectra.value)
    of_reference = value[np.isin(spectra.field, reference)]
    if not len(of_reference) or spw.nchan < 16:
        return {}
    good = np.isfinite(of_reference)
    mean = np.where(good, of_reference, 0.0).sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    mean = np.where(good.any(axis=0), mean, np.nan)  # (antenna, chan, pol)
    spans = ozone_ranges(float(spw.chan_freq_hz.min()), float(spw.chan_freq_hz.max()))
    telluric = exempt_channels(spw.chan_freq_hz, spw.chan_width_hz, spans)
    out = {}
    for field in sorted(set(spectra.field.tolist()) - set(reference)):
        source = value[spectra.field == field]
        beside = np.broadcast_to(mean, source.shape)
        flat = [np.moveaxis(v, 2, 3).reshape(-1, spw.nchan) for v in (source, beside)]
        if (np.isfinite(flat[0] - flat[1]).sum(axis=1) >= 16).any():
            out[field] = compare(flat[0], flat[1], spw.chan_freq_hz, limits, telluric)
    return out


def _told(block: Block, feature: Feature, spw: int, field: int) -> dict[str, Any]:
    """Return a feature as plain values; one outside of the science spws of this Tsys is of kind 'off science'."""
    meta = block.facts.metadata
    freq = meta.spws[spw].chan_freq_hz
    half = abs(float(freq[1] - freq[0])) / 2
    low, high = sorted((float(freq[feature.first]), float(freq[feature.last])))
    mapped = [int(s) for s, t in (block.get("tsys") or {}).get("spwmap", {}).items() if int(t) == spw]
    science = [meta.spws[s].chan_freq_hz for s in mapped]
    inside = any(float(f.max()) > low - half and float(f.min()) < high + half for f in science)
    kind = "off science" if feature.kind == "line" and science and not inside else feature.kind
    return {
        "spw": spw, "field": meta.fields[field].name, "kind": kind, "channels": f"{feature.first}~{feature.last}",
        "freq_ghz": [round((low - half) / 1e9, 6), round((high + half) / 1e9, 6)],
        "peak_k": round(feature.kelvin, 4), "sigma": round(feature.nsigma, 2),
        "width_km_s": round(feature.width_km_s, 2),
        "co": any(low - half < f * 1e6 < high + half for f in _CO_MHZ),
    }  # fmt: skip


def _line(told: Mapping[str, Any]) -> str:
    low, high = told["freq_ghz"]
    return (f"{told['kind']}: spw {told['spw']} channels {told['channels']} ({low:.4f} to {high:.4f} GHz) of "
            f"{told['field']}: {told['peak_k']} K, {told['sigma']} sigma, {told['width_km_s']} km/s")  # fmt: skip


def _report(
    block: Block, limits: ContaminationLimits, found: Sequence[Mapping[str, Any]], commands: Sequence[str],
    compared: int, has_reference: bool,
) -> None:  # fmt: skip
    lines = [f for f in found if f["kind"] == "line"]
    wide = [f for f in found if f["kind"] == "wide"]
    block.out.decisions |= {
        "limits": asdict(limits), "compared": compared, "features": list(found), "commands": list(commands),
    }  # fmt: skip
    for f in (*lines, *wide):
        advice = "look at the chart; a line in the flagtsystemplate undoes nothing, but flags what is left"
        block.out.say("attention" if f["kind"] == "line" else "warning", _line(f), advice)
    if not compared:
        why = "no field to compare with" if has_reference else "no bandpass calibrator to compare with"
        block.out.say("warning", f"lines in system temperatures were not looked for: {why}")
        block.out.score(_NOT_DONE, "compared", 0, "", "not looked for", f"{block.name}: {why}")
        block.out.summary = why
        return
    value = _WIDE if wide else _FLAGGED if lines else 1.0
    words = f"{len(lines)} lines flagged" if lines else "no lines in system temperatures"
    words += f", {len(wide)} wide features to be looked at" if wide else ""
    block.out.score(value, "tsys_lines", len(lines) + len(wide), "features", "Tsys contamination",
                    f"{block.name}: {words}")  # fmt: skip
    block.out.summary = words


def _chart(block: Block, spw: int, field: int, comparison: Comparison, features: Sequence[Mapping[str, Any]]) -> Chart:
    meta = block.facts.metadata
    freq, name = meta.spws[spw].chan_freq_hz / 1e9, meta.fields[field].name
    keys = {"spw": str(spw), "field": name}
    shift = float(np.nanmedian(comparison.reference) - np.nanmedian(comparison.residual))
    series = [
        Series({**keys, "role": "source"}, freq, comparison.source, line=True),
        Series({**keys, "role": "reference"}, freq, comparison.reference, line=True),
        Series({**keys, "role": "residual"}, freq, comparison.residual + shift, line=True,
               more={"sigma": comparison.residual / comparison.sigma}),
    ]  # fmt: skip
    lines = [
        {"axis": "x", "value": round(sum(f["freq_ghz"]) / 2, 6), "label": f"{f['kind']}, {f['peak_k']} K"}
        for f in features
    ]
    caption = (f"Mean Tsys of {name} and of the bandpass calibrator, and what the air does not explain (moved to the "
               f"level of the calibrator). Lines are {comparison.limit:.1f} sigma and more.")  # fmt: skip
    return Chart(f"tsys_lines_spw{spw}_field{field}", f"Tsys of {name}, spw {spw}", Axis("frequency", "GHz"),
                 Axis("Tsys", "K"), series=series, lines=lines, caption=caption)  # fmt: skip
