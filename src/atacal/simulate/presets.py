"""Sizes of synthetic blocks, their spectral windows and the order of their scans."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.simulate.array import max_antennas

INTENTS = {
    "bandpass": "CALIBRATE_BANDPASS#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "flux": "CALIBRATE_FLUX#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "phase": "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "check": "OBSERVE_CHECK_SOURCE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "target": "OBSERVE_TARGET#ON_SOURCE",
}
"""OBS_MODE of a scan by the role of its field, as ALMA writes it."""

ROLES = tuple(INTENTS)
START_MJD_S = 60476 * 86400.0 + 2.9 * 3600
"""2024-06-15 02:54 UTC: all fields are up."""
REF_FREQ_HZ = 233.0e9
BASEBAND_HZ = 2.0e9
SLEW_S = 18.144
SUBSCAN_GAP_S = 1.512


@dataclass(frozen=True)
class Preset:
    """The size of a block.

    Attributes
    ----------
    nant, nspw, nchan : int
    max_radius_m : float
        How far the outermost antenna is from the centre.
    visits : tuple of (role, subscans, integrations per subscan)
        The scans in their order.
    integration_s : float
    """

    nant: int
    nspw: int
    nchan: int
    max_radius_m: float
    visits: tuple[tuple[str, int, int], ...]
    integration_s: float = 6.048


def _visits(
    bandpass: tuple[int, int], flux: tuple[int, int], phase: int, check: int, target: tuple[int, int], loops: int
) -> tuple[tuple[str, int, int], ...]:
    """Bandpass, flux, then phase and target in turn, with the check source in the first and the last loop."""
    scans: list[tuple[str, int, int]] = [("bandpass", *bandpass), ("flux", *flux), ("phase", 1, phase)]
    for loop in range(loops):
        if loop in (0, loops - 1):
            scans.append(("check", 1, check))
        scans += [("target", *target), ("phase", 1, phase)]
    return tuple(scans)


PRESETS = {
    "tiny": Preset(8, 2, 64, 180.0, _visits((2, 10), (1, 10), 4, 3, (1, 9), 3)),
    "small": Preset(14, 4, 128, 260.0, _visits((3, 10), (2, 8), 5, 4, (2, 8), 4)),
    "bench": Preset(36, 4, 128, 420.0, _visits((7, 7), (3, 8), 5, 5, (3, 8), 7)),
}
"""``tiny`` for tests, ``small`` for the demo, ``bench`` (36 antennas) for the benchmark."""


def sized(name: str, nant: int | None = None, nspw: int | None = None, nchan: int | None = None) -> Preset:
    """Return a preset, resized where numbers are given.

    Raises
    ------
    ArgumentError
    """
    if name not in PRESETS:
        raise ArgumentError(f"there is no preset {name!r}; possible are {', '.join(PRESETS)}")
    limits = {"nant": (nant, 3, max_antennas()), "nspw": (nspw, 1, len(_CENTRES)), "nchan": (nchan, 1, 1 << 14)}
    for key, (value, low, high) in limits.items():
        if value is not None and not low <= value <= high:
            raise ArgumentError(f"{key} = {value} is not possible; it has to be from {low} to {high}")
    size = PRESETS[name]
    return replace(size, nant=nant or size.nant, nspw=nspw or size.nspw, nchan=nchan or size.nchan)


@dataclass(frozen=True, eq=False)
class Window:
    """A spectral window.

    Attributes
    ----------
    id : int
    name : str
    chan_freq_hz : float64 (chan,)
        Channel centres; descending in the lower sideband.
    chan_width_hz : float
        Signed.
    net_sideband : int
        1 lower, 2 upper, as in the MeasurementSet.
    baseband : int
    """

    id: int
    name: str
    chan_freq_hz: NDArray[np.float64]
    chan_width_hz: float
    net_sideband: int
    baseband: int

    @property
    def nchan(self) -> int:
        return len(self.chan_freq_hz)

    @property
    def centre_freq_hz(self) -> float:
        return float(self.chan_freq_hz.mean())


# centre frequency and sideband (-1 lower, +1 upper) of each baseband
_CENTRES = (
    (225.0e9, -1), (241.0e9, +1), (227.0e9, -1), (239.0e9, +1),
    (223.0e9, -1), (243.0e9, +1), (221.0e9, -1), (245.0e9, +1),
)  # fmt: skip


def windows(nspw: int, nchan: int) -> tuple[Window, ...]:
    """Return the spectral windows: 2 GHz each, in turn of the lower and the upper sideband."""
    out = []
    width = BASEBAND_HZ / nchan
    for i, (centre, sideband) in enumerate(_CENTRES[:nspw]):
        freq = centre + sideband * width * (np.arange(nchan, dtype=np.float64) - (nchan - 1) / 2)
        name = f"X1040312740#ALMA_RB_06#BB_{i % 4 + 1}#SW-{i // 4 + 1:02d}#FULL_RES"
        out.append(Window(i, name, freq, sideband * width, 2 if sideband > 0 else 1, i % 4 + 1))
    return tuple(out)


@dataclass(frozen=True, eq=False)
class Subscan:
    """A stretch of integrations on one field: ``time_mjd_s`` (time,) are their mid-points."""

    scan: int
    subscan: int
    field: int
    role: str
    time_mjd_s: NDArray[np.float64]


def schedule(size: Preset, roles: tuple[str, ...]) -> tuple[Subscan, ...]:
    """Lay the visits out in time.

    Parameters
    ----------
    size : Preset
    roles : tuple of str
        Role of every field. Where several fields share one, its scans go round them.

    Returns
    -------
    tuple of Subscan
    """
    time, out = START_MJD_S, []
    turn = dict.fromkeys(ROLES, 0)
    for number, (role, nsub, nint) in enumerate(size.visits, start=1):
        fields = [i for i, r in enumerate(roles) if r == role]
        target = fields[turn[role] % len(fields)]
        turn[role] += 1
        for k in range(nsub):
            mid = np.round(time + (np.arange(nint) + 0.5) * size.integration_s, 6)
            out.append(Subscan(number, k + 1, target, role, mid))
            time += nint * size.integration_s + SUBSCAN_GAP_S
        time += SLEW_S - SUBSCAN_GAP_S
    return tuple(out)
