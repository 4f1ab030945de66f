"""Whole imports of tiny ASDMs: what is in the MeasurementSet, what faults do."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, AsdmError, TableExists
from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import importasdm


def column(ms, name):
    with table(str(ms), ack=False) as tab:
        return tab.getcol(name)


def bdf_values(asdm, number, name, dtype):
    """Read an attachment of all integrations of a binary in another way: cut at boundaries."""
    text = sorted((asdm / "ASDMBinary").iterdir())[number].read_bytes()
    found = []
    for piece in text.split(f"/{name}.bin\n\n".encode())[1:]:
        found.append(np.frombuffer(piece.split(b"\n--MIME_boundary-2")[0], dtype))
    return np.array(found)


def imported(asdm, **options):
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out), overwrite=True, **options)
    return out


@pytest.mark.parametrize(
    ("cross_type", "dtype", "order"),
    [("INT16_TYPE", "<i2", "<"), ("INT32_TYPE", "<i4", "<"), ("FLOAT32_TYPE", "<f4", "<"), ("INT16_TYPE", ">i2", ">")],
)
def test_visibilities_are_those_of_the_binaries(make_asdm, cross_type, dtype, order):
    asdm = make_asdm(cross_type=cross_type, order=order, wvr=False, integrations=2)
    ms = imported(asdm)
    raw = bdf_values(asdm, 0, "crossData", dtype).reshape(2, 3, -1)  # time, baseline 0-1 0-2 1-2, number
    first = (raw[:, :, : 8 * 2 * 2].astype("f4") / np.float32(1000)).view("c8").reshape(2, 3, 8, 2)
    with (
        table(str(ms), ack=False) as tab,
        tab.query("DATA_DESC_ID==1 && ANTENNA1!=ANTENNA2 && SCAN_NUMBER==1 && STATE_ID==1") as rows,
    ):
        np.testing.assert_array_equal(rows.getcol("DATA").reshape(2, 3, 8, 2), first)
        assert rows.getcol("ANTENNA2").tolist() == [1, 2, 2] * 2


def test_full_polarisation_autocorrelations(make_asdm):
    asdm = make_asdm(npol=4, wvr=False, integrations=1)
    raw = bdf_values(asdm, 0, "autoData", "<f4").reshape(3, -1)[:, : 8 * 4].reshape(3, 8, 4)
    with table(str(imported(asdm)), ack=False) as tab, tab.query("ANTENNA1==ANTENNA2", limit=3) as rows:
        data = rows.getcol("DATA")
    np.testing.assert_array_equal(data[..., 0], raw[..., 0])
    np.testing.assert_array_equal(data[..., 1], raw[..., 1] + 1j * raw[..., 2])
    np.testing.assert_array_equal(data[..., 2], raw[..., 1] - 1j * raw[..., 2])
    np.testing.assert_array_equal(data[..., 3], raw[..., 3])


def test_corrected_and_uncorrected_data(make_asdm):
    asdm = make_asdm(corrections=("AP_UNCORRECTED", "AP_CORRECTED"), wvr=False, integrations=1)
    importasdm(str(asdm), str(asdm.parent / "out.ms"), wvr_corrected_data="both")
    raw = bdf_values(asdm, 0, "crossData", "<i2").reshape(3, -1)[:, : 2 * 8 * 2 * 2].reshape(3, 2, 8, 2, 2)
    for k, name in enumerate(("out.ms", "out-wvr-corrected.ms")):
        with table(str(asdm.parent / name), ack=False) as tab, tab.query("ANTENNA1!=ANTENNA2", limit=3) as rows:
            np.testing.assert_array_equal(rows.getcol("DATA").real, raw[:, k, :, :, 0].astype("f4") / np.float32(1000))


def test_radiometers_are_four_channels_of_autocorrelations(make_asdm):
    asdm = make_asdm()
    raw = bdf_values(asdm, 1, "autoData", "<f4").reshape(6 * 3, 4)
    with table(str(imported(asdm)), ack=False) as tab, tab.query("DATA_DESC_ID==0", limit=18) as rows:
        np.testing.assert_array_equal(rows.getcol("DATA")[..., 0], raw)
        assert np.unique(rows.getcol("EXPOSURE")).tolist() == [1.0]
        np.testing.assert_allclose(rows.getcol("WEIGHT"), 1.5e9)


def test_a_radiometers_integration_that_comes_twice_is_taken_once(make_asdm):
    times = [column(imported(make_asdm(f"a{r}", repeat_wvr=r)), "TIME") for r in (False, True)]
    assert len(times[0]) - len(times[1]) == 2 * 3


def test_weights(make_asdm):
    ms = imported(make_asdm(wvr=False))
    auto = column(ms, "ANTENNA1") == column(ms, "ANTENNA2")
    weight = column(ms, "WEIGHT")
    np.testing.assert_allclose(weight[auto], 2.0 * 1.6 * 15.625e6)
    np.testing.assert_allclose(weight[~auto], 2 * 2.0 * 1.6 * 15.625e6)
    np.testing.assert_allclose(column(ms, "SIGMA"), 1 / np.sqrt(weight), rtol=1e-6)


def test_flags_of_the_binaries(make_asdm):
    asdm = make_asdm(wvr=False, integrations=1)
    words = bdf_values(asdm, 0, "flags", "<u4").reshape(-1)
    cross = words[: 3 * 2 * 2].reshape(3, 2, 2)[:, 0]
    expected = ((cross & ~np.uint32(2)) != 0) & (cross != 3)
    with table(str(imported(asdm, bdfflags=True)), ack=False) as tab, tab.query("ANTENNA1!=ANTENNA2", limit=3) as rows:
        np.testing.assert_array_equal(rows.getcol("FLAG"), np.broadcast_to(expected[:, None], (3, 8, 2)))
        np.testing.assert_array_equal(rows.getcol("FLAG_ROW"), expected.all(axis=1))
    assert not column(imported(asdm), "FLAG_ROW").any()


@pytest.mark.parametrize(("mode", "count"), [("ca", 36), ("ao", 18), ("co", 18)])
def test_what_is_written(make_asdm, mode, count):
    ms = imported(make_asdm(wvr=False), ocorr_mode=mode)
    assert len(column(ms, "TIME")) == 4 * count


@pytest.mark.parametrize(("mode", "output"), [("AUTO_ONLY", "ca"), ("CROSS_AND_AUTO", "ao")])
def test_autocorrelations_alone_are_floats(make_asdm, mode, output):
    ms = imported(make_asdm(mode=mode, wvr=False), ocorr_mode=output)
    with table(str(ms), ack=False) as tab:
        assert "FLOAT_DATA" in tab.colnames()
        assert "DATA" not in tab.colnames()


def test_selections(make_asdm):
    asdm = make_asdm()
    assert np.unique(column(imported(asdm, scans="2"), "SCAN_NUMBER")).tolist() == [2]
    assert np.unique(column(imported(asdm, corr_mode="ao"), "DATA_DESC_ID")).tolist() == [0]
    with pytest.raises(ArgumentError, match="corr_mode"):
        imported(asdm, corr_mode="xx")


def test_uvw_has_the_length_of_the_baseline(make_asdm):
    ms = imported(make_asdm(wvr=False))
    uvw, a1, a2 = column(ms, "UVW"), column(ms, "ANTENNA1"), column(ms, "ANTENNA2")
    pads = np.array([[30.0 * i, 17.0 * i * i, -11.0 * i] for i in range(3)])
    np.testing.assert_allclose(np.linalg.norm(uvw, axis=1), np.linalg.norm(pads[a1] - pads[a2], axis=1), atol=1e-6)


def test_subtables(make_asdm):
    ms = imported(make_asdm())
    assert column(ms / "SPECTRAL_WINDOW", "NAME") == ["WVR#NOMINAL", "spw0", "spw1", "WVR#Antenna_0"]
    assert column(ms / "PROCESSOR", "SUB_TYPE") == ["ALMA_ACA", "ALMA_RADIOMETER"]
    assert column(ms / "STATE", "OBS_MODE")[0] == "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE"
    assert column(ms / "WEATHER", "PRESSURE").tolist() == [
        np.float32(55605.066) / np.float32(100)
    ]  # the late one is out
    interval = column(ms / "SYSCAL", "INTERVAL")
    np.testing.assert_allclose(interval, [20.0] * 3 + [24.0] * 3)  # the first ends where the second begins
    assert column(ms / "POINTING", "DIRECTION").shape == (18, 1, 2)
    assert column(ms / "FLAG_CMD", "COMMAND")[1] == (
        "antenna='DA41,DA43' timerange='2015/06/28/14:00:00.000~2015/06/28/14:00:02.000' spw='\"spw0\"' "
        "correlation='XX,XY,YX'"
    )


def test_binary_and_xml_pointing_say_the_same(make_asdm):
    both = []
    for kind in ("xml", "bin"):
        ms = imported(make_asdm(kind, pointing=kind))
        both.append([column(ms / "POINTING", c) for c in ("ANTENNA_ID", "DIRECTION", "ENCODER", "OVER_THE_TOP")])
    for a, b in zip(*both, strict=True):
        np.testing.assert_array_equal(a, b)


def test_switches(make_asdm):
    ms = imported(
        make_asdm(), process_pointing=False, process_caldevice=False, process_syspower=False, process_flags=False
    )
    for name in ("POINTING", "CALDEVICE", "SYSPOWER", "FLAG_CMD"):
        assert len(column(ms / name, "TIME" if name != "FLAG_CMD" else "REASON")) == 0


def test_verbatim_copies(make_asdm):
    ms = imported(make_asdm(), asis="Antenna Cal*")
    assert column(ms / "ASDM_ANTENNA", "name") == ["DA41", "DA42", "DA43"]
    with table(str(ms / "ASDM_CALWVR"), ack=False) as tab:
        assert tab.getcell("refTemp", 0).shape == (4, 1)
        assert tab.getcell("startValidTime", 0) == 4942216800.0
    assert (ms / "ASDM_CALDEVICE").is_dir()
    assert not (ms / "ASDM_MAIN").exists()
    with pytest.raises(ArgumentError, match="asis="):
        imported(make_asdm("other"), asis="Antena")


def test_flag_commands_are_applied_and_saved(make_asdm):
    asdm = make_asdm()
    ms = imported(asdm, applyflags=True, savecmds=True)
    assert column(ms / "FLAG_CMD", "APPLIED").all()
    assert column(ms, "FLAG_ROW").any()
    lines = (asdm.parent / "out_cmd.txt").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("reason='Mount_is_off_source'")
    with table(str(asdm.parent / "out.ms.flagversions" / "flags.Original"), ack=False) as tab:
        assert not tab.getcol("FLAG_ROW").any()  # before the commands


def test_the_time_buffer_widens_commands(make_asdm):
    assert "13:59:59.500~2015/06/28/14:00:02.500" in column(imported(make_asdm(), tbuff=0.5) / "FLAG_CMD", "COMMAND")[1]


def test_fields_that_move(make_asdm):
    ms = imported(make_asdm(ephemeris=1, field_time=False))
    assert column(ms / "FIELD", "EPHEMERIS_ID").tolist() == [-1, 0]
    assert (ms / "FIELD" / "EPHEM0_Titan_57201.6.tab").is_dir()
    assert column(ms / "FIELD", "TIME")[1] == pytest.approx(4942216800.0, abs=1e-5)
    with table(str(ms), ack=False) as tab:
        assert "EPHEM0_Titan_57201.6.tab" in tab.getkeywords()
    ra, dec = column(ms / "SOURCE", "DIRECTION")[1]
    assert np.hypot(ra + 2 * np.pi - 3.9001, dec + 0.29995) < 3e-7


def test_it_opens_as_a_measurement_set(make_asdm):
    with MeasurementSet(imported(make_asdm())) as ms:
        assert [a.name for a in ms.metadata.antennas] == ["DA41", "DA42", "DA43"]
        assert ms.metadata.fields[1].name == "Titan"


# ---- faults


def test_a_missing_binary_is_left_out_and_noted(make_asdm, caplog):
    asdm = make_asdm(wvr=False)
    sorted((asdm / "ASDMBinary").iterdir())[1].unlink()
    ms = imported(asdm)
    assert len(column(ms, "TIME")) == 3 * 36
    assert "the binary is missing" in caplog.text
    assert any("left out" in m for m in column(ms / "HISTORY", "MESSAGE"))


def test_a_binary_cut_short_is_left_out_and_noted(make_asdm, caplog):
    asdm = make_asdm(wvr=False)
    file = sorted((asdm / "ASDMBinary").iterdir())[1]
    file.write_bytes(file.read_bytes()[:-2000])
    assert len(column(imported(asdm), "TIME")) == 3 * 36
    assert "cut short" in caplog.text


def test_an_asdm_without_binaries_gives_its_tables(make_asdm, caplog):
    asdm = make_asdm()
    shutil.rmtree(asdm / "ASDMBinary")
    ms = imported(asdm)
    assert len(column(ms, "TIME")) == 0
    assert len(column(ms / "ANTENNA", "NAME")) == 3
    assert "has no data" in caplog.text
    assert not (asdm.parent / "out.ms.flagversions").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "Source.xml").unlink(), "neither Source.xml nor Source.bin"),
        (lambda p: (p / "SysCal.xml").write_text("<SysCalTable><row><a>1</a>"), "not well-formed"),
        (lambda p: _replace(p / "Field.xml", 'schemaVersion="3"', 'schemaVersion="9"'), "schemaVersion '9'"),
        (lambda p: _replace(p / "Antenna.xml", "AntennaTable", "AntenaTable"), "its root is"),
        (lambda p: _replace(p / "Feed.xml", "numReceptor", "numReceptors"), "has no numReceptor"),
        (lambda p: _replace(p / "SpectralWindow.xml", "<numChan>8<", "<numChan>eight<"), "'eight' is not an integer"),
        (lambda p: _replace(p / "Antenna.xml", "Station_1", "Station_77"), "Station_77"),
        (lambda p: (p / "ASDM.xml").unlink(), "no ASDM.xml"),
        (lambda p: (p / "ASDM.xml").write_text("<ASDM/>"), "lists no tables"),
    ],
)
def test_tables_that_are_wrong_are_told_and_nothing_is_left(make_asdm, change, message):
    asdm = make_asdm()
    change(asdm)
    with pytest.raises(AsdmError, match=message):
        imported(asdm)
    assert [p.name for p in asdm.parent.iterdir()] == ["tiny_asdm"]


def _replace(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def test_a_binary_table_cut_short(make_asdm):
    asdm = make_asdm(pointing="bin")
    whole = (asdm / "Pointing.bin").read_bytes()
    (asdm / "Pointing.bin").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(AsdmError, match="cut short"):
        imported(asdm)


def test_what_is_there_is_kept_unless_told(make_asdm):
    asdm = make_asdm()
    out = asdm.parent / "out.ms"
    importasdm(str(asdm), str(out))
    with pytest.raises(TableExists, match=r"out\.ms exists"):
        importasdm(str(asdm), str(out))
    importasdm(str(asdm), str(out), overwrite=True, scans="1")
    assert np.unique(column(out, "SCAN_NUMBER")).tolist() == [1]
    assert sorted(p.name for p in asdm.parent.iterdir()) == ["out.ms", "out.ms.flagversions", "tiny_asdm"]


@pytest.mark.parametrize(
    "options",
    [
        {"createmms": True},
        {"compression": True},
        {"ocorr_mode": "xy"},
        {"wvr_corrected_data": "maybe"},
        {"scans": "77"},
        {"asis": "Nothing"},
    ],
)
def test_arguments_that_cannot_be(make_asdm, options):
    with pytest.raises(ArgumentError):
        imported(make_asdm(), **options)


def test_corrected_data_that_are_not_there(make_asdm):
    with pytest.raises(AsdmError, match="AP_UNCORRECTED"):
        imported(make_asdm(), wvr_corrected_data="yes")


def test_binary_flags_are_almas_only(make_asdm):
    with pytest.raises(ArgumentError, match="EVLA"):
        imported(make_asdm(telescope="EVLA"), bdfflags=True)
