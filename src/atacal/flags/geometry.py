"""Where a source stands in the frame that turns with the Earth: for shadowing.

Precession and nutation follow IAU 1976/1980 (ERFA); TIME is taken for UT1 whatever its frame, aberration and polar
motion are left out: all as in CASA's shadowing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TT_MINUS_UTC_S = 69.184
_MJD0 = 2400000.5


def direction_itrf(time_mjd_s: float, direction_rad: tuple[float, float]) -> NDArray[np.float64]:
    """Return the unit vector to a J2000 direction in ITRF axes, shape (3,).

    Parameters
    ----------
    time_mjd_s : float
        UTC [MJD s].
    direction_rad : (float, float)
        Right ascension and declination, J2000 [rad].
    """
    import erfa

    day = time_mjd_s / 86400.0
    to_true = erfa.pnm80(_MJD0, day + _TT_MINUS_UTC_S / 86400.0)
    turned = erfa.rz(erfa.gst94(_MJD0, day), to_true)
    source = erfa.s2c(*direction_rad)
    return np.asarray(turned @ source, dtype=np.float64)


def shadowed(
    positions_m: NDArray[np.float64],
    diameters_m: NDArray[np.float64],
    direction: NDArray[np.float64],
    tolerance_m: float = 0.0,
) -> NDArray[np.bool_]:
    """Return which antennas another antenna stands in front of, bool (antenna,).

    Two dishes overlap, seen from the source, when their projected distance is less than the mean of their diameters
    less ``tolerance_m``; the one farther from the source is shadowed (CASA since 4.1).

    Parameters
    ----------
    positions_m : float64 (antenna, 3)
        ITRF [m].
    diameters_m : float64 (antenna,)
    direction : float64 (3,)
        Unit vector to the source, ITRF.
    tolerance_m : float
        Overlap that is allowed [m].
    """
    toward = positions_m @ direction
    apart = positions_m[:, None, :] - positions_m[None, :, :]
    depth = toward[:, None] - toward[None, :]
    uvdist = np.sqrt(np.maximum((apart**2).sum(axis=2) - depth**2, 0.0))
    overlap = uvdist < (diameters_m[:, None] + diameters_m[None, :]) / 2.0 - tolerance_m
    np.fill_diagonal(overlap, False)
    # at the same depth (one pad, listed twice) the later of the two counts as shadowed
    later = np.tri(len(positions_m), k=-1, dtype=bool)
    return np.asarray((overlap & ((depth < 0) | ((depth == 0) & later))).any(axis=1))
