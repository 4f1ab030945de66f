"""flagdata on a simulated block, against plain loops over the rows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, EmptySelection, MissingColumn
from atacal.flags.geometry import shadowed
from atacal.tasks.flagdata import flagdata


class Rows:
    """All that the tests need of a main table, row by row."""

    def __init__(self, path: Path) -> None:
        with table(str(path), ack=False) as tab:
            self.flag = [tab.getcell("FLAG", i) for i in range(tab.nrows())]
            self.data = [tab.getcell("DATA", i) for i in range(tab.nrows())]
            for name in ("FLAG_ROW", "ANTENNA1", "ANTENNA2", "SCAN_NUMBER", "DATA_DESC_ID", "TIME", "FIELD_ID"):
                setattr(self, name.lower(), tab.getcol(name))

    flag_row: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    scan_number: np.ndarray
    data_desc_id: np.ndarray
    time: np.ndarray

    def whole(self) -> np.ndarray:
        return np.array([cell.all() for cell in self.flag])


@pytest.fixture
def clean(sim_ms: Path) -> Path:
    flagdata(str(sim_ms), mode="unflag", flagbackup=False)
    return sim_ms


def run(path: Path, **what: Any) -> Rows:
    flagdata(str(path), flagbackup=False, **what)
    return Rows(path)


def test_unflag_clears_everything(clean: Path) -> None:
    rows = Rows(clean)
    assert not any(cell.any() for cell in rows.flag)
    assert not rows.flag_row.any()


def test_manual_flags_the_rows_of_an_antenna(clean: Path) -> None:
    rows = run(clean, antenna="1")
    expected = ((rows.antenna1 == 1) | (rows.antenna2 == 1)) & (rows.antenna1 != rows.antenna2)
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(rows.whole(), expected)
    np.testing.assert_array_equal(rows.flag_row, expected)


def test_channels_leave_flag_row(clean: Path) -> None:
    rows = run(clean, spw="0:1~2")
    for ddid, cell in zip(rows.data_desc_id, rows.flag, strict=True):
        expected = np.zeros_like(cell)
        expected[1:3] = ddid == 0
        np.testing.assert_array_equal(cell, expected)
    assert not rows.flag_row.any()


def test_a_correlation(clean: Path) -> None:
    rows = run(clean, correlation="YY")
    assert all(cell[:, 1].all() and not cell[:, 0].any() for cell in rows.flag)
    assert not rows.flag_row.any()


@pytest.mark.parametrize("mode", ["beg", "endb", "tail", "end"])
def test_quack(clean: Path, mode: str) -> None:
    rows = run(clean, mode="quack", quackinterval=9.0, quackmode=mode)
    expected = np.zeros(len(rows.flag), bool)
    for scan in np.unique(rows.scan_number):
        of_scan = rows.scan_number == scan
        start, stop = rows.time[of_scan].min(), rows.time[of_scan].max()
        hit = {"beg": rows.time <= start + 9, "tail": rows.time > start + 9,
               "endb": rows.time >= stop - 9, "end": rows.time < stop - 9}[mode]  # fmt: skip
        expected |= of_scan & hit
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(rows.whole(), expected)


def test_quackincrement_goes_on_where_flags_end(clean: Path) -> None:
    once = run(clean, mode="quack", quackinterval=1.0).whole().sum()
    again = run(clean, mode="quack", quackinterval=1.0).whole().sum()
    further = run(clean, mode="quack", quackinterval=1.0, quackincrement=True).whole().sum()
    assert once == again < further


@pytest.mark.parametrize("outside", [True, False])
def test_clip(clean: Path, outside: bool) -> None:
    values = np.concatenate([np.abs(cell).ravel() for cell in Rows(clean).data])
    low, high = (float(x) for x in np.percentile(values, [20, 70]))
    rows = run(clean, mode="clip", clipminmax=[low, high], clipoutside=outside)
    within = (values >= low) & (values <= high)
    np.testing.assert_array_equal(np.concatenate([cell.ravel() for cell in rows.flag]), within != outside)
    assert not rows.flag_row.any()


def test_clip_without_limits_flags_what_is_not_finite(clean: Path) -> None:
    bad = [np.nan, np.inf, complex(0, np.nan)]
    with table(str(clean), readonly=False, ack=False) as tab:
        for row, value in enumerate(bad):
            cell = tab.getcell("DATA", row)
            cell[1, 0] = value
            tab.putcell("DATA", row, cell)
        zero = tab.getcell("DATA", 10) * 0
        tab.putcell("DATA", 10, zero)
    rows = run(clean, mode="clip")
    assert sum(int(cell.sum()) for cell in rows.flag) == len(bad)
    rows = run(clean, mode="clip", clipzeros=True)
    assert sum(int(cell.sum()) for cell in rows.flag) == len(bad) + zero.size


def test_clip_needs_its_column(clean: Path) -> None:
    with pytest.raises(MissingColumn, match="CORRECTED_DATA"):
        run(clean, mode="clip", datacolumn="CORRECTED", clipminmax=[0, 1])


def test_shadow_geometry() -> None:
    positions = np.array([[0.0, 0, 0], [0, 0, 10], [30, 0, 0]])
    diameters = np.array([12.0, 12.0, 12.0])
    np.testing.assert_array_equal(shadowed(positions, diameters, np.array([0, 0, 1.0])), [True, False, False])
    np.testing.assert_array_equal(shadowed(positions, diameters, np.array([0, 0, -1.0])), [False, True, False])
    np.testing.assert_array_equal(shadowed(positions, diameters, np.array([0, 1.0, 0])), [False, True, False])
    assert not shadowed(positions, diameters, np.array([0, 0, 1.0]), tolerance_m=12.5).any()


def test_shadow_takes_added_antennas(clean: Path) -> None:
    assert not run(clean, mode="shadow").whole().any()
    with table(f"{clean}/ANTENNA", ack=False) as tab:
        place = tab.getcell("POSITION", 0)
    roof = {"0": {"name": "roof", "diameter": 200.0, "position": (place * (1 + 2e-5)).tolist()}}
    rows = run(clean, mode="shadow", addantenna=roof)
    assert rows.whole()[(rows.antenna1 == 0) | (rows.antenna2 == 0)].all()


def test_summary_counts(clean: Path) -> None:
    rows = run(clean, antenna="1", scan="1")
    found = flagdata(str(clean), mode="summary", basecnt=True, spwchan=True, spwcorr=True)
    total = sum(cell.size for cell in rows.flag)
    flagged = sum(int(cell.sum()) for cell in rows.flag)
    assert (found["total"], found["flagged"]) == (total, flagged)
    assert 0 < flagged < total
    for kind in ("spw", "field", "scan", "correlation", "baseline", "spw:channel", "spw:correlation"):
        assert sum(e["total"] for e in found[kind].values()) == total
        assert sum(e["flagged"] for e in found[kind].values()) == flagged
    assert found["scan"]["1"]["flagged"] == flagged
    only = flagdata(str(clean), mode="summary", minabs=1)
    assert list(only["scan"]) == ["1"]


def test_a_list_runs_in_order(clean: Path) -> None:
    report = flagdata(
        str(clean), mode="list", flagbackup=False,
        inpfile=["mode='summary' name='a'", "antenna='1'", "mode='summary' name='b'", "mode='unflag' antenna='1&2'",
                 "scan='999'"],
    )  # fmt: skip
    rows = Rows(clean)
    expected = (rows.antenna1 == 1) ^ (rows.antenna2 == 1)
    expected &= ~((rows.antenna1 == 1) & (rows.antenna2 == 2))
    np.testing.assert_array_equal(rows.whole(), expected)
    assert [report[f"report{i}"]["name"] for i in (0, 1)] == ["a", "b"]
    assert report["report0"]["flagged"] == 0 < report["report1"]["flagged"]


def test_calculate_writes_nothing(clean: Path) -> None:
    rows = run(clean, antenna="1", action="calculate")
    assert not any(cell.any() for cell in rows.flag)
    assert not rows.flag_row.any()


def test_commands_can_be_kept(clean: Path, tmp_path: Path) -> None:
    kept = tmp_path / "flags.txt"
    flagdata(str(clean), antenna="1", spw="0:1~2", action="none", savepars=True, outfile=str(kept), cmdreason="edge")
    assert not any(cell.any() for cell in Rows(clean).flag)
    rows = run(clean, mode="list", inpfile=str(kept), reason="edge")
    assert any(cell.any() for cell in rows.flag)
    with pytest.raises(ArgumentError, match="overwrite"):
        run(clean, antenna="1", savepars=True, outfile=str(kept), overwrite=False)
    before = table(f"{clean}/FLAG_CMD", ack=False).nrows()
    flagdata(str(clean), scan="1", savepars=True, cmdreason="why", flagbackup=False)
    with table(f"{clean}/FLAG_CMD", ack=False) as tab:
        assert tab.nrows() == before + 1
        assert "scan='1'" in tab.getcell("COMMAND", before)
        assert tab.getcell("REASON", before) == "why"


@pytest.mark.parametrize(
    ("what", "error"),
    [({"mode": "rflag"}, ArgumentError), ({"antenna": "NOWHERE"}, EmptySelection), ({"timecutoff": 3.0}, ArgumentError),
     ({"mode": "extend", "growtime": 130.0}, ArgumentError), ({"mode": "extend", "ntime": "soon"}, ArgumentError),
     ({"action": "maybe"}, ArgumentError), ({"mode": "list", "inpfile": "/no/such/file"}, ArgumentError)],
)  # fmt: skip
def test_bad_arguments_change_nothing(clean: Path, what: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(clean, **what)
    assert not any(cell.any() for cell in Rows(clean).flag)


def test_commands_without_data_are_one_warning(clean, caplog):
    commands = [f"mode='manual' antenna='{day}' timerange='1999/01/0{day}/00:00:00~00:00:01'" for day in range(1, 6)]
    flagdata(str(clean), mode="list", inpfile=[*commands, "mode='manual' scan='1'"], flagbackup=False)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warning.startswith("5 of 6 flag commands match no data: mode='manual' antenna='1' timerange='1999/01/01")
    assert warning.endswith("; and 3 more")
    assert [r.unmatched for r in caplog.records if hasattr(r, "unmatched")] == [5]
