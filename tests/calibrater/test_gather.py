"""Parts of slots: spws and fields that are solved together are averaged and conditioned one by one."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.calibrater.gather import Gathered, _batches, gather
from atacal.calibrater.solutions import _together
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.solve import intervals


def gathered(ms: MeasurementSet, combine: str, memory: int, parts: bool) -> list[Gathered]:
    selected = select(ms, Selection(field="0,1"), autocorr=False)
    slots = intervals.make_slots(
        selected.runs, ms.metadata.ddid_spw[selected.runs.ddid], np.inf, intervals.parse_combine(combine)
    )
    groups = {
        spw: intervals.channel_groups(wanted, np.ones(len(wanted)), intervals.parse_solint("inf"), per_channel=False)
        for spw, wanted in selected.channels.items()
    }
    return list(gather(ms, selected, slots, groups, model=SkyModel.of(ms), parts=parts, memory=memory))


@pytest.mark.parametrize(("combine", "nslot", "npart"), [("scan", 4, 4), ("scan,spw", 2, 4), ("scan,spw,field", 1, 4)])
def test_parts_are_spws_and_fields(sim_original, combine, nslot, npart):
    with MeasurementSet(sim_original) as ms:
        (found,) = gathered(ms, combine, 1 << 30, True)
        (whole,) = gathered(ms, combine, 1 << 30, False)
    assert (len(found.slots), len(found.part)) == (nslot, npart)
    assert len(whole.d) == nslot
    np.testing.assert_allclose(whole.b.sum(), found.b.sum())
    np.testing.assert_allclose(whole.time, found.time, rtol=0, atol=1e-6)
    mean, total, lost, nvis = _together(found.d, found.b, found.part, nslot)
    np.testing.assert_allclose(mean, whole.d)
    np.testing.assert_allclose(total, whole.b)
    assert nvis.sum() == (found.b > 0).sum()
    assert (lost > 0).any() == (nslot < npart)


def test_batches_change_nothing(sim_original):
    with MeasurementSet(sim_original) as ms:
        (whole,) = gathered(ms, "scan,spw", 1 << 30, True)
        pieces = gathered(ms, "scan,spw", 30_000, True)
    assert [len(p.slots) for p in pieces] == [1, 1]
    np.testing.assert_array_equal(np.concatenate([p.d for p in pieces]), whole.d)
    np.testing.assert_array_equal(np.concatenate([p.time for p in pieces]), whole.time)


def test_batches_end_with_slots():
    assert list(_batches(np.array([0, 0, 1, 1, 1, 2]), 3)) == [(0, 2), (2, 5), (5, 6)]
    assert list(_batches(np.array([0, 0, 0, 0]), 1)) == [(0, 4)]
    assert list(_batches(np.array([0, 1, 2, 3]), 2)) == [(0, 2), (2, 4)]
    assert list(_batches(np.array([], int), 2)) == []


def test_time_is_the_weighted_mean_of_baselines():
    one = Gathered(
        np.array([0]), np.array([0, 0]), np.zeros((2, 2, 1, 2), complex), np.ones((2, 2, 1, 2)),
        np.array([100.0]), np.array([[1.0, 2.0], [3.0, 6.0]]),
    )  # fmt: skip
    assert one.time == pytest.approx([103.0])
    assert one.mean_time(np.array([[1.0, 0.0], [0.0, 3.0]])) == pytest.approx([104.75])
