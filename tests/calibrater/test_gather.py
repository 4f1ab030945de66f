"""Parts of slots: spws and fields that are solved together are averaged and conditioned one by one."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.calibrater.gather import Gathered, _batches, _parts_at_once, gather
from atacal.calibrater.solutions import _together, solve_batch
from atacal.errors import ArgumentError
from atacal.memory import memory_limit
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.solve import intervals


def gathered(ms: MeasurementSet, combine: str, parts: bool) -> list[Gathered]:
    selected = select(ms, Selection(field="0,1"), autocorr=False)
    slots = intervals.make_slots(
        selected.runs, ms.metadata.ddid_spw[selected.runs.ddid], np.inf, intervals.parse_combine(combine)
    )
    groups = {
        spw: intervals.channel_groups(wanted, np.ones(len(wanted)), intervals.parse_solint("inf"), per_channel=False)
        for spw, wanted in selected.channels.items()
    }
    return list(gather(ms, selected, slots, groups, model=SkyModel.of(ms), parts=parts))


@pytest.mark.parametrize(("combine", "nslot", "npart"), [("scan", 4, 4), ("scan,spw", 2, 4), ("scan,spw,field", 1, 4)])
def test_parts_are_spws_and_fields(sim_original, combine, nslot, npart):
    with MeasurementSet(sim_original) as ms:
        (found,) = gathered(ms, combine, True)
        (whole,) = gathered(ms, combine, False)
    assert (len(found.slots), len(found.part)) == (nslot, npart)
    assert len(whole.d) == nslot
    np.testing.assert_allclose(whole.b.sum(), found.b.sum())
    np.testing.assert_allclose(whole.time, found.time, rtol=0, atol=1e-6)
    mean, total, lost, nvis = _together(found.d, found.b, found.part, nslot)
    np.testing.assert_allclose(mean, whole.d)
    np.testing.assert_allclose(total, whole.b)
    assert nvis.sum() == (found.b > 0).sum()
    assert (lost > 0).any() == (nslot < npart)


def test_batches_change_nothing(sim_original, monkeypatch):
    with MeasurementSet(sim_original) as ms:
        (whole,) = gathered(ms, "scan,spw", True)
        monkeypatch.setattr("atacal.calibrater.gather._SOLVED_BYTES", 1 << 30)
        pieces = gathered(ms, "scan,spw", True)
    assert [len(p.slots) for p in pieces] == [1, 1]
    np.testing.assert_array_equal(np.concatenate([p.d for p in pieces]), whole.d)
    np.testing.assert_array_equal(np.concatenate([p.time for p in pieces]), whole.time)


@pytest.mark.parametrize("calmode", ["p", "a", "ap"])
@pytest.mark.parametrize("scalar", [False, True])
def test_solving_some_channels_at_a_time_changes_nothing(calmode, scalar, monkeypatch):
    rng = np.random.default_rng(5)
    nant, ngroup, part = 5, 7, np.array([0, 0, 1])
    gain = rng.normal(size=(2, nant, ngroup, 2)) + 1j * rng.normal(size=(2, nant, ngroup, 2))
    ant1, ant2 = np.triu_indices(nant, 1)
    d = (gain[:, ant1] * gain[:, ant2].conj())[part] + 0.01 * rng.normal(size=(3, len(ant1), ngroup, 2))
    b = rng.uniform(1, 2, d.shape)
    b[1, :, 2], b[:, 3, 4] = 0, 0
    one = Gathered(np.array([3, 4]), part, d, b, np.array([100.0, 200.0]), rng.uniform(0, 10, (3, len(ant1))))
    options = {"calmode": calmode, "scalar": scalar, "minblperant": 3, "minsnr": 3.0}
    whole = solve_batch(one, nant, **options)
    monkeypatch.setattr("atacal.calibrater.solutions._CELLS_AT_ONCE", 3 * len(ant1) * 2 * 3)
    pieces = solve_batch(one, nant, **options)
    for name in ("slots", "param", "error", "snr", "flag"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    np.testing.assert_allclose(pieces.time, whole.time, rtol=1e-14)
    for name in ("attempted", "low_snr", "few_baselines", "unconverged"):
        assert getattr(pieces, name) == getattr(whole, name)
    assert whole.param.shape == (2, nant, ngroup, 1 if scalar else 2)


def test_an_interval_that_does_not_fit_is_refused():
    slot_of_part = np.array([0, 0, 1])
    assert _parts_at_once(1 << 20, slot_of_part, 10, 8, 0) == (1 << 20) // (160 * 130)
    assert _parts_at_once(2 * 160 * 24, slot_of_part, 10, 8, 0) == 2  # a slot is never divided
    with (
        memory_limit("400MB"),
        pytest.raises(
            ArgumentError, match=r"10 baselines x 80000 channels x 2 spws or fields.*take 74MB.*400MB.*473MB"
        ),
    ):
        _parts_at_once(1 << 20 | 36 << 20, slot_of_part, 10, 80_000, 0)


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
