"""Which spw's phases serve which spw.

Narrow or weak spws take the phases of a wide or strong one; where all are weak they are solved together. A map is a
dict of spw -> the spw whose solutions it takes; `as_spwmap` spells it for gaincal and applycal.

Sources: ALMA's pipeline, hifa/heuristics/phasespwmap.py (Cycle 4 and PL2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atacal.errors import ArgumentError

NARROW_HZ, WIDE_FRACTION = 300e6, 0.8


@dataclass(frozen=True)
class Window:
    """A science spw.

    Attributes
    ----------
    spw : int
    bandwidth_hz, centre_hz : float
    baseband, band : int
        ALMA's baseband, and receiver band.
    tuning : str
        Spws of one tuning (ALMA's SpectralSpec) are observed together.
    """

    spw: int
    bandwidth_hz: float
    centre_hz: float
    baseband: int = 0
    band: int = 0
    tuning: str = ""


def as_spwmap(chosen: Mapping[int, int], nspw: int) -> list[int]:
    """Spell a map as gaincal and applycal take it: empty where nothing is mapped.

    Parameters
    ----------
    chosen : mapping of spw -> spw
    nspw : int
        Spws of the MeasurementSet; those that are not in the map are themselves.
    """
    out = [chosen.get(spw, spw) for spw in range(nspw)]
    return [] if out == list(range(nspw)) else out


def combined_map(windows: Sequence[Window], usable: Iterable[int] | None = None) -> dict[int, int]:
    """Map the spws of every tuning to the lowest of them that has data.

    A combined solve keeps its solutions under the lowest spw it reads. If that one is fully flagged, CASA loses the
    whole group (the pipeline's PIPE-128): solve with `solved_spws` of this map, which leaves such spws out.

    Parameters
    ----------
    windows : sequence of Window
    usable : iterable of int, optional
        Spws with unflagged data of the calibrator; by default all.

    Returns
    -------
    dict of spw -> spw

    Raises
    ------
    ArgumentError
        A tuning has no usable spw.
    """
    good = {w.spw for w in windows} if usable is None else set(usable)
    out = {}
    for tuning, members in tunings(windows).items():
        left = [w.spw for w in members if w.spw in good]
        if not left:
            spws = ", ".join(str(w.spw) for w in members)
            raise ArgumentError(
                f"all data of the calibrator are flagged in spws {spws} (tuning {tuning!r}): none is left to combine"
            )
        out.update({w.spw: min(left) for w in members})
    return out


def solved_spws(chosen: Mapping[int, int], usable: Iterable[int]) -> list[int]:
    """Return the spws that a combined solve reads: those with data."""
    good = set(usable)
    return sorted(spw for spw in chosen if spw in good)


def strong_map(windows: Sequence[Window], snrs: Mapping[int, float], limit: float) -> tuple[bool, dict[int, int]]:
    """Map spws below a signal to noise to the strongest of their tuning.

    Parameters
    ----------
    windows : sequence of Window
    snrs : mapping of spw -> float
        Missing or nan counts as 0.
    limit : float

    Returns
    -------
    bool
        Whether every tuning has an spw above the limit.
    dict of spw -> spw
    """
    value = {w.spw: _known(snrs.get(w.spw)) for w in windows}
    good, out = True, {}
    for members in tunings(windows).values():
        best = max(members, key=lambda w: (value[w.spw], -w.spw)).spw
        if value[best] <= limit:
            good = False
        for w in members:
            out[w.spw] = best if value[best] > limit >= value[w.spw] else w.spw
    return good, out


def wide_map(
    windows: Sequence[Window],
    *,
    narrow_hz: float = NARROW_HZ,
    wide_fraction: float = WIDE_FRACTION,
    same_baseband: bool = True,
) -> dict[int, int]:
    """Map narrow spws to wide ones.

    Parameters
    ----------
    windows : sequence of Window
    narrow_hz : float
        Up to this bandwidth an spw is narrow [Hz].
    wide_fraction : float
        An spw is wide from this fraction of the largest bandwidth of its receiver band.
    same_baseband : bool
        Prefer a wide spw of the same baseband; of those, and else of all, the one with the nearest centre.

    Returns
    -------
    dict of spw -> spw
        A narrow spw with no wide one stays itself.
    """
    largest: dict[int, float] = {}
    for w in windows:
        largest[w.band] = max(largest.get(w.band, 0.0), w.bandwidth_hz)
    out = {}
    for w in windows:
        least = wide_fraction * largest[w.band]
        wide = [o for o in windows if o.band == w.band and o.bandwidth_hz > w.bandwidth_hz and o.bandwidth_hz >= least]
        out[w.spw] = w.spw
        if w.bandwidth_hz <= narrow_hz and wide:
            out[w.spw] = min(wide, key=lambda o, w=w: _distance(w, o, same_baseband)).spw  # type: ignore[misc]
    return out


def _distance(window: Window, other: Window, same_baseband: bool) -> tuple[bool, float, int]:
    away = same_baseband and other.baseband != window.baseband
    return away, abs(other.centre_hz - window.centre_hz), other.spw


def tunings(windows: Sequence[Window]) -> dict[str, list[Window]]:
    """Sort spws by their tuning."""
    out: dict[str, list[Window]] = {}
    for w in windows:
        out.setdefault(w.tuning, []).append(w)
    return out


def _known(value: float | None) -> float:
    return 0.0 if value is None or not math.isfinite(value) else value
