"""smoothcal against CASA's, on tables of several fields, reference antennas and flags, and of radiometers."""

from __future__ import annotations

import numpy as np
import pytest

MAKE = """
import numpy as np, os
gaincal(ms, "g", solint="int", refant="0", minsnr=0)
gaincal(ms, "t", solint="int", refant="0", calmode="p", gaintype="T", spw="0")
bandpass(ms, "b", solint="inf", refant="0", fillgaps=4)
rng = np.random.default_rng(1)
tb = casatools.table()
for name in "gt":
    tb.open(name, nomodify=False)
    param, flag, time, antenna = (tb.getcol(c) for c in ("CPARAM", "FLAG", "TIME", "ANTENNA1"))
    tb.putcol("CPARAM", param * np.exp(1j * (time - time[0]) * 0.03 * (antenna - 3)))
    tb.putcol("FLAG", flag | (rng.random(flag.shape) < 0.1))
    tb.close()
for name, kind, width, field in cases:
    smoothcal(ms, name, f"{name}.{kind}{width:g}{field}", smoothtype=kind, smoothtime=width, field=field)
smoothcal(ms, "w", "w.smooth", smoothtype="mean", smoothtime=20)
result = {"folder": os.getcwd()}
"""
CASES = [
    *(("g", kind, width, "") for kind in ("mean", "median") for width in (20.0, 60.0, 4000.0)),
    ("t", "mean", 25.0, "0,2"),
    ("t", "median", 60.0, "1"),
    ("b", "median", 1000.0, ""),
]


@pytest.fixture(scope="module")
def smoothed(casa_once, sim_original, tmp_path_factory):
    """A folder with tables and CASA's smoothed ones."""
    import shutil
    from pathlib import Path

    from atacal.simulate import simulate
    from atacal.tasks import wvrgcal

    place = tmp_path_factory.mktemp("smooth")
    simulate(place / "raw.ms", preset="tiny", raw=True, seed=3)
    wvrgcal(str(place / "raw.ms"), str(place / "w.cal"))
    shutil.copytree(sim_original, place / "sim.ms")
    script = "import shutil\nshutil.copytree(wvr, 'w')\n" + MAKE
    folder = Path(casa_once(script, ms=str(place / "sim.ms"), wvr=str(place / "w.cal"), cases=CASES)["folder"])
    return folder, place / "sim.ms", place / "raw.ms"


def compare(casa, ours):
    from casacore.tables import table

    with table(str(casa), ack=False) as one, table(str(ours), ack=False) as two:
        assert one.colnames() == two.colnames()
        for column in set(one.colnames()) - {"WEIGHT", "CPARAM"}:
            np.testing.assert_array_equal(two.getcol(column), one.getcol(column), err_msg=column)
        np.testing.assert_allclose(two.getcol("CPARAM"), one.getcol("CPARAM"), rtol=0, atol=3e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c)))
def test_solutions(smoothed, tmp_path, case):
    from atacal.tasks import smoothcal

    folder, ms, _ = smoothed
    name, kind, width, field = case
    smoothcal(str(ms), str(folder / name), str(tmp_path / "out"), field=field, smoothtype=kind, smoothtime=width)
    compare(folder / f"{name}.{kind}{width:g}{field}", tmp_path / "out")


def test_radiometers(smoothed, tmp_path):
    from atacal.tasks import smoothcal

    folder, _, raw = smoothed
    smoothcal(str(raw), str(folder / "w"), str(tmp_path / "out"), smoothtype="mean", smoothtime=20)
    compare(folder / "w.smooth", tmp_path / "out")
