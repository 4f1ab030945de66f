"""A raw block of another generator, calibrated from its ASDM, beside CASA's tasks on the same data and the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.recipe import calibrate
from atacal.recipe.summary import Summary

UID = "uid___A002_Xeb51_X1"


@dataclass
class Both:
    """What both have made of the block, and what is true."""

    ours: Summary
    casas: dict[str, Any]
    casas_split: Path
    truth: dict[str, Any]


@pytest.fixture(scope="module")
def both(peer_tool: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Simulate, write the ASDM, calibrate that here and the MeasurementSet with CASA's tasks."""
    folder = tmp_path_factory.mktemp("raw")
    ms, asdm = folder / "E.ms", folder / UID
    peer_tool("eb_sim.py", "--out", ms, "--preset", "tiny", "--seed", "1", cwd=folder)
    peer_tool("asdm_write.py", "--vis", ms, "--asdm", asdm, cwd=folder)
    truth = json.loads((folder / "E.ms.truth.json").read_text())
    offsets = np.reshape(truth["antpos"]["parameter"], (-1, 3)).tolist()
    names = truth["antpos"]["antenna"].split(",")
    rows = [f"{UID},{n},{x},{y},{z}," for n, (x, y, z) in zip(names, offsets, strict=True)]
    (folder / "antennapos.csv").write_text("\n".join(["name,antenna,xoff,yoff,zoff,comment", *rows]) + "\n")
    model = truth["setjy"]
    ours = calibrate(
        str(asdm), flux_density=model["fluxdensity"][0], spix=model["spix"], reffreq=model["reffreq"],
        antpos=str(folder / "antennapos.csv"), refant=truth["refant"], pictures=False,
    )  # fmt: skip
    peer_tool("casa_recipe.py", "--vis", ms, "--out", folder / "casa", "--manual-flags", "none", cwd=folder)
    casas = json.loads((folder / "casa" / "E.ms.recipe.json").read_text())
    return Both(ours, casas, folder / "casa" / "E.ms.split", truth)


def test_fluxes_are_casas_and_the_true_ones(both):
    assert len(both.ours.fluxes) == 8
    for f in both.ours.fluxes:
        casas = both.casas["fluxscale"][f"{f.field}/{f.spw}"]
        assert f.flux_jy == pytest.approx(casas["fluxd"], rel=5e-3)
        assert f.flux_jy == pytest.approx(casas["truth"] * casas["expected_ratio"], abs=2 * f.error_jy)


def test_what_was_decided_is_what_the_block_needs(both):
    apriori, truth = both.ours.apriori, both.truth
    assert apriori.asdm.endswith(UID)
    assert apriori.spws == truth["science_spws"]
    assert apriori.tsys.spw_of == {s: truth["tsys_spwmap"][str(s)] for s in truth["science_spws"]}
    names = [f["name"] for f in truth["fields"]]
    assert apriori.tsys.field_of == {names[int(f)]: names[t] for f, t in truth["tsysfield"].items()}
    (dead,) = [f["antenna"] for f in truth["faults"] if f["kind"] == "wvrdead"]
    assert [r.antenna for r in apriori.wvr.radiometers if not r.works] == [dead]
    assert apriori.wvr.used
    assert [i.ratio > 3 for i in apriori.wvr.improvements] == [True, True, False]  # the third is faint: thermal noise
    assert all(i.ratio > 1 for i in apriori.wvr.improvements)
    assert apriori.wvr.water[0].pwv_mm == pytest.approx(truth["atmosphere"]["pwv_mm"], rel=0.15)


def apriori_data(path, field):
    """Data of the first spw after the a-priori steps, by (time, antennas): visibilities, flags."""
    query = f"DATA_DESC_ID==0 && FIELD_ID=={field} && ANTENNA1!=ANTENNA2"
    with table(str(path), ack=False) as tab, tab.query(query, sortlist="TIME,ANTENNA1,ANTENNA2") as part:
        key = np.column_stack([np.round(part.getcol("TIME"), 2), part.getcol("ANTENNA1"), part.getcol("ANTENNA2")])
        return key, part.getcol("DATA"), part.getcol("FLAG")


@pytest.mark.parametrize("field", [0, 1, 2, 3, 4])
def test_data_after_the_apriori_steps_are_casas(both, field):
    """Amplitudes to rounding, and flags; phases as far as the retrieved coefficients agree (docs/wvrgcal.md).

    The antenna with the dead radiometer takes its neighbours' phases, by other weights than CASA's.
    """
    key, data, flag = apriori_data(both.ours.apriori.split, field)
    their_key, their_data, their_flag = apriori_data(both.casas_split, field)
    place = {tuple(k): i for i, k in enumerate(their_key.tolist())}
    rows = np.array([place[tuple(k)] for k in key.tolist()])  # CASA's has the atmosphere scans too
    their_data, their_flag = their_data[rows], their_flag[rows]
    assert (flag | ~their_flag).mean() > 0.999
    assert (flag & ~their_flag).mean() < 0.05  # integrations that online flags hold a part of: CASA's recipe keeps them
    inner = slice(8, 120)
    (dead,) = [f["antenna_id"] for f in both.truth["faults"] if f["kind"] == "wvrdead"]
    good = ~(flag | their_flag)[:, inner]
    good &= (key[:, 1:] != dead).all(axis=1)[:, None, None]
    ratio = (data[:, inner] / np.where(their_data[:, inner] == 0, 1, their_data[:, inner]))[good]
    assert good.sum() > 5_000
    assert np.abs(np.abs(ratio) - 1).max() < 1e-4
    assert np.sqrt(np.mean(np.angle(ratio, deg=True) ** 2)) < 3


def test_the_phase_scatter_is_casas_or_less(both):
    for field in (0, 1, 2):
        ours, casas = (scatter(p, field) for p in (both.ours.apriori.split, both.casas_split))
        raw = both.casas["phase_rms_raw"][str(field)]["median_deg"]
        assert ours < 1.1 * casas
        assert ours < 0.7 * raw


def scatter(path, field):
    """Median over baselines of the rms phase in a scan [deg], from the inner half of the channels."""
    query = f"DATA_DESC_ID==0 && FIELD_ID=={field} && ANTENNA1!=ANTENNA2"
    with table(str(path), ack=False) as tab, tab.query(query) as part:
        data, flag = part.getcol("DATA")[:, 32:96, 0], part.getcol("FLAG")[:, 32:96, 0]
        key = np.column_stack([part.getcol(c) for c in ("SCAN_NUMBER", "ANTENNA1", "ANTENNA2")])
    mean = np.where(flag, 0, data).mean(axis=1)
    found = []
    for k in np.unique(key, axis=0):
        one = mean[(key == k).all(axis=1) & (mean != 0)]
        if len(one) >= 3:
            unit = one / np.abs(one)
            found.append(np.std(np.angle(unit * np.conj(unit.mean()), deg=True), ddof=1))
    return float(np.median(found))
