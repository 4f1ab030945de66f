"""The page that ``listobs`` prints, line for line as CASA lays it out."""

from __future__ import annotations

import math
import os
from datetime import date, timedelta

import numpy as np

from atacal.ms.listobs import DAY_S, SubScan, Summary
from atacal.ms.observatories import observatory_itrf, spherical

_RULE = "=" * 80
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MJD_EPOCH = date(1858, 11, 17)


def page(summary: Summary, *, verbose: bool = True) -> list[str]:
    """Return the lines of the listing.

    Parameters
    ----------
    summary : Summary
    verbose : bool
        With scans, sources and antenna positions.
    """
    lines = _title(summary, verbose)
    if verbose:
        lines += _scans(summary)
    lines += _fields(summary)
    lines += _spws(summary)
    if verbose:
        lines += _sources(summary)
    lines += _antennas(summary) if verbose else _antenna_names(summary)
    return lines


def _title(summary: Summary, verbose: bool) -> list[str]:
    meta = summary.meta
    lines = [
        _RULE,
        f"           MeasurementSet Name:  {os.path.abspath(meta.path)}      MS Version {summary.version}",
        _RULE,
    ]
    if not meta.observations:
        lines.append("The OBSERVATION table is empty")
    else:
        first = meta.observations[0]
        lines.append(f"   Observer: {first.observer}     Project: {first.project}  ")
        lines.append(f"Observation: {first.telescope}" + ("" if verbose else f"({meta.nant} antennas)"))
    if len(meta.observations) > 1:
        lines += ["", f"  {'Telescope':<10}{'Observation Date':<20}{'Observer':<15}{'Project':<15}"]
        for obs in meta.observations:
            span = f"{'[':<20}" + ", ".join(f"{t:g}" for t in obs.time_range_mjd_s) + "]"
            lines.append(f"  {obs.telescope:<10}{span}{obs.observer:<15}{obs.project:<15}")
    lines.append(f"Data records: {summary.nrow}       Total elapsed time = {summary.end - summary.begin:.6g} seconds")
    lines.append(
        f"   Observed from   {_date(summary.begin)}/{_clock(summary.begin)}"
        f"   to   {_date(summary.end)}/{_clock(summary.end)} ({summary.time_frame})"
    )
    return [*lines, ""]


def _scans(summary: Summary) -> list[str]:
    lines: list[str] = []
    unflagged = any(s.unflagged_rows is not None for s in summary.subscans)
    frame = f"({summary.time_frame})"
    head = f"  Date        Timerange {frame:<15}Scan  FldId FieldName             nRows     "
    head += ("nUnflRows   " if unflagged else "") + "SpwIds   Average Interval(s)    ScanIntent"
    last: tuple[int, int] | None = None
    day = ""
    for sub in summary.subscans:
        if (sub.obs, sub.array) != last:
            if last is not None:
                lines.append("")
            lines += [f"   ObservationID = {sub.obs}         ArrayID = {sub.array}", head]
            last, day = (sub.obs, sub.array), ""
        lines.append(_scan(summary, sub, day))
        day = _date(sub.begin)
    return [*lines, "           (nRows = Total number of rows per scan) "]


def _scan(summary: Summary, sub: SubScan, day: str) -> str:
    begin = _clock(sub.begin) if _date(sub.begin) == day else f"{_date(sub.begin)}/{_clock(sub.begin)}"
    name = _cut(summary.meta.fields[sub.field].name)
    line = f"  {begin:>22} - {_clock(sub.end):>10}  {sub.scan:>4}  {sub.field:>5} {name:<20}{sub.nrow:>10}"
    if sub.unflagged_rows is not None:
        line += f"{sub.unflagged_rows:>13.2f}"
    line += f"  [{','.join(map(str, sub.spws))}]  [{', '.join(f'{t:.3g}' for t in sub.mean_interval_s)}] "
    return line + (f"[{','.join(sub.intents)}]" if sub.intents else "")


def _fields(summary: Summary) -> list[str]:
    has_sources = bool(summary.sources)
    unflagged = any(s.unflagged_rows is not None for s in summary.subscans)
    lines = [
        f"Fields: {len(summary.fields)}",
        f"  {'ID':<5}{'Code':<5}{'Name':<20}{'RA':<16}{' Decl':<16}{'Epoch':<8}"
        + (f"{'SrcId':<6}" if has_sources else "")
        + f"{'nRows':>10}"
        + (f"{'nUnflRows':>13}" if unflagged else ""),
    ]
    for number in summary.fields:
        field = summary.meta.fields[number]
        ra, dec = field.phase_dir_rad
        nrow, good = summary.field_rows(number)
        lines.append(
            f"  {number:<5}{field.code:<5}{_cut(field.name):<20}"
            f"{_sexagesimal(math.degrees(ra) % 360 / 15, ':', 6):<16}{_signed(math.degrees(dec), 2, 5):<16}"
            f"{field.frame:<8}" + (f"{field.source_id:<6}" if has_sources else "") + f"{nrow:>10}"
            + (f"{good:>13.2f}" if good is not None else "")
        )  # fmt: skip
    return lines


def _spws(summary: Summary) -> list[str]:
    meta = summary.meta
    ddids = [meta.ddids[d] for d in summary.ddids]
    width = max(5, *(len(s.name) for s in meta.spws))
    corrs = 4 * meta.pols[0].ncorr
    lines = [
        f"Spectral Windows:  ({len({d.spw for d in ddids})} unique spectral windows and "
        f"{len({d.pol for d in ddids})} unique polarization setups)",
        f"  {'SpwID':<7}{'Name  ':<{width}} #Chans   Frame   Ch0(MHz)  ChanWid(kHz)  TotBW(kHz) CtrFreq(MHz) "
        + ("BBC Num " if summary.has_bbc else "")
        + f"{' Corrs':<{corrs}}",
    ]
    for ddid in sorted(ddids, key=lambda d: (d.spw, d.id)):
        spw = meta.spws[ddid.spw]
        lines.append(
            f"  {spw.id:<7}{spw.name:<{width}} {spw.nchan:>6} {spw.frame:>6}"
            f"{spw.chan_freq_hz[0] / 1e6:>12.3f}{spw.chan_width_hz[0] / 1e3:>14.3f}"
            f"{spw.total_bandwidth_hz / 1e3:>12.1f}{spw.centre_freq_hz / 1e6:>12.4f} "
            + (f"{spw.bbc_no:>8}" if summary.has_bbc else "")
            + "".join(f"{c:>4}" for c in meta.pols[ddid.pol].corrs)
        )
    return lines


def _sources(summary: Summary) -> list[str]:
    if summary.sources is None:
        return ["The SOURCE table is absent: see the FIELD table"]
    if not summary.sources:
        return ["The SOURCE table is empty: see the FIELD table"]
    has_freq, has_vel = summary.source_columns
    lines = [
        f"Sources: {len(summary.sources)}",
        f"  {'ID':<5}{'Name':<20}{'SpwId':<6}"
        + (f"{'RestFreq(MHz)':<15}" if has_freq else "")
        + (f"{'SysVel(km/s)':<13}" if has_vel else ""),
    ]
    for source in summary.sources:
        line = f"  {source.id:<5}{_cut(source.name):<20}{'any' if source.spw < 0 else source.spw:<6}"
        if has_freq:
            line += f"{_value(source.rest_freq_hz, 1e6):<15}"
        if has_vel:
            line += f"{_value(source.sysvel_m_s, 1e3):<13}"
        lines.append(line)
    if not has_freq:
        lines.append("  NB: No rest frequency information found in SOURCE table.")
    if not has_vel:
        lines.append("  NB: No systemic velocity information found in SOURCE table.")
    return lines


def _antennas(summary: Summary) -> list[str]:
    meta = summary.meta
    lines = [
        f"Antennas: {len(summary.antennas)}:",
        f"  {'ID':<5}{'Name':<6}{'Station':<10}{'Diam.':<9}{'Long.':<14}{'Lat.':<13}"
        f"{'       Offset from array center (m)':<42}{'         ITRF Geocentric coordinates (m)':<48}",
        f"  {'':<57}{'East':>14}{'North':>14}{'Elevation':>14}{'x':>16}{'y':>16}{'z':>16}",
    ]
    xyz = meta.antenna_positions_m
    long, lat, distance = spherical(xyz)
    centre = observatory_itrf(meta.telescope) or tuple(float(v) for v in spherical(xyz.mean(axis=0)))
    for i in summary.antennas:
        antenna = meta.antennas[i]
        # along the sphere through the array's reference position, as CASA counts them
        east = (long[i] - centre[0]) * centre[2] * math.cos(centre[1])
        north = (lat[i] - centre[1]) * centre[2]
        lines.append(
            f"  {i:<5}{antenna.name:<6}{antenna.station:<10}{antenna.dish_diameter_m:<5.1f}m   "
            f"{_signed(math.degrees(long[i]), 3, 1):<14}{_signed(math.degrees(lat[i]), 2, 1):<13}"
            f"{east:>14.4f}{north:>14.4f}{distance[i] - centre[2]:>14.4f}"
            f"{xyz[i, 0]:>16.6f}{xyz[i, 1]:>16.6f}{xyz[i, 2]:>16.6f}"
        )
    return lines


def _antenna_names(summary: Summary) -> list[str]:
    lines = [f"Antennas: {len(summary.antennas)} 'name'='station' "]
    text = ""
    first = summary.antennas[0]
    for i in summary.antennas:
        antenna = summary.meta.antennas[i]
        text += f"'{antenna.name}'='{antenna.station}'"
        is_last = i == summary.antennas[-1]
        text += "" if is_last else ", "
        if is_last or len(text) > 55:
            lines.append("   ID=" + f"{first}-{i}: ".rjust(8) + text)
            text, first = "", i + 1
    return lines


def _cut(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "*"


def _value(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:.12g}"


def _tenths(mjd_s: float) -> tuple[int, int]:
    """Days and tenths of a second in the day, rounded."""
    return divmod(round(mjd_s * 10), round(DAY_S * 10))


def _date(mjd_s: float) -> str:
    when = _MJD_EPOCH + timedelta(days=_tenths(mjd_s)[0])
    return f"{when.day:02d}-{_MONTHS[when.month - 1]}-{when.year}"


def _clock(mjd_s: float) -> str:
    return _sexagesimal(_tenths(mjd_s)[1] / 36000, ":", 1)


def _sexagesimal(value: float, separator: str, decimals: int, whole: int = 2) -> str:
    """Write a value that is not negative as dd<sep>mm<sep>ss.s."""
    scale = 10**decimals
    minutes, fine = divmod(round(value * 3600 * scale), 60 * scale)
    degrees, minutes = divmod(minutes, 60)
    seconds, fraction = divmod(fine, scale)
    return f"{degrees:0{whole}d}{separator}{minutes:02d}{separator}{seconds:02d}.{fraction:0{decimals}d}"


def _signed(degrees: float, whole: int, decimals: int) -> str:
    """Write an angle as +dd.mm.ss.s."""
    degrees = float(np.float64(degrees))
    return ("-" if degrees < 0 else "+") + _sexagesimal(abs(degrees), ".", decimals, whole)
