"""Where the array is and how it turns: UVW and elevation from earth rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.array import enu_axes

_MJD0 = 2400000.5


def celestial_to_terrestrial(time_mjd_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation from GCRS to ITRS (IAU 2006/2000A), shape (time, 3, 3).

    UT1 - UTC (below 0.9 s) and polar motion are left out, so that a simulation needs no tables of earth rotation: the
    array is turned by less than 14 arcsec, the same for every baseline.

    Parameters
    ----------
    time_mjd_s : float64 (time,)
        UTC [MJD s].
    """
    import erfa

    day = np.asarray(time_mjd_s) / 86400.0
    tai = erfa.utctai(_MJD0, day)
    tt = erfa.taitt(*tai)
    matrix: NDArray[np.float64] = erfa.c2t06a(tt[0], tt[1], _MJD0, day, 0.0, 0.0)
    return matrix


def antenna_uvw(
    itrf_m: NDArray[np.float64], time_mjd_s: NDArray[np.float64], ra_rad: float, dec_rad: float
) -> NDArray[np.float64]:
    """Project antenna positions on the axes of a phase centre.

    Parameters
    ----------
    itrf_m : float64 (antenna, 3)
        Positions [m]; an offset common to all drops out of the baselines.
    time_mjd_s : float64 (time,)
    ra_rad, dec_rad : float
        Phase centre, J2000.

    Returns
    -------
    float64 (time, antenna, 3)
        u to the east, v to the north, w towards the source [m]. A baseline's UVW is ``uvw[antenna1] - uvw[antenna2]``,
        the sign of ALMA's data.
    """
    sa, ca, sd, cd = np.sin(ra_rad), np.cos(ra_rad), np.sin(dec_rad), np.cos(dec_rad)
    axes = np.array([[-sa, ca, 0.0], [-sd * ca, -sd * sa, cd], [cd * ca, cd * sa, sd]])
    # the transpose turns ITRS vectors back into GCRS
    turned = np.einsum("ui,tji->tuj", axes, celestial_to_terrestrial(time_mjd_s))
    return np.einsum("tuj,aj->tau", turned, itrf_m - itrf_m.mean(axis=0))


def elevation(time_mjd_s: NDArray[np.float64], ra_rad: float, dec_rad: float) -> NDArray[np.float64]:
    """Return the elevation of a direction above the array's horizon [rad], shape (time,), without refraction."""
    cd = np.cos(dec_rad)
    source = np.array([cd * np.cos(ra_rad), cd * np.sin(ra_rad), np.sin(dec_rad)])
    up = enu_axes()[2]
    return np.arcsin(np.einsum("j,tji,i->t", up, celestial_to_terrestrial(time_mjd_s), source))


def towards_itrf(time_mjd_s: NDArray[np.float64], ra_rad: float, dec_rad: float) -> NDArray[np.float64]:
    """Return the unit vector from the array to a direction in ITRF, shape (time, 3)."""
    cd = np.cos(dec_rad)
    source = np.array([cd * np.cos(ra_rad), cd * np.sin(ra_rad), np.sin(dec_rad)])
    out: NDArray[np.float64] = np.einsum("tji,i->tj", celestial_to_terrestrial(time_mjd_s), source)
    return out


def azimuth_elevation(
    time_mjd_s: NDArray[np.float64], ra_rad: float, dec_rad: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return azimuth (from north to east) and elevation [rad], shape (time,), without refraction."""
    east, north, up = (towards_itrf(time_mjd_s, ra_rad, dec_rad) @ enu_axes().T).T
    return np.arctan2(east, north), np.arcsin(up)
