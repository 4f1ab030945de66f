"""Which antennas see a resolved flux calibrator: the pipeline's rule.

It is wider than that of ALMA's reduction scripts (`atacal.flux.resolved`): the disc's visibility may fall to a fraction
of its value on the shortest baseline to the reference antenna, which is less than the total.

Source: ALMA's pipeline, hifa/heuristics/fluxscale.py (Cycle 4 and PL2026).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.ms.disc import C_M_S, FIRST_NULL, jinc

PEAK_FRACTION = 0.2
LEAST_ANTENNAS = 3


def longest_baseline_m(width_rad: float, freq_hz: float, shortest_m: float, fraction: float = PEAK_FRACTION) -> float:
    r"""Return the baseline on which a disc's visibility has fallen to a fraction of that on the shortest one [m].

    Parameters
    ----------
    width_rad : float
        The disc's diameter [rad].
    freq_hz : float
    shortest_m : float
        Shortest baseline to the reference antenna [m].
    fraction : float

    Returns
    -------
    float
        0 if the shortest baseline lies beyond the first null: no baseline sees the first lobe.

    Notes
    -----
    The smallest b above ``shortest_m`` with J(b) = f J(b_min), J(b) = 2 J1(x)/x, x = pi b theta / lambda.
    """
    scale = np.pi * freq_hz * width_rad / C_M_S
    below, above = scale * shortest_m, FIRST_NULL
    if below >= above:
        return 0.0
    wanted = fraction * float(jinc(np.array([below]))[0])
    for _ in range(60):
        x = (below + above) / 2
        below, above = (x, above) if float(jinc(np.array([x]))[0]) > wanted else (below, x)
    return float(below / scale)


def antennas_within(
    positions_m: NDArray[np.float64], refant: int, limit_m: float, usable: NDArray[np.bool_] | None = None
) -> tuple[int, ...]:
    """Return the antennas that are not further from the reference antenna than a limit, itself among them.

    Parameters
    ----------
    positions_m : float64 (antenna, 3)
    refant : int
    limit_m : float
    usable : bool (antenna,), optional

    Returns
    -------
    tuple of int
        Empty if there are fewer than three.
    """
    distance = np.linalg.norm(positions_m - positions_m[refant], axis=1)
    near = (distance <= limit_m) if usable is None else (distance <= limit_m) & usable
    found = tuple(int(a) for a in np.flatnonzero(near))
    return found if len(found) >= LEAST_ANTENNAS else ()
