"""Metrics of Tsys spectra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atacal.heuristics.tsys_shapes import (
    METRICS,
    TSYS,
    TsysLimits,
    TsysSpectra,
    edge_channels,
    flag_tsys,
    sharp_features,
)

TIMES, ANTENNAS, CHANS = 5, 8, 128
FIELD = np.array([0, 1, 2, 1, 2])  # bandpass, phase, target...


def spectra(seed=1):
    """Healthy spectra with a line of ozone and the airmass growing with time."""
    rng = np.random.default_rng(seed)
    freq = np.linspace(-1, 1, CHANS)
    air = 1 + 0.2 * freq + 0.5 * np.exp(-((freq - 0.3) ** 2) / 0.001)
    receiver = rng.uniform(50, 80, (1, ANTENNAS, 1, 2)) * (1 + 0.05 * np.sin(3 * freq + rng.uniform(0, 6)))[:, None]
    value = receiver + 20 * np.linspace(1, 1.3, TIMES)[:, None, None, None] * air[:, None]
    value = value * (1 + rng.normal(0, 0.003, (TIMES, ANTENNAS, CHANS, 2)))
    return TsysSpectra(
        17, value, np.zeros(value.shape, bool), np.ones((TIMES, ANTENNAS), bool), 5e9 + 600.0 * np.arange(TIMES),
        FIELD, ("X", "Y"),
    )  # fmt: skip


def run(made, limits=TSYS["today"], exempt=None, edge_fields=None):
    found = flag_tsys(made, limits, reference_fields=[0], edge_fields=edge_fields, exempt=exempt)
    return {m.metric: m for m in found}


@pytest.mark.parametrize("recipe", ["today", "cycle4"])
def test_healthy_spectra_are_left_alone(recipe):
    for seed in range(5):
        found = run(spectra(seed), TSYS[recipe])
        assert list(found) == list(METRICS)
        assert {m for m, f in found.items() if f.flag.any() and m != "edgechans"} == set()
        assert found["edgechans"].flag.any(axis=(0, 1, 3)).sum() <= 4


def test_limits_by_recipe():
    today, cycle4 = TSYS["today"], TSYS["cycle4"]
    names = (
        "fnm_limit",
        "fd_max_limit",
        "fe_edge_limit",
        "ff_max_limit",
        "fb_sharps_limit",
        "tmf1_limit",
        "tmef1_limit",
    )
    assert [getattr(today, n) for n in names] == [2, 13, 3, 13, 0.15, 0.666, 0.666]
    assert [getattr(cycle4, n) for n in names] == [2, 5, 3, 5, 0.05, 0.666, 0.666]


def test_high_median_of_one_polarisation_flags_both():
    made = spectra()
    made.value[2, 4, :, 1] *= 3
    found = run(made)["nmedian"]
    expected = np.zeros_like(made.flag)
    expected[2, 4] = True
    assert (found.flag == expected).all()
    (why,) = found.proposals
    assert why.value == pytest.approx(3, abs=0.7)
    assert why.extent() == {"antenna": [4], "time": [made.time_mjd_s[2]]}
    assert why.view.identity == {**why.view.identity, "pol": "Y", "spw": 17, "field": 2}


def test_by_field_an_array_with_high_tsys_in_one_field_is_no_outlier():
    made = spectra()
    made.value[0] *= 2.5
    assert not run(made)["nmedian"].flag.any()
    assert run(made, replace(TSYS["today"], fnm_byfield=False))["nmedian"].flag[0].all()


def test_ringing_spectrum():
    made = spectra()
    made.value[1, 3] *= np.random.default_rng(7).uniform(0.5, 1.5, CHANS)[:, None]
    found = run(made)
    assert found["derivative"].flag[1, 3].all()
    assert found["derivative"].flag.sum() == CHANS * 2
    assert found["derivative"].proposals[0].value > 20


def test_a_shape_unlike_the_bandpass_calibrators():
    made = spectra()
    made.value[3, 6] *= np.linspace(0.6, 1.4, CHANS)[:, None]  # 100 mean |x| of x in -0.4..0.4 is 20
    assert run(made)["fieldshape"].flag[3, 6].all()
    made = spectra()
    made.value[3, 6] *= np.linspace(0.85, 1.15, CHANS)[:, None]  # 7.5
    assert not run(made)["fieldshape"].flag.any()
    assert run(made, TSYS["cycle4"])["fieldshape"].flag[3, 6].all()


def test_fields_without_a_reference_are_not_judged_by_shape():
    made = spectra()
    made.flag[0, 2] = True  # antenna 2 has no reference
    made.value[3, 2] *= np.linspace(0.5, 1.5, CHANS)[:, None]
    assert not run(made)["fieldshape"].flag[3, 2].any()


def test_birdie_in_an_antenna_at_all_times_with_wings():
    made = spectra()
    made.value[:, 5, 70:73] *= np.array([1.15, 1.5, 1.15])[:, None]
    found = run(made)["birdies"]
    chans = np.flatnonzero(found.flag[0, 5, :, 0])
    assert set(range(69, 74)) <= set(chans) <= set(range(66, 77))
    assert found.flag[:, 5, chans].all()
    assert found.flag.sum() == TIMES * len(chans) * 2
    assert found.proposals[0].value == pytest.approx(0.35, abs=0.05)
    exempt = np.zeros(CHANS, bool)
    exempt[66:77] = True
    assert not run(made, exempt=exempt)["birdies"].flag.any()


def test_edges_of_the_spw_and_of_one_intent():
    made = spectra()
    made.value[:, :, :3] *= np.array([3, 2, 1.5])[:, None]
    found = run(made)["edgechans"]
    assert found.flag[:, :, :3].all()
    assert found.flag.any(axis=(0, 1, 3)).sum() <= 8
    made = spectra()
    made.value[0, :, -3:] *= np.array([1.5, 2, 3])[:, None]  # the bandpass calibrator's measurement alone
    assert not run(made, replace(TSYS["today"], edge_by_intent=False))["edgechans"].flag[:, :, -2:].any()
    found = run(made, edge_fields={"BANDPASS": [0], "AMPLITUDE": [9]})["edgechans"]
    assert found.flag[:, :, -3:].all()


def test_a_time_at_which_most_antennas_are_flagged_goes_whole():
    made = spectra()
    made.flag[2, :6] = True
    found = run(made)["toomany"]
    assert found.flag[2, 6:].all()
    assert found.flag.sum() == 2 * CHANS * 2
    made.present[2, :6] = False  # not flagged, but not there
    assert not run(made)["toomany"].flag.any()


def test_an_spw_in_which_most_antennas_are_flagged_goes_whole():
    made = spectra()
    made.flag[:, :6] = True
    assert (run(made)["toomany"].flag | made.flag).all()


def test_order_and_choice_of_metrics():
    limits = TsysLimits(flag_birdies=False, metric_order="toomany, nmedian, derivative, edgechans, fieldshape")
    assert list(run(spectra(), limits)) == ["toomany", "nmedian", "derivative", "edgechans", "fieldshape"]


def test_edges_until_a_small_step():
    spectrum = np.array([9.0, 5.0, 2.0, 1.0, 1.01, 0.99, 1.0, 1.02, 1.0, 1.01, 1.0, 0.98] + [1.0] * 36)
    width, step = edge_channels(spectrum, 3.0)
    assert width == 3
    assert step == pytest.approx(4.0 / np.median(np.abs(np.diff(spectrum[:12]))))
    spectrum[:2] = np.nan
    assert edge_channels(spectrum, 3.0)[0] == 3
    assert edge_channels(np.full(40, np.nan), 3.0) == (0, 0.0)
    assert edge_channels(np.ones(40), 3.0) == (0, 0.0)


def test_sharp_features_at_the_very_end_and_none():
    spectrum = np.random.default_rng(0).normal(0, 0.001, 64)
    assert sharp_features(spectrum, 0.15) == []
    spectrum[-1] = 1.0
    ((chans, step),) = sharp_features(spectrum, 0.15)
    assert chans[-1] == 63
    assert step == pytest.approx(1.0, abs=0.01)
