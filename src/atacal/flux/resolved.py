"""Flux calibrators that the interferometer resolves: which baselines and antennas see enough of them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, EmptySelection, ModelError
from atacal.flux.ephemeris import body_of
from atacal.flux.solar_system import STANDARD, planet
from atacal.ms.disc import C_M_S, FIRST_NULL, jinc
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream

LOWEST = 0.15
"""ALMA's rule: no baselines on which less than this fraction of the flux density is seen."""


@dataclass(frozen=True)
class Lobe:
    """What to calibrate a resolved body with.

    Attributes
    ----------
    limit_m : float
        The longest projected baseline on which the body is seen well enough, in every spw.
    antennas : tuple of int
        Antennas all of whose baselines to each other are shorter.
    antenna : str
        The same as a selection of gaincal's: 'DA41,DV02&'.
    uvrange : str
        The limit as a selection: '0~123.4m'.
    """

    limit_m: float
    antennas: tuple[int, ...]
    antenna: str
    uvrange: str


def first_lobe(
    vis: str | os.PathLike[str],
    field: str,
    refant: str,
    spw: str = "",
    lowest: float = LOWEST,
    standard: str = STANDARD,
) -> Lobe:
    """Say which baselines and antennas see a solar-system body well enough to calibrate with it.

    The limit is the projected baseline at which the visibility of the body's disc first falls below ``lowest`` of its
    flux density, in the spw where it does so first. The antennas are those whose longest projected baseline to the
    reference antenna is shorter than the limit; then, as long as two of them are too far apart, the one with the
    largest mean distance from the others is left out (never the reference antenna).

    Parameters
    ----------
    vis : path
    field : str
        One field, named after the body.
    refant : str
        Name of the reference antenna.
    spw : str
        Spectral windows; by default all.
    lowest : float
        Between 0 and 1.
    standard : str
        Whose disc.

    Raises
    ------
    ArgumentError, ModelError, SelectionError, EmptySelection
    """
    if not 0 < lowest < 1:
        raise ArgumentError(f"lowest={lowest!r}: give a fraction between 0 and 1")
    with MeasurementSet(vis) as ms:
        chosen, md = select(ms, Selection(field=field, spw=spw)), ms.metadata
        numbers = sorted(set(chosen.runs.field.tolist()))
        names = [a.name for a in md.antennas]
        if refant not in names:
            raise ArgumentError(f"refant={refant!r}: {os.fspath(vis)} has the antennas {', '.join(names)}")
        if len(numbers) != 1:
            raise ArgumentError(f"field={field!r} selects {len(numbers)} fields ({numbers}); choose one")
        name = md.fields[numbers[0]].name
        body = body_of(name)
        if body is None:
            raise ModelError(f"{os.fspath(vis)}: field {numbers[0]}, {name}, is no solar-system body")
        seen = planet(body, float(chosen.runs.time.min()) / 86400.0, as_casa=standard == STANDARD)
        freq = max(md.spws[s].centre_freq_hz for s in set(md.ddid_spw[chosen.runs.ddid].tolist()))
        limit = limit_m(seen.disc.major_rad, freq, lowest)
        longest = np.zeros((md.nant, md.nant))
        for block in stream(ms, chosen, ["UVW"], prefetch=False):
            length = np.hypot(block.data["UVW"][:, 0], block.data["UVW"][:, 1])
            np.maximum.at(longest, (block.antenna1, block.antenna2), length)
    antennas = close_antennas(np.maximum(longest, longest.T), names.index(refant), limit)
    if len(antennas) < 2:
        raise EmptySelection(
            f"{os.fspath(vis)}: {name} is resolved on all baselines to {refant}: none is shorter than {limit:.1f} m "
            f"({lowest:.0%} of its flux density at {freq / 1e9:.1f} GHz)"
        )
    return Lobe(limit, antennas, ",".join(names[a] for a in antennas) + "&", f"0~{limit:.1f}m")


def limit_m(width_rad: float, freq_hz: float, lowest: float = LOWEST) -> float:
    """Return the baseline [m] on which a disc's visibility first falls to a fraction of its flux density."""
    below, above = 0.0, FIRST_NULL
    for _ in range(60):
        x = (below + above) / 2
        below, above = (x, above) if jinc(np.array([x]))[0] > lowest else (below, x)
    return float(below * C_M_S / (np.pi * freq_hz * width_rad))


def close_antennas(length_m: NDArray[np.float64], refant: int, limit: float) -> tuple[int, ...]:
    """Return antennas, the reference among them, none of which are further than a limit from each other.

    Parameters
    ----------
    length_m : float64 (ant, ant)
        Symmetric; 0 for baselines without data, which an antenna needs to the reference antenna.
    refant : int
    limit : float
    """
    row = length_m[refant]
    kept = [a for a in range(len(row)) if a == refant or 0 < row[a] < limit]
    while len(kept) > 1:
        among = length_m[np.ix_(kept, kept)]
        if among.max() < limit:
            break
        mean = np.where(np.array(kept) == refant, -1.0, among.mean(axis=1))
        kept.pop(int(np.argmax(mean)))
    return tuple(kept)
