"""What a fault has to know of the block it is placed in, and how it spells selections of its data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.simulate.raw_layout import RawSubscan, RawWindow, science_windows, windows_of
from atacal.simulate.timestamps import timestamp
from atacal.simulate.visibilities import CORR_RECEPTORS

Selection = dict[str, str]


@dataclass(frozen=True, eq=False)
class Site:
    """A raw block without its signal.

    Attributes
    ----------
    names : tuple of str
        Antennas.
    windows : tuple of RawWindow
    subscans : tuple of RawSubscan
    corrs : tuple of str
    """

    names: tuple[str, ...]
    windows: tuple[RawWindow, ...]
    subscans: tuple[RawSubscan, ...]
    corrs: tuple[str, ...]

    @property
    def science(self) -> list[RawWindow]:
        return science_windows(self.windows)

    @property
    def widest(self) -> list[RawWindow]:
        """The science windows with the largest bandwidth."""
        width = {w.id: w.nchan * abs(float(w.chan_width_hz[0])) for w in self.science}
        return [w for w in self.science if width[w.id] > 0.9 * max(width.values())]

    @property
    def tsys(self) -> list[RawWindow]:
        """The windows in which system temperatures are measured."""
        return [w for w in self.windows if w.kind == "tdm"]

    @property
    def tsys_of_target(self) -> list[RawWindow]:
        """Those in which they are measured towards the target."""
        there = next(s for s in self.subscans if s.purpose == "atmosphere" and s.role == "target")
        return windows_of(there, self.windows)

    @property
    def time_mjd_s(self) -> NDArray[np.float64]:
        """Integrations of the whole block."""
        return np.concatenate([s.time_mjd_s for s in self.subscans])

    def scans(self, *roles: str, purpose: str = "science") -> list[int]:
        """Return the scans of the first of some roles that the block has.

        Raises
        ------
        ArgumentError
            If it has none of them.
        """
        for role in roles:
            found = sorted({s.scan for s in self.subscans if s.purpose == purpose and s.role == role})
            if found:
                return found
        raise ArgumentError(f"a fault needs {purpose} scans of the role {' or '.join(roles)}; the block has none")

    def when(self, scans: Iterable[int], start: float = -np.inf, end: float = np.inf) -> NDArray[np.bool_]:
        """Tell which integrations of the block are in some scans and in a stretch of time, bool (time,)."""
        wanted, time = set(scans), self.time_mjd_s
        inside = np.concatenate([np.full(len(s.time_mjd_s), s.scan in wanted) for s in self.subscans])
        out: NDArray[np.bool_] = inside & (time >= start) & (time <= end)
        return out

    def span(self, scan: int) -> tuple[float, float]:
        """Return begin and end of a scan [MJD s]."""
        parts = [s for s in self.subscans if s.scan == scan]
        return parts[0].start_mjd_s, parts[-1].end_mjd_s

    def fields(self, scans: Iterable[int]) -> tuple[int, ...]:
        wanted = set(scans)
        return tuple(sorted({s.field for s in self.subscans if s.scan in wanted}))

    def correlations(self, receptors: Sequence[int]) -> str:
        """Name the recorded correlations that have one of the receptors; empty if they are all."""
        found = [c for c in self.corrs if set(CORR_RECEPTORS[c]) & set(receptors)]
        return "" if len(found) == len(self.corrs) else ",".join(found)

    def select(
        self,
        antennas: Sequence[int] = (),
        *,
        baseline: bool = False,
        spws: Iterable[int | str] | None = None,
        receptors: Sequence[int] = (0, 1),
        scans: Iterable[int] = (),
        start: float | None = None,
        end: float | None = None,
    ) -> Selection:
        """Spell a selection as arguments of flagdata.

        Parameters
        ----------
        antennas : sequence of int
            None for all.
        baseline : bool
            The baseline of two antennas in place of all those of each.
        spws : iterable of int or str, optional
            With channels, as in ``13:4~7``; the science windows by default.
        receptors, scans, start, end
            Of the data; all by default. Times in MJD s.
        """
        chosen = [str(s) for s in (spws if spws is not None else [w.id for w in self.science])]
        found = {
            "antenna": ("&" if baseline else ",").join(self.names[i] for i in antennas),
            "spw": ",".join(chosen),
            "correlation": self.correlations(receptors),
            "scan": ",".join(str(s) for s in scans),
            "timerange": f"{timestamp(start)}~{timestamp(end)}" if start is not None and end is not None else "",
        }
        return {k: v for k, v in found.items() if v}
