"""Imports that cannot end well: killed, out of room, parts of the data not there."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import BdfError, DiskFull, InvalidTable, NoWvrData
from atacal.ms import _direct_io
from atacal.tasks import gencal, importasdm, wvrgcal


def rows(ms):
    with table(str(ms), ack=False) as tab:
        return tab.nrows()


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("call", [1, 7])
def test_killed_in_the_middle(make_asdm, call):
    asdm = make_asdm()
    out = asdm.parent / "out.ms"
    script = (
        "import os, signal\nfrom atacal.asdm.pieces import Piece\nfrom atacal.tasks import importasdm\n"
        "load, calls = Piece.load, []\n"
        "def die(*a):\n"
        "    calls.append(a)\n"
        f"    return load(*a) if len(calls) < {call} else os.kill(os.getpid(), signal.SIGKILL)\n"
        "Piece.load = die\n"
        f"importasdm({str(asdm)!r}, {str(out)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    importasdm(str(asdm), str(out))
    assert rows(out) > 0


def test_killed_while_replacing_the_old_one_is_there(make_asdm):
    asdm = make_asdm(wvr=False)
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out), scans="1")
    before = rows(out)
    script = (
        "import os, signal\nfrom atacal.asdm.pieces import Piece\nfrom atacal.tasks import importasdm\n"
        "Piece.load = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"importasdm({str(asdm)!r}, {str(out)!r}, overwrite=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert rows(out) == before


def test_the_disk_fills_up_while_data_are_written(make_asdm, monkeypatch):
    asdm = make_asdm()
    real, calls = _direct_io._write, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*arguments)

    monkeypatch.setattr(_direct_io, "_write", full)
    with pytest.raises(DiskFull, match=r"cannot be written: No space left on device"):
        importasdm(str(asdm), str(asdm.parent / "out.ms"))
    assert names(asdm.parent) == ["tiny_asdm"]
    gc.collect()  # casacore ends the process when it finds a table open whose files are gone


def test_there_is_no_room_from_the_start(make_asdm, monkeypatch):
    asdm = make_asdm()
    usage = type("usage", (), {"free": 100_000})
    monkeypatch.setattr("atacal.ms.space.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(DiskFull, match=r"no room for .*out\.ms: .* MB are needed, .* has 100 kB free"):
        importasdm(str(asdm), str(asdm.parent / "out.ms"))
    assert names(asdm.parent) == ["tiny_asdm"]


@pytest.mark.parametrize("keep", [0, 100, 3000, -40, -1])
def test_binaries_cut_at_any_place_cost_their_subscan(make_asdm, caplog, keep):
    asdm = make_asdm()
    whole = asdm.parent / "whole.ms"
    importasdm(str(asdm), str(whole))
    correlator, radiometer = sorted((asdm / "ASDMBinary").iterdir())[2:4]  # of the second subscan
    for file in (correlator, radiometer):
        file.write_bytes(file.read_bytes()[:keep] if keep else b"")
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out))
    with table(str(out), ack=False) as tab, table(str(whole), ack=False) as full:
        times = np.unique(tab.getcol("TIME"))
        assert tab.nrows() in (full.nrows(), 180, 162)  # of 216: neither, the correlator's 36, or both are lost
        assert set(times) <= set(np.unique(full.getcol("TIME")))
        if tab.nrows() < full.nrows():
            assert "left out" in caplog.text
            assert "scan 1, subscan 2" in caplog.text
            assert correlator.name in caplog.text
        same = full.query(f"TIME in [{','.join(map(repr, times.tolist()))}]")
        np.testing.assert_array_equal(tab.getcol("ANTENNA2"), same.getcol("ANTENNA2"))
        for row in range(0, tab.nrows(), 7):
            np.testing.assert_array_equal(tab.getcell("DATA", row), same.getcell("DATA", row))


def test_a_binary_without_its_autocorrelations(make_asdm, caplog):
    asdm = make_asdm(wvr=False)
    file = sorted((asdm / "ASDMBinary").iterdir())[1]
    file.write_bytes(file.read_bytes().replace(b"/autoData.bin", b"/autoDate.bin", 1))
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out))
    assert rows(out) == 3 * 36
    assert "is not announced" in caplog.text or "has no autoData" in caplog.text


def test_without_the_radiometers_binaries_there_is_no_wvr_table(make_asdm, caplog):
    asdm = make_asdm()
    for file in sorted((asdm / "ASDMBinary").iterdir())[1::2]:
        file.unlink()
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out))
    assert rows(out) == 4 * 36
    assert caplog.text.count("the binary is missing") == 4
    with pytest.raises(NoWvrData, match=r"out\.ms.*(no rows|no radiometer)"):
        wvrgcal(str(out), str(asdm.parent / "wvr"))
    assert not (asdm.parent / "wvr").exists()


def test_without_syscal_there_is_no_tsys_table(make_asdm):
    asdm = make_asdm()
    (asdm / "SysCal.xml").unlink()
    listed = (asdm / "ASDM.xml").read_text()
    head, found, tail = listed.partition("<Name>SysCal</Name><NumberRows>")
    assert found
    (asdm / "ASDM.xml").write_text(head + found + "0" + tail.lstrip("0123456789"))
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out))
    assert rows(out / "SYSCAL") == 0
    with pytest.raises(InvalidTable, match="SYSCAL"):
        gencal(str(out), str(asdm.parent / "tsys"), "tsys")
    assert not (asdm.parent / "tsys").exists()


def test_a_part_with_too_few_values_is_found_before_any_row_is_written(make_asdm):
    from atacal.asdm.bdf import Bdf
    from atacal.asdm.blocks import check_parts, layout

    asdm = make_asdm(wvr=False)
    with Bdf(sorted((asdm / "ASDMBinary").iterdir())[0]) as bdf:
        parts, at = bdf.parts(), layout(bdf, 1)
        check_parts(bdf, parts, at, 3, cross=True, flags=True)
        place, count, kind = parts[1].places["crossData"]
        parts[1].places["crossData"] = (place, count - 1, kind)
        with pytest.raises(BdfError, match=rf"crossData has {count - 1} values, its description makes {count}"):
            check_parts(bdf, parts, at, 3, cross=True, flags=True)
        del parts[2].places["autoData"]
        with pytest.raises(BdfError, match="an integration has no autoData"):
            check_parts(bdf, parts, at, 3, cross=False, flags=True)
