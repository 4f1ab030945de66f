"""Calibration tables on disk: nothing is lost, nothing is left half-written, everything wrong has a name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atacal.caltables.disk import append_caltable, read_caltable, write_caltable
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import (
    CaltableError,
    CaltableMismatch,
    InvalidTable,
    NoSuchTable,
    TableExists,
    TableLocked,
    WriteError,
)
from atacal.ms.metadata import read_antennas, read_fields, read_spws

ANTENNAS = ("DA41", "DV02", "PM03")
FIELDS = ("J0538-4405", "sn1987a")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small tables of a MeasurementSet with 3 antennas, 2 fields and 2 spws (4 and 1 channels)."""
    from casacore.tables import required_ms_desc, table

    ms = tmp_path_factory.mktemp("source") / "X.ms"
    ms.mkdir()
    tab = table(str(ms / "ANTENNA"), required_ms_desc("ANTENNA"), nrow=3, ack=False)
    tab.putcol("NAME", list(ANTENNAS))
    tab.putcol("STATION", ["A001", "A002", "A003"])
    tab.putcol("POSITION", np.array([[2225061.0, -5440061.0, -2481682.0 + i] for i in range(3)]))
    tab.putcol("OFFSET", np.zeros((3, 3)))
    tab.putcol("DISH_DIAMETER", np.full(3, 12.0))
    tab.close()
    tab = table(str(ms / "FIELD"), required_ms_desc("FIELD"), nrow=2, ack=False)
    tab.putcol("NAME", list(FIELDS))
    for row in range(2):
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            tab.putcell(column, row, np.array([[1.4, -0.8 - row]]))
    tab.close()
    tab = table(str(ms / "OBSERVATION"), required_ms_desc("OBSERVATION"), nrow=1, ack=False)
    tab.putcell("TIME_RANGE", 0, np.array([5.1e9, 5.2e9]))
    tab.putcell("LOG", 0, ["a", "b"])
    tab.putcell("TELESCOPE_NAME", 0, "ALMA")
    tab.close()
    tab = table(str(ms / "SPECTRAL_WINDOW"), required_ms_desc("SPECTRAL_WINDOW"), nrow=2, ack=False)
    for row, nchan in enumerate((4, 1)):
        freq = 1e11 * (row + 1) + 1e6 * np.arange(nchan)
        tab.putcell("NAME", row, f"BB_{row}")
        tab.putcell("NUM_CHAN", row, nchan)
        tab.putcell("CHAN_FREQ", row, freq)
        for column in ("CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"):
            tab.putcell(column, row, np.full(nchan, 1e6))
        tab.putcell("REF_FREQUENCY", row, freq[0])
        tab.putcell("TOTAL_BANDWIDTH", row, 1e6 * nchan)
        tab.putcell("MEAS_FREQ_REF", row, 5)
    tab.close()
    return ms


def solutions(spw: int, nslot: int, nchan: int, npar: int, *, seed: int = 0, complex_: bool = True) -> SpwSolutions:
    random = np.random.default_rng(seed)
    shape = (nslot, len(ANTENNAS), nchan, npar)
    real = random.normal(size=shape).astype(np.float32)
    return SpwSolutions(
        spw=spw,
        time=5.1e9 + 10.0 * np.arange(nslot) + seed,
        interval=np.zeros(nslot),
        field=(np.arange(nslot) % 2).astype(np.int32),
        scan=(np.arange(nslot) + 1).astype(np.int32),
        obs=np.zeros(nslot, np.int32),
        refant=np.full(shape[:2], 1, np.int32),
        param=(real + 1j * random.normal(size=shape)).astype(np.complex64) if complex_ else real,
        error=random.random(shape, np.float32),
        snr=random.random(shape, np.float32),
        flag=random.random(shape) < 0.3,
    )


def new_table(source: Path, *sols: SpwSolutions, kind: str = "G Jones", par_type: str = "Complex") -> CalTable:
    spws = list(read_spws(str(source / "SPECTRAL_WINDOW")))
    for sol in sols:
        spw = spws[sol.spw]
        freq = (
            np.linspace(spw.chan_freq_hz[0], spw.chan_freq_hz[-1], sol.nchan)
            if sol.nchan > 1
            else np.array([spw.centre_freq_hz])
        )
        width = np.full(sol.nchan, spw.total_bandwidth_hz / sol.nchan)
        spws[sol.spw] = replace(spw, chan_freq_hz=freq, chan_width_hz=width, effective_bw_hz=width, resolution_hz=width)
    return CalTable(
        kind=kind,
        par_type=par_type,
        pol_basis="linear",
        ms_name="X.ms",
        antennas=read_antennas(str(source)),
        fields=read_fields(str(source)),
        spws=tuple(spws),
        solutions={sol.spw: sol for sol in sols},
        subtables_from=source,
        history=["solved by a test"],
    )


def contents(path: Path) -> dict[str, Any]:
    """Everything in a table and its subtables, cell by cell, with its column descriptions and keywords."""
    from casacore.tables import table

    everything: dict[str, Any] = {}
    for sub in ("", "OBSERVATION", "ANTENNA", "FIELD", "SPECTRAL_WINDOW", "HISTORY"):
        tab = table(str(path / sub), ack=False)
        keywords = {k: "a table" if str(v).startswith("Table: ") else v for k, v in tab.getkeywords().items()}
        everything[sub] = (tab.nrows(), tab.info(), list(keywords.items()), tab.colnames())
        for column in tab.colnames():
            everything[sub, column] = repr(tab.getcoldesc(column))
            for row in range(tab.nrows()):
                cell = tab.getcell(column, row) if tab.iscelldefined(column, row) else None
                everything[sub, column, row] = (
                    (cell.dtype, cell.shape, cell.tobytes()) if isinstance(cell, np.ndarray) else repr(cell)
                )
        tab.close()
    return everything


def same(one: SpwSolutions, other: SpwSolutions) -> None:
    for name in ("time", "interval", "field", "scan", "obs", "refant", "param", "error", "snr", "flag"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype


# ---------------------------------------------------------------- round trips


def test_written_is_what_is_read(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 3, 2, 2), solutions(1, 5, 1, 2, seed=1))
    write_caltable(tmp_path / "x.G", table)
    back = read_caltable(tmp_path / "x.G")
    for spw in (0, 1):
        same(back.solutions[spw], table.solutions[spw])
        np.testing.assert_array_equal(back.spws[spw].chan_freq_hz, table.spws[spw].chan_freq_hz)
        np.testing.assert_array_equal(back.spws[spw].chan_width_hz, table.spws[spw].chan_width_hz)
    assert (back.kind, back.par_type, back.pol_basis, back.ms_name) == ("G Jones", "Complex", "linear", "X.ms")
    assert [a.name for a in back.antennas] == list(ANTENNAS)
    assert back.antennas[2].position_m == (2225061.0, -5440061.0, -2481680.0)
    assert [f.phase_dir_rad for f in back.fields] == [(1.4, -0.8), (1.4, -1.8)]
    assert back.history == ["solved by a test"]
    assert back.casa_version.startswith("atacal ")


@pytest.mark.parametrize(("kind", "npar"), [("K Jones", 2), ("KAntPos Jones", 3), ("B TSYS", 2)])
def test_float_tables(source: Path, tmp_path: Path, kind: str, npar: int) -> None:
    table = new_table(source, solutions(0, 2, 4, npar, complex_=False), kind=kind, par_type="Float")
    write_caltable(tmp_path / "x.K", table)
    back = read_caltable(tmp_path / "x.K")
    same(back.solutions[0], table.solutions[0])
    assert (back.kind, back.par_type, back.solutions[0].param.dtype) == (kind, "Float", np.float32)


def test_round_trip_loses_nothing(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 3, 4, 2), solutions(1, 4, 1, 2, seed=1))
    write_caltable(tmp_path / "one.B", replace(table, casa_version="6.7.0-31"))
    shuffle_rows(tmp_path / "one.B")
    write_caltable(tmp_path / "two.B", read_caltable(tmp_path / "one.B"))
    assert contents(tmp_path / "two.B") == contents(tmp_path / "one.B")


def shuffle_rows(path: Path) -> None:
    """Give a table's rows an order of their own, take one away, and fill WEIGHT."""
    from casacore.tables import table

    tab = table(str(path), readonly=False, ack=False)
    order = np.random.default_rng(5).permutation(tab.nrows())
    for column in tab.colnames():
        if column != "WEIGHT":
            cells = [tab.getcell(column, row) for row in range(tab.nrows())]
            for row, other in enumerate(order):
                tab.putcell(column, row, cells[other])
    for row in range(tab.nrows()):
        tab.putcell("WEIGHT", row, tab.getcell("SNR", row) * 2)
    tab.removerows(4)
    tab.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=2, max_size=2), npar=st.integers(1, 3))
def test_any_shape(source: Path, tmp_path: Path, shapes: list[tuple[int, int]], npar: int) -> None:
    sols = [solutions(spw, nslot, nchan, npar, seed=spw) for spw, (nslot, nchan) in enumerate(shapes) if nslot]
    table = new_table(source, *sols)
    write_caltable(tmp_path / "x.G", table, overwrite=True)
    back = read_caltable(tmp_path / "x.G")
    assert sorted(back.solutions) == sorted(table.solutions)
    for spw, sol in table.solutions.items():
        same(back.solutions[spw], sol)


def test_spws_without_solutions_are_flagged_as_in_casa(source: Path, tmp_path: Path) -> None:
    from casacore.tables import table

    write_caltable(tmp_path / "x.G", new_table(source, solutions(1, 1, 1, 2)))
    tab = table(str(tmp_path / "x.G" / "SPECTRAL_WINDOW"), ack=False)
    assert tab.getcol("FLAG_ROW").tolist() == [True, False]
    tab.close()


def test_same_input_same_table(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 3, 2, 2))
    for name in ("one.G", "two.G"):
        write_caltable(tmp_path / name, table)
    assert contents(tmp_path / "one.G") == contents(tmp_path / "two.G")


def test_missing_antennas_are_flagged(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 2, 2))
    table.solutions[0].row = np.array([[0, -1, 1], [2, 3, 4]])
    write_caltable(tmp_path / "x.G", table)
    back = read_caltable(tmp_path / "x.G").solutions[0]
    assert back.flag[0, 1].all()
    assert (back.param[0, 1] == 1).all()
    assert back.row is not None
    assert back.row.tolist() == [[0, -1, 1], [2, 3, 4]]


# ---------------------------------------------------------------- append


def test_append(source: Path, tmp_path: Path) -> None:
    first, second = solutions(1, 2, 1, 2, seed=3), solutions(1, 3, 1, 2, seed=500)
    write_caltable(tmp_path / "x.G", new_table(source, first))
    append_caltable(tmp_path / "x.G", new_table(source, second, solutions(0, 1, 1, 2)))
    back = read_caltable(tmp_path / "x.G")
    assert sorted(back.solutions) == [0, 1]
    np.testing.assert_array_equal(back.solutions[1].time, np.concatenate([first.time, second.time]))
    np.testing.assert_array_equal(back.solutions[1].param, np.concatenate([first.param, second.param]))
    assert back.spws[0].nchan == 1, "an spw that had no solutions takes the new ones' channels"
    assert back.history == ["solved by a test", "solved by a test"]


def test_append_the_same_twice_keeps_both(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    write_caltable(tmp_path / "x.G", table)
    append_caltable(tmp_path / "x.G", table)
    back = read_caltable(tmp_path / "x.G").solutions[0]
    assert back.nslot == 4
    assert sorted(back.time.tolist()) == sorted(table.solutions[0].time.tolist() * 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "T Jones"}, "T Jones solutions cannot be appended"),
        ({"ms_name": "Y.ms"}, "from Y.ms"),
        ({"antennas": ()}, "antennas"),
        ({"fields": ()}, "fields"),
    ],
)
def test_append_only_what_fits(source: Path, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    write_caltable(tmp_path / "x.G", table)
    before = contents(tmp_path / "x.G")
    if change.get("antennas") == ():
        change = {"antennas": tuple(replace(a, name=a.name + "x") for a in table.antennas)}
    if change.get("fields") == ():
        change = {"fields": tuple(replace(f, name=f.name + "x") for f in table.fields)}
    with pytest.raises(CaltableMismatch, match=says):
        append_caltable(tmp_path / "x.G", replace(table, **change))
    assert contents(tmp_path / "x.G") == before


def test_append_needs_the_same_channels(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    write_caltable(tmp_path / "x.G", table)
    with pytest.raises(CaltableMismatch, match="4 and 2"):
        append_caltable(tmp_path / "x.G", new_table(source, solutions(0, 2, 4, 2)))
    shifted = tuple(replace(s, chan_freq_hz=s.chan_freq_hz + 1e6) for s in table.spws)
    with pytest.raises(CaltableMismatch, match="other solution frequencies in spw 0"):
        append_caltable(tmp_path / "x.G", replace(table, spws=shifted))


# ---------------------------------------------------------------- what may not be replaced


def test_existing_table_is_kept(source: Path, tmp_path: Path) -> None:
    write_caltable(tmp_path / "x.G", new_table(source, solutions(0, 2, 1, 2)))
    before = contents(tmp_path / "x.G")
    other = new_table(source, solutions(0, 2, 1, 2, seed=9))
    with pytest.raises(TableExists, match=r"x\.G is there already"):
        write_caltable(tmp_path / "x.G", other)
    assert contents(tmp_path / "x.G") == before
    write_caltable(tmp_path / "x.G", other, overwrite=True)
    same(read_caltable(tmp_path / "x.G").solutions[0], other.solutions[0])
    assert os.listdir(tmp_path) == ["x.G"]


def test_only_calibration_tables_are_replaced(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    shutil.copytree(source / "FIELD", tmp_path / "FIELD")
    (tmp_path / "notes").write_text("mine")
    for name in ("FIELD", "notes"):
        with pytest.raises(TableExists, match="not a calibration table"):
            write_caltable(tmp_path / name, table, overwrite=True)
    assert (tmp_path / "notes").read_text() == "mine"


def test_locked_table(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    write_caltable(tmp_path / "x.G", table)
    script = textwrap.dedent("""
        import sys, time
        from casacore.tables import table
        tab = table(sys.argv[1], readonly=False, ack=False, lockoptions="permanent")
        print("locked", flush=True)
        time.sleep(60)
    """)
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "x.G")], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "locked"
        with pytest.raises(TableLocked):
            write_caltable(tmp_path / "x.G", table, overwrite=True)
    finally:
        holder.kill()
        holder.wait()


def test_no_folder_to_write_in(source: Path, tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="there is no folder"):
        write_caltable(tmp_path / "nowhere" / "x.G", new_table(source, solutions(0, 2, 1, 2)))


def test_full_disk(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_caltable(tmp_path / "x.G", new_table(source, solutions(0, 2, 1, 2)))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(WriteError, match=r"0\.0 MB free"):
        write_caltable(tmp_path / "x.G", new_table(source, solutions(0, 2, 1, 2, seed=1)), overwrite=True)
    assert os.listdir(tmp_path) == ["x.G"]


def test_error_while_writing_leaves_the_old_table(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_caltable(tmp_path / "x.G", new_table(source, solutions(0, 2, 1, 2)))
    before = contents(tmp_path / "x.G")

    def fail(*_: Any) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr("atacal.caltables.disk.put_rows", fail)
    with pytest.raises(WriteError, match="No space left"):
        write_caltable(tmp_path / "x.G", new_table(source, solutions(0, 2, 1, 2, seed=1)), overwrite=True)
    assert contents(tmp_path / "x.G") == before
    assert os.listdir(tmp_path) == ["x.G"]


def test_killed_run_leaves_the_old_table(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    write_caltable(tmp_path / "x.G", table)
    before = contents(tmp_path / "x.G")
    script = textwrap.dedent("""
        import os, signal, sys
        from atacal.caltables import disk
        table = disk.read_caltable(sys.argv[1])
        put_rows = disk.put_rows
        def killed(*args):
            put_rows(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        disk.put_rows = killed
        disk.write_caltable(sys.argv[1], table, overwrite=True)
    """)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.G")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert contents(tmp_path / "x.G") == before
    assert len(os.listdir(tmp_path)) == 2
    write_caltable(tmp_path / "x.G", table, overwrite=True)
    assert os.listdir(tmp_path) == ["x.G"], "the next run clears up"


# ---------------------------------------------------------------- what cannot be read or written


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NoSuchTable, match="no such table"):
        read_caltable(tmp_path / "x.G")


def test_not_a_calibration_table(source: Path) -> None:
    with pytest.raises(InvalidTable, match="not a calibration table"):
        read_caltable(source / "FIELD")


def test_old_format(tmp_path: Path) -> None:
    from casacore.tables import makescacoldesc, maketabdesc, table

    tab = table(str(tmp_path / "x.BPOLY"), maketabdesc([makescacoldesc("TIME", 0.0)]), nrow=1, ack=False)
    tab.putinfo({"type": "Calibration", "subType": "BPOLY", "readme": ""})
    tab.close()
    with pytest.raises(CaltableError, match="BPOLY table in CASA's old"):
        read_caltable(tmp_path / "x.BPOLY")


@pytest.mark.parametrize(
    "name",
    ["table.dat", "table.f0", "table.f0i", "ANTENNA/table.dat", "SPECTRAL_WINDOW/table.f0", "FIELD/table.f0i"],
)
def test_damaged(source: Path, tmp_path: Path, name: str) -> None:
    write_caltable(tmp_path / "x.B", new_table(source, solutions(0, 2, 4, 2)))
    file = tmp_path / "x.B" / name
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size // 3)
    with pytest.raises(InvalidTable, match=r"x\.B"):
        read_caltable(tmp_path / "x.B")


@pytest.mark.parametrize("name", ["ANTENNA", "FIELD", "SPECTRAL_WINDOW"])
def test_missing_subtable(source: Path, tmp_path: Path, name: str) -> None:
    write_caltable(tmp_path / "x.B", new_table(source, solutions(0, 2, 4, 2)))
    shutil.rmtree(tmp_path / "x.B" / name)
    with pytest.raises(InvalidTable):
        read_caltable(tmp_path / "x.B")


def put(path: Path, column: str, row: int, value: Any) -> None:
    from casacore.tables import table

    tab = table(str(path), readonly=False, ack=False)
    tab.putcell(column, row, value)
    tab.close()


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("ANTENNA1", 7, "ANTENNA1 7, but ANTENNA has 3 rows"),
        ("SPECTRAL_WINDOW_ID", -1, "SPECTRAL_WINDOW_ID -1"),
        ("TIME", np.nan, "TIME is not finite in row 1"),
        ("CPARAM", np.full((4, 2), np.nan, np.complex64), "not finite"),
        ("CPARAM", np.ones((3, 2), np.complex64), "number of channels"),
        ("SNR", np.ones((3, 2), np.float32), "number of channels"),
    ],
)
def test_wrong_values(source: Path, tmp_path: Path, column: str, value: Any, says: str) -> None:
    table = new_table(source, solutions(0, 2, 4, 2))
    table.solutions[0].flag[:] = False
    write_caltable(tmp_path / "x.B", table)
    put(tmp_path / "x.B", column, 1, value)
    with pytest.raises(InvalidTable, match=says):
        read_caltable(tmp_path / "x.B")


def test_nan_is_fine_where_flagged(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    table.solutions[0].param[1, 1, 0, 0] = np.nan
    table.solutions[0].flag[1, 1, 0, 0] = False
    with pytest.raises(InvalidTable, match="slot 1, antenna 1, channel 0, parameter 0"):
        write_caltable(tmp_path / "x.G", table)
    assert not os.listdir(tmp_path)
    table.solutions[0].flag[1, 1, 0, 0] = True
    write_caltable(tmp_path / "x.G", table)
    assert np.isnan(read_caltable(tmp_path / "x.G").solutions[0].param[1, 1, 0, 0])


def test_arrays_must_fit(source: Path, tmp_path: Path) -> None:
    table = new_table(source, solutions(0, 2, 1, 2))
    table.solutions[0].snr = table.solutions[0].snr[:1]
    with pytest.raises(InvalidTable, match="snr of shape"):
        write_caltable(tmp_path / "x.G", table)
