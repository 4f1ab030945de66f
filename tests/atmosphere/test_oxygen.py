"""Oxygen's lines from its rotational constants: the recommendation's for 16O2, and the calculated table of 16O18O.

Hamiltonian of a 3-Sigma molecule in Hund's case (b) (rotation, centrifugal distortion, spin-spin and spin-rotation
coupling; Townes & Schawlow 1955, chapter 7); magnetic dipole strengths are squared reduced matrix elements of the spin.
"""

from __future__ import annotations

from math import factorial, sqrt

import numpy as np
import pytest

from atacal.atmosphere.absorption import _table

K_PER_GHZ = 4.7992430733e-2
T = 300.0
# B, D, lambda, gamma [GHz]
O16_O16 = (43.10044, 1.4502e-4, 59.50134, -0.252586)
O16_O18 = (40.70738657, 1.2936e-4, 59.4990, -0.238488)
ABUNDANCE = 2 * 0.00205 / 0.9976
"""Of 16O18O to 16O2."""


def six_j(a, b, c, d, e, f):
    """Racah's formula."""

    def triangle(x, y, z):
        return factorial(x + y - z) * factorial(x - y + z) * factorial(y + z - x) / factorial(x + y + z + 1)

    triads = [(a, b, c), (a, e, f), (d, b, f), (d, e, c)]
    if any(not abs(x - y) <= z <= x + y for x, y, z in triads):
        return 0.0
    total = 0.0
    for t in range(max(map(sum, triads)), min(a + b + d + e, b + c + e + f, c + a + f + d) + 1):
        bottom = np.prod([factorial(t - sum(one)) for one in triads], dtype=object)
        bottom *= factorial(a + b + d + e - t) * factorial(b + c + e + f - t) * factorial(c + a + f + d - t)
        total += (-1) ** t * factorial(t + 1) / bottom
    return sqrt(np.prod([triangle(*one) for one in triads])) * total


def levels(constants, parity):
    """Return (J, energy [GHz], {N: coefficient}) of all levels; ``parity`` of N, None for both."""
    rotation, distortion, spin_spin, spin_rotation = constants
    out = []
    for j in range(50):
        basis = [n for n in (j - 1, j, j + 1) if n >= 0 and (j, n) != (0, 0) and (parity is None or n % 2 == parity)]
        if not basis:
            continue
        h = np.zeros((len(basis),) * 2)
        for k, n in enumerate(basis):
            x = n * (n + 1)
            fine = {
                j: -spin_rotation + 2 * spin_spin / 3,
                j - 1: spin_rotation * (j - 1) + spin_spin * (2 / 3 - 2 * j / (2 * j + 1)),
                j + 1: -spin_rotation * (j + 2) + spin_spin * (2 / 3 - 2 * (j + 1) / (2 * j + 1)),
            }[n]
            h[k, k] = rotation * x - distortion * x * x + fine
        if j - 1 in basis and j + 1 in basis:
            a, b = basis.index(j - 1), basis.index(j + 1)
            h[a, b] = h[b, a] = 2 * spin_spin * sqrt(j * (j + 1)) / (2 * j + 1)
        energies, vectors = np.linalg.eigh(h)
        out += [(j, e, dict(zip(basis, v, strict=True))) for e, v in zip(energies, vectors.T, strict=True)]
    return out


def lines(constants, parity, low, high):
    """Return (frequency [GHz], relative strength, a2) of the lines between two frequencies, by frequency."""
    all_levels = levels(constants, parity)
    lowest = min(e for _, e, _ in all_levels)
    share = [np.exp(-K_PER_GHZ * (e - lowest) / T) for _, e, _ in all_levels]
    partition = sum((2 * j + 1) * p for (j, _, _), p in zip(all_levels, share, strict=True))
    out = []
    for (j, e, v), p in zip(all_levels, share, strict=True):
        for (k, upper, w), q in zip(all_levels, share, strict=True):
            if abs(j - k) > 1 or not low < upper - e < high:
                continue
            moment = sum(
                x * w[n] * (-1) ** (n + k) * sqrt(6 * (2 * j + 1) * (2 * k + 1)) * six_j(1, j, n, k, 1, 1)
                for n, x in v.items()
                if n in w
            )
            if moment**2 > 1e-9:
                middle = (e + upper) / 2 - lowest
                out.append((upper - e, moment**2 * (p - q) / partition, K_PER_GHZ * middle / T))
    return np.array(sorted(out))


@pytest.fixture(scope="module")
def scale():
    """The recommendation's a1 over the relative strength, from the lines of 16O2 that it has above 100 GHz."""
    table = _table("oxygen")
    table = table[table[:, 0] > 100]
    mine = lines(O16_O16, 1, 100, 850)
    nearest = np.array([mine[np.argmin(np.abs(mine[:, 0] - f0))] for f0 in table[:, 0]])
    np.testing.assert_allclose(nearest[:, 0], table[:, 0], atol=0.003)
    np.testing.assert_allclose(nearest[:, 2], table[:, 2], atol=0.0015)
    ratio = table[:, 1] / nearest[:, 1]
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-3)
    return float(np.median(ratio))


def test_the_table_of_16o18o(scale):
    mine = lines(O16_O18, None, 200, 1000)
    mine[:, 1] *= scale * ABUNDANCE
    strong = mine[mine[:, 1] > 0.1]
    table = _table("oxygen_18")
    np.testing.assert_allclose(strong[:, 0], table[:, 0], atol=1e-4)
    np.testing.assert_allclose(strong[:, 1], table[:, 1], rtol=5e-3)
    np.testing.assert_allclose(strong[:, 2], table[:, 2], atol=1e-3)
