"""Setting the weights of a MeasurementSet anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.memory import block_bytes, for_data
from atacal.ms.average import sigma_to_weight, weight_to_sigma
from atacal.ms.columns import ensure_column, remove_column
from atacal.ms.measurement_set import MeasurementSet, Segment

_BLOCK_BYTES = 32 << 20


def initialise_weights(ms: MeasurementSet, mode: str, *, spectrum: bool = False) -> int:
    """Set WEIGHT and SIGMA (and WEIGHT_SPECTRUM) of every row.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    mode : str
        ``nyq``: WEIGHT = 2 bandwidth exposure (autocorrelations: bandwidth exposure), SIGMA = 1/sqrt(WEIGHT), the
        bandwidth [Hz] being the effective one of the spw's first channel; ``sigma``: WEIGHT = 1/SIGMA^2; ``ones``:
        both 1; ``weight``: both as they are.
    spectrum : bool
        Make a WEIGHT_SPECTRUM column, WEIGHT in every channel. One that exists is set in any case.

    Returns
    -------
    int
        Rows.
    """
    present = "WEIGHT_SPECTRUM" in ms.columns()
    if spectrum or present:
        ensure_column(ms, "WEIGHT_SPECTRUM", fill=False)
    sigma_spectrum = ms.has("SIGMA_SPECTRUM")
    md, runs = ms.metadata, ms.runs
    for i in range(len(runs)):
        dd = md.ddids[int(runs.ddid[i])]
        spw, ncorr = md.spws[dd.spw], md.pols[dd.pol].ncorr
        one = 4 * spw.nchan * ncorr
        step = block_bytes(for_data(), one, f"spw {spw.id} of {ms.path}", blocks=1, cap=_BLOCK_BYTES) // one or 1
        end = int(runs.row0[i] + runs.nrow[i])
        for row0 in range(int(runs.row0[i]), end, step):
            part = [(row0, min(step, end - row0))]
            nyquist = 2 * float(spw.effective_bw_hz[0]) * float(runs.exposure[i])
            weight, sigma = _values(ms, mode, part, ncorr, nyquist)
            if mode != "weight":
                ms.write("WEIGHT", part, weight)
                ms.write("SIGMA", part, sigma)
            if spectrum or present:
                ms.write("WEIGHT_SPECTRUM", part, np.repeat(weight[:, None], spw.nchan, axis=1))
            if sigma_spectrum and mode != "weight":
                ms.write("SIGMA_SPECTRUM", part, np.repeat(sigma[:, None], spw.nchan, axis=1))
    return int(runs.nrow.sum())


def _values(
    ms: MeasurementSet, mode: str, part: list[Segment], ncorr: int, nyquist: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return WEIGHT and SIGMA of rows, (row, corr)."""
    shape = (part[0][1], ncorr)
    weight, sigma = np.empty(shape, np.float32), np.empty(shape, np.float32)
    if mode == "nyq":
        auto = ms.read_scalar("ANTENNA1", part) == ms.read_scalar("ANTENNA2", part)
        weight[:] = np.where(auto, nyquist / 2, nyquist)[:, None]
        return weight, weight_to_sigma(weight)
    if mode == "ones":
        weight[:] = sigma[:] = 1
        return weight, sigma
    ms.read("SIGMA", part, sigma)
    if mode == "sigma":
        return sigma_to_weight(sigma), sigma
    ms.read("WEIGHT", part, weight)
    return weight, sigma


def remove_spectrum(ms: MeasurementSet, column: str) -> None:
    """Remove WEIGHT_SPECTRUM or SIGMA_SPECTRUM, if it is there."""
    if column in ms.columns():
        remove_column(ms, column)
