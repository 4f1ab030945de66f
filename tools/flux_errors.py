#!/usr/bin/env python
"""How often the true flux density lies within 2 errors of fluxscale's, by the number of antennas.

    python tools/flux_errors.py [--tables 10000]

Tables of gains with known scatter are made up and given to what `fluxscale` derives flux densities with. The kinds:

antennas T   every antenna's gain is off by itself (system temperature, drift), one gain for both polarisations: 1 %
antennas G   the same in both polarisations, which count as two in CASA's formula
receptors G  every polarisation is off by itself
noise T      only the visibilities' noise is off: gains are the least-squares solution of all baselines' amplitudes
one bad T    as antennas T, but one in ten antennas (at least one) is off by ten times as much

What shifts all antennas alike does not scatter, and no error that is derived from scatter knows of it.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from atacal.flux.fluxscale import casacore_median
from atacal.flux.ratio_error import median_error

SCATTER = 0.01
ANTENNAS = (3, 4, 5, 6, 7, 8, 10, 14, 20, 40)
KINDS = ("antennas T", "antennas G", "receptors G", "noise T", "one bad T")


def ratios_of(kind: str, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return gain ratios (antenna, polarisation) whose truth is 1."""
    if kind == "receptors G":
        return 1 + SCATTER * rng.normal(size=(n, 2))
    if kind == "noise T":
        return np.exp(solved(n, rng))[:, None]
    off = SCATTER * rng.normal(size=(n, 1))
    if kind == "one bad T":
        off[: max(1, n // 10)] *= 10
    return np.repeat(1 + off, 2 if kind == "antennas G" else 1, axis=1)


def solved(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return log amplitudes (antenna,), of the truth 0, that fit log amplitudes of all baselines with noise best."""
    noise = np.zeros((n, n))
    upper = np.triu_indices(n, 1)
    noise[upper] = SCATTER * rng.normal(size=len(upper[0]))
    by_antenna = (noise + noise.T).sum(axis=1)  # = (n - 2) a_i + sum of all a
    return np.asarray((by_antenna - by_antenna.sum() / (2 * (n - 1))) / (n - 2))


def coverage(kind: str, n: int, tables: int, seed: int) -> tuple[float, float]:
    """Return the shares of tables whose flux is within 2 fluxdErrPropagated, and 2 fluxdErrMedian, of the truth."""
    rng, inside = np.random.default_rng(seed), np.zeros(2)
    for _ in range(tables):
        ratios = ratios_of(kind, n, rng)
        m = casacore_median(ratios)
        casa = 2 * m * np.std(ratios, ddof=1) / np.sqrt(ratios.size - 1)
        ours = 2 * m * median_error(ratios, np.ones(ratios.shape, bool))
        inside += np.abs(m * m - 1) <= 2 * np.array([casa, ours])
    return float(inside[0] / tables), float(inside[1] / tables)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=10000)
    given = parser.parse_args()
    print("| n | " + " | ".join(KINDS) + " |\n|---:|" + "---:|" * len(KINDS))
    for n in ANTENNAS:
        cells = [coverage(kind, n, given.tables, seed=1) for kind in KINDS]
        print(f"| {n} | " + " | ".join(f"{100 * before:.1f}, {100 * after:.1f}" for before, after in cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
