"""flagcmd: list, apply, undo, draw and clear flag commands."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from atacal.errors import ArgumentError, NoFlagCommands

_log = logging.getLogger("atacal")
_ACTIONS = ("list", "apply", "unapply", "plot", "clear", "extract")


def flagcmd(
    vis: str = "",
    inpmode: str = "table",
    inpfile: str | list[str] = "",
    tablerows: list[int] | None = None,
    reason: str | list[str] = "any",
    useapplied: bool = False,
    tbuff: float | list[float] = 0.0,
    ants: str = "",
    action: str = "apply",
    flagbackup: bool = True,
    clearall: bool = False,
    rowlist: list[int] | None = None,
    plotfile: str = "",
    savepars: bool = False,
    outfile: str = "",
    overwrite: bool = True,
) -> dict[Any, Any]:
    """Flag data by the commands of a table, a list or the observatory.

    Parameters
    ----------
    vis : str
        MeasurementSet, or calibration table (actions list and apply, with the table of a MeasurementSet or a list).
    inpmode : str
        Where the commands are: table (FLAG_CMD), list (files or text), xml (the online flags of an SDM: Flag.xml
        with Antenna.xml and SpectralWindow.xml).
    inpfile : str or list
        table: another MeasurementSet with a table FLAG_CMD; list: a file, a list of files or a list of commands; xml:
        the folder of the SDM. By default vis.
    tablerows : list of int
        table: only these rows.
    reason : str or list
        Only commands of these reasons; any: all.
    useapplied : bool
        table: those, too, that were applied before.
    tbuff : float or list
        Seconds by which time ranges are widened; a pair for their two ends.
    ants : str
        xml: only the flags of these antennas, names joined by ','.
    action : str
        apply: flag; unapply: unflag what the commands of a table flag; list: write them to the log; plot: draw which
        antenna was flagged when and why; extract: return them; clear: remove them from vis' table FLAG_CMD.
    flagbackup : bool
        apply, unapply: save the flags as version flagcmd_1, flagcmd_2... first.
    clearall : bool
        clear: yes, really; without it nothing is cleared.
    rowlist : list of int
        clear: only these rows.
    plotfile : str
        plot: the picture (png, pdf, svg); by default the name of vis with ``.flagcmd.png`` in the current folder.
    savepars : bool
        Save the commands to outfile, or to vis' table FLAG_CMD if they come from elsewhere.
    outfile : str
        Text file for the commands.
    overwrite : bool
        Whether outfile may be replaced.

    Returns
    -------
    dict
        extract: a record of each command, by its row or number. plot: ``plotfiles``, the names of the pictures.
        Otherwise empty.

    Raises
    ------
    ArgumentError, SelectionError, EmptySelection, AsdmError, NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    given: dict[str, Any] = dict(locals())
    given |= {"tablerows": tablerows or [], "rowlist": rowlist or []}
    _check(given)
    from atacal.flags.run import is_caltable

    caltable = is_caltable(vis)
    if action == "clear":
        return _clear(given)
    entries = _entries(given, caltable)
    if savepars and outfile and not overwrite and os.path.exists(outfile):
        raise ArgumentError(f"flagcmd: outfile={outfile!r} exists and overwrite is False")
    if savepars and not outfile and caltable:
        raise ArgumentError(f"flagcmd: {vis} is a calibration table, it has no FLAG_CMD table; give outfile")
    if action == "extract":
        return {entry.key: entry.record() for entry in entries}
    if action == "plot":
        return _plot(entries, given)
    if action == "list":
        _list(entries, inpmode)
        _keep(entries, given)
    else:
        _run(entries, given, caltable)
    return {}


def _check(given: Mapping[str, Any]) -> None:
    """Refuse what makes no sense."""
    action, inpmode = given["action"], given["inpmode"]
    if not given["vis"]:
        raise ArgumentError("flagcmd: vis is empty; it must name a MeasurementSet or a calibration table")
    if action not in _ACTIONS:
        raise ArgumentError(f"flagcmd: action={action!r}; it can be {', '.join(_ACTIONS)}")
    if inpmode not in ("table", "list", "xml"):
        raise ArgumentError(f"flagcmd: inpmode={inpmode!r}; it can be table, list or xml")
    if action == "unapply" and inpmode != "table":
        raise ArgumentError(
            f"flagcmd: action='unapply' takes commands of a table, not inpmode={inpmode!r}; save them there first "
            "(action='list', savepars=True), or use flagdata(mode='unflag')"
        )
    if given["ants"] and inpmode != "xml":
        raise ArgumentError(f"flagcmd: ants={given['ants']!r} picks antennas of inpmode='xml', not of {inpmode!r}")
    if inpmode == "table" and not isinstance(given["inpfile"], (str, os.PathLike)):
        raise ArgumentError(f"flagcmd: inpfile={given['inpfile']!r} must name one MeasurementSet with a table FLAG_CMD")


def _entries(given: Mapping[str, Any], caltable: bool) -> list[Any]:
    """Read the commands."""
    from atacal.flags.entries import of_reasons, read_entries
    from atacal.flags.online import of_antennas, read_flag_xml
    from atacal.flags.record import read_table

    inpmode, inpfile, tbuff = given["inpmode"], given["inpfile"], given["tbuff"] or 0.0
    with_tables_of_ms = inpmode == "xml" or (inpmode == "table" and not inpfile)
    if caltable and (with_tables_of_ms or given["action"] not in ("list", "apply")):
        raise ArgumentError(
            f"flagcmd: {given['vis']} is a calibration table: its actions are list and apply, its commands come from "
            "a list or from the table FLAG_CMD of a MeasurementSet (inpfile)"
        )
    if inpmode == "list":
        return read_entries(inpfile, given["reason"], tbuff)
    if inpmode == "xml":
        entries = of_reasons(read_flag_xml(inpfile or given["vis"], tbuff), given["reason"])
        entries = of_antennas(entries, given["ants"]) if given["ants"] else entries
    else:
        source = inpfile or given["vis"]
        entries = read_table(source, given["tablerows"], given["reason"], use_applied=given["useapplied"])
        entries = [entry.padded(tbuff) for entry in entries] if tbuff else entries
    if not entries:
        more = "; useapplied=True takes those, too, that were applied before" if inpmode == "table" else ""
        raise NoFlagCommands(f"flagcmd: {inpfile or given['vis']} has no such flag command{more}")
    return entries


def _own_table(given: Mapping[str, Any]) -> bool:
    return bool(given["inpmode"] == "table" and not given["inpfile"])


def _run(entries: list[Any], given: Mapping[str, Any], caltable: bool) -> None:
    """Apply or undo the commands, and note that; the table changes at the end, all at once."""
    from dataclasses import replace

    from atacal.flags.entries import commands_of
    from atacal.flags.record import mark_applied, save_to_file, save_to_table
    from atacal.flags.run import run
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.transaction import transaction

    vis, apply = given["vis"], given["action"] == "apply"
    commands = [replace(c, unapply=not apply) for c in commands_of(entries)]
    saves = given["savepars"] and not given["outfile"] and not _own_table(given)
    tables = () if caltable else ("HISTORY", "FLAG_CMD") if saves or _own_table(given) else ("HISTORY",)
    with transaction(vis, "flagcmd", columns=("FLAG", "FLAG_ROW"), subtables=tables) as inside:
        run(inside, commands, write=True, saved=vis if given["flagbackup"] else "", prefix="flagcmd")
        if _own_table(given):
            mark_applied(inside, [entry.key for entry in entries], apply)
        elif saves:
            save_to_table(inside, entries, applied=apply)
        if not caltable:
            write_history(inside, "flagcmd", task_messages("flagcmd", given))
    if given["savepars"] and given["outfile"]:
        save_to_file(given["outfile"], entries)


def _keep(entries: list[Any], given: Mapping[str, Any]) -> None:
    """Save commands that were listed."""
    from atacal.flags.record import save_to_file, save_to_table
    from atacal.ms.transaction import transaction

    if not given["savepars"]:
        return
    if given["outfile"]:
        save_to_file(given["outfile"], entries)
    elif not _own_table(given):
        with transaction(given["vis"], "flagcmd", subtables=("FLAG_CMD",)) as inside:
            save_to_table(inside, entries)


def _clear(given: Mapping[str, Any]) -> dict[Any, Any]:
    """Remove commands from FLAG_CMD."""
    from atacal.flags.record import remove_rows
    from atacal.ms.transaction import transaction

    if not given["clearall"]:
        _log.warning("flagcmd: nothing was cleared: action='clear' needs clearall=True")
        return {}
    with transaction(given["vis"], "flagcmd", subtables=("FLAG_CMD",)) as inside:
        count = remove_rows(inside, given["rowlist"])
    _log.info("Removed %d rows from FLAG_CMD of %s", count, given["vis"])
    return {}


def _list(entries: list[Any], inpmode: str) -> None:
    """Write the commands to the log."""
    from atacal.flags.lines import line_text

    _log.info("%-8s %-48s %-7s %s", "Row" if inpmode == "table" else "Key", "Reason", "Applied", "Command")
    for entry in entries:
        words = {key: value for key, value in entry.words.items() if key != "reason"}
        _log.info("%-8s %-48s %-7s %s", entry.key, entry.reason, entry.notes["applied"], line_text(words))


def _plot(entries: list[Any], given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Draw the commands."""
    from atacal.flags.bars import bars_of
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.plots.flag_commands import Bar, picture_flag_commands
    from atacal.plots.style import picture_path

    with MeasurementSet(given["vis"]) as ms:
        runs, name = ms.runs, ms.metadata.name
    begin = float((runs.time - runs.interval / 2).min())
    end = float((runs.time + runs.interval / 2).max())
    bars = [Bar(*bar) for bar in bars_of(entries, (begin, end))]
    path = picture_path(given["plotfile"] or f"{name}.flagcmd.png")
    pictures = picture_flag_commands(bars, path, (begin, end), title=f"{name}: flags")
    _log.info("flagcmd: %d flags in %s", len(bars), ", ".join(map(str, pictures)))
    return {"plotfiles": [str(picture) for picture in pictures]}
