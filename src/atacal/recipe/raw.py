"""Whether a MeasurementSet is raw, and what the a-priori steps will do with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, EmptySelection
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata, Spw
from atacal.ms.rows import RowRuns
from atacal.recipe.channels import central_channels, ranges, science_channels
from atacal.recipe.roles import Roles, nearest_phase_calibrator, separation_rad

APRIORI = ("auto", "yes", "no")
_FLAGGED_INTENTS = ("POINTING", "SIDEBAND_RATIO", "ATMOSPHERE", "FOCUS")
"""Intents of scans that hold no data to calibrate (step 3 of ALMA's scripts)."""
_LATE_RADIOMETERS_MJD = 56313.0
"""Before 2013-01-21 ALMA's radiometers had time stamps a second late (hifa_wvrgcal's toffset)."""
_TIED_DEG = 15.0
"""A phase calibrator closer than this shares the coefficients of its targets (hifa_wvrgcal)."""
_TDM_CELLS = 256
_TDM_WIDTH_HZ = 1.8e9
_FDM_WIDTH_HZ = 1.875e9
_SEVEN_METRES = 7.0
_CONTROL_S = 0.048
"""ALMA's clock of events: flags begin and end on it."""


@dataclass(frozen=True, eq=False)
class RawPlan:
    """What the a-priori steps work on.

    Attributes
    ----------
    roles : Roles
    spws : tuple of int
        Spws for science.
    spw_after : str
        The selection of channels of the user, with the numbers that the spws have after the split.
    scans : str
        Scans for science.
    central : str
        The central channels of the widest science spw, on which the radiometers' correction is judged.
    flagged_intents : tuple of str
        Intents that the block has and whose data are flagged: ``*ATMOSPHERE*``.
    wvr : dict
        Arguments of wvrgcal; empty without rows of radiometers.
    tsys : bool
        Whether SYSCAL has rows.
    flag_buffer_s : list of float
        By how much the times of online flags are widened, before and after.
    """

    roles: Roles
    spws: tuple[int, ...]
    spw_after: str
    scans: str
    central: str
    flagged_intents: tuple[str, ...]
    wvr: dict[str, Any]
    tsys: bool
    flag_buffer_s: list[float]


def is_asdm(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is an ASDM."""
    return (Path(path) / "ASDM.xml").is_file()


def is_raw(ms: MeasurementSet) -> bool:
    """Whether data are as ALMA's importer leaves them: with radiometer data, or Tsys and more than the science spws.

    Data that were split after the a-priori steps still have a SYSCAL table and may have atmosphere scans, but neither
    radiometers nor channel averages nor pointing spws.
    """
    there = _spws_with_rows(ms)
    if _wvr_spws(ms):
        return True
    helpers = [s for s in there if s.nchan == 1 or "CH_AVG" in s.name or "SQLD" in s.name]
    spectra = [s for s in there if s.nchan > 1]
    return bool(helpers and spectra) and _has_syscal(ms)


def plan_raw(ms: MeasurementSet, roles: Roles, spw: str = "") -> RawPlan:
    """Decide what the a-priori steps do.

    Parameters
    ----------
    ms : MeasurementSet
    roles : Roles
    spw : str
        The user's selection of spws; empty for all that are for science.

    Raises
    ------
    SelectionError, EmptySelection
    """
    science = ms.runs[_science(ms, roles)]
    if not len(science):
        raise EmptySelection(f"{ms.path}: no scan of the calibrators and targets is for science")
    channels = science_channels(ms, spw, roles, science)
    spws = [ms.metadata.spws[s] for s in channels]
    widest = max(spws, key=lambda s: (s.total_bandwidth_hz, -s.id))
    of_science = science[np.isin(ms.metadata.ddid_spw[science.ddid], list(channels))]
    integration_s = float(np.median(of_science.interval))
    return RawPlan(
        roles=roles,
        spws=tuple(channels),
        spw_after=",".join(f"{i}:{ranges(mask)}" for i, mask in enumerate(channels.values())) if spw else "",
        scans=",".join(map(str, np.unique(science.scan).tolist())),
        central=f"{widest.id}:{ranges(central_channels(channels[widest.id]))}",
        flagged_intents=_intents_there(ms.metadata),
        wvr=_wvr_arguments(ms, roles, tuple(channels), integration_s),
        tsys=_has_syscal(ms),
        flag_buffer_s=online_buffer_s(ms.metadata, integration_s),
    )


def edge_channels(spw: Spw, npol: int) -> str:
    """Return the channels at the edges of an spw that hold no good data, as ``0~7;120~127``; empty for none.

    TDM: a sixteenth at each side (ALMA's scripts); FDM wider than 1875 MHz: what is beyond (ALMA's pipeline).
    """
    bad = np.zeros(spw.nchan, bool)
    width = float(np.abs(spw.chan_width_hz).sum())
    if spw.nchan * npol <= _TDM_CELLS and width > _TDM_WIDTH_HZ:
        n = round(spw.nchan / 16)
        bad[:n] = bad[spw.nchan - n :] = True
    elif width > 1.001 * _FDM_WIDTH_HZ:
        bad = np.abs(spw.chan_freq_hz - spw.centre_freq_hz) > _FDM_WIDTH_HZ / 2
    return ranges(bad)


def require_apriori(apriori: str, wvr: str, antpos: str) -> None:
    """Check the arguments of `atacal.recipe.calibrate` that concern the a-priori steps.

    Raises
    ------
    ArgumentError
    """
    if apriori not in APRIORI:
        raise ArgumentError(f"apriori = {apriori!r} is not possible; it can be {', '.join(APRIORI)}")
    if wvr not in APRIORI:
        raise ArgumentError(f"wvr = {wvr!r} is not possible; it can be {', '.join(APRIORI)}")
    if antpos and antpos != "service" and not Path(antpos).is_file():
        raise ArgumentError(f"antpos = {antpos!r}: there is no such file (or say 'service' to ask ALMA's)")


def _spws_with_rows(ms: MeasurementSet) -> list[Spw]:
    return [ms.metadata.spws[int(s)] for s in np.unique(ms.metadata.ddid_spw[np.unique(ms.runs.ddid)])]


def _wvr_spws(ms: MeasurementSet) -> list[int]:
    from atacal.wvr.measured import wvr_spws

    there = {s.id for s in _spws_with_rows(ms)}
    return [s for s in wvr_spws(ms.metadata) if s in there]


def _has_syscal(ms: MeasurementSet) -> bool:
    path = Path(ms.path) / "SYSCAL"
    if not path.is_dir():
        return False
    with opened(os.fspath(path)) as tab:
        return bool(tab.nrows())


def _science(ms: MeasurementSet, roles: Roles) -> np.ndarray:
    """Return which runs are of calibrators and targets, outside pointing, atmosphere... scans."""
    aside = [i for i, text in enumerate(ms.metadata.state_intents) if any(w in text for w in _FLAGGED_INTENTS)]
    fields = [*roles.solved, *roles.check, *roles.target]
    chosen: np.ndarray = np.isin(ms.runs.field, fields) & ~np.isin(ms.runs.state, aside)
    return chosen


def _intents_there(metadata: Metadata) -> tuple[str, ...]:
    text = " ".join(metadata.state_intents)
    return tuple(f"*{word}*" for word in _FLAGGED_INTENTS if word in text)


def _wvr_arguments(ms: MeasurementSet, roles: Roles, spws: tuple[int, ...], integration_s: float) -> dict[str, Any]:
    """Return what ALMA's scripts call wvrgcal with."""
    from atacal.wvr.sources import find_sources

    runs = _of_spws(ms, _wvr_spws(ms))
    if not len(runs):
        return {}
    sampling_s = float(np.median(runs.interval))
    sources = find_sources(ms.metadata)  # wvrgcal goes by their names, which need not be the fields'
    names = {f.id: sources.names[int(sources.of_field[f.id])] for f in ms.metadata.fields}
    return {
        "spw": list(spws),
        "toffset": -1.0 if float(ms.runs.time.min()) / 86400.0 < _LATE_RADIOMETERS_MJD else 0.0,
        "tie": _tied(ms.metadata, roles, names),
        "statsource": names[(roles.target or roles.phase)[0]],
        "smooth": f"{integration_s:.6g}s" if integration_s > 1.01 * sampling_s else "",
    }


def online_buffer_s(metadata: Metadata, integration_s: float) -> list[float]:
    """Return by how much online flags are widened [s], before and after, as hifa_flagdata has it (hm_tbuff='halfint').

    A time range selects the integrations whose middle it holds. Half an integration more on either side selects those
    of which it holds any part; without, an antenna that is late by less than that spoils an integration.
    """
    if any(abs(a.dish_diameter_m - _SEVEN_METRES) < 0.1 for a in metadata.antennas):
        return [_CONTROL_S, 0.0]
    return [integration_s / 2 - _CONTROL_S, integration_s / 2]


def _of_spws(ms: MeasurementSet, spws: list[int]) -> RowRuns:
    return ms.runs[np.isin(ms.metadata.ddid_spw[ms.runs.ddid], spws)]


def _tied(metadata: Metadata, roles: Roles, source: dict[int, str]) -> list[str]:
    """Return, for each phase calibrator, itself and the targets and check sources close to it: they see the same water.

    A check source that is not tied would cut its neighbours in time apart.
    """
    nearest = nearest_phase_calibrator(metadata, roles)
    groups = []
    for calibrator in roles.phase:
        close = [
            f
            for f in (*roles.target, *roles.check)
            if nearest[f] == calibrator and np.degrees(separation_rad(metadata, f, calibrator)) < _TIED_DEG
        ]
        names = list(dict.fromkeys(source[f] for f in [*close, calibrator]))
        if len(names) > 1:
            groups.append(",".join(names))
    return groups
