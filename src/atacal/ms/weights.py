"""Starting weights: WEIGHT, SIGMA and their spectra set anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.ms.columns import ensure_column
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.stream import Block, stream


def initialise_weights(ms: MeasurementSet, selected: Selected, mode: str, *, spectrum: bool) -> None:
    """Set the weights of a MeasurementSet.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    selected : Selected
        All rows.
    mode : {'nyq', 'sigma', 'weight', 'ones'}
        ``nyq``: WEIGHT = 2 bandwidth x exposure (autocorrelations half of it), SIGMA = 1/sqrt(WEIGHT);
        ``sigma``: WEIGHT = 1/SIGMA^2; ``weight``: WEIGHT as it is, spectra from it; ``ones``: both 1.
    spectrum : bool
        Add WEIGHT_SPECTRUM if it is not there. An existing one is always set along.

    Notes
    -----
    The weight is that of one channel: CASA's convention since 4.2.2.
    """
    if spectrum:
        ensure_column(ms, "WEIGHT_SPECTRUM")
    spectra = [c for c in ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM") if ms.has(c)]
    for block in stream(ms, selected, ["WEIGHT", "SIGMA"]):
        weight, sigma = _starting(ms, block, mode)
        ms.write("WEIGHT", block.segments, weight)
        if mode in ("nyq", "ones"):
            ms.write("SIGMA", block.segments, sigma)
        nchan = ms.metadata.spws[block.spw].nchan
        for column in spectra:
            values = weight if column == "WEIGHT_SPECTRUM" else sigma
            cube = np.broadcast_to(values[:, None, :], (block.nrow, nchan, values.shape[1]))
            ms.write(column, block.segments, np.ascontiguousarray(cube))
    ms.flush()


def _starting(ms: MeasurementSet, block: Block, mode: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and sigmas (row, corr) of a block."""
    weight, sigma = block["WEIGHT"], block["SIGMA"]
    if mode == "weight":
        return weight, sigma
    if mode == "sigma":
        positive = sigma > 0
        return np.where(positive, 1 / np.where(positive, sigma, 1) ** 2, 0).astype(np.float32), sigma
    if mode == "ones":
        return np.ones_like(weight), np.ones_like(sigma)
    bandwidth_hz = float(np.abs(ms.metadata.spws[block.spw].effective_bw_hz).mean())
    nyquist = bandwidth_hz * block.exposure * np.where(block.antenna1 == block.antenna2, 1.0, 2.0)
    value = np.broadcast_to(nyquist[:, None], weight.shape)
    return value.astype(np.float32), (1 / np.sqrt(value)).astype(np.float32)
