"""KAntPos: the phase that a wrong antenna position leaves in the data.

An antenna whose true position is d beyond the one that the correlator was told receives the wave d . s earlier, s the
unit vector towards the source's apparent place, so g(nu) = exp(2 pi i nu d . s / c), both along the ITRF axes. It is a
geometric delay: the phase is that of the sky frequency itself, not relative to any channel, and weights do not change.
(Thompson, Moran & Swenson 2017, Interferometry and Synthesis in Radio Astronomy, eq. 4.2.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.jones.base import Factor, Parameters, Term

SPEED_OF_LIGHT_M_S = 299792458.0
_STRIDE, _EVEN = 32, 1e-13


def position_factor(par: Parameters) -> Factor:
    """Return exp(2 pi i nu d . s / c) for every channel of the data; the parameters are d [m]."""
    assert par.sky is not None
    assert par.sky.direction is not None
    ok = np.asarray(par.ok[:, :, 0].all(axis=-1))  # (time, antenna)
    offset_m = np.where(ok[..., None], par.amplitude[:, :, 0], 0.0)
    delay_s = np.einsum("tap,tp->ta", offset_m, par.sky.direction) / SPEED_OF_LIGHT_M_S
    value = turned(delay_s, par.freq_hz)[..., None]
    shape = (*value.shape[:3], 2)
    return np.broadcast_to(value, shape), np.broadcast_to(ok[:, :, None, None], shape)


def turned(delay_s: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return exp(2 pi i nu tau) of delays (time, antenna) at every channel, (time, antenna, chan).

    Of evenly spaced channels only every 32nd, and the steps from it, are computed as such; the rest are their products.
    """
    nchan = len(freq_hz)
    step_hz = (freq_hz[-1] - freq_hz[0]) / max(nchan - 1, 1)
    even = freq_hz[0] + step_hz * np.arange(nchan)
    if nchan <= _STRIDE or np.abs(even - freq_hz).max() > _EVEN * freq_hz[0]:
        return np.exp(2j * np.pi * (delay_s[:, :, None] * freq_hz))
    coarse = np.exp(2j * np.pi * (delay_s[:, :, None] * even[::_STRIDE]))
    fine = np.exp(2j * np.pi * (delay_s[:, :, None] * (step_hz * np.arange(_STRIDE))))
    product = coarse[..., None] * fine[:, :, None, :]
    return np.ascontiguousarray(product.reshape(*delay_s.shape, -1)[:, :, :nchan])


ANTENNA_POSITION = Term("KAntPos Jones", per_channel=False, factor=position_factor, of_sky="direction", of_array=True)
