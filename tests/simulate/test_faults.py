"""Faults of raw blocks: each is where its record says, in the signal chain, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError
from atacal.simulate import read_truth, simulate, true_factors, true_tsys
from atacal.simulate.fault_choice import KINDS, STANDARD, chosen
from atacal.simulate.timestamps import seconds, timestamp

ROLES = ("bandpass", "flux", "phase", "check", "target")


def spw_rows(path: Path, spw: int, columns: tuple[str, ...]):
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={spw}") as part:
        return [part.getcol(c) for c in columns]


def syscal(path: Path):
    with table(str(path / "SYSCAL"), ack=False) as tab:
        names = ("ANTENNA_ID", "SPECTRAL_WINDOW_ID", "TIME", "TSYS_SPECTRUM")
        return [tab.getcol(c) for c in names]


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A block with all faults, and its twin without."""
    folder = tmp_path_factory.mktemp("faults")
    simulate(folder / "all.ms", raw=True, nant=14, seed=3, faults="all")
    simulate(folder / "none.ms", raw=True, nant=14, seed=3, faults="standard")
    return folder / "all.ms", read_truth(folder / "all.ms"), read_truth(folder / "none.ms")


def fault(truth, kind):
    (one,) = [f for f in truth.faults if f.kind == kind]
    return one


def test_all_kinds_are_placed_and_recorded(every):
    _, truth, _ = every
    assert {f.kind for f in truth.faults} == {*STANDARD, *KINDS}
    for f in truth.faults:
        if f.kind not in ("late", "flagged"):  # one in every scan, anywhere
            assert truth.refant not in f.antennas, f
        assert f.stage or f.kind == "phase_jump"
        assert f.selections or f.kind in ("phase_noise", "position_error")
    alone = [f.antenna for f in truth.faults if f.kind in KINDS and KINDS[f.kind].alone]
    alone += [f.antenna for f in truth.faults if f.kind in ("dead_polarization", "low_gain", "phase_jump", "dead_wvr")]
    assert len(alone) == 13 == len(set(alone))


def test_the_stages_are_the_pipelines(every):
    _, truth, _ = every
    assert {f.stage for f in truth.faults} == {
        "importdata", "flagdata", "rawflagchans", "tsysflag", "tsysflagcontamination", "antpos", "wvrgcalflag",
        "lowgainflag", "gainflag", "bandpassflag", "gfluxscaleflag", "targetflag", "spwphaseup", "",
    }  # fmt: skip
    assert {f.table for f in truth.faults} == {"ms", "tsys", "wvr"}


def test_the_record_survives_json(every):
    path, truth, _ = every
    again = simulate(path.with_name("again.ms"), raw=True, nant=14, seed=3, faults="all")
    assert again.faults == truth.faults


@pytest.mark.parametrize("spw", [13, 15, 17, 19])
def test_true_factors_with_all_faults_give_the_model_at_the_thermal_limit(every, spw):
    path, truth, _ = every
    a = truth.arrays()
    names = ("DATA", "SIGMA", "ANTENNA1", "ANTENNA2", "TIME", "UVW")
    data, sigma, a1, a2, time, uvw = spw_rows(path, spw, names)
    outside = np.ones(len(a1), bool)
    for kind in ("hot_baseline", "bad_baseline"):  # closure errors: no antenna's factor
        i, j = (truth.antennas.index(n) for n in fault(truth, kind).antennas)
        outside &= ~(((a1 == i) & (a2 == j)) | ((a1 == j) & (a2 == i)))
    channel = a.get(f"channel_scale_{spw}", np.ones((14, 1, 2), np.float32))
    total = count = 0.0
    for k, subscan in enumerate(truth.raw["subscans"]):
        if subscan["purpose"] != "science":
            continue
        at = np.flatnonzero(a["subscan"] == k)
        rows = np.flatnonzero(np.isin(time, a["time_mjd_s"][at]) & (a1 != a2) & outside)
        x, when = true_factors(truth, spw, at), np.searchsorted(a["time_mjd_s"][at], time[rows])
        i, j = a1[rows], a2[rows]
        model = truth.visibility(subscan["field"], uvw[rows], a[f"freq_hz_{spw}"])
        model = np.broadcast_to(model, data[rows].shape[:2])[..., None]
        scale = a["scale"][at][when, i][:, None] * a["scale"][at][when, j][:, None] * channel[i] * channel[j]
        residual = data[rows] - x[when, i] * np.conj(x[when, j]) * model
        residual /= sigma[rows][:, None] * scale
        total += float((np.abs(residual) ** 2).sum() / 2)
        count += residual.size
    assert total / count == pytest.approx(1.0, abs=5 / np.sqrt(count))


def gains(truth, spw=13):
    return np.abs(truth.arrays()[f"gain_{spw}"]), truth.arrays()


@pytest.mark.parametrize(
    ("kind", "factor"), [("low_scan", 0.3), ("high_scan", 2.0), ("bandpass_dip", 0.6), ("high_target", 1.5)]
)
def test_amplitudes_are_wrong_where_the_record_says_and_nowhere_else(every, kind, factor):
    _, truth, plain = every
    f = fault(truth, kind)
    ratio = gains(truth)[0][:, f.antenna_id] / np.maximum(gains(plain)[0][:, f.antenna_id], 1e-9)
    spikes = np.ones(len(ratio), bool)
    for other in truth.faults:
        if other.kind.endswith("_spikes") and other.antenna == f.antenna:
            for s in other.selections:
                a, b = (seconds(t) for t in s["timerange"].split("~"))
                spikes &= ~((truth.arrays()["time_mjd_s"] > a) & (truth.arrays()["time_mjd_s"] < b))
    time, sub = truth.arrays()["time_mjd_s"], truth.arrays()["subscan"]
    scan = np.array([s["scan"] for s in truth.raw["subscans"]])[sub]
    (selection,) = f.selections
    hit = scan == int(selection["scan"])
    if "timerange" in selection:
        a, b = (seconds(t) for t in selection["timerange"].split("~"))
        hit &= (time > a) & (time < b)
        assert 0.3 < hit.sum() / (scan == int(selection["scan"])).sum() < 0.7
    assert hit.any()
    np.testing.assert_allclose(ratio[hit & spikes], factor, rtol=1e-5)
    np.testing.assert_allclose(ratio[~hit & spikes], 1.0, rtol=1e-5)


@pytest.mark.parametrize("kind", ["bandpass_spikes", "calibrator_spikes", "target_spikes"])
def test_spikes_are_single_integrations_on_their_fields(every, kind):
    path, truth, _ = every
    f, a = fault(truth, kind), truth.arrays()
    hit = np.zeros(len(a["time_mjd_s"]), bool)
    for s in f.selections:
        start, end = (seconds(t) for t in s["timerange"].split("~"))
        inside = (a["time_mjd_s"] > start) & (a["time_mjd_s"] < end)
        assert inside.sum() == 1
        hit |= inside
    assert (a["scale"][hit, f.antenna_id] >= 4).all()
    roles = {truth.sources[truth.raw["subscans"][k]["field"]].role for k in a["subscan"][hit]}
    assert roles <= set(KINDS[kind].roles)
    # signal and noise: the scatter of a faint field's data goes up as well
    data, a1, a2, time = spw_rows(path, 13, ("DATA", "ANTENNA1", "ANTENNA2", "TIME"))
    mine = ((a1 == f.antenna_id) ^ (a2 == f.antenna_id)) & np.isin(time, a["time_mjd_s"][hit])
    neither = (a1 != f.antenna_id) & (a2 != f.antenna_id) & (a1 != a2) & np.isin(time, a["time_mjd_s"][hit])
    difference = [np.abs(np.diff(data[rows][..., 0], axis=1)).mean() for rows in (mine, neither)]
    assert difference[0] / difference[1] == pytest.approx(4, rel=0.15)


def test_unstable_gain_and_noisy_phase(every):
    _, truth, plain = every
    jumpy, noisy = fault(truth, "unstable_gain").antenna_id, fault(truth, "phase_noise").antenna_id
    a, b = truth.arrays(), plain.arrays()
    clean = (a["scale"] == 1).all(axis=2)
    ratio = a["gain_15"] / np.where(b["gain_15"] == 0, 1, b["gain_15"])
    logs = np.log(np.abs(ratio[clean[:, jumpy], jumpy]))
    assert logs.std() == pytest.approx(0.2, rel=0.3)
    np.testing.assert_allclose(logs[:, 0], logs[:, 1], atol=1e-5)
    turns = np.degrees(np.angle(ratio[:, noisy, 0]))
    assert turns.std() == pytest.approx(40, rel=0.25)
    level = np.abs(ratio[clean[:, noisy], noisy])
    np.testing.assert_allclose(level, np.exp(-(np.radians(30) ** 2) / 2), rtol=1e-5)


def test_a_bad_quadrant_loses_signal_and_a_hot_channel_scales_the_noise_as_well(every):
    path, truth, plain = every
    quadrant, hot = fault(truth, "bad_quadrant"), fault(truth, "hot_channel")
    (spw,), ((first, last),) = quadrant.spws, quadrant.channels
    p = "XY".index(quadrant.polarization)
    ratio = np.abs(truth.arrays()[f"bandpass_{spw}"] / plain.arrays()[f"bandpass_{spw}"])
    expected = np.ones(128)
    expected[first : last + 1] = 0.25
    np.testing.assert_allclose(ratio[quadrant.antenna_id, :, p], expected, rtol=1e-5)
    np.testing.assert_allclose(ratio[quadrant.antenna_id, :, 1 - p], 1, rtol=1e-5)
    (spw,), ((channel, _),), p = hot.spws, hot.channels, "XY".index(hot.polarization)
    data, a1, a2 = spw_rows(path, spw, ("DATA", "ANTENNA1", "ANTENNA2"))
    own = (a1 == hot.antenna_id) & (a2 == hot.antenna_id)
    assert np.median(data[own][:, channel, p].real / data[own][:, channel - 1, p].real) == pytest.approx(9, rel=0.1)
    mine = (a1 == hot.antenna_id) ^ (a2 == hot.antenna_id)
    # most of the rows hold noise or a faint source
    ratio = data[mine][:, channel, p].std() / data[mine][:, channel - 1, p].std()
    assert ratio == pytest.approx(3, rel=0.2)


def test_faults_of_baselines_close_with_no_antenna(every):
    path, truth, _ = every
    tone, wrong = fault(truth, "hot_baseline"), fault(truth, "bad_baseline")
    (spw,), ((channel, _),), p = tone.spws, tone.channels, "XY".index(tone.polarization)
    i, j = sorted(truth.antennas.index(n) for n in tone.antennas)
    data, a1, a2, scan = spw_rows(path, spw, ("DATA", "ANTENNA1", "ANTENNA2", "SCAN_NUMBER"))
    science = np.isin(scan, [s["scan"] for s in truth.raw["subscans"] if s["purpose"] == "science"])
    mine = data[(a1 == i) & (a2 == j) & science]
    assert abs(mine[:, channel, p].mean()) == pytest.approx(4e-3, rel=0.2)
    assert abs(mine[:, channel, 1 - p].mean()) < 1e-3
    i, j = sorted(truth.antennas.index(n) for n in wrong.antennas)
    a, at = truth.arrays(), int(wrong.selections[0]["scan"])
    (k,) = [k for k, s in enumerate(truth.raw["subscans"]) if s["scan"] == at]
    x = np.abs(true_factors(truth, 17, np.flatnonzero(a["subscan"] == k)))
    data, a1, a2, scan = spw_rows(path, 17, ("DATA", "ANTENNA1", "ANTENNA2", "SCAN_NUMBER"))
    mine = np.abs(data[(a1 == i) & (a2 == j) & (scan == at)].mean(axis=1))  # over channels: little noise is left
    expected = (x[:, i] * x[:, j]).mean(axis=1) * truth.flux_jy["J1550+0527"][17]
    delay_loss = 0.02
    assert np.median(mine / expected) == pytest.approx(1.6, rel=0.05 + delay_loss)


def test_measured_tsys_is_wrong_where_the_record_says(every):
    path, truth, _ = every
    antenna, spw, time, tsys = syscal(path)
    a = truth.arrays()
    names = np.array(truth.antennas)
    ratio = np.ones_like(tsys)
    starts = {k: s["start_mjd_s"] for k, s in enumerate(truth.raw["subscans"]) if s["load"] == "sky"}
    for k, start in starts.items():
        for window in (13, 15, 17, 19):
            rows = (spw == window) & (np.abs(time - start) < 25)
            if rows.any():
                ratio[rows] = tsys[rows] / true_tsys(truth, window, k)[antenna[rows]]
    wrong = np.zeros(tsys.shape, bool)
    for f in (f for f in truth.faults if f.table == "tsys" and f.kind != "tsys_high"):
        for s in f.selections:
            rows = np.isin(names[antenna], s["antenna"].split(",")) if "antenna" in s else np.ones(len(spw), bool)
            if "timerange" in s:
                start, end = (seconds(t) for t in s["timerange"].split("~"))
                rows &= (time > start) & (time < end)
            ids = [int(w.split(":")[0]) for w in s["spw"].split(",")]
            rows &= np.isin(spw, ids)
            channels = np.zeros(128, bool)
            for part in s["spw"].split(":")[1].split(";") if ":" in s["spw"] else ["0~127"]:
                first, last = (int(c) for c in part.split("~"))
                channels[first : last + 1] = True
            receptors = {"Sol1": [0], "Sol2": [1]}.get(s.get("correlation", ""), [0, 1])
            assert rows.any()
            sizes = np.abs(ratio[np.ix_(rows, channels, receptors)] - 1)
            assert sizes.mean() > 0.1, f.kind
            wrong[np.ix_(rows, channels, receptors)] = True
    ozone = np.abs(a["freq_hz_13"] / 1e9 - 231.281) < 0.1
    wrong[np.ix_(spw == 13, ozone, [0, 1])] = True  # narrow lines are smoothed by the channels
    rest = np.abs(ratio - 1)[~wrong]
    assert np.quantile(rest, 0.999) < 0.03
    line = fault(truth, "tsys_line").channels[0]
    near = np.zeros(128, bool)
    near[line[0] - 3 : line[1] + 4] = True
    assert rest.max() < 0.1  # feet of the line


def test_a_noisy_receiver_is_noisy_in_truth(every):
    _, truth, plain = every
    f = fault(truth, "tsys_high")
    p = "XY".index(f.polarization)
    k = next(k for k, s in enumerate(truth.raw["subscans"]) if s["purpose"] == "science")
    ratio = true_tsys(truth, 17, k)[f.antenna_id] / true_tsys(plain, 17, k)[f.antenna_id]
    assert np.median(ratio[:, p]) == pytest.approx(3, rel=0.05)  # of the median elevation
    np.testing.assert_allclose(ratio[:, 1 - p], 1, rtol=1e-5)
    # its correlation coefficients are smaller by the root of that
    at = np.flatnonzero(truth.arrays()["subscan"] == k)
    x, y = (np.abs(true_factors(t, 17, at))[:, f.antenna_id, :, p] for t in (truth, plain))
    clean = truth.arrays()["scale"][at, f.antenna_id, p] == 1
    assert np.median(x[clean] / y[clean]) == pytest.approx(1 / np.sqrt(3), rel=0.03)


def test_a_noisy_radiometer_would_make_phases_worse(every):
    path, truth, _ = every
    f, a = fault(truth, "noisy_wvr"), truth.arrays()
    (data,) = spw_rows(path, 0, ("DATA",))
    kelvin = data[:, :, 0].real.reshape(-1, 14, 4)
    target = (a["wvr_time_mjd_s"] > truth.raw["subscans"][-2]["start_mjd_s"]) & (
        a["wvr_time_mjd_s"] < truth.raw["subscans"][-2]["end_mjd_s"]
    )
    dead = fault(truth, "dead_wvr").antenna_id
    left = []
    for i in range(14):
        t, water = kelvin[target, i, 1], a["water_mm"][target, i]
        curve = np.polynomial.polynomial.polyfit(water, t, 1) if i != dead else [0, 1]
        if i not in (f.antenna_id, dead):
            slope = curve[1]
    for i in range(14):
        t, water = kelvin[target, i, 1], a["water_mm"][target, i]
        left.append((t - slope * water).std() / slope * truth.raw["path_mm_per_water_mm"] * 1e3)  # micrometres
    others = np.delete(left, [f.antenna_id, dead])
    assert left[f.antenna_id] > 5 * others.max()
    assert left[f.antenna_id] > 250


def test_a_position_error_is_in_the_corrections(every):
    _, truth, plain = every
    f = fault(truth, "position_error")
    offset, before = truth.arrays()["offset_m"][f.antenna_id], plain.arrays()["offset_m"][f.antenna_id]
    assert np.linalg.norm(offset - before) == pytest.approx(3e-3, rel=1e-3)
    at = truth.raw["antpos"]["antenna"].split(",").index(f.antenna)
    np.testing.assert_allclose(truth.raw["antpos"]["parameter"][3 * at : 3 * at + 3], offset)


def test_the_option_is_read():
    assert chosen(True, ROLES) == chosen("standard", ROLES) == chosen("true", ROLES) == STANDARD
    assert chosen(False) == chosen("none") == chosen("no") == ()
    assert chosen("all", ROLES) == (*STANDARD, *KINDS)
    assert chosen("tsys_birdie, low_scan", ROLES) == ("low_scan", "tsys_birdie")
    assert chosen("standard,low_scan", ROLES) == (*STANDARD, "low_scan")
    assert "bandpass_dip" not in chosen("all", ("flux", "phase", "target"))
    assert not {"noisy_wvr", "dead_wvr"} & set(chosen("all", ROLES, wvr=False))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"faults": "gremlin"}, "gremlin; possible are standard, none, all, or some of dead_polarization"),
        ({"faults": ""}, "possible are"),
        ({"faults": "none,low_scan"}, "none; possible"),
        ({"faults": "all"}, "at least 14 antennas.*the block has 8"),
        ({"faults": "low_scan", "without": "bandpass"}, "low_scan needs a bandpass calibrator"),
        ({"faults": "noisy_wvr", "wvr": False}, "noisy_wvr needs radiometers"),
        ({"faults": "low_scan", "raw": False}, "raw=True"),
        ({"faults": "all", "raw": False}, "raw=True"),
        ({"wvr": False, "raw": False}, "wvr: only for raw"),
        ({"spws": "thin"}, "wide, narrow, mixed"),
        ({"without": "phase"}, "bandpass, flux, check"),
        ({"calibrator_flux": 0.0}, "calibrator_flux = 0.0"),
    ],
)
def test_bad_arguments_say_what_is_possible(tmp_path, arguments, words):
    with pytest.raises(ArgumentError, match=words):
        simulate(tmp_path / "X.ms", **{"raw": True, **arguments})
    assert not list(tmp_path.iterdir())


def test_chosen_faults_are_the_only_ones(tmp_path):
    truth = simulate(tmp_path / "X.ms", raw=True, nant=6, faults="low_scan,tsys_line", noise=False)
    assert [f.kind for f in truth.faults] == ["low_scan", "tsys_line"]


def test_times_are_spelt_and_read():
    assert timestamp(seconds("2019/06/15/05:46:01.250")) == "2019/06/15/05:46:01.250"
