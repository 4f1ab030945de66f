"""A raw ALMA MeasurementSet (Band 3, 2014) with channel averages, intents and cross-hands: the same answers as CASA."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.tasks.flagdata import flagdata

from . import test_flagdata, test_listobs, test_selection, test_split

Casa = Callable[..., dict[str, Any]]

SELECTIONS: dict[str, list[str]] = {
    "baseline": ["DA41", "DA*&DV*", "DV*&", "*&&&", "*&", "*&&", "!DA41", "D[AV]4?", "0", "0~3&", "<100m", "/DV.*/"],
    "field": ["0", "1", "J16*", "J1617-7717", "J1423-7829,0", "2", "*-78*"],
    "spw": ["0", "1", "2", "*", "1~2", "*CH_AVG*", "*FULL_RES*", "*WVR*", "90~120GHz", "1:3~9", "0:2"],
    "scan": ["1", "2", ">1", "1~5", "99"],
    "scanintent": ["*", "*ATMO*", "*PHASE*", "*DELAY*", "CALIBRATE_ATMOSPHERE#ON_SOURCE", "*ATMO*,*PHASE*", "foo"],
    "polarization": ["XX", "XX,YY", "XY", "YX,XY", "RR"],
    "uvdist": ["<100m", ">100m", "10~50klambda"],
    "time": ["2014/09/20", ">2014/09/20/20:00:00", "*"],
}

SPLITS: dict[str, dict[str, Any]] = {
    "everything": {"datacolumn": "data"},
    "corrected": {"datacolumn": "corrected", "spw": "1"},
    "channels": {"datacolumn": "corrected", "spw": "1", "width": 8},
    "times": {"datacolumn": "corrected", "spw": "1", "timebin": "10s"},
    "an intent without cross-hands": {
        "datacolumn": "data",
        "intent": "*PHASE*",
        "spw": "1:10~40",
        "correlation": "XX,YY",
    },
    "a field and some antennas": {"datacolumn": "data", "field": "1", "antenna": "DA*&DV*"},
}


def test_rows_selected(casa: Casa, alma_ms: Path) -> None:
    test_selection.compare(casa, alma_ms, [{k: t} for k, texts in SELECTIONS.items() for t in texts])


def test_listed(casa: Casa, alma_ms: Path) -> None:
    calls: list[dict[str, Any]] = [
        {},
        {"verbose": False},
        {"listunfl": True, "spw": "2"},
        {"spw": "1"},
        {"intent": "*PHASE*"},
    ]
    test_listobs.compare(casa, alma_ms, calls)


@pytest.fixture(scope="module")
def prepared(alma_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("alma") / "alma.ms"
    shutil.copytree(alma_original, path)
    with open_casacore(str(path), readonly=False, ack=False) as tab:
        # it names tables that are not there, at which CASA's split stops
        for name in tab.getkeywords():
            if name.startswith("ASDM_") and not (path / name).is_dir():
                tab.removekeyword(name)
    return test_split.prepared(path)


@pytest.mark.parametrize("name", SPLITS)
def test_parts(casa: Casa, prepared: Path, tmp_path: Path, name: str) -> None:
    test_split.check(casa, prepared, tmp_path, SPLITS[name])


MODES: list[dict[str, Any]] = [
    {"mode": "unflag"}, {"mode": "unflag", "antenna": "DA41"}, {"antenna": "DV*"}, {"antenna": "0&1"},
    {"autocorr": True}, {"spw": "1:0~7;56~63"}, {"correlation": "XY,YX"}, {"correlation": "XX", "spw": "1"},
    {"intent": "*ATMO*"}, {"scan": "1", "field": "0"}, {"uvrange": "<100m"},
    {"mode": "quack", "quackinterval": 3.0}, {"mode": "quack", "quackinterval": 2.0, "quackmode": "endb"},
    {"mode": "shadow"}, {"mode": "shadow", "tolerance": -60.0},
    {"mode": "elevation", "lowerlimit": 35.0}, {"mode": "elevation", "upperlimit": 30.0},
    {"mode": "clip", "clipminmax": [0.0, 0.01]}, {"mode": "clip", "clipzeros": True, "spw": "1"},
    {"mode": "clip", "clipminmax": [0.0, 0.005], "correlation": "ABS_XX,YY", "spw": "1"},
    {"mode": "clip", "clipminmax": [-0.001, 0.001], "correlation": "REAL_XX", "spw": "1"},
    {"mode": "list", "inpfile": ["autocorr=True", "mode='shadow'", "spw='1:0~3'", "mode='clip' clipminmax=[0,0.1]"]},
]  # fmt: skip
SUMMARIES: list[dict[str, Any]] = [
    {},
    {"spwchan": True, "spwcorr": True, "basecnt": True},
    {"spw": "1", "fieldcnt": True},
]


def test_flags(casa: Casa, alma_ms: Path, tmp_path: Path) -> None:
    theirs = casa(test_flagdata.SCRIPT, vis=alma_ms, modes=json.dumps(MODES), summaries=json.dumps(SUMMARIES))
    work, compared = tmp_path / "ours.ms", 0
    for what, expected in zip(MODES, theirs["flags"], strict=True):
        if isinstance(expected, str):
            continue  # CASA refuses it for these data
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(alma_ms, work)
        flagdata(str(work), flagbackup=False, **what)
        compared += 1
        assert test_flagdata._flags(work) == expected, what
    assert compared >= len(MODES) - 3
    for what, expected in zip(SUMMARIES, theirs["summaries"], strict=True):
        assert flagdata(str(alma_ms), mode="summary", **what) == expected, what


def test_elevation_limit_between_antennas_and_integrations(casa: Casa, alma_ms: Path, tmp_path: Path) -> None:
    """Limits 0.00001 degrees above elevations of single antennas in the data."""
    from atacal.jones.horizon import elevations
    from atacal.ms.measurement_set import MeasurementSet

    with MeasurementSet(alma_ms) as ms:
        runs, meta = ms.runs, ms.metadata
        up = np.degrees(
            elevations(runs.time, [meta.fields[f] for f in runs.field], meta.antenna_positions_m, meta.time_frame)
        )
    seen = np.unique(up)
    limits = seen[:: len(seen) // 12] + 1e-5
    modes = [{"mode": "elevation", "lowerlimit": float(limit)} for limit in limits]
    theirs = casa(test_flagdata.SCRIPT, vis=alma_ms, modes=json.dumps(modes), summaries="[]")["flags"]
    work = tmp_path / "ours.ms"
    for what, expected in zip(modes, theirs, strict=True):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(alma_ms, work)
        flagdata(str(work), flagbackup=False, **what)
        assert test_flagdata._flags(work) == expected, what
    assert len({flags[1] for flags in theirs}) >= 5
