"""Online flags of integrations that are longer than what is wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from casacore.tables import table

from atacal.flags.entries import Entry
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe.apriori import AprioriRun, widened_command
from atacal.recipe.apriori_summary import Apriori
from atacal.recipe.raw import online_buffer_s, plan_raw
from atacal.recipe.roles import find_roles
from atacal.simulate import raw_layout, simulate

LONG_S = 18.144


@pytest.fixture(scope="module")
def flagged(tmp_path_factory):
    """A block of long integrations, in which antennas come 4.5 s late, after the steps flag and online flags."""
    short = dict.fromkeys(("bandpass", "flux", "phase", "check", "target"), (1, 2))
    size = replace(raw_layout.RAW_PRESETS["tiny"], integration_s=LONG_S, loops=1, **short)
    path = tmp_path_factory.mktemp("online") / "X.ms"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(raw_layout.RAW_PRESETS, "long", size)
        truth = simulate(path, preset="long", raw=True, seed=2)
    with MeasurementSet(path) as ms:
        plan = plan_raw(ms, find_roles(ms))
    notes: list[str] = []
    run = AprioriRun(path, plan, SimpleNamespace(split="", listobs=""), Apriori("", str(path), "", []), notes, {})
    run.flag()
    run.flag_online()
    return truth, plan, run, notes


def flags_of(path, spw, *, autocorrelations=False):
    """Return flags (all channels), times and antennas of an spw."""
    with table(f"{path}/DATA_DESCRIPTION", ack=False) as tab:
        (ddid,) = np.flatnonzero(tab.getcol("SPECTRAL_WINDOW_ID") == spw)
    wanted = "==" if autocorrelations else "!="
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={ddid} && ANTENNA1{wanted}ANTENNA2") as part:
        return [part.getcol(c) for c in ("FLAG", "TIME", "ANTENNA1", "ANTENNA2")]


def test_science_data_that_an_antenna_came_too_late_for_are_flagged(flagged):
    truth, plan, run, notes = flagged
    assert plan.flag_buffer_s == pytest.approx([LONG_S / 2 - 0.048, LONG_S / 2])
    assert notes == []
    flag, time, a1, a2 = flags_of(run.vis, plan.spws[0])
    arrays = truth.arrays()
    at = np.abs(arrays["time_mjd_s"][:, None] - time).argmin(axis=0)
    late = arrays["source_share"] < 1
    expected = late[at, a1] | late[at, a2]
    science = np.array([s["purpose"] == "science" for s in truth.raw["subscans"]])[arrays["subscan"]][at]
    assert (expected & science).sum() > 30
    assert flag[expected & science].all()


def test_nothing_else_is(flagged):
    truth, plan, run, _ = flagged
    flag, time, a1, a2 = flags_of(run.vis, plan.spws[0])
    arrays = truth.arrays()
    at = np.abs(arrays["time_mjd_s"][:, None] - time).argmin(axis=0)
    off = arrays["source_share"] < 1
    for f in truth.faults:
        if f.kind == "flagged":
            off[(f.start_mjd_s < arrays["time_mjd_s"]) & (arrays["time_mjd_s"] < f.end_mjd_s), f.antenna_id] = True
    science = np.array([s["purpose"] == "science" for s in truth.raw["subscans"]])[arrays["subscan"]][at]
    good = science & ~off[at, a1] & ~off[at, a2]
    assert good.sum() > 100
    assert not flag[good].any()


def test_the_radiometers_keep_their_last_samples(flagged):
    truth, _, run, _ = flagged
    flag, time, antenna, _ = flags_of(run.vis, 0, autocorrelations=True)
    dead = [f.antenna_id for f in truth.faults if f.kind == "dead_wvr"]
    ends = [s["end_mjd_s"] for s in truth.raw["subscans"] if s["purpose"] == "science"]
    last = np.any([(time > end - 4) & (time < end) for end in ends], axis=0) & ~np.isin(antenna, dead)
    assert last.sum() > 50
    assert np.mean(flag.all(axis=(1, 2))[last]) < 0.1  # an antenna whose flag goes on to the end may lose some


def test_seven_metre_antennas_keep_their_times(raw_original):
    """As in the pipeline: their flags are widened by a tick of the control system before, by nothing after."""
    with MeasurementSet(raw_original) as ms:
        md = ms.metadata
    small = replace(md, antennas=[replace(a, dish_diameter_m=7.0) for a in md.antennas])
    assert online_buffer_s(small, 10.0) == [0.048, 0.0]
    assert online_buffer_s(md, 10.0) == pytest.approx([4.952, 5.0])


def test_a_flag_that_names_its_spws_keeps_them():
    words = {"antenna": "DV01&&*", "timerange": "2019/06/15/05:45:06.050~2019/06/15/05:45:31.428"}
    command = widened_command(Entry(0, words, {"reason": ""}, "x"), [1.0, 2.0], "17,19")
    assert "spw='17,19'" in command
    assert "05:45:05.050~2019/06/15/05:45:33.428" in command
    assert "spw='3'" in widened_command(Entry(0, {**words, "spw": "3"}, {"reason": ""}, "x"), [1.0, 2.0], "17,19")


def test_flags_of_slews_without_data_are_no_warnings(flagged, caplog):
    truth, plan, run, _ = flagged
    AprioriRun(run.vis, plan, SimpleNamespace(split="", listobs=""), run.summary, [], {}).flag_online()
    assert len(truth.raw["online_flags"]) > len(plan.spws)
    assert not [r for r in caplog.records if hasattr(r, "unmatched")]
