"""flagdata: the same FLAG and FLAG_ROW as CASA for every mode, and the same summaries."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.tasks.flagdata import flagdata

MODES: list[dict[str, Any]] = [
    {"mode": "unflag"}, {"mode": "unflag", "antenna": "1"}, {"mode": "unflag", "spw": "0:1~2"},
    {"antenna": "1"}, {"antenna": "1&2"}, {"antenna": "!3"}, {"scan": "3"}, {"field": "1"}, {"spw": "0"},
    {"spw": "0:2~5"}, {"uvrange": "<100m"}, {"uvrange": ">500lambda", "scan": "1"}, {"observation": "0", "scan": "1"},
    {"array": "0", "scan": "1"}, {"feed": "0&&", "scan": "1"}, {"autocorr": True}, {"autocorr": True, "antenna": "1"},
    {"mode": "quack", "quackinterval": 10.0}, {"mode": "quack", "quackinterval": 31.0, "quackmode": "endb"},
    {"mode": "quack", "quackinterval": 15.0, "quackmode": "tail"},
    {"mode": "quack", "quackinterval": 15.0, "quackmode": "end"},
    {"mode": "quack", "quackinterval": 10.0, "quackincrement": True},
    {"mode": "shadow"}, {"mode": "shadow", "tolerance": 3.0},
    {"mode": "elevation", "lowerlimit": 50.0}, {"mode": "elevation", "upperlimit": 45.0},
    {"mode": "elevation", "upperlimit": 55.0}, {"mode": "elevation", "lowerlimit": 54.96, "upperlimit": 55.09},
    {"mode": "clip"}, {"mode": "clip", "clipzeros": True}, {"mode": "clip", "clipminmax": [0.0, 0.5]},
    {"mode": "clip", "clipminmax": [0.0, 0.02], "clipoutside": False},
    {"mode": "clip", "clipminmax": [-0.1, 0.1], "correlation": "REAL_ALL"},
    {"mode": "clip", "clipminmax": [-1.0, 1.0], "correlation": "ARG_ALL"},
    {"mode": "clip", "clipminmax": [0.0, 0.5], "correlation": "NORM_ALL"},
    {"mode": "clip", "clipminmax": [0.0, 0.5], "correlation": "ABS_I"},
    {"mode": "clip", "clipminmax": [0.0, 1.5], "datacolumn": "WEIGHT"},
    {"mode": "list", "inpfile": ["mode='manual' antenna='1'", "mode='manual' antenna='2' spw='0:1~3'"]},
    {"mode": "list", "inpfile": ["antenna='1'", "mode='unflag' antenna='1' scan='3'"]},
    {"mode": "list", "inpfile": ["mode='clip' clipminmax=[0,0.5] scan='3'", "mode='quack' quackinterval=10.0",
                                 "mode='shadow'"]},
    {"mode": "list", "inpfile": ["scan='77'", "scan='3'"]},
]  # fmt: skip
SUMMARIES: list[dict[str, Any]] = [
    {}, {"spwchan": True, "spwcorr": True, "basecnt": True}, {"fieldcnt": True, "basecnt": True},
    {"antenna": "1", "basecnt": True}, {"spw": "0:1~2", "spwchan": True}, {"name": "one", "scan": "3"},
    {"minabs": 1000, "maxrel": 0.9},
]  # fmt: skip

SCRIPT = """
import json, shutil
tb = casatools.table()

def flags():
    tb.open("work.ms")
    cells, rows = tb.getvarcol("FLAG"), tb.getcol("FLAG_ROW")
    tb.close()
    cube = np.concatenate([cells[f"r{i + 1}"].T.ravel() for i in range(len(cells))])
    return [np.packbits(cube).tobytes().hex(), np.packbits(rows).tobytes().hex()]

def fresh():
    shutil.rmtree("work.ms", ignore_errors=True)
    shutil.copytree(vis, "work.ms")

result = {"flags": [], "summaries": []}
for what in json.loads(modes):
    fresh()
    try:
        flagdata("work.ms", flagbackup=False, **what)
        result["flags"].append(flags())
    except Exception as error:
        result["flags"].append(str(error))
fresh()
for what in json.loads(summaries):
    result["summaries"].append(flagdata("work.ms", mode="summary", **what))
"""


def _flags(path: Path) -> list[str]:
    with table(str(path), ack=False) as tab:
        cube = np.concatenate([tab.getcell("FLAG", i).ravel() for i in range(tab.nrows())])
        rows = tab.getcol("FLAG_ROW")
    return [np.packbits(cube).tobytes().hex(), np.packbits(rows).tobytes().hex()]


def _compare(vis: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    theirs = casa(SCRIPT, vis=vis, modes=json.dumps(MODES), summaries=json.dumps(SUMMARIES))
    work = tmp_path / "ours.ms"
    compared, different = 0, []
    for what, expected in zip(MODES, theirs["flags"], strict=True):
        if isinstance(expected, str):
            continue  # CASA refuses it for these data (nothing matches)
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(vis, work)
        flagdata(str(work), flagbackup=False, **what)
        compared += 1
        if _flags(work) != expected:
            different.append(what)
    assert not different
    assert compared >= len(MODES) - 4
    for what, expected in zip(SUMMARIES, theirs["summaries"], strict=True):
        assert flagdata(str(vis), mode="summary", **what) == expected, what


def test_ngc5921(ngc5921_part: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    _compare(ngc5921_part, casa, tmp_path)


def test_simulated_block(sim_ms: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    _compare(sim_ms, casa, tmp_path)


CALTABLE = """
import shutil
flagdata(vis, mode="unflag", flagbackup=False)
gaincal(vis, caltable="a.g", solint="inf", refant="3", gaintype="G", calmode="ap", field="0", minsnr=0.0)
import json
tb = casatools.table()
result = {"table": __import__("os").path.abspath("a.g"), "flags": [], "summary": None}
for what in json.loads(modes):
    shutil.rmtree("work.g", ignore_errors=True)
    shutil.copytree("a.g", "work.g")
    flagdata("work.g", flagbackup=False, **what)
    tb.open("work.g")
    result["flags"].append(tb.getcol("FLAG").T.tolist())
    tb.close()
result["summary"] = flagdata("a.g", mode="summary", basecnt=True)
"""

CAL_MODES: list[dict[str, Any]] = [
    {"mode": "unflag"}, {"antenna": "1"}, {"antenna": "1&3"}, {"spw": "0"},
    {"mode": "clip", "datacolumn": "CPARAM", "clipminmax": [0.0, 1.0]},
    {"mode": "clip", "datacolumn": "CPARAM", "clipminmax": [0.0, 1.0], "correlation": "Sol2"},
    {"mode": "clip", "datacolumn": "SNR", "clipminmax": [50.0, 1e9]},
    {"mode": "list", "inpfile": ["antenna='1'", "antenna='2' spw='0'"]},
]  # fmt: skip


def test_caltable(ngc5921: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    theirs = casa(CALTABLE, vis=ngc5921, modes=json.dumps(CAL_MODES))
    work = tmp_path / "ours.g"
    for what, expected in zip(CAL_MODES, theirs["flags"], strict=True):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(theirs["table"], work)
        flagdata(str(work), flagbackup=False, **what)
        with table(str(work), ack=False) as tab:
            assert tab.getcol("FLAG").tolist() == expected, what
    assert flagdata(theirs["table"], mode="summary", basecnt=True) == theirs["summary"]


@pytest.mark.parametrize("what", [{"mode": "clip", "clipminmax": [0.0, 0.5], "correlation": "IMAG_ALL"}])
def test_known_difference(
    ngc5921: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path, what: dict[str, Any]
) -> None:
    """CASA takes the I of IMAG for Stokes I, too; we take the imaginary part of every correlation, as documented."""
    theirs = casa(SCRIPT, vis=ngc5921, modes=json.dumps([what]), summaries="[]")
    flagdata(str(ngc5921), flagbackup=False, **what)
    ours = np.unpackbits(np.frombuffer(bytes.fromhex(_flags(ngc5921)[0]), np.uint8))
    casas = np.unpackbits(np.frombuffer(bytes.fromhex(theirs["flags"][0][0]), np.uint8))
    assert ours.sum() < casas.sum()
    assert not (ours & ~casas & 1).any()
