"""concat: join MeasurementSets into one."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence

from atacal.errors import ArgumentError

_log = logging.getLogger("atacal")


def concat(
    vis: str | Sequence[str] = (),
    concatvis: str = "",
    freqtol: str | float = "",
    dirtol: str | float = "",
    respectname: bool = False,
    timesort: bool = False,
    copypointing: bool = True,
    visweightscale: Sequence[float] = (),
    forcesingleephemfield: str | int | Sequence[str | int] = "",
) -> None:
    """Join MeasurementSets into one.

    They are joined in the order of their first times. Windows, fields, antennas, states, sources and observations that
    two of them have in common become one; the others get new ids, and the scans of another observation new numbers, so
    that no two are the same. If ``concatvis`` exists, the others are appended to it. The output appears under its name
    when it is complete; until then what was there before stays.

    Parameters
    ----------
    vis : str or list of str
        The MeasurementSets.
    concatvis : str
        The MeasurementSet to make. One that exists gets the rows of the others behind its own; if it is named in
        ``vis`` as well, it has to be the earliest.
    freqtol : str
        How much frequencies of one window may differ: '10MHz'; by default 1 Hz.
    dirtol : str
        How much directions of one field may differ: '1arcsec'; by default 1 mas.
    respectname : bool
        Fields of different names stay apart, whatever their directions.
    timesort : bool
        Sort the rows by time.
    copypointing : bool
        Keep POINTING; otherwise it has no rows in the output.
    visweightscale : list of float
        Factors for the weights of each of ``vis``.
    forcesingleephemfield : str, int or list
        Fields (names or ids) that follow ephemerides and become one field, their ephemerides joined. By default a
        field's ephemeris has to cover the times of all data, otherwise it becomes two fields.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, MissingColumn, WriteError
    """
    from atacal.ms._concat_ids import Tolerances
    from atacal.ms.concat import ConcatOptions, concat_ms
    from atacal.ms.history import task_messages

    given = {k: v for k, v in locals().items() if k in concat.__annotations__}
    names = [vis] if isinstance(vis, str) else list(vis)
    _check(names, concatvis, visweightscale)
    joined = [forcesingleephemfield] if isinstance(forcesingleephemfield, (str, int)) else list(forcesingleephemfield)
    scales = [float(f) for f in visweightscale] or [1.0] * len(names)
    names, scales = _in_order(names, scales, concatvis)
    tolerances = Tolerances(
        _quantity("freqtol", freqtol, 1.0, {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}),
        _quantity("dirtol", dirtol, math.radians(1e-3 / 3600), {
            "mas": math.radians(1e-3 / 3600), "marcsec": math.radians(1e-3 / 3600), "arcsec": math.radians(1 / 3600),
            "arcmin": math.radians(1 / 60), "deg": math.radians(1), "rad": 1.0,
        }),
        respectname,
    )  # fmt: skip
    options = ConcatOptions(tolerances, timesort, copypointing, tuple(f for f in joined if f != ""))
    concat_ms(names, concatvis, options, weight_scales=scales, history=task_messages("concat", given))


def _check(names: list[str], concatvis: str, visweightscale: Sequence[float]) -> None:
    if not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise ArgumentError(f"concat: vis={names!r}; give the names of the MeasurementSets to join")
    if not concatvis.strip():
        raise ArgumentError("concat: concatvis is empty; give the name of the MeasurementSet to make")
    if len(visweightscale) not in (0, len(names)):
        raise ArgumentError(
            f"concat: visweightscale has {len(visweightscale)} numbers for {len(names)} MeasurementSets"
        )
    if any(f < 0 for f in visweightscale):
        raise ArgumentError(f"concat: visweightscale={list(visweightscale)}; factors of weights are not negative")


def _in_order(names: list[str], scales: list[float], concatvis: str) -> tuple[list[str], list[float]]:
    """Sort MeasurementSets by their first times, with the output, where it exists, in front."""
    from atacal.ms.rows import read_row_runs

    first = {n: float(read_row_runs(n).time.min(initial=math.inf)) for n in names}
    order = sorted(range(len(names)), key=lambda i: first[names[i]])
    ordered, factors = [names[i] for i in order], [scales[i] for i in order]
    if not os.path.lexists(concatvis):
        return ordered, factors
    there = [i for i, n in enumerate(ordered) if os.path.samefile(n, concatvis)]
    if there and there[0] != 0:
        raise ArgumentError(
            f"concat: {concatvis} exists and is one of vis, but {ordered[0]} is earlier; what is appended to has to be "
            f"the earliest: set concatvis to {ordered[0]}, or give the name of a new MeasurementSet"
        )
    _log.warning("concat: %s exists: the others are appended to it", concatvis)
    return (ordered, factors) if there else ([concatvis, *ordered], [1.0, *factors])


def _quantity(name: str, value: str | float, default: float, units: dict[str, float]) -> float:
    """Read a number with a unit; a bare number has the first of the units."""
    text = str(value).strip()
    if not text:
        return default
    unit = next((u for u in sorted(units, key=len, reverse=True) if text.endswith(u)), "")
    try:
        number = float(text.removesuffix(unit)) * (units[unit] if unit else next(iter(units.values())))
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise ArgumentError(f"{name}={value!r}; write a number and a unit: {', '.join(units)}")
    return number
