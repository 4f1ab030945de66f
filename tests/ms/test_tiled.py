"""Tiled columns read and written without casacore: casacore is the judge."""

from __future__ import annotations

import errno
import itertools
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import makearrcoldesc, maketabdesc, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atacal.errors import DiskFull, InvalidTable
from atacal.ms import _direct_io
from atacal.ms._direct_io import SharedFile
from atacal.ms._tiled_column import NewTiledColumn, TiledColumn, open_tiled
from atacal.ms._tiled_header import EMPTY_RECORD, NotReadable, dump_header, parse_header

ZERO = {"complex64": 0j, "float32": 0.0, "float64": 0.0, "bool": False, "int32": 0}
CASA = {"complex64": "complex", "float32": "float", "float64": "double", "bool": "boolean", "int32": "int"}
numbers = itertools.count()


def values_of(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if dtype == "bool":
        return rng.random(shape) < 0.3
    if dtype == "complex64":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    return (100 * rng.normal(size=shape)).astype(dtype)


def description(dtype: str, tile: tuple[int, ...], kind: str = "TiledShapeStMan", shape: tuple[int, ...] = ()) -> tuple:
    extra = {"shape": list(shape), "options": 4} if shape else {}
    made = makearrcoldesc("V", ZERO[dtype], ndim=len(tile) - 1, valuetype=CASA[dtype], datamanagertype=kind,
                          datamanagergroup="TiledV", **extra)  # fmt: skip
    spec = {"DEFAULTTILESHAPE": np.array(tile[::-1], np.int32)}
    return maketabdesc([made]), {"*1": {"TYPE": kind, "NAME": "TiledV", "COLUMNS": ["V"], "SPEC": spec}}


def by_casacore(path: Path, dtype: str, cells: list[tuple[tuple[int, int], int]], tile, rng, endian: str) -> list:
    """Write stretches of rows of cells (chan, corr); return (row0, values)."""
    desc, manager = description(dtype, tile)
    tab = table(str(path), desc, dminfo=manager, nrow=0, ack=False, endian=endian)
    out, row = [], 0
    for cell, nrow in cells:
        values = values_of(dtype, (nrow, *cell), rng)
        tab.addrows(nrow)
        tab.putcol("V", values, row, nrow)
        out.append((row, values))
        row += nrow
    tab.close()
    return out


def seqnr(path: Path) -> int:
    with table(str(path), ack=False) as tab:
        return int(tab.getdminfo("V")["SEQNR"])


shapes = st.tuples(st.integers(1, 12), st.integers(1, 4))
tables = st.tuples(
    st.sampled_from(sorted(ZERO)),
    st.lists(st.tuples(shapes, st.integers(1, 9)), min_size=1, max_size=5),
    st.tuples(st.integers(1, 7), st.integers(1, 12), st.integers(1, 4)),
    st.sampled_from(["little", "big"]),
    st.integers(0, 1000),
)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_reads_what_casacore_wrote(tmp_path_factory, given_table):
    dtype, cells, tile, endian, seed = given_table
    path, rng = tmp_path_factory.getbasetemp() / f"r{next(numbers)}", np.random.default_rng(seed)
    stretches = by_casacore(path, dtype, cells, tile, rng, endian)
    column = TiledColumn(path, seqnr(path))
    for row0, values in stretches:
        a, b = sorted(rng.integers(0, len(values) + 1, 2))
        out = np.empty_like(values[a:b])
        column.read(row0 + int(a), int(b - a), out)
        np.testing.assert_array_equal(out, values[a:b])
        c, d = sorted(rng.integers(0, values.shape[1] + 1, 2))
        some = np.empty_like(values[a:b, c:d])
        column.read(row0 + int(a), int(b - a), some, slice(int(c), int(d)))
        np.testing.assert_array_equal(some, values[a:b, c:d])
    column.close()
    shutil.rmtree(path)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_casacore_reads_what_is_written(tmp_path_factory, given_table):
    dtype, cells, tile, endian, seed = given_table
    path, rng = tmp_path_factory.getbasetemp() / f"w{next(numbers)}", np.random.default_rng(seed)
    stretches = by_casacore(path, dtype, cells, tile, rng, endian)
    column = TiledColumn(path, seqnr(path), writable=True)
    for row0, values in stretches:
        a, b = sorted(rng.integers(0, len(values) + 1, 2))
        values[a:b] = values_of(dtype, values[a:b].shape, rng)
        column.write(row0 + int(a), np.ascontiguousarray(values[a:b]))
    column.close()
    with table(str(path), ack=False) as tab:
        for row0, values in stretches:
            np.testing.assert_array_equal(tab.getcol("V", row0, len(values)), values)
    shutil.rmtree(path)


@settings(max_examples=60, deadline=None)
@given(tables, st.booleans())
def test_new_columns_are_casacores(tmp_path_factory, given_table, room_known):
    dtype, cells, tile, endian, seed = given_table
    path, rng = tmp_path_factory.getbasetemp() / f"n{next(numbers)}", np.random.default_rng(seed)
    nrow = sum(n for _, n in cells)
    desc, manager = description(dtype, tile)
    tab = table(str(path), desc, dminfo=manager, nrow=nrow, ack=False, endian=endian)
    info = tab.getdminfo("V")
    rows: dict[tuple[int, ...], int] = {}
    for cell, n in cells:
        rows[cell] = rows.get(cell, 0) + n + 3

    def tile_of(cell: tuple[int, ...]) -> list[int]:
        return [tile[0], min(tile[1], cell[0]), min(tile[2], cell[1])]

    new = NewTiledColumn(
        path, info["SEQNR"], dtype, info["NAME"], tile_of, default_tile=tile[::-1],
        rows=rows if room_known else None, big_endian=endian == "big",
    )  # fmt: skip
    written, row = [], 0
    for cell, n in cells:
        new.extend(cell, n)
        written.append((row, values_of(dtype, (n, *cell), rng)))
        row += n
    for row0, values in reversed(written):
        new.write(row0, values)
    tab.close()
    new.install()
    with table(str(path), ack=False, readonly=False) as tab:
        for row0, values in written:
            np.testing.assert_array_equal(tab.getcol("V", row0, len(values)), values)
        tab.addrows(1)  # and casacore goes on with it
        tab.putcell("V", nrow, written[0][1][0])
    with table(str(path), ack=False) as tab:
        np.testing.assert_array_equal(tab.getcell("V", nrow), written[0][1][0])
        np.testing.assert_array_equal(tab.getcell("V", 0), written[0][1][0])
    shutil.rmtree(path)


@pytest.mark.parametrize("kind", ["TiledShapeStMan", "TiledColumnStMan"])
def test_headers_come_back_byte_for_byte(tmp_path, kind):
    desc, manager = description("float32", (4, 6, 2), kind, (6, 2) if kind == "TiledColumnStMan" else ())
    tab = table(str(tmp_path / "t"), desc, dminfo=manager, nrow=9, ack=False)
    tab.putcol("V", np.zeros((9, 6, 2), np.float32))
    tab.close()
    data = (tmp_path / "t" / "table.f0").read_bytes()
    header = parse_header(data)
    assert dump_header(header) == data
    assert header.cubes[-1].values == EMPTY_RECORD
    column = TiledColumn(tmp_path / "t", 0)
    out = np.ones((9, 6, 2), np.float32)
    column.read(0, 9, out)
    assert not out.any()


def test_the_header_of_a_very_large_file_comes_back(tmp_path):
    desc, manager = description("float32", (4, 6, 2))
    table(str(tmp_path / "t"), desc, dminfo=manager, nrow=3, ack=False).close()
    header = parse_header((tmp_path / "t" / "table.f0").read_bytes())
    header.files = [-1, 5 << 32]
    header.cubes[0].offset = 3 << 32
    again = parse_header(dump_header(header))
    assert again == header
    header.nrow = 1 << 32
    with pytest.raises(NotReadable, match="too large"):
        dump_header(header)


@pytest.mark.parametrize("data", [b"", b"\xbe\xbe\xbe\xbe", b"hello, I am no header at all"])
def test_what_is_no_header_is_left_to_casacore(data):
    with pytest.raises(NotReadable):
        parse_header(data)


def test_rows_without_a_value_and_other_shapes_are_left_to_casacore(tmp_path):
    path = tmp_path / "t"
    by_casacore(path, "float32", [((3, 2), 4)], (2, 3, 2), np.random.default_rng(0), "little")
    with table(str(path), ack=False, readonly=False) as tab:
        tab.addrows(2)
    column = TiledColumn(path, seqnr(path))
    assert column.holds(0, 4)
    assert not column.holds(3, 2)
    for row0, shape, dtype in ((3, (2, 3, 2), "f4"), (0, (1, 2, 2), "f4"), (0, (1, 3, 2), "f8"), (5, (2, 3, 2), "f4")):
        with pytest.raises(NotReadable):
            column.read(row0, shape[0], np.empty(shape, dtype))


def test_other_managers_are_left_to_casacore(tmp_path):
    desc = maketabdesc([makearrcoldesc("V", 0.0, ndim=1)])
    with table(str(tmp_path / "t"), desc, nrow=1, ack=False) as tab:
        assert open_tiled(tab, tmp_path / "t", "V", writable=False) is None
        assert open_tiled(tab, tmp_path / "t", "NOT_THERE", writable=False) is None


def test_a_file_that_ends_too_early_is_damaged(tmp_path):
    path = tmp_path / "t"
    by_casacore(path, "float32", [((3, 2), 4)], (4, 3, 2), np.random.default_rng(0), "little")
    data = path / "table.f0_TSM1"
    data.write_bytes(data.read_bytes()[:40])
    with pytest.raises(InvalidTable, match="ends before byte 96"):
        TiledColumn(path, 0).read(0, 4, np.empty((4, 3, 2), np.float32))


def test_channels_of_a_file_that_ends_too_early(tmp_path):
    path = tmp_path / "t"
    by_casacore(path, "float32", [((3, 2), 4)], (4, 3, 2), np.random.default_rng(0), "little")
    data = path / "table.f0_TSM1"
    data.write_bytes(data.read_bytes()[:90])
    with pytest.raises(InvalidTable, match="ends before byte 96"):
        TiledColumn(path, 0).read(0, 4, np.empty((4, 1, 2), np.float32), slice(1, 2))


def test_threads_that_share_bytes_of_flags(tmp_path):
    """Rows of 3 flags: neighbours' bits lie in the same bytes."""
    path, nrow = tmp_path / "t", 400
    by_casacore(path, "bool", [((3, 1), nrow)], (nrow, 3, 1), np.random.default_rng(0), "little")
    want = np.random.default_rng(1).random((nrow, 3, 1)) < 0.5
    column = TiledColumn(path, seqnr(path), writable=True)

    def write(first: int) -> None:
        for row in range(first, nrow, 4):
            column.write(row, want[row : row + 1])

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    column.close()
    with table(str(path), ack=False) as tab:
        np.testing.assert_array_equal(tab.getcol("V"), want)


@pytest.fixture
def past_the_cache(monkeypatch):
    monkeypatch.setattr(_direct_io, "DIRECT_FROM", 0)
    monkeypatch.setattr(_direct_io, "_MIN_DIRECT", 8192)
    monkeypatch.setattr(_direct_io, "_BOUNCE_BYTES", 8192)
    monkeypatch.setattr(_direct_io, "_bounce", threading.local())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60000), st.integers(1, 40000)), min_size=1, max_size=6), st.booleans())
def test_past_the_cache_nothing_is_lost(past_the_cache, tmp_path_factory, parts, known):
    path = tmp_path_factory.getbasetemp() / f"d{next(numbers)}"
    want = np.zeros(100_000, np.uint8)
    file = SharedFile(path, writable=True, size=len(want) if known else 0, once=True)
    for number, (offset, length) in enumerate(parts, 1):
        want[offset : offset + length] = number
        file.write(offset, want[offset : offset + length].copy())
    file.resize(len(want))
    assert path.read_bytes() == want.tobytes()
    file.close()
    file = SharedFile(path, once=True)
    file._cached = np.zeros(100, bool)  # as if the kernel had none of it
    for offset, length in parts:
        out = np.empty(length, np.uint8)
        file.read(offset, out)
        np.testing.assert_array_equal(out, want[offset : offset + length])
    file.close()
    path.unlink()


def test_slow_direct_access_is_given_up(past_the_cache, tmp_path):
    file = SharedFile(tmp_path / "f", writable=True, size=100_000)
    file._direct_bytes, file._direct_seconds = 100 << 20, 100.0
    assert file._direct(90_000, 50_000) == -1
    file.write(4096, np.full(50_000, 7, np.uint8))
    assert (tmp_path / "f").read_bytes()[4096:54096] == bytes([7]) * 50_000


def test_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr("atacal.ms.space._fallocate", lambda *_: errno.ENOSPC)
    with pytest.raises(DiskFull, match=r"no room for f: .* 5\.0 MB; nothing was changed"):
        SharedFile(tmp_path / "f", writable=True, size=5_000_000)


def test_a_disk_that_fills_up(tmp_path, monkeypatch):
    file = SharedFile(tmp_path / "f", writable=True, size=0)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(DiskFull, match=r"f cannot be written: No space left on device"):
        file.write(0, np.ones(10))


def test_rows_that_come_while_others_are_written_do_not_move_them(tmp_path):
    column = NewTiledColumn(
        tmp_path, 0, "float32", "data", lambda cell: [4, *cell], default_tile=(2, 3, 4), rows={(3, 2): 20}
    )  # fmt: skip
    column.extend((3, 2), 10)
    late = threading.Thread(target=column.extend, args=((3, 2), 5))

    class Slow(list):
        """Positions of rows, at whose reading another thread wants to add rows."""

        def __getitem__(self, number):
            if not late.ident:
                late.start()
                late.join(0.2)
            return super().__getitem__(number)

    column.header.pos_map = Slow(column.header.pos_map)
    found = [(pos, n) for _, pos, n in column._pieces(0, 10)]
    late.join()
    assert found == [(0, 10)]
    assert [(pos, n) for _, pos, n in column._pieces(0, 15)] == [(0, 15)]
    column.discard()
