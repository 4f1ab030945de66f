from __future__ import annotations

import numpy as np
import pytest

from atacal.caltables.disk import read_caltable
from atacal.caltables.smooth import smooth_series
from atacal.errors import ArgumentError, TableExists
from atacal.tasks import gaincal, smoothcal


def series(values, flag=None):
    shaped = np.asarray(values)[:, None, None, None]
    return shaped, np.zeros(shaped.shape, bool) if flag is None else np.asarray(flag)[:, None, None, None]


def test_the_window_leaves_out_its_beginning():
    values, flag = series(np.array([1, 2, 4, 8], np.float32))
    out, bad = smooth_series(np.array([0.0, 10.0, 20.0, 30.0]), values, flag, "mean", 20.0)
    np.testing.assert_allclose(out.ravel(), [1.5, 3, 6, 8])
    assert not bad.any()


@pytest.mark.parametrize("kind", ["mean", "median"])
def test_flagged_solutions_get_the_value_of_those_around_them(kind):
    values, flag = series(np.array([1, 50, 3, 7], np.complex64), [False, True, False, True])
    out, bad = smooth_series(np.array([0.0, 1.0, 2.0, 9.0]), values, flag, kind, 4.0)
    np.testing.assert_allclose(out.ravel()[:3], [2, 2, 3], atol=1e-6)
    assert bad.ravel().tolist() == [False, False, False, True]
    assert out.ravel()[3] == 7


def test_phases_are_followed_through_half_turns():
    turn = np.deg2rad(np.array([170.0, 178, 186, 194]))
    values, flag = series(np.exp(1j * turn).astype(np.complex64) * np.float32(2))
    out, _ = smooth_series(np.arange(4.0), values, flag, "median", 100.0)
    np.testing.assert_allclose(out.ravel(), 2 * np.exp(1j * np.deg2rad(182)), atol=1e-6)


def test_medians_of_more_than_a_hundred_take_the_lower_of_two():
    for count, expected in ((100, 49.5), (102, 50)):
        values, flag = series(np.arange(count, dtype=np.float32))
        out, _ = smooth_series(np.arange(count, dtype=float), values, flag, "median", 1e4)
        assert set(out.ravel()) == {expected}


def test_the_task(sim_ms, tmp_path):
    table, out = str(tmp_path / "g"), str(tmp_path / "s")
    gaincal(str(sim_ms), table, solint="int", refant="0")
    smoothcal(str(sim_ms), table, out, field="0", smoothtime=60)
    before, after = read_caltable(table), read_caltable(out)
    sol, new = before.solutions[0], after.solutions[0]
    others = sol.field != 0
    np.testing.assert_array_equal(new.param[others], sol.param[others])
    good = ~sol.flag[~others]
    assert (new.param[~others][good] != sol.param[~others][good]).mean() > 0.9
    with pytest.raises(TableExists):
        smoothcal(str(sim_ms), table, out)
    smoothcal(str(sim_ms), table, field="0", smoothtime=60)  # in place
    np.testing.assert_array_equal(read_caltable(table).solutions[0].param, new.param)
    for wrong in ({"smoothtype": "mode"}, {"smoothtime": 0}, {"ratesmooth": True}, {"tablein": ""}):
        with pytest.raises(ArgumentError):
            smoothcal(**({"vis": str(sim_ms), "tablein": table, "caltable": str(tmp_path / "x")} | wrong))
