"""Faults of a raw block's signal: gains, bandpasses, scales of the digital power, baselines, phases, positions.

Each kind is a frozen dataclass that changes the signal chain where the fault sits. A *gain* weakens the signal and
leaves the noise; a *scale* is a wrong normalisation after the digitisers: signal and noise alike. Both are in
the truth's factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.fault import Fault
from atacal.simulate.fault_site import Site
from atacal.simulate.raw_layout import LO_HZ, RawWindow

if TYPE_CHECKING:
    from atacal.simulate.raw_air import RawAir

Receptors = tuple[int, ...]
_BOTH: Receptors = (0, 1)


@dataclass(frozen=True)
class RawFault:
    """One way in which a raw block is wrong; the hooks of a kind change what it spoils, in place.

    Attributes
    ----------
    antennas : tuple of int
        Two for a baseline, none for all antennas.
    receptors : tuple of int
    seed : int
        Of its own random numbers.
    """

    kind: ClassVar[str] = ""
    stage: ClassVar[str] = ""
    table: ClassVar[str] = "ms"
    count: ClassVar[int] = 1
    """How many antennas it hits; 0 for all."""
    alone: ClassVar[bool] = False
    """Whether no other such fault may be on its antenna."""
    avoids: ClassVar[frozenset[str]] = frozenset()
    """Kinds that would hide it on the same antenna."""

    antennas: tuple[int, ...]
    seed: int
    receptors: Receptors = _BOTH

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        """Choose where and when, on given antennas."""
        return cls(antennas, int(rng.integers(1 << 31)))

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def record(self, site: Site) -> Fault:
        """Tell what is wrong, and which data a perfect stage flags."""
        return self._record(site)

    def _record(self, site: Site, **more: Any) -> Fault:
        names = tuple(site.names[i] for i in self.antennas)
        first = self.antennas[0] if self.antennas else -1
        receptors = "" if self.receptors == _BOTH else "XY"[self.receptors[0]]
        scans = tuple(more.get("scans", ()))
        return Fault(
            self.kind, names[0] if names else "", first, **{
                "polarization": receptors, "antennas": names, "stage": self.stage, "table": self.table,
                "fields": site.fields(scans) if scans else (), "scan": scans[0] if len(scans) == 1 else -1, **more,
            },
        )  # fmt: skip

    def on_position(self, offset_m: NDArray[np.float64]) -> None:
        """Change true minus recorded positions (antenna, 3)."""

    def on_gain(self, gain: NDArray, w: RawWindow, site: Site) -> None:
        """Change gains (time, antenna, receptor)."""

    def on_bandpass(self, bandpass: NDArray, w: RawWindow) -> None:
        """Change bandpasses (antenna, chan, receptor)."""

    def on_scale(self, scale: NDArray[np.float32], site: Site) -> None:
        """Change the scale of signal and noise in all windows (time, antenna, receptor)."""

    def on_channel_scale(self, scale: NDArray[np.float32], w: RawWindow) -> None:
        """Change the scale of signal and noise in a window (antenna, chan, receptor)."""

    def on_baselines(
        self, vis: NDArray[np.complex64], w: RawWindow, scan: int, pairs: tuple[NDArray, NDArray], corrs: Sequence[str]
    ) -> None:
        """Change visibilities (time, baseline, chan, corr) of one window and scan."""

    def on_receiver(self, trx_k: NDArray[np.float32], w: RawWindow, air: RawAir) -> None:
        """Change receiver temperatures (antenna, chan, receptor)."""

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        """Change the measured system temperatures of one measurement (antenna, chan, receptor)."""

    def on_wvr(self, kelvin: NDArray[np.float32], time_mjd_s: NDArray[np.float64]) -> None:
        """Change what the radiometers record (sample, antenna, 4)."""


@dataclass(frozen=True)
class Amplitude(RawFault):
    """An amplitude that is wrong for a stretch of time."""

    factor: ClassVar[float] = 1.0
    roles: ClassVar[tuple[str, ...]] = ("bandpass",)
    noise_too: ClassVar[bool] = False
    alone: ClassVar[bool] = True

    scans: tuple[int, ...] = ()
    start_mjd_s: float = 0.0
    end_mjd_s: float = 0.0

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        scans = site.scans(*cls.roles)
        scan = scans[len(scans) // 2]
        start, end = cls._within(*site.span(scan))
        return cls(antennas, 0, scans=(scan,), start_mjd_s=start, end_mjd_s=end)

    @classmethod
    def _within(cls, start: float, end: float) -> tuple[float, float]:
        return start, end

    def record(self, site: Site) -> Fault:
        whole = (self.start_mjd_s, self.end_mjd_s) == site.span(self.scans[0])
        start, end = (None, None) if whole else (self.start_mjd_s, self.end_mjd_s)
        return self._record(
            site, factor=self.factor, scans=self.scans, start_mjd_s=self.start_mjd_s, end_mjd_s=self.end_mjd_s,
            selections=(site.select(self.antennas, scans=self.scans, start=start, end=end),),
        )  # fmt: skip

    def on_gain(self, gain: NDArray, w: RawWindow, site: Site) -> None:
        if not self.noise_too:
            gain[site.when(self.scans, self.start_mjd_s, self.end_mjd_s), self.antennas[0]] *= self.factor

    def on_scale(self, scale: NDArray[np.float32], site: Site) -> None:
        if self.noise_too:
            scale[site.when(self.scans, self.start_mjd_s, self.end_mjd_s), self.antennas[0]] *= self.factor


@dataclass(frozen=True)
class LowScan(Amplitude):
    """An antenna that loses most of the signal in a bandpass scan (a synthesizer out of lock)."""

    kind, stage, factor = "low_scan", "lowgainflag", 0.3


@dataclass(frozen=True)
class HighScan(Amplitude):
    """An antenna whose power is normalised wrongly in a bandpass scan."""

    kind, stage, factor, noise_too = "high_scan", "lowgainflag", 2.0, True


@dataclass(frozen=True)
class BandpassDip(Amplitude):
    """An antenna that is low during the second half of a bandpass scan (a pointing that drifts off)."""

    kind, stage, factor = "bandpass_dip", "bandpassflag", 0.6

    @classmethod
    def _within(cls, start: float, end: float) -> tuple[float, float]:
        return (start + end) / 2, end


@dataclass(frozen=True)
class HighTarget(Amplitude):
    """An antenna whose power is normalised wrongly in a scan of the target."""

    kind, stage, factor, noise_too, roles = "high_target", "targetflag", 1.5, True, ("target",)


@dataclass(frozen=True)
class Spikes(RawFault):
    """Single integrations in which an antenna's power is normalised wrongly."""

    roles: ClassVar[tuple[str, ...]] = ("bandpass",)
    factor: ClassVar[float] = 4.0
    avoids: ClassVar[frozenset[str]] = frozenset(
        {"low_gain", "low_scan", "high_scan", "bandpass_dip", "high_target", "unstable_gain", "dead_polarization"}
    )

    integrations: tuple[int, ...] = ()

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        scans = [s for role in cls.roles for s in _scans_or_none(site, role)]
        hit = np.flatnonzero(site.when(scans or site.scans(*cls.roles)))
        chosen = rng.choice(hit, min(3, max(1, len(hit) // 4)), replace=False)
        return cls(antennas, 0, integrations=tuple(sorted(int(i) for i in chosen)))

    def record(self, site: Site) -> Fault:
        time, half = (
            site.time_mjd_s,
            np.concatenate([np.full(len(s.time_mjd_s), s.integration_s) for s in site.subscans]),
        )
        scan = np.concatenate([np.full(len(s.time_mjd_s), s.scan) for s in site.subscans])
        spans = [(float(time[i] - 0.4 * half[i]), float(time[i] + 0.4 * half[i])) for i in self.integrations]
        return self._record(
            site, factor=self.factor, scans=tuple(sorted({int(scan[i]) for i in self.integrations})),
            start_mjd_s=spans[0][0], end_mjd_s=spans[-1][1],
            selections=tuple(site.select(self.antennas, start=a, end=b) for a, b in spans),
        )  # fmt: skip

    def on_scale(self, scale: NDArray[np.float32], site: Site) -> None:
        scale[list(self.integrations), self.antennas[0]] *= self.factor


def _scans_or_none(site: Site, role: str) -> list[int]:
    return sorted({s.scan for s in site.subscans if s.purpose == "science" and s.role == role})


@dataclass(frozen=True)
class BandpassSpikes(Spikes):
    """Spikes of an antenna on the bandpass calibrator."""

    kind, stage = "bandpass_spikes", "bandpassflag"


@dataclass(frozen=True)
class CalibratorSpikes(Spikes):
    """Spikes of an antenna on the flux and phase calibrators."""

    kind, stage, roles = "calibrator_spikes", "gfluxscaleflag", ("flux", "phase")


@dataclass(frozen=True)
class TargetSpikes(Spikes):
    """Spikes of an antenna on the target."""

    kind, stage, roles = "target_spikes", "targetflag", ("target",)


@dataclass(frozen=True)
class UnstableGain(RawFault):
    """An antenna whose amplitude jumps from integration to integration, by 20 % (a pump that oscillates)."""

    kind, stage, alone = "unstable_gain", "gainflag", True
    rms: ClassVar[float] = 0.2

    def record(self, site: Site) -> Fault:
        return self._record(site, factor=self.rms, selections=(site.select(self.antennas),))

    def on_gain(self, gain: NDArray, w: RawWindow, site: Site) -> None:
        jumps = np.exp(self.rms * self.rng().standard_normal(len(gain)))
        gain[:, self.antennas[0]] *= jumps[:, None].astype(np.float32)


@dataclass(frozen=True)
class PhaseNoise(RawFault):
    """An antenna with a noisy phase reference: 40 degrees rms between integrations, 30 within one.

    Nothing has to be flagged: phases of each integration take most of it out of calibrators. The target decorrelates.
    """

    kind, stage, alone = "phase_noise", "spwphaseup", True
    rms_deg: ClassVar[float] = 40.0
    fast_deg: ClassVar[float] = 30.0

    def record(self, site: Site) -> Fault:
        return self._record(site, phase_deg=self.rms_deg)

    def on_gain(self, gain: NDArray, w: RawWindow, site: Site) -> None:
        turns = np.radians(self.rms_deg) * self.rng().standard_normal(len(gain)) * (w.centre_freq_hz / LO_HZ)
        loss = np.exp(-(np.radians(self.fast_deg) ** 2) / 2)
        gain[:, self.antennas[0]] *= (loss * np.exp(1j * turns))[:, None]


@dataclass(frozen=True)
class PositionError(RawFault):
    """An antenna that is 3 mm from where it is said to be; the corrections of positions know it."""

    kind, stage = "position_error", "antpos"
    size_m: ClassVar[float] = 3e-3

    def on_position(self, offset_m: NDArray[np.float64]) -> None:
        direction = self.rng().standard_normal(3)
        offset_m[self.antennas[0]] += np.round(self.size_m * direction / np.linalg.norm(direction), 7)


@dataclass(frozen=True)
class InWindow(RawFault):
    """Something in some channels of one window and receptor, as long as the block."""

    spw: int = -1
    first: int = 0
    last: int = 0

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        w = site.widest[int(rng.integers(len(site.widest)))]
        first, last = cls._channels(w.nchan, rng)
        p = int(rng.integers(2))
        p = p if site.correlations([p]) != "" or len(site.corrs) > 1 else ["XX", "YY"].index(site.corrs[0])
        return cls(antennas, int(rng.integers(1 << 31)), (p,), w.id, first, last)

    @classmethod
    def _channels(cls, nchan: int, rng: np.random.Generator) -> tuple[int, int]:
        one = int(rng.integers(nchan // 8, nchan - nchan // 8))
        return one, one

    def record(self, site: Site) -> Fault:
        channels = f"{self.spw}:{self.first}~{self.last}"
        pair = len(self.antennas) == 2
        must = site.select(self.antennas, baseline=pair, spws=[channels], receptors=self.receptors)
        other = site.select(self.antennas, baseline=pair, spws=[channels])
        return self._record(
            site, spws=(self.spw,), channels=((self.first, self.last),), selections=(must,), tolerated=(other,)
        )


@dataclass(frozen=True)
class BadQuadrant(InWindow):
    """A quarter of a baseband that has lost most of an antenna's signal (a correlator quadrant's filters)."""

    kind, stage, alone = "bad_quadrant", "rawflagchans", True
    factor: ClassVar[float] = 0.25

    @classmethod
    def _channels(cls, nchan: int, rng: np.random.Generator) -> tuple[int, int]:
        quarter, n = int(rng.integers(4)), nchan // 4
        return quarter * n, (quarter + 1) * n - 1

    def on_bandpass(self, bandpass: NDArray, w: RawWindow) -> None:
        if w.id == self.spw:
            bandpass[self.antennas[0], self.first : self.last + 1, self.receptors[0]] *= self.factor


@dataclass(frozen=True)
class HotChannel(InWindow):
    """A channel of an antenna whose power is normalised wrongly: signal and noise three times too large."""

    kind, stage, alone = "hot_channel", "rawflagchans", True
    factor: ClassVar[float] = 3.0

    def on_channel_scale(self, scale: NDArray[np.float32], w: RawWindow) -> None:
        if w.id == self.spw:
            scale[self.antennas[0], self.first, self.receptors[0]] *= self.factor


@dataclass(frozen=True)
class HotBaseline(InWindow):
    """A tone that two antennas have in common: one channel of their baseline has a constant beside the sky."""

    kind, stage, count = "hot_baseline", "rawflagchans", 2
    avoids = frozenset({"dead_polarization", "low_gain", "low_scan", "high_scan", "hot_channel", "bad_quadrant"})
    level: ClassVar[float] = 4e-3
    """A correlation coefficient."""

    def on_baselines(
        self, vis: NDArray[np.complex64], w: RawWindow, scan: int, pairs: tuple[NDArray, NDArray], corrs: Sequence[str]
    ) -> None:
        name = ("XX", "YY")[self.receptors[0]]
        if w.id != self.spw or name not in corrs:
            return
        hit = np.flatnonzero((pairs[0] == min(self.antennas)) & (pairs[1] == max(self.antennas)))
        turn = np.exp(2j * np.pi * self.rng().random())
        vis[:, hit, self.first, corrs.index(name)] += np.complex64(self.level * turn)


@dataclass(frozen=True)
class BadBaseline(RawFault):
    """A baseline whose products the correlator scales wrongly, on the flux calibrator (else the phase calibrator)."""

    kind, stage, count = "bad_baseline", "gfluxscaleflag", 2
    avoids = HotBaseline.avoids | {"unstable_gain"}
    factor: ClassVar[float] = 1.6

    scan: int = -1

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        return cls(antennas, 0, scan=site.scans("flux", "phase")[0])

    def record(self, site: Site) -> Fault:
        return self._record(
            site, factor=self.factor, scans=(self.scan,),
            selections=(site.select(self.antennas, baseline=True, scans=[self.scan]),),
        )  # fmt: skip

    def on_baselines(
        self, vis: NDArray[np.complex64], w: RawWindow, scan: int, pairs: tuple[NDArray, NDArray], corrs: Sequence[str]
    ) -> None:
        if scan == self.scan:
            hit = np.flatnonzero((pairs[0] == min(self.antennas)) & (pairs[1] == max(self.antennas)))
            vis[:, hit] *= np.float32(self.factor)
