"""What a raw block observes with: its size, spectral windows in ALMA's order, subscans and the windows of each."""

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
_CENTRES = ((-6.5e9, -1), (-8.5e9, -1), (+6.5e9, +1), (+8.5e9, +1))
"""Centre of each baseband from the LO, and its sideband."""
BANDS_LO_HZ = {4: 147.0e9, 6: LO_HZ, 8: 405.0e9}
"""ALMA's bands that blocks are made of."""
TDM_CHANNELS, TDM_HZ, FDM_HZ, NARROW_HZ = 128, 2.0e9, 1.875e9, 58.59375e6
_AVERAGED_HZ = 1.796875e9
_NARROW_OFFSETS_HZ = (0.25e9, -0.31e9, 0.12e9, -0.44e9)
"""Where narrow windows are in their basebands."""
WVR_SAMPLE_S, SHORT_S = 1.152, 1.92
SLEW_S, GAP_S = 14.112, 1.152
Kind = Literal["wvr", "sqld", "pointing", "tdm", "fdm", "average", "wvr_antenna"]
Purpose = Literal["pointing", "sideband", "atmosphere", "science"]
Setup = Literal["", "signal", "reference"]
_TUNINGS: dict[str, tuple[tuple[int, Setup], ...]] = {
    "standard": ((6, ""),), "bwsw": ((6, "reference"),), "b2b": ((4, "reference"), (8, "signal")),
}  # fmt: skip
MODES = tuple(_TUNINGS)


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
    mode : str
        ``standard``, ``bwsw`` (bandwidth switching) or ``b2b`` (band to band).
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
    mode: str = "standard"

    @property
    def tunings(self) -> tuple[tuple[int, Setup], ...]:
        """Bands, each with the setup that it is for."""
        return _TUNINGS[self.mode]


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


def raw_size(
    name: str, nant: int | None, nchan: int | None, spws: str = "wide", *, wvr: bool = True, mode: str = "standard"
) -> RawSize:
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
    mode : str
        With ``bwsw`` the target's windows are narrow, with ``b2b`` the windows are those of the high band.

    Raises
    ------
    ArgumentError
    """
    if name not in RAW_PRESETS:
        raise ArgumentError(f"there is no preset {name!r} of raw blocks; possible are {', '.join(RAW_PRESETS)}")
    if spws not in SPWS:
        raise ArgumentError(f"spws = {spws!r} is not possible; choose one of {', '.join(SPWS)}")
    if mode not in MODES:
        raise ArgumentError(f"mode = {mode!r} is not possible; choose one of {', '.join(MODES)}")
    if mode == "bwsw":
        if spws == "mixed":
            raise ArgumentError("spws = 'mixed' is not possible with mode = 'bwsw', whose target has narrow windows")
        spws = "narrow"
    size = replace(RAW_PRESETS[name], wvr=wvr, mode=mode)
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
    band : int
        ALMA's receiver band.
    setup : str
        ``signal`` or ``reference`` of switched blocks: windows of the target, or of the phase calibrator.
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
    band: int = 6
    setup: Setup = ""

    @property
    def chain(self) -> tuple[int, int]:
        """Band and baseband: what windows with the same receivers and filters have in common."""
        return self.band, self.baseband

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
    Last one window for each antenna's radiometer. Band to band has two bands' detectors and TDM windows.
    """
    out = [_wvr(0, "WVR#NOMINAL", "wvr")]
    for band, _ in size.tunings:
        for baseband in (1, 2, 3, 4):
            out.append(_window(len(out), f"BB_{baseband}#SQLD", "sqld", (band, baseband), 1, TDM_HZ))
    first_band = size.tunings[0][0]
    everywhere = (1, 2, 3, 4)
    kinds: list[tuple[Kind, str, int, tuple[float, ...], tuple[int, ...], int, Setup]] = [
        ("pointing", "X1040312701", TDM_CHANNELS, (TDM_HZ,) * 4, everywhere, first_band, "")
    ]
    for (band, setup), number in zip(size.tunings, ("X1040312740", "X1040312761"), strict=False):
        kinds.append(("tdm", number, TDM_CHANNELS, (TDM_HZ,) * 4, everywhere, band, setup))
    band, setup = size.tunings[-1]
    fine: Setup = "signal" if size.mode != "standard" else setup
    kinds.append(("fdm", "X1040312783", size.fdm_channels, size.fdm_hz, size.fdm_basebands, band, fine))
    for kind, number, nchan, widths, basebands, band, setup in kinds:
        for baseband in basebands:
            width, first = widths[baseband - 1], len(out)
            averaged = min(_AVERAGED_HZ, _AVERAGED_HZ / FDM_HZ * width)
            stem, chain = f"{number}#ALMA_RB_{band:02d}#BB_{baseband}#SW-01", (band, baseband)
            out.append(_window(first, f"{stem}#FULL_RES", kind, chain, nchan, width, setup=setup))
            narrow = width == NARROW_HZ
            out.append(
                _window(first + 1, f"{stem}#CH_AVG", "average", chain, 1, averaged, first, setup=setup, narrow=narrow)
            )
    out += [_wvr(len(out) + i, f"WVR#Antenna_{i}", "wvr_antenna") for i in range(size.nant if size.wvr else 0)]
    return tuple(out)


def _window(
    number: int,
    name: str,
    kind: Kind,
    chain: tuple[int, int],
    nchan: int,
    width_hz: float,
    of: int = -1,
    *,
    setup: Setup = "",
    narrow: bool = False,
) -> RawWindow:
    band, baseband = chain
    offset, side = _CENTRES[baseband - 1]
    centre = BANDS_LO_HZ[band] + offset
    if narrow or width_hz == NARROW_HZ:
        centre += _NARROW_OFFSETS_HZ[baseband - 1]
    step = width_hz / nchan
    if nchan == 1:
        side = abs(side)
    freq = centre + side * step * (np.arange(nchan, dtype=np.float64) - (nchan - 1) / 2)
    return RawWindow(
        number, name, kind, freq, np.full(nchan, side * step), np.full(nchan, step), 2 if offset > 0 else 1, baseband,
        of, band, setup,
    )  # fmt: skip


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
    setup : str
        Of switched blocks; empty where all windows of its purpose record.
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
    setup: Setup = ""

    @property
    def wvr_time_mjd_s(self) -> NDArray[np.float64]:
        """Mid-points of the radiometers' samples."""
        count = max(1, int((self.end_mjd_s - self.start_mjd_s) / WVR_SAMPLE_S)) if self.wvr else 0
        return np.round(self.start_mjd_s + (np.arange(count) + 0.5) * WVR_SAMPLE_S, 6)


def windows_of(subscan: RawSubscan, windows: tuple[RawWindow, ...]) -> list[RawWindow]:
    """Return the correlated windows with full resolution that a subscan records."""
    if subscan.purpose == "pointing":
        return [w for w in windows if w.kind == "pointing"]
    if subscan.purpose in ("sideband", "atmosphere"):
        return [w for w in windows if w.kind == "tdm" and subscan.setup in ("", w.setup)]
    return [w for w in science_windows(windows) if subscan.setup in ("", w.setup)]


def science_windows(windows: tuple[RawWindow, ...]) -> list[RawWindow]:
    """Return the science windows: FDM where a baseband has it, TDM elsewhere; of switched blocks both setups'."""
    fdm = {w.chain for w in windows if w.kind == "fdm"}
    return [
        w for w in windows
        if w.kind == "fdm" or (w.kind == "tdm" and (w.chain not in fdm or w.setup == "reference"))
    ]  # fmt: skip
