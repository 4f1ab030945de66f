"""Antennas without good radiometer data, and the temperatures that their neighbours lend them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.metadata import Metadata
from atacal.wvr.measured import Measured

log = logging.getLogger("atacal")

MOST_NEIGHBOURS = 3
_SAME_PLACE_M = 1.0


@dataclass(frozen=True)
class Borrowed:
    """Whose temperatures an antenna takes: antennas and their weights, which sum to one."""

    antennas: tuple[int, ...]
    weights: tuple[float, ...]


def antenna_ids(metadata: Metadata, wanted: Sequence[str | int], parameter: str) -> list[int]:
    """Return the ids of antennas given by name or by id.

    Raises
    ------
    ArgumentError
        Naming the parameter, if one is not known.
    """
    names = metadata.antenna_names()
    out = []
    for item in (str(w).strip() for w in wanted):
        if item in names:
            out.append(names.index(item))
        elif item.isdigit() and int(item) < len(names):
            out.append(int(item))
        else:
            raise ArgumentError(f"{parameter}: {item!r} is no antenna of {metadata.path}; it has {', '.join(names)}")
    return out


def without_radiometer(metadata: Metadata, measured: Measured) -> set[int]:
    """Return the antennas that have no radiometer: those without samples, and the 7 m antennas CM*."""
    named = {a.id for a in metadata.antennas if a.name.startswith("CM")}
    return named | {int(a) for a in np.flatnonzero(measured.ntotal == 0)}


def too_few_good(metadata: Metadata, measured: Measured, fraction: float) -> set[int]:
    """Return the antennas with a radiometer of whose samples less than a fraction is good; say which."""
    out = set()
    for ant in np.flatnonzero(measured.ntotal > 0):
        good, total, name = int(measured.ngood[ant]), int(measured.ntotal[ant]), metadata.antennas[ant].name
        if good == 0:
            log.info("All WVR data points for antenna %d (%s) are flagged.", ant, name)
        elif good < fraction * total:
            log.info(
                "antenna %d (%s): %d of %d radiometer samples are good, less than the required %g %%: it is flagged",
                ant, name, good, total, 100 * fraction,
            )  # fmt: skip
        else:
            continue
        out.add(int(ant))
    return out


def neighbours(
    antenna: int,
    positions_m: NDArray[np.float64],
    usable: NDArray[np.bool_],
    *,
    max_distance_m: float,
    at_least: int,
    libair: bool = False,
) -> Borrowed | None:
    """Return whom an antenna borrows from: the up to three nearest usable antennas.

    Parameters
    ----------
    antenna : int
    positions_m : float64 (antenna, 3)
    usable : bool (antenna,)
    max_distance_m : float
    at_least : int
        Fewer do not make up for a radiometer.
    libair : bool
        Weights grow with the distance, as LibAIR has them; else with its inverse.

    Returns
    -------
    Borrowed or None
        None if there are too few.
    """
    distance = np.linalg.norm(positions_m - positions_m[antenna], axis=1)
    allowed = usable & (distance <= max_distance_m)
    allowed[antenna] = False
    found = np.flatnonzero(allowed)
    found = found[np.argsort(distance[found], kind="stable")][:MOST_NEIGHBOURS]
    if len(found) < max(at_least, 1):
        return None
    weight = distance[found] if libair else 1 / np.maximum(distance[found], _SAME_PLACE_M)
    weight = weight / weight.sum()
    return Borrowed(tuple(int(a) for a in found), tuple(float(w) for w in weight))


def borrow(
    measured: Measured,
    bad: Collection[int],
    metadata: Metadata,
    *,
    max_distance_m: float,
    at_least: int,
    libair: bool = False,
) -> tuple[Measured, set[int]]:
    """Replace the temperatures of bad antennas by weighted means of their neighbours'.

    Parameters
    ----------
    measured : Measured
    bad : collection of int
    metadata : Metadata
    max_distance_m, at_least, libair
        As in `neighbours`.

    Returns
    -------
    measured : Measured
        A sample is good only where all lenders' are.
    impossible : set of int
        Bad antennas with too few neighbours; they have no good samples.
    """
    usable = np.ones(metadata.nant, bool)
    usable[list(bad)] = False
    usable[[a.id for a in metadata.antennas if a.flag_row]] = False
    temperature = measured.temperature_k.copy()
    impossible = set()
    for ant in sorted(bad):
        lent = neighbours(
            ant, metadata.antenna_positions_m, usable, max_distance_m=max_distance_m, at_least=at_least, libair=libair
        )
        if lent is None:
            impossible.add(ant)
            temperature[:, ant] = np.nan
            log.warning(
                "antenna %d (%s) has no good radiometer data and fewer than %d good antennas within %g m: no solutions",
                ant, metadata.antennas[ant].name, at_least, max_distance_m,
            )  # fmt: skip
        else:
            temperature[:, ant] = np.einsum("tak,a->tk", measured.temperature_k[:, lent.antennas], lent.weights)
    return replace(measured, temperature_k=temperature), impossible
