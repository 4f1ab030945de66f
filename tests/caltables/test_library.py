"""The calibration library: what a user says of the tables, and the factors that come of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.caltables.library import Library
from atacal.caltables.specs import map_spws, match_fields, parse_interp, per_table, per_table_calwt, per_table_spwmap
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError, CaltableMismatch
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream


def make_table(ms: MeasurementSet, kind="G Jones", *, slots=None, nchan=None, seed=0, npar=2, spws=None) -> CalTable:
    """A table of random gains: one solution for each of ``slots`` (time, field), by default one a scan."""
    md, rng = ms.metadata, np.random.default_rng(seed)
    if slots is None:
        runs = ms.runs
        slots = [(runs.time[runs.scan == s].mean(), int(runs.field[runs.scan == s][0])) for s in np.unique(runs.scan)]
    time, field = np.array([t for t, _ in slots]), np.array([f for _, f in slots], np.int32)
    n = len(slots)
    solutions = {}
    for spw in range(len(md.spws)) if spws is None else spws:
        shape = (n, md.nant, nchan or (md.spws[spw].nchan if kind.startswith("B") else 1), npar)
        gain = rng.uniform(0.5, 2, shape) * np.exp(1j * rng.uniform(-3, 3, shape))
        param = gain.astype(np.complex64) if kind not in ("K Jones", "B TSYS") else np.abs(gain).astype(np.float32)
        zero = np.zeros(shape, np.float32)
        solutions[spw] = SpwSolutions(
            spw, time, np.zeros(n), field, np.arange(n, dtype=np.int32), np.zeros(n, np.int32),
            np.zeros(shape[:2], np.int32), param, zero, zero + 10, np.zeros(shape, bool),
        )  # fmt: skip
    par_type = "Complex" if kind not in ("K Jones", "B TSYS") else "Float"
    name = Path(f"{kind}.cal")
    return CalTable(
        kind, par_type, "linear", md.name, md.antennas, md.fields, md.spws, solutions, Path(md.path), name
    )  # fmt: skip


@pytest.fixture
def ms(sim_original):
    with MeasurementSet(sim_original) as opened:
        yield opened


def blocks(ms, **selection):
    return stream(ms, select(ms, Selection(**selection)), ["DATA"], prefetch=False)


@pytest.mark.parametrize("time", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("more", ["", "PD", "perobs", "PDperscan"])
@pytest.mark.parametrize("freq", ["", ",nearest", ",linearflag", ",spline", ","])
def test_interp_strings(time, more, freq):
    got = parse_interp(time + more + freq)
    assert got.time == time
    assert got.phase_delay == ("PD" in more)
    assert got.slices == {"": "", "PD": "", "perobs": "obs", "PDperscan": "scan"}[more]
    assert got.freq == (freq.removeprefix(",").removesuffix("flag") or "linear")
    assert got.freq_flags == freq.endswith("flag")


@given(st.text(max_size=12))
def test_interp_is_read_or_refused(text):
    try:
        got = parse_interp(text)
    except ArgumentError as error:
        message = str(error)
    else:
        message = repr(text)
        assert got.time in ("nearest", "linear", "cubic")
    assert repr(text) in message


def test_lists_spread_over_tables():
    assert per_table("gainfield", "0", 2, "") == ["0", ""]
    assert per_table_spwmap([0, 0], 2) == [[0, 0], []]
    assert per_table_spwmap([[], [0, 0]], 2) == [[], [0, 0]]
    assert per_table_calwt(False, 3) == [False] * 3
    assert per_table_calwt([True, False], 2) == [True, False]
    with pytest.raises(ArgumentError, match="2 values for 3"):
        per_table_calwt([True, False], 3)
    with pytest.raises(ArgumentError, match="gainfield has 2 entries for 1"):
        per_table("gainfield", ["0", "1"], 1, "")


def test_spwmap_as_casa_reads_it(ms):
    table = make_table(ms)
    n = len(ms.metadata.spws)
    assert map_spws([], table, n).tolist() == list(range(n))
    assert map_spws([-1], table, n).tolist() == list(range(n))
    assert map_spws([1], table, n).tolist() == [1] * n
    with pytest.raises(ArgumentError, match="spws that"):
        map_spws([n], table, n)
    with pytest.raises(ArgumentError, match="entries"):
        map_spws([0] * (n + 1), table, n)


def test_gainfield_expressions(ms):
    fields = ms.metadata.fields
    assert match_fields(f"{fields[1].name}, 0", fields).tolist() == [0, 1]
    assert match_fields("1~3", fields).tolist() == [1, 2, 3]
    assert fields[0].id in match_fields(fields[0].name[:4] + "*", fields)
    with pytest.raises(ArgumentError, match="NOWHERE"):
        match_fields("NOWHERE", fields)


def test_gainfield_without_solutions_names_those_that_have(ms):
    table = make_table(ms, slots=[(ms.runs.time[0], 0)])
    with pytest.raises(CaltableMismatch, match=r"gainfield '1'.*0 \("):
        Library.build(ms, [table], ["1"])


def test_factors_are_the_solutions_in_force(ms):
    """Nearest in time, restricted to a field, is looked up by hand for every row."""
    table = make_table(ms)
    library = Library.build(ms, [table], [str(int(table.solutions[0].field[0]))], ["nearest"])
    for block in blocks(ms):
        factors = library.factors(block)
        solutions = table.solutions[block.spw]
        allowed = np.flatnonzero(solutions.field == table.solutions[0].field[0])
        for row in range(0, block.nrow, 97):
            k = allowed[np.argmin(np.abs(solutions.time[allowed] - block.time[row]))]
            np.testing.assert_allclose(factors.time_gain[factors.slot[row]], solutions.param[k, :, 0], rtol=1e-6)
        np.testing.assert_allclose(factors.weight, np.abs(factors.time_gain) ** 2, rtol=1e-5)


def test_nearest_field_on_the_sky(ms):
    fields = ms.metadata.fields
    t = ms.runs.time[0]
    table = make_table(ms, slots=[(t, f.id) for f in fields])
    library = Library.build(ms, [table], ["nearest"], ["nearest"])
    for block in blocks(ms):
        factors = library.factors(block)
        got = factors.time_gain[factors.slot]
        np.testing.assert_allclose(got, table.solutions[block.spw].param[block.field, :, 0], rtol=1e-6)


def test_terms_are_kept_factored(ms):
    gain = make_table(ms)
    band = make_table(ms, "B Jones", slots=[(ms.runs.time[0], 0)])
    bands = make_table(ms, "B Jones", seed=2)
    block = next(iter(blocks(ms)))
    one = Library.build(ms, [gain, band]).factors(block)
    assert one.full_gain is None
    np.testing.assert_allclose(one.chan_gain, band.solutions[block.spw].param[0], rtol=1e-6)
    two = Library.build(ms, [gain, band, bands], interp=["linear"] * 3).factors(block)
    nslot = len(two.time_gain)
    assert two.full_gain is None or two.full_gain.shape[0] == nslot
    np.testing.assert_allclose(two.time_gain, one.time_gain)


def test_a_flagged_solution_is_one_and_not_ok(ms):
    table = make_table(ms)
    for solutions in table.solutions.values():
        solutions.flag[:, 2, :, 1] = True
    factors = Library.build(ms, [table]).factors(next(iter(blocks(ms))))
    assert not factors.time_ok[:, 2, 1].any()
    assert factors.time_ok[:, 2, 0].all()
    assert (factors.time_gain[:, 2, 1] == 1).all()
    assert (factors.weight[:, 2, 1] == 1).all()


def test_spws_are_mapped_and_phase_delay_scales_phases(ms):
    table = make_table(ms, spws=[0], slots=[(ms.runs.time[0], 0)])
    table.solutions[0].param[:] = np.exp(0.3j)
    n = len(ms.metadata.spws)
    library = Library.build(ms, [table], interp=["linearPD"], spwmap=[[0] * n])
    for block in blocks(ms):
        freq = ms.metadata.spws[block.spw].chan_freq_hz
        ratio = freq[len(freq) // 2] / library.uses[0].ref_freq_hz(block.spw)
        np.testing.assert_allclose(np.angle(library.factors(block).time_gain), 0.3 * ratio, rtol=1e-5)


def test_missing_spw_is_named(ms):
    library = Library.build(ms, [make_table(ms, spws=[0])])
    with pytest.raises(CaltableMismatch, match=r"no solutions for spw 1; it has them for spw 0"):
        library.check_spws([0, 1])


def test_table_of_other_antennas(ms):
    table = make_table(ms)
    table.antennas = tuple(replace(a, name=f"other{a.id}") for a in table.antennas)
    with pytest.raises(CaltableMismatch, match="it lacks"):
        Library.build(ms, [table])


def test_table_of_unknown_kind(ms):
    with pytest.raises(CaltableError, match="X Mueller"):
        Library.build(ms, [make_table(ms, "X Mueller")])


def test_nothing_to_apply_changes_nothing(ms):
    factors = Library.build(ms).factors(next(iter(blocks(ms))))
    assert (factors.time_gain == 1).all()
    assert factors.time_ok.all()
    assert (factors.weight == 1).all()
