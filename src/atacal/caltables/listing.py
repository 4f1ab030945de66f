"""A calibration table as text, laid out as CASA's listcal does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from atacal.caltables.table import CalTable, SpwSolutions

_TIME_WIDTH = 10
_PER_PAR_EXTRA = 4
_HEADINGS = {
    "K Jones": ("Delay ",),
    "B TSYS": ("Tsys",),
    "TOpac": ("Opac ",),
    "KAntPos Jones": ("dX m", "dY m", "dZ m"),
}


@dataclass(frozen=True)
class _Layout:
    """Widths of one spw's columns, in characters."""

    field: int
    chan: int
    first: int
    """Width of the amplitude, or of the only number of a Float table."""
    second: int
    """Width of the phase; 1 where there is none."""
    npar: int
    is_complex: bool
    headings: tuple[tuple[str, str], ...]

    @property
    def par(self) -> int:
        return self.first + self.second + _PER_PAR_EXTRA

    @property
    def antenna(self) -> int:
        return self.par * self.npar

    @property
    def antennas(self) -> int:
        """How many antennas stand side by side."""
        return max(8 // self.npar, 1)

    @property
    def lead(self) -> int:
        return _TIME_WIDTH + 1 + self.field + 1 + self.chan

    @property
    def total(self) -> int:
        return self.lead + 1 + self.antenna * self.antennas


def list_lines(
    table: CalTable,
    *,
    fields: Sequence[int],
    antennas: Sequence[int],
    channels: dict[int, list[int]],
    ms_path: str = "",
    page_rows: int = 50,
) -> Iterator[str]:
    """Yield the lines of a listing.

    Parameters
    ----------
    table : CalTable
    fields, antennas : sequence of int
        Ids to be listed; field -1 is that of tables without fields (antenna positions).
    channels : dict of spw -> list of int
        Channels of the table to be listed.
    ms_path : str
        Named in the heading.
    page_rows : int
        Lines after which the column headings are repeated; 0 for never.

    Yields
    ------
    str
        Lines without their ends.
    """
    count = 0
    page = 0
    for spw in sorted(set(channels) & set(table.solutions)):
        sol = table.solutions[spw]
        layout = _layout(table, sol)
        date = _clock(float(sol.time[0]))[0]
        title = f"{table.path} ({table.kind})"
        yield f"SpwID = {spw}, Date = {date},  CalTable = {title}, MS name = {ms_path}"
        yield "-" * layout.total
        page += 2
        slots = [s for s in range(sol.nslot) if int(sol.field[s]) in fields]
        for start in range(0, len(antennas), layout.antennas):
            group = list(antennas[start : start + layout.antennas])
            heading = True
            for slot in slots:
                for chan in channels[spw]:
                    if heading or page == 0:
                        yield from _heading(table, layout, group)
                        heading, page = False, page + 3
                    yield _row(table, sol, layout, slot, chan, group)
                    count, page = count + len(group), page + 1
                    if page_rows > 0 and page >= page_rows - 1:
                        page = 0
    yield ""
    yield f"Listed {count} antenna solutions."
    yield ""


def _layout(table: CalTable, sol: SpwSolutions) -> _Layout:
    is_complex = table.par_type == "Complex"
    if is_complex:
        headings: tuple[tuple[str, str], ...] = (("Amp ", "Phs "),)
    else:
        headings = tuple((h, " ") for h in _HEADINGS.get(table.kind, ("Value",)))
    # CASA measures the names of as many fields as have solutions, but takes the first ones of the FIELD table
    nfield = len({int(f) for s in table.solutions.values() for f in s.field if f >= 0})
    return _Layout(
        field=max((len(f.name) for f in table.fields[:nfield]), default=0),
        chan=max(3, round(float(np.log10(sol.nchan)) + 0.5)),
        first=5 if is_complex else 10,
        second=6 if is_complex else 1,
        npar=sol.param.shape[3],
        is_complex=is_complex,
        headings=headings,
    )


def _heading(table: CalTable, layout: _Layout, antennas: Sequence[int]) -> Iterator[str]:
    width = layout.antenna - 1
    yield " " * layout.lead + "|" + "".join(f"{f' Ant = {table.antennas[a].name}':<{width}}|" for a in antennas)
    names = [layout.headings[p % len(layout.headings)] for p in range(layout.npar)]
    pars = " ".join(f"{a:>{layout.first}} {b:>{layout.second}} F" for a, b in names)
    lead = f"{'Time':<{_TIME_WIDTH}} {'Field':<{layout.field}} {'Chn':<{layout.chan}}|"
    yield lead + (pars + "|") * len(antennas)
    rule = "-" * _TIME_WIDTH + "|" + "-" * layout.field + "|" + "-" * layout.chan + "|"
    yield rule + ("-" * (layout.par - 1) + "|") * (layout.antennas * layout.npar)


def _row(table: CalTable, sol: SpwSolutions, layout: _Layout, slot: int, chan: int, antennas: Sequence[int]) -> str:
    field = int(sol.field[slot])
    name = table.fields[field].name if field >= 0 else ""
    text = f"{_clock(float(sol.time[slot]))[1]:>{_TIME_WIDTH}} {name:>{layout.field}} {chan:>{layout.chan}}|"
    for ant in antennas:
        for value, flag in zip(sol.param[slot, ant, chan], sol.flag[slot, ant, chan], strict=True):
            if layout.is_complex:
                phase = float(np.degrees(np.angle(value)))
                text += f"{abs(value):>{layout.first}.3f} {phase:>{layout.second}.1f} "
            else:
                text += f"{value:>{layout.first}.5f}   "
            text += "F " if flag else "  "
    return text


def _clock(time_mjd_s: float) -> tuple[str, str]:
    """Return (YYYY/MM/DD, hh:mm:ss.s) of a time [MJD s]."""
    tenths = round(time_mjd_s * 10)
    when = datetime(1858, 11, 17) + timedelta(seconds=tenths // 10)
    return when.strftime("%Y/%m/%d"), when.strftime("%H:%M:%S") + f".{tenths % 10}"
