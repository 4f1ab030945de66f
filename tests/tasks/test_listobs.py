"""listobs on the small simulated block."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal import cli
from atacal.errors import EmptySelection, NoSuchTable, TableExists, WriteError
from atacal.ms.listobs import unflagged_part
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import read_metadata
from atacal.tasks import listobs


def test_facts(sim_original: Path) -> None:
    record = listobs(sim_original)
    with MeasurementSet(sim_original) as ms:
        meta, runs = ms.metadata, ms.runs
    assert record["numrecords"] == meta.nrow
    assert record["nfields"] == len(meta.fields)
    assert record["timeref"] == "UTC"
    assert record["BeginTime"] * 86400 == pytest.approx((runs.time - runs.interval / 2).min(), abs=1e-4)
    assert record["IntegrationTime"] == pytest.approx(
        (runs.time + runs.interval / 2).max() - (runs.time - runs.interval / 2).min(), abs=1e-4
    )
    scans = {k for k in record if k.startswith("scan_")}
    assert scans == {f"scan_{s}" for s in np.unique(runs.scan)}
    first = record["scan_1"]["0"]
    assert first["nRow"] == runs.nrow[runs.scan == 1].sum()
    assert first["FieldName"] == meta.fields[first["FieldId"]].name
    assert first["SpwIds"].tolist() == np.unique(meta.ddid_spw[runs.ddid[runs.scan == 1]]).tolist()
    direction = record["field_0"]["direction"]
    assert np.exp(1j * direction["m0"]["value"]) == pytest.approx(np.exp(1j * meta.fields[0].phase_dir_rad[0]))
    assert direction["refer"] == meta.fields[0].frame


def test_selection_limits_everything(sim_original: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    record = listobs(sim_original, scan="1,3", antenna="DA47&DA48", listfile=str(page))
    assert {k for k in record if k.startswith("scan_")} == {"scan_1", "scan_3"}
    assert record["nfields"] == 2
    text = page.read_text()
    assert "Antennas: 2:" in text
    assert "DV02" not in text
    with MeasurementSet(sim_original) as ms:
        where = (ms.table.getcol("ANTENNA1") == 0) & (ms.table.getcol("ANTENNA2") == 1)
        where &= np.isin(ms.table.getcol("SCAN_NUMBER"), [1, 3])
    assert record["numrecords"] == where.sum() == sum(s["0"]["nRow"] for k, s in record.items() if "scan_" in k)
    assert listobs(sim_original, selectdata=False, scan="1")["numrecords"] > record["numrecords"]


def test_page(sim_original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.txt"
    listobs(sim_original, listfile=str(page))
    text = page.read_text()
    for part in ("Data records:", "ObservationID = 0         ArrayID = 0", "ScanIntent", "Fields: 5", "Sources:",
                 "ITRF Geocentric coordinates (m)", "CALIBRATE_BANDPASS#ON_SOURCE"):  # fmt: skip
        assert part in text
    # an offset from the array's centre is of the size of the array, a longitude that of Chajnantor
    antenna = next(line for line in text.splitlines() if re.match(r"  0    DA47", line))
    assert "-067.45." in antenna
    assert "-22.5" in antenna
    assert all(abs(float(v)) < 20_000 for v in antenna.split()[7:10])
    assert str(listobs(sim_original)) == text.rstrip("\n")
    assert cli.run(["listobs", str(sim_original)]) == 0
    assert capsys.readouterr() == (text, "")
    assert str(listobs(sim_original, listfile=str(page), overwrite=True)) == ""


def test_terse_page(sim_original: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    listobs(sim_original, verbose=False, listfile=str(page))
    text = page.read_text()
    assert "ScanIntent" not in text
    assert "Sources:" not in text
    assert "'DA47'=" in text


def test_listfile_is_not_replaced_unasked(sim_original: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text("mine")
    with pytest.raises(TableExists, match="overwrite=True"):
        listobs(sim_original, listfile=str(page))
    assert page.read_text() == "mine"
    listobs(sim_original, listfile=str(page), overwrite=True)
    assert "MeasurementSet Name" in page.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["page.txt"]


def test_errors(sim_original: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptySelection, match="scans 1~"):
        listobs(sim_original, scan="99")
    with pytest.raises(NoSuchTable):
        listobs(tmp_path / "none.ms")
    with pytest.raises(WriteError):
        listobs(sim_original, listfile=str(tmp_path / "no" / "such" / "folder.txt"))


def test_unflagged_rows(sim_ms: Path) -> None:
    with table(str(sim_ms), readonly=False, ack=False) as tab:
        flag = np.zeros((tab.nrows(), *tab.getcell("FLAG", 0).shape), bool)
        flag[0] = True
        flag[1, ::2] = True
        flag[2, :, 0] = True
        tab.putcol("FLAG", flag)
        scan = tab.getcol("SCAN_NUMBER")
    page = sim_ms.parent / "page.txt"
    listobs(sim_ms, listunfl=True, listfile=str(page), scan=str(scan[0]))
    with MeasurementSet(sim_ms) as ms:
        spw = ms.metadata.spws[ms.metadata.ddid_spw[ms.runs.ddid[0]]]
        half = np.abs(spw.chan_width_hz[1::2]).sum() / spw.total_bandwidth_hz
    expected = (scan == scan[0]).sum() - 3 + half + 0.5
    assert f"{expected:13.2f}" in page.read_text()
    assert half == pytest.approx(0.5, rel=0.1)


def test_unflagged_part_of_descending_frequencies(sim_original: Path) -> None:
    """Widths count as positive, whatever their sign."""
    spw = read_metadata(sim_original).spws[0]
    flag = np.zeros((3, spw.nchan, 2), bool)
    flag[1] = True
    flag[2, 0, 1] = True
    last = 0.5 + 0.5 * np.abs(spw.chan_width_hz[1:]).sum() / spw.total_bandwidth_hz
    spw.chan_width_hz[:] = -np.abs(spw.chan_width_hz)
    np.testing.assert_allclose(unflagged_part(flag, spw), [1.0, 0.0, last])
