"""gaincal and bandpass against CASA: same data, same parameters, same pre-applied tables."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.calibrater.gather import gather
from atacal.calibrater.solutions import condition_data
from atacal.caltables.disk import read_caltable
from atacal.caltables.library import Library
from atacal.caltables.table import SpwSolutions
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.solve import intervals
from atacal.tasks import bandpass, gaincal

REFANT = "15"
SIM_REFANT = "DA62"
CENTRE = "0:6~56"
PHASE_DEG = 0.01
SNR_MARGIN = 0.05
EARLY_STOP = 0.05
"""Errors by which CASA's phases may lie off the minimum of chi-squared."""

SOLVES: dict[str, dict[str, Any]] = {
    "phaseup": {"field": "0", "spw": "0:20~40", "solint": "int", "calmode": "p"},
    "bandpass": {"field": "0", "solint": "inf", "combine": "scan", "gaintable": ["phaseup"]},
    "bandpass_norm": {"field": "0", "solint": "inf", "solnorm": True, "gaintable": ["phaseup"]},
    "bandpass_4ch": {"field": "0", "spw": "0:4~20;30~51", "solint": "inf,4ch", "gaintable": ["phaseup"]},
    "phase_int": {"field": "0,1", "spw": CENTRE, "solint": "int", "calmode": "p", "gaintable": ["bandpass"]},
    "phase_inf": {"field": "0,1", "spw": CENTRE, "solint": "inf", "calmode": "p", "gaintable": ["bandpass"]},
    "amp_inf": {
        "field": "0,1", "spw": CENTRE, "solint": "inf", "calmode": "a", "gaintype": "T",
        "gaintable": ["bandpass", "phase_int"],
    },
    "both_90s": {"field": "1", "spw": CENTRE, "solint": "90s", "calmode": "ap", "gaintable": ["bandpass"]},
    "both_61s": {"field": "0", "spw": CENTRE, "solint": "61s", "calmode": "ap", "gaintable": ["bandpass"]},
    "combined": {"field": "0,1", "spw": CENTRE, "combine": "scan", "gaintable": ["bandpass"]},
    "normalised": {"field": "0,1", "spw": CENTRE, "solnorm": True, "gaintable": ["bandpass"]},
    "short_spacings": {"field": "0", "spw": CENTRE, "uvrange": "<400m", "minblperant": 3, "gaintable": ["bandpass"]},
    "subset": {"field": "0", "spw": CENTRE, "antenna": "1,2,3,4,5,6,15&", "gaintable": ["bandpass"]},
    "strict_refant": {
        "field": "0,1", "spw": CENTRE, "solint": "int", "calmode": "p", "refantmode": "strict", "minsnr": 20,
        "gaintable": ["bandpass"],
    },
    "target": {"field": "2", "spw": CENTRE, "solint": "inf", "calmode": "p", "gaintable": ["bandpass"]},
}  # fmt: skip

SCRIPT = """
import os
flagdata(vis=vis, autocorr=True, flagbackup=False)
setjy(vis=vis, field='0', standard='manual', fluxdensity=[14.76, 0, 0, 0], usescratch=True)
result = {}
for name, options in solves.items():
    task = bandpass if name.startswith('bandpass') else gaincal
    task(vis=vis, caltable=name, refant=refant, **options)
    result[name] = os.path.abspath(name)
"""


@pytest.fixture(scope="module")
def casa_tables(casa_once, ngc5921_original, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The MeasurementSet and CASA's tables."""
    vis = tmp_path_factory.mktemp("solve") / "ngc5921.ms"
    shutil.copytree(ngc5921_original, vis)
    return vis, casa_once(SCRIPT, vis=vis, solves=SOLVES, refant=REFANT)


def ours(vis: Path, tables: dict[str, str], name: str, directory: Path) -> Path:
    options = dict(SOLVES[name])
    options["gaintable"] = [tables[t] for t in options.get("gaintable", [])]
    task = bandpass if name.startswith("bandpass") else gaincal
    task(str(vis), str(directory / name), refant=REFANT, **options)
    return directory / name


@pytest.mark.parametrize("name", SOLVES)
def test_solutions_agree(casa_tables, name, tmp_path):
    vis, tables = casa_tables
    mine = read_caltable(ours(vis, tables, name, tmp_path)).solutions[0]
    compare(mine, read_caltable(tables[name]).solutions[0], SOLVES[name])


def compare(mine: SpwSolutions, theirs: SpwSolutions, options: dict[str, Any]) -> None:
    """Assert that two solutions of an spw are the same within a fraction of their errors, and flagged alike."""
    assert mine.param.shape == theirs.param.shape
    for column in ("field", "scan", "obs", "refant"):
        np.testing.assert_array_equal(getattr(mine, column), getattr(theirs, column), err_msg=column)
    # the mean time is weighted, and CASA counts the data's power too in phase-only solves (0.06 s here); the simulated
    # block's bandpass differs by 0.7 s for a reason not yet found
    np.testing.assert_allclose(mine.time, theirs.time, rtol=0, atol=1.0)
    minsnr = options.get("minsnr", 3.0)
    at_limit = (np.abs(np.maximum(mine.snr, theirs.snr) / minsnr - 1) < SNR_MARGIN) & (mine.flag != theirs.flag)
    same = (mine.flag == theirs.flag) | at_limit
    assert same.mean() >= 0.999, f"{(~same).sum()} flags differ"
    good = ~mine.flag & ~theirs.flag
    assert good.any()
    difference = np.abs(mine.param - theirs.param)[good] / theirs.error[good]
    assert np.median(difference) < 0.25
    assert np.mean(difference < 1) >= 0.999
    if options.get("calmode") == "p":
        degrees = np.abs(np.angle(mine.param[good] / theirs.param[good], deg=True))
        # beyond that only where CASA stopped short of the minimum by a small part of a large error (chi-squared tells)
        assert np.all((degrees < PHASE_DEG) | (difference < EARLY_STOP))
    np.testing.assert_allclose(mine.error[good], theirs.error[good], rtol=0.02)


SIMULATED: dict[str, dict[str, Any]] = {
    "phaseup": {"field": "0", "spw": "*:24~40", "solint": "int", "calmode": "p"},
    "bandpass": {"field": "0", "combine": "scan", "gaintable": ["phaseup"], "interp": ["nearest"]},
    "phase_int": {"field": "0,1,2", "solint": "int", "calmode": "p", "gaintable": ["bandpass"]},
    "amp_inf": {
        "field": "0,1,2", "solint": "inf", "calmode": "a", "gaintype": "T", "gaintable": ["bandpass", "phase_int"],
        "interp": ["nearest", "nearest"],
    },
    "phase_inf": {"field": "0,1,2", "solint": "inf", "calmode": "p", "gaintable": ["bandpass"]},
    "offsets": {"field": "0", "combine": "scan", "calmode": "p", "gaintable": ["bandpass"]},
    "spws_combined": {
        "field": "2", "solint": "inf", "combine": "spw", "calmode": "p", "gaintype": "T",
        "gaintable": ["bandpass", "offsets"],
    },
}  # fmt: skip
"""On a simulated block with two spws, a dead polarisation, a low gain, a phase jump and flagged integrations.

Tables of every integration are taken by the nearest: CASA's linear loses antennas beside flagged solutions, since its
own solution times are a microsecond off.
"""


@pytest.fixture(scope="module")
def simulated_tables(casa_once, sim_original, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    vis = tmp_path_factory.mktemp("solve") / "sim.ms"
    shutil.copytree(sim_original, vis)
    script = SCRIPT.replace("flagdata(vis=vis, autocorr=True, flagbackup=False)\n", "").replace("14.76", "1.5")
    return vis, casa_once(script, vis=vis, solves=SIMULATED, refant=SIM_REFANT)


@pytest.mark.parametrize("name", SIMULATED)
def test_solutions_agree_on_a_simulated_block(simulated_tables, name, tmp_path):
    vis, tables = simulated_tables
    options = dict(SIMULATED[name])
    options["gaintable"] = [tables[t] for t in options.get("gaintable", [])]
    task = bandpass if name == "bandpass" else gaincal
    task(str(vis), str(tmp_path / name), refant=SIM_REFANT, **options)
    mine, theirs = read_caltable(tmp_path / name).solutions, read_caltable(tables[name]).solutions
    assert mine.keys() == theirs.keys()
    for spw in mine:
        compare(mine[spw], theirs[spw], options)


@pytest.mark.parametrize("name", [n for n in SOLVES if not SOLVES[n].get("solnorm")])
def test_chi_squared_is_no_higher_than_casas(casa_tables, name, tmp_path):
    vis, tables = casa_tables
    paths = (ours(vis, tables, name, tmp_path), Path(tables[name]))
    mine, theirs = (chi_squared(vis, tables, name, read_caltable(p).solutions[0]) for p in paths)
    assert np.isfinite(mine).any()
    assert np.nanmax(mine / theirs - 1) <= 1e-6


def chi_squared(vis: Path, tables: dict[str, str], name: str, solutions) -> np.ndarray:
    """Chi-squared of a table's gains on the sums that both solved, (slot, channel), NaN where nothing was solved.

    The amplitude that a phase-only solution leaves open is fitted.
    """
    options = SOLVES[name]
    per_channel = name.startswith("bandpass")
    with MeasurementSet(vis) as ms:
        keys = ("field", "spw", "uvrange", "antenna")
        selected = select(ms, Selection(**{k: options.get(k, "") for k in keys}), autocorr=False)
        solint = intervals.parse_solint(options.get("solint", "inf"))
        combine = intervals.parse_combine(options.get("combine", "scan" if per_channel else ""))
        run_spw = ms.metadata.ddid_spw[selected.runs.ddid]
        slots = intervals.make_slots(selected.runs, run_spw, solint.seconds, combine)
        width = ms.metadata.spws[0].chan_width_hz
        groups = {0: intervals.channel_groups(selected.channels[0], width, solint, per_channel=per_channel)}
        names = [tables[t] for t in options.get("gaintable", [])]
        library = Library.build(ms, gaintable=names) if names else None
        (sums,) = gather(ms, selected, slots, groups, library=library, model=SkyModel.of(ms))
    calmode = options.get("calmode", "ap")
    d, b = condition_data(sums.d, sums.b, calmode)
    ant1, ant2 = np.triu_indices(solutions.param.shape[1], 1)
    gain = np.broadcast_to(solutions.param, (*solutions.param.shape[:3], 2)).astype(complex)
    good = np.broadcast_to(~solutions.flag, gain.shape)
    model = gain[:, ant1] * gain[:, ant2].conj()
    weight = b * good[:, ant1] * good[:, ant2]
    if calmode == "p":
        # one real factor a slot and polarisation is free
        scale = (weight * (d * model.conj()).real).sum(1) / np.maximum((weight * np.abs(model) ** 2).sum(1), 1e-30)
        model = model * scale[:, None]
    value = (weight * np.abs(d - model) ** 2).sum((1, 3))
    return np.where(weight.sum((1, 3)) > 0, value, np.nan)


def test_delays_agree_within_casas_grid(casa_once, casa_tables, tmp_path):
    vis, tables = casa_tables
    found = casa_once(
        "import os\ngaincal(vis=vis, caltable='delays', field='0', gaintype='K', refant=refant, gaintable=[up])\n"
        "result = {'path': os.path.abspath('delays')}",
        vis=vis, refant=REFANT, up=tables["phaseup"],
    )  # fmt: skip
    gaincal(str(vis), str(tmp_path / "K"), field="0", gaintype="K", refant=REFANT, gaintable=[tables["phaseup"]])
    mine, theirs = (read_caltable(p).solutions[0] for p in (tmp_path / "K", found["path"]))
    np.testing.assert_array_equal(mine.flag, theirs.flag)
    bandwidth_ghz = 63 * 24414.0625e-9
    # CASA interpolates the peak of one baseline's transform: a few thousandths of 1 / bandwidth
    assert np.abs(mine.param - theirs.param)[~mine.flag].max() < 0.01 / bandwidth_ghz
