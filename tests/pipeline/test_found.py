"""Findings in words: commands, reasons, charts; references that are demoted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atacal.heuristics.view_rules import BadQuadrant, MaxAbs, Outlier
from atacal.heuristics.views import View, flag_view
from atacal.pipeline.block import Block
from atacal.pipeline.found import LEAST_CHANNELS, MOST_CHANNELS, channel_commands, clock, reason, view_chart
from atacal.pipeline.refant_order import demote

NAMES = ["DA41", "DA42", "DV03", "PM01"]
PAIRS = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def channel_view(nchan=64):
    values = np.random.default_rng(0).normal(0, 1, (nchan, 6))
    return View(values, np.zeros(values.shape, bool), ("channel", "baseline"), (range(nchan), PAIRS),
                {"spw": 17, "pol": "XX", "quantity": "amplitude", "unit": "raw"})  # fmt: skip


def test_commands_join_channels_and_correlations():
    view = channel_view()
    view.values[[10, 11, 40], 3] = 50
    view.values[:16, [0, 3, 4]] = 30  # antenna 1, a quarter
    judged = flag_view(view, [BadQuadrant(8, 0.5, 1.0), Outlier(20)])
    commands = channel_commands([*judged.proposals, *judged.proposals], NAMES, "why")
    assert commands == [
        "mode='manual' spw='17:0~15' antenna='DA42' reason='why'",
        "mode='manual' spw='17:40~40' antenna='DA42&DV03' reason='why'",
    ]
    first, second = (reason(p, NAMES) for p in judged.proposals)
    assert (first["rule"], first["antenna"], first["channels"], first["limit"]) == ("bad quadrant", "DA42", "0~15", 0.5)
    assert first["value"] == 1.0
    assert (second["baseline"], second["channels"], second["pol"]) == ("DA42&DV03", "40~40", "XX")
    assert "unit" not in second


def test_times_of_day():
    assert clock(5e9 - 5e9 % 86400 + 3 * 3600 + 4 * 60 + 5.4) == "03:04:05"
    assert clock(86399.9) == "00:00:00"


def test_charts_show_names_and_no_more_channels_than_a_picture_has():
    view = channel_view(1000)
    view.values[503, 2] = -90.0
    view.flag[:4, 1] = True
    new = np.zeros(view.flag.shape, bool)
    new[503, 2] = True
    chart = view_chart("x", "X", [(view, new, {"role": "before"})], NAMES, "")
    (matrix,) = chart.matrices
    assert np.shape(matrix.z) == (6, MOST_CHANNELS)
    assert matrix.z.min() == -90.0
    assert matrix.flagged.sum() == 1
    assert matrix.z[matrix.flagged] == -90.0
    assert list(matrix.y)[:2] == ["DA41&DA42", "DA41&DV03"]
    assert matrix.keys == {"spw": "17", "pol": "XX", "role": "before"}
    pairs = [(a, b) for b in range(66) for a in range(b)]
    many = View(np.zeros((480, len(pairs))), np.zeros((480, len(pairs)), bool), ("channel", "baseline"),
                (range(480), pairs), {"spw": 1})  # fmt: skip
    (matrix,) = view_chart("z", "Z", [(many, many.flag, {})], [f"A{i}" for i in range(66)], "").matrices
    assert np.shape(matrix.z) == (2145, LEAST_CHANNELS)
    times = View(np.ones((4, 1)), np.zeros((4, 1), bool), ("antenna", "time"), (range(4), [3600.0]), {"spw": 1})
    (matrix,) = view_chart("y", "Y", [(times, times.flag, {})], NAMES, "").matrices
    assert (list(matrix.x), list(matrix.y)) == (NAMES, ["01:00:00"])


def test_what_was_flagged_before_is_no_number():
    view = channel_view(32)
    view.flag[:, 1] = True
    judged = flag_view(view, [MaxAbs(2.0)])
    (matrix,) = view_chart("x", "X", [(view, judged.flag & ~view.flag, {})], NAMES, "").matrices
    assert np.isnan(matrix.z[1]).all()
    assert np.isfinite(matrix.z[0]).all()


@pytest.fixture
def block():
    return Block(Path("/nowhere"), "x.ms", 7, "hifa_tsysflag", "today", {"refants": NAMES})


def test_references_that_lost_all_go_and_those_that_lost_some_come_last(block):
    told = demote(block, {17: ["DA41", "DV03"], 19: ["DA41"]}, [17, 19], "why")
    assert told == {"removed": ["DA41"], "demoted": ["DV03"]}
    assert block.refants == ["DA42", "PM01", "DV03"]
    assert block.out.messages[0].level == "attention"


def test_some_reference_is_always_left(block):
    assert demote(block, {17: NAMES, 19: NAMES}, [17, 19], "why") == {"removed": [], "demoted": []}
    assert block.refants == NAMES
    assert demote(block, {17: []}, [17, 19], "why") == {"removed": [], "demoted": []}
    assert block.out.messages == []
