"""Raw blocks from the first flag to the calibrated data: physics, what is missing, what is left out, kills."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, AsdmError, CaltableMismatch, ModelError, NoWvrData
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe import calibrate
from atacal.simulate import simulate
from atacal.simulate.sky import C_M_S
from atacal.simulate.truth import positions_path

CAL = ("J1517-2422", "J1650-2943")


def flux_of(truth):
    """Spell the true spectrum of the flux calibrator; a moon's is calibrate's own."""
    source = next(s for s in truth.sources if s.role == "flux")
    if source.disk is not None:
        return {}
    model = source.components[0]
    return {"flux_density": model.flux_jy, "spix": model.spix, "reffreq": f"{source.ref_freq_hz}Hz"}


@pytest.fixture(scope="module", params=["quasar", "sso"])
def calibrated(request, tmp_path_factory):
    """A raw block with all faults, calibrated with its true antenna positions."""
    path = tmp_path_factory.mktemp("whole") / "X.ms"
    truth = simulate(path, raw=True, seed=1 if request.param == "quasar" else 2, fluxcal=request.param)
    summary = calibrate(str(path), antpos=str(positions_path(path)), pictures=False, **flux_of(truth))
    return truth, summary


def test_fluxes_are_the_true_ones(calibrated):
    truth, summary = calibrated
    assert {f.field for f in summary.fluxes} == set(CAL)
    assert len(summary.fluxes) == 8
    for f in summary.fluxes:
        spw = summary.apriori.spws[f.spw]
        expected = truth.flux_jy[f.field][spw] * truth.raw["expected_flux_ratio"][f.field][f.spw]
        assert f.flux_jy == pytest.approx(expected, abs=max(2 * f.error_jy, 0.015 * expected))
        assert f.error_jy < 0.02 * expected


def test_a_resolved_moon_gives_the_scale_on_its_short_baselines(calibrated):
    truth, summary = calibrated
    names = {t.name for t in summary.tables}
    moon = truth.arguments["fluxcal"] == "sso"
    assert ({"phase_short_int", "ampli_short_inf", "flux_short_inf"} <= names) == moon
    assert any("resolved" in note for note in summary.notes) == moon
    assert (3 <= len(summary.flux_antennas) < 8) == moon
    assert ("Callisto" in summary.flux_model) == moon


def test_water_is_found_and_lowers_the_scatter_of_every_calibrator(calibrated):
    truth, summary = calibrated
    wvr = summary.apriori.wvr
    assert wvr.used
    assert len(wvr.improvements) == 3
    assert all(i.ratio > 2.5 for i in wvr.improvements)
    for w in wvr.water:
        assert w.pwv_mm == pytest.approx(truth.raw["pwv_mm"], rel=0.15)
    (dead,) = [f.antenna for f in truth.faults if f.kind == "dead_wvr"]
    assert [r.antenna for r in wvr.radiometers if not r.works] == [dead]


def test_what_is_left_of_the_phase_is_gain_bandpass_dry_air_and_noise(calibrated):
    """Antenna offsets (0.4 mm an axis, more than 50 degrees) and water are gone from the split data."""
    truth, summary = calibrated
    a, raw_spw = truth.arrays(), summary.apriori.spws[0]
    with MeasurementSet(summary.apriori.split) as ms, table(summary.apriori.split, ack=False) as tab:
        part = tab.query("DATA_DESC_ID==0 && ANTENNA1!=ANTENNA2 && FIELD_ID in [0,1,2]")
        data, flag, time_s, uvw = (part.getcol(c) for c in ("DATA", "FLAG", "TIME", "UVW"))
        a1, a2, field = (part.getcol(c) for c in ("ANTENNA1", "ANTENNA2", "FIELD_ID"))
        middle = slice(48, 80)
        freq = ms.metadata.spws[0].chan_freq_hz[middle]
    at = np.searchsorted(a["time_mjd_s"], time_s - 1e-3)
    dead = [f.antenna_id for f in truth.faults if f.kind in ("dead_polarization", "dead_wvr")]
    jump = [f.antenna_id for f in truth.faults if f.kind == "phase_jump"]
    use = ~flag[:, middle].any(axis=(1, 2)) & ~np.isin(a1, dead + jump) & ~np.isin(a2, dead + jump)
    path = -a["dry_path_m"]
    turn = np.exp(2j * np.pi * (path[at, a1] - path[at, a2])[:, None] * freq / C_M_S)
    model = np.empty(turn.shape, complex)
    for f in range(3):
        model[field == f] = truth.visibility(f, uvw[field == f], freq)
    x = a[f"gain_{raw_spw}"][:, :, None, 0] * a[f"bandpass_{raw_spw}"][None, :, middle, 0]
    left = data[:, middle, 0] * np.conj(turn * model * x[at, a1] * np.conj(x[at, a2]))
    angle = np.angle(left.mean(axis=1), deg=True)[use]
    offset = a["antenna_delay_m"]
    injected = 360 * (offset[at, a1] - offset[at, a2])[use] / (C_M_S / freq.mean())
    assert use.sum() > 150
    assert np.sqrt(np.mean(injected**2)) > 50
    assert np.sqrt(np.median(angle**2)) < 10  # the radiometers follow the water to 25 um, 7 degrees


def test_the_summary_tells_flags_tsys_and_positions(calibrated):
    truth, summary = calibrated
    apriori = summary.apriori
    steps = {f.step: f for f in apriori.flags}
    assert {"before", "autocorrelations", "pointing, sideband ratio, atmosphere", "online flags", "split"} <= set(steps)
    assert steps["autocorrelations"].flagged > steps["before"].flagged
    assert steps["online flags"].science_flagged > steps["before"].science_flagged
    assert steps["shadows"].science_flagged > steps["split"].science_flagged  # an antenna is shadowed
    assert apriori.tsys.spw_of == {s: s for s in truth.raw["science_spws"]}
    assert apriori.tsys.field_of["J1650-2943"] == apriori.tsys.field_of["J1700-2610"] == "IRAS_16293-2422"
    assert apriori.tsys.field_of["J1517-2422"] == "J1517-2422"
    assert all(60 < t.median_k < 130 for t in apriori.tsys.spws)
    wanted = np.reshape(truth.raw["antpos"]["parameter"], (-1, 3)) * 1e3
    found = [apriori.positions_mm[n] for n in truth.raw["antpos"]["antenna"].split(",")]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    content = json.loads((Path(summary.outdir) / "summary.json").read_text())
    assert content["apriori"]["wvr"]["used"] is True
    assert content["apriori"]["tsys"]["spw_of"] == {str(s): s for s in truth.raw["science_spws"]}
    text = (Path(summary.outdir) / "summary.txt").read_text()
    for words in ("mm PWV", "System temperatures", "Antenna positions corrected", "lowers the phase scatter"):
        assert words in text
    assert "J1517-2422" in (Path(summary.outdir) / "X.listobs.txt").read_text()


def test_pictures_of_a_raw_run(run_raw):
    summary = run_raw(pictures=True, spw="13")
    names = {Path(p).name for p in summary.pictures}
    assert {"X.tsys.spw13.tsys_vs_frequency.png", "X.wvr.spw13.phase_vs_time.png"} <= names
    assert {"X.phase_without_wvr.spw13.phase_vs_time.png", "X.phase_with_wvr.spw13.phase_vs_time.png"} <= names
    assert summary.apriori.spws == [13]
    with MeasurementSet(summary.apriori.split) as ms:
        assert [s.nchan for s in ms.metadata.spws] == [128]
        assert len(ms.metadata.fields) == 5
    # data that have been split are raw no more
    again = calibrate(summary.apriori.split, flux_density=1.0, pictures=False)
    assert again.apriori is None
    assert [f.flux_jy for f in again.fluxes] == pytest.approx([f.flux_jy for f in summary.fluxes], rel=1e-3)


def test_data_stay_and_flags_come_back(run_raw, raw_ms):
    from atacal.tasks import flagmanager

    columns = ("DATA", "TIME", "UVW", "WEIGHT", "FLAG")
    before = read(raw_ms, *columns)
    summary = run_raw(spw="15")
    after = read(raw_ms, *columns)
    for name, one, two in zip(columns[:-1], before, after, strict=False):
        if name != "WEIGHT":  # calibrated with the data, as in CASA
            np.testing.assert_array_equal(one, two)
    assert not np.array_equal(before[-1], after[-1])
    flagmanager(str(raw_ms), mode="restore", versionname=summary.flag_version)
    np.testing.assert_array_equal(read(raw_ms, "FLAG")[0], before[-1])


def read(path, *columns, spw=13):
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={spw}") as part:
        return [part.getcol(c) for c in columns]


def flag_radiometers(path, antennas):
    with (
        table(str(path), readonly=False, ack=False) as tab,
        tab.query(f"DATA_DESC_ID==0 && ANTENNA1 in {antennas}") as p,
    ):
        p.putcol("FLAG", np.ones_like(p.getcol("FLAG")))


def syscal(path, change):
    """Change SYSCAL with a function of the table."""
    with table(f"{path}/SYSCAL", readonly=False, ack=False) as tab:
        change(tab)


def empty(path, name):
    """Take all rows out of a subtable."""
    with table(f"{path}/{name}", ack=False) as tab, tab.query("ROWID() < 0") as none:
        none.copy(f"{path}.{name}", deep=True).close()
    shutil.rmtree(path / name)
    shutil.move(f"{path}.{name}", path / name)


def remove(condition):
    def change(tab):
        with tab.query(condition) as part:
            rows = part.rownumbers()
        tab.removerows(rows)

    return change


def test_without_tsys_and_radiometers_it_says_so(run_raw, raw_ms):
    empty(raw_ms, "SYSCAL")
    flag_radiometers(raw_ms, list(range(5)))
    summary = run_raw()
    assert not summary.apriori.tsys.used
    assert not summary.apriori.wvr.used
    text = str(summary)
    assert "no system temperatures (SYSCAL has no rows)" in text
    assert "no water vapour correction" in text
    assert "no antenna position corrections" in text
    assert not (Path(summary.outdir) / "X.wvr").exists()
    assert len(summary.fluxes) == 8
    with pytest.raises(NoWvrData, match="flagged"):
        run_raw(wvr="yes")
    assert not (Path(summary.outdir) / "summary.txt").exists()
    assert not (Path(summary.outdir) / "X.ms.split").exists()


def test_bad_tsys_few_radiometers_and_a_target_without_tsys(run_raw, raw_ms):
    def spoil(tab):
        antenna, spw, spectra = (tab.getcol(c) for c in ("ANTENNA_ID", "SPECTRAL_WINDOW_ID", "TSYS_SPECTRUM"))
        spectra[(antenna == 1) & (spw == 13), :, 1] = -5.0
        spectra[(antenna == 2) & (spw == 15), 30:40] = 0.0
        tab.putcol("TSYS_SPECTRUM", spectra)

    syscal(raw_ms, spoil)
    with MeasurementSet(raw_ms) as ms:
        first_target = ms.runs.time[ms.runs.field == 4].min()
    syscal(raw_ms, remove(f"TIME > {first_target - 30}"))
    flag_radiometers(raw_ms, [0, 1, 2])
    summary = run_raw()
    assert not summary.apriori.wvr.used
    assert "only 2 of 5 antennas have a radiometer that works" in summary.apriori.wvr.why
    names = read_names(raw_ms)
    bad = {t.spw: t for t in summary.apriori.tsys.spws}
    assert bad[13].without == [f"{names[1]} Y"]
    assert bad[13].not_positive > 100
    assert bad[15].without == []
    assert bad[15].not_positive > 10
    assert any("IRAS_16293-2422 has no system temperatures of its kind" in note for note in summary.notes)
    assert f"none of {names[1]} Y" in str(summary)
    with table(str(summary.apriori.split), ack=False) as tab, tab.query("DATA_DESC_ID==0 && ANTENNA1==1") as part:
        assert part.getcol("FLAG")[:, :, 1].all()
    assert len(summary.fluxes) == 8
    forced = run_raw(wvr="yes", spw="17")
    assert forced.apriori.wvr.used
    assert "wvr=yes (only 2 of 5" in forced.apriori.wvr.why


def read_names(path):
    with MeasurementSet(path) as ms:
        return ms.metadata.antenna_names()


def test_an_spw_without_tsys_is_named(run_raw, raw_ms):
    syscal(raw_ms, remove("SPECTRAL_WINDOW_ID==13"))
    with pytest.raises(CaltableMismatch, match=r"no system temperatures cover spw 13 .*spw=\.\.\."):
        run_raw()
    folder = raw_ms.with_name("X.calibrate")
    assert not (folder / "X.ms.split").exists()
    assert not (folder / "summary.json").exists()
    summary = run_raw(spw="15,17:20~100")
    assert summary.apriori.spws == [15, 17]
    assert {f.spw for f in summary.fluxes} == {0, 1}


@pytest.mark.parametrize("stage", ["X.tsys", "X.flux_inf"])
def test_a_killed_raw_run_can_be_run_again(run_raw, raw_ms, stage):
    before = read(raw_ms, "DATA")[0]
    code = (
        f"from atacal.recipe import calibrate; calibrate({str(raw_ms)!r}, pictures=False, flux_density=1.0, spw='13')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = raw_ms.with_name("X.calibrate")
    while process.poll() is None and not any(stage in p.name for p in folder.glob("*") if p.name != "calibrate.json"):
        time.sleep(0.001)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    np.testing.assert_array_equal(read(raw_ms, "DATA")[0], before)
    summary = run_raw(spw="13")
    assert len(summary.fluxes) == 2
    assert Path(summary.calibrated).is_dir()


def test_what_cannot_be_done_is_refused_before_anything_is_written(run_raw, raw_ms, sim_ms):
    for error, given in (
        (ModelError, {"flux_density": None}),
        (ArgumentError, {"apriori": "perhaps"}),
        (ArgumentError, {"wvr": "perhaps"}),
        (ArgumentError, {"antpos": "nowhere.csv"}),
        (ArgumentError, {"refant": "EA99"}),
        (ArgumentError, {"antpos": "service"}),  # which execution block it is cannot be told
    ):
        with pytest.raises(error):
            run_raw(**given)
    with pytest.raises(ArgumentError, match="not raw"):
        calibrate(str(sim_ms), flux_density=1.0, wvr="yes")
    assert not raw_ms.with_name("X.calibrate").exists()
    assert not read(raw_ms, "FLAG")[0].all()


class Positions(BaseHTTPRequestHandler):
    """Answers as ALMA's service of antenna positions does."""

    positions: ClassVar[dict[str, list[float]]] = {}

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.positions).encode())

    def log_message(self, *words):
        pass


def test_positions_of_almas_service_are_applied(raw_ms, monkeypatch):
    vis = raw_ms.rename(raw_ms.with_name("uid___A002_Xeb51_X1.ms"))
    with MeasurementSet(vis) as ms:
        antennas = ms.metadata.antennas
    Positions.positions = {a.name: list(a.position_m) for a in antennas[:2]}
    Positions.positions[antennas[1].name][2] += 2e-3
    with ThreadingHTTPServer(("127.0.0.1", 0), Positions) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("ATACAL_ANTPOS_SERVICE", f"http://127.0.0.1:{server.server_port}/")
        given = {"flux_density": 1.0, "spw": "13", "wvr": "no", "minblperant": 3, "pictures": False}
        summary = calibrate(str(vis), antpos="service", **given)
        server.shutdown()
    assert list(summary.apriori.positions_mm) == [antennas[1].name]
    assert summary.apriori.positions_mm[antennas[1].name] == pytest.approx((0, 0, 2), abs=1e-4)
    assert summary.apriori.wvr.why == "wvr=no"


def test_the_steps_can_be_asked_for_and_left_out(run_raw, raw_ms, sim_ms):
    summary = calibrate(str(sim_ms), flux_density=1.15, apriori="yes", pictures=False)  # nothing to do it with
    assert not summary.apriori.tsys.used
    assert "no online flags" in " ".join(summary.notes)
    assert summary.fluxes
    without = run_raw(apriori="no", spw="13")
    assert without.apriori is None
    assert not raw_ms.with_name("X.calibrate").joinpath("X.tsys").exists()


@pytest.fixture
def write_asdm():
    spec = importlib.util.spec_from_file_location("asdm_writer", Path(__file__).parents[1] / "asdm" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["asdm_writer"] = module
    spec.loader.exec_module(module)
    return module


def test_from_an_asdm_with_the_fluxes_of_its_source_table(write_asdm, tmp_path):
    def source(number, name, jy):
        return [
            ("sourceId", number), ("timeInterval", f"{write_asdm.T0 + write_asdm.OPEN // 2} {write_asdm.OPEN}"),
            ("code", "none"), ("direction", write_asdm._array([1.4784656, -0.7694427])),
            ("properMotion", write_asdm._array([0.0, 0.0])), ("sourceName", name), ("directionCode", "J2000"),
            ("spectralWindowId", "SpectralWindow_2"), ("numFreq", 2), ("numStokes", 1),
            ("frequency", write_asdm._array([1e11, 4e11])), ("stokesParameter", "1 1 I"),
            ("flux", write_asdm._array([[jy], [jy / 2]])), ("fluxErr", write_asdm._array([[jy / 50], [jy / 20]])),
        ]  # fmt: skip

    sources = [source(0, "J0538-4405", 2.0), source(1, "target", 0.1)]
    asdm = write_asdm.write_asdm(
        tmp_path / "uid___A002_X1_X1.asdm.sdm", nant=4, integrations=4, extra={"SysCal": [], "Source": sources}
    )
    given = {
        "bandpass": "0",
        "flux": "0",
        "phase": "0",
        "target": "1",
        "minsnr": 0,
        "minblperant": 2,
        "pictures": False,
    }
    for _ in range(2):  # the second run makes everything anew
        summary = calibrate(str(asdm), **given)
    folder = tmp_path / "uid___A002_X1_X1.calibrate"
    assert summary.apriori.asdm == str(asdm)
    assert Path(summary.vis) == folder / "uid___A002_X1_X1.ms"
    assert (folder / "uid___A002_X1_X1.ms" / "ASDM_SOURCE").is_dir()
    assert summary.flux_model == "the ASDM's Source table (can be months old), uncertain by 10 % by itself"
    from atacal.ms._virtual_model import read_virtual_models

    models = read_virtual_models(Path(summary.apriori.split))
    assert 0 in models
    assert Path(summary.calibrated).is_dir()


def test_a_damaged_asdm_is_named(tmp_path):
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "ASDM.xml").write_text("<ASDM><Table></ASDM>")
    with pytest.raises(AsdmError):
        calibrate(str(tmp_path / "A"), flux_density=1.0)
    assert not (tmp_path / "A.calibrate" / "A.ms").exists()
