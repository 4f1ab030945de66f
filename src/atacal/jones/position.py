"""KAntPos: the phase that a wrong antenna position leaves in the data.

An antenna whose true position is d beyond the one that the correlator was told receives the wave d . s earlier, s the
unit vector towards the source's apparent place, so g(nu) = exp(2 pi i nu d . s / c), both along the ITRF axes. It is a
geometric delay: the phase is that of the sky frequency itself, not relative to any channel, and weights do not change.
(Thompson, Moran & Swenson 2017, Interferometry and Synthesis in Radio Astronomy, eq. 4.2.)
"""

from __future__ import annotations

import numpy as np

from atacal.jones.base import Factor, Parameters, Term

SPEED_OF_LIGHT_M_S = 299792458.0


def position_factor(par: Parameters) -> Factor:
    """Return exp(2 pi i nu d . s / c) for every channel of the data; the parameters are d [m]."""
    assert par.sky is not None
    ok = np.asarray(par.ok[:, :, 0].all(axis=-1))  # (time, antenna)
    offset_m = np.where(ok[..., None], par.amplitude[:, :, 0], 0.0)
    delay_s = np.einsum("tap,tp->ta", offset_m, par.sky.direction) / SPEED_OF_LIGHT_M_S
    turns = delay_s[:, :, None] * par.freq_hz
    value = np.exp(2j * np.pi * turns)[..., None]
    shape = (*value.shape[:3], 2)
    return np.broadcast_to(value, shape), np.broadcast_to(ok[:, :, None, None], shape)


ANTENNA_POSITION = Term("KAntPos Jones", per_channel=False, factor=position_factor, of_sky=True, of_array=True)
