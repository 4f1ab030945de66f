"""Where the source stands: elevation, azimuth, hour angle and parallactic angle of times and fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.jones.horizon import geocentric, hour_angles
from atacal.ms.metadata import Metadata


def sky_angles(
    meta: Metadata, time_mjd_s: NDArray[np.float64], field: NDArray[np.int32]
) -> dict[str, NDArray[np.float64]]:
    """Return the sky angles of the array's mean position, without refraction.

    Parameters
    ----------
    meta : Metadata
    time_mjd_s : float64 (row,)
        [MJD s], in the MeasurementSet's frame of time.
    field : int32 (row,)
        Field ids; -1 gives nan.

    Returns
    -------
    dict of name -> float64 (row,)
        ``elevation``, ``azimuth`` (north through east) and ``parang`` [deg], ``hourang`` [h].

    Notes
    -----
    Hour angle h and declination d are topocentric, the vertical is geocentric as in CASA; with geocentric latitude p:
    ``sin el = sin p sin d + cos p cos d cos h`` and ``tan q = sin h / (tan p cos d - sin d cos h)``.
    """
    pairs, back = np.unique(np.column_stack([field, np.round(time_mjd_s * 10)]), axis=0, return_inverse=True)
    back = back.reshape(-1)
    ids, times = pairs[:, 0].astype(int), pairs[:, 1] / 10
    out = {name: np.full(len(ids), np.nan) for name in ("elevation", "azimuth", "hourang", "parang")}
    known = ids >= 0
    if known.any():
        hour, dec, lat = _apparent(meta, times[known], ids[known])
        sin_el = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour)
        east = -np.cos(dec) * np.sin(hour)
        north = np.cos(lat) * np.sin(dec) - np.sin(lat) * np.cos(dec) * np.cos(hour)
        out["elevation"][known] = np.rad2deg(np.arcsin(sin_el))
        out["azimuth"][known] = np.rad2deg(np.arctan2(east, north)) % 360.0
        out["hourang"][known] = np.rad2deg(hour) / 15.0
        out["parang"][known] = np.rad2deg(
            np.arctan2(np.sin(hour), np.tan(lat) * np.cos(dec) - np.sin(dec) * np.cos(hour))
        )
    return {name: array[back] for name, array in out.items()}


def _apparent(meta: Metadata, time_mjd_s: NDArray, ids: NDArray) -> tuple[NDArray, NDArray, float]:
    """Return hour angle, declination and geocentric latitude [rad]."""
    place = meta.antenna_positions_m.mean(axis=0, keepdims=True)
    hour, dec = hour_angles(time_mjd_s, [meta.fields[i] for i in ids], place, meta.time_frame)
    return hour[:, 0], dec[:, 0], float(geocentric(place)[1][0])
