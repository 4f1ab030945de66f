"""Numbers of the QA2 report, and names of plotbandpass' pictures, beside CASA's."""

from __future__ import annotations

from pathlib import Path

import pytest

from atacal.qa2 import qa2
from atacal.recipe import calibrate
from atacal.tasks import plotbandpass

STATISTICS = """
from casatasks import visstat
result = {}
for spw in range(2):
    for field in fields:
        for corr in ('XX', 'YY'):
            s = visstat(vis, axis='real', datacolumn='corrected', spw=f'{spw}:16~47', field=str(field),
                        correlation=corr, useflags=True, reportingaxes='ddid')
            (one,) = s.values()
            result[f'{field} {spw} {corr}'] = [one['mean'], one['npts']]
"""
NAMES = """
import glob
from casatasks import plotbandpass
for case, (overlay, subplot) in enumerate(cases):
    plotbandpass(table, overlay=overlay, subplot=subplot, xaxis='freq', yaxis='amp', interactive=False, antenna='0,1',
                 vis=vis, figfile=f'case{case}')
result = sorted(glob.glob('case*.png'))
"""
CASES = (("", "11"), ("time", "11"), ("antenna", "11"), ("antenna,time", "11"), ("", "22"))


@pytest.fixture(scope="module")
def calibrated(sim_original, tmp_path_factory) -> Path:
    import shutil

    path = tmp_path_factory.mktemp("qa2") / "sim.ms"
    shutil.copytree(sim_original, path)
    calibrate(str(path), flux_density=1.15, spix=-0.62, reffreq="233GHz", pictures=False)
    return path


def test_calibrated_amplitudes(calibrated, casa):
    theirs = casa(STATISTICS, vis=calibrated, fields=[0, 2])
    report = qa2(calibrated, pictures=False)
    (table,) = next(s for s in report.sections if s.key == "calibrated").tables
    for row in table.rows:
        name, spw, amplitude = row[0], row[1], row[3]
        field = {"J1517-2422": 0, "J1650-2943": 2}.get(name)
        if field is None:
            continue
        parts = [theirs[f"{field} {spw} {corr}"] for corr in ("XX", "YY")]
        mean = sum(m * n for m, n in parts) / sum(n for _, n in parts)
        # averages count alike here, whatever number of their channels is flagged
        assert amplitude == pytest.approx(mean, rel=2e-3)


def test_names_of_pictures(calibrated, casa, tmp_path):
    table = calibrated.parent / "sim.calibrate" / "sim.bandpass"
    theirs = casa(NAMES, table=table, vis=calibrated, cases=CASES)
    mine = []
    for case, (overlay, subplot) in enumerate(CASES):
        mine += plotbandpass(
            str(table), overlay=overlay, subplot=subplot, xaxis="freq", yaxis="amp", antenna="0,1", vis=str(calibrated),
            figfile=str(tmp_path / f"case{case}"),
        )  # fmt: skip
    # with times overlaid CASA gives the pages of several spws one name, so that the first remains
    print(sorted(p.name for p in mine), theirs)
    assert set(theirs) <= {p.name for p in mine}
    assert {p.name for p in mine if p.name.startswith(("case0", "case2", "case4"))} <= set(theirs)
