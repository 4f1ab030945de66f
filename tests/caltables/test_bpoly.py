"""BPOLY tables: what is written is read again, gains are those of the polynomials, what is wrong has a name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.bpoly import Polynomials, tabulated
from atacal.caltables.bpoly_disk import append_bpoly, is_bpoly, read_bpoly, write_bpoly
from atacal.caltables.bpoly_layout import CAL_DESC, CAL_HISTORY, MAIN
from atacal.caltables.bpoly_new import new_table
from atacal.caltables.disk import read_caltable, write_caltable
from atacal.caltables.library import Library
from atacal.errors import CaltableError, CaltableMismatch, InvalidTable, NoSuchTable, TableExists
from atacal.ms._tables import opened
from atacal.ms.metadata import Metadata, read_metadata
from atacal.solve.bpoly import evaluate, scaled

START = 5.2e9


@pytest.fixture(scope="module")
def meta(sim_original: Path) -> Metadata:
    return read_metadata(sim_original)


def polynomials(meta: Metadata, spw: int, nslot: int = 1, degree: int = 3, seed: int = 0) -> Polynomials:
    rng = np.random.default_rng([seed, spw])
    freq, nant = meta.spws[spw].chan_freq_hz, meta.nant
    good = np.ones((nslot, nant, 2), bool)
    good[:, 1, 1] = good[:, 4] = False
    shape = (nslot, nant, 2, degree + 1)
    return Polynomials(
        spw=spw, time=START + 60.0 * np.arange(nslot), interval=np.zeros(nslot), field=np.zeros(nslot, np.int32),
        scan=np.arange(nslot, dtype=np.int32) + 1, obs=np.zeros(nslot, np.int32),
        refant=np.zeros((nslot, nant), np.int32),
        amplitude=rng.normal(0, 0.1, shape) * good[..., None], phase=rng.normal(0, 1, shape) * good[..., None],
        scale=np.ones((nslot, nant), np.complex128),
        domain_hz=np.broadcast_to([freq.min(), freq.max()], (nslot, nant, 2)).copy(),
        good=good, snr=np.full(good.shape, 9.0, np.float32) * good,
    )  # fmt: skip


@pytest.fixture
def written(meta: Metadata, tmp_path: Path) -> Path:
    path = tmp_path / "x.bpoly"
    write_bpoly(path, new_table(meta, {0: polynomials(meta, 0, nslot=2), 1: polynomials(meta, 1)}))
    return path


def cells(path: Path) -> dict[str, str]:
    """Return everything a table and its subtables hold."""
    out = {}
    for sub in ("", "CAL_DESC", "CAL_HISTORY", "ANTENNA", "FIELD", "SPECTRAL_WINDOW", "OBSERVATION", "HISTORY"):
        if not (path / sub / "table.dat").exists():
            continue
        with opened(path / sub) as tab:
            out[f"{sub} info"] = str(tab.info())
            out[f"{sub} keywords"] = str(sorted(tab.keywordnames()))
            for column in tab.colnames():
                out[f"{sub}.{column} description"] = str(tab.getcoldesc(column))
                values = [tab.getcell(column, r) if tab.iscelldefined(column, r) else None for r in range(tab.nrows())]
                out[f"{sub}.{column}"] = str([(np.asarray(v).dtype, np.asarray(v).tolist()) for v in values])
    return out


def test_round_trip_loses_nothing(written, tmp_path):
    write_bpoly(tmp_path / "y.bpoly", read_bpoly(written))
    before, after = cells(written), cells(tmp_path / "y.bpoly")
    assert list(before) == list(after)
    assert {k for k in before if before[k] != after[k]} == set()


def test_round_trip_of_a_table_as_casa_writes_it(written, tmp_path, meta):
    """Without the small tables, FLAG set and SOLUTION_OK unset throughout, ids -1."""
    strip_to_casas(written)
    table = read_bpoly(written)
    assert table.antennas is None
    assert table.pol_basis == ""
    write_bpoly(tmp_path / "y.bpoly", table)
    assert cells(written) == cells(tmp_path / "y.bpoly")
    good = table.polynomials(meta.nant)[0].good
    assert not good[:, 4].any()
    assert not good[:, 1, 1].any()
    assert good.sum() == good.size - 2 * 3


def strip_to_casas(path: Path) -> None:
    with opened(path, writable=True) as tab:
        for sub in ("ANTENNA", "FIELD", "SPECTRAL_WINDOW", "OBSERVATION", "HISTORY", "PolBasis"):
            tab.removekeyword(sub)
        for row in range(tab.nrows()):
            tab.putcell("FLAG", row, np.ones((1, 1, 1, 1), bool))
            tab.putcell("SOLUTION_OK", row, np.zeros((1, 1, 1, 1), bool))
            tab.putcell("SNR", row, np.zeros((1, 1, 1, 1), np.float32))
        for column in ("SCAN_NUMBER", "OBSERVATION_ID"):
            tab.putcol(column, np.full(tab.nrows(), -1, np.int32))
    for sub in ("ANTENNA", "FIELD", "SPECTRAL_WINDOW", "OBSERVATION", "HISTORY"):
        shutil.rmtree(path / sub)


def test_columns_are_casas(written):
    with opened(written) as tab:
        assert tab.colnames() == list(MAIN)
        assert tab.info()["subType"] == "BPOLY"
        # casacore's axes (1, 1, 1, n) are the other way round here; CASA reads beyond the cell if they are not
        assert tab.getcell("POLY_COEFF_AMP", 0).shape == (8, 1, 1, 1)
        assert tab.getcell("VALID_DOMAIN", 0).shape == (2,)
        assert tab.getcell("N_POLY_PHASE", 0) == 4
    with opened(written / "CAL_DESC") as tab:
        assert tab.colnames() == list(CAL_DESC)
        assert tab.nrows() == 2
        assert list(tab.getcol("MS_NAME")) == ["sim.ms"] * 2
    with opened(written / "CAL_HISTORY") as tab:
        assert tab.colnames() == list(CAL_HISTORY)


def test_the_polynomials_come_back(written, meta):
    found = read_bpoly(written).polynomials(meta.nant)
    for spw, nslot in ((0, 2), (1, 1)):
        expected = polynomials(meta, spw, nslot)
        for name in (
            "time",
            "field",
            "scan",
            "obs",
            "refant",
            "amplitude",
            "phase",
            "scale",
            "domain_hz",
            "good",
            "snr",
        ):
            np.testing.assert_array_equal(getattr(found[spw], name), getattr(expected, name), err_msg=name)


def test_gains_are_those_of_the_series(meta):
    one = polynomials(meta, 0)
    one.scale[0, 2] = 0.5j
    freq = np.array([one.domain_hz[0, 0, 0] - 1e9, *meta.spws[0].chan_freq_hz])
    gain = one.gains(freq)
    x = scaled(freq, *one.domain_hz[0, 0])
    expected = 0.5j * np.exp(evaluate(one.amplitude[0, 2, 1], x) + 1j * evaluate(one.phase[0, 2, 1], x))
    np.testing.assert_allclose(gain[0, 2, :, 1], expected, rtol=1e-12)
    assert (gain[0, 4] == 1).all()
    assert (gain[0, 1, :, 1] == 1).all()
    lowest = int(np.argmin(meta.spws[0].chan_freq_hz)) + 1
    np.testing.assert_allclose(gain[:, :, 0], gain[:, :, lowest], rtol=1e-12)  # outside: the edge's value


def test_phases_in_degrees_are_read_as_such(written, meta):
    before = read_bpoly(written).polynomials(meta.nant)[0].phase
    with opened(written, writable=True) as tab:
        tab.putcol("PHASE_UNITS", ["DEGREES"] * tab.nrows())
    np.testing.assert_allclose(read_bpoly(written).polynomials(meta.nant)[0].phase, np.deg2rad(before))


def test_as_a_bandpass_on_its_spws_channels(written, meta):
    table = read_caltable(written)
    assert (table.kind, table.par_type, table.pol_basis) == ("BPOLY", "Complex", "linear")
    assert table.solutions[0].param.shape == (2, meta.nant, meta.spws[0].nchan, 2)
    np.testing.assert_array_equal(table.solutions[1].flag[0, 4], True)
    with pytest.raises(CaltableError, match="cannot be changed or written channel by channel"):
        write_caltable(written.with_name("z"), table)


def test_casas_tables_take_names_and_channels_from_the_measurementset(written, sim_original, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strip_to_casas(written)
    with pytest.raises(NoSuchTable, match=r"they are in the MeasurementSet sim\.ms, which is neither beside it nor in"):
        read_caltable(written)
    (tmp_path / "sim.ms").symlink_to(sim_original)
    assert read_caltable(written).antennas == read_metadata(sim_original).antennas


def test_append(written, meta):
    later = polynomials(meta, 1, degree=2, seed=9)
    later.time += 600.0
    append_bpoly(written, new_table(meta, {1: later}))
    both = read_bpoly(written).polynomials(meta.nant)
    assert len(both[0].time) == 2
    assert len(both[1].time) == 2
    np.testing.assert_array_equal(both[1].amplitude[1, :, :, :3], later.amplitude[0])
    np.testing.assert_array_equal(both[1].amplitude[1, :, :, 3], 0)
    with opened(written / "CAL_DESC") as tab:
        assert tab.nrows() == 2


def test_append_to_another_measurementsets(written, meta):
    other = new_table(meta, {0: polynomials(meta, 0)})
    other.cal_desc["MS_NAME"] = ["other.ms"]
    before = cells(written)
    with pytest.raises(CaltableMismatch, match=r"was solved from sim\.ms, .* from other\.ms"):
        append_bpoly(written, other)
    assert cells(written) == before


def test_what_is_there_is_not_replaced_unasked(written, meta, tmp_path):
    table = new_table(meta, {0: polynomials(meta, 0)})
    with pytest.raises(TableExists):
        write_bpoly(written, table)
    (tmp_path / "folder").mkdir()
    with pytest.raises(TableExists, match="not a calibration table"):
        write_bpoly(tmp_path / "folder", table, overwrite=True)
    write_bpoly(written, table, overwrite=True)
    assert is_bpoly(written)
    assert sorted(read_bpoly(written).polynomials(meta.nant)) == [0]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def damage(path: Path, column: str, value: object, row: int = 3) -> None:
    with opened(path, writable=True) as tab:
        tab.putcell(column, row, value)


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        ("POLY_TYPE", "SPLINE", InvalidTable, "row 3 has a polynomial of type 'SPLINE'"),
        ("N_POLY_AMP", 5, InvalidTable, "row 3 has 8 coefficients in POLY_COEFF_AMP, not two times the 5"),
        ("CAL_DESC_ID", 7, InvalidTable, "CAL_DESC_ID goes to 7, CAL_DESC has 2 rows"),
        ("ANTENNA1", 8, CaltableMismatch, "has solutions for antenna 8; there are 8 antennas"),
        ("POLY_COEFF_AMP", np.full((8, 1, 1, 1), np.nan), InvalidTable, "antenna 3 in spw 0 is not finite"),
    ],
)
def test_damaged_tables(written, column, value, error, message):
    damage(written, column, value)
    with pytest.raises(error, match=message.replace("(", r"\(")):
        read_caltable(written)


def test_damaged_subtables(written):
    shutil.rmtree(written / "CAL_DESC")
    with pytest.raises(InvalidTable):
        read_bpoly(written)


class TestLibrary:
    def factors(self, meta: Metadata, path: Path, spw: int, **options):
        library = Library.build(meta, gaintable=[path], **options)
        key = np.zeros(1, [("time", "f8"), ("field", "i4"), ("scan", "i4"), ("obs", "i4")])
        key["time"] = START
        (use,) = library.uses
        return use.evaluate(spw, key, meta.spws[spw].chan_freq_hz)

    def test_gains_at_the_datas_channels(self, written, meta):
        got = self.factors(meta, written, 0)
        np.testing.assert_allclose(got.gain[0], polynomials(meta, 0, 2).gains(meta.spws[0].chan_freq_hz)[0], rtol=1e-6)
        np.testing.assert_array_equal(got.ok[0, :, 0], polynomials(meta, 0).good[0])
        assert got.weight is None  # as in CASA, BPOLY never changes weights

    def test_spwmap_evaluates_the_polynomial_where_the_data_are(self, meta, tmp_path):
        """A polynomial over several spws serves them all, each at its own frequencies."""
        wide = polynomials(meta, 0)
        edges = np.concatenate([s.chan_freq_hz for s in meta.spws])
        wide.domain_hz[:] = edges.min(), edges.max()
        write_bpoly(tmp_path / "wide", new_table(meta, {0: wide}))
        got = self.factors(meta, tmp_path / "wide", 1, spwmap=[[0, 0]])
        np.testing.assert_allclose(got.gain[0], wide.gains(meta.spws[1].chan_freq_hz)[0], rtol=1e-6)

    def test_missing_spw(self, meta, tmp_path):
        write_bpoly(tmp_path / "one", new_table(meta, {0: polynomials(meta, 0)}))
        library = Library.build(meta, gaintable=[tmp_path / "one"])
        with pytest.raises(CaltableMismatch, match="no solutions for spw 1; it has them for spw 0"):
            library.check_spws([0, 1])

    def test_channels_outside_are_told(self, meta, tmp_path, caplog):
        narrow = polynomials(meta, 0)
        freq = np.sort(meta.spws[0].chan_freq_hz)
        narrow.domain_hz[:] = freq[10], freq[50]
        write_bpoly(tmp_path / "narrow", new_table(meta, {0: narrow}))
        with caplog.at_level("WARNING", logger="atacal"):
            got = self.factors(meta, tmp_path / "narrow", 0)
        assert "23 of 64 channels of spw 0 lie outside" in caplog.text
        assert got.ok[0, 0].all()

    def test_other_antennas(self, written, meta):
        from dataclasses import replace

        renamed = replace(meta, antennas=tuple(replace(a, name=f"X{a.name}") for a in meta.antennas))
        with pytest.raises(CaltableMismatch, match="whose antennas are not those of"):
            Library.build(renamed, gaintable=[written])


def test_a_table_of_fewer_antennas_names_them(written, meta):
    with pytest.raises(CaltableMismatch):
        tabulated(strip(read_bpoly(written)), meta.antennas[:5], meta.fields, meta.spws)


def strip(table):
    table.antennas = table.fields = table.spws = None
    return table


def test_equal_input_gives_equal_tables(meta, tmp_path):
    for name in ("a", "b"):
        write_bpoly(tmp_path / name, new_table(meta, {0: polynomials(meta, 0)}))
    assert json.dumps(cells(tmp_path / "a")) == json.dumps(cells(tmp_path / "b"))


def test_solutions_without_observation_serve_all(written, meta):
    """CASA's rows have OBSERVATION_ID -1; with perobs they would serve none."""
    strip_to_casas(written)
    key = np.zeros(1, [("time", "f8"), ("field", "i4"), ("scan", "i4"), ("obs", "i4")])
    key["time"], key["obs"] = START, 3
    (use,) = Library.build(meta, gaintable=[written], interp=["nearestperobs"]).uses
    assert use.evaluate(0, key, meta.spws[0].chan_freq_hz).ok[0, 0].all()


def test_relative_frequencies(written, meta):
    """With ``rel`` a polynomial is carried from the spw it was solved in to another of the same width."""
    key = np.zeros(1, [("time", "f8"), ("field", "i4"), ("scan", "i4"), ("obs", "i4")])
    key["time"] = START
    (use,) = Library.build(meta, gaintable=[written], interp=["nearest,linearrel"], spwmap=[[0, 0]]).uses
    got = use.evaluate(1, key, meta.spws[1].chan_freq_hz).gain[0]
    # channel by channel from the local oscillator's side, whatever the sidebands, as for B
    expected = polynomials(meta, 0, 2).gains(meta.spws[0].chan_freq_hz)[0]
    np.testing.assert_allclose(np.abs(got[0]), np.abs(expected[0]), rtol=1e-5)
