"""The axes that visibilities can be plotted against: names, labels, units, and which dimensions each varies along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atacal.errors import ArgumentError

ROW, CHAN, CORR = 0, 1, 2
"""Dimensions of a cube of visibilities."""


@dataclass(frozen=True)
class Axis:
    """One thing to plot.

    Attributes
    ----------
    name : str
        CASA's short name.
    label : str
        Text beside the axis, with the unit.
    dims : tuple of int
        The dimensions of (row, chan, corr) along which it varies.
    needs : tuple of str
        Main-table columns it is made of; ``DATA`` stands for the data column that the caller chooses.
    integer : bool
        Values are ids: ticks only at whole numbers.
    limits : (low, high), optional
        Where all values must lie.
    """

    name: str
    label: str
    dims: tuple[int, ...]
    needs: tuple[str, ...] = ()
    integer: bool = False
    limits: tuple[float, float] | None = None

    @property
    def of_data(self) -> bool:
        """Whether it is made of a visibility column."""
        return "DATA" in self.needs


_ALL = (ROW, CHAN, CORR)
AXES: dict[str, Axis] = {
    a.name: a
    for a in (
        Axis("time", "Time (UTC)", (ROW,)),
        Axis("interval", "Interval (s)", (ROW,)),
        Axis("scan", "Scan", (ROW,), integer=True),
        Axis("field", "Field ID", (ROW,), integer=True),
        Axis("spw", "Spectral window", (ROW,), integer=True),
        Axis("observation", "Observation ID", (ROW,), integer=True),
        Axis("intent", "State ID", (ROW,), integer=True),
        Axis("antenna1", "Antenna 1 (ID)", (ROW,), integer=True),
        Axis("antenna2", "Antenna 2 (ID)", (ROW,), integer=True),
        Axis("baseline", "Baseline (number)", (ROW,), integer=True),
        Axis("corr", "Correlation (Stokes code)", (CORR,), integer=True),
        Axis("channel", "Channel", (CHAN,)),
        Axis("frequency", "Frequency (GHz)", (ROW, CHAN)),
        Axis("uvdist", "uv distance (m)", (ROW,), ("UVW",)),
        Axis("uvwave", "uv distance (wavelengths)", (ROW, CHAN), ("UVW",)),
        Axis("u", "u (m)", (ROW,), ("UVW",)),
        Axis("v", "v (m)", (ROW,), ("UVW",)),
        Axis("w", "w (m)", (ROW,), ("UVW",)),
        Axis("uvw", "uvw distance (m)", (ROW,), ("UVW",)),
        Axis("uwave", "u (wavelengths)", (ROW, CHAN), ("UVW",)),
        Axis("vwave", "v (wavelengths)", (ROW, CHAN), ("UVW",)),
        Axis("wwave", "w (wavelengths)", (ROW, CHAN), ("UVW",)),
        Axis("amp", "Amplitude", _ALL, ("DATA",)),
        Axis("phase", "Phase (deg)", _ALL, ("DATA",), limits=(-180.0, 180.0)),
        Axis("real", "Real part", _ALL, ("DATA",)),
        Axis("imag", "Imaginary part", _ALL, ("DATA",)),
        Axis("wt", "Weight", (ROW, CORR), ("WEIGHT",)),
        Axis("wtsp", "Weight spectrum", _ALL, ("WEIGHT_SPECTRUM",)),
        Axis("sigma", "Sigma", (ROW, CORR), ("SIGMA",)),
        Axis("flag", "Flag", _ALL, (), integer=True, limits=(-0.1, 1.1)),
        Axis("elevation", "Elevation (deg)", (ROW,)),
        Axis("azimuth", "Azimuth (deg)", (ROW,)),
        Axis("hourang", "Hour angle (h)", (ROW,)),
        Axis("parang", "Parallactic angle (deg)", (ROW,)),
    )
}

_SYNONYMS = {
    "chan": "channel", "freq": "frequency", "correlation": "corr", "ant1": "antenna1", "ant2": "antenna2",
    "spectral window": "spw", "amplitude": "amp", "re": "real", "imaginary": "imag", "weight": "wt",
    "wtspectrum": "wtsp", "weightspectrum": "wtsp", "el": "elevation", "az": "azimuth", "ha": "hourang",
    "hour angle": "hourang", "pa": "parang", "parallacticangle": "parang", "uvdistance": "uvdist",
    "uvdist_l": "uvwave", "uvdistl": "uvwave", "int": "interval", "timeinterval": "interval", "bl": "baseline",
    "obs": "observation", "state": "intent", "antenna": "antenna1",
}  # fmt: skip
SKY_AXES = frozenset(("elevation", "azimuth", "hourang", "parang"))
COLOUR_AXES = (
    "spw", "field", "scan", "corr", "antenna1", "antenna2", "baseline", "observation", "intent", "time", "channel",
)  # fmt: skip
ITERATION_AXES = ("antenna", "baseline", "field", "spw", "scan", "corr")


def axis_of(name: str, *, parameter: str) -> Axis:
    """Return the axis of a name (CASA's short or long names, any case).

    Raises
    ------
    ArgumentError
        If there is no such axis; the message lists those that exist.
    """
    key = name.strip().lower()
    key = _SYNONYMS.get(key, key)
    if key not in AXES:
        raise ArgumentError(f"{parameter}={name!r} is not an axis; possible are {', '.join(AXES)}")
    return AXES[key]


def one_of(name: str, possible: Iterable[str], *, parameter: str) -> str:
    """Return the canonical form of an axis name if it is among the possible ones.

    Raises
    ------
    ArgumentError
    """
    choices = tuple(possible)
    key = name.strip().lower()
    if key in choices:
        return key
    key = _SYNONYMS.get(key, key)
    if key not in choices:
        raise ArgumentError(f"{parameter}={name!r} is not possible; choose one of {', '.join(choices)}")
    return key
