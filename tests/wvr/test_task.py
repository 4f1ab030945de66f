"""The task on a block whose paths are known."""

import shutil

import numpy as np
import pytest

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, InvalidTable, NoSuchTable, NoWvrData, TableExists
from atacal.tasks import applycal, wvrgcal
from atacal.wvr.paths import path_weights

MIDDLE_HZ = 345e9 + 4 * 15.625e6
PER_MM = 2 * np.pi * MIDDLE_HZ / 299792458e3


def relative_error(block, table, spw=1, reference=0):
    """Phases [rad] relative to an antenna, minus the true ones."""
    sol = read_caltable(table).solutions[spw]
    np.testing.assert_allclose(sol.time, block.time)
    phase = np.angle(sol.param[:, :, 0, 0] * sol.param[:, [reference], 0, 0].conj())
    truth = -PER_MM * (block.path_mm - block.path_mm[:, [reference]])
    error = np.angle(np.exp(1j * (phase - truth)))
    error[sol.flag[:, :, 0, 0]] = np.nan
    return error, truth


def test_phases_are_the_paths(block, tmp_path):
    found = wvrgcal(str(block.path), str(tmp_path / "w"))
    error, truth = relative_error(block, tmp_path / "w")
    assert np.nanmax(np.abs(error)) < 0.08 * np.abs(truth).max()
    assert found["success"]
    assert found["WVR"] == [True] * 6
    assert found["Flag"] == [False] * 6
    assert found["Frac_unflagged"] == [1.0] * 6
    assert [r["sources"] for r in found["retrieved"]] == [["cal"], ["target"], ["cal"]]
    for one in found["retrieved"]:
        assert abs(one["PWV_mm"] - 1.2) < 2 * one["PWV_err_mm"]
        assert one["elevation_deg"] == pytest.approx(55.0)
        assert one["antenna"] == "DA41"


def test_the_table(block, tmp_path):
    wvrgcal(str(block.path), str(tmp_path / "w"))
    table = read_caltable(tmp_path / "w")
    assert (table.kind, table.par_type, table.pol_basis, table.ms_name) == ("T Jones", "Complex", "unknown", "block.ms")
    assert sorted(table.solutions) == [0, 1, 2]
    sol = table.solutions[1]
    assert sol.param.shape == (140, 6, 1, 1)
    assert (sol.refant == -1).all()
    assert (sol.scan == -1).all()
    assert np.array_equal(sol.field, block.field)
    np.testing.assert_allclose(sol.interval, 1.152)
    assert (sol.snr == 3).all()
    assert (sol.error == 0).all()
    np.testing.assert_allclose(np.abs(sol.param), 1, rtol=1e-6)
    assert [s.nchan for s in table.spws] == [1, 1, 1]
    assert table.spws[1].chan_freq_hz[0] == MIDDLE_HZ
    assert "wvrgcal" in table.history[0]


def test_applied_it_takes_the_phases_away(block, tmp_path):
    from casacore.tables import table

    wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1])
    applycal(
        str(block.path), spw="1", gaintable=[str(tmp_path / "w")], interp=["linear"], calwt=False, flagbackup=False
    )
    with table(str(block.path), ack=False) as tab:
        rows = np.flatnonzero((tab.getcol("DATA_DESC_ID") == 1) & (tab.getcol("ANTENNA1") != tab.getcol("ANTENNA2")))
        part = tab.selectrows(rows)
        before, after = (np.angle(part.getcol(c)[:, 4, 0]) for c in ("DATA", "CORRECTED_DATA"))
    assert before.std() > 0.8
    assert after.std() < 0.08 * before.std()


def test_twice_the_same(block, tmp_path):
    for name in "ab":
        wvrgcal(str(block.path), str(tmp_path / name), spw=[1])
    one, two = (read_caltable(tmp_path / name).solutions[1].param for name in "ab")
    assert np.array_equal(one, two)


def test_a_dead_radiometer_borrows(block, tmp_path, change):
    change(block.path, "FLAG", 2, True)
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1])
    wvrgcal(str(block.path), str(tmp_path / "old"), spw=[1], method="libair")
    assert found["Flag"] == [False, False, True, False, False, False]
    assert found["Frac_unflagged"][2] == 0
    error, truth = relative_error(block, tmp_path / "w")
    worse, _ = relative_error(block, tmp_path / "old")
    assert np.isfinite(error).all()
    assert 0.05 < error[:, 2].std() < 0.5 * truth[:, 2].std() + 0.5
    assert error[:, 2].std() < worse[:, 2].std()


def test_wvrflag_is_like_a_dead_radiometer(block, tmp_path, change):
    wvrgcal(str(block.path), str(tmp_path / "a"), spw=[1], wvrflag=["DA43"])
    change(block.path, "FLAG", 2, True)
    wvrgcal(str(block.path), str(tmp_path / "b"), spw=[1])
    one, two = (read_caltable(tmp_path / name).solutions[1].param for name in "ab")
    assert np.array_equal(one, two)


def test_a_far_antenna_has_no_solutions(block, tmp_path):
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], wvrflag="DV03")
    flag = read_caltable(tmp_path / "w").solutions[1].flag[..., 0, 0]
    assert flag[:, 5].all()
    assert not flag[:, :5].any()
    assert found["RMS_um"][5] == 0
    wvrgcal(str(block.path), str(tmp_path / "far"), spw=[1], wvrflag="DV03", maxdistm=5000)
    assert not read_caltable(tmp_path / "far").solutions[1].flag.any()
    wvrgcal(str(block.path), str(tmp_path / "few"), spw=[1], wvrflag="DV02", maxdistm=370, minnumants=3)
    assert read_caltable(tmp_path / "few").solutions[1].flag[:, 4].all()


@pytest.mark.parametrize("value", [-5.0, 0.0, 320.0, np.nan])
def test_temperatures_that_cannot_be(block, tmp_path, change, value):
    """Samples with such temperatures are flagged one by one; where there are too many, the antenna is."""
    change(block.path, "DATA", 1, value, times=slice(0, 20))
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], mingoodfrac=0.5)
    flag = read_caltable(tmp_path / "w").solutions[1].flag[..., 0, 0]
    assert flag[:20, 1].all()
    assert not flag[20:].any()
    assert not flag[:, [0, 2, 3, 4, 5]].any()
    assert found["Frac_unflagged"][1] == pytest.approx(120 / 140)
    found = wvrgcal(str(block.path), str(tmp_path / "v"), spw=[1], mingoodfrac=0.9)
    assert found["Flag"] == [False, True, False, False, False, False]
    assert not read_caltable(tmp_path / "v").solutions[1].flag.any()


def test_a_radiometer_that_lies(block, tmp_path, change, caplog):
    change(block.path, "DATA", 0, 250.0)
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1])
    assert found["Flag"][0]
    assert "no amount of water explains" in caplog.text
    for one in found["retrieved"]:
        assert abs(one["PWV_mm"] - 1.2) < 2 * one["PWV_err_mm"]


def test_refants(block, tmp_path, change):
    change(block.path, "FLAG", 5, True)
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], refant=["DV03", "DV01"])
    assert {r["antenna"] for r in found["retrieved"]} == {"DV01"}
    with pytest.raises(NoWvrData, match="DV03"):
        wvrgcal(str(block.path), str(tmp_path / "x"), refant="DV03")


def test_a_gap_of_the_reference_is_filled_by_another(block, tmp_path, change):
    change(block.path, "FLAG", 0, True, times=slice(40, 100))
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], mingoodfrac=0.3)
    assert [r["antenna"] for r in found["retrieved"]] == ["DA41", "DA42", "DA41"]


def test_ties(block, tmp_path):
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], tie=["cal,target"])
    assert [r["sources"] for r in found["retrieved"]] == [["cal", "target"]]
    assert block.field[block.time == found["retrieved"][0]["time_mjd_s"]] == [1]


def test_evenly(block, tmp_path):
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], segsource=False, nsol=3)
    at = [int(np.flatnonzero(block.time == r["time_mjd_s"])[0]) for r in found["retrieved"]]
    assert at == [35, 70, 105]
    error, truth = relative_error(block, tmp_path / "w")
    assert np.abs(error).max() < 0.08 * np.abs(truth).max()


def test_cloud(block, tmp_path):
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], segsource=False, cont=True)
    assert len(found["retrieved"]) == 1
    assert 0 < found["retrieved"][0]["cloud_opacity"] < 0.2


def test_offset_scale_reverse_smooth(block, tmp_path):
    vis = str(block.path)
    wvrgcal(vis, str(tmp_path / "w"))
    plain = read_caltable(tmp_path / "w").solutions[1]
    wvrgcal(vis, str(tmp_path / "t"), toffset=-1.0)
    np.testing.assert_allclose(read_caltable(tmp_path / "t").solutions[1].time, plain.time - 1)
    wvrgcal(vis, str(tmp_path / "o"), reversespw="1")
    turned = read_caltable(tmp_path / "o")
    np.testing.assert_allclose(turned.solutions[1].param, plain.param.conj(), atol=1e-5)
    np.testing.assert_allclose(turned.solutions[2].param, read_caltable(tmp_path / "w").solutions[2].param, atol=1e-5)
    wvrgcal(vis, str(tmp_path / "s"), spw=[1], scale=0.5)
    np.testing.assert_allclose(read_caltable(tmp_path / "s").solutions[1].param ** 2, plain.param, atol=1e-4)
    wvrgcal(vis, str(tmp_path / "m"), spw=[1], smooth="6s")
    smooth = read_caltable(tmp_path / "m").solutions[1]
    phases = np.unwrap(np.angle(plain.param[:40, :, 0, 0]), axis=0)
    np.testing.assert_allclose(np.angle(smooth.param[20, :, 0, 0] * np.exp(-1j * phases[18:23].mean(0))), 0, atol=1e-4)


def test_flagged_sources_get_nothing(block, tmp_path):
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1], sourceflag=["target"])
    flag = read_caltable(tmp_path / "w").solutions[1].flag
    assert flag[block.field == 1].all()
    assert not flag[block.field == 0].any()
    assert [r["sources"] for r in found["retrieved"]] == [["cal"], ["cal"]]


def test_statistics_of_a_source(block, tmp_path):
    a = wvrgcal(str(block.path), str(tmp_path / "a"), spw=[1], statsource="target")
    b = wvrgcal(str(block.path), str(tmp_path / "b"), spw=[1], statfield="1")
    assert a["RMS_um"] == b["RMS_um"]
    shares = np.array(a["RMS_um"]) / 1e3 / (block.path_mm[block.field == 1].std(0) * np.sin(block.elevation_rad))
    np.testing.assert_allclose(shares, 1, atol=0.1)


def test_without_pointing_elevations_come_from_the_fields(block, tmp_path, caplog):
    from casacore.tables import table

    with table(str(block.path / "POINTING"), readonly=False, ack=False) as tab:
        tab.putcolkeyword("DIRECTION", "MEASINFO", {"type": "direction", "Ref": "J2000"})
    a = wvrgcal(str(block.path), str(tmp_path / "a"), spw=[1])
    assert "POINTING gives directions in J2000" in caplog.text
    shutil.rmtree(block.path / "POINTING")
    wvrgcal(str(block.path), str(tmp_path / "c"), spw=[1])
    assert "there is no POINTING table" in caplog.text
    b = wvrgcal(str(block.path), str(tmp_path / "b"), spw=[1], usefieldtab=True)
    assert a["retrieved"][0]["elevation_deg"] == b["retrieved"][0]["elevation_deg"] != pytest.approx(55.0)


def test_an_antenna_without_radiometer(block, tmp_path):
    from casacore.tables import table

    with table(str(block.path), readonly=False, ack=False) as tab:
        ddid, ant = tab.getcol("DATA_DESC_ID"), tab.getcol("ANTENNA1")
        tab.removerows(np.flatnonzero((ddid == 0) & (ant == 1)))
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1])
    assert found["WVR"] == [True, False, True, True, True, True]
    assert found["Flag"][1]
    assert not read_caltable(tmp_path / "w").solutions[1].flag.any()


def test_seven_metre_antennas_have_none(block, tmp_path):
    from casacore.tables import table

    with table(str(block.path / "ANTENNA"), readonly=False, ack=False) as tab:
        tab.putcell("NAME", 1, "CM01")
    assert wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1])["WVR"][1] is False


def test_offsets(block, tmp_path, change):
    from casacore.tables import makearrcoldesc, makescacoldesc, maketabdesc, table

    wvrgcal(str(block.path), str(tmp_path / "a"), spw=[1])
    stamps, names = np.repeat(block.time, 6), np.tile(np.arange(6), len(block.time))
    desc = maketabdesc(
        [makescacoldesc("TIME", 0.0), makescacoldesc("ANTENNA", 0), makearrcoldesc("OFFSETS", 0.0, ndim=1)]
    )
    with table(str(tmp_path / "off"), desc, nrow=len(stamps), ack=False) as tab:
        tab.putcol("TIME", stamps)
        tab.putcol("ANTENNA", names)
        tab.putcol("OFFSETS", np.full((len(stamps), 4), 1.5))
    with table(str(block.path), readonly=False, ack=False) as tab:
        for row in np.flatnonzero(tab.getcol("DATA_DESC_ID") == 0):
            tab.putcell("DATA", int(row), tab.getcell("DATA", int(row)) + 1.5)
    wvrgcal(str(block.path), str(tmp_path / "b"), spw=[1], offsetstable=str(tmp_path / "off"))
    one, two = (read_caltable(tmp_path / name).solutions[1].param for name in "ab")
    np.testing.assert_allclose(one, two, atol=1e-3)
    with pytest.raises(InvalidTable, match="OFFSETS"):
        wvrgcal(str(block.path), str(tmp_path / "c"), offsetstable=str(block.path / "ANTENNA"))


def test_all_flagged(block, tmp_path, change):
    change(block.path, "FLAG", None, True)
    with pytest.raises(NoWvrData, match="all 840 radiometer samples of spw 0 are flagged"):
        wvrgcal(str(block.path), str(tmp_path / "w"))
    assert not (tmp_path / "w").exists()


def test_no_radiometers_at_all(sim_ms, tmp_path):
    with pytest.raises(NoWvrData, match=r"has no spw of a water vapour radiometer|has no rows"):
        wvrgcal(str(sim_ms), str(tmp_path / "w"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"spw": [7]}, ArgumentError, "spw 7: .* has the spws 0 to 2"),
        ({"wvrspw": [2]}, ArgumentError, "wvrspw 2 is no spw of a water vapour radiometer"),
        ({"wvrflag": ["DA99"]}, ArgumentError, "wvrflag: 'DA99' is no antenna"),
        ({"refant": "9"}, ArgumentError, "refant: '9' is no antenna"),
        ({"tie": ["cal,nowhere"]}, ArgumentError, "tie: there is no source 'nowhere'; there are cal, target"),
        ({"sourceflag": ["x"]}, ArgumentError, "sourceflag"),
        ({"sourceflag": ["cal", "target"]}, NoWvrData, "none of the antennas"),
        ({"wvrflag": ["0", "1", "2", "3", "4", "5"]}, NoWvrData, "no antenna has good radiometer data"),
        ({"statsource": "x"}, ArgumentError, "statsource"),
        ({"statfield": "x"}, ArgumentError, "statfield"),
        ({"nsol": 2}, ArgumentError, "segsource=False"),
        ({"nsol": 0, "segsource": False}, ArgumentError, "nsol=0"),
        ({"cont": True}, ArgumentError, "segsource=False"),
        ({"tie": ["cal"], "segsource": False}, ArgumentError, "tie"),
        ({"scale": 0}, ArgumentError, "scale"),
        ({"maxdistm": -1}, ArgumentError, "maxdistm"),
        ({"minnumants": 4}, ArgumentError, "minnumants"),
        ({"mingoodfrac": 1.2}, ArgumentError, "mingoodfrac"),
        ({"smooth": "soon"}, ArgumentError, "smooth"),
        ({"smooth": "1.2.3s"}, ArgumentError, "smooth"),
        ({"method": "casa"}, ArgumentError, "atacal or libair"),
        ({"rseed": -1}, ArgumentError, "rseed"),
        ({"spw": ["x"]}, ArgumentError, "spw"),
        ({"offsetstable": "/nowhere"}, NoSuchTable, "nowhere"),
    ],
)
def test_bad_arguments(block_original, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        wvrgcal(str(block_original.path), str(tmp_path / "w"), **arguments)
    assert not (tmp_path / "w").exists()


def test_names(block_original, tmp_path):
    with pytest.raises(NoSuchTable, match="there is no such MeasurementSet"):
        wvrgcal(str(tmp_path / "no.ms"), str(tmp_path / "w"))
    with pytest.raises(ArgumentError, match="caltable is missing"):
        wvrgcal(str(block_original.path), "")
    (tmp_path / "w").mkdir()
    with pytest.raises(TableExists, match="exists"):
        wvrgcal(str(block_original.path), str(tmp_path / "w"))


def test_what_is_left_is_the_radiometers_noise(tmp_path, new_block):
    """Beside a factor that the coefficients leave uncertain, phases are wrong by the noise of two radiometers."""
    block = new_block(tmp_path / "low.ms", elevation_deg=40.0, noise_k=0.09)
    found = wvrgcal(str(block.path), str(tmp_path / "w"), spw=[1])
    error, truth = relative_error(block, tmp_path / "w")
    for one, scan in zip(found["retrieved"], (slice(0, 40), slice(40, 100), slice(100, 140)), strict=True):
        dtdl = np.array(one["dTdL_K_per_mm"])
        there, left = (v[scan, 1:] - v[scan, 1:].mean(0) for v in (truth, error))
        factor = (there * left).sum() / (there**2).sum()
        assert abs(factor) < 2 * (np.array(one["dTdL_err_K_per_mm"]) / dtdl).max()
        noise = PER_MM * np.sqrt(2) * 0.09 * np.sqrt((path_weights(dtdl) ** 2).sum())
        assert (left - factor * there).std() == pytest.approx(noise, rel=0.15)
        assert left.std() < 0.3 * there.std()


def test_on_the_command_line():
    """A tie's commas do not make a list, those of spw numbers do."""
    from atacal._cli_catalogue import catalogue
    from atacal._cli_command import params_of

    params = {p.name: p for p in params_of(catalogue()["wvrgcal"].load())}
    assert params["tie"].value(["target,phasecal"]) == "target,phasecal"
    assert params["tie"].value(["['a,b', 'c,d']"]) == ["a,b", "c,d"]
    assert params["spw"].value(["17,19"]) == [17, 19]
    assert params["refant"].value(["DA41,DV01"]) == ["DA41", "DV01"]
