"""Frequencies in other frames, by casacore's measures."""

from __future__ import annotations

from collections.abc import Iterable

from atacal.errors import ArgumentError
from atacal.ms.measures import measures

OUT_FRAMES = ("LSRK", "LSRD", "BARY", "TOPO", "GALACTO", "LGROUP", "CMB")
"""Frames that data can be brought to."""


class FrequencyFrame:
    """How frequencies change from one frame to another at a time, for a direction and an observatory.

    Parameters
    ----------
    telescope : str
        One of casacore's observatories.
    direction_rad : (float, float)
    direction_frame : str
        J2000, ICRS.

    Raises
    ------
    ArgumentError
        If the observatory is not known.
    """

    def __init__(self, telescope: str, direction_rad: tuple[float, float], direction_frame: str) -> None:
        self._dm = measures()
        try:
            place = self._dm.observatory(telescope)
        except RuntimeError as error:
            raise ArgumentError(f"the place of the telescope {telescope!r} is not known to casacore") from error
        self._dm.doframe(place)
        lon, lat = ({"value": float(x), "unit": "rad"} for x in direction_rad)
        self._dm.doframe(self._dm.direction(direction_frame, lon, lat))

    def ratios(self, times_s: Iterable[float], source: str, target: str, near_hz: float) -> dict[float, float]:
        """Return by what a frequency is multiplied at each time [MJD s, UTC]."""
        if source == target:
            return dict.fromkeys(times_s, 1.0)
        out = {}
        for time in times_s:
            self._dm.doframe(self._dm.epoch("utc", {"value": time, "unit": "s"}))
            there = self._dm.frequency(source.lower(), {"value": near_hz, "unit": "Hz"})
            out[time] = float(self._dm.measure(there, target.lower())["m0"]["value"]) / near_hz
        return out
