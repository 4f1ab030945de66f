"""fixvis and fixplanets against CASA's, and fixvis' phase centres against its phaseshift, which replaced it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

SHIFT = "J2000 16h50m44.0 -29d43m50"  # 67 arcsec from field 2
SCRIPT = """
import shutil
for name in ("again", "moved", "offset", "pointed", "given", "median"):
    shutil.copytree(raw if name in ("pointed", "median") else sim, f"{name}.ms")
fixvis("again.ms", reuse=False, field="0,2")
fixvis("moved.ms", field="2", phasecenter=shift)
fixvis("offset.ms", field="0", phasecenter="5arcsec -3arcsec", datacolumn="data")
phaseshift(sim, "shifted.ms", field="2", phasecenter=shift, datacolumn="data")
fixplanets("pointed.ms", field="1,2", fixuvw=True, refant=1)
fixplanets("median.ms", field="0", reftime="median", refant="3")
fixplanets("given.ms", field="1", fixuvw=True, direction="J2000 15h50m35.3 5d27m11")
import os
result = {"folder": os.getcwd()}
"""


@pytest.fixture(scope="module")
def blocks(casa_once, sim_original, tmp_path_factory):
    """CASA's folder, the simulated block and a raw one, both with centroids off their times."""
    from pathlib import Path

    from casacore.tables import table

    from atacal.simulate import simulate
    from atacal.tasks import split

    place = tmp_path_factory.mktemp("centres")
    simulate(place / "whole.ms", preset="tiny", raw=True, seed=3)
    split(str(place / "whole.ms"), str(place / "raw.ms"), spw="0,13", datacolumn="data")
    shutil.rmtree(place / "whole.ms")
    shutil.copytree(sim_original, place / "sim.ms")
    with table(str(place / "sim.ms"), readonly=False, ack=False) as tab:
        centroid = tab.getcol("TIME_CENTROID")
        tab.putcol("TIME_CENTROID", centroid + np.random.default_rng(1).uniform(-2, 2, len(centroid)).round())
        flag = tab.getcol("FLAG_ROW")
        flag[::3] = True
        tab.putcol("FLAG_ROW", flag)
    folder = casa_once(SCRIPT, sim=str(place / "sim.ms"), raw=str(place / "raw.ms"), shift=SHIFT)["folder"]
    return Path(folder), place / "sim.ms", place / "raw.ms"


def column(path, name, where=""):
    from casacore.tables import table

    with table(str(path), ack=False) as tab:
        return (tab.query(where) if where else tab).getcol(name)


def directions_agree(casa, ours, rad):
    for sub, names in (("FIELD", ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR")), ("SOURCE", ("DIRECTION",))):
        for name in names:
            off = np.remainder(column(ours / sub, name) - column(casa / sub, name) + np.pi, 2 * np.pi) - np.pi
            np.testing.assert_allclose(off, 0, rtol=0, atol=rad)


def test_uvw_made_anew(blocks, tmp_path):
    from atacal.tasks import fixvis

    folder, sim, _ = blocks
    fixvis(str(sim), str(tmp_path / "out.ms"), field="0,2", reuse=False)
    np.testing.assert_allclose(column(tmp_path / "out.ms", "UVW"), column(folder / "again.ms", "UVW"), atol=1e-9)
    assert (column(tmp_path / "out.ms", "UVW") != column(sim, "UVW")).any()


def test_moved_phase_centre(blocks, tmp_path):
    """As phaseshift to the last digits; fixvis of CASA turns u and v the wrong way round, a second-order error."""
    from atacal.tasks import fixvis

    folder, sim, _ = blocks
    ours = tmp_path / "out.ms"
    fixvis(str(sim), str(ours), field="2", phasecenter=SHIFT)
    directions_agree(folder / "moved.ms", ours, 1e-12)
    keys = ("ANTENNA2", "ANTENNA1", "TIME", "DATA_DESC_ID")
    paths = (folder / "shifted.ms", ours, folder / "moved.ms")
    order = [np.lexsort([column(p, k, "FIELD_ID==2") for k in keys]) for p in paths]
    shifted, mine, fixed = (
        [column(p, name, "FIELD_ID==2")[o] for name in ("UVW", "DATA")] for p, o in zip(paths, order, strict=True)
    )
    np.testing.assert_allclose(mine[0], shifted[0], atol=1e-10)
    np.testing.assert_allclose(mine[1], shifted[1], atol=1e-6 * np.abs(shifted[1]).max())
    assert 0.01 < np.abs(mine[0] - fixed[0]).max() < 0.2
    np.testing.assert_array_equal(column(ours, "DATA", "FIELD_ID!=2"), column(sim, "DATA", "FIELD_ID!=2"))


def test_offsets(blocks, tmp_path):
    from atacal.tasks import fixvis

    folder, sim, _ = blocks
    fixvis(str(sim), str(tmp_path / "out.ms"), field="0", phasecenter="5arcsec -3arcsec", datacolumn="data")
    directions_agree(folder / "offset.ms", tmp_path / "out.ms", 1e-10)  # CASA rounds the offset directions
    there, here = column(folder / "offset.ms", "DATA"), column(tmp_path / "out.ms", "DATA")
    np.testing.assert_allclose(here, there, atol=1e-3 * np.abs(there).max())  # fixvis of CASA, see above


@pytest.mark.parametrize("name", ["pointed", "median", "given"])
def test_fixplanets(blocks, tmp_path, name):
    from atacal.tasks import fixplanets

    folder, sim, raw = blocks
    ours = tmp_path / "out.ms"
    shutil.copytree(sim if name == "given" else raw, ours)
    if name == "pointed":
        fixplanets(str(ours), field="1,2", fixuvw=True, refant=1)
    elif name == "median":
        fixplanets(str(ours), field="0", reftime="median", refant="3")
    else:
        fixplanets(str(ours), field="1", fixuvw=True, direction="J2000 15h50m35.3 5d27m11")
    directions_agree(folder / f"{name}.ms", ours, 1e-12 if name == "given" else 3e-9)
    # CASA takes UVW of up to half a second before, where rows of radiometers lie between those of the correlator
    off = np.abs(column(ours, "UVW") - column(folder / f"{name}.ms", "UVW")).max(axis=1)
    assert (off < 1e-6).mean() > 0.9
    assert off.max() < 0.01
