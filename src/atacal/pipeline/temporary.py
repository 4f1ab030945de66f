"""Temporary calibrations: solved to look at data with, and registered for nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.facts import Facts


def by_channels(facts: Facts, spws: Sequence[int]) -> dict[int, list[int]]:
    """Group spws by their number of channels."""
    out: dict[int, list[int]] = {}
    for spw in spws:
        out.setdefault(facts.metadata.spws[spw].nchan, []).append(spw)
    return dict(sorted(out.items()))


def phases(
    block: Block, words: str, *, intents: Sequence[str], spws: Sequence[int], fields: Sequence[int] | None = None,
    solint: str = "int", minsnr: float = 3.0, extra: Sequence[Applied] = (), refant: str = "", combine: str = "",
    minblperant: int = 4, spwmap: Sequence[int] = (), solved: Sequence[int] | None = None,
) -> list[Applied]:  # fmt: skip
    """Solve phases for both polarisations, and return what applies them to the data they were solved on.

    Parameters
    ----------
    block : Block
    words : str
        For the table's name.
    intents : sequence of str
    spws : sequence of int
        What they are applied to, and
    solved : sequence of int, optional
        solved on, if that is less (with ``spwmap``).
    fields : sequence of int, optional
    solint, minsnr, combine, minblperant
        As gaincal's.
    extra : sequence of Applied
        Temporary tables to apply first.
    refant : str
        Other reference antennas than the block's.
    spwmap : sequence of int

    Returns
    -------
    list of Applied
        Empty without data.
    """
    table = block.caltable(f"{words}.prelim.gpcal")
    units = block.solve(
        "gaincal", table, intents=intents, spws=spws if solved is None else solved, fields=fields, extra=extra,
        solint=solint, gaintype="G", calmode="p", minsnr=minsnr, combine=combine, minblperant=minblperant,
        refant=refant or block.refant,
    )  # fmt: skip
    if not units:
        return []
    chosen = ",".join(map(str, fields)) if fields is not None else ""
    interp = "linearPD,linear" if "spw" in combine else "linear,linear"
    return [
        Applied(
            "phase", table, interp=interp, spwmap=tuple(spwmap), calwt=False, field=chosen, intent=",".join(intents),
            spw=",".join(map(str, spws)),
        )
    ]  # fmt: skip


def amplitudes(
    block: Block, words: str, *, intents: Sequence[str], spws: Sequence[int], solint: str = "inf",
    minsnr: float = 3.0, extra: Sequence[Applied] = (), fields: Sequence[int] | None = None,
) -> list[Applied]:  # fmt: skip
    """Solve amplitudes of both polarisations together, scan by scan, applied to the nearest data.

    Parameters and what is returned are as of `phases`.
    """
    table = block.caltable(f"{words}.prelim.gacal")
    units = block.solve(
        "gaincal", table, intents=intents, spws=spws, fields=fields, extra=extra, solint=solint, gaintype="T",
        calmode="a", minsnr=minsnr,
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
    fillgaps: bool = True,
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
