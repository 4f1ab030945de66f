"""How far the median of a few antennas' gain ratios lies from the truth."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

TWO_SIGMA = 0.9544997361036416
"""Share of a normal distribution within two standard deviations of its mean."""


def median_error(ratios: NDArray[np.float64], ok: NDArray[np.bool_]) -> float:
    """Return the standard error of the median of gain ratios, widened for few antennas.

    Parameters
    ----------
    ratios : float64 (antenna, polarisation)
    ok : bool (antenna, polarisation)
        Which of them there are.

    Returns
    -------
    float
        In the ratios' unit; twice it holds the truth in 95.4 % of cases, however few the antennas. nan for one antenna.

    Notes
    -----
    ``s sqrt(pi / (2 n + 1)) t / 2``. n antennas; s, the sample standard deviation of their ratios, each the mean over
    its polarisations: what moves one polarisation of an antenna mostly moves the other, so that they do not count
    twice. The variance of the median of n normal numbers is pi / (2 n + 1) times theirs to 1 % for odd n >= 3 (less
    for even n: by 14 % at 4, 4 % at 20), where the mean's is 1 / n. t: within this many standard errors Student's
    distribution with n - 1 degrees of freedom has 95.4 %, the normal one within 2: s is itself uncertain.
    """
    count = ok.sum(axis=1)
    has = count > 0
    n = int(has.sum())
    if n < 2:
        return float("nan")
    of_antenna = np.where(ok, ratios, 0.0).sum(axis=1)[has] / count[has]
    return float(np.std(of_antenna, ddof=1) * np.sqrt(np.pi / (2 * n + 1)) * student_t(n - 1) / 2)


@cache
def student_t(dof: int, share: float = TWO_SIGMA) -> float:
    """Return t such that a share of Student's distribution lies between -t and t.

    Parameters
    ----------
    dof : int
        Degrees of freedom, 1 or more.
    share : float
        Between 0 and 1.

    Notes
    -----
    The share within t is a finite sum of powers of cos(arctan(t / sqrt(dof))) (Abramowitz & Stegun 1964, 26.7.3 and
    26.7.4); the angle is found by halving.
    """
    low, high = 0.0, np.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _share_within(angle, dof) < share else (low, angle)
    return float(np.sqrt(dof) * np.tan(low))


def _share_within(angle: float, dof: int) -> float:
    """Return the share of Student's distribution within sqrt(dof) tan(angle)."""
    odd = dof % 2
    steps = np.arange(1, (dof - odd) // 2)
    terms = np.cumprod(np.append(1.0, (2 * steps - 1 + odd) / (2 * steps + odd) * np.cos(angle) ** 2))
    if not odd:
        return float(np.sin(angle) * terms.sum())
    series = np.sin(angle) * np.cos(angle) * terms.sum() if dof > 1 else 0.0
    return float(2 / np.pi * (angle + series))
