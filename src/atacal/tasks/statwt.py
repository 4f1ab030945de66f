"""statwt: set weights from the scatter of the data."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import Any

from atacal.errors import ArgumentError

_log = logging.getLogger("atacal")
_COMBINE = ("corr", "field", "scan", "state")


def statwt(
    vis: str,
    selectdata: bool = True,
    field: str = "",
    spw: str = "",
    intent: str = "",
    array: str = "",
    observation: str | int = "",
    scan: str = "",
    combine: str = "",
    timebin: int | str = 1,
    slidetimebin: bool = False,
    chanbin: int | str = "spw",
    minsamp: int = 2,
    statalg: str = "classic",
    fence: float = -1.0,
    center: str = "mean",
    lside: bool = True,
    zscore: float = -1.0,
    maxiter: int = -1,
    fitspw: str = "",
    excludechans: bool = False,
    wtrange: Sequence[float] = (),
    flagbackup: bool = True,
    preview: bool = False,
    datacolumn: str = "corrected",
) -> dict[str, float]:
    """Set weights from the scatter of the data.

    For each baseline, spw and correlation the variance of the data in a time bin (and channel bin) gives the weight of
    its rows. Data that get no weight are flagged.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    selectdata : bool
        Whether the following selections count.
    field : str
        Fields, names or ids.
    spw : str
        Spectral windows.
    intent : str
        Scan intents.
    array : str
        Subarrays.
    observation : str or int
        Observation ids.
    scan : str
        Scan numbers.
    combine : str
        What is put together: some of corr, field, scan, state, separated by commas.
    timebin : int or str
        Length of the time bins: a number of integrations, or '30s', '2min'.
    slidetimebin : bool
        Take a window around each integration instead of bins.
    chanbin : int or str
        Width of the channel bins: 'spw', a number of channels, or '10MHz'. Other than 'spw' needs WEIGHT_SPECTRUM,
        which is made.
    minsamp : int
        Data that are fewer get no weight.
    statalg : str
        Only classic.
    fence : float
        Belongs to statalg='hinges-fences'.
    center : str
        Belongs to statalg='fit-half'.
    lside : bool
        Belongs to statalg='fit-half'.
    zscore : float
        Belongs to statalg='chauvenet'.
    maxiter : int
        Belongs to statalg='chauvenet'.
    fitspw : str
        Channels whose scatter counts: '0:5~30'; all channels of the other spws count.
    excludechans : bool
        Those channels are the ones that do not count.
    wtrange : list of two float
        Flag data with weights outside.
    flagbackup : bool
        Save the flags before.
    preview : bool
        Change nothing.
    datacolumn : str
        corrected, data, residual (corrected - model), residual_data (data - model). Of data, SIGMA is set, and WEIGHT
        only where there is no CORRECTED_DATA.

    Returns
    -------
    dict
        mean, variance: of the new weights.

    Raises
    ------
    ArgumentError, NoSuchTable, MissingColumn, SelectionError, EmptySelection, DiskFull, WriteError
    """
    given = dict(locals())
    from atacal.ms.add_column import add_column
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.statistical_weights import statistical_weights
    from atacal.ms.transaction import transaction

    messages = task_messages("statwt", {k: v for k, v in given.items() if k in statwt.__annotations__})
    _check(given)
    chosen = Selection(field=field, spw=spw, intent=intent, array=array, observation=str(observation), scan=scan)
    selection = chosen if selectdata else Selection()
    if preview:
        with MeasurementSet(vis) as ms:
            report = statistical_weights(ms, select(ms, selection), _options(ms, given, write=False))
        return {"mean": report.mean, "variance": report.variance}
    with MeasurementSet(vis) as ms:  # what is wrong is found before anything is written
        select(ms, selection)
        _options(ms, given, write=True)
    if flagbackup:
        from atacal.flags.backup import save_version

        save_version(vis, _version_name(vis), f"Flags before statwt, {time.strftime('%Y-%m-%d %H:%M:%S')}")
    spectra = ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")
    with transaction(
        vis, "statwt", columns=("WEIGHT", "SIGMA", "FLAG", "FLAG_ROW", *spectra), subtables=("HISTORY",)
    ) as inside:
        with MeasurementSet(inside, writable=True) as ms:
            options = _options(ms, given, write=True)
            made = spectra if options.datacolumn in ("data", "residual_data") else spectra[:1]
            if options.chanbin and any([add_column(ms, column) for column in made]):
                ms.flush()
            report = statistical_weights(ms, select(ms, selection), options)
        write_history(inside, "statwt", messages)
    _log.info("statwt: weights have a mean of %.6g and a variance of %.6g; %d data flagged", report.mean,
              report.variance, report.flagged)  # fmt: skip
    return {"mean": report.mean, "variance": report.variance}


def _check(given: dict[str, Any]) -> None:
    if given["statalg"].lower() not in ("cl", "classic"):
        raise ArgumentError(
            f"statwt: statalg={given['statalg']!r} is not available; possible is 'classic' (all unflagged data count)"
        )
    if int(given["minsamp"]) < 2:
        raise ArgumentError(f"statwt: minsamp={given['minsamp']}; a variance takes two samples at least")
    if wrong := [c for c in _words(given["combine"]) if c not in _COMBINE]:
        raise ArgumentError(f"statwt: combine={given['combine']!r}: {wrong[0]!r}; possible are {', '.join(_COMBINE)}")
    wanted = list(given["wtrange"])
    if wanted and (len(wanted) != 2 or min(wanted) < 0 or wanted[0] == wanted[1]):
        raise ArgumentError(f"statwt: wtrange={wanted}; it is two different numbers that are not negative")


def _words(text: str) -> list[str]:
    return [w for w in text.lower().replace(",", " ").split() if w]


def _options(ms: Any, given: dict[str, Any], *, write: bool) -> Any:
    from atacal.ms.statistical_weights import COLUMNS, WeightOptions, time_bin_s

    column = str(given["datacolumn"]).lower()
    if column not in COLUMNS:
        raise ArgumentError(f"statwt: datacolumn={given['datacolumn']!r}; possible are {', '.join(COLUMNS)}")
    ms.require(COLUMNS[column])
    seconds, number = _bin("timebin", given["timebin"], {"s": 1.0, "min": 60.0, "h": 3600.0, "ms": 1e-3})
    hertz, channels = _bin("chanbin", given["chanbin"], {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9})
    if number:
        time_bin_s(ms, number)
    wanted = sorted(float(w) for w in given["wtrange"])
    return WeightOptions(
        datacolumn=column, bin_s=seconds, bin_times=number, sliding=bool(given["slidetimebin"]),
        chanbin=channels or hertz, min_samples=int(given["minsamp"]), combine=frozenset(_words(given["combine"])),
        counting=_counting(ms, given["fitspw"], exclude=bool(given["excludechans"])),
        wanted=(wanted[0], wanted[1]) if wanted else None, write=write,
    )  # fmt: skip


def _bin(name: str, value: Any, units: dict[str, float]) -> tuple[float, int]:
    """Read the width of a bin: (with a unit, as a number); 0 for what it is not, (0, 0) for 'spw'."""
    text = str(value).strip()
    if name == "chanbin" and text in ("spw", ""):
        return 0.0, 0
    unit = next((u for u in sorted(units, key=len, reverse=True) if text.endswith(u)), "")
    try:
        if unit:
            width, number = float(text.removesuffix(unit)) * units[unit], 0
        else:
            width, number = 0.0, int(text)
    except ValueError:
        width, number = 0.0, 0
    if width <= 0 and number < 1:
        shown = "a number of integrations" if name == "timebin" else "'spw', a number of channels"
        raise ArgumentError(f"statwt: {name}={value!r}; it is {shown}, or a width with a unit ({', '.join(units)})")
    return width, number


def _counting(ms: Any, fitspw: str, *, exclude: bool) -> dict[int, Any]:
    from atacal.ms.selection import parse_spw

    if not fitspw.strip():
        return {}
    channels = parse_spw(fitspw, ms.metadata).channels
    return {spw: ~mask if exclude else mask for spw, mask in channels.items()}


def _version_name(vis: str) -> str:
    from atacal.flags.backup import list_versions

    names = {v.name for v in list_versions(vis)} if os.path.isdir(vis) else set()
    return next(f"statwt_{k}" for k in range(1, len(names) + 2) if f"statwt_{k}" not in names)
