"""applycal on a simulated block, against the measurement equation written out in NumPy."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.apply.block import channel_median
from atacal.apply.library_pass import complement
from atacal.caltables.disk import write_caltable
from atacal.errors import ArgumentError, CaltableMismatch, EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import applycal

from ..caltables.test_library import make_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.fixture
def tables(sim_ms, tmp_path):
    """A G and a B table beside the MS; antenna 2 has no good Y gain, antenna 3 no good channels 5 to 9."""
    with MeasurementSet(sim_ms) as ms:
        gain, band = make_table(ms), make_table(ms, "B Jones", slots=[(ms.runs.time[0], 0)], seed=3)
    for solutions in gain.solutions.values():
        solutions.flag[:, 2, :, 1] = True
    for solutions in band.solutions.values():
        solutions.flag[:, 3, 5:10] = True
    paths = [str(tmp_path / "x.G"), str(tmp_path / "x.B")]
    write_caltable(paths[0], gain)
    write_caltable(paths[1], band)
    return paths, gain, band


def columns(path, *names, query=""):
    with open_casacore(str(path), ack=False) as tab:
        chosen = tab.query(query) if query else tab
        return tuple(chosen.getcol(n) if n in tab.colnames() else None for n in names)


def expected(path, gain, band, spw):
    """Corrected data, weights and flags of one spw, row by row."""
    query = f"DATA_DESC_ID=={spw}"
    data, flag, sigma, a1, a2, when = columns(
        path, "DATA", "FLAG", "SIGMA", "ANTENNA1", "ANTENNA2", "TIME", query=query
    )
    g, b = gain.solutions[spw], band.solutions[spw]
    nearest = np.abs(g.time[None, :] - when[:, None]).argmin(axis=1)
    factor = np.where(g.flag, 1, g.param)[nearest]  # (row, ant, 1, pol)
    bad = g.flag[nearest]
    rows = np.arange(len(data))
    jones = factor * np.where(b.flag[0], 1, b.param[0])[None]
    corrected = data / (jones[rows, a1] * jones[rows, a2].conj())
    flags = flag | bad[rows, a1] | bad[rows, a2] | b.flag[0][a1] | b.flag[0][a2]
    power = np.abs(factor[:, :, 0]) ** 2
    mean = np.ma.masked_array(np.abs(b.param[0]) ** 2, b.flag[0]).mean(axis=1).filled(1)
    weight = (power[rows, a1] * power[rows, a2] * mean[a1] * mean[a2]) / sigma**2
    return corrected, weight, flags


def test_calibrated_data_weights_and_flags(sim_ms, tables):
    paths, gain, band = tables
    report = applycal(str(sim_ms), gaintable=paths, interp=["nearest", "nearest,linearflag"], flagbackup=False)
    before = sim_ms  # DATA and SIGMA are as they were
    total = flagged = 0
    for spw in gain.solutions:
        want, weight, flags = expected(before, gain, band, spw)
        got, got_weight, got_flags = columns(sim_ms, "CORRECTED_DATA", "WEIGHT", "FLAG", query=f"DATA_DESC_ID=={spw}")
        np.testing.assert_array_equal(got_flags, flags)
        np.testing.assert_allclose(got[~flags], want[~flags], rtol=3e-6)
        np.testing.assert_allclose(got_weight, weight, rtol=1e-5)
        total, flagged = total + flags.size, flagged + int(flags.sum())
    assert report["total"] == total
    assert report["flagged_out"] == flagged
    assert report["flagged_in"] + sum(t["flagged_by"] for t in report["tables"]) == flagged
    for one in report["tables"]:
        assert one["flagged_by"] > 0
        assert one["reasons"] == {"flagged solution": one["flagged_by"]}


def test_an_antenna_without_solutions_is_flagged_and_said_to_be(sim_ms, tmp_path):
    with MeasurementSet(sim_ms) as ms:
        table = make_table(ms)
    for solutions in table.solutions.values():
        solutions.row = np.arange(solutions.param[..., 0, 0].size).reshape(solutions.param.shape[:2])
        solutions.row[:, 4] = -1
    report = applycal(str(sim_ms), gaintable=[table], flagbackup=False)
    a1, a2, flag = columns(sim_ms, "ANTENNA1", "ANTENNA2", "FLAG")
    assert flag[(a1 == 4) | (a2 == 4)].all()
    assert list(report["tables"][0]["reasons"]) == ["no solution for the antenna"]


def test_twice_is_once(sim_ms, tables):
    paths, _, _ = tables
    names = ("CORRECTED_DATA", "WEIGHT", "FLAG", "DATA", "SIGMA")
    applycal(str(sim_ms), gaintable=paths, flagbackup=False)
    once = columns(sim_ms, *names)
    report = applycal(str(sim_ms), gaintable=paths, flagbackup=False)
    for a, b in zip(once, columns(sim_ms, *names), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(t["flagged_by"] for t in report["tables"]) == 0


@pytest.mark.parametrize("mode", ["trial", "flagonly", "calonly", "calflag"])
def test_modes_write_what_they_say(sim_ms, tables, mode):
    paths, _, _ = tables
    flag, weight = columns(sim_ms, "FLAG", "WEIGHT")
    report = applycal(str(sim_ms), gaintable=paths, applymode=mode, flagbackup=False)
    new_flag, new_weight, corrected = columns(sim_ms, "FLAG", "WEIGHT", "CORRECTED_DATA")
    assert (new_flag != flag).any() == (mode in ("flagonly", "calflag"))
    assert (new_weight != weight).any() == (mode in ("calonly", "calflag"))
    assert (corrected is not None) == (mode in ("calonly", "calflag"))
    assert report["flagged_out"] > report["flagged_in"]


def test_rows_left_out_keep_their_data(sim_ms, tables):
    paths, _, _ = tables
    field, a1, a2, data, weight, flag = columns(sim_ms, "FIELD_ID", "ANTENNA1", "ANTENNA2", "DATA", "WEIGHT", "FLAG")
    applycal(str(sim_ms), field="0", antenna="1&2", gaintable=paths, flagbackup=False)
    corrected, new_weight, new_flag = columns(sim_ms, "CORRECTED_DATA", "WEIGHT", "FLAG")
    chosen = (field == 0) & (np.minimum(a1, a2) == 1) & (np.maximum(a1, a2) == 2)
    assert chosen.any()
    np.testing.assert_array_equal(corrected[~chosen], data[~chosen])
    np.testing.assert_array_equal(new_weight[~chosen], weight[~chosen])
    np.testing.assert_array_equal(new_flag[~chosen], flag[~chosen])
    assert (corrected[chosen] != data[chosen]).any()
    assert new_flag[chosen][..., 1].all()


def test_calwt_off_leaves_weights(sim_ms, tables):
    paths, _, _ = tables
    (weight,) = columns(sim_ms, "WEIGHT")
    applycal(str(sim_ms), gaintable=paths, calwt=False, flagbackup=False)
    np.testing.assert_array_equal(columns(sim_ms, "WEIGHT")[0], weight)


def test_strict_flags_spws_without_solutions(sim_ms, tmp_path):
    with MeasurementSet(sim_ms) as ms:
        write_caltable(tmp_path / "one.G", make_table(ms, spws=[0]))
    with pytest.raises(CaltableMismatch, match="no solutions for spw 1"):
        applycal(str(sim_ms), gaintable=[str(tmp_path / "one.G")], flagbackup=False)
    assert columns(sim_ms, "CORRECTED_DATA") == (None,)
    report = applycal(str(sim_ms), gaintable=[str(tmp_path / "one.G")], applymode="calflagstrict", flagbackup=False)
    assert report["uncalibrated_spws"] == [1]
    assert columns(sim_ms, "FLAG", query="DATA_DESC_ID==1")[0].all()
    assert not columns(sim_ms, "FLAG", query="DATA_DESC_ID==0")[0].all()


def test_flags_are_backed_up(sim_ms, tables):
    paths, _, _ = tables
    applycal(str(sim_ms), gaintable=paths)
    assert (sim_ms.with_name(sim_ms.name + ".flagversions") / "flags.applycal_1").is_dir()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"applymode": "calflags"}, ArgumentError, "applymode='calflags' is not one of"),
        ({"gaintable": []}, ArgumentError, "nothing to apply"),
        ({"docallib": True, "callib": "x.txt"}, ArgumentError, "gaintable, gainfield"),
        ({"interp": ["loess"]}, ArgumentError, "interp='loess' cannot be read"),
        ({"field": "NOWHERE"}, EmptySelection, "NOWHERE"),
    ],
)
def test_bad_arguments(sim_ms, tables, arguments, error, message):
    paths, _, _ = tables
    with pytest.raises(error, match=message):
        applycal(str(sim_ms), **({"gaintable": paths[:1], "flagbackup": False} | arguments))
    assert columns(sim_ms, "CORRECTED_DATA") == (None,)


def test_single_correlation_takes_the_first_receptor(sim_ms, tables):
    """receptors_of is what decides; the kernels know no more."""
    from atacal.apply.block import receptors_of
    from atacal.ms.metadata import Polarization

    assert receptors_of(Polarization(0, (12,), ((1, 1),))).tolist() == [[0, 0]]
    assert receptors_of(Polarization(0, (9, 12), ((0, 0), (1, 1)))).tolist() == [[0, 0], [1, 1]]


KILLED_AFTER_A_BLOCK = """
import os, signal
import atacal.apply.library_pass as p
from atacal.tasks import applycal
real = p._apply_block
def last(*a, **k):
    real(*a, **k)
    print("block", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
p._apply_block = last
applycal({ms!r}, gaintable={paths!r}, flagbackup=False)
"""


def kill_applycal(ms, paths):
    script = KILLED_AFTER_A_BLOCK.format(ms=str(ms), paths=paths)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "block" in killed.stdout


def test_killed_run_changes_nothing(sim_ms, tables):
    paths, _, _ = tables
    before = columns(sim_ms, "DATA", "FLAG", "WEIGHT")
    kill_applycal(sim_ms, paths)
    with MeasurementSet(sim_ms) as ms:
        assert not ms.has("CORRECTED_DATA")
    for old, new in zip(before, columns(sim_ms, "DATA", "FLAG", "WEIGHT"), strict=True):
        np.testing.assert_array_equal(new, old)


def test_killed_run_on_calibrated_data_is_put_right_by_another(sim_ms, tables, caplog):
    paths, _, _ = tables
    applycal(str(sim_ms), gaintable=paths[:1], flagbackup=False)
    before = columns(sim_ms, "DATA", "FLAG", "WEIGHT")
    kill_applycal(sim_ms, paths)
    with caplog.at_level("WARNING", "atacal"):
        MeasurementSet(sim_ms).close()
    after = columns(sim_ms, "DATA", "FLAG", "WEIGHT")
    assert "an earlier applycal did not come to its end: CORRECTED_DATA may be partly new" in caplog.text
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old)
    applycal(str(sim_ms), gaintable=paths, flagbackup=False)
    after = columns(sim_ms, "CORRECTED_DATA", "WEIGHT", "FLAG")
    applycal(str(sim_ms), gaintable=paths, flagbackup=False)
    for a, b in zip(after, columns(sim_ms, "CORRECTED_DATA", "WEIGHT", "FLAG"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_channel_median_takes_the_lower_middle_of_many():
    values = np.arange(128, dtype=np.float32).reshape(1, 128, 1)
    assert channel_median(values).item() == 63.0
    assert channel_median(values[:, :64]).item() == 31.5


def test_complement_of_segments():
    assert complement([(5, 5), (0, 2)], 12) == [(2, 3), (10, 2)]
    assert complement([], 3) == [(0, 3)]
    assert complement([(0, 3)], 3) == []
