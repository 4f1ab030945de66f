"""Making a MeasurementSet: its subtables, its main table in CASA's layout, rows appended in blocks.

A new MeasurementSet is written under a temporary name beside its target and renamed when it is complete, so that an
error or a kill never leaves half of one under the name that was asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atacal.errors import ArgumentError, TableExists, WriteError
from atacal.ms._new_rows import NewRows, require_room
from atacal.ms._new_subtables import fill_subtables
from atacal.ms.columns import CUBES, cube_description, tile_shape
from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw

_ISM = (
    "ARRAY_ID", "EXPOSURE", "FEED1", "FEED2", "FIELD_ID", "INTERVAL", "OBSERVATION_ID", "PROCESSOR_ID",
    "SCAN_NUMBER", "STATE_ID", "TIME", "TIME_CENTROID",
)  # fmt: skip
_SSM = ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FLAG_ROW")
_BUCKET_BYTES = 32768
_VECTOR_TILE_ROWS = 65536
_VECTORS = {"UVW": "TiledUVW", "WEIGHT": "TiledWgt", "SIGMA": "TiledSigma"}
_SPECTRA = ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")
MAIN_SUBTABLES = (
    "ANTENNA", "DATA_DESCRIPTION", "FEED", "FIELD", "FLAG_CMD", "HISTORY", "OBSERVATION", "POINTING", "POLARIZATION",
    "PROCESSOR", "SOURCE", "SPECTRAL_WINDOW", "STATE",
)  # fmt: skip


class NewTable:
    """A table folder that appears under its name only when it is complete.

    Use it as a context manager: ``temporary`` is where to write; leaving the block renames it to ``path``, an error
    removes it.

    Parameters
    ----------
    path : path
        The target, which must not exist.

    Raises
    ------
    TableExists, WriteError
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.normpath(os.fspath(path)))
        if self.path.exists() or self.path.is_symlink():
            raise TableExists(f"{self.path} exists already; remove it or choose another name")
        folder = self.path.parent
        if not folder.is_dir():
            raise WriteError(f"{self.path} cannot be written: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise WriteError(f"{self.path} cannot be written: no permission to write in {folder}")
        self.temporary = folder / f".{self.path.name}.{os.getpid()}.tmp"
        shutil.rmtree(self.temporary, ignore_errors=True)

    def __enter__(self) -> NewTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.publish()
        else:
            self.discard()

    def publish(self) -> None:
        """Give the table its name."""
        try:
            os.rename(self.temporary, self.path)
        except OSError as error:
            self.discard()
            raise WriteError(f"{self.path} cannot be written: {error}") from error

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.temporary, ignore_errors=True)


def main_table(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    tile: Mapping[str, Sequence[int]],
    *,
    ncorr: int = 2,
    column_keywords: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:
    """Make an empty main table with CASA's columns and storage managers.

    Parameters
    ----------
    path : path
    columns : sequence of str
        Cubes beside FLAG: DATA, MODEL_DATA, WEIGHT_SPECTRUM...
    tile : mapping of column -> (corr, chan, row)
        Tiles of those cubes and of FLAG.
    ncorr : int
        Correlations that WEIGHT and SIGMA usually have.
    column_keywords : mapping of column -> keywords, optional
        Units and measures that replace the standard ones (TIME's reference, UVW's frame).

    Returns
    -------
    casacore.tables.table
        Open for writing.
    """
    from casacore.tables import maketabdesc, required_ms_desc, table

    description = required_ms_desc()
    managers: dict[str, Any] = {}

    def manage(kind: str, name: str, column: str, spec: dict[str, Any]) -> None:
        description[column] |= {"dataManagerType": kind, "dataManagerGroup": name}
        managers[f"*{len(managers) + 1}"] = {"TYPE": kind, "NAME": name, "COLUMNS": [column], "SPEC": spec}

    for column in _ISM:
        name = "Array_ID" if column == "ARRAY_ID" else column
        manage("IncrementalStMan", name, column, {"BUCKETSIZE": _BUCKET_BYTES})
    for column in _SSM:
        manage("StandardStMan", column, column, {"BUCKETSIZE": _BUCKET_BYTES})
    for column, group in _VECTORS.items():
        kind = "TiledColumnStMan" if column == "UVW" else "TiledShapeStMan"
        length = 3 if column == "UVW" else ncorr
        rows = np.array([length, _VECTOR_TILE_ROWS * 2 // length], np.int32)
        manage(kind, group, column, {"DEFAULTTILESHAPE": rows})
        description[column]["ndim"] = 1
    flags = list(tile["FLAG"])
    category = np.array([*flags[:2], 1, flags[2]], np.int32)
    manage("TiledShapeStMan", "TiledFlagCategory", "FLAG_CATEGORY", {"DEFAULTTILESHAPE": category})
    description["FLAG_CATEGORY"]["ndim"] = 3
    description["FLAG_CATEGORY"]["keywords"] = {"CATEGORY": np.array([], dtype=str)}  # CASA wants the keyword
    for column in ("FLAG", *columns):
        made, manager = cube_description(column, tile[column])
        description |= maketabdesc([made])
        managers[f"*{len(managers) + 1}"] = manager
    for column, keywords in (column_keywords or {}).items():
        if column in description:
            description[column]["keywords"] = dict(keywords)
    description.pop("_define_hypercolumn_", None)
    try:
        tab = table(os.fspath(path), description, dminfo=managers, nrow=0, ack=False)
    except RuntimeError as error:
        raise WriteError(f"{path}: cannot make the main table: {error}") from error
    tab.putinfo({"type": "Measurement Set", "subType": "", "readme": "This is a MeasurementSet Table\n"})
    tab.putkeyword("MS_VERSION", 2.0)
    return tab


def cube_tiles(columns: Sequence[str], ncorr: int, nchan: int) -> dict[str, list[int]]:
    """Return the tiles of FLAG and of some cubes whose cells are mostly (nchan, ncorr)."""
    tiles = {c: tile_shape(ncorr, nchan, 4 if "SPECTRUM" in c or c == "FLOAT_DATA" else 8) for c in columns}
    return tiles | {"FLAG": tile_shape(ncorr, nchan, 1 / 8)}


class MSWriter:
    """Write a new MeasurementSet from arrays, block by block, in bounded memory.

    Parameters
    ----------
    path : path
        The MeasurementSet, which must not exist.
    antennas : sequence of Antenna
    fields : sequence of Field
    spws : sequence of Spw
    pols : sequence of Polarization
    ddids : sequence of DataDescription
    states : sequence of str
        Intents (OBS_MODE) of the rows of STATE.
    observations : sequence of Observation
    sources : sequence of mapping, optional
        Columns of SOURCE, one mapping a row (SOURCE_ID, NAME, SPECTRAL_WINDOW_ID, DIRECTION...); by default one row a
        source id of the fields.
    feeds : sequence of mapping, optional
        Columns of FEED, one mapping a row; by default one feed of two receptors an antenna, of the polarisations that
        ``pols`` imply.
    columns : sequence of str
        Cubes that `append` will be given: DATA, CORRECTED_DATA, MODEL_DATA, WEIGHT_SPECTRUM, SIGMA_SPECTRUM.
    time_ref, uvw_ref : str
        Measure references of TIME and UVW.

    Raises
    ------
    TableExists, WriteError, ArgumentError

    Examples
    --------
    >>> with MSWriter("X.ms", antennas=a, fields=f, spws=s, pols=p, ddids=d,
    ...               states=[""], observations=o) as writer:  # doctest: +SKIP
    ...     writer.append(ddid=0, time=t, antenna1=i, antenna2=j, field=0, uvw=uvw, data=vis)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        antennas: Sequence[Antenna],
        fields: Sequence[Field],
        spws: Sequence[Spw],
        pols: Sequence[Polarization],
        ddids: Sequence[DataDescription],
        states: Sequence[str] = (),
        observations: Sequence[Observation] = (),
        sources: Sequence[Mapping[str, Any]] | None = None,
        feeds: Sequence[Mapping[str, Any]] | None = None,
        columns: Sequence[str] = ("DATA",),
        time_ref: str = "UTC",
        uvw_ref: str = "J2000",
    ) -> None:
        wrong = [c for c in columns if c not in CUBES or c == "FLAG"]
        if wrong:
            raise ArgumentError(f"{path}: {', '.join(wrong)} cannot be written; possible are {', '.join(CUBES)}")
        self._new = NewTable(path)
        self._columns = tuple(columns)
        self._spws, self._pols, self._ddids = tuple(spws), tuple(pols), tuple(ddids)
        shapes = [(self._pols[d.pol].ncorr, self._spws[d.spw].nchan) for d in self._ddids] or [(2, 64)]
        ncorr, nchan = max(shapes, key=lambda s: s[0] * s[1])
        try:
            from casacore.tables import required_ms_desc

            keywords = {c: dict(required_ms_desc()[c].get("keywords", {})) for c in ("TIME", "TIME_CENTROID", "UVW")}
            for column, ref in (("TIME", time_ref), ("TIME_CENTROID", time_ref), ("UVW", uvw_ref)):
                keywords[column]["MEASINFO"] = dict(keywords[column]["MEASINFO"]) | {"Ref": ref}
            require_room(self._new.path, self._columns)
            tiles = cube_tiles(self._columns, ncorr, nchan)
            table = main_table(self._new.temporary, self._columns, tiles, ncorr=ncorr, column_keywords=keywords)
            self._rows = NewRows(table, self._new.temporary, self._new.path, ("FLAG", *self._columns))
            fill_subtables(
                table, antennas=antennas, fields=fields, spws=spws, pols=pols, ddids=ddids, states=states,
                observations=observations, sources=sources, feeds=feeds,
            )  # fmt: skip
        except BaseException:
            self._new.discard()
            raise

    def __enter__(self) -> MSWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep=error is None)

    @property
    def nrow(self) -> int:
        """Rows written so far."""
        return self._rows.nrow

    def close(self, *, keep: bool = True) -> None:
        """Finish: give the MeasurementSet its name, or remove it."""
        if not keep:
            self._rows.abandon()
            self._new.discard()
            return
        try:
            self._rows.close()
        except BaseException:
            self._rows.abandon()
            self._new.discard()
            raise
        self._new.publish()

    def append(
        self,
        *,
        ddid: int,
        time: ArrayLike,
        antenna1: ArrayLike,
        antenna2: ArrayLike,
        data: NDArray[np.complex64] | None = None,
        uvw: ArrayLike | None = None,
        flag: NDArray[np.bool_] | None = None,
        weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
        interval: ArrayLike = 1.0,
        exposure: ArrayLike | None = None,
        time_centroid: ArrayLike | None = None,
        field: ArrayLike = 0,
        scan: ArrayLike = 1,
        state: ArrayLike = 0,
        obs: ArrayLike = 0,
        array: ArrayLike = 0,
        processor: ArrayLike = 0,
        feed1: ArrayLike = 0,
        feed2: ArrayLike = 0,
        flag_row: ArrayLike | None = None,
        **cubes: NDArray,
    ) -> None:
        """Append rows of one data description.

        Parameters
        ----------
        ddid : int
        time : float64 (row,)
            [MJD s]. Every other argument has this length, or is one value for all.
        antenna1, antenna2 : int (row,)
        data : complex64 (row, chan, corr), optional
            DATA.
        uvw : float64 (row, 3), optional
            [m]; by default 0.
        flag : bool (row, chan, corr), optional
            By default nothing is flagged.
        weight, sigma : float32 (row, corr) or (row,), optional
            By default each follows from the other (sigma = 1/sqrt(weight)), or both are 1.
        interval, exposure : float64 [s]
            The exposure is the interval by default.
        time_centroid : float64 (row,), optional
            By default ``time``.
        field, scan, state, obs, array, processor, feed1, feed2 : int (row,)
        flag_row : bool (row,), optional
            By default, the rows all of whose data are flagged.
        **cubes : arrays (row, chan, corr)
            The other columns, under their names in lower case: ``corrected_data``, ``weight_spectrum``...

        Raises
        ------
        ArgumentError
            If an array has the wrong shape, or a column that was announced is missing.
        WriteError
        """
        times = np.atleast_1d(np.asarray(time, np.float64))
        nrow = len(times)
        shape = self._cell_shape(ddid)
        given = {"DATA": data} | {name.upper(): values for name, values in cubes.items()}
        values = self._cubes(given, nrow, shape)
        flags = np.zeros((nrow, *shape), bool) if flag is None else np.asarray(flag, bool)
        _check("flag", flags, (nrow, *shape))
        weights, sigmas = weights_and_sigmas(weight, sigma, nrow, shape[1])
        values |= {"FLAG": flags, "WEIGHT": weights, "SIGMA": sigmas}
        values["UVW"] = np.zeros((nrow, 3)) if uvw is None else np.asarray(uvw, np.float64)
        _check("uvw", values["UVW"], (nrow, 3))
        scalars: dict[str, tuple[ArrayLike, Any]] = {
            "TIME": (times, np.float64),
            "TIME_CENTROID": (times if time_centroid is None else time_centroid, np.float64),
            "INTERVAL": (interval, np.float64),
            "EXPOSURE": (interval if exposure is None else exposure, np.float64),
            "FLAG_ROW": (flags.all(axis=(1, 2)) if flag_row is None else flag_row, np.bool_),
        }
        ids = {
            "ANTENNA1": antenna1, "ANTENNA2": antenna2, "DATA_DESC_ID": ddid, "FIELD_ID": field, "SCAN_NUMBER": scan,
            "STATE_ID": state, "OBSERVATION_ID": obs, "ARRAY_ID": array, "PROCESSOR_ID": processor, "FEED1": feed1,
            "FEED2": feed2,
        }  # fmt: skip
        for name, value in ids.items():
            scalars[name] = (value, np.int32)
        for name, (value, kind) in scalars.items():
            values[name] = _spread(name, value, nrow, kind)
        self._rows.append(values)

    def _cell_shape(self, ddid: int) -> tuple[int, int]:
        if not 0 <= ddid < len(self._ddids):
            raise ArgumentError(f"{self._new.path}: there is no data description {ddid} (0 to {len(self._ddids) - 1})")
        dd = self._ddids[ddid]
        return self._spws[dd.spw].nchan, self._pols[dd.pol].ncorr

    def _cubes(self, given: Mapping[str, Any], nrow: int, shape: tuple[int, int]) -> dict[str, NDArray]:
        out = {}
        for name, array in given.items():
            if array is not None and name not in self._columns:
                raise ArgumentError(f"{self._new.path}: {name} was not announced (columns={self._columns})")
        for name in self._columns:
            array = given.get(name)
            if array is None:
                raise ArgumentError(f"{self._new.path}: {name} was announced, but these rows have none")
            kind = np.float32 if name in _SPECTRA or "WEIGHT" in name or name == "FLOAT_DATA" else np.complex64
            out[name] = np.asarray(array, kind)
            _check(name, out[name], (nrow, *shape))
        return out


def weights_and_sigmas(
    weight: ArrayLike | None, sigma: ArrayLike | None, nrow: int, ncorr: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return WEIGHT and SIGMA, float32 (row, corr), each from the other where one is missing."""

    def full(name: str, value: ArrayLike) -> NDArray[np.float32]:
        array = np.asarray(value, np.float32)
        if array.ndim == 1 and len(array) == nrow:
            array = array[:, None]
        try:
            return np.ascontiguousarray(np.broadcast_to(array, (nrow, ncorr)))
        except ValueError:
            raise ArgumentError(f"{name} has the shape {array.shape}; needed is ({nrow}, {ncorr})") from None

    if weight is None and sigma is None:
        weight = 1.0
    with np.errstate(divide="ignore"):
        w = full("weight", weight) if weight is not None else 1 / full("sigma", sigma) ** 2  # type: ignore[arg-type]
        s = full("sigma", sigma) if sigma is not None else 1 / np.sqrt(w)
    return np.where(np.isfinite(w), w, 0).astype(np.float32), np.where(np.isfinite(s), s, 0).astype(np.float32)


def _check(name: str, array: NDArray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ArgumentError(f"{name} has the shape {array.shape}; needed is {shape}")


def _spread(name: str, value: ArrayLike, nrow: int, kind: Any) -> NDArray:
    array = np.asarray(value, kind)
    if array.ndim and array.shape != (nrow,):
        raise ArgumentError(f"{name} has the shape {array.shape}; needed is ({nrow},)")
    return np.ascontiguousarray(np.broadcast_to(array, (nrow,)))
