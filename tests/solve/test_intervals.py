"""Solution intervals and channel groups."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.ms.rows import RowRuns
from atacal.solve.intervals import Solint, channel_groups, make_slots, parse_combine, parse_solint


def runs(time, scan, field=None, ddid=None):
    n = len(time)
    zero = np.zeros(n, np.int32)
    return RowRuns(
        np.arange(n), np.ones(n, np.int64), np.asarray(time, float), np.full(n, 30.0), np.full(n, 30.0),
        zero if ddid is None else np.asarray(ddid, np.int32), zero if field is None else np.asarray(field, np.int32),
        np.asarray(scan, np.int32), zero, zero, zero,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inf", Solint(float("inf"))),
        ("int", Solint(0.0)),
        ("60s", Solint(60.0)),
        ("2min", Solint(120.0)),
        ("90", Solint(90.0)),
        ("inf,20ch", Solint(float("inf"), channels=20)),
        ("inf,4MHz", Solint(float("inf"), width_hz=4e6)),
        ("int, 7.8125MHz", Solint(0.0, width_hz=7.8125e6)),
    ],
)
def test_solint(text, expected):
    assert parse_solint(text) == expected


@pytest.mark.parametrize("text", ["", "sixty", "60 parsec", "inf,20", "inf,wide"])
def test_unreadable_solint_is_named(text):
    with pytest.raises(ArgumentError, match="solint"):
        parse_solint(text)


def test_combine_says_what_is_possible():
    assert parse_combine("scan, spw") == {"scan", "spw"}
    with pytest.raises(ArgumentError, match=r"pol.*possible are obs, scan, field, spw"):
        parse_combine("scan,pol")


# first numbers of CASA 6.7's intervals on twelve 30 s integrations, measured by varying solint
@pytest.mark.parametrize(
    ("solint", "sizes"),
    [
        (0.0, [1] * 12),
        (30.5, [2] + [1] * 10),
        (45.0, [2, 1, 2, 1, 2, 1, 2, 1]),
        (59.0, [2, 2, 2, 2, 2, 2]),
        (61.0, [3, 2, 2, 2, 2, 1]),
        (75.0, [3, 2, 3, 2, 2]),
        (91.0, [4, 3, 3, 2]),
        (np.inf, [12]),
    ],
)
def test_intervals_lie_on_casas_grid(solint, sizes):
    slots = make_slots(runs(30.0 * np.arange(12), np.ones(12)), np.zeros(12, np.int32), solint, frozenset())
    assert list(np.bincount(slots.of_run)) == sizes


def test_boundaries_and_combine():
    time, scan, field = [0, 30, 60, 90], [1, 1, 2, 2], [0, 0, 0, 1]
    spw = np.zeros(4, np.int32)

    def count(combine):
        return len(make_slots(runs(time, scan, field), spw, np.inf, parse_combine(combine)))

    assert [count(c) for c in ("", "scan", "field", "scan,field")] == [3, 2, 2, 1]


def test_spws_are_apart_unless_combined():
    table = runs([0, 0, 30, 30], [1, 1, 1, 1], ddid=[0, 1, 0, 1])
    spw = np.array([3, 5, 3, 5], np.int32)
    apart = make_slots(table, spw, 0.0, frozenset())
    assert list(apart.spw) == [3, 3, 5, 5]
    assert list(apart.time0) == [0, 30, 0, 30]
    together = make_slots(table, spw, 0.0, frozenset({"spw"}))
    assert list(together.spw) == [3, 3]


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(2)
    order = rng.permutation(12)
    time, scan = 30.0 * np.arange(12), np.repeat([1, 2], 6)
    straight = make_slots(runs(time, scan), np.zeros(12, np.int32), 61.0, frozenset())
    shuffled = make_slots(runs(time[order], scan[order]), np.zeros(12, np.int32), 61.0, frozenset())
    np.testing.assert_array_equal(shuffled.of_run, straight.of_run[order])


def test_channel_groups_close_gaps_as_casa_does():
    wanted = np.zeros(63, bool)
    wanted[4:21] = wanted[30:52] = True
    group, n = channel_groups(wanted, np.full(63, 1e3), Solint(np.inf, channels=4), per_channel=True)
    assert n == 10
    centres = [np.flatnonzero(group == g).mean() for g in range(n)]
    assert centres[:5] == [5.5, 9.5, 13.5, 17.5, 28.25]
    assert centres[-1] == 50
    group, n = channel_groups(wanted, np.full(63, 1e3), Solint(np.inf, width_hz=4e3), per_channel=True)
    assert n == 10
    group, n = channel_groups(wanted, np.full(63, 1e3), Solint(np.inf), per_channel=False)
    assert n == 1
    assert (group >= 0).sum() == wanted.sum()
