"""The tool tb: CASA's axis order and types, its errors, and giving way to tasks that change its table."""

from __future__ import annotations

import inspect
import shutil

import numpy as np
import pytest
from casacore.tables import table as casacore_table

from atacal.errors import NoSuchMethod, NoSuchTable, ToolError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.transaction import transaction
from atacal.scripts.tools import ABSENT, CASATOOLS, TASKINIT, casac, gentools, methods, table
from atacal.tasks import clearcal, setjy


@pytest.fixture
def tb():
    tool = table()
    yield tool
    tool.close()


def test_arrays_have_the_fastest_axis_first(sim_ms, tb):
    assert tb.open(str(sim_ms)) is True
    data, row = tb.getcol("DATA", 3, 5), tb.getcell("DATA", 3)
    with casacore_table(str(sim_ms), ack=False) as other:
        theirs = other.getcol("DATA", 3, 5)
    assert data.shape == theirs.shape[::-1]
    assert data.dtype == np.complex128
    assert np.array_equal(data, theirs.T)
    assert np.array_equal(row, data[:, :, 0])
    assert data.flags.f_contiguous


def test_integers_are_wide_and_strings_arrays(sim_ms, tb):
    tb.open(f"{sim_ms}::ANTENNA")
    assert tb.getcol("NAME").dtype.kind == "U"
    assert isinstance(tb.getcell("NAME", 0), str)
    tb.open(str(sim_ms))
    assert tb.getcol("ANTENNA1", 0, 3).dtype == np.int64
    assert isinstance(tb.getcell("ANTENNA1", 0), int)
    assert tb.getcolkeyword("TIME", "QuantumUnits").tolist() == ["s"]


def test_nrow_beyond_the_end_is_cut_and_rowincr_steps(sim_ms, tb):
    tb.open(str(sim_ms))
    last = tb.nrows() - 4
    assert len(tb.getcol("TIME", last, 100)) == 4
    assert np.array_equal(tb.getcol("TIME", last, -1, 3), tb.getcol("TIME")[last::3])
    for start in (-1, tb.nrows() + 1):
        with pytest.raises(ToolError, match=r"tb\.getcol: .*no such row"):
            tb.getcol("TIME", start, 1)


def test_variable_cells_by_row(sim_ms, tb):
    tb.open(f"{sim_ms}/POLARIZATION")
    cells = tb.getvarcol("CORR_PRODUCT")
    assert sorted(cells) == ["r1"]
    assert cells["r1"].shape == (*tb.getcell("CORR_PRODUCT", 0).shape, 1)


def test_slices_are_counted_in_casas_order(sim_ms, tb):
    tb.open(str(sim_ms))
    part = tb.getcolslice("DATA", [0, 2], [-1, 6], [1, 2], 0, 4)
    assert np.array_equal(part, tb.getcol("DATA", 0, 4)[:, 2:7:2, :])
    assert tb.getcolshapestring("DATA", 0, 1) == [str(list(tb.getcell("DATA", 0).shape))]


def test_what_is_written_is_read_again(sim_ms, tb):
    tb.open(str(sim_ms), nomodify=False)
    flags = ~tb.getcol("FLAG", 0, 4)
    tb.putcol("FLAG", flags, 0, 4)
    tb.putcolslice("UVW", np.full((2, 3), 9.0), [1], [2], [1], 0, 3)
    tb.putkeyword("NOTE", np.arange(6.0).reshape(2, 3))
    tb.close()
    with casacore_table(str(sim_ms), ack=False) as other:
        assert np.array_equal(other.getcol("FLAG", 0, 4), flags.T)
        assert (other.getcol("UVW", 0, 3)[:, 1:] == 9.0).all()
    tb.open(str(sim_ms))
    assert np.array_equal(tb.getkeyword("NOTE"), np.arange(6.0).reshape(2, 3))
    with pytest.raises(ToolError, match=r"tb\.putcell"):
        tb.putcell("SCAN_NUMBER", 0, 1)


def test_rows_are_removed_and_added(sim_ms, tb):
    tb.open(f"{sim_ms}/FIELD", nomodify=False)
    names = tb.getcol("NAME").tolist()
    tb.removerows([0, 2])
    assert tb.getcol("NAME").tolist() == [n for i, n in enumerate(names) if i not in (0, 2)]
    tb.addrows(2)
    assert tb.nrows() == len(names)


def test_queries_give_tools_that_know_their_rows(sim_ms, tb):
    tb.open(str(sim_ms))
    part = tb.query("ANTENNA1==1 && ANTENNA2==3", columns="TIME,ANTENNA2", sortlist="TIME DESC")
    assert part.colnames() == ["TIME", "ANTENNA2"]
    assert (part.getcol("ANTENNA2") == 3).all()
    assert (np.diff(part.getcol("TIME")) <= 0).all()
    assert tb.selectrows([3, 5]).rownumbers().tolist() == [3, 5]
    distinct = tb.taql(f"select distinct SCAN_NUMBER from {sim_ms}")
    assert distinct.nrows() == len(np.unique(tb.getcol("SCAN_NUMBER")))
    assert tb.calc(f"max([select ANTENNA1 from {sim_ms}])")[0] == tb.getcol("ANTENNA1").max()
    with pytest.raises(ToolError, match=r"(?s)tb\.query: .*NOPE is an unknown column"):
        tb.query("NOPE==1")


def test_a_selection_of_a_table_for_writing_can_be_written(sim_ms, tb):
    tb.open(str(sim_ms), nomodify=False)
    before = tb.getcol("FLAG_ROW")
    tb.query("ANTENNA1==0").close()
    part = tb.query("ANTENNA1==1")
    part.putcol("FLAG_ROW", np.ones(part.nrows(), bool))
    part.close()
    tb.putcell("SCAN_NUMBER", 0, 99)
    tb.close()
    with casacore_table(str(sim_ms), ack=False) as other:
        assert np.array_equal(other.getcol("FLAG_ROW"), before | (other.getcol("ANTENNA1") == 1))
        assert not before[other.getcol("ANTENNA1") == 1].all()
        assert other.getcell("SCAN_NUMBER", 0) == 99


def test_a_forgotten_tool_sees_what_a_task_has_made_and_does_not_hinder_it(sim_ms, tb):
    tb.open(str(sim_ms))
    part = tb.query("ANTENNA1==1", columns="FLAG_ROW,SCAN_NUMBER")
    scans = part.getcol("SCAN_NUMBER")
    sources = table()
    sources.open(f"{sim_ms}/SOURCE")
    assert "SOURCE_MODEL" not in sources.colnames()
    before = tb.getcol("FLAG")
    clearcal(str(sim_ms))
    setjy(str(sim_ms), field="0", standard="manual", fluxdensity=[2.0, 0.0, 0.0, 0.0], usescratch=False)
    assert "SOURCE_MODEL" in sources.colnames()
    assert "CORRECTED_DATA" in tb.colnames()
    with (
        transaction(sim_ms, "test", columns=["FLAG"]) as double,
        casacore_table(str(double), readonly=False, ack=False) as other,
    ):
        other.putcol("FLAG", ~before.T)
    assert np.array_equal(tb.getcol("FLAG"), ~before)
    with MeasurementSet(sim_ms) as ms:
        flag = np.empty(before.T.shape, bool)
        ms.read("FLAG", [(0, len(flag))], flag)
    assert np.array_equal(flag, ~before.T)
    assert part.colnames() == ["FLAG_ROW", "SCAN_NUMBER"]
    assert np.array_equal(part.getcol("SCAN_NUMBER"), scans)


def test_what_a_forgotten_tool_wrote_is_there_for_a_task(sim_ms, tb):
    tb.open(str(sim_ms), nomodify=False)
    tb.putcol("SCAN_NUMBER", np.full(tb.nrows(), 41))
    with MeasurementSet(sim_ms) as ms:
        assert set(ms.runs.scan.tolist()) == {41}
    tb.putcell("SCAN_NUMBER", 0, 42)
    tb.close()
    with MeasurementSet(sim_ms) as ms:
        assert set(ms.runs.scan.tolist()) == {41, 42}


def test_tables_are_made(tmp_path, tb):
    column = {"valueType": "double", "option": 0, "maxlen": 0, "comment": "", "ndim": 2}
    tb.create(str(tmp_path / "new.tab"), {"B": column}, nrow=2)
    tb.putcell("B", 1, np.arange(6.0).reshape(2, 3))
    copy = tb.copy(str(tmp_path / "copy.tab"), deep=True, returnobject=True)
    assert np.array_equal(copy.getcell("B", 1), np.arange(6.0).reshape(2, 3))
    assert not copy.iscelldefined("B", 0)
    copy.close()


def test_what_is_missing_is_named(sim_ms, tb, tmp_path):
    with pytest.raises(ToolError, match="no table is open"):
        tb.nrows()
    with pytest.raises(NoSuchTable, match=r"nope\.ms"):
        tb.open(str(tmp_path / "nope.ms"))
    with pytest.raises(NoSuchMethod, match=r"tb\.fromfits is not available; the tool tb has addcols, "):
        tb.fromfits("a", "b")
    assert not hasattr(tb, "fromfits")
    with pytest.raises(ToolError, match="there is no tool 'ia'"):
        methods("ia")


def test_factories_hand_tools_out():
    (mine,) = gentools(["tb"])
    assert type(mine) is table is casac.table is CASATOOLS["table"] is TASKINIT["tbtool"]
    assert mine is not gentools("tb")[0]
    assert type(mine.create()) is table
    with pytest.raises(NoSuchMethod, match="the tool ia is not available"):
        gentools(["ia"])
    with pytest.raises(NoSuchMethod, match=r"casac\.image is not available"):
        casac.image()


def test_tools_that_there_are_not_say_so():
    with pytest.raises(NoSuchMethod, match=r"ia\.open: CASA's tool ia \(images\) is not available; there are "):
        ABSENT["ia"].open("X.image")


def test_methods_have_signatures_without_self():
    found = methods("tb")
    assert list(found["getcol"].parameters) == ["columnname", "startrow", "nrow", "rowincr"]
    assert found["getcol"].bind("DATA", 0, -1)
    assert all(isinstance(s, inspect.Signature) and "self" not in s.parameters for s in found.values())


def test_versions_are_compared_as_casa_compares_them(tmp_path):
    (cu,) = gentools("cu")
    assert cu.compare_version(">=", [5, 1, 1])
    assert cu.compare_version("<", [7])
    assert not cu.compare_version("=", [6, 7, 0])
    with pytest.raises(ToolError, match="'~'"):
        cu.compare_version("~", [6])
    with pytest.raises(ToolError, match="is no table"):
        cu.removetable([str(tmp_path)])
    assert tmp_path.is_dir()


def test_two_tools_on_one_table_see_each_other(sim_ms, tb):
    tb.open(f"{sim_ms}/FIELD")
    names = tb.getcol("NAME").tolist()
    other = tb.create()
    other.open(f"{sim_ms}/FIELD", nomodify=False)
    other.putcell("NAME", 0, "changed")
    assert tb.getcell("NAME", 0) == "changed"
    other.removerows([1])
    other.close()
    assert tb.getcol("NAME").tolist() == ["changed", *names[2:]]
    with pytest.raises(ToolError, match=r"tb\.putcell"):
        tb.putcell("NAME", 0, "again")


def test_a_table_that_is_made_anew_is_read_anew(tmp_path, tb):
    column = {"A": {"valueType": "int", "option": 0, "maxlen": 0, "comment": ""}}
    path = tmp_path / "x.tab"
    for value in (1, 2):
        maker = tb.create()
        maker.create(str(path), column, nrow=value)
        maker.putcol("A", [value] * value)
        maker.close()
        tb.open(str(path))
        assert tb.getcol("A").tolist() == [value] * value
        shutil.rmtree(path)
