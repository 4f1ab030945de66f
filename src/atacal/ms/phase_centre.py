"""Moving phase centres, and UVW made anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, InvalidTable, ModelError
from atacal.ms._concat_fields import ephemeris_direction, ephemeris_path
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet, Segment
from atacal.ms.metadata import Field, ephemeris_ids
from atacal.ms.selected import Selected
from atacal.ms.stream import Block, each_block
from atacal.ms.uvw import Uvw

_LIGHT_M_PER_S = 299792458.0
_ROWS_AT_ONCE = 100_000
_MADE_BYTES = 24  # phases and products, for each visibility
_FRAMES = {"J2000": "j2000", "ICRS": "icrs"}
Direction = tuple[float, float]


def axes(direction_rad: Direction) -> NDArray[np.float64]:
    """Return the directions of u, v and w for a phase centre, (3, 3) in the rows."""
    ra, dec = direction_rad
    sa, ca, sd, cd = np.sin(ra), np.cos(ra), np.sin(dec), np.cos(dec)
    return np.array([[-sa, ca, 0.0], [-sd * ca, -sd * sa, cd], [cd * ca, cd * sa, sd]])


def shift_phase_centre(
    ms: MeasurementSet, selected: Selected, columns: Sequence[str], new_rad: dict[int, Direction]
) -> None:
    r"""Turn visibilities and UVW of some fields to new phase centres.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    selected : Selected
        All rows of these fields.
    columns : sequence of str
        DATA, CORRECTED_DATA, MODEL_DATA: what is turned.
    new_rad : dict of field -> (float, float)
        The new phase centres, in the fields' frames. FIELD is not changed here.

    Notes
    -----
    With R the rotation from the old axes (u, v, w) to the new ones, u' = R u, and
    :math:`V' = V \exp(-2\pi i \nu (w' - w) / c)`, as in CASA's phaseshift.
    """
    fields = ms.metadata.fields
    turns = {f: axes(new) @ axes(fields[f].phase_dir_rad).T for f, new in new_rad.items()}

    def work(block: Block) -> None:
        uvw = block.data["UVW"]
        turned = uvw.copy()
        for field in np.unique(block.field):
            rows = block.field == field
            turned[rows] = uvw[rows] @ turns[int(field)].T
        path = (turned - uvw)[:, 2]
        freq = ms.metadata.spws[block.spw].chan_freq_hz
        phase = np.exp((-2j * np.pi / _LIGHT_M_PER_S) * path[:, None] * freq).astype(np.complex64)[..., None]
        for column in columns:
            ms.write(column, block.segments, block.data[column] * phase)
        ms.write("UVW", block.segments, turned)

    for _ in each_block(ms, selected, (*columns, "UVW"), work, made_bytes=_MADE_BYTES):
        pass


def recalculate_uvw(ms: MeasurementSet, selected: Selected) -> None:
    """Make UVW anew from the positions of the antennas and the phase centres in FIELD.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    selected : Selected

    Raises
    ------
    ArgumentError
        For fields in frames other than J2000 and ICRS.
    """
    ids = ephemeris_ids(ms.path)
    positions = ms.metadata.antenna_positions_m
    everyone = list(range(len(positions)))
    machines: dict[str, Uvw] = {}
    for number in np.unique(selected.runs.field).tolist():
        field = ms.metadata.fields[number]
        if field.frame not in _FRAMES:
            raise ArgumentError(f"{ms.path}: field {field.name} is in {field.frame}; possible are {', '.join(_FRAMES)}")
        table = ephemeris_path(str(ms.path), ids[number]) if ids and ids[number] >= 0 else None
        machine = machines.setdefault(field.frame, Uvw(positions, _FRAMES[field.frame]))
        mine = replace(selected, runs=selected.runs[selected.runs.field == number])
        for segments in _pieces(mine):
            times, which = np.unique(ms.read_scalar("TIME_CENTROID", segments), return_inverse=True)
            places = np.array([
                machine.antennas(t, *_place(field, table, t), everyone) for t in times.tolist()
            ])  # fmt: skip
            first, second = (ms.read_scalar(c, segments) for c in ("ANTENNA1", "ANTENNA2"))
            ms.write("UVW", segments, places[which, first] - places[which, second])


def _pieces(selected: Selected) -> Iterator[list[Segment]]:
    """Yield the rows of a selection's runs, some at a time."""
    segments: list[Segment] = []
    rows = 0
    for row0, nrow in zip(selected.runs.row0.tolist(), selected.runs.nrow.tolist(), strict=True):
        segments.append((row0, nrow))
        rows += nrow
        if rows >= _ROWS_AT_ONCE:
            yield segments
            segments, rows = [], 0
    if segments:
        yield segments


def _place(field: Field, ephemeris: Path | None, time_s: float) -> Direction:
    if ephemeris is None:
        return field.phase_dir_rad
    place = ephemeris_direction(ephemeris, time_s)
    if place is None:
        raise ModelError(f"the ephemeris {ephemeris} of field {field.name} does not reach to MJD {time_s / 86400:.5f}")
    dec = place[1] + field.phase_dir_rad[1]
    return place[0] + field.phase_dir_rad[0] / float(np.cos(dec)), dec


def set_directions(ms_path: str, new_rad: dict[int, Direction], columns: Sequence[str]) -> None:
    """Write new directions of fields into FIELD; ephemerides of theirs are no longer used."""
    with opened(f"{ms_path}/FIELD", writable=True) as tab:
        for field, (ra, dec) in new_rad.items():
            for column in columns:
                old = np.asarray(tab.getcell(column, field), float)
                old.reshape(-1, 2)[0] = ra, dec
                tab.putcell(column, field, old)


def set_j2000(ms_path: str, fields: Sequence[int]) -> None:
    """Label the directions of fields as J2000, in a FIELD whose rows have frames of their own.

    Raises
    ------
    ArgumentError
        If all rows share a frame.
    """
    with opened(f"{ms_path}/FIELD", writable=True) as tab:
        info = tab.getcolkeywords("PHASE_DIR").get("MEASINFO", {})
        if "VarRefCol" not in info or "TabRefCodes" not in info:
            raise ArgumentError(f"{ms_path}: all directions of FIELD are in {info.get('Ref')}: J2000 cannot be written")
        code = int(info["TabRefCodes"][list(info["TabRefTypes"]).index("J2000")])
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            name = tab.getcolkeywords(column)["MEASINFO"]["VarRefCol"]
            for field in fields:
                tab.putcell(name, field, code)


def leave_ephemerides(ms_path: str, fields: Sequence[int]) -> None:
    """Let fields follow no ephemeris any more."""
    with opened(f"{ms_path}/FIELD", writable=True) as tab:
        if "EPHEMERIS_ID" in tab.colnames():
            for field in fields:
                tab.putcell("EPHEMERIS_ID", field, -1)


def set_source_directions(ms_path: str, names: dict[str, Direction]) -> None:
    """Write new directions into the rows of SOURCE that have a field's name."""
    path = Path(ms_path, "SOURCE")
    if not path.is_dir():
        return
    with opened(path, writable=True) as tab:
        for row, name in enumerate(tab.getcol("NAME") if tab.nrows() else []):
            if name in names:
                tab.putcell("DIRECTION", row, np.array(names[name]))


def read_direction(text: str, old: Field) -> Direction:
    """Read a direction: ``J2000 19h30m00 -40d00m00``, or two offsets from a field's phase centre, ``5arcsec -3arcsec``.

    Parameters
    ----------
    text : str
    old : Field

    Returns
    -------
    (float, float)
        [rad], in the field's frame.

    Raises
    ------
    ArgumentError
    """
    words = text.split()
    if len(words) == 2:
        return _offset(text, words, old)
    if len(words) != 3 or words[0].upper() not in _FRAMES:
        raise ArgumentError(
            f"the direction {text!r} cannot be read; write 'J2000 19h30m00 -40d00m00' (or ICRS), or two offsets: "
            "'5arcsec -3arcsec'"
        )
    return to_frame((angle_rad(words[1], hours=True), angle_rad(words[2])), words[0].upper(), old.frame)


def _offset(text: str, words: Sequence[str], old: Field) -> Direction:
    in_time = bool(re.fullmatch(r"[-+]?[\d.]+(h|min|s)|[-+]?\d+[h:]\d+[m:][\d.]*s?", words[0]))
    east, north = angle_rad(words[0], hours=in_time), angle_rad(words[1])
    dec = old.phase_dir_rad[1] + north
    if abs(dec) >= np.pi / 2:
        raise ArgumentError(f"the offset {text!r} leads over the pole")
    return old.phase_dir_rad[0] + (east if in_time else east / float(np.cos(dec))), dec


def angle_rad(text: str, *, hours: bool = False) -> float:
    """Read an angle: ``19h30m00``, ``19:30:00``, ``-40d00m00.5``, ``-40.00.00.5``, ``0.3rad``, ``5arcsec``.

    With ``hours``, numbers separated by colons are hours.
    """
    units = {"rad": 1.0, "deg": np.pi / 180, "arcmin": np.pi / 10800, "arcsec": np.pi / 648000, "mas": np.pi / 6.48e8,
             "marcsec": np.pi / 6.48e8, "h": np.pi / 12, "min": np.pi / 720, "s": np.pi / 43200}  # fmt: skip
    simple = re.fullmatch(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(rad|deg|arcmin|marcsec|arcsec|mas|h|min|s)", text)
    if simple:
        return float(simple[1]) * units[simple[2]]
    parts = re.fullmatch(r"([-+]?)(\d+)([hd:.])(\d+)(?:[m:.'](\d*\.?\d*)s?)?", text)
    if not parts:
        raise ArgumentError(f"the angle {text!r} cannot be read; write 19h30m00.5, -40d00m00.5, 5arcsec, 0.3rad")
    value = float(parts[2]) + float(parts[4]) / 60 + float(parts[5] or 0) / 3600
    turn = np.pi / 12 if parts[3] == "h" or (parts[3] == ":" and hours) else np.pi / 180
    return float(-value * turn if parts[1] == "-" else value * turn)


def to_frame(direction_rad: Direction, frame: str, wanted: str) -> Direction:
    """Convert a direction between J2000 and ICRS."""
    if frame == wanted:
        return direction_rad
    if wanted not in _FRAMES:
        raise ArgumentError(f"a direction in {frame} cannot be given to a field in {wanted}")
    from atacal.ms.measures import measures

    dm = measures()
    there = dm.direction(frame, *({"value": x, "unit": "rad"} for x in direction_rad))
    here = dm.measure(there, wanted)
    return float(here["m0"]["value"]), float(here["m1"]["value"])


def pointed_at(ms: MeasurementSet, antenna: int, time_s: float) -> Direction:
    """Return where an antenna pointed at a time, J2000 [rad], from POINTING's directions in AZELGEO.

    The first row is taken whose interval has the time; else the first within 3 s; of rows that track before others.

    Raises
    ------
    InvalidTable
        If POINTING has no such row.
    """
    from atacal.ms.measures import measures

    with opened(ms.path / "POINTING") as tab:
        nearness = (f"NEARABS(TIME,{time_s!r},INTERVAL/2.)", f"NEARABS(TIME,{time_s!r},3.)")
        for tracking in (" && TRACKING", ""):
            for near in nearness:
                part = tab.query(f"ANTENNA_ID=={antenna}{tracking} && {near}")
                found = np.asarray(part.getcell("DIRECTION", 0)).reshape(-1, 2)[0] if part.nrows() else None
                part.close()
                if found is not None:
                    break
            if found is not None:
                break
    if found is None:
        name = ms.metadata.antennas[antenna].name
        raise InvalidTable(f"{ms.path}: POINTING has no row of antenna {name} within 3 s of MJD {time_s / 86400:.6f}")
    dm = measures()
    dm.doframe(dm.epoch("utc", {"value": time_s, "unit": "s"}))
    position = ms.metadata.antenna_positions_m[antenna]
    dm.doframe(dm.position("itrf", *({"value": float(x), "unit": "m"} for x in position)))
    here = dm.direction("azelgeo", *({"value": float(x), "unit": "rad"} for x in found))
    sky = dm.measure(here, "j2000")
    return float(sky["m0"]["value"]), float(sky["m1"]["value"])
