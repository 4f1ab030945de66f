"""Copying the subtables of a MeasurementSet into a smaller one, with the ids that change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import WriteError
from atacal.ms._tables import opened
from atacal.ms.metadata import FRAMES

# subtables whose rows belong to an spw (-1: to all)
_BY_SPW = ("FEED", "SOURCE", "SYSCAL", "CALDEVICE", "SYSPOWER", "FREQ_OFFSET", "DOPPLER")


@dataclass(frozen=True, eq=False)
class SpwOut:
    """How an spw of the input looks in the output.

    Attributes
    ----------
    source : int
        Its id in the input.
    whole : bool
        All channels are taken, none averaged: nothing about its channels changes.
    freq_hz, width_hz, effective_bw_hz, resolution_hz : float64 (chan,)
        The output channels.
    frame : str
        The frame of a new grid, '' where there is none: the reference frequency is then the lowest, else that of the
        first channel.
    """

    source: int
    whole: bool
    freq_hz: NDArray[np.float64]
    width_hz: NDArray[np.float64]
    effective_bw_hz: NDArray[np.float64]
    resolution_hz: NDArray[np.float64]
    frame: str = ""


@dataclass(frozen=True, eq=False)
class Renumbering:
    """What is kept of each subtable, and under which ids.

    Attributes
    ----------
    spws : tuple of SpwOut
        In output order.
    all_spws : bool
        No spw was selected away: nothing that belongs to an spw is dropped.
    ddids : tuple of (input ddid, output spw, pol)
        In output order.
    pols : dict of pol -> int array
        For the polarization setups that lose correlations, the indices of those that stay.
    fields : tuple of int, optional
        Fields that stay, ascending; None for all.
    states : tuple of int, optional
        States that stay, ascending; None for all.
    """

    spws: tuple[SpwOut, ...]
    all_spws: bool
    ddids: tuple[tuple[int, int, int], ...]
    pols: Mapping[int, NDArray[np.intp]]
    fields: tuple[int, ...] | None
    states: tuple[int, ...] | None

    def spw_map(self) -> dict[int, int]:
        return {s.source: i for i, s in enumerate(self.spws)} | {-1: -1}


def copy_subtables(source: str | os.PathLike[str], target: str, main: Any, new: Renumbering) -> None:
    """Copy the subtables of one MeasurementSet into another and renumber them.

    Parameters
    ----------
    source : path
        The input MeasurementSet.
    target : str
        Folder of the new main table.
    main : casacore.tables.table
        The new main table, whose keywords are to name the subtables.
    new : Renumbering

    Raises
    ------
    WriteError
    """
    with opened(source) as tab:
        keywords = tab.getkeywords()
    names = [k for k, v in keywords.items() if isinstance(v, str) and v.startswith("Table: ")]
    try:
        for name in names:
            folder = os.path.join(source, name)
            if not os.path.isdir(folder):
                continue  # a dangling keyword: MSs are copied without their ASDM_ tables
            if name not in ("SPECTRAL_WINDOW", "DATA_DESCRIPTION"):
                shutil.copytree(folder, os.path.join(target, name))
        _spectral_windows(source, target, new)
        _data_descriptions(source, target, new)
        _polarizations(target, new)
        sources = _fields(target, new)
        _states(target, new)
        _by_spw(target, new, sources)
        _drop_virtual_models(target)
    except (OSError, RuntimeError) as error:
        raise WriteError(f"{target}: cannot copy the subtables: {error}") from error
    for name in names:
        if os.path.isdir(os.path.join(target, name)):
            main.putkeyword(name, f"Table: {os.path.join(target, name)}")


def _selected_copy(source: str, target: str, rows: Sequence[int]) -> None:
    with opened(source) as tab:
        picked = tab.selectrows(list(rows))
        copy = picked.copy(target, deep=True)
        copy.close()
        picked.close()


def _spectral_windows(source: str | os.PathLike[str], target: str, new: Renumbering) -> None:
    path = os.path.join(target, "SPECTRAL_WINDOW")
    _selected_copy(os.path.join(source, "SPECTRAL_WINDOW"), path, [s.source for s in new.spws])
    with opened(path, writable=True) as tab:
        columns = tab.colnames()
        for i, spw in enumerate(new.spws):
            if not new.all_spws:
                for column, empty in (("ASSOC_SPW_ID", np.zeros(0, np.int32)), ("ASSOC_NATURE", np.zeros(0, str))):
                    if column in columns and tab.iscelldefined(column, i):
                        tab.putcell(column, i, empty)
            if spw.whole:
                continue
            tab.putcell("NUM_CHAN", i, len(spw.freq_hz))
            tab.putcell("CHAN_FREQ", i, spw.freq_hz)
            tab.putcell("CHAN_WIDTH", i, spw.width_hz)
            tab.putcell("EFFECTIVE_BW", i, spw.effective_bw_hz)
            tab.putcell("RESOLUTION", i, spw.resolution_hz)
            tab.putcell("TOTAL_BANDWIDTH", i, float(np.abs(spw.width_hz).sum()))
            tab.putcell("REF_FREQUENCY", i, float(spw.freq_hz[0] if spw.frame else spw.freq_hz.min()))
            if spw.frame:
                tab.putcell("MEAS_FREQ_REF", i, FRAMES.index(spw.frame))


def _data_descriptions(source: str | os.PathLike[str], target: str, new: Renumbering) -> None:
    path = os.path.join(target, "DATA_DESCRIPTION")
    _selected_copy(os.path.join(source, "DATA_DESCRIPTION"), path, [old for old, _, _ in new.ddids])
    with opened(path, writable=True) as tab:
        tab.putcol("SPECTRAL_WINDOW_ID", np.array([spw for _, spw, _ in new.ddids], np.int32))


def _polarizations(target: str, new: Renumbering) -> None:
    if not new.pols:
        return
    with opened(os.path.join(target, "POLARIZATION"), writable=True) as tab:
        for pol, keep in new.pols.items():
            types, products = tab.getcell("CORR_TYPE", pol), np.asarray(tab.getcell("CORR_PRODUCT", pol))
            tab.putcell("CORR_TYPE", pol, np.asarray(types)[keep].astype(np.int32))
            tab.putcell("CORR_PRODUCT", pol, products[keep].astype(np.int32))
            tab.putcell("NUM_CORR", pol, len(keep))


def _fields(target: str, new: Renumbering) -> dict[int, int] | None:
    """Drop the fields that were not selected; return the new ids of the sources that stay, None for all."""
    if new.fields is None:
        return None
    with opened(os.path.join(target, "FIELD"), writable=True) as tab:
        tab.removerows(sorted(set(range(tab.nrows())) - set(new.fields)))
        old = np.asarray(tab.getcol("SOURCE_ID"))
        order = list(dict.fromkeys(int(s) for s in old if s >= 0))
        sources = {source: i for i, source in enumerate(order)}
        tab.putcol("SOURCE_ID", np.array([sources.get(int(s), -1) for s in old], np.int32))
    return sources


def _states(target: str, new: Renumbering) -> None:
    if new.states is None:
        return
    with opened(os.path.join(target, "STATE"), writable=True) as tab:
        tab.removerows(sorted(set(range(tab.nrows())) - set(new.states)))


def _by_spw(target: str, new: Renumbering, sources: dict[int, int] | None) -> None:
    spws = new.spw_map()
    for name in _BY_SPW:
        path = os.path.join(target, name)
        if not os.path.isdir(path):
            continue
        with opened(path, writable=True) as tab:
            if not tab.nrows() or "SPECTRAL_WINDOW_ID" not in tab.colnames():
                continue
            spw = np.asarray(tab.getcol("SPECTRAL_WINDOW_ID"))
            keep = np.isin(spw, list(spws)) if not new.all_spws else np.ones(len(spw), bool)
            if name == "SOURCE" and sources is not None:
                keep &= np.isin(tab.getcol("SOURCE_ID"), list(sources))
            tab.removerows(np.flatnonzero(~keep).tolist())
            if not keep.any():
                continue
            if not new.all_spws:
                tab.putcol("SPECTRAL_WINDOW_ID", np.array([spws[int(s)] for s in spw[keep]], np.int32))
            if name == "SOURCE" and sources is not None:
                ids = [sources[int(s)] for s in np.asarray(tab.getcol("SOURCE_ID"))]
                tab.putcol("SOURCE_ID", np.array(ids, np.int32))


def _drop_virtual_models(target: str) -> None:
    """Take away virtual models, whose fields, spws and channels may have changed (CASA's split loses them too)."""
    path = os.path.join(target, "SOURCE")
    if not os.path.isdir(path):
        return
    with opened(path, writable=True) as tab:
        for name in list(tab.getkeywords()):
            if name.startswith(("definedmodel_field_", "model_")):
                tab.removekeyword(name)
        if "SOURCE_MODEL" in tab.colnames():
            tab.removecols("SOURCE_MODEL")
