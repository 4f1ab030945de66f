"""gaincal: solve for antenna gains."""

from __future__ import annotations

from typing import Any

from atacal.tasks._solving import check_paths, one_of, only_default, solver_library, solver_selection


def gaincal(
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
    combine: str = "",
    preavg: float = -1.0,
    refant: str = "",
    refantmode: str = "flex",
    minblperant: int = 4,
    minsnr: float = 3.0,
    solnorm: bool = False,
    normtype: str = "mean",
    gaintype: str = "G",
    smodel: list[float] | None = None,
    calmode: str = "ap",
    solmode: str = "",
    rmsthresh: list[float] | None = None,
    corrdepflags: bool = False,
    append: bool = False,
    splinetime: float = 3600.0,
    npointaver: int = 3,
    phasewrap: float = 180.0,
    docallib: bool = False,
    callib: str = "",
    gaintable: list[str] | str = "",
    gainfield: list[str] | str = "",
    interp: list[str] | str = "",
    spwmap: list[Any] | None = None,
    parang: bool = False,
) -> dict[str, Any]:
    """Solve for antenna gains.

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
        a time such as ``60s``.
    combine : str
        Boundaries that do not end an interval: any of ``scan,spw,field,obs``.
    preavg : float
        Accepted for CASA's sake: the sums that are solved do not need averaging beforehand.
    refant : str
        Reference antennas by name (or id), the preferred one first; empty leaves the phases as they come.
    refantmode : {'flex', 'strict'}
        What happens when the reference has no solution: another one takes over with its phase held (flex), or all
        solutions of the interval are flagged (strict).
    minblperant : int
        Antennas with fewer baselines get no solution.
    minsnr : float
        Solutions with a smaller signal-to-noise ratio are flagged.
    solnorm : bool
        Divide the gains of each spw by their rms amplitude.
    normtype : {'mean', 'median'}
        Mean or median power for ``solnorm``.
    gaintype : {'G', 'T', 'K'}
        One gain a polarisation (G), one for both (T), or delays (K).
    smodel : list of float
        Stokes I, Q, U, V [Jy] of a point source to solve against, instead of the model of the MeasurementSet.
    calmode : {'ap', 'p', 'a'}
        Amplitude and phase, phase only, amplitude only.
    solmode, rmsthresh, splinetime, npointaver, phasewrap, callib
        CASA's; only their defaults are possible.
    corrdepflags : bool
        Use a correlation although the other is flagged; False is CASA's default, and treats both as flagged.
    append : bool
        Add the solutions to an existing table.
    docallib : bool
        Only False is possible.
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
        ``caltable``, ``type``, ``apmode``, ``solint``, and ``solvestats``: intervals expected, attempted, succeeded,
        and solutions flagged and why, in all and per spw.

    Raises
    ------
    ArgumentError, NoSuchTable, SelectionError, CaltableError, NoSolutions, WriteError

    Notes
    -----
    Minimises ``sum w |V - g_i M conj(g_j)|^2`` over each interval (see `atacal.solve.gains`). Phase-only solves take
    ``V/|V|`` of the averaged data with weight ``w |V|^2``, amplitude-only solves ``|V|``, as CASA does.

    Examples
    --------
    >>> gaincal("X.ms", "X.phase", field="0", solint="int", refant="DV05", calmode="p")  # doctest: +SKIP
    """
    arguments = dict(locals())
    check_paths(vis, caltable)
    one_of("gaintype", gaintype, ("G", "T", "K"))
    one_of("calmode", calmode, ("ap", "p", "a"))
    one_of("refantmode", refantmode, ("flex", "strict"))
    one_of("normtype", normtype, ("mean", "median"))
    only_default("solmode", solmode, "", "robust solving is not available")
    only_default("rmsthresh", rmsthresh or [], [], "robust solving is not available")

    from atacal.calibrater.gaincal import gain_setup
    from atacal.calibrater.solve import parse_refant, save_table, solve_table
    from atacal.ms.measurement_set import MeasurementSet

    with MeasurementSet(vis) as ms:
        setup = gain_setup(
            ms.metadata, gaintype=gaintype, calmode=calmode, solint=solint, combine=combine,
            refant=parse_refant(ms.metadata, refant), refantmode=refantmode, minblperant=minblperant, minsnr=minsnr,
            solnorm=solnorm, normtype=normtype, corr_dep_flags=corrdepflags,
        )  # fmt: skip
        selected = solver_selection(ms, arguments)
        library = solver_library(ms, arguments)
        table, stats = solve_table(ms, selected, setup, library=library, smodel=smodel)
    save_table(caltable, table, append=append)
    return {
        "caltable": caltable, "type": table.kind, "apmode": calmode.upper(), "solint": solint, "solvestats": stats,
    }  # fmt: skip
