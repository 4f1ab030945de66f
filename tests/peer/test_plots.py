"""The numbers that plotms and plotcal draw, against what CASA's own tools give for the same data.

CASA's plotms is no part of its Python packages; the ms, table and measures tools and mstransform stand in for it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.caltables.disk import read_caltable
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.plots.axes import axis_of
from atacal.plots.cells import Averaging
from atacal.plots.tables import table_axis, table_points
from atacal.plots.visibilities import Request, gather

SELECTION = {"field": "0,1", "spw": "0:10~25", "antenna": "0~6&"}

SCRIPT = """
import os
ms = casatools.ms()
names = ["amplitude", "phase", "real", "imaginary", "u", "v", "w", "uvdist", "time", "weight", "sigma", "flag",
         "antenna1", "antenna2", "field_id", "scan_number"]

def read(path, chans=None):
    ms.open(path)
    ms.msselect({"field": "0,1", "baseline": "0~6&"})
    if chans:
        ms.selectchannel(chans[1], chans[0], 1, 1)
    found = ms.getdata(names)
    ms.close()
    np.savez(out + "/" + os.path.basename(path) + ".npz", **found)

read(vis, (10, 16))
common = dict(vis=vis, datacolumn="data", field="0,1", spw="0:10~25", antenna="0~6&", keepflags=True)
mstransform(outputvis="chan", chanaverage=True, chanbin=4, **common)
mstransform(outputvis="time", timeaverage=True, timebin="1e6s", **common)
mstransform(outputvis="both", timeaverage=True, timebin="1e6s", chanaverage=True, chanbin=16, **common)
mstransform(outputvis="minutes", timeaverage=True, timebin="90s", **common)
for name in ("chan", "time", "both", "minutes"):
    read(name)

me, qa = casatools.measures(), casatools.quanta()
result = {"sky": []}
for t, ra, dec, x, y, z in sky:
    r = np.sqrt(x * x + y * y + z * z)
    me.doframe(me.position("ITRF", *[qa.quantity(v, "rad") for v in (np.arctan2(y, x), np.arcsin(z / r))],
                           qa.quantity(r, "m")))
    me.doframe(me.epoch("TAI", qa.quantity(t, "s")))
    source = me.direction("J2000", qa.quantity(ra, "rad"), qa.quantity(dec, "rad"))
    azel, hadec = me.measure(source, "AZEL"), me.measure(source, "HADEC")
    pole = me.measure(me.direction("HADEC", "0deg", "90deg"), "AZEL")
    result["sky"].append([azel["m1"]["value"], azel["m0"]["value"], hadec["m0"]["value"],
                          qa.convert(me.posangle(azel, pole), "rad")["value"]])

setjy(vis, field="0", standard="manual", fluxdensity=[14.76, 0, 0, 0], usescratch=False)
bandpass(vis, "B", field="0", refant="14")
gaincal(vis, "G", field="0,1", refant="14", solint="60s")
tb = casatools.table()
for name in ("B", "G"):
    tb.open(name)
    np.savez(out + "/" + name + ".npz", **{c: tb.getcol(c) for c in
             ("CPARAM", "FLAG", "SNR", "TIME", "ANTENNA1", "SCAN_NUMBER")})
    tb.close()
    tb.open(name + "/SPECTRAL_WINDOW")
    np.savez(out + "/" + name + ".freq.npz", freq=tb.getcol("CHAN_FREQ"))
    tb.close()
result["folder"] = os.getcwd()
"""


@pytest.fixture(scope="module")
def setting(casa_once, ngc5921_original, tmp_path_factory) -> tuple[Path, Path, dict[str, Any], np.ndarray]:
    """NGC 5921 with odd weights and flags, the folder of CASA's numbers, and where the sky was asked for."""
    folder = tmp_path_factory.mktemp("plots")
    vis = folder / "n.ms"
    shutil.copytree(ngc5921_original, vis)
    rng = np.random.default_rng(8)
    with open_casacore(str(vis), readonly=False, ack=False) as tab:
        weight = rng.uniform(0.5, 2, tab.getcol("WEIGHT").shape).astype(np.float32)
        tab.putcol("WEIGHT", weight)
        tab.putcol("SIGMA", (1 / np.sqrt(weight)).astype(np.float32))
        if "WEIGHT_SPECTRUM" in tab.colnames():
            tab.putcol("WEIGHT_SPECTRUM", np.repeat(weight[:, None], tab.getcol("FLAG").shape[1], axis=1))
        flag = tab.getcol("FLAG")
        tab.putcol("FLAG", flag | (rng.random(flag.shape) < 0.1))
    with MeasurementSet(vis) as ms:
        runs, meta = ms.runs, ms.metadata
        place = meta.antenna_positions_m.mean(axis=0).tolist()
        sky = [[t, *meta.fields[f].phase_dir_rad, *place] for t, f in zip(runs.time, runs.field, strict=True)]
    return vis, folder, casa_once(SCRIPT, vis=vis, out=folder, sky=sky), np.array(sky)


def points(vis: Path, x: str, y: str, averaging: Averaging | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Our points, in the order of y."""
    request = Request(axis_of(x, parameter="xaxis"), axis_of(y, parameter="yaxis"), averaging=averaging or Averaging())
    with MeasurementSet(vis) as ms:
        gathered = gather(ms, select(ms, Selection(**SELECTION), autocorr=False), request, max_points=10**8)
    _, _, at, value = gathered.collector.points()
    order = np.lexsort([at, value])
    return at[order], value[order]


def casas(folder: Path, name: str) -> dict[str, np.ndarray]:
    return dict(np.load(folder / f"{name}.npz"))


def unflagged(theirs: dict[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Values (corr, chan, row), or what broadcasts to that, where there is no flag."""
    return np.broadcast_to(values, theirs["flag"].shape)[~theirs["flag"]]


def compare(mine: tuple[np.ndarray, np.ndarray], x: np.ndarray, y: np.ndarray, rtol: float) -> None:
    """Assert that points are the same, each x beside its y; y differ by ``rtol`` of their size."""
    assert len(mine[1]) == len(y) > 100
    scale = np.abs(y).max()
    np.testing.assert_allclose(np.sort(mine[1]), np.sort(y), rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(np.sort(mine[0]), np.sort(x), rtol=1e-9, atol=1e-9 * np.abs(x).max())
    # x and y belong together: their products agree in the mean
    assert np.mean(mine[0] * mine[1]) == pytest.approx(np.mean(x * y), rel=1e-5, abs=1e-5 * np.std(x) * np.std(y))


@pytest.mark.parametrize("y", ["amp", "phase", "real", "imag", "wt", "sigma"])
@pytest.mark.parametrize("x", ["uvdist", "time", "u", "v", "w", "chan", "antenna1", "antenna2", "scan", "field"])
def test_axes(setting, x, y):
    vis, folder, _, _ = setting
    theirs = casas(folder, "n.ms")
    names = {"antenna1": "antenna1", "antenna2": "antenna2", "scan": "scan_number", "field": "field_id"}
    along = np.arange(10, 26)[:, None] if x == "chan" else theirs[names.get(x, x)]
    values = {
        "amp": theirs["amplitude"], "phase": np.degrees(theirs["phase"]), "real": theirs["real"],
        "imag": theirs["imaginary"], "wt": theirs["weight"][:, None], "sigma": theirs["sigma"][:, None],
    }[y]  # fmt: skip
    if y in ("wt", "sigma") and x != "chan":  # a point for each row and correlation with any unflagged channel
        seen = ~theirs["flag"].all(axis=1)
        along, values = np.broadcast_to(along, seen.shape)[seen], values[:, 0][seen]
    else:
        along, values = unflagged(theirs, along), unflagged(theirs, values)
    compare(points(vis, x, y), along, values, 1e-6)


@pytest.mark.parametrize(
    ("name", "averaging"),
    [
        ("chan", Averaging(channels=4)),
        ("time", Averaging(time_s=1e6)),
        ("both", Averaging(channels=16, time_s=1e6)),
        ("minutes", Averaging(time_s=90.0)),
    ],
)
@pytest.mark.parametrize("y", ["amp", "phase", "real", "imag"])
def test_averages_are_mstransforms(setting, name, averaging, y):
    vis, folder, _, _ = setting
    theirs = casas(folder, name)
    values = {"amp": "amplitude", "phase": "phase", "real": "real", "imag": "imaginary"}
    wanted = theirs[values[y]] * (180 / np.pi if y == "phase" else 1)
    _, mine = points(vis, "scan", y, averaging)
    np.testing.assert_allclose(mine, np.sort(unflagged(theirs, wanted)), rtol=1e-5, atol=2e-5 * np.abs(wanted).max())


def test_scalar_averages(setting):
    """Amplitudes from CASA's getdata, averaged with its weights: 16 channels of each integration."""
    vis, folder, _, _ = setting
    theirs = casas(folder, "n.ms")
    weight = ~theirs["flag"] * theirs["weight"][:, None]
    seen = weight.sum(1) > 0
    wanted = ((weight * theirs["amplitude"]).sum(1) / np.where(seen, weight.sum(1), 1))[seen]
    _, mine = points(vis, "time", "amp", Averaging(channels=16, scalar=True))
    np.testing.assert_allclose(mine, np.sort(wanted), rtol=1e-5)


@pytest.mark.parametrize("scalar", [False, True])
def test_averages_over_baselines(setting, scalar):
    vis, folder, _, _ = setting
    theirs = casas(folder, "n.ms")
    weight = ~theirs["flag"] * theirs["weight"][:, None]
    vis_of = theirs["amplitude"] if scalar else theirs["real"] + 1j * theirs["imaginary"]
    wanted = []
    for time in np.unique(theirs["time"]):
        rows = theirs["time"] == time
        total = weight[..., rows].sum(2)
        mean = (weight * vis_of)[..., rows].sum(2)[total > 0] / total[total > 0]
        wanted.append(np.abs(mean))
    _, mine = points(vis, "time", "amp", Averaging(baseline=True, scalar=scalar))
    np.testing.assert_allclose(mine, np.sort(np.concatenate(wanted)), rtol=2e-5)


def test_sky(setting):
    """Elevation, azimuth, hour angle and parallactic angle of every integration."""
    from atacal.plots.sky import sky_angles

    vis, _, made, asked = setting
    theirs = np.degrees(np.array(made["sky"]))
    with MeasurementSet(vis) as ms:
        mine = sky_angles(ms.metadata, ms.runs.time, ms.runs.field)
    columns = (mine["elevation"], mine["azimuth"], mine["hourang"] * 15, mine["parang"])
    assert len(asked) == len(theirs)
    for ours, wanted in zip(columns, theirs.T, strict=True):
        apart = (ours - wanted + 180) % 360 - 180
        # times are rounded to 0.1 s here: 0.0002 degrees of hour angle
        assert np.abs(apart).max() < 1e-3


@pytest.mark.parametrize("name", ["B", "G"])
@pytest.mark.parametrize("y", ["amp", "phase", "real", "imag", "snr"])
def test_tables(setting, name, y):
    _, folder, made, _ = setting
    theirs, freq = casas(folder, name), np.load(folder / f"{name}.freq.npz")["freq"][:, 0]
    table = read_caltable(Path(made["folder"]) / name)
    good, param = ~theirs["FLAG"], theirs["CPARAM"]
    values = {
        "amp": np.abs(param), "phase": np.angle(param, deg=True), "real": param.real, "imag": param.imag,
        "snr": theirs["SNR"],
    }[y]  # fmt: skip
    along = {
        "time": theirs["TIME"], "chan": np.arange(len(freq))[:, None], "freq": freq[:, None],
        "scan": theirs["SCAN_NUMBER"], "antenna": theirs["ANTENNA1"],
    }  # fmt: skip
    for x, of in along.items():
        found = table_points(table, table_axis(x, table, parameter="xaxis"), table_axis(y, table, parameter="yaxis"))
        shown = ~found.flag
        wanted = np.broadcast_to(of, param.shape)[good]
        if x == "freq":
            wanted = wanted * np.median(found.x) / np.median(freq)  # in whatever unit
        np.testing.assert_allclose(np.sort(found.y[shown]), np.sort(values[good]), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.sort(found.x[shown]), np.sort(wanted), rtol=1e-6)
