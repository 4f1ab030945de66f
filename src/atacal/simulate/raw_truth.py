"""What a raw block's truth says about its antennas, put together again from the stored arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.raw_air import system_temperature
from atacal.simulate.sky import C_M_S
from atacal.simulate.truth import Truth


def true_tsys(truth: Truth, spw: int, subscan: int) -> NDArray[np.float32]:
    """Return the true system temperatures [K] in a subscan, float32 (antenna, chan, receptor).

    Parameters
    ----------
    truth : Truth
        Of a raw block.
    spw : int
        One of ``truth.raw["science_spws"]``.
    subscan : int
        Index in ``truth.raw["subscans"]``.
    """
    a = truth.arrays()
    return system_temperature(
        a[f"trx_k_{spw}"], a[f"sky_k_{spw}"][subscan], a[f"tau_{spw}"], float(a["airmass"][subscan])
    )


def true_factors(truth: Truth, spw: int, at: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return what antennas did to a jansky, complex128 (time, antenna, chan, receptor).

    The correlation coefficient of antennas i and j is x_i conj(x_j) M + noise: dividing by x_i conj(x_j) gives the
    model [Jy] at the thermal limit.

    Parameters
    ----------
    truth : Truth
        Of a raw block.
    spw : int
    at : int64 (time,)
        Integrations, as indices of ``truth.arrays()["time_mjd_s"]``; all of one subscan.
    """
    a = truth.arrays()
    (subscan,) = np.unique(a["subscan"][at])
    metres = (a["antenna_delay_m"] - a["wet_path_m"] - a["dry_path_m"])[at]
    turn = np.exp(2j * np.pi * metres[:, :, None] * a[f"freq_hz_{spw}"] / C_M_S)
    share = (a["source_share"] * a["shadow"])[at]
    kelvin = truth.raw["kelvin_per_jy"][str(spw)] / true_tsys(truth, spw, int(subscan)).astype(np.float64)
    band = a[f"bandpass_{spw}"] * np.sqrt(kelvin)
    gain = a[f"gain_{spw}"][at] * share[:, :, None]
    out: NDArray[np.complex128] = gain[:, :, None, :] * turn[..., None] * band[None]
    return out
