"""Faults of system temperatures and of radiometers: what is measured beside the signal misleads its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.atmosphere import FORWARD, GROUND_K
from atacal.simulate.fault import Fault
from atacal.simulate.fault_kinds import RawFault
from atacal.simulate.fault_site import Selection, Site
from atacal.simulate.raw_layout import RawWindow
from atacal.simulate.sky import C_M_S

if TYPE_CHECKING:
    from atacal.simulate.raw_air import RawAir


@dataclass(frozen=True)
class TsysFault(RawFault):
    """A system temperature that is wrong: selections are of the Tsys table."""

    table, stage = "tsys", "tsysflag"

    spws: tuple[int, ...] = ()
    scans: tuple[int, ...] = ()
    channels: tuple[tuple[int, int], ...] = ()

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        w = site.tsys[int(rng.integers(len(site.tsys)))]
        return cls(antennas, int(rng.integers(1 << 31)), (int(rng.integers(2)),), (w.id,))

    def record(self, site: Site) -> Fault:
        spws: list[str] = [str(s) for s in self.spws]
        if self.channels:
            ranges = ";".join(f"{a}~{b}" for a, b in self.channels)
            spws = [f"{s}:{ranges}" for s in spws]
        must, both = self._select(site, spws, self.receptors), self._select(site, spws)
        return self._record(
            site, spws=self.spws, channels=self.channels, scans=self.scans, selections=must,
            tolerated=both + self._beside(site), entails=() if self.channels else self._entails(site),
        )  # fmt: skip

    def _select(self, site: Site, spws: list[str], receptors: tuple[int, ...] = (0, 1)) -> tuple[Selection, ...]:
        """Select by time where only some measurements are wrong: tables of Tsys know of no scans.

        Their correlations are called after the elements of a solution.
        """
        found = [site.select(self.antennas, spws=spws)]
        if self.scans:
            spans = [site.span(scan) for scan in self.scans]
            found = [site.select(self.antennas, spws=spws, start=a - 1.0, end=b) for a, b in spans]
        one = {"correlation": f"Sol{receptors[0] + 1}"} if len(receptors) == 1 else {}
        return tuple(s | one for s in found)

    def _beside(self, site: Site) -> tuple[Selection, ...]:
        """Channels next to those that are wrong."""
        n = {w.id: w.nchan for w in site.tsys}
        near = [f"{s}:{max(a - 2, 0)}~{min(b + 2, n[s] - 1)}" for s in self.spws for a, b in self.channels]
        return self._select(site, near) if near else ()

    def _entails(self, site: Site) -> tuple[Selection, ...]:
        """Data without a Tsys are flagged when it is applied (flagged channels are bridged)."""
        chains = {w.chain for w in site.tsys if w.id in self.spws}
        spws = [w.id for w in site.science if w.chain in chains]
        return () if self.scans else (site.select(self.antennas, spws=spws),)

    def _scans_ok(self, scan: int) -> bool:
        return not self.scans or scan in self.scans


@dataclass(frozen=True)
class TsysHigh(TsysFault):
    """A receiver three times as noisy as it should be, in one polarisation: a warm mixer. Its data are noisier."""

    kind, alone = "tsys_high", True
    factor: ClassVar[float] = 3.0

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        return cls(antennas, 0, (int(rng.integers(2)),), tuple(w.id for w in site.tsys))

    def on_receiver(self, trx_k: NDArray[np.float32], w: RawWindow, air: RawAir) -> None:
        added = FORWARD * float(np.median(air.sky_k[w.id])) + (1 - FORWARD) * GROUND_K
        part = trx_k[self.antennas[0], :, self.receptors[0]]
        part += (self.factor - 1) * (part + np.float32(added))


@dataclass(frozen=True)
class TsysRipple(TsysFault):
    """A measured Tsys with a standing wave between receiver and load, that the sky does not have."""

    kind = "tsys_ripple"
    height: ClassVar[float] = 0.4
    period_channels: ClassVar[float] = 6.0

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        if w.id in self.spws:
            wave = np.sin(2 * np.pi * (np.arange(w.nchan) / self.period_channels + self.rng().random()))
            tsys_k[self.antennas[0], :, self.receptors[0]] *= 1 + self.height * wave


@dataclass(frozen=True)
class TsysShape(TsysFault):
    """A measured Tsys that slopes in the measurements towards the target only."""

    kind = "tsys_shape"
    slope: ClassVar[float] = 0.6

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        w = site.tsys_of_target[int(rng.integers(len(site.tsys_of_target)))]
        scans = tuple(site.scans("target", purpose="atmosphere"))
        return cls(antennas, 0, (int(rng.integers(2)),), (w.id,), scans)

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        if w.id in self.spws and self._scans_ok(site.subscans[subscan].scan):
            tsys_k[self.antennas[0], :, self.receptors[0]] *= 1 + self.slope * np.linspace(-1, 1, w.nchan)


@dataclass(frozen=True)
class TsysBirdie(TsysFault):
    """A spike of two channels in a measured Tsys: interference from the calibration device."""

    kind = "tsys_birdie"
    height: ClassVar[float] = 0.8

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        w = site.tsys[int(rng.integers(len(site.tsys)))]
        first = int(rng.integers(w.nchan // 4, 3 * w.nchan // 4))
        return cls(antennas, 0, (int(rng.integers(2)),), (w.id,), (), ((first, first + 1),))

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        if w.id in self.spws:
            ((first, last),) = self.channels
            tsys_k[self.antennas[0], first : last + 1, self.receptors[0]] *= 1 + self.height


@dataclass(frozen=True)
class TsysEdges(TsysFault):
    """Edges of a baseband where the filters let no load through: all antennas measure too much there."""

    kind, count = "tsys_edges", 0
    heights: ClassVar[tuple[float, ...]] = (6.0, 3.5, 2.0, 1.1, 0.5)

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        w, n = site.tsys[int(rng.integers(len(site.tsys)))], len(cls.heights)
        return cls((), int(rng.integers(1 << 31)), spws=(w.id,), channels=((0, n - 1), (w.nchan - n, w.nchan - 1)))

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        if w.id in self.spws:
            edge = np.array(self.heights)[None, :, None] * self.rng().uniform(0.8, 1.2, (len(tsys_k), 1, 2))
            tsys_k[:, : len(self.heights)] *= 1 + edge
            tsys_k[:, -len(self.heights) :] *= 1 + edge[:, ::-1]


@dataclass(frozen=True)
class TsysScan(TsysFault):
    """One measurement of an antenna with the load only partly in the beam: too high in every window."""

    kind = "tsys_scan"
    factor: ClassVar[float] = 2.8

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        scans = site.scans("target", purpose="atmosphere")
        return cls(antennas, 0, spws=tuple(w.id for w in site.tsys_of_target), scans=(scans[-1],))

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        if self._scans_ok(site.subscans[subscan].scan):
            tsys_k[self.antennas[0]] *= self.factor


@dataclass(frozen=True)
class TsysLine(TsysFault):
    """A line of a cloud at the place beside the target where the sky is measured: all antennas measure it."""

    kind, stage, count = "tsys_line", "tsysflagcontamination", 0
    peak_k: ClassVar[float] = 40.0
    fwhm_km_s: ClassVar[float] = 60.0
    offset_hz: ClassVar[float] = 0.4e9
    """From the centre of the first baseband."""

    @classmethod
    def place(cls, site: Site, antennas: tuple[int, ...], rng: np.random.Generator) -> Self:
        w, scans = site.tsys_of_target[0], tuple(site.scans("target", purpose="atmosphere"))
        seen = np.flatnonzero(cls._line(w) > 0.1)
        return cls((), 0, spws=(w.id,), scans=scans, channels=((int(seen[0]), int(seen[-1])),))

    @classmethod
    def _line(cls, w: RawWindow) -> NDArray[np.float64]:
        centre = w.centre_freq_hz + cls.offset_hz
        sigma = cls.fwhm_km_s * 1e3 / C_M_S * centre / 2.3548
        out: NDArray[np.float64] = np.exp(-0.5 * ((w.chan_freq_hz - centre) / sigma) ** 2)
        return out

    def on_tsys(self, tsys_k: NDArray, w: RawWindow, subscan: int, air: RawAir, site: Site) -> None:
        if w.id in self.spws and self._scans_ok(site.subscans[subscan].scan):
            # the cloud is behind the air: its loss and the scale of Tsys to above the air cancel
            tsys_k += (self.peak_k * self._line(w))[None, :, None]


@dataclass(frozen=True)
class NoisyWvr(RawFault):
    """A radiometer whose gain drifts (6 K rms within half a minute) and that is noisy (1 K a sample)."""

    kind, stage, table = "noisy_wvr", "wvrgcalflag", "wvr"
    avoids = frozenset({"dead_wvr"})
    drift_k: ClassVar[float] = 6.0
    noise_k: ClassVar[float] = 1.0
    time_s: ClassVar[float] = 15.0

    def record(self, site: Site) -> Fault:
        return self._record(site, factor=self.drift_k, selections=(site.select(self.antennas, spws=()),))

    def on_wvr(self, kelvin: NDArray[np.float32], time_mjd_s: NDArray[np.float64]) -> None:
        rng, n = self.rng(), len(time_mjd_s)
        keep = np.exp(-np.diff(time_mjd_s, prepend=time_mjd_s[0] - 1e4) / self.time_s)
        steps = self.drift_k * np.sqrt(1 - keep**2) * rng.standard_normal(n)
        drift = np.zeros(n)
        for k in range(n):
            drift[k] = (drift[k - 1] * keep[k] if k else 0.0) + steps[k]
        slopes = np.array([1.0, 0.7, 0.45, 0.3])  # as more water would have it, but for its curvature
        extra = drift[:, None] * slopes + self.noise_k * rng.standard_normal((n, 4))
        kelvin[:, self.antennas[0]] += extra.astype(np.float32)
