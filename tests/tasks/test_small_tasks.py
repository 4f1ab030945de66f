from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from atacal.errors import ArgumentError, TableLocked
from atacal.tasks import clearstat, gaincal, rmtables, vishead


def test_tables_are_removed_and_nothing_else(sim_ms, tmp_path, caplog):
    gaincal(str(sim_ms), str(tmp_path / "a.g"), solint="inf", refant="0")
    (tmp_path / "a.txt").write_text("kept")
    (tmp_path / "a.flagversions").mkdir()
    with caplog.at_level(logging.WARNING):
        rmtables([str(tmp_path / "a.*"), str(tmp_path / "nothing*")])
    assert not (tmp_path / "a.g").exists()
    assert (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.flagversions").exists()
    assert "a.txt is no table" in caplog.text
    link = tmp_path / "link.ms"
    link.symlink_to(sim_ms)
    rmtables(str(link))
    assert sim_ms.exists()
    assert not link.is_symlink()
    with pytest.raises(ArgumentError):
        rmtables([])


def test_a_table_in_use_stays(sim_ms):
    hold = (
        "import sys\nfrom casacore.tables import table\n"
        f"t = table({str(sim_ms)!r}, readonly=False, ack=False, lockoptions='permanentwait')\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TableLocked):
            rmtables(str(sim_ms))
        other.stdin.close()
    assert sim_ms.exists()


def test_clearstat():
    assert clearstat() is None


def test_vishead(sim_ms, caplog):
    vis = str(sim_ms)
    assert vishead(vis, mode="get", hdkey="telescope", hdindex=0)[0] == "ALMA"
    vishead(vis, mode="put", hdkey="project", hdvalue="2013.1.00001.S")
    assert vishead(vis, mode="get", hdkey="project")[0].tolist() == ["2013.1.00001.S"]
    with caplog.at_level(logging.INFO):
        assert vishead(vis) is None
    assert "2013.1.00001.S" in caplog.text
    for wrong in (
        {"mode": "look"}, {"mode": "get", "hdkey": "weather"}, {"mode": "get", "hdkey": "field", "hdindex": 99},
        {"mode": "get", "hdkey": "field", "hdindex": "first"}, {"mode": "put", "hdkey": "ptcs", "hdvalue": 1.0},
        {"mode": "put", "hdkey": "cal_grp", "hdvalue": "x"}, {"mode": "put", "hdkey": "field", "hdvalue": ["a", "b"]},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            vishead(vis, **wrong)
