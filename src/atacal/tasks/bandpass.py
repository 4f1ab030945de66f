"""bandpass: solve for antenna gains against frequency."""

from __future__ import annotations

from typing import Any

from atacal.tasks._solving import check_paths, one_of, only_default, solver_library, solver_selection


def bandpass(
    vis: str,
    caltable: str,
    field: str = "",
    spw: str = "",
    intent: str = "",
    selectdata: bool = True,
    timerange: str = "",
    uvrange: str = "",
    antenna: str = "",
    scan: str = "",
    observation: str = "",
    msselect: str = "",
    solint: str = "inf",
    combine: str = "scan",
    refant: str = "",
    minblperant: int = 4,
    minsnr: float = 3.0,
    solnorm: bool = False,
    bandtype: str = "B",
    smodel: list[float] | None = None,
    corrdepflags: bool = False,
    append: bool = False,
    fillgaps: int = 0,
    degamp: int = 3,
    degphase: int = 3,
    visnorm: bool = False,
    maskcenter: int = 0,
    maskedge: float = 5,
    docallib: bool = False,
    callib: str = "",
    gaintable: list[str] | str = "",
    gainfield: list[str] | str = "",
    interp: list[str] | str = "",
    spwmap: list[Any] | None = None,
    parang: bool = False,
) -> dict[str, Any]:
    """Solve for antenna gains against frequency.

    Parameters
    ----------
    vis : str
        Name of the MeasurementSet.
    caltable : str
        Name of the calibration table to write; an older one is replaced when the solve has succeeded.
    field, spw, intent : str
        Selection in CASA's syntax; empty for all. ``spw`` may name channels: ``0:10~50``.
    selectdata : bool
        False ignores the selections that follow.
    timerange, uvrange, antenna, scan, observation, msselect : str
        Further selection. ``antenna='a,b,c&'`` keeps the baselines among the named antennas only.
    solint : str
        Length of a solution interval: ``inf`` (a scan, or all that ``combine`` joins), ``int`` (every integration), or
        a time such as ``60s``;
        after a comma the channels of a solution: ``inf,20ch``, ``inf,4MHz``.
    combine : str
        Boundaries that do not end an interval: any of ``scan,spw,field,obs``.
    refant : str
        Reference antennas by name (or id), the preferred one first; empty leaves the phases as they come
        (BPOLY: the first antenna with a solution).
    minblperant : int
        Antennas with fewer baselines get no solution.
    minsnr : float
        Solutions with a smaller signal-to-noise ratio are flagged.
    solnorm : bool
        Divide each antenna's bandpass by its rms amplitude (BPOLY: its mean amplitude) and its mean phase over the
        channels.
    bandtype : {'B', 'BPOLY'}
        B: one solution a channel. BPOLY: for each antenna and polarisation a polynomial in frequency of the logarithm
        of the amplitude, and one of the phase.
    smodel : list of float
        Stokes I, Q, U, V [Jy] of a point source to solve against, instead of the model of the MeasurementSet.
    corrdepflags : bool
        Use a correlation although the other is flagged; False is CASA's default, and treats both as flagged.
    append : bool
        Add the solutions to an existing table.
    fillgaps : int
        Fill gaps of up to this many flagged channels by interpolation (B; polynomials have no gaps).
    degamp, degphase : int
        BPOLY: degree of the polynomials of amplitude and phase.
    visnorm : bool
        BPOLY: divide each baseline's spectrum by its mean before the fit.
    maskcenter : int
        BPOLY: leave out this many channels in the middle of each spw.
    maskedge : float
        BPOLY: leave out this percentage of the channels at either edge.
    docallib : bool
        Only False is possible.
    callib : str
        Only empty is possible.
    gaintable : list of str
        Tables to apply before solving.
    gainfield, interp : list of str
        For each table the fields to take solutions from, and how to interpolate in time and frequency.
    spwmap : list
        For each table the spw whose solutions each spw takes.
    parang : bool
        Apply the parallactic angle before solving.

    Returns
    -------
    dict
        ``caltable``, ``type``, ``solint``, and ``solvestats``: intervals expected, attempted, succeeded, and solutions
        flagged and why, in all and per spw.

    Raises
    ------
    ArgumentError, NoSuchTable, SelectionError, CaltableError, NoSolutions, WriteError

    Notes
    -----
    Every solution channel is solved by itself, as by `gaincal`. The table's channels are the selected ones, with the
    gaps of the selection closed, as in CASA.

    BPOLY: log|V| of the baselines is fitted by the sums of the antennas' polynomials, the phases by their differences,
    with Chebyshev polynomials over the selected channels, as in CASA; see the page on polynomial bandpasses for where
    the two differ. ``combine='spw'`` fits one polynomial through all the spws, kept under the first; apply it with
    ``spwmap``. Antennas whose mean log amplitude has an error above ``1/minsnr`` get no solution.

    Examples
    --------
    >>> bandpass("X.ms", "X.bandpass", field="0", refant="DV05", gaintable=["X.phase"])  # doctest: +SKIP
    """
    arguments = dict(locals())
    check_paths(vis, caltable)
    one_of("bandtype", bandtype, ("B", "BPOLY"))
    only_default("callib", callib, "", "library files are not available")
    if bandtype == "BPOLY":
        only_default("fillgaps", fillgaps, 0, "polynomials have no gaps to fill")
        return _solve_polynomials(arguments)
    for name, default in (("degamp", 3), ("degphase", 3), ("visnorm", False), ("maskcenter", 0), ("maskedge", 5)):
        only_default(name, arguments[name], default, "it belongs to bandtype='BPOLY'")

    from atacal.calibrater.bandpass import bandpass_setup
    from atacal.calibrater.solve import parse_refant, save_table, solve_table
    from atacal.ms.measurement_set import MeasurementSet

    with MeasurementSet(vis) as ms:
        setup = bandpass_setup(
            ms.metadata, solint=solint, combine=combine, refant=parse_refant(ms.metadata, refant),
            minblperant=minblperant, minsnr=minsnr, solnorm=solnorm, fillgaps=fillgaps, corr_dep_flags=corrdepflags,
        )  # fmt: skip
        selected = solver_selection(ms, arguments)
        library = solver_library(ms, arguments)
        table, stats = solve_table(ms, selected, setup, library=library, smodel=smodel)
    save_table(caltable, table, append=append)
    return {"caltable": caltable, "type": table.kind, "solint": solint, "solvestats": stats}


def _solve_polynomials(arguments: dict[str, Any]) -> dict[str, Any]:
    """Do what `bandpass` does for BPOLY, with its arguments."""
    from atacal.calibrater.bpoly import PolynomialSetup, save_bpoly, solve_bpoly
    from atacal.calibrater.solve import parse_refant
    from atacal.ms.measurement_set import MeasurementSet

    names = (
        "solint", "combine", "minblperant", "minsnr", "solnorm", "degamp", "degphase", "visnorm", "maskcenter",
        "maskedge",
    )  # fmt: skip
    caltable = arguments["caltable"]
    with MeasurementSet(arguments["vis"]) as ms:
        setup = PolynomialSetup(
            refant=parse_refant(ms.metadata, arguments["refant"]),
            corr_dep_flags=arguments["corrdepflags"],
            **{name: arguments[name] for name in names},
        )
        selected = solver_selection(ms, arguments)
        library = solver_library(ms, arguments)
        table, stats = solve_bpoly(ms, selected, setup, library=library, smodel=arguments["smodel"])
    save_bpoly(caltable, table, append=arguments["append"])
    return {"caltable": caltable, "type": "BPOLY", "solint": arguments["solint"], "solvestats": stats}
