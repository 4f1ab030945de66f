"""The tools msmd and ms: ids, intents, selections and data of a MeasurementSet."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table as casacore_table

from atacal.errors import NoSuchMethod, SelectionError, ToolError
from atacal.scripts.tools import casalog, log_tool, msmetadata, mstool
from atacal.scripts.tools import ms as shell_ms
from atacal.simulate import simulate
from atacal.tasks import wvrgcal


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A raw block with few channels; never write to it."""
    path = tmp_path_factory.mktemp("raw") / "raw.ms"
    simulate(path, raw=True, nant=4, noise=False)
    return path


@pytest.fixture
def msmd(raw):
    tool = msmetadata()
    tool.open(str(raw))
    yield tool
    tool.close()


@pytest.fixture
def ms(sim_ms):
    tool = mstool()
    tool.open(str(sim_ms))
    yield tool
    tool.close()


def test_spws_are_of_almas_kinds(msmd):
    names = msmd.namesforspws()
    assert [names[i] for i in msmd.almaspws(sqld=True)] == [f"BB_{b}#SQLD" for b in (1, 2, 3, 4)]
    assert all("FULL_RES" in names[i] for i in msmd.tdmspws())
    assert names[msmd.wvrspws()[0]] == "WVR#NOMINAL"
    assert set(msmd.chanavgspws()) >= set(msmd.almaspws(sqld=True))
    everything = msmd.almaspws(chavg=True, fdm=True, sqld=True, tdm=True, wvr=True)
    rest = msmd.almaspws(chavg=True, fdm=True, sqld=True, tdm=True, wvr=True, complement=True)
    assert sorted([*everything, *rest]) == list(range(msmd.nspw()))


@pytest.mark.parametrize(
    ("nchan", "bandwidth", "npol", "kind"),
    [
        (128, 2e9, 2, "tdm"),
        (128, 1.875e9, 2, "fdm"),
        (256, 2e9, 1, "tdm"),
        (256, 2e9, 2, "fdm"),
        (240, 2e9, 1, "fdm"),
        (4, 2e9, 2, "tdm"),
    ],
)
def test_the_frequency_division_mode_is_told_as_casa_tells_it(nchan, bandwidth, npol, kind, named_spw):
    from atacal.scripts.tools._msmd_spws import _is_fdm

    assert _is_fdm(named_spw(nchan, bandwidth), npol) == (kind == "fdm")


@pytest.fixture
def named_spw():
    from atacal.ms.metadata import Spw

    def make(nchan, bandwidth):
        freq = np.arange(float(nchan))
        return Spw(0, "X", freq, freq, freq, freq, 0.0, bandwidth, "TOPO", 2, 1, 0)

    return make


def test_scans_fields_and_intents_agree(msmd):
    for intent in msmd.intents():
        for scan in msmd.scansforintent(intent):
            assert intent in msmd.intentsforscan(int(scan))
    for field in range(msmd.nfields()):
        for scan in msmd.scansforfield(field):
            assert field in msmd.fieldsforscan(int(scan))
            assert np.isin(msmd.spwsforscan(int(scan)), msmd.spwsforfield(field)).all()
    assert msmd.fieldsforintent("*BANDPASS*", asnames=True).tolist() == msmd.namesforfields(
        msmd.fieldsforintent("CALIBRATE_BANDPASS#ON_SOURCE")
    )
    assert msmd.fieldsforintent("NOPE").size == 0
    with pytest.raises(ToolError, match="there is no intent 'NOPE'; there are CALIBRATE"):
        msmd.scansforintent("NOPE")
    with pytest.raises(ToolError, match="there is no scan 99; there are 1, 2"):
        msmd.spwsforscan(99)


def test_times_are_those_of_the_rows(msmd, raw):
    with casacore_table(str(raw), ack=False) as tab:
        time, scan, ddid = (tab.getcol(c) for c in ("TIME", "SCAN_NUMBER", "DATA_DESC_ID"))
    assert np.array_equal(msmd.timesforscan(2), np.unique(time[scan == 2]))
    assert msmd.timesforscans([1, 2]).size == np.unique(time[scan <= 2]).size
    by_spw = msmd.timesforscan(2, perspw=True)
    assert np.array_equal(by_spw["0"], np.unique(time[(scan == 2) & (ddid == 0)]))
    first = float(time[scan == 2].min())
    assert msmd.scansfortimes(first, 0.01).tolist() == [2]


def test_rows_are_counted(msmd, raw):
    with casacore_table(str(raw), ack=False) as tab:
        cross = tab.getcol("ANTENNA1") != tab.getcol("ANTENNA2")
        assert msmd.nrows() == tab.nrows()
    assert msmd.nrows(autoc=False) == cross.sum()
    assert 0 < msmd.nrows(flagged=False) < msmd.nrows()
    assert msmd.nbaselines() == 6
    assert msmd.nbaselines(ac=True) == 10


def test_the_effective_exposure_is_that_of_what_is_not_flagged(sim_ms):
    tool = msmetadata()
    tool.open(str(sim_ms))
    found = tool.effexposuretime()
    with casacore_table(str(sim_ms), ack=False) as tab:
        good = 1 - tab.getcol("FLAG").mean(axis=(1, 2))
        good[tab.getcol("FLAG_ROW")] = 0
        expected = (tab.getcol("EXPOSURE") * good).sum() / tool.nspw() / tool.nbaselines()
    assert found["unit"] == "s"
    assert found["value"] == pytest.approx(expected)


def test_antennas_by_name_and_number(msmd):
    names = msmd.antennanames()
    assert msmd.antennaids([names[2], names[0]]).tolist() == [2, 0]
    assert msmd.antennaids("D*").tolist() == [0, 1, 2, 3]
    assert msmd.antennaposition(names[1]) == msmd.antennaposition(1)
    assert msmd.antennadiameter(0) == {"unit": "m", "value": 12.0}
    with pytest.raises(ToolError, match="there is no antenna 'XX00'"):
        msmd.antennaids("XX00")


def test_the_script_may_change_its_folder(raw, monkeypatch, tmp_path):
    tool = msmetadata()
    monkeypatch.chdir(raw.parent)
    tool.open(raw.name)
    monkeypatch.chdir(tmp_path)
    assert tool.name() == str(raw)
    assert len(tool.sourcenames()) > 0
    assert tool.baselines().shape == (4, 4)


def test_nothing_is_asked_of_nothing():
    tool = msmetadata()
    with pytest.raises(ToolError, match="no MeasurementSet is open"):
        tool.nspw()
    with pytest.raises(NoSuchMethod, match=r"msmd\.weather is not available; the tool msmd has almaspws, "):
        tool.weather()
    with pytest.raises(ToolError, match=r"ms\.open comes first"):
        mstool().nrow()


def test_every_row_is_in_one_stretch_of_a_scan(msmd, raw):
    tool = mstool()
    tool.open(str(raw))
    summary = tool.getscansummary()
    tool.close()
    assert [int(s) for s in summary] == msmd.scannumbers().tolist()
    assert sum(part["nRow"] for scan in summary.values() for part in scan.values()) == msmd.nrows()


def test_data_of_one_data_description(ms, sim_ms):
    ms.selectinit(datadescid=1)
    found = ms.getdata(["data", "flag", "uvw", "amplitude", "axis_info", "time"])
    with casacore_table(str(sim_ms), ack=False) as tab, tab.query("DATA_DESC_ID==1") as part:
        data = part.getcol("DATA").T
    assert np.array_equal(found["data"], data)
    assert np.allclose(found["amplitude"], np.abs(data))
    assert found["axis_info"]["freq_axis"]["chan_freq"].shape == (data.shape[1], 1)
    assert ms.nrow(True) == data.shape[-1] < ms.nrow()


def test_data_of_several_shapes_need_a_choice(raw):
    tool = shell_ms()
    tool.open(str(raw))
    with pytest.raises(ToolError, match=r"data descriptions 0, .* are selected; ms\.selectinit"):
        tool.getdata(["data"])
    tool.close()


def test_baselines_and_times_become_axes(ms):
    ms.selectinit(datadescid=0)
    rows = ms.getdata(["data", "ifr_number", "antenna1", "antenna2", "time"])
    grid = ms.getdata(["data", "axis_info", "flag"], ifraxis=True)
    axes = grid["axis_info"]
    ifr, times = axes["ifr_axis"]["ifr_number"], axes["time_axis"]["MJDseconds"]
    assert grid["data"].shape == (*rows["data"].shape[:2], len(ifr), len(times))
    i = np.searchsorted(ifr, 1000 * rows["antenna1"] + rows["antenna2"])
    assert np.array_equal(grid["data"][..., i, np.searchsorted(times, rows["time"])], rows["data"])


def test_channels_are_averaged_without_what_is_flagged(ms):
    ms.selectinit(datadescid=0)
    rows = ms.getdata(["data", "flag"])
    ms.selectchannel(nchan=2, start=4, width=3, inc=5)
    few = ms.getdata(["data", "flag"])
    good = ~rows["flag"][:, 4:7]
    mean = (rows["data"][:, 4:7] * good).sum(axis=1) / np.maximum(good.sum(axis=1), 1)
    assert np.allclose(few["data"][:, 0], mean)
    assert np.array_equal(few["flag"][:, 1], rows["flag"][:, 9:12].all(axis=1))
    with pytest.raises(ToolError, match="are not in 0 to"):
        ms.selectchannel(nchan=1000)


def test_selections_narrow_until_reset(ms):
    everything = ms.nrow(True)
    assert ms.msselect({"scan": "2~3", "spw": "1"})
    some = ms.nrow(True)
    assert ms.msselectedindices()["scan"].tolist() == [2, 3]
    assert ms.select({"antenna1": [0]})
    assert 0 < ms.nrow(True) < some
    assert ms.selecttaql("ANTENNA2==1")
    assert set(ms.getdata(["antenna2"])["antenna2"].tolist()) == {1}
    ms.reset()
    assert ms.nrow(True) == everything


def test_what_matches_nothing_selects_nothing(ms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ms.msselect({"baseline": "NOPE&0"}) is False
    assert ms.nrow(True) == 0
    assert ms.getdata(["data"]) == {}
    with pytest.raises(SelectionError, match="nope"):
        ms.msseltoindex(ms.name(), field="nope")
    with pytest.raises(ToolError, match="colour: the parts of a selection are"):
        ms.msselect({"colour": "red"})


def test_ids_of_expressions(ms):
    found = ms.msseltoindex(ms.name(), spw="1:3~5;8", baseline="0&1", field="*")
    assert found["channel"].tolist() == [[1, 3, 5, 1], [1, 8, 8, 1]]
    assert found["baselines"].tolist() == [[0, 1]]
    assert found["dd"].tolist() == [1]
    assert len(found["field"]) == len(ms.range(["fields"])["fields"])


def test_frequencies_in_another_frame(ms):
    there = ms.cvelfreqs(spwids=[0])
    moved = ms.cvelfreqs(spwids=[0], fieldids=[1], outframe="LSRK")
    ratio = moved / there
    assert np.ptp(ratio) < 1e-12
    assert 1e-7 < abs(ratio[0] - 1) < 2e-4  # the Earth's and the Sun's velocities over that of light
    assert np.array_equal(ms.cvelfreqs(spwids=0, start=4, nchan=2, width=3), there[4:10].reshape(2, 3).mean(axis=1))
    with pytest.raises(ToolError, match="go beyond the last channel"):
        ms.cvelfreqs(spwids=[0], start=60, nchan=10)
    with pytest.raises(ToolError, match="only mode='channel'"):
        ms.cvelfreqs(spwids=[0], mode="velocity")


def test_iteration_meets_every_row_once(ms):
    ms.selectinit(datadescid=0)
    whole = ms.getdata(["time", "antenna1"])
    ms.iterinit(columns=["TIME"], interval=30.0, maxrows=100)
    ms.iterorigin()
    times, more = [], True
    while more:
        part = ms.getdata(["time"])["time"]
        assert len(part) <= 100
        assert np.ptp(part) < 30.0
        times.append(part)
        more = ms.iternext()
    ms.iterend()
    assert np.array_equal(np.sort(np.concatenate(times)), np.sort(whole["time"]))
    assert len(ms.getdata(["time"])["time"]) == len(whole["time"])


def test_data_are_written(sim_ms):
    tool = mstool()
    tool.open(str(sim_ms), nomodify=False)
    tool.selectinit(datadescid=1)
    flag = ~tool.getdata(["flag"])["flag"]
    tool.putdata({"flag": flag})
    tool.close()
    with casacore_table(str(sim_ms), ack=False) as tab, tab.query("DATA_DESC_ID==1") as part:
        assert np.array_equal(part.getcol("FLAG").T, flag)
    with pytest.raises(ToolError, match="there is no column NOPE"):
        tool.open(str(sim_ms), nomodify=False) and tool.putdata({"nope": flag})
    tool.close()


def test_ranges_leave_flagged_data_out(ms):
    ms.selectinit(datadescid=0)
    found = ms.range(["amplitude", "antenna1", "num_chan", "time"])
    rows = ms.getdata(["amplitude", "flag"])
    assert found["amplitude"].tolist() == [
        rows["amplitude"][~rows["flag"]].min(),
        rows["amplitude"][~rows["flag"]].max(),
    ]
    assert found["num_chan"].tolist() == [rows["flag"].shape[1]]


def test_readers_find_wvrgcals_antennas_in_the_log(raw, tmp_path, monkeypatch):
    logger = logging.getLogger("atacal")
    monkeypatch.setattr(logger, "handlers", list(logger.handlers))
    monkeypatch.setattr(logger, "level", logger.level)
    monkeypatch.setattr(log_tool, "_file", log_tool._File())
    casalog.setlogfile(str(tmp_path / "raw.ms.wvrgcal"))
    found = wvrgcal(str(raw), str(tmp_path / "raw.ms.wvr"))
    lines = [line.split("\t") for line in (tmp_path / "raw.ms.wvrgcal").read_text().splitlines()]
    assert {origin for _, _, origin, _ in lines} == {"wvrgcal::::casa"}
    texts = [text for _, _, _, text in lines]
    start = next(i for i, text in enumerate(texts) if "Disc (um)" in text) + 1
    end = next(i for i, text in enumerate(texts) if "Expected performance" in text)
    rows = [text.split() for text in texts[start:end]]
    assert [row[1] for row in rows] == found["Name"]
    assert [row[3] == "Yes" for row in rows] == found["Flag"]
    assert [float(row[4]) for row in rows] == pytest.approx(found["RMS_um"], rel=1e-3)
    assert [float(row[5]) for row in rows] == pytest.approx(found["Disc_um"], rel=1e-3)
    first = next(i for i, text in enumerate(texts) if text.startswith("Evidence")) + 1
    water = [float(text.split()[1]) for text in texts[first : first + len(found["retrieved"])]]
    assert water == pytest.approx([one["PWV_mm"] for one in found["retrieved"]], abs=1e-6)
