"""Choosing the reference antenna: central, and with little flagged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.stream import stream


@dataclass(frozen=True)
class RankedAntenna:
    """How an antenna would do as the reference.

    Attributes
    ----------
    name : str
    score : float
        Sum of the two scores below.
    distance_m : float
        From the median of the array.
    distance_score : float
        N (1 - d / d_max), N the number of antennas.
    flagged : float
        Fraction of its calibrator data that is flagged.
    flag_score : float
        N good / max(good), good the number of its unflagged data.
    """

    name: str
    score: float
    distance_m: float
    distance_score: float
    flagged: float
    flag_score: float


def count_data(ms: MeasurementSet, selected: Selected) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count unflagged and all visibilities of every antenna.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
        Autocorrelations in it are left out.

    Returns
    -------
    good, total : int64 (antenna,)
    """
    good, total = np.zeros((2, ms.metadata.nant), np.int64)
    for block in stream(ms, selected, ["FLAG"]):
        cross = block.wanted & (block.antenna1 != block.antenna2)
        cell = block["FLAG"].shape[1] * block["FLAG"].shape[2]
        kept = cell - np.count_nonzero(block["FLAG"][cross].reshape(-1, cell), axis=1)
        for antenna in (block.antenna1[cross], block.antenna2[cross]):
            good += np.bincount(antenna, kept, ms.metadata.nant).astype(np.int64)
            total += np.bincount(antenna, minlength=ms.metadata.nant) * cell
    return good, total


def distances_m(positions_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each antenna's horizontal distance from the array's median position [m].

    Parameters
    ----------
    positions_m : float64 (antenna, 3)
        ITRF [m].
    """
    middle = np.median(positions_m, axis=0)
    up = middle / np.linalg.norm(middle)
    offset = positions_m - middle
    horizontal = offset - np.outer(offset @ up, up)
    return np.linalg.norm(horizontal, axis=1)


def rank_antennas(
    names: list[str],
    positions_m: NDArray[np.float64],
    good: NDArray[np.int64],
    total: NDArray[np.int64],
) -> list[RankedAntenna]:
    """Rank antennas as references, best first.

    Distance and flagging count alike, as in the ALMA pipeline (``hif/heuristics/findrefant.py``); an antenna without
    good data is left out.

    Parameters
    ----------
    names : list of str
    positions_m : float64 (antenna, 3)
    good, total : int64 (antenna,)
        From `count_data`.
    """
    use = np.flatnonzero(good > 0)
    if not len(use):
        return []
    nant, distance = len(use), np.zeros(len(names))
    distance[use] = distances_m(positions_m[use])
    farthest = distance[use].max()
    ranked = []
    for i in use:
        near = nant * (1 - distance[i] / farthest) if farthest > 0 else float(nant)
        kept = nant * good[i] / good[use].max()
        ranked.append(
            RankedAntenna(
                names[i],
                float(near + kept),
                float(distance[i]),
                float(near),
                float(1 - good[i] / total[i]),
                float(kept),
            )
        )
    return sorted(ranked, key=lambda r: (-r.score, r.name))


def given_refant(ms: MeasurementSet, refant: str) -> list[str]:
    """Read a list of reference antennas that the user gives, names or ids.

    Raises
    ------
    ArgumentError
        If one does not exist.
    """
    names = ms.metadata.antenna_names()
    out = []
    for word in (w.strip() for w in refant.split(",")):
        if word in names:
            out.append(word)
        elif word.isdigit() and int(word) < len(names):
            out.append(names[int(word)])
        elif word:
            raise ArgumentError(
                f"{ms.path}: there is no antenna {word!r} for refant; the antennas are {', '.join(names)}"
            )
    return out
