"""Temporary calibrations: solved to look at data with, and registered for nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.errors import NoSolutions
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.facts import Facts

_LONGEST_S = 60.0
"""Longer phases would leave too much of the air's changes in (phaseupmaxsolint)."""
_TDM_CELLS = 256


def by_channels(facts: Facts, spws: Sequence[int]) -> dict[int, list[int]]:
    """Group spws by their number of channels."""
    out: dict[int, list[int]] = {}
    for spw in spws:
        out.setdefault(facts.metadata.spws[spw].nchan, []).append(spw)
    return dict(sorted(out.items()))


def phases(
    block: Block, words: str, *, intents: Sequence[str], spws: Sequence[int], fields: Sequence[int] | None = None,
    solint: str = "int", minsnr: float = 3.0, extra: Sequence[Applied] = (), refant: str = "", minblperant: int = 4,
) -> list[Applied]:  # fmt: skip
    """Solve phases for both polarisations, and return what applies them to the data they were solved on.

    Parameters
    ----------
    block : Block
    words : str
        For the table's name.
    intents : sequence of str
    spws : sequence of int
    fields : sequence of int, optional
    solint, minsnr, minblperant
        As gaincal's.
    extra : sequence of Applied
        Temporary tables to apply first.
    refant : str
        Other reference antennas than the block's.

    Returns
    -------
    list of Applied
        Empty without data.
    """
    table = block.caltable(f"{words}.prelim.gpcal")
    units = block.solve(
        "gaincal", table, intents=intents, spws=spws, fields=fields, extra=extra, solint=solint, gaintype="G",
        calmode="p", minsnr=minsnr, minblperant=minblperant, refant=refant or block.refant,
    )  # fmt: skip
    if not units:
        return []
    chosen = ",".join(map(str, fields)) if fields is not None else ""
    return [
        Applied(
            "phase", table, interp="linear,linear", calwt=False, field=chosen, intent=",".join(intents),
            spw=",".join(map(str, spws)),
        )
    ]  # fmt: skip


def steady_phases(
    block: Block, words: str, *, intents: Sequence[str], spws: Sequence[int], wanted: float, least_solutions: int,
    minsnr: float, refant: str = "", minblperant: int = 4,
) -> tuple[list[Applied], str, float]:  # fmt: skip
    """Solve phases in the shortest intervals that reach a signal to noise, by what every integration has.

    Parameters
    ----------
    block, words, intents, spws, minsnr, refant, minblperant
        As of `phases`.
    wanted : float
        Signal to noise.
    least_solutions : int
        There are to be at least so many intervals.

    Returns
    -------
    list of Applied, str, float
        What applies them, their interval, and the median signal to noise of an integration in the weakest spw.
    """
    given = {"intents": intents, "spws": spws, "minsnr": minsnr, "refant": refant, "minblperant": minblperant}
    integration_s = block.facts.integration_s(*intents)
    exposure_s = sum(s.end_s - s.start_s for s in block.facts.science_scans(*intents))
    try:
        made = phases(block, words, **given)  # type: ignore[arg-type]
        snr = min(median_snr(read_caltable(block.path(made[0].gaintable))).values()) if made else math.nan
    except NoSolutions:
        made, snr = [], 0.0
    if snr >= wanted or math.isnan(snr):
        return made, "int", snr
    most = min(round(_LONGEST_S / integration_s), int(exposure_s / integration_s) // least_solutions)
    number = min(math.ceil((wanted / snr) ** 2) if snr > 0 else most, most)
    if number <= 1:
        return made, "int", snr
    solint = f"{number * integration_s:.3f}s"
    return phases(block, f"{words}.{number}int", solint=solint, **given), solint, snr  # type: ignore[arg-type]


def median_snr(table: CalTable) -> dict[int, float]:
    """Return the median signal to noise of each spw's solutions, flagged ones as 0, of antennas that have any."""
    out = {}
    for spw, one in table.solutions.items():
        some = ~one.flag.all(axis=(0, 2))  # (antenna, polarisation)
        snr = np.moveaxis(np.where(one.flag, 0.0, one.snr), 2, 1)[:, :, some]
        out[spw] = float(np.median(snr)) if snr.size else 0.0
    return out


def amplitudes(
    block: Block, words: str, *, intents: Sequence[str], spws: Sequence[int], solint: str = "inf",
    minsnr: float = 3.0, extra: Sequence[Applied] = (), fields: Sequence[int] | None = None, refant: str = "",
) -> list[Applied]:  # fmt: skip
    """Solve amplitudes of both polarisations together, scan by scan, applied to the nearest data.

    Parameters and what is returned are as of `phases`.
    """
    table = block.caltable(f"{words}.prelim.gacal")
    units = block.solve(
        "gaincal", table, intents=intents, spws=spws, fields=fields, extra=extra, solint=solint, gaintype="T",
        calmode="a", minsnr=minsnr, refant=refant or block.refant,
    )  # fmt: skip
    if not units:
        return []
    interp = "nearest,linear" if solint == "inf" else "linear,linear"
    chosen = ",".join(map(str, fields)) if fields is not None else ""
    return [
        Applied(
            "amp", table, interp=interp, field=chosen, intent=",".join(intents), spw=",".join(map(str, spws)),
        )
    ]  # fmt: skip


def bandpasses(
    block: Block, words: str, *, intents: Sequence[str], spws: Sequence[int], extra: Sequence[Applied],
    solint: str = "inf", minsnr: float = 3.0, combine: str = "scan", solnorm: bool = True, minblperant: int = 4,
    fillgaps: bool = True, refant: str = "",
) -> list[Applied]:  # fmt: skip
    """Solve bandpasses, one table for the spws of each number of channels, and return what applies them to everything.

    Parameters
    ----------
    block, words, intents, spws, extra
        As of `phases`.
    solint, minsnr, combine, solnorm, minblperant
        As bandpass's.
    fillgaps : bool
        Interpolate over gaps of up to a quarter of an spw.

    Returns
    -------
    list of Applied
    """
    out = []
    for nchan, group in by_channels(block.facts, spws).items():
        table = block.caltable(f"{words}.{nchan}ch.prelim.bcal")
        units = block.solve(
            "bandpass", table, intents=intents, spws=group, extra=extra, solint=solint, combine=combine,
            minsnr=minsnr, solnorm=solnorm, minblperant=minblperant, fillgaps=nchan // 4 if fillgaps else 0,
        )  # fmt: skip
        if units:
            out.append(Applied("bandpass", table, interp="linear,linear", spw=",".join(map(str, group))))
    return out


def averaged_channels(
    block: Block, made: Sequence[Applied], nchan: int, ncorr: int, *, how: str, wanted: float, least_solutions: int,
    most_channels: int, even: bool,
) -> int:  # fmt: skip
    """Return over how many channels a bandpass is to be averaged, by what single channels have.

    Parameters
    ----------
    block : Block
    made : sequence of Applied
        The bandpass of single channels.
    nchan, ncorr : int
        Of its spws.
    how : {'snr', 'smoothed', 'fixed'}
        To reach a signal to noise; to have ``most_channels`` solutions across FDM spws; not at all.
    wanted : float
    least_solutions, most_channels : int
    even : bool
        The number divides the spw.

    Returns
    -------
    int
        1 for single channels.
    """
    if how == "fixed":
        return 1
    if how == "smoothed":
        return max(1, nchan // most_channels) if most_channels and nchan * ncorr > _TDM_CELLS else 1
    snr = min(s for m in made for s in median_snr(read_caltable(block.path(m.gaintable))).values())
    most = max(1, nchan // least_solutions)
    needed = min(math.ceil((wanted / snr) ** 2), most) if snr > 0 else most
    return next((n for n in range(needed, most + 1) if nchan % n == 0), most) if even else needed
