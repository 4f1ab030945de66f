"""The task wvrgcal."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, NoSuchTable, TableExists

log = logging.getLogger("atacal")

METHODS = ("atacal", "libair")


def wvrgcal(
    vis: str,
    caltable: str,
    toffset: float = 0.0,
    segsource: bool = True,
    sourceflag: str | Sequence[str] = (),
    tie: str | Sequence[str] = (),
    nsol: int = 1,
    disperse: bool = False,
    wvrflag: str | int | Sequence[str | int] = (),
    statfield: str = "",
    statsource: str = "",
    smooth: str = "",
    scale: float = 1.0,
    spw: int | Sequence[int] = (),
    wvrspw: int | Sequence[int] = (),
    reversespw: str = "",
    cont: bool = False,
    maxdistm: float = 500.0,
    minnumants: int = 2,
    mingoodfrac: float = 0.8,
    usefieldtab: bool = False,
    refant: str | int | Sequence[str | int] = (),
    offsetstable: str = "",
    rseed: int = 0,
    method: str = "atacal",
) -> dict[str, Any]:
    """Derive a phase correction table from the water vapour radiometers.

    Parameters
    ----------
    vis : str
        MeasurementSet with radiometer data (an spw of four channels around 183.31 GHz).
    caltable : str
        Table to be written (T Jones), for applycal and the other tasks that apply tables.
    toffset : float
        Added to the radiometers' time stamps [s]; -1 for ALMA data of before January 2013.
    segsource : bool
        Retrieve the phase correction coefficients dT/dL anew for each source.
    sourceflag : list of str
        Sources whose radiometer data are bad: they get no solutions.
    tie : list of str
        Groups of sources that share coefficients, as ``target,phasecal``; needs segsource.
    nsol : int
        Number of sets of coefficients, spread evenly over the observation, without segsource.
    disperse : bool
        Correct for the dispersion of the wet path; the environment variable WVRGCAL_DISPDIR may name a folder with
        another table libair-ddefault.csv.
    wvrflag : list of str
        Antennas whose radiometers are bad: they take what their neighbours measure.
    statfield : str
        Field that the statistics are computed on; empty for all.
    statsource : str
        Source that the statistics are computed on; empty for all.
    smooth : str
        Time over which the solutions are averaged, as ``6s``; empty for as they are.
    scale : float
        Factor on the phases.
    spw : list of int
        Spws that get solutions; empty for all.
    wvrspw : list of int
        Spws to take radiometer data from; empty for all that hold such data.
    reversespw : str
        Spws whose phases have the other sign (ALMA data of before Cycle 0), as ``0~2,4``.
    cont : bool
        Fit the opacity of a cloud as well; not together with segsource.
    maxdistm : float
        Distance up to which another antenna is a neighbour [m].
    minnumants : int
        Fewer neighbours (1 to 3) cannot stand in for an antenna: it gets no solutions.
    mingoodfrac : float
        An antenna of whose samples a smaller fraction is good is flagged.
    usefieldtab : bool
        Take elevations from the positions of the fields, not from POINTING.
    refant : str
        Antenna whose measurements give the coefficients, or several, the best first; empty for the first that can be
        used.
    offsetstable : str
        Table of temperature offsets (TIME, ANTENNA, OFFSETS) that are subtracted from the measurements.
    rseed : int
        Not used: nothing is random here.
    method : str
        ``libair`` for the table as CASA makes it: neighbours weigh the more the farther they are, light travels at
        300000 km/s, and INTERVAL is the time between the first two samples.

    Returns
    -------
    dict
        CASA's: Name, WVR, Flag, Frac_unflagged, RMS_um (path towards the zenith), Disc_um (paths by the second and the
        fourth channel alone), rval, success; and ``retrieved``, a dict for each set of coefficients.

    Raises
    ------
    ArgumentError, NoSuchTable, TableExists, InvalidTable, MissingColumn, NoWvrData, WriteError

    Examples
    --------
    >>> wvrgcal("X.ms", "X.wvr", spw=[17, 19], tie=["target,phasecal"], smooth="6.048s")  # doctest: +SKIP
    """
    from atacal.caltables.disk import write_caltable
    from atacal.wvr.derive import Options, derive
    from atacal.wvr.gains import PhaseOptions
    from atacal.wvr.report import antenna_lines, casa_dict, retrieved_lines

    _check(vis, caltable, scale, maxdistm, minnumants, mingoodfrac, rseed, method)
    _check_segments(segsource, cont, nsol, _words(tie), _words(sourceflag))
    options = Options(
        time_offset_s=toffset,
        by_source=segsource,
        flagged_sources=_words(sourceflag),
        tied=_words(tie),
        count=nsol,
        flagged_antennas=_words(wvrflag),
        stat_field=statfield,
        stat_source=statsource,
        smooth_s=_seconds(smooth),
        spws=_numbers(spw, "spw"),
        wvr_spws=_numbers(wvrspw, "wvrspw"),
        cloud=cont,
        max_distance_m=maxdistm,
        min_neighbours=minnumants,
        min_good_fraction=mingoodfrac,
        use_field=usefieldtab,
        refants=[name for word in _words(refant) for name in word.split(",")],
        offsets=offsetstable,
        phases=PhaseOptions(
            scale=scale,
            disperse=disperse,
            reversed_spws=_reversed(vis, reversespw),
            libair=method == "libair",
        ),
    )
    derived = derive(vis, options)
    lines = [*retrieved_lines(derived.found), *antenna_lines(derived.metadata, derived.statistics)]
    for line in lines:
        log.info("%s", line)
    derived.table.history.extend([f"wvrgcal(vis={vis!r}, {options})", *lines])
    write_caltable(caltable, derived.table)
    return casa_dict(derived.metadata, derived.statistics, derived.found)


def _check(
    vis: str, caltable: str, scale: float, maxdistm: float, minnumants: int, mingoodfrac: float, rseed: int, method: str
) -> None:
    if not vis or not Path(vis).is_dir():
        raise NoSuchTable(f"vis={vis!r}: there is no such MeasurementSet")
    if not caltable:
        raise ArgumentError("caltable is missing: name the table to be written")
    if Path(caltable).exists():
        raise TableExists(f"caltable {caltable} exists; choose another name, or remove it")
    if not scale > 0:
        raise ArgumentError(f"scale={scale}: a factor above 0 is needed")
    if not maxdistm >= 0:
        raise ArgumentError(f"maxdistm={maxdistm}: a distance of 0 m or more is needed")
    if minnumants not in (1, 2, 3):
        raise ArgumentError(f"minnumants={minnumants}: it is 1, 2 or 3")
    if not 0 <= mingoodfrac <= 1:
        raise ArgumentError(f"mingoodfrac={mingoodfrac}: a fraction from 0 to 1 is needed")
    if rseed < 0:
        raise ArgumentError(f"rseed={rseed}: CASA's seeds are 0 or more (and none is used here)")
    if method not in METHODS:
        raise ArgumentError(f"method={method!r}: it is {' or '.join(METHODS)}")


def _check_segments(segsource: bool, cont: bool, nsol: int, tie: list[str], sourceflag: list[str]) -> None:
    if nsol < 1:
        raise ArgumentError(f"nsol={nsol}: one set of coefficients is the least")
    if segsource and nsol > 1:
        raise ArgumentError(f"nsol={nsol} needs segsource=False: with segsource there is one set for each source")
    if cont and (segsource or nsol > 1):
        raise ArgumentError("cont=True needs segsource=False and nsol=1: one measurement is used for all")
    if tie and not segsource:
        raise ArgumentError(f"tie={tie} needs segsource=True: without it all sources share their coefficients")
    if sourceflag and not segsource:
        raise ArgumentError(f"sourceflag={sourceflag} needs segsource=True")


def _words(value: object) -> list[str]:
    """Return one word or a list of them as a list, empty ones left out."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [str(i).strip() for i in items if str(i).strip()]


def _numbers(value: int | Sequence[int], parameter: str) -> list[int]:
    words = _words(value)
    for word in words:
        if not word.isdigit():
            raise ArgumentError(f"{parameter}: {word!r} is no number of an spw")
    return [int(w) for w in words]


def _seconds(text: str) -> float:
    """Read ``smooth``: a time with a unit, seconds without."""
    if not str(text).strip():
        return 0.0
    match = re.fullmatch(r"([0-9.]+(?:e[+-]?\d+)?)\s*(s|sec|min|m|h|hr|ms|)", str(text).strip().lower())
    factor = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0, "ms": 1e-3}
    try:
        value = float(match[1]) * factor[match[2]] if match else 0.0
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ArgumentError(f"smooth={text!r} is no time such as '6.048s' or '1min'")
    return value


def _reversed(vis: str, expression: str) -> frozenset[int]:
    if not str(expression).strip():
        return frozenset()
    from atacal.ms.metadata import read_metadata
    from atacal.ms.selection.spw import parse_spw

    return frozenset(parse_spw(str(expression), read_metadata(vis)).channels)
