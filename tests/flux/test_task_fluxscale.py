"""The task fluxscale: fields by name, the table, the list file, and what may not be overwritten."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.disk import read_caltable, write_caltable
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError, CaltableMismatch, EmptySelection, NoSuchTable, TableExists
from atacal.ms.metadata import read_metadata
from atacal.tasks import fluxscale

NAMES = ("flux cal", "J0635-7516", "J0601-7036")


@pytest.fixture
def vis(tmp_path: Path) -> str:
    """An MS without rows: 4 antennas, 3 fields, 2 spws."""
    from casacore.tables import default_ms, table

    path = str(tmp_path / "X.ms")
    default_ms(path).close()
    tab = table(f"{path}/ANTENNA", readonly=False, ack=False)
    tab.addrows(4)
    tab.putcol("NAME", [f"DA4{i}" for i in range(4)])
    tab.close()
    tab = table(f"{path}/FIELD", readonly=False, ack=False)
    tab.addrows(3)
    tab.putcol("NAME", list(NAMES))
    for row in range(3):
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            tab.putcell(column, row, np.zeros((1, 2)))
    tab.close()
    tab = table(f"{path}/SPECTRAL_WINDOW", readonly=False, ack=False)
    tab.addrows(2)
    for row in range(2):
        tab.putcell("NAME", row, f"BB_{row}")
        tab.putcell("CHAN_FREQ", row, np.array([90e9 + 10e9 * row]))
        for column in ("CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"):
            tab.putcell(column, row, np.array([2e9]))
    tab.close()
    return path


@pytest.fixture
def caltable(vis: str, tmp_path: Path) -> str:
    """Gains of three fields, of 1, 4 and 9 Jy in spw 0 and a quarter of it in spw 1, relative to their models."""
    meta = read_metadata(vis)
    sols = {}
    for spw in range(2):
        amp = np.array([1.0, 2.0 / (spw + 1), 3.0 / (spw + 1)])
        param = np.broadcast_to(amp[:, None, None, None], (3, 4, 1, 2)).astype(np.complex64)
        zeros = np.zeros(param.shape, np.float32)
        ids = np.arange(3, dtype=np.int32)
        sols[spw] = SpwSolutions(
            spw, 5e9 + 60.0 * ids, np.zeros(3), ids, ids + 1, 0 * ids, np.zeros((3, 4), np.int32),
            param, zeros, zeros, zeros.astype(bool),
        )  # fmt: skip
    path = tmp_path / "X.G"
    write_caltable(
        path,
        CalTable("G Jones", "Complex", "unknown", "X.ms", meta.antennas, meta.fields, meta.spws, sols, Path(vis)),
    )
    return str(path)


def test_fields_by_name(vis: str, caltable: str, tmp_path: Path) -> None:
    out = str(tmp_path / "X.F")
    result = fluxscale(vis, caltable, out, reference="flux cal", transfer=["J0635*", "2"])
    assert result["1"]["0"]["fluxd"][0] == pytest.approx(4, rel=1e-6)
    assert result["2"]["1"]["fluxd"][0] == pytest.approx(9 / 4, rel=1e-6)
    assert result["1"]["fieldName"] == "J0635-7516"
    scaled = read_caltable(out)
    for spw in range(2):
        np.testing.assert_allclose(scaled.solutions[spw].param, 1, rtol=1e-6)
    assert any("Flux density for J0635-7516 in SpW=0" in line for line in scaled.history)
    # the input is as it was
    np.testing.assert_allclose(np.abs(read_caltable(caltable).solutions[0].param[1]), 2)


def test_list_file(vis: str, caltable: str, tmp_path: Path) -> None:
    fluxscale(vis, caltable, str(tmp_path / "X.F"), reference="0", listfile=str(tmp_path / "X.txt"))
    lines = (tmp_path / "X.txt").read_text().splitlines()
    assert lines[0] == "# Flux density for J0635-7516 in SpW=0 (freq=9e+10 Hz) is: 4 +/- 0 (SNR = inf, N = 8)"
    assert len(lines) == 6


def test_append_and_existing(vis: str, caltable: str, tmp_path: Path) -> None:
    out = str(tmp_path / "X.F")
    fluxscale(vis, caltable, out, reference="0", transfer="1", append=True)
    assert read_caltable(out).solutions[0].nslot == 3
    with pytest.raises(TableExists, match="append=True"):
        fluxscale(vis, caltable, out, reference="0", transfer="2")
    fluxscale(vis, caltable, out, reference="0", transfer="2", append=True)
    assert read_caltable(out).solutions[0].nslot == 6


def test_incremental(vis: str, caltable: str, tmp_path: Path) -> None:
    out = str(tmp_path / "X.F")
    fluxscale(vis, caltable, out, reference="0", transfer="1", incremental=True)
    factors = read_caltable(out).solutions[0]
    assert factors.field.tolist() == [0, 1, 2]
    np.testing.assert_allclose(factors.param[:, 0, 0, 0], [1, 0.5, 1], rtol=1e-6)
    assert factors.scan.tolist() == [-1, -1, -1]


def test_bad_input(vis: str, caltable: str, tmp_path: Path) -> None:
    out = str(tmp_path / "X.F")
    with pytest.raises(NoSuchTable):
        fluxscale(str(tmp_path / "Y.ms"), caltable, out, reference="0")
    with pytest.raises(NoSuchTable):
        fluxscale(vis, str(tmp_path / "Y.G"), out, reference="0")
    with pytest.raises(EmptySelection, match="flux cal"):
        fluxscale(vis, caltable, out, reference="nobody")
    with pytest.raises(ArgumentError, match="reference"):
        fluxscale(vis, caltable, out, reference="")
    with pytest.raises(ArgumentError, match="fluxtable"):
        fluxscale(vis, caltable, "", reference="0")
    with pytest.raises(ArgumentError, match="display"):
        fluxscale(vis, caltable, out, reference="0", display=True)
    with pytest.raises(ArgumentError, match="fitorder=-1"):
        fluxscale(vis, caltable, out, reference="0", fitorder=-1)
    assert "X.F" not in os.listdir(tmp_path)


def test_table_of_another_ms(vis: str, caltable: str, tmp_path: Path) -> None:
    from casacore.tables import table

    tab = table(f"{vis}/ANTENNA", readonly=False, ack=False)
    tab.putcell("NAME", 0, "DV99")
    tab.close()
    with pytest.raises(CaltableMismatch, match="other fields or antennas"):
        fluxscale(vis, caltable, str(tmp_path / "X.F"), reference="0")


def test_single_channel_only(vis: str, caltable: str, tmp_path: Path) -> None:
    table = read_caltable(caltable)
    write_caltable(tmp_path / "X.K", replace(table, kind="K Jones"))
    with pytest.raises(CaltableError, match="K Jones"):
        fluxscale(vis, str(tmp_path / "X.K"), str(tmp_path / "X.F"), reference="0")
