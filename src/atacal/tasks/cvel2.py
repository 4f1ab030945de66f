"""cvel2: bring the channels of a spectral window to another grid or frame."""

from __future__ import annotations

from collections.abc import Sequence

from atacal.errors import ArgumentError


def cvel2(
    vis: str,
    outputvis: str,
    keepmms: bool = True,
    passall: bool = False,
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
    datacolumn: str = "all",
    mode: str = "channel",
    nchan: int = -1,
    start: int | str = 0,
    width: int | str = 1,
    interpolation: str = "linear",
    phasecenter: int | str = "",
    restfreq: str = "",
    outframe: str = "",
    veltype: str = "radio",
    hanning: bool = False,
) -> None:
    """Bring the channels of a spectral window to another grid or frame.

    Rows all of whose data are flagged are left out. Of several windows CASA's cvel2 makes one; here one has to be
    selected (`mstransform` with regridms takes several, each by itself).

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    outputvis : str
        The new MeasurementSet; it must not exist.
    keepmms : bool
        Has no effect: there are no multi-MSs here.
    passall : bool
        Only False.
    field : str
        Fields, names or ids.
    spw : str
        The spectral window, with channels if wished: '1:10~50'.
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
    mode : str
        What start and width of the grid are: channel, frequency, velocity.
    nchan : int
        Its number of channels; -1: as many as fit.
    start : int or str
        Its first channel: a number, '240.5GHz', '-5km/s'.
    width : int or str
        The width of its channels: a number, '20MHz', '1km/s'.
    interpolation : str
        nearest, linear or cubic.
    phasecenter : int or str
        The direction that frequencies are converted for, or a field's id; by default that of the first field.
    restfreq : str
        Rest frequency, for velocities.
    outframe : str
        LSRK, LSRD, BARY, TOPO, GALACTO, LGROUP, CMB; by default the frame of the data.
    veltype : str
        Only radio.
    hanning : bool
        Smooth channels with 1/4, 1/2, 1/4 before.

    Raises
    ------
    NoSuchTable, TableExists, MissingColumn, SelectionError, EmptySelection, ArgumentError, WriteError
    """
    given = {k: v for k, v in locals().items() if k in cvel2.__annotations__}
    from atacal.ms.metadata import read_metadata
    from atacal.ms.selection import parse_spw
    from atacal.tasks.mstransform import check_unavailable, transform

    if passall:
        raise ArgumentError("cvel2: passall=True is not available: what is not selected is not copied")
    check_unavailable("cvel2", given)
    windows = list(parse_spw(spw, read_metadata(vis)).channels)
    if len(windows) > 1:
        raise ArgumentError(
            f"cvel2: the spws {', '.join(map(str, windows))} are selected, and spws are not combined; select one, or "
            "use mstransform(regridms=True), which regrids each by itself"
        )
    transform("cvel2", given | {"keepflags": False}, averaging=False, binning=False)
