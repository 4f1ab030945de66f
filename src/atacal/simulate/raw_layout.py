"""What a raw block observes: spectral windows in ALMA's order, and scans with their subscans and intents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.simulate.array import max_antennas
from atacal.simulate.atmosphere import WVR_OFFSETS_HZ, WVR_WIDTHS_HZ

START_MJD_S = 58649.24 * 86400.0
"""2019-06-15 05:46 UTC: the fields are setting, at elevations from 60 to 40 degrees."""
LO_HZ = 238.0e9
REF_FREQ_HZ = LO_HZ
_CENTRES = ((231.5e9, -1), (229.5e9, -1), (244.5e9, +1), (246.5e9, +1))
"""Centre frequency and sideband of each baseband, Band 6."""
TDM_CHANNELS, TDM_HZ, FDM_HZ, NARROW_HZ = 128, 2.0e9, 1.875e9, 58.59375e6
_AVERAGED_HZ = 1.796875e9
_NARROW_OFFSETS_HZ = (0.25e9, -0.31e9, 0.12e9, -0.44e9)
"""Where narrow windows are in their basebands."""
WVR_SAMPLE_S, SHORT_S = 1.152, 1.92
_SLEW_S, _GAP_S = 14.112, 1.152
Kind = Literal["wvr", "sqld", "pointing", "tdm", "fdm", "average", "wvr_antenna"]
Purpose = Literal["pointing", "sideband", "atmosphere", "science"]


@dataclass(frozen=True)
class RawSize:
    """The size of a raw block.

    Attributes
    ----------
    nant : int
    max_radius_m : float
    fdm_channels : int
    fdm_basebands : tuple of int
        Basebands (from 1) that observe with FDM; the others with TDM.
    integration_s : float
        Of the science scans.
    bandpass, flux, phase, check, target : tuple of (subscans, integrations each)
    loops : int
        Visits to the target.
    tsys_every : int
        The system temperature is measured towards the target before every so many visits.
    fdm_hz : tuple of float
        Widths of the FDM windows, by baseband.
    wvr : bool
        Whether there are radiometers.
    """

    nant: int
    max_radius_m: float
    fdm_channels: int
    fdm_basebands: tuple[int, ...]
    integration_s: float
    bandpass: tuple[int, int]
    flux: tuple[int, int]
    phase: tuple[int, int]
    check: tuple[int, int]
    target: tuple[int, int]
    loops: int
    tsys_every: int
    fdm_hz: tuple[float, ...] = (FDM_HZ,) * 4
    wvr: bool = True


RAW_PRESETS = {
    "tiny": RawSize(8, 180.0, 480, (), 6.048, (1, 10), (1, 8), (1, 4), (1, 3), (1, 8), 3, 2),
    "small": RawSize(14, 260.0, 480, (1, 3), 6.048, (2, 15), (1, 15), (1, 5), (1, 4), (2, 8), 4, 2),
    "full": RawSize(40, 420.0, 960, (1, 2, 3, 4), 18.144, (2, 9), (2, 6), (1, 3), (1, 3), (2, 6), 9, 3),
    "sn1987a": RawSize(36, 420.0, 3840, (1, 2, 3, 4), 36.288, (1, 7), (1, 3), (1, 1), (1, 1), (1, 3), 8, 1),
}
"""``tiny`` for tests, ``small`` for trials, ``full`` (40 antennas, an hour) and ``sn1987a`` (36 antennas, 40 minutes,
3840 channels a window) as large as real blocks."""
SPWS = ("wide", "narrow", "mixed")
_FEW_CHANNELS, _FINER = 512, 6
"""With so few channels ``sn1987a`` records so many times as many integrations."""


def raw_size(name: str, nant: int | None, nchan: int | None, spws: str = "wide", *, wvr: bool = True) -> RawSize:
    """Return a preset of raw blocks, with the numbers that are given in place of its own.

    Parameters
    ----------
    name : str
    nant, nchan : int, optional
    spws : str
        ``wide``: the preset's. ``narrow``: an FDM window of 58.6 MHz in every baseband; ``mixed``: one of 1875 MHz in
        the first.
    wvr : bool
        Whether there are radiometers.

    Raises
    ------
    ArgumentError
    """
    if name not in RAW_PRESETS:
        raise ArgumentError(f"there is no preset {name!r} of raw blocks; possible are {', '.join(RAW_PRESETS)}")
    if spws not in SPWS:
        raise ArgumentError(f"spws = {spws!r} is not possible; choose one of {', '.join(SPWS)}")
    size = replace(RAW_PRESETS[name], wvr=wvr)
    if spws != "wide":
        first = FDM_HZ if spws == "mixed" else NARROW_HZ
        size = replace(size, fdm_basebands=(1, 2, 3, 4), fdm_hz=(first, NARROW_HZ, NARROW_HZ, NARROW_HZ))
    if nant is not None:
        if not 4 <= nant <= max_antennas():
            raise ArgumentError(f"nant = {nant} is not possible; a raw block has from 4 to {max_antennas()}")
        size = replace(size, nant=nant)
    if nchan is not None:
        if not 16 <= nchan <= 1 << 14:
            raise ArgumentError(
                f"nchan = {nchan} is not possible; the FDM windows of a raw block have from 16 to 16384"
            )
        if not size.fdm_basebands:
            raise ArgumentError(
                f"nchan: the preset {name!r} has no FDM windows, and TDM ones have {TDM_CHANNELS} channels"
            )
        size = replace(size, fdm_channels=nchan)
        if name == "sn1987a" and nchan <= _FEW_CHANNELS:
            size = _finer(size, _FINER)
    return size


def _finer(size: RawSize, times: int) -> RawSize:
    """Cut the integrations of the science scans into so many."""
    visits = {
        k: (getattr(size, k)[0], getattr(size, k)[1] * times) for k in ("bandpass", "flux", "phase", "check", "target")
    }
    return replace(size, integration_s=size.integration_s / times, **visits)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class RawWindow:
    """A spectral window of a raw block.

    Attributes
    ----------
    id : int
    name : str
    kind : str
    chan_freq_hz, chan_width_hz, effective_bw_hz : float64 (chan,)
        Widths are signed.
    net_sideband, baseband : int
        As in the MeasurementSet: 1 lower, 2 upper, 3 double.
    of : int
        The window with full resolution that a channel average belongs to; -1 otherwise.
    """

    id: int
    name: str
    kind: Kind
    chan_freq_hz: NDArray[np.float64]
    chan_width_hz: NDArray[np.float64]
    effective_bw_hz: NDArray[np.float64]
    net_sideband: int
    baseband: int
    of: int = -1

    @property
    def nchan(self) -> int:
        return len(self.chan_freq_hz)

    @property
    def centre_freq_hz(self) -> float:
        return float(self.chan_freq_hz.mean())


def raw_windows(size: RawSize) -> tuple[RawWindow, ...]:
    """Return the spectral windows, in the order of an ALMA block of 2016 and later.

    0 the radiometers, 1-4 the square-law detectors (which record nothing here), 5-12 pointing, 13-20 sideband ratio,
    system temperature and TDM science, from 21 FDM science; each correlated window is followed by its channel average.
    Last one window for each antenna's radiometer.
    """
    out = [_wvr(0, "WVR#NOMINAL", "wvr")]
    for baseband, (centre, side) in enumerate(_CENTRES, start=1):
        out.append(_window(len(out), f"BB_{baseband}#SQLD", "sqld", centre, side, 1, TDM_HZ, baseband))
    kinds: list[tuple[Kind, str, int, tuple[float, ...], tuple[int, ...]]] = [
        ("pointing", "X1040312701", TDM_CHANNELS, (TDM_HZ,) * 4, (1, 2, 3, 4)),
        ("tdm", "X1040312740", TDM_CHANNELS, (TDM_HZ,) * 4, (1, 2, 3, 4)),
        ("fdm", "X1040312783", size.fdm_channels, size.fdm_hz, size.fdm_basebands),
    ]
    for kind, number, nchan, widths, basebands in kinds:
        for baseband in basebands:
            (centre, side), width = _CENTRES[baseband - 1], widths[baseband - 1]
            centre += _NARROW_OFFSETS_HZ[baseband - 1] if width == NARROW_HZ else 0.0
            averaged = min(_AVERAGED_HZ, _AVERAGED_HZ / FDM_HZ * width)
            stem, first = f"{number}#ALMA_RB_06#BB_{baseband}#SW-01", len(out)
            out.append(_window(first, f"{stem}#FULL_RES", kind, centre, side, nchan, width, baseband))
            out.append(_window(first + 1, f"{stem}#CH_AVG", "average", centre, side, 1, averaged, baseband, first))
    out += [_wvr(len(out) + i, f"WVR#Antenna_{i}", "wvr_antenna") for i in range(size.nant if size.wvr else 0)]
    return tuple(out)


def _window(
    number: int,
    name: str,
    kind: Kind,
    centre: float,
    side: int,
    nchan: int,
    width_hz: float,
    baseband: int,
    of: int = -1,
) -> RawWindow:
    step = width_hz / nchan
    if nchan == 1:
        side = abs(side)
    freq = centre + side * step * (np.arange(nchan, dtype=np.float64) - (nchan - 1) / 2)
    upper = centre > LO_HZ
    return RawWindow(
        number, name, kind, freq, np.full(nchan, side * step), np.full(nchan, step), 2 if upper else 1, baseband, of
    )


def _wvr(number: int, name: str, kind: Kind) -> RawWindow:
    freq = 183.3e9 + WVR_OFFSETS_HZ
    return RawWindow(number, name, kind, freq, WVR_WIDTHS_HZ.copy(), np.full(len(freq), 7.5e9), 3, 0)


@dataclass(frozen=True, eq=False)
class RawSubscan:
    """A stretch of integrations.

    Attributes
    ----------
    scan, subscan, field : int
    role : str
        Of the field.
    purpose : str
    intents : str
        OBS_MODE.
    load : str
        What the receivers look at: ``source``, ``sky``, ``ambient`` or ``hot``.
    amplitude : float
        How much of the source the antennas see: less than 1 where pointing is measured beside it.
    start_mjd_s, end_mjd_s : float
    time_mjd_s : float64 (time,)
        Mid-points of the correlator's integrations.
    integration_s : float
    wvr : bool
        Whether radiometers record.
    """

    scan: int
    subscan: int
    field: int
    role: str
    purpose: Purpose
    intents: str
    load: str
    amplitude: float
    start_mjd_s: float
    end_mjd_s: float
    time_mjd_s: NDArray[np.float64]
    integration_s: float
    wvr: bool = True

    @property
    def wvr_time_mjd_s(self) -> NDArray[np.float64]:
        """Mid-points of the radiometers' samples."""
        count = max(1, int((self.end_mjd_s - self.start_mjd_s) / WVR_SAMPLE_S)) if self.wvr else 0
        return np.round(self.start_mjd_s + (np.arange(count) + 0.5) * WVR_SAMPLE_S, 6)


_SCIENCE = {
    "bandpass": "CALIBRATE_BANDPASS#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "flux": "CALIBRATE_FLUX#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "phase": "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "check": "OBSERVE_CHECK_SOURCE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "target": "OBSERVE_TARGET#ON_SOURCE",
}


class _Clock:
    """Lays scans out in time."""

    def __init__(self, roles: tuple[str, ...], *, wvr: bool) -> None:
        self.roles, self.wvr, self.time, self.scan = roles, wvr, START_MJD_S, 0
        self.subscans: list[RawSubscan] = []

    def run(self, purpose: Purpose, role: str, parts: list[tuple[str, str, float, int]], integration_s: float) -> None:
        """Add a scan of (intents, load, amplitude, integrations)."""
        self.scan += 1
        field = self.roles.index(role)
        for k, (intents, load, amplitude, count) in enumerate(parts, start=1):
            if not self.wvr:
                intents = ",".join(i for i in intents.split(",") if not i.startswith("CALIBRATE_WVR"))
            mid = np.round(self.time + (np.arange(count) + 0.5) * integration_s, 6)
            end = self.time + count * integration_s
            self.subscans.append(
                RawSubscan(
                    self.scan,
                    k,
                    field,
                    role,
                    purpose,
                    intents,
                    load,
                    amplitude,
                    self.time,
                    end,
                    mid,
                    integration_s,
                    self.wvr,
                )
            )
            self.time = end + _GAP_S
        self.time += _SLEW_S - _GAP_S

    def pointing(self, role: str) -> None:
        """Look at a source, then beside it on four sides."""
        intents = "CALIBRATE_POINTING#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE"
        self.run("pointing", role, [(intents, "source", a, 3) for a in (1.0, 0.72, 0.70, 0.74, 0.71)], SHORT_S)

    def atmosphere(self, role: str) -> None:
        """Look at the sky and at two loads."""
        loads = (("OFF_SOURCE", "sky"), ("AMBIENT", "ambient"), ("HOT", "hot"))
        self.run(
            "atmosphere", role,
            [(f"CALIBRATE_ATMOSPHERE#{word},CALIBRATE_WVR#{word}", load, 0.0, 3) for word, load in loads], SHORT_S,
        )  # fmt: skip

    def science(self, role: str, visit: tuple[int, int], integration_s: float) -> None:
        """Observe a field."""
        self.run("science", role, [(_SCIENCE[role], "source", 1.0, visit[1])] * visit[0], integration_s)


def raw_schedule(size: RawSize, roles: tuple[str, ...]) -> tuple[RawSubscan, ...]:
    """Lay a raw block out: pointing, sideband ratio, Tsys, bandpass, flux, then phase and target in turn."""
    clock, t = _Clock(roles, wvr=size.wvr), size.integration_s
    first = next(role for role in ("bandpass", "flux", "phase") if role in roles)
    clock.pointing(first)
    off = "CALIBRATE_SIDEBAND_RATIO#OFF_SOURCE,CALIBRATE_WVR#OFF_SOURCE"
    clock.run("sideband", first, [(off, "sky", 0.0, 4)], SHORT_S)
    for role, visit in (("bandpass", size.bandpass), ("flux", size.flux)):
        if role in roles:
            clock.atmosphere(role)
            clock.science(role, visit, t)
    clock.pointing("phase")
    for loop in range(size.loops):
        if loop % size.tsys_every == 0:
            clock.atmosphere("target")
        clock.science("phase", size.phase, t)
        if loop in (0, size.loops - 1) and "check" in roles:
            clock.science("check", size.check, t)
        clock.science("target", size.target, t)
    clock.science("phase", size.phase, t)
    return tuple(clock.subscans)


def windows_of(subscan: RawSubscan, windows: tuple[RawWindow, ...]) -> list[RawWindow]:
    """Return the correlated windows with full resolution that a subscan records."""
    if subscan.purpose == "pointing":
        return [w for w in windows if w.kind == "pointing"]
    if subscan.purpose in ("sideband", "atmosphere"):
        return [w for w in windows if w.kind == "tdm"]
    return science_windows(windows)


def science_windows(windows: tuple[RawWindow, ...]) -> list[RawWindow]:
    """Return the science windows: FDM where a baseband has it, TDM elsewhere."""
    fdm = {w.baseband for w in windows if w.kind == "fdm"}
    return [w for w in windows if w.kind == "fdm" or (w.kind == "tdm" and w.baseband not in fdm)]
