"""Switched blocks: what each setup observes, and that both see one air and differ by what the truth says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError
from atacal.pipeline.facts import read_facts
from atacal.simulate import read_truth, simulate, true_factors
from atacal.simulate.judge import judge_selections

C_M_S = 299792458.0
SWITCHED = {"bwsw": {"mode": "bwsw", "nchan": 64}, "b2b": {"mode": "b2b"}}


@pytest.fixture(scope="module", params=list(SWITCHED))
def made(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "X.ms"
    simulate(path, raw=True, seed=6, **SWITCHED[request.param])
    return path, read_truth(path)


def spw_rows(path: Path, spw: int, columns: tuple[str, ...]):
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={spw}") as part:
        return [part.getcol(c) for c in columns]


def test_the_pipeline_knows_the_mode_and_the_setups(made):
    path, truth = made
    facts, setups = read_facts(path), truth.raw["setups"]
    assert facts.mode == truth.raw["mode"].upper()
    both = set(setups["signal"]) | set(setups["reference"])
    assert facts.science_spws == tuple(truth.raw["science_spws"]) == tuple(sorted(both))
    assert set(facts.spws_of("PHASE")) == set(facts.spws_of("DIFFGAINREF")) == set(setups["reference"])
    for intent in ("TARGET", "CHECK", "DIFFGAINSRC"):
        assert set(facts.spws_of(intent)) == set(setups["signal"])
    assert set(facts.spws_of("BANDPASS")) == both
    assert set(facts.spws_of("AMPLITUDE")) == (both if facts.mode == "BWSW" else set(setups["signal"]))


def test_the_differential_gain_calibrator_takes_turns_before_and_after_the_target(made):
    _, truth = made
    scans = [s for s in truth.raw["subscans"] if s["purpose"] == "science"]
    roles = [truth.sources[s["field"]].role for s in scans]
    turns = [s["setup"] for s, role in zip(scans, roles, strict=True) if role == "diffgain"]
    assert turns == ["reference", "signal", "reference", "signal", "reference"] * 2
    first, last = roles.index("target"), len(roles) - 1 - roles[::-1].index("target")
    assert "diffgain" in roles[:first]
    assert "diffgain" in roles[last:]
    for s, role in zip(scans, roles, strict=True):
        if role == "diffgain":
            word = "REFERENCE" if s["setup"] == "reference" else "ON_SOURCE"
            assert f"CALIBRATE_DIFFGAIN#{word}" in s["intents"]


def test_rows_are_of_the_setups_windows(made):
    path, truth = made
    with table(str(path), ack=False) as tab:
        ddid, scan = tab.getcol("DATA_DESC_ID"), tab.getcol("SCAN_NUMBER")
    science = truth.raw["science_spws"]
    for s in truth.raw["subscans"]:
        there = {int(d) for d in np.unique(ddid[scan == s["scan"]])} & set(science)
        if s["purpose"] == "science":
            assert there == set(truth.raw["setups"][s["setup"]])


def test_frequencies_and_widths(made):
    _, truth = made
    pairs = truth.raw["reference_spw_of"]
    assert sorted(map(int, pairs)) == truth.raw["setups"]["signal"]
    assert sorted(pairs.values()) == truth.raw["setups"]["reference"]
    for signal, reference in pairs.items():
        high, low = truth.spws[int(signal)], truth.spws[reference]
        if truth.raw["mode"] == "b2b":
            assert high["centre_freq_hz"] / low["centre_freq_hz"] > 2.5
            assert "RB_08" in high["name"]
            assert "RB_04" in low["name"]
        else:
            assert abs(high["centre_freq_hz"] - low["centre_freq_hz"]) < 1e9
            assert abs(high["chan_width_hz"]) * high["nchan"] == pytest.approx(58.59375e6)
            assert abs(low["chan_width_hz"]) * low["nchan"] == pytest.approx(2e9)


def test_true_factors_give_the_model_at_the_thermal_limit_in_both_setups(made):
    path, truth = made
    a = truth.arrays()
    names = ("DATA", "SIGMA", "ANTENNA1", "ANTENNA2", "TIME", "UVW")
    for setup, spws in truth.raw["setups"].items():
        spw = spws[1]
        data, sigma, a1, a2, time, uvw = spw_rows(path, spw, names)
        total = count = signal = 0.0
        for k, subscan in enumerate(truth.raw["subscans"]):
            if subscan["purpose"] != "science" or subscan["setup"] != setup:
                continue
            at = np.flatnonzero(a["subscan"] == k)
            rows = np.flatnonzero(np.isin(time, a["time_mjd_s"][at]) & (a1 != a2))
            assert len(rows) == len(at) * 28
            x, when = true_factors(truth, spw, at), np.searchsorted(a["time_mjd_s"][at], time[rows])
            model = truth.visibility(subscan["field"], uvw[rows], a[f"freq_hz_{spw}"])
            model = np.broadcast_to(model, data[rows].shape[:2])[..., None]
            expected = x[when, a1[rows]] * np.conj(x[when, a2[rows]]) * model
            noise = sigma[rows][:, None, :]
            total += float((np.abs((data[rows] - expected) / noise) ** 2).sum() / 2)
            # of the whole band, as channels may be narrow
            signal = max(signal, float(np.abs((expected / noise).mean(axis=1)).mean() * np.sqrt(data.shape[1])))
            count += data[rows].size
        assert signal > 5
        assert total / count == pytest.approx(1.0, abs=5 / np.sqrt(count))


def test_the_setups_share_the_air_and_differ_by_constant_phases(made):
    _, truth = made
    a, ref = truth.arrays(), truth.antennas.index(truth.refant)
    jumps = {f.antenna_id for f in truth.faults if f.kind in ("phase_jump", "dead_polarization")}
    for signal, reference in ((int(s), r) for s, r in truth.raw["reference_spw_of"].items()):
        phases = {}
        for spw in (signal, reference):
            freq = truth.spws[spw]["centre_freq_hz"]
            gain = a[f"gain_{spw}"][..., 0].astype(complex) * np.exp(-1j * a[f"constant_phase_rad_{spw}"][:, 0])
            metres = a["antenna_delay_m"] - a["wet_path_m"] - a["dry_path_m"]
            electronic = np.angle(gain)  # slow drifts of a few degrees: no turns
            phase = electronic + 2 * np.pi * freq * metres / C_M_S
            phases[spw] = (phase - phase[:, [ref]]) / freq
        for i in set(range(len(truth.antennas))) - jumps:
            np.testing.assert_allclose(phases[signal][:, i], phases[reference][:, i], atol=1e-15)
        offset = a[f"constant_phase_rad_{signal}"] - a[f"constant_phase_rad_{reference}"]
        assert np.std(np.exp(1j * offset)) > 0.5  # each antenna its own


def test_tsys_is_measured_where_it_is_applied(made):
    path, truth = made
    with table(str(path / "SYSCAL"), ack=False) as tab:
        spw, time = tab.getcol("SPECTRAL_WINDOW_ID"), tab.getcol("TIME") - tab.getcol("INTERVAL") / 2
    subscans = truth.raw["subscans"]
    roles = {s.role: i for i, s in enumerate(truth.sources)}
    atmosphere = [s for s in subscans if s["purpose"] == "atmosphere" and s["load"] == "sky"]
    for s in subscans:
        if s["purpose"] != "science":
            continue
        of = truth.raw["tsys_fields"][truth.sources[s["field"]].role]
        starts = [t["start_mjd_s"] for t in atmosphere if t["field"] == roles[of]]
        for window in truth.raw["setups"][s["setup"]]:
            tsys = truth.raw["tsys_spw_of"][str(window)]
            assert np.isin(np.round(time[spw == tsys]), np.round(starts)).any(), (of, window)


def test_flux_ratios_are_given_where_the_flux_calibrator_was_observed(made):
    _, truth = made
    ratio, science = truth.raw["expected_flux_ratio"], truth.raw["science_spws"]
    for source in truth.sources:
        for spw, value in zip(science, ratio[source.name], strict=True):
            setups = {s["setup"] for s in truth.raw["subscans"]
                      if s["purpose"] == "science" and truth.sources[s["field"]].name == source.name}  # fmt: skip
            mine = next(k for k, v in truth.raw["setups"].items() if spw in v)
            known = mine in setups and (mine == "signal" or truth.raw["mode"] == "bwsw")
            assert (value is not None) == known
            assert value is None or value == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("mode", list(SWITCHED))
def test_all_faults_of_a_switched_block_can_be_judged(tmp_path, mode):
    truth = simulate(tmp_path / "X.ms", raw=True, nant=14, faults="all", noise=False, **SWITCHED[mode])
    stages = ("flagdata", "rawflagchans", "lowgainflag", "gainflag", "bandpassflag", "gfluxscaleflag", "targetflag")
    perfect = {s: [x for f in truth.faults if f.stage == s and f.table == "ms" for x in f.selections] for s in stages}
    result = judge_selections(truth, perfect)
    for s in result.stages:
        assert s.found == s.injected > 0
        assert s.false == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"mode": "b3b"}, "standard, bwsw, b2b"), ({"mode": "bwsw", "spws": "mixed"}, "narrow windows"),
     ({"mode": "b2b", "raw": False}, "mode: only for raw"), ({"mode": "b2b", "nchan": 64}, "TDM")],
)  # fmt: skip
def test_bad_arguments_say_what_is_possible(tmp_path, arguments, words):
    with pytest.raises(ArgumentError, match=words):
        simulate(tmp_path / "X.ms", **{"raw": True, **arguments})


def test_a_band_to_band_block_with_fine_channels_in_the_high_band(tmp_path):
    truth = simulate(tmp_path / "X.ms", preset="small", raw=True, mode="b2b", nant=4, nchan=32, noise=False)
    widths = {s: truth.spws[s]["nchan"] for s in truth.raw["science_spws"]}
    assert [widths[s] for s in truth.raw["setups"]["reference"]] == [128] * 4
    assert sorted(widths[s] for s in truth.raw["setups"]["signal"]) == [32, 32, 128, 128]
