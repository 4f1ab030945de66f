"""A raw block: what it holds, its units, and whether its truth is true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.simulate import read_truth, simulate, true_factors, true_tsys


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "X.ms"
    return path, simulate(path, raw=True, seed=5)


def read(path: Path, *columns: str, sub: str = ""):
    with table(str(path / sub) if sub else str(path), ack=False) as tab:
        return [tab.getcol(c) for c in columns]


def spw_rows(path: Path, spw: int, columns: tuple[str, ...]):
    """Columns of the rows of one spw, which all have one shape (data descriptions are numbered like spws)."""
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={spw}") as part:
        return [part.getcol(c) for c in columns]


def test_windows_intents_and_processors_are_those_of_a_raw_block(made):
    path, truth = made
    with MeasurementSet(path) as ms:
        md = ms.metadata
        names, nchan = [s.name for s in md.spws], [s.nchan for s in md.spws]
        assert (names[0], nchan[0]) == ("WVR#NOMINAL", 4)
        assert nchan[5:21] == [128, 1] * 8
        assert names[13].endswith("#FULL_RES")
        assert names[14].endswith("#CH_AVG")
        assert names[-8:] == [f"WVR#Antenna_{i}" for i in range(8)]
        intents = ",".join(md.state_intents)
        assert md.nrow == truth.nrow
    for word in (
        "CALIBRATE_POINTING#ON_SOURCE", "CALIBRATE_SIDEBAND_RATIO#OFF_SOURCE", "CALIBRATE_ATMOSPHERE#AMBIENT",
        "CALIBRATE_ATMOSPHERE#HOT", "CALIBRATE_ATMOSPHERE#OFF_SOURCE", "CALIBRATE_BANDPASS#ON_SOURCE",
        "CALIBRATE_FLUX#ON_SOURCE", "CALIBRATE_PHASE#ON_SOURCE", "CALIBRATE_WVR#ON_SOURCE", "OBSERVE_TARGET#ON_SOURCE",
        "OBSERVE_CHECK_SOURCE#ON_SOURCE",
    ):  # fmt: skip
        assert word in intents
    ddid, processor, a1, a2 = read(path, "DATA_DESC_ID", "PROCESSOR_ID", "ANTENNA1", "ANTENNA2")
    (kinds,) = read(path, "TYPE", sub="PROCESSOR")
    assert kinds == ["CORRELATOR", "RADIOMETER"]
    np.testing.assert_array_equal(processor == 1, ddid == 0)
    assert (a1 == a2)[ddid == 0].all()
    assert set(np.unique(ddid)) == {0, *range(5, 21)}  # the square-law detectors record nothing


def test_subtables_of_a_raw_block(made):
    path, truth = made
    nant = len(truth.antennas)
    antenna, spw, time, interval, spectrum = read(
        path, "ANTENNA_ID", "SPECTRAL_WINDOW_ID", "TIME", "INTERVAL", "TSYS_SPECTRUM", sub="SYSCAL"
    )
    scans = [s for s in truth.raw["subscans"] if s["purpose"] == "atmosphere" and s["load"] == "sky"]
    assert len(antenna) == nant * 4 * len(scans)
    assert set(spw) == {13, 15, 17, 19}
    assert spectrum.shape == (len(antenna), 128, 2)
    np.testing.assert_allclose(sorted(set(time - interval / 2)), [s["start_mjd_s"] for s in scans], atol=1e-3)
    commands, reasons = read(path, "COMMAND", "REASON", sub="FLAG_CMD")
    assert len(commands) == len(truth.raw["online_flags"])
    assert commands[0].startswith(f"antenna='{truth.raw['online_flags'][0]['antenna']}&&*' timerange='2019/06/15/05:4")
    assert {"Mount_is_off_source", "Power_levels_are_being_optimized."} < set(reasons)
    pressure, wind = read(path, "PRESSURE", "WIND_SPEED", sub="WEATHER")
    assert np.median(pressure) == pytest.approx(556, abs=2)
    assert np.median(wind) == pytest.approx(np.hypot(*truth.raw["wind_m_s"]), abs=1.5)
    with table(str(path / "POINTING"), ack=False) as tab:
        assert tab.getcolkeywords("DIRECTION")["MEASINFO"]["Ref"] == "AZELGEO"
        elevation = tab.getcol("DIRECTION")[:, 0, 1]
    assert elevation.min() == pytest.approx(truth.arrays()["elevation_rad"].min(), abs=2e-3)
    for name in ("CALDEVICE", "SYSPOWER"):
        with table(str(path / name), ack=False) as tab:
            assert tab.nrows() == 0


def test_weights_are_what_the_importer_sets(made):
    path, _ = made
    for spw, width in ((13, 2e9 / 128), (14, 114 * 2e9 / 128)):
        weight, sigma, a1, a2, interval = spw_rows(path, spw, ("WEIGHT", "SIGMA", "ANTENNA1", "ANTENNA2", "INTERVAL"))
        expected = np.where(a1 == a2, 1, 2) * width * interval
        np.testing.assert_allclose(weight[:, 0], expected, rtol=1e-6)
        np.testing.assert_allclose(sigma, 1 / np.sqrt(weight), rtol=1e-6)


def test_visibilities_are_small_shares_of_the_power(made):
    path, _ = made
    data, a1, a2, field = spw_rows(path, 14, ("DATA", "ANTENNA1", "ANTENNA2", "FIELD_ID"))
    own = a1 == a2
    assert np.abs(data[own][..., 0].real - 1).max() < 7  # the ambient load is several times the sky
    assert not data[own].imag.any()
    assert 1e-5 < np.abs(data[~own & (field == 0)]).max() < 3e-3


@pytest.mark.parametrize("spw", [13, 19])
def test_true_factors_give_the_model_at_the_thermal_limit(made, spw):
    path, _ = made
    truth = read_truth(path)
    data, sigma, a1, a2, field, time, uvw = spw_rows(
        path, spw, ("DATA", "SIGMA", "ANTENNA1", "ANTENNA2", "FIELD_ID", "TIME", "UVW")
    )
    a = truth.arrays()
    total = count = 0.0
    signal = 0.0
    for k, subscan in enumerate(truth.raw["subscans"]):
        if subscan["purpose"] != "science":
            continue
        at = np.flatnonzero(a["subscan"] == k)
        rows = np.flatnonzero(np.isin(time, a["time_mjd_s"][at]) & (a1 != a2))
        x = true_factors(truth, spw, at)
        when = np.searchsorted(a["time_mjd_s"][at], time[rows])
        factor = x[when, a1[rows]] * np.conj(x[when, a2[rows]])
        model = np.broadcast_to(
            truth.visibility(subscan["field"], uvw[rows], a[f"freq_hz_{spw}"]), data[rows].shape[:2]
        )
        assert (field[rows] == subscan["field"]).all()
        residual = (data[rows] - factor * model[..., None]) / sigma[rows][:, None, :]
        signal = max(signal, float(np.abs((factor * model[..., None]) / sigma[rows][:, None, :]).mean()))
        total += float((np.abs(residual) ** 2).sum() / 2)
        count += residual.size
    assert signal > 3  # per channel and integration: a wrong factor would show
    assert total / count == pytest.approx(1.0, abs=5 / np.sqrt(count))


def test_dividing_by_the_true_factors_gives_janskys(tmp_path):
    path = tmp_path / "Q.ms"
    truth = simulate(path, raw=True, noise=False, faults=False, nant=4, seed=8)
    a, spw = truth.arrays(), 17
    data, a1, a2, time = spw_rows(path, spw, ("DATA", "ANTENNA1", "ANTENNA2", "TIME"))
    k = next(i for i, s in enumerate(truth.raw["subscans"]) if s["purpose"] == "science")
    at = np.flatnonzero(a["subscan"] == k)
    rows = np.flatnonzero(np.isin(time, a["time_mjd_s"][at]) & (a1 != a2))
    x = true_factors(truth, spw, at)
    when = np.searchsorted(a["time_mjd_s"][at], time[rows])
    jansky = data[rows] / (x[when, a1[rows]] * np.conj(x[when, a2[rows]]))
    expected = truth.visibility(0, np.zeros((1, 3)), a[f"freq_hz_{spw}"])
    np.testing.assert_allclose(jansky, np.broadcast_to(expected[:, None], jansky.shape), rtol=2e-5)
    # Tsys turns coefficients into kelvin: V sqrt(T T) = Gamma S g g B B
    kelvin = np.abs(data[rows]) * np.sqrt(true_tsys(truth, spw, k)[a1[rows]] * true_tsys(truth, spw, k)[a2[rows]])
    jy = np.median(kelvin) / truth.raw["kelvin_per_jy"][str(spw)]
    assert jy == pytest.approx(truth.flux_jy["J1517-2422"][spw], rel=0.15)


def test_measured_tsys_is_the_true_one_within_its_errors_and_has_a_line(made):
    path, truth = made
    antenna, spw, time, interval, tsys = read(
        path, "ANTENNA_ID", "SPECTRAL_WINDOW_ID", "TIME", "INTERVAL", "TSYS_SPECTRUM", sub="SYSCAL"
    )
    k = next(i for i, s in enumerate(truth.raw["subscans"]) if s["load"] == "sky" and s["purpose"] == "atmosphere")
    start = truth.raw["subscans"][k]["start_mjd_s"]
    rows = np.flatnonzero((spw == 13) & (np.abs(time - interval / 2 - start) < 1))
    true = true_tsys(truth, 13, k)[antenna[rows]]
    off = np.abs(truth.arrays()["freq_hz_13"] / 1e9 - 231.281) > 0.1  # narrow lines are smoothed by the channels
    ratio = (tsys[rows] / true)[:, off]
    assert ratio.mean() == pytest.approx(1.0, abs=0.004)
    assert ratio.mean(axis=1).std() == pytest.approx(0.005, rel=0.6)
    spectrum = np.median(tsys[rows], axis=(0, 2))
    at_line = np.abs(truth.arrays()["freq_hz_13"] / 1e9 - 231.281).argmin()
    assert spectrum[at_line] > 1.03 * np.median(spectrum)
    assert 50 < spectrum.min() < spectrum.max() < 200


def test_tsys_rises_as_the_elevation_falls(made):
    _, truth = made
    a = truth.arrays()
    high, low = a["airmass"].argmin(), a["airmass"].argmax()
    assert (true_tsys(truth, 15, int(low)) > true_tsys(truth, 15, int(high))).all()


def test_radiometers_record_the_water_and_noise_of_the_right_size(made):
    path, truth = made
    a = truth.arrays()
    data, flag, antenna, time = spw_rows(path, 0, ("DATA", "FLAG", "ANTENNA1", "TIME"))
    kelvin = data[:, :, 0].real.reshape(-1, len(truth.antennas), 4)
    assert not data.imag.any()
    np.testing.assert_array_equal(antenna[: len(truth.antennas)], np.arange(len(truth.antennas)))
    np.testing.assert_allclose(time[:: len(truth.antennas)], a["wvr_time_mjd_s"])
    (dead,) = [f.antenna_id for f in truth.faults if f.kind == "dead_wvr"]
    assert flag.all(axis=(1, 2))[antenna == dead].all()
    assert not flag[antenna != dead].any()
    assert not kelvin[:, dead].any()
    target = (a["wvr_time_mjd_s"] > truth.raw["subscans"][-2]["start_mjd_s"]) & (
        a["wvr_time_mjd_s"] < truth.raw["subscans"][-2]["end_mjd_s"]
    )
    for i in np.delete(np.arange(len(truth.antennas)), dead)[:3]:
        for channel, noise in enumerate((0.10, 0.08, 0.08, 0.09)):
            t, water = kelvin[target, i, channel], a["water_mm"][target, i]
            curve = np.polynomial.polynomial.polyfit(water - water.mean(), t, 2)
            rest = t - np.polynomial.polynomial.polyval(water - water.mean(), curve)
            assert curve[1] > 5  # more water, more emission
            assert rest.std() == pytest.approx(noise, rel=0.4)


def test_radiometers_and_phases_see_one_screen(made):
    _, truth = made
    a = truth.arrays()
    water = np.array([np.interp(a["time_mjd_s"], a["wvr_time_mjd_s"], w) for w in a["water_mm"].T]).T
    science = [k for k, s in enumerate(truth.raw["subscans"]) if s["purpose"] == "science"]
    for k in science:
        at = np.flatnonzero(a["subscan"] == k)[1:-1]
        from_water = water[at] * truth.raw["path_mm_per_water_mm"] / 1e3
        difference = (from_water - from_water[:, :1]) - (a["wet_path_m"][at] - a["wet_path_m"][at, :1])
        assert difference.std() < 0.25 * (a["wet_path_m"][at] - a["wet_path_m"][at, :1]).std()


def test_faults_are_in_the_data(made):
    path, truth = made
    a = truth.arrays()
    kinds = {f.kind: f for f in truth.faults}
    assert set(kinds) == {
        "dead_polarization", "low_gain", "phase_jump", "dead_wvr", "late", "flagged", "shadowing",
    }  # fmt: skip
    shadow = kinds["shadowing"]
    assert 0.3 < shadow.factor < 1
    hit = (a["time_mjd_s"] > shadow.start_mjd_s) & (a["time_mjd_s"] < shadow.end_mjd_s)
    assert (a["shadow"][hit, shadow.antenna_id] < 1).any()
    enu = np.linalg.norm(
        read(path, "POSITION", sub="ANTENNA")[0][shadow.antenna_id] - read(path, "POSITION", sub="ANTENNA")[0], axis=1
    )
    assert 12 < np.sort(enu)[1] < 15.5
    late = kinds["late"]
    at = np.abs(a["time_mjd_s"] - late.start_mjd_s - 3.024).argmin()
    assert 0 < a["source_share"][at, late.antenna_id] < 0.5
    assert any(f["antenna"] == late.antenna and f["end_mjd_s"] == late.end_mjd_s for f in truth.raw["online_flags"])
    dead = kinds["dead_polarization"]
    assert not a["gain_13"][:, dead.antenna_id, 1].any()
    assert truth.refant not in {f.antenna for f in truth.faults if f.kind not in ("late", "flagged")}


def test_the_flux_ratios_to_expect_are_near_one_and_rise_with_the_tsys_of_a_lower_field(tmp_path):
    truth = simulate(tmp_path / "E.ms", raw=True, noise=False, faults=False, nant=6, seed=2)
    ratio = truth.raw["expected_flux_ratio"]
    assert set(ratio) == {s.name for s in truth.sources}
    np.testing.assert_allclose(ratio["J1550+0527"], 1.0)
    a = truth.arrays()
    for field, name in ((0, "J1517-2422"), (2, "J1650-2943")):
        for k, spw in enumerate(truth.raw["science_spws"]):
            power = []
            for f in (field, 1):
                at = np.isin(a["subscan"], [
                    i for i, s in enumerate(truth.raw["subscans"]) if s["purpose"] == "science" and s["field"] == f
                ])  # fmt: skip
                power.append((np.abs(a[f"gain_{spw}"][at]) ** 2).mean(axis=(0, 2)))
            drift = np.median(power[0] / power[1])
            # the target, whose Tsys the phase calibrator takes, stands lower
            assert ratio[name][k] / drift == pytest.approx(1.0 if field == 0 else 1.012, abs=0.006)


def test_antenna_offsets_delay_the_signal(made):
    _, truth = made
    a = truth.arrays()
    named = dict(
        zip(
            truth.raw["antpos"]["antenna"].split(","),
            np.reshape(truth.raw["antpos"]["parameter"], (-1, 3)),
            strict=True,
        )
    )
    offsets = np.array([named.get(n, np.zeros(3)) for n in truth.antennas])
    np.testing.assert_allclose(offsets, a["offset_m"])
    assert truth.refant not in named
    # no projection is longer than the offset, and over a block some are not much shorter
    share = np.abs(a["antenna_delay_m"]).max(axis=0) / np.maximum(np.linalg.norm(offsets, axis=1), 1e-12)
    assert share.max() <= 1 + 1e-9
    assert share.max() > 0.5


def test_a_resolved_moon_as_flux_calibrator(tmp_path):
    path = tmp_path / "M.ms"
    simulate(path, raw=True, nant=6, fluxcal="sso", faults=False, seed=2)
    truth = read_truth(path)
    (moon,) = [s for s in truth.sources if s.role == "flux"]
    assert moon.name == "Callisto"
    assert 7 < truth.flux_jy["Callisto"][13] < 9
    freq = np.array([230e9])
    radius = np.pi * np.radians(moon.disk.diameter_arcsec / 3600) * 230e9 / 299792458.0
    null = 3.8317059702 / radius  # the first zero of J1
    uvw = np.array([[0.0, 0, 0], [null, 0, 0], [0, null * 0.5, 3.0]])
    vis = truth.visibility(1, uvw, freq)[:, 0]
    total = float(moon.flux_jy(230e9))
    assert vis[0].real == pytest.approx(total)
    assert abs(vis[1]) < 1e-4 * total
    # 2 J1(x) / x at half the first zero, from the series
    x, term, value = 3.8317059702 / 2, 1.0, 0.0
    for k in range(20):
        value += term
        term *= -((x / 2) ** 2) / ((k + 1) * (k + 2))
    assert vis[2].real == pytest.approx(total * value, rel=1e-5)


def test_same_seed_same_block(tmp_path):
    for name in ("a", "b"):
        simulate(tmp_path / f"{name}.ms", raw=True, nant=4, seed=3)
    simulate(tmp_path / "c.ms", raw=True, nant=4, seed=4)
    data = [spw_rows(tmp_path / f"{n}.ms", 14, ("DATA",))[0] for n in "abc"]
    np.testing.assert_array_equal(data[0], data[1])
    assert not np.array_equal(data[0], data[2])
    texts = [(tmp_path / f"{n}.ms.truth.json").read_text().replace(f"{n}.ms", "") for n in "ab"]
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["raw"]["science_spws"] == [13, 15, 17, 19]


def test_fdm_windows_and_their_number_of_channels(tmp_path):
    truth = simulate(tmp_path / "F.ms", preset="small", raw=True, nant=4, nchan=32, noise=False)
    assert truth.raw["science_spws"] == [15, 19, 21, 23]
    assert [truth.spws[s]["nchan"] for s in truth.raw["science_spws"]] == [128, 128, 32, 32]
    assert truth.raw["tsys_spw_of"] == {"15": 15, "19": 19, "21": 13, "23": 17}
    full, averaged = spw_rows(tmp_path / "F.ms", 21, ("DATA",))[0], spw_rows(tmp_path / "F.ms", 22, ("DATA",))[0]
    inner = np.abs(np.arange(32) - 15.5) * 1.875e9 / 32 < 1.796875e9 / 2
    np.testing.assert_allclose(averaged[:, 0], full[:, inner].mean(axis=1), rtol=2e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preset": "bench"}, "tiny, small, full"),
        ({"fluxcal": "planet"}, "quasar, sso"),
        ({"pwv_mm": 0.0}, "pwv_mm"),
        ({"nspw": 3}, "nspw"),
        ({"weight_spectrum": True}, "WEIGHT_SPECTRUM"),
        ({"nant": 3}, "nant = 3"),
        ({"nchan": 64}, "TDM"),
        ({"preset": "small", "nchan": 8}, "nchan = 8"),
        ({"raw": False, "fluxcal": "sso"}, "raw=True"),
    ],
)
def test_bad_arguments_say_what_is_possible(tmp_path, arguments, words):
    with pytest.raises(ArgumentError, match=words):
        simulate(tmp_path / "X.ms", **{"raw": True, **arguments})
    assert not list(tmp_path.iterdir())
