"""K Jones: delays of antennas from gathered spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.gather import Gathered
from atacal.calibrater.solutions import Solved
from atacal.solve.delay import solve_antenna_delays

NS_PER_S = 1e9
DELAY_BYTES = 60
"""What the fit to one receptor's spectra takes, for each cell (baseline, channel, receptor) of a slot [bytes]."""


def solve_delay_batch(gathered: Gathered, nant: int, freq_hz: list[NDArray[np.float64]], refant: list[int]) -> Solved:
    """Solve a batch of slots for delays.

    Parameters
    ----------
    gathered : Gathered
        One group a channel.
    nant : int
    freq_hz : list of float64 (group,)
        Channel frequencies of every slot of the batch.
    refant : list of int
        Candidates for the reference; the first with data is taken, then the antenna with most data.

    Returns
    -------
    Solved
        ``param`` float32 in ns, (n, antenna, 1, 2); the reference antenna has 0.
    """
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    n = len(gathered.slots)
    delay, error = np.zeros((n, nant, 1, 2), np.float32), np.zeros((n, nant, 1, 2), np.float32)
    flag = np.ones((n, nant, 1, 2), bool)
    for s in range(n):
        for p in range(2):
            d = gathered.d[s, :, : len(freq_hz[s]), p]
            b = gathered.b[s, :, : len(freq_hz[s]), p]
            total = np.zeros(nant)
            np.add.at(total, ant1, b.sum(1))
            np.add.at(total, ant2, b.sum(1))
            if not total.any():
                continue
            reference = next((r for r in refant if total[r] > 0), int(np.argmax(total)))
            tau, sigma, good = solve_antenna_delays(d, b, freq_hz[s], ant1, ant2, nant, reference)
            delay[s, :, 0, p], error[s, :, 0, p], flag[s, :, 0, p] = tau * NS_PER_S, sigma * NS_PER_S, ~good
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.where(error > 0, np.abs(delay) / error, 0.0).astype(np.float32)
    return Solved(
        slots=gathered.slots, time=gathered.time, param=delay, error=error, snr=snr, flag=flag,
        attempted=int((~flag).any(axis=(1, 2, 3)).sum()), low_snr=0, few_baselines=int(flag.sum()), unconverged=0,
    )  # fmt: skip
