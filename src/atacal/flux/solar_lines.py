"""Spectral lines in the atmospheres of planets and moons, where a flux model is not to be trusted.

The ranges (GHz, as seen from the Earth's centre) are those that ALMA's pipeline flags in amplitude calibrators
(hifa_fluxcalflag, PL2026); of Mars' 13CO(1-0), whose lower edge is misprinted there (100.190), the edge is put right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.ms.metadata import Spw

LINES_GHZ: dict[str, dict[str, tuple[tuple[float, float], ...]]] = {
    "Venus": {
        "CO": (
            (115.206, 115.337), (230.407, 230.669), (345.600, 345.992), (460.779, 461.303), (691.081, 691.865),
            (806.194, 807.110), (921.277, 922.323),
        ),
        "13CO": (
            (110.192, 110.210), (220.380, 220.418), (330.560, 330.616), (440.727, 440.803), (661.011, 661.123),
            (771.118, 771.250), (881.208, 881.358),
        ),
    },
    "Mars": {
        "CO": (
            (115.204, 115.338), (230.404, 230.672), (345.595, 345.997), (460.773, 461.309), (691.071, 691.875),
            (806.184, 807.120), (921.265, 922.335),
        ),
        "13CO": (
            (110.190, 110.212), (220.377, 220.421), (330.555, 330.621), (440.721, 440.809), (661.001, 661.133),
            (771.108, 771.260), (881.196, 881.370),
        ),
    },
    "Neptune": {
        "CO": (
            (113.99, 116.51), (226.98, 234.52), (339.97, 351.54), (454.95, 467.55), (685.93, 696.57), (802.92, 810.58),
        ),
    },
    "Titan": {
        "CO": (
            (114.92, 115.67), (229.49, 231.74), (343.82, 347.62), (458.29, 463.80), (687.75, 694.66), (803.46, 809.85),
        ),
        "13CO": (
            (110.18, 110.22), (220.28, 220.52), (330.36, 330.82), (440.42, 441.15), (660.60, 661.53), (770.65, 771.72),
            (880.73, 881.82),
        ),
        "HCN": (
            (88.45, 88.81), (176.73, 177.80), (264.96, 266.81), (353.29, 355.72), (441.74, 444.52), (618.45, 622.16),
            (707.01, 710.74), (795.56, 799.31), (883.82, 887.86),
        ),
        "HCN v2=1": (
            (177.192, 177.286), (178.088, 178.184), (265.782, 265.924), (267.128, 267.270), (354.365, 354.555),
            (356.161, 356.351), (442.942, 443.178), (445.184, 445.422), (620.058, 620.390), (623.197, 623.529),
            (708.596, 708.974), (712.182, 712.562), (797.117, 797.543), (801.149, 801.577), (885.619, 886.091),
            (890.096, 890.572),
        ),
        "HC15N": (
            (86.04, 86.07), (172.05, 172.16), (258.04, 258.27), (430.02, 430.45), (601.95, 602.60), (773.88, 774.64),
            (859.84, 860.62),
        ),
        "H13CN": (
            (86.33, 86.35), (172.63, 172.73), (258.91, 259.11), (431.44, 431.88), (603.98, 604.56), (776.48, 777.16),
            (862.72, 863.42),
        ),
        "CH3CN": (
            (91.938, 92.008), (110.304, 110.409), (128.659, 128.809), (147.039, 147.209), (165.415, 165.608),
            (183.792, 184.006), (202.168, 202.403), (220.543, 220.798), (238.916, 239.194), (257.289, 257.587),
            (275.660, 275.980), (294.030, 294.371), (312.399, 312.761), (330.766, 331.149), (349.205, 349.534),
            (367.572, 367.920), (385.938, 386.303), (404.301, 404.683), (422.735, 423.062), (441.098, 441.440),
            (459.459, 459.814), (477.881, 478.186), (496.239, 496.557),
        ),
    },
}  # fmt: skip
MOSTLY = 0.75
"""An spw with more of its channels than this in lines is better mapped to another than flagged."""


def line_channels(body: str, spw: Spw) -> NDArray[np.bool_]:
    """Return which channels of an spw reach into a line of a body, shape (chan,); none where no lines are known."""
    half = np.abs(spw.chan_width_hz) / 2
    low, high = spw.chan_freq_hz - half, spw.chan_freq_hz + half
    hit = np.zeros(spw.nchan, bool)
    for ranges in LINES_GHZ.get(body.strip().capitalize(), {}).values():
        for first, last in ranges:
            hit |= (high > first * 1e9) & (low < last * 1e9)
    return hit


def line_selection(body: str, spw: Spw) -> str:
    """Return the channels in lines as a selection: '25:10~20;31~40', or '' where there are none.

    For ``flagdata(vis, field=body, spw=...)``.
    """
    hit = np.concatenate([[False], line_channels(body, spw), [False]])
    edges = np.flatnonzero(hit[1:] != hit[:-1]).reshape(-1, 2)
    return f"{spw.id}:" + ";".join(f"{a}~{b - 1}" for a, b in edges.tolist()) if len(edges) else ""


def reference_spws(body: str, spws: list[Spw]) -> tuple[list[int], list[str]]:
    """Return fluxscale's refspwmap and flagdata's selections for a flux calibrator with lines.

    An spw of which more than `MOSTLY` lies in lines is not flagged but mapped to the one nearest in frequency of which
    not more does (as ALMA's pipeline does).

    Parameters
    ----------
    body : str
    spws : list of Spw
        Those that are calibrated.

    Returns
    -------
    list of int, list of str
        The map, by spw id up to the largest (-1: itself), [-1] where all map to themselves or no spw is good; and
        the channels to be flagged in each of the other spws that has any.
    """
    bad = {s.id for s in spws if line_channels(body, s).mean() > MOSTLY}
    good = [s for s in spws if s.id not in bad]
    flags = [text for s in good if (text := line_selection(body, s))]
    if not bad or not good:
        return [-1], flags
    mapped = [-1] * (max(s.id for s in spws) + 1)
    for spw in spws:
        if spw.id in bad:
            mapped[spw.id] = min(good, key=lambda g: abs(g.centre_freq_hz - spw.centre_freq_hz)).id
    return mapped, flags
