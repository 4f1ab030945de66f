"""Facts of a MeasurementSet that scripts ask analysisUtils for: science spws, baselines."""

from __future__ import annotations

import fnmatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.metadata import Metadata, Spw


def getScienceSpws(
    vis: str,
    intent: str = "OBSERVE_TARGET#ON_SOURCE",
    returnString: bool = True,
    tdm: bool = True,
    fdm: bool = True,
    returnFreqRanges: bool = False,
    **other: Any,
) -> Any:
    """Return the spws that the targets were observed in, without radiometers and channel averages.

    Parameters
    ----------
    vis : str
    intent : str
        With ``*`` for anything.
    returnString : bool
        ``'17,19'``; else a list of numbers.
    tdm, fdm : bool
        Spws with channels of 15.6 MHz and wider; finer ones.
    returnFreqRanges : bool
        A dictionary of spw -> [lowest, highest channel's centre] [Hz] instead.
    other
        Has no effect.

    Raises
    ------
    NoSuchTable, InvalidTable
    """
    from atacal.ms.measurement_set import MeasurementSet

    pattern = intent if "#" in intent or "*" in intent else f"{intent}*"
    with MeasurementSet(vis) as ms:
        meta, runs = ms.metadata, ms.runs
        states = {
            k
            for k, text in enumerate(meta.state_intents)
            if any(fnmatch.fnmatch(one.strip(), pattern) for one in text.split(","))
        }
        spws = {int(meta.ddid_spw[d]) for d in np.unique(runs.ddid[np.isin(runs.state, sorted(states))])}
    found = [s for s in sorted(spws) if _of_science(meta.spws[s]) and ((tdm, fdm)[_is_fdm(meta.spws[s])])]
    if returnFreqRanges:
        return {s: [float(f) for f in np.sort(meta.spws[s].chan_freq_hz)[[0, -1]]] for s in found}
    return ",".join(map(str, found)) if returnString else found


def _of_science(spw: Spw) -> bool:
    name = spw.name.upper()
    return spw.nchan > 1 and "WVR" not in name and "CH_AVG" not in name and "SQLD" not in name


def _is_fdm(spw: Spw) -> bool:
    return bool(abs(spw.chan_width_hz[0]) < 15e6)


def _pairs(metadata: Metadata) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return antenna pairs and their distances [m], by length."""
    first, second = np.triu_indices(metadata.nant, 1)
    places = metadata.antenna_positions_m
    length = np.linalg.norm(places[first] - places[second], axis=1)
    order = np.argsort(length, kind="stable")
    return first[order], second[order], length[order]


def getBaselineLengths(msFile: str, sort: bool = True, returnLengthsOnly: bool = False, **other: Any) -> Any:
    """Return the baselines by length as [['DA41-DA42', length], ...], or the lengths alone [m].

    Parameters
    ----------
    msFile : str
    sort, other
        Have no effect.
    returnLengthsOnly : bool

    Raises
    ------
    NoSuchTable, InvalidTable
    """
    from atacal.ms.metadata import read_metadata

    metadata = read_metadata(msFile)
    first, second, length = _pairs(metadata)
    if returnLengthsOnly:
        return [float(v) for v in length]
    names = metadata.antenna_names()
    return [[f"{names[i]}-{names[j]}", float(v)] for i, j, v in zip(first, second, length, strict=True)]


def getBaselineStats(msFile: str, field: str = "", percentile: float | None = None, **other: Any) -> list[float]:
    """Return statistics of the baselines' lengths [m].

    Parameters
    ----------
    msFile : str
    field : str
        Projected lengths of this field's unflagged rows; by default distances on the ground.
    percentile : float, optional
    other
        Has no effect.

    Returns
    -------
    list of float
        [number, shortest, longest, median, mean, standard deviation, 20th, 25th, 30th, 75th, 80th, 90th percentile], or
        [the percentile that was asked for].

    Raises
    ------
    ArgumentError, SelectionError, EmptySelection, NoSuchTable, InvalidTable
    """
    from atacal.ms.metadata import read_metadata

    if percentile is not None and not 0 <= float(percentile) <= 100:
        raise ArgumentError(f"percentile={percentile} is not between 0 and 100")
    length = _projected(msFile, str(field)) if str(field).strip() else _pairs(read_metadata(msFile))[2]
    if percentile is not None:
        return [float(np.percentile(length, float(percentile)))]
    parts = np.percentile(length, [20, 25, 30, 75, 80, 90])
    first = [length.min(), length.max(), np.median(length), length.mean(), length.std()]
    return [len(length), *(float(v) for v in first), *(float(v) for v in parts)]


def _projected(vis: str, field: str) -> NDArray[np.float64]:
    """Return the mean projected length of each baseline of a field [m]."""
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.stream import stream

    with MeasurementSet(vis) as ms:
        nant = ms.metadata.nant
        total, count = np.zeros(nant * nant), np.zeros(nant * nant)
        for block in stream(ms, select(ms, Selection(field=field), autocorr=False), ["UVW", "FLAG_ROW"]):
            rows = np.flatnonzero(block.wanted & ~block["FLAG_ROW"])
            pair = block.antenna1[rows].astype(np.intp) * nant + block.antenna2[rows]
            distance = np.hypot(block["UVW"][rows, 0], block["UVW"][rows, 1])
            total += np.bincount(pair, distance, nant * nant)
            count += np.bincount(pair, minlength=nant * nant)
    if not count.any():
        raise ArgumentError(f"field={field!r}: every row of it in {vis} is flagged")
    return total[count > 0] / count[count > 0]
