"""The task fluxscale."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, CaltableMismatch, TableExists
from atacal.results import LISTING

log = logging.getLogger("atacal")


def fluxscale(
    vis: str,
    caltable: str,
    fluxtable: str,
    reference: str | int | Sequence[str | int],
    transfer: str | int | Sequence[str | int] = "",
    listfile: str = "",
    append: bool = False,
    refspwmap: Sequence[int] = (-1,),
    gainthreshold: float = -1.0,
    antenna: str = "",
    timerange: str = "",
    scan: str = "",
    incremental: bool = False,
    fitorder: int = 1,
    display: bool = False,
) -> dict[str, Any]:
    """Derive flux densities of calibrators from those of reference fields, and scale their gains.

    Parameters
    ----------
    vis : str
        MeasurementSet that the gains were solved from.
    caltable : str
        Gain table (G or T, amplitudes solved) to be scaled.
    fluxtable : str
        Table to be written.
    reference : str
        Fields whose flux density is known: their model was right when the gains were solved.
    transfer : str
        Fields to be measured; empty for all others in the table.
    listfile : str
        Text file to write the flux densities to.
    append : bool
        Add to fluxtable if it is there already.
    refspwmap : list of int
        Spw whose reference gains are used, for each spw; -1 for the spw itself; one number for all spws.
    gainthreshold : float
        Use only gains within this fraction of the median of their field and spw; negative to use all.
    antenna : str
        Use the solutions of these antennas; !a,b leaves them out, and together with timerange or scan it limits only
        these antennas to that time or scan.
    timerange : str
        Use the solutions in this time range.
    scan : str
        Use the solutions of these scans.
    incremental : bool
        Write only the factors, to be applied together with caltable, instead of the scaled gains.
    fitorder : int
        Order of the polynomial fitted to the logarithms of flux density and frequency.
    display : bool
        Not available; plot the tables with plotcal.

    Returns
    -------
    dict
        CASA's dictionary, by field and spw: fluxd, fluxdErr, numSol, and beside them fluxdErrPropagated, the error with
        the factor that fluxdErr lacks, and fluxdErrMedian, the median's error with few antennas allowed for; by field:
        fieldName, fitFluxd, fitFluxdErr, fitRefFreq, spidx, spidxerr, covarMat; and freq, spwID, spwName.

    Raises
    ------
    ArgumentError, NoSuchTable, TableExists, CaltableError, CaltableMismatch, NoSolutions, SelectionError

    Examples
    --------
    >>> fluxscale("X.ms", "X.ampli_inf", "X.flux_inf", reference="0", transfer="1")  # doctest: +SKIP
    """
    from atacal.caltables.disk import append_caltable, read_caltable, write_caltable
    from atacal.flux.chosen import choose_solutions
    from atacal.flux.fluxscale import derive_fluxes
    from atacal.flux.report import casa_dict, flux_lines, found_lines
    from atacal.flux.tables import incremental_table, scaled_table
    from atacal.ms.metadata import read_metadata
    from atacal.ms.selection.field import parse_field

    _check(fluxtable, reference, append, fitorder, display)
    meta = read_metadata(vis)
    table = read_caltable(caltable)
    if [f.name for f in table.fields] != meta.field_names() or [a.name for a in table.antennas] != meta.antenna_names():
        raise CaltableMismatch(f"{caltable} was solved from {table.ms_name}: {vis} has other fields or antennas")
    chosen = choose_solutions(table, meta, antenna=antenna, timerange=timerange, scan=scan)
    scale = derive_fluxes(
        table,
        parse_field(_joined(reference), meta),
        parse_field(_joined(transfer), meta) if _joined(transfer) else (),
        refspwmap=_numbers(refspwmap),
        gain_threshold=gainthreshold,
        use=chosen.use,
        threshold_use=chosen.threshold_use,
        fit_order=fitorder,
    )
    found = found_lines(scale)
    for line in flux_lines(scale):
        log.log(logging.INFO if line in found else LISTING, "%s", line.strip())
    result = incremental_table(table, scale) if incremental else scaled_table(table, scale)
    result = replace(result, history=[*result.history, *(line.strip() for line in found)])
    if append and Path(fluxtable).exists():
        append_caltable(fluxtable, result)
    else:
        write_caltable(fluxtable, result)
    if listfile:
        _write_list(Path(listfile), flux_lines(scale))
    return casa_dict(scale, meta.field_names(), [s.name for s in meta.spws], fitorder)


def _check(fluxtable: str, reference: object, append: bool, fitorder: int, display: bool) -> None:
    if not fluxtable:
        raise ArgumentError("fluxtable is missing: name the table to be written")
    if Path(fluxtable).exists() and not append:
        raise TableExists(f"fluxtable {fluxtable} exists; choose another name, or append=True to add to it")
    if not _joined(reference):
        raise ArgumentError("reference is missing: name the fields whose flux density is known")
    if fitorder < 0:
        raise ArgumentError(f"fitorder={fitorder}: a polynomial has an order of 0 or more")
    if display:
        raise ArgumentError("display=True is not available; plot the table with plotcal")


def _joined(fields: object) -> str:
    """Return a field expression: the task takes one, or a list of them, as CASA does."""
    parts = fields if isinstance(fields, (list, tuple)) else [fields]
    return ",".join(str(p).strip() for p in parts if str(p).strip())


def _numbers(refspwmap: Sequence[int] | int) -> list[int]:
    return [refspwmap] if isinstance(refspwmap, int) else [int(s) for s in refspwmap] or [-1]


def _write_list(path: Path, lines: list[str]) -> None:
    temporary = path.with_name(f".{path.name}.atacal")
    temporary.write_text("".join(f"#{line}\n" for line in lines))
    temporary.replace(path)
