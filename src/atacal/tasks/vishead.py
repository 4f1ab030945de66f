"""vishead: list, get and put what a MeasurementSet says about itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from atacal.errors import ArgumentError

_log = logging.getLogger("atacal")
_LISTED = ("telescope", "observer", "project", "field", "freq_group_name", "spw_name", "schedule", "schedule_type",
           "release_date")  # fmt: skip


def vishead(
    vis: str,
    mode: str = "summary",
    listitems: Sequence[str] = _LISTED,
    hdkey: str = "",
    hdindex: int | str = "",
    hdvalue: Any = "",
) -> Any:
    """List, get and put what a MeasurementSet says about itself.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    mode : str
        summary (listobs' text, to the log), list, get or put.
    listitems : list of str
        What mode list gives; none: all.
    hdkey : str
        What modes get and put are about: log, schedule, observer, project, release_date, schedule_type, telescope,
        field, ptcs (phase centres), fld_code, freq_group_name, spw_name, source_name, cal_grp.
    hdindex : int or str
        A row, from 0; by default all.
    hdvalue : str
        The new value (or list of values, one a row).

    Returns
    -------
    dict, tuple or None
        list: (values, column keywords) by item; get: (value, column keywords).

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, WriteError
    """
    given = dict(locals())
    from atacal.ms.header import HEADER, has_header, read_header, write_header
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.metadata import read_metadata
    from atacal.ms.transaction import transaction

    read_metadata(vis)
    if mode not in ("summary", "list", "get", "put", ""):
        raise ArgumentError(f"vishead: mode={mode!r}; possible are summary, list, get and put")
    if mode == "summary":
        from atacal.ms.listobs import summarize
        from atacal.ms.listobs_text import page
        from atacal.ms.measurement_set import MeasurementSet
        from atacal.ms.selection import Selection, select

        with MeasurementSet(vis) as ms:
            for line in page(summarize(ms, select(ms, Selection()))):
                _log.info("%s", line)
        return None
    if mode in ("list", ""):
        for item in (i for i in listitems if i not in HEADER):
            _log.warning("vishead: there is no item %s; there are %s", item, ", ".join(HEADER))
        wanted = [i for i in listitems or sorted(HEADER) if i in HEADER]
        return {item: read_header(vis, item) for item in wanted if has_header(vis, item)}
    if hdkey not in HEADER:
        raise ArgumentError(f"vishead: hdkey={hdkey!r}; possible are {', '.join(HEADER)}")
    row = _row(hdindex)
    if mode == "get":
        return read_header(vis, hdkey, row)
    with transaction(vis, "vishead", subtables=("HISTORY", HEADER[hdkey][0])) as inside:
        write_header(str(inside), hdkey, hdvalue, row)
        write_history(inside, "vishead", task_messages("vishead", given))
    return None


def _row(hdindex: int | str) -> int | None:
    text = str(hdindex).strip()
    if not text:
        return None
    if not text.isdigit():
        raise ArgumentError(f"vishead: hdindex={hdindex!r}; it is the number of a row, from 0, or empty for all")
    return int(text)
