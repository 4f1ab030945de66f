"""P: the parallactic angle, by which the sky turns over the feeds of an alt-azimuth antenna.

Linear feeds see the sky rotated: J = [[cos x, sin x], [-sin x, cos x]]; circular feeds see phases: J = diag(e^{-ix},
e^{ix}); x is the parallactic angle plus the angle of the feed. (Hamaker, Bregman & Sault 1996, A&AS 117, 137.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.jones.horizon import geocentric, hour_angles
from atacal.ms.metadata import Antenna, Field


def parallactic_angles(
    time_mjd_s: NDArray[np.float64], fields: Sequence[Field], antennas: Sequence[Antenna], time_frame: str = "UTC"
) -> NDArray[np.float64]:
    """Return the parallactic angle at every antenna.

    Parameters
    ----------
    time_mjd_s : float64 (slot,)
        [MJD s] in ``time_frame``.
    fields : sequence of Field, one a slot
    antennas : sequence of Antenna
        Positions ITRF; the vertical is geocentric, as it is in CASA.
    time_frame : str
        Frame of the times: UTC, TAI...

    Returns
    -------
    float64 (slot, antenna)
        [rad], tan x = cos(lat) sin(H) / (sin(lat) cos(dec) - cos(lat) sin(dec) cos(H)); 0 for equatorial mounts.

    Raises
    ------
    ArgumentError
        For frames of time or of direction that are not known.
    """
    xyz = np.array([a.position_m for a in antennas], np.float64).reshape(-1, 3)
    hour_angle, dec = hour_angles(time_mjd_s, fields, xyz, time_frame)
    _, latitude = geocentric(xyz)
    angle = np.arctan2(
        np.cos(latitude) * np.sin(hour_angle),
        np.sin(latitude) * np.cos(dec) - np.cos(latitude) * np.sin(dec) * np.cos(hour_angle),
    )
    turns = np.array([a.mount.lower().startswith("alt-az") for a in antennas])
    return np.where(turns, angle, 0.0)


def parang_matrix(angle: NDArray[np.float64], pol_basis: str) -> NDArray[np.complex128]:
    """Return the forward 2 x 2 Jones matrices (..., 2, 2) of angles (...) for ``linear`` or ``circular`` feeds."""
    out = np.zeros((*angle.shape, 2, 2), np.complex128)
    if pol_basis == "circular":
        out[..., 0, 0] = np.exp(-1j * angle)
        out[..., 1, 1] = np.exp(1j * angle)
    else:
        out[..., 0, 0] = out[..., 1, 1] = np.cos(angle)
        out[..., 0, 1] = np.sin(angle)
        out[..., 1, 0] = -np.sin(angle)
    return out
