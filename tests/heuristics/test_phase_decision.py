"""How a calibrator's phases are solved."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.phase_decision import Wanted, decide_cycle4, decide_today
from atacal.heuristics.spw_maps import Window

WIDE = [Window(s, 1.875e9, f, b, 6, "a") for s, f, b in ((0, 217e9, 1), (1, 219e9, 2), (2, 231e9, 3), (3, 233e9, 4))]
MIXED = [WIDE[0], Window(1, 0.0586e9, 219e9, 2, 6, "a"), Window(2, 0.0586e9, 231e9, 3, 6, "a"), WIDE[3]]
PHASE = {"intent": "PHASE", "integration_s": 6.0, "scan_s": 60.0}
BRIGHT = {"intent": "BANDPASS", "integration_s": 6.0, "scan_s": 300.0}


def every(snr):
    return dict.fromkeys(range(4), snr)


def test_strong_spws_stand_alone():
    found = decide_today(WIDE, every(40.0), **PHASE)
    assert (found.combine, found.solint, found.gaintype, found.mapped, found.interp) == (
        False, "int", "G", False, "linear,linear",
    )  # fmt: skip


def test_weak_spws_take_the_strongest():
    found = decide_today(MIXED, {0: 50.0, 1: 9.0, 2: 9.0, 3: 60.0}, **PHASE)
    assert found.spwmap == {0: 0, 1: 3, 2: 3, 3: 3}
    assert (found.combine, found.solint, found.gaintype, found.interp) == (False, "int", "G", "linearPD,linear")


def test_all_weak_are_combined():
    found = decide_today(WIDE, every(20.0), **PHASE)  # 40 together
    assert (found.combine, found.solint, found.gaintype, found.snr) == (True, "int", "G", 40.0)
    found = decide_today(WIDE, every(10.0), **PHASE)  # 20: T makes it 28 per scan, 1.28 integrations
    assert (found.solint, found.gaintype) == ("int", "T")
    found = decide_today(WIDE, every(6.0), **PHASE)  # 12: 3.6 integrations with T; 5 divides the ten of a scan
    assert (found.solint, found.gaintype) == ("30.000s", "T")
    found = decide_today(WIDE, every(6.0), **(PHASE | {"scan_s": 66.0}))  # eleven cannot be divided
    assert found.solint == "16.500s"
    found = decide_today(WIDE, every(1.0), **PHASE)
    assert found.solint == "30.000s"  # half a scan at most


def test_a_flagged_spw_is_not_the_reference():
    assert decide_today(WIDE, {1: 6.0, 2: 6.0, 3: 6.0}, usable=[1, 2, 3], **PHASE).spwmap == every(1)
    assert decide_cycle4(WIDE, {1: 6.0, 2: 6.0, 3: 6.0}, usable=[1, 2, 3], scan_s=60.0).spwmap == every(1)


def test_bright_calibrators():
    assert decide_today(WIDE, every(8.0), **BRIGHT).solint == "int"
    weak = decide_today(WIDE, every(1.0), **BRIGHT)  # 2 together, 2.8 with T: (5/2)^2/2 = 3.1 integrations
    assert (weak.solint, weak.gaintype, weak.limit) == ("18.000s", "T", 5.0)
    flux = decide_today(WIDE, every(0.8), amplitude=True, **BRIGHT)  # 4.9 integrations for 5, 1.8 for 3
    assert (flux.solint, flux.limit) == ("12.000s", 3.0)
    assert decide_today(WIDE, every(0.1), **BRIGHT).solint == "60.000s"


def test_a_single_spw():
    assert decide_today(WIDE[:1], {0: 20.0}, **PHASE).solint == "30.000s"


def test_modes():
    assert decide_today(MIXED, every(1.0), Wanted("default"), **PHASE).spwmap == {}
    assert decide_today(MIXED, every(1.0), Wanted("simple"), **PHASE).spwmap == {0: 0, 1: 0, 2: 3, 3: 3}
    forced = decide_today(WIDE, every(100.0), Wanted("combine"), **PHASE)
    assert (forced.combine, forced.solint) == (True, "int")
    unknown = decide_today(WIDE, {}, Wanted("combine"), **PHASE)
    assert (unknown.combine, unknown.solint, unknown.gaintype) == (True, "15.000s", "T")
    assert decide_today(MIXED, {}, **PHASE).spwmap == {0: 0, 1: 0, 2: 3, 3: 3}
    with pytest.raises(ArgumentError, match="auto, combine, simple, default"):
        Wanted("all")


def test_cycle4():
    weak = decide_cycle4(MIXED, {0: 50.0, 1: 9.0, 2: 9.0, 3: 60.0}, scan_s=60.0)
    assert (weak.combine, weak.solint, weak.gaintype, weak.spwmap) == (True, "15.000s", "T", every(0))
    narrow = decide_cycle4(MIXED, every(30.0), scan_s=60.0)
    assert (narrow.combine, narrow.solint, narrow.spwmap) == (False, "int", {0: 0, 1: 0, 2: 3, 3: 3})
    assert not decide_cycle4(WIDE, every(30.0), scan_s=60.0).mapped
    assert math.isnan(decide_cycle4(WIDE, {}, scan_s=60.0).snr)


@given(
    st.lists(st.floats(0.05, 200), min_size=4, max_size=4), st.integers(2, 40), st.sampled_from(["PHASE", "BANDPASS"])
)
def test_what_is_decided_can_be_solved(snrs, integrations, intent):
    """Maps lead to spws that keep their own phases, and intervals lie between an integration and their limit."""
    found = decide_today(
        MIXED, dict(enumerate(snrs)), intent=intent, integration_s=6.0, scan_s=6.0 * integrations
    )  # fmt: skip
    assert all(found.spwmap[other] == other for other in found.spwmap.values())
    assert found.combine or found.gaintype == "G"
    if found.solint != "int":
        assert float(found.solint[:-1]) <= max(60.0, 3.0 * integrations)
