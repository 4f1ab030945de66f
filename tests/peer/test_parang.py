"""The parallactic angle beside CASA's: applied to all four correlations, and to a polarised model when solving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.caltables.disk import read_caltable
from atacal.caltables.library import feed_angles
from atacal.jones.parang import parallactic_angles, parang_matrix
from atacal.ms.measurement_set import MeasurementSet
from atacal.simulate import simulate
from atacal.tasks import applycal, gaincal

REFANT = "DA62"
ROUNDING = 1e-6
"""Of the four correlations together: what single precision leaves of a rotation there and back."""

SOLVES = {
    "polarised": {"field": "0,1", "solint": "inf", "parang": True, "smodel": [1.0, 0.1, 0.05, 0.02]},
    "polarised_without": {"field": "0,1", "solint": "inf", "smodel": [1.0, 0.1, 0.05, 0.02]},
    "every_integration": {"field": "0", "solint": "int", "parang": True},
}

SCRIPT = """
import os, shutil
gaincal(vis, "g", field="0", solint="inf", refant=refant)
for name, options in solves.items():
    gaincal(vis, name, refant=refant, **options)
for name, tables in (("alone", []), ("gains", ["g"])):
    shutil.copytree(vis, name + ".ms")
    applycal(name + ".ms", gaintable=tables, parang=True, flagbackup=False)
result = {"folder": os.getcwd()}
"""


@pytest.fixture(scope="module")
def setting(casa_once, tmp_path_factory) -> tuple[Path, Path]:
    """A simulated block with four correlations and turned feeds, and CASA's folder of tables and calibrated copies."""
    vis = tmp_path_factory.mktemp("parang") / "full.ms"
    simulate(vis, preset="tiny", seed=1, corrs="XX,XY,YX,YY")
    with open_casacore(f"{vis}/FEED", readonly=False, ack=False) as tab:
        angle = tab.getcol("RECEPTOR_ANGLE")
        tab.putcol("RECEPTOR_ANGLE", angle * 0 + np.array([0.3, 0.3 + np.pi / 2]))
    return vis, Path(casa_once(SCRIPT, vis=vis, refant=REFANT, solves=SOLVES)["folder"])


def columns(path: Path, *names: str) -> list[np.ndarray]:
    with open_casacore(str(path), ack=False) as tab:
        return [tab.getcol(name) for name in names]


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference of a correlation relative to the norm of all four."""
    norm = np.linalg.norm(theirs, axis=-1, keepdims=True)
    return float((np.abs(ours - theirs) / np.where(norm > 0, norm, 1)).max())


@pytest.mark.parametrize(("name", "tables"), [("alone", []), ("gains", ["g"])])
def test_applied(setting, name, tables, fresh_copy):
    vis, folder = setting
    mine = fresh_copy(vis)
    applycal(str(mine), gaintable=[str(folder / t) for t in tables], parang=True, flagbackup=False)
    names = ("CORRECTED_DATA", "FLAG", "WEIGHT")
    (ours, flag, weight), (theirs, their_flag, their_weight) = (
        columns(p, *names) for p in (mine, folder / f"{name}.ms")
    )
    np.testing.assert_array_equal(flag, their_flag)
    np.testing.assert_allclose(weight, their_weight, rtol=1e-5)
    assert apart(ours, theirs) < ROUNDING


def test_what_is_left_is_rounding(setting):
    """CASA's data beside the same rotation in double precision."""
    vis, folder = setting
    data, time, field, ant1, ant2 = columns(vis, "DATA", "TIME", "FIELD_ID", "ANTENNA1", "ANTENNA2")
    (theirs,) = columns(folder / "alone.ms", "CORRECTED_DATA")
    with MeasurementSet(vis) as ms:
        meta = ms.metadata
        times, which = np.unique(np.stack([time, field]), axis=1, return_inverse=True)
        fields = [meta.fields[int(f)] for f in times[1]]
        angle = parallactic_angles(times[0], fields, meta.antennas, meta.time_frame) + feed_angles(meta, 0)
    undo = parang_matrix(-angle, "linear")[which.reshape(-1)]
    rows = np.arange(len(data))
    left, right = undo[rows, ant1][:, None], undo[rows, ant2][:, None].swapaxes(-1, -2)
    exact = (left @ data.astype(complex).reshape(*data.shape[:2], 2, 2) @ right).reshape(data.shape)
    assert apart(exact, theirs) < ROUNDING
    # as far as rounding to single precision alone: a difference of angles of 1e-6 would show
    assert np.median(np.abs(exact - theirs) / np.linalg.norm(exact, axis=-1, keepdims=True)) < 1.5e-7


@pytest.mark.parametrize("name", SOLVES)
def test_solved(setting, name, tmp_path):
    vis, folder = setting
    gaincal(str(vis), str(tmp_path / name), refant=REFANT, **SOLVES[name])
    mine, theirs = read_caltable(tmp_path / name).solutions, read_caltable(folder / name).solutions
    assert mine.keys() == theirs.keys()
    for spw in mine:
        np.testing.assert_array_equal(mine[spw].flag, theirs[spw].flag)
        good = ~mine[spw].flag
        assert (np.abs(mine[spw].param - theirs[spw].param)[good] <= 0.05 * theirs[spw].error[good] + 1e-6).all()
