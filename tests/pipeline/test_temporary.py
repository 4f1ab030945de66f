"""Intervals and channels of temporary calibrations, by the signal to noise that single ones have."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from atacal.errors import NoSolutions
from atacal.pipeline import temporary
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.temporary import averaged_channels, by_channels, median_snr, steady_phases


def table(snr, flag=None):
    """A table whose spws have solutions of (slot, antenna, chan, pol)."""
    solutions = {}
    for spw, value in snr.items():
        values = np.full((6, 5, 1, 2), float(value), np.float32)
        flags = np.zeros(values.shape, bool) if flag is None else flag
        solutions[spw] = SimpleNamespace(snr=values, flag=flags)
    return SimpleNamespace(solutions=solutions)


@pytest.fixture
def block(monkeypatch):
    """A block of 12 scans' minutes, integrations of 6 s; what is solved is written down."""
    solved: list[dict] = []

    def phases(block, words, **given):
        solved.append({"words": words, **given})
        return [Applied("phase", words)]

    monkeypatch.setattr(temporary, "phases", phases)
    scans = [SimpleNamespace(start_s=0.0, end_s=300.0)]
    facts = SimpleNamespace(integration_s=lambda *i: 6.0, science_scans=lambda *i: scans)
    return SimpleNamespace(facts=facts, path=lambda p: p, solved=solved)


@pytest.mark.parametrize(
    ("snr", "solint"),
    [(80.0, "int"), (20.0, "int"), (19.0, "12.000s"), (10.0, "24.000s"), (4.0, "60.000s"), (0.0, "60.000s")],
)
def test_phases_reach_a_signal_to_noise(block, monkeypatch, snr, solint):
    monkeypatch.setattr(temporary, "read_caltable", lambda path: table({1: snr, 2: snr + 100}))
    made, interval, found = steady_phases(
        block, "x", intents=["BANDPASS"], spws=[1, 2], wanted=20.0, least_solutions=2, minsnr=2.0
    )
    assert (interval, found) == (solint, snr)
    assert len(made) == 1
    assert [s.get("solint", "int") for s in block.solved] == (["int"] if solint == "int" else ["int", solint])


def test_there_are_at_least_so_many_intervals(block, monkeypatch):
    monkeypatch.setattr(temporary, "read_caltable", lambda path: table({1: 1.0}))
    given = {"intents": ["BANDPASS"], "spws": [1], "wanted": 20.0, "minsnr": 2.0}
    assert steady_phases(block, "x", least_solutions=10, **given)[1] == "30.000s"
    assert steady_phases(block, "x", least_solutions=50, **given)[1] == "int"


def test_no_integration_has_a_solution(block, monkeypatch):
    def refuse(block, words, **given):
        if "solint" not in given:
            raise NoSolutions("none")
        return [Applied("phase", words)]

    monkeypatch.setattr(temporary, "phases", refuse)
    made, interval, snr = steady_phases(
        block, "x", intents=["BANDPASS"], spws=[1], wanted=20.0, least_solutions=2, minsnr=2.0
    )
    assert (len(made), interval, snr) == (1, "60.000s", 0.0)


@pytest.mark.parametrize(
    ("how", "snr", "even", "channels"),
    [
        ("snr", 60.0, True, 1), ("snr", 20.0, True, 8), ("snr", 20.0, False, 7), ("snr", 1.0, True, 60),
        ("snr", 0.0, False, 60), ("smoothed", 0.0, True, 2), ("fixed", 1.0, True, 1),
    ],
)  # fmt: skip
def test_channels_reach_a_signal_to_noise(block, monkeypatch, how, snr, even, channels):
    monkeypatch.setattr(temporary, "read_caltable", lambda path: table({1: snr}))
    found = averaged_channels(
        block, [Applied("bandpass", "b")], 480 if how != "snr" or even else 481, 2, how=how, wanted=50.0,
        least_solutions=8, most_channels=240, even=even,
    )  # fmt: skip
    assert found == channels


def test_a_tdm_spw_is_not_smoothed(block):
    given = {"wanted": 50.0, "least_solutions": 8, "most_channels": 20, "even": True}
    assert averaged_channels(block, [], 128, 2, how="smoothed", **given) == 1
    assert averaged_channels(block, [], 128, 4, how="smoothed", **given) == 6


def test_median_snr_leaves_out_antennas_without_solutions():
    flag = np.zeros((6, 5, 1, 2), bool)
    flag[:, 0] = True
    assert median_snr(table({3: 7.0}, flag)) == {3: 7.0}
    flag[:4, 1:4] = True
    assert median_snr(table({3: 7.0}, flag)) == {3: 3.5}
    assert median_snr(table({3: 7.0}, np.ones((6, 5, 1, 2), bool))) == {3: 0.0}


def test_spws_are_grouped_by_channels():
    spws = {17: 128, 19: 480, 21: 128}
    facts = SimpleNamespace(metadata=SimpleNamespace(spws={s: SimpleNamespace(nchan=n) for s, n in spws.items()}))
    assert by_channels(facts, [17, 19, 21]) == {128: [17, 21], 480: [19]}
