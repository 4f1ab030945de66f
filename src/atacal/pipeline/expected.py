"""What signal to noise a calibrator's gains will have: its flux density, system temperatures and exposures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.errors import ModelError
from atacal.flux.ephemeris import body_of
from atacal.flux.solar_system import planet
from atacal.heuristics.snr import gain_noise_jy, receiver_band
from atacal.heuristics.spw_maps import Window
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.pipeline.block import Block
from atacal.pipeline.facts import Facts
from atacal.pipeline.flux_file import FLUX_FILE, known_fluxes

_WIDEST_HZ = 2.0e9
EDGE_FRACTION = 0.03125
"""Part of a 2 GHz band that is flagged at either edge (hifa_spwphaseup, bwedgefrac)."""
_SMALL_DISH_M = 10.0
_UNKNOWN = math.nan
_KEPT_INTEGRATIONS, _KEPT_TABLES = "_kept_integrations", "_kept_tables"


@dataclass(frozen=True)
class Expected:
    """What is expected of an spw's solutions on a calibrator; nan where the flux density is not known.

    Attributes
    ----------
    flux_jy : float
    flux_origin : str
    tsys_k : float
        0 if not known: the band's nominal one is taken.
    integration_s, scan_s, exposure_s : float
        An integration, the mean scan, all of it [s].
    snr_integration, snr_scan, snr_channel : float
        Of one antenna and polarisation: in an integration, in a scan, and in a channel in all the exposure.
    """

    flux_jy: float
    flux_origin: str
    tsys_k: float
    integration_s: float
    scan_s: float
    exposure_s: float
    snr_integration: float
    snr_scan: float
    snr_channel: float

    def plain(self) -> dict[str, Any]:
        """Return the values; None for nan."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


def windows_of(facts: Facts, spws: Sequence[int] | None = None) -> list[Window]:
    """Describe spws; those that are observed in the same scans are one tuning."""
    out = []
    for spw in facts.science_spws if spws is None else spws:
        one = facts.metadata.spws[spw]
        scans = ",".join(str(s.number) for s in facts.science_scans() if spw in s.spws)
        width = float(np.abs(one.chan_width_hz).sum())
        band = receiver_band(one.centre_freq_hz)
        out.append(Window(spw, width, one.centre_freq_hz, one.bbc_no, band, scans))
    return out


def expected_snr(block: Block, field: int, intent: str, spws: Iterable[int]) -> dict[int, Expected]:
    """Estimate the signal to noise of a calibrator's gains in each spw."""
    facts, recipe = block.facts, block.recipe
    n7m = sum(a.dish_diameter_m < _SMALL_DISH_M for a in facts.metadata.antennas)
    n12m = len(facts.metadata.antennas) - n7m
    out = {}
    for spw in spws:
        one = facts.metadata.spws[spw]
        integration, scan, total = exposures(block, field, intent, spw)
        if not total > 0:
            continue
        flux, origin = flux_density(block, field, spw)
        kelvin = tsys_k(block, field, intent, spw)
        width = min(float(np.abs(one.chan_width_hz).sum()), _WIDEST_HZ * (1 - 2 * EDGE_FRACTION))
        channel = float(np.median(np.abs(one.chan_width_hz)))

        def snr(seconds: float, hz: float, k: float = kelvin, s: float = flux, f: float = one.centre_freq_hz) -> float:
            noise = gain_noise_jy(f, tsys_k=k, seconds=seconds, bandwidth_hz=hz, n12m=n12m, n7m=n7m, recipe=recipe)
            return s / noise

        out[spw] = Expected(
            flux,
            origin,
            kelvin,
            integration,
            scan,
            total,
            snr(integration, width),
            snr(scan, width),
            snr(total, channel),
        )
    return out


def exposures(block: Block, field: int, intent: str, spw: int) -> tuple[float, float, float]:
    """Return an integration, the mean exposure of a scan and that of all scans of a field with an intent [s]."""
    scans = [s.number for s in block.facts.science_scans(intent) if field in s.fields and spw in s.spws]
    found = [t for number, f, s, t in _integrations(block) if number in scans and f == field and s == spw]
    if not found:
        return 0.0, 0.0, 0.0
    each = np.concatenate([np.full(n, length) for n, length in found])
    return float(np.median(each)), float(each.sum() / len(scans)), float(each.sum())


def _integrations(block: Block) -> tuple[tuple[int, int, int, tuple[int, float]], ...]:
    """Return scan, field, spw and (number, length [s]) of integrations, for every scan, field and spw."""
    kept: Any = vars(block).get(_KEPT_INTEGRATIONS)
    if kept is None:
        kept = vars(block)[_KEPT_INTEGRATIONS] = _count_integrations(block)
    found: tuple[tuple[int, int, int, tuple[int, float]], ...] = kept
    return found


def _count_integrations(block: Block) -> tuple[tuple[int, int, int, tuple[int, float]], ...]:
    with MeasurementSet(block.vis) as ms:
        runs = ms.runs
        spw = ms.metadata.ddid_spw[runs.ddid]
        out = []
        for key in sorted(set(zip(runs.scan.tolist(), runs.field.tolist(), spw.tolist(), strict=True))):
            mine = (runs.scan == key[0]) & (runs.field == key[1]) & (spw == key[2])
            times = np.unique(np.round(runs.time[mine], 3))
            out.append((*key, (len(times), float(np.median(runs.interval[mine])))))
    return tuple(out)


def flux_density(block: Block, field: int, spw: int) -> tuple[float, str]:
    """Return a field's flux density [Jy] in an spw, and where it is from: derived, flux.csv, or a body's model."""
    name = block.facts.metadata.fields[field].name
    derived = block.get("fluxes", {}).get(name, {}).get(str(spw))
    if derived:
        return float(derived["flux_jy"]), "derived"
    for entry in known_fluxes(block.folder / FLUX_FILE, block.get("source_fluxes", [])):
        if entry.field == field and entry.spw == spw and entry.ms in (block.name, "all", ""):
            return entry.I, "flux.csv"
    body = body_of(name)
    if body is None:
        return _UNKNOWN, "unknown"
    one = block.facts.metadata.spws[spw]
    half = np.abs(one.chan_width_hz) / 2
    first = min(s.start_s for s in block.facts.science_scans() if field in s.fields)
    try:
        jy = planet(body, first / 86400.0).flux_jy(one.chan_freq_hz - half, one.chan_freq_hz + half)
    except ModelError:
        return _UNKNOWN, "unknown"
    return float(np.mean(jy)), body


def tsys_k(block: Block, field: int, intent: str, spw: int) -> float:
    """Return the median system temperature that is applied to a field in an spw [K]; 0 if there is none."""
    stack = block.library.stack(field, [intent], spw, ["tsys"])
    if not stack:
        return 0.0
    entry = stack[0]
    table = _table(block, entry.gaintable)
    source = entry.spwmap[spw] if spw < len(entry.spwmap) else spw
    found = table.solutions.get(source)
    if found is None:
        return 0.0
    words = [w for w in entry.gainfield.split(",") if w.isdigit()]
    mine = np.isin(found.field, [int(w) for w in words]) if words else np.ones(found.nslot, bool)
    good = ~found.flag[mine] & (found.param[mine] > 0)
    return float(np.median(found.param[mine][good])) if good.any() else 0.0


def tsys_spectrum(block: Block, field: int, intent: str, spw: int) -> np.ndarray | None:
    """Return the median spectrum of the system temperatures applied to a field in an spw [K]; None if there is none."""
    stack = block.library.stack(field, [intent], spw, ["tsys"])
    if not stack:
        return None
    entry = stack[0]
    source = entry.spwmap[spw] if spw < len(entry.spwmap) else spw
    found = _table(block, entry.gaintable).solutions.get(source)
    if found is None:
        return None
    values = np.where(found.flag | (found.param <= 0), np.nan, found.param)
    per_channel = np.moveaxis(values, 2, 0).reshape(found.nchan, -1)
    good = np.isfinite(per_channel).any(axis=1)
    out = np.full(found.nchan, np.nan)
    out[good] = np.nanmedian(per_channel[good], axis=1)
    return out


def _table(block: Block, gaintable: str) -> CalTable:
    """Read a table once for a stage."""
    kept: dict[str, CalTable] = vars(block).setdefault(_KEPT_TABLES, {})
    if gaintable not in kept:
        kept[gaintable] = read_caltable(block.path(gaintable), errors=False)
    return kept[gaintable]


def usable_spws(block: Block, field: int, intent: str, spws: Iterable[int]) -> list[int]:
    """Return the spws in which a calibrator has any unflagged data; each is read until there are some."""
    out = []
    scans = ",".join(str(s.number) for s in block.facts.science_scans(intent) if field in s.fields)
    with MeasurementSet(block.vis) as ms:
        for spw in spws:
            if not any(spw in s.spws and field in s.fields for s in block.facts.science_scans(intent)):
                continue
            where = select(ms, Selection(field=str(field), spw=str(spw), scan=scans), autocorr=False)
            blocks = stream(ms, where, ["FLAG"], memory=1 << 26)
            if any(not b["FLAG"][b.wanted & (b.antenna1 != b.antenna2)].all() for b in blocks):
                out.append(spw)
    return out
