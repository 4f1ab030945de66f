"""Whole selections, on the small simulated block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, SelectionError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.selection import Selection, select
from atacal.ms.selection.select import split_runs
from atacal.ms.selection.timerange import time_text
from atacal.ms.stream import stream


@pytest.fixture
def ms(sim_original: Path) -> Iterator[MeasurementSet]:
    with MeasurementSet(sim_original) as opened:
        yield opened


def rows(ms: MeasurementSet, selected: Selected) -> set[int]:
    """Row numbers that a selection picks."""
    found: set[int] = set()
    for block in stream(ms, selected, [], prefetch=False):
        numbers = np.concatenate([np.arange(first, first + count) for first, count in block.segments])
        found |= set(numbers[block.wanted].tolist())
    return found


def column(ms: MeasurementSet, name: str) -> np.ndarray:
    return np.asarray(ms.table.getcol(name))


def test_everything(ms: MeasurementSet) -> None:
    selected = select(ms)
    assert rows(ms, selected) == set(range(ms.metadata.nrow))
    assert selected.spws == sorted({d.spw for d in ms.metadata.ddids})
    assert all(m.all() for m in selected.channels.values())
    assert all(m.all() for m in selected.corrs.values())
    assert selected.uv is None
    assert not select(ms, autocorr=False).baselines.diagonal().any()


def test_all_kinds_at_once_against_the_columns(ms: MeasurementSet) -> None:
    meta = ms.metadata
    name, other = meta.antenna_names()[:2]
    times = np.unique(column(ms, "TIME"))
    wanted = Selection(
        field=meta.fields[2].name,
        spw="1:3~7",
        antenna=f"{name},{other}",
        scan=">3",
        timerange=f"<{time_text(times[-2])}",
        uvrange="<200m",
        intent="*PHASE*",
        correlation="YY",
    )
    selected = select(ms, wanted)
    a1, a2, uvw = column(ms, "ANTENNA1"), column(ms, "ANTENNA2"), column(ms, "UVW")
    mask = (column(ms, "FIELD_ID") == 2) & (meta.ddid_spw[column(ms, "DATA_DESC_ID")] == 1) & (a1 != a2)
    mask &= np.isin(a1, [0, 1]) | np.isin(a2, [0, 1])
    mask &= (column(ms, "SCAN_NUMBER") > 3) & (column(ms, "TIME") <= times[-2] + 0.05)
    mask &= np.hypot(uvw[:, 0], uvw[:, 1]) <= 200
    mask &= np.isin(column(ms, "STATE_ID"), [i for i, m in enumerate(meta.state_intents) if "PHASE" in m])
    assert mask.any()
    assert rows(ms, selected) == set(np.flatnonzero(mask).tolist())
    assert np.flatnonzero(selected.channels[1]).tolist() == [3, 4, 5, 6, 7]
    assert selected.spws == [1]
    assert [m.tolist() for m in selected.corrs.values()] == [[False, True]]


def test_a_time_without_a_date_is_of_the_first_selected_row(ms: MeasurementSet) -> None:
    runs = ms.runs
    scan = int(runs.scan[-1])
    first = runs.time[runs.scan == scan][0]
    text = time_text(float(first)).rsplit("/", 1)[1]
    assert set(select(ms, Selection(scan=str(scan), timerange=text)).runs.time) == {first}
    # a bare second is of the minute in which the other selections begin
    second = text.rsplit(":", 1)[1].split(".")[0]
    assert first in select(ms, Selection(scan=str(scan), timerange=second)).runs.time


def test_numbers_and_lists_are_written_out(ms: MeasurementSet) -> None:
    assert Selection(spw=1, scan=[1, 2], field=("a", "b")) == Selection(spw="1", scan="1,2", field="a,b")  # type: ignore[arg-type]
    assert not Selection(antenna=" ")
    assert Selection(scan=0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="spw=True"):
        Selection(spw=True)  # type: ignore[arg-type]
    assert rows(ms, select(ms, Selection(scan=[1, 2]))) == rows(ms, select(ms, Selection(scan="1~2")))  # type: ignore[arg-type]


def test_taql_and_feeds_cut_runs(ms: MeasurementSet) -> None:
    picked = rows(ms, select(ms, Selection(msselect="ANTENNA1==1 && ANTENNA2>3", scan="1")))
    mask = (column(ms, "ANTENNA1") == 1) & (column(ms, "ANTENNA2") > 3) & (column(ms, "SCAN_NUMBER") == 1)
    assert picked == set(np.flatnonzero(mask).tolist())
    assert rows(ms, select(ms, Selection(feed="0&&"))) == set(range(ms.metadata.nrow))
    with pytest.raises(EmptySelection, match=r"\(0, 0\)"):
        select(ms, Selection(feed="0"))
    with pytest.raises(SelectionError, match="TaQL"):
        select(ms, Selection(msselect="ANTENNA1=="))


def test_split_runs(ms: MeasurementSet) -> None:
    runs = ms.runs[:2]
    picked = split_runs(runs, lambda row0, nrow: np.arange(row0, row0 + nrow) % 3 != 0)
    expected = [r for a, n in zip(runs.row0, runs.nrow, strict=True) for r in range(a, a + n) if r % 3]
    got = [r for a, n in zip(picked.row0, picked.nrow, strict=True) for r in range(a, a + n)]
    assert got == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Selection(scan="99"), r"scans 1~"),
        (Selection(field="ghost"), r"0: J1517-2422"),
        (Selection(antenna="ghost"), r"DA47"),
        (Selection(spw="9"), r"1: X1040312740#ALMA_RB_06#BB_2#SW-01#FULL_RES"),
        (Selection(intent="*POINTING*"), r"CALIBRATE_PHASE#ON_SOURCE"),
        (Selection(timerange=">2050/01/01/00:00:00"), r"2024/06/15/02:54:03\.0~"),
        (
            Selection(uvrange=">1Mlambda"),
            r"'>1Mlambda' leaves nothing.*; their uv distances are \d+\.\d~\d+\.\d m$",
        ),
        (Selection(antenna="DA47&&&"), r"antenna 'DA47&&&' leaves nothing.*; the baselines are between DA47, "),
        (Selection(field="J1517"), r"did you mean 'J1517\*'"),
        (Selection(field="0", scan="2"), r"fields 0, scans 1, spws 0~1"),
        (Selection(observation="3"), r"observations 0"),
        (Selection(array="3"), r"arrays 0"),
        (Selection(correlation="XY"), r"XX YY"),
        (Selection(msselect="ANTENNA1==999"), r"no row"),
    ],
)
def test_an_empty_selection_says_what_there_is(ms: MeasurementSet, wanted: Selection, message: str) -> None:
    with pytest.raises(EmptySelection, match=message):
        select(ms, wanted)
