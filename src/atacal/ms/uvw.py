"""UVW of baselines from the positions of the pads, by casacore's measures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.ms.measures import measures


class Uvw:
    """Baselines of an array seen from a direction.

    Parameters
    ----------
    pads_m : float64 (antenna, 3)
        Positions [m, ITRF].
    frame : str
        casacore's name of the frame of directions and of UVW: j2000, icrs.
    """

    def __init__(self, pads_m: NDArray[np.float64], frame: str = "j2000") -> None:
        self._pads, self._frame = pads_m, frame
        self._dm: Any = None
        self._axes: Any = None
        self._at: tuple[float, ...] = ()
        """Reference antenna and direction that the frame has."""

    def antennas(self, time_s: float, ra_rad: float, dec_rad: float, members: list[int]) -> NDArray[np.float64]:
        """Return UVW of antennas relative to a reference antenna, (member, 3) [m].

        Parameters
        ----------
        time_s : float
            UTC [MJD s].
        ra_rad, dec_rad : float
            Phase centre.
        members : list of int
            Antennas. The first of the array is the reference if all are there, else the first of these.

        Notes
        -----
        A baseline turns from ITRF to the frame by a rotation (with aberration); three unit vectors give its matrix.
        """
        reference = self._pads[0 if len(members) == len(self._pads) else members[0]]
        matrix = self._matrix(time_s, ra_rad, dec_rad, reference)
        out: NDArray[np.float64] = (self._pads[members] - reference) @ matrix.T
        return out

    @staticmethod
    def _unit(value: Any, unit: str) -> dict[str, Any]:
        return {"value": value, "unit": unit}

    def _start(self) -> None:
        self._dm, unit = measures(), self._unit
        right = np.pi / 2
        lon, lat = np.array([0.0, right, 0.0]), np.array([0.0, 0.0, right])
        self._axes = self._dm.baseline("itrf", unit(lon, "rad"), unit(lat, "rad"), unit(np.ones(3), "m"))

    def _matrix(self, time_s: float, ra: float, dec: float, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._dm is None:
            self._start()
        dm, unit = self._dm, self._unit
        dm.doframe(dm.epoch("utc", unit(float(time_s), "s")))
        at = (*reference, ra, dec)
        if at != self._at:
            dm.doframe(dm.position("itrf", *(unit(float(x), "m") for x in reference)))
            dm.doframe(dm.direction(self._frame, unit(float(ra), "rad"), unit(float(dec), "rad")))
            self._at = at
        turned = dm.measure(self._axes, self._frame)
        lon, lat, length = (turned[m]["value"] for m in ("m0", "m1", "m2"))
        vectors = length * np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        sa, ca, sd, cd = np.sin(ra), np.cos(ra), np.sin(dec), np.cos(dec)
        axes = np.array([[-sa, ca, 0.0], [-sd * ca, -sd * sa, cd], [cd * ca, cd * sa, sd]])
        out: NDArray[np.float64] = axes @ vectors
        return out
