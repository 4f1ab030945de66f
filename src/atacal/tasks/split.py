"""split: copy part of a MeasurementSet into a new one."""

from __future__ import annotations

from collections.abc import Sequence

from atacal.errors import ArgumentError


def split(
    vis: str,
    outputvis: str,
    keepmms: bool = True,
    field: str = "",
    spw: str = "",
    scan: str = "",
    antenna: str = "",
    correlation: str | Sequence[str] = "",
    timerange: str = "",
    intent: str = "",
    array: str = "",
    uvrange: str = "",
    observation: str | int = "",
    feed: str = "",
    datacolumn: str = "corrected",
    keepflags: bool = True,
    width: int | Sequence[int] = 1,
    timebin: str = "0s",
    combine: str = "",
) -> None:
    """Copy part of a MeasurementSet into a new one, with channels and times averaged if wished.

    The input is not changed. The output appears under its name when it is complete. Spws, data descriptions and, if
    fields are selected, fields and sources are renumbered from 0 in the output.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    outputvis : str
        The new MeasurementSet; it must not exist.
    keepmms : bool
        Has no effect: there are no multi-MSs here.
    field : str
        Fields, names or ids.
    spw : str
        Spectral windows and channels: '0,1:10~50'. Their order is that of the output.
    scan : str
        Scan numbers.
    antenna : str
        Antennas and baselines.
    correlation : str or list of str
        Correlations: 'XX,YY'.
    timerange : str
        Times.
    intent : str
        Scan intents.
    array : str
        Subarrays.
    uvrange : str
        uv distances.
    observation : str or int
        Observation ids.
    feed : str
        Feeds.
    datacolumn : str
        data, corrected or model: written as DATA; all: every one that exists, under its own name; several of them,
        separated by commas; float_data.
    keepflags : bool
        Keep rows all of whose data are flagged.
    width : int or list of int
        Channels to average into one: a number for all, or one for each selected spw.
    timebin : str
        Length of time bins to average: '30s', '2min'; '0s' for none.
    combine : str
        Average times over the limits of 'scan', 'state' or 'scan,state'.

    Raises
    ------
    NoSuchTable, TableExists, MissingColumn, SelectionError, EmptySelection, ArgumentError, WriteError
    """
    from atacal.ms.history import task_messages
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection
    from atacal.ms.split import SplitOptions, split_ms

    parameters = dict(locals())
    messages = task_messages(
        "split", {k: v for k, v in parameters.items() if k in split.__annotations__ and k != "return"}
    )
    if not outputvis.strip():
        raise ArgumentError("split: outputvis is empty; give the name of the new MeasurementSet")
    combined = frozenset(part.strip().lower() for part in combine.split(",") if part.strip())
    if not combined <= {"scan", "state"}:
        raise ArgumentError(f"split: combine={combine!r}; possible are '', 'scan', 'state' and 'scan,state'")
    corrs = correlation if isinstance(correlation, str) else ",".join(correlation)
    selection = Selection(
        field=field, spw=spw, scan=scan, antenna=antenna, correlation=corrs.upper(), timerange=timerange,
        intent=intent, array=array, uvrange=uvrange, observation=str(observation), feed=feed,
    )  # fmt: skip
    options = SplitOptions(datacolumn, keepflags, _width(width), _seconds(timebin), combined)
    with MeasurementSet(vis, once=True) as ms:
        split_ms(ms, outputvis, selection, options, history=messages)


def _width(width: int | str | Sequence[int | str]) -> int | list[int]:
    parts = [width] if isinstance(width, (int, str)) else list(width)
    try:
        numbers = [int(p) for p in parts]
    except (TypeError, ValueError):
        raise ArgumentError(f"split: width={width!r}; it is a number of channels, or a list of such numbers") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _seconds(text: str | float) -> float:
    """Read a length of time: '30s', '2min', '1h', a bare number of seconds."""
    units = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    written = str(text).strip()
    number = written.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = written[len(number) :].strip()
    try:
        value = float(number) * units[unit]
    except (ValueError, KeyError):
        raise ArgumentError(f"split: timebin={text!r}; write '30s', '2min', '1h' or '0s' for none") from None
    if not value >= 0:
        raise ArgumentError(f"split: timebin={text!r}; a time bin cannot be negative")
    return value
