"""Which measurements the phase correction coefficients are retrieved from, and the coefficients."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import NoWvrData
from atacal.ms.metadata import Metadata
from atacal.threads import in_order
from atacal.wvr.antennas import borrow
from atacal.wvr.measured import Measured, elevations
from atacal.wvr.report import Found
from atacal.wvr.retrieval import retrieve
from atacal.wvr.segments import Coefficients, Segment, evenly, held_over_segments, sample_near_middle
from atacal.wvr.sources import Sources

log = logging.getLogger("atacal")

POOR_FIT_CHI2 = 100.0
"""Above this (5 K in each channel) the thin layer describes the measurement badly, which is worth a warning."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How coefficients are to be found.

    Attributes
    ----------
    segments : sequence of Segment
        One set of coefficients each; empty for ``count`` sets spread evenly.
    count : int
    candidates : sequence of int
        Antennas to retrieve from, the best first.
    cloud : bool
        Fit the opacity of a cloud, too.
    use_field : bool
        Elevations from the fields' positions.
    max_distance_m, at_least, libair
        Of the neighbours that stand in for an antenna (`antennas.neighbours`).
    """

    segments: Sequence[Segment]
    count: int
    candidates: Sequence[int]
    cloud: bool
    use_field: bool
    max_distance_m: float
    at_least: int
    libair: bool


@dataclass(frozen=True, eq=False)
class Solved:
    """Coefficients, and what they were found from.

    Attributes
    ----------
    sky : Measured
        With borrowed temperatures.
    coefficients : Coefficients
    found : list of Found
    bad : set of int
        Antennas whose own measurements are not used.
    elevation_rad : float64 (time,)
    """

    sky: Measured
    coefficients: Coefficients
    found: list[Found]
    bad: set[int]
    elevation_rad: NDArray[np.float64]


def solve(metadata: Metadata, sources: Sources, measured: Measured, bad: Collection[int], plan: Plan) -> Solved:
    """Find the coefficients; an antenna whose temperatures no water explains becomes a bad one.

    Parameters
    ----------
    metadata : Metadata
    sources : Sources
    measured : Measured
        Samples beside sources on the sky.
    bad : collection of int
        Antennas to be interpolated.
    plan : Plan

    Raises
    ------
    NoWvrData
        If no antenna can be used.
    """
    out = set(bad)
    while True:
        sky, impossible = borrow(
            measured, out, metadata, max_distance_m=plan.max_distance_m, at_least=plan.at_least, libair=plan.libair
        )
        usable = [a for a in plan.candidates if a not in impossible and sky.good[:, a].any()]
        if not usable:
            names = ", ".join(metadata.antennas[a].name for a in plan.candidates)
            raise NoWvrData(f"{metadata.path}: none of the antennas {names} has radiometer data to retrieve from")
        first = usable[0]
        elevation = elevations(metadata, measured, first, use_field=plan.use_field)
        tried = _retrieved(metadata, sources, sky, elevation, usable, plan)
        found = [(segment, one) for segment, one in tried if one.retrieval.possible]
        if found or first in out:
            break
        log.warning(
            "antenna %d (%s): no amount of water explains its temperatures %s K: it is flagged",
            first, metadata.antennas[first].name, np.round(tried[0][1].measured_k, 2) if tried else "",
        )  # fmt: skip
        out.add(first)
    if not found:
        raise NoWvrData(f"{metadata.path}: no measurement of {metadata.antennas[first].name} can be explained by water")
    _remark(metadata, first, first in out, tried)
    values = [one.retrieval.dtdl_k_mm for _, one in found]
    if plan.segments:
        coefficients = held_over_segments([s for s, _ in found if s is not None], values)
    else:
        coefficients = Coefficients(np.array([one.time for _, one in found]), np.array(values))
    return Solved(sky, coefficients, [one for _, one in found], out, elevation)


def _retrieved(
    metadata: Metadata,
    sources: Sources,
    sky: Measured,
    elevation: NDArray[np.float64],
    usable: Sequence[int],
    plan: Plan,
) -> list[tuple[Segment | None, Found]]:
    """Retrieve from each segment's sample; segments without any are left out."""
    samples: list[tuple[Segment | None, int, int]] = []
    for segment in plan.segments:
        for antenna in usable:
            at = sample_near_middle(sky, segment, antenna)
            if at is not None:
                samples.append((segment, at, antenna))
                break
    if not plan.segments:
        samples = [(None, at, usable[0]) for at in evenly(sky, plan.count, usable[0])]

    def one(sample: tuple[Segment | None, int, int]) -> tuple[Segment | None, Found]:
        segment, at, antenna = sample
        temperatures = sky.temperature_k[at, antenna]
        ids = segment.sources if segment else tuple(sorted(sources.names))
        return segment, Found(
            retrieval=retrieve(temperatures, float(elevation[at]), cloud=plan.cloud),
            sources=tuple(sources.names.get(i, str(i)) for i in ids),
            time=float(sky.time[at]),
            antenna=metadata.antennas[antenna].name,
            elevation_rad=float(elevation[at]),
            measured_k=temperatures,
        )

    return list(in_order(one, samples))


def _remark(metadata: Metadata, antenna: int, borrowed: bool, tried: list[tuple[Segment | None, Found]]) -> None:
    name = metadata.antennas[antenna].name
    log.info("dT/dL is retrieved from antenna %d (%s%s)", antenna, name, ", interpolated" if borrowed else "")
    for _, one in tried:
        what = "+".join(one.sources)
        if one.antenna != name:
            log.info("%s: %s has no good sample, dT/dL is retrieved from %s", what, name, one.antenna)
        if not one.retrieval.possible:
            log.warning("%s: no water explains %s K; neighbouring coefficients are used", what, one.measured_k.round(2))
        elif one.retrieval.chi2 > POOR_FIT_CHI2:
            log.warning(
                "%s: the thin layer of water describes %s K badly (rms residual %.1f K); mind the discrepancies",
                what, one.measured_k.round(2), (one.retrieval.chi2 / len(one.measured_k)) ** 0.5,
            )  # fmt: skip
