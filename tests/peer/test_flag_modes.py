"""flagdata's modes that look at one baseline over time and channels: the same flags as CASA."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table

from atacal.tasks.flagdata import flagdata

FIRST = {
    "mode": "list",
    "inpfile": [
        "mode='clip' clipminmax=[0.0, 0.5]", "scan='2' spw='0:1~2'", "mode='quack' quackinterval=70.0 scan='3,5'",
    ],
}  # fmt: skip
EXTEND: list[dict[str, Any]] = [
    {}, {"extendpols": False}, {"growtime": 0.0, "growfreq": 0.0}, {"growtime": 90.0, "growfreq": 20.0},
    {"growtime": 5.0, "growfreq": 0.0, "extendpols": False}, {"growtime": 100.0, "growfreq": 100.0},
    {"growtime": 0.0, "growfreq": 0.0, "extendpols": False, "growaround": True},
    {"growtime": 0.0, "growfreq": 0.0, "extendpols": False, "flagneartime": True},
    {"growtime": 0.0, "growfreq": 0.0, "extendpols": False, "flagnearfreq": True},
    {"growaround": True, "flagneartime": True, "flagnearfreq": True, "growtime": 70.0},
    {"growtime": 30.0, "ntime": 120.0}, {"growtime": 30.0, "ntime": "65s"}, {"growtime": 30.0, "ntime": "2min"},
    {"growtime": 20.0, "combinescans": True}, {"growtime": 20.0, "combinescans": True, "ntime": 900.0},
    {"growtime": 30.0, "spw": "0:2~5"}, {"growtime": 30.0, "antenna": "1&2;3", "scan": "1,3"},
    {"growtime": 30.0, "uvrange": ">300m"}, {"growtime": 30.0, "correlation": "RR,XX"},
]  # fmt: skip
LISTS: list[list[str]] = [
    ["mode='extend' growtime=20.0", "mode='manual' antenna='3'"],
    ["spw='0:1~4' scan='1'", "mode='extend' growfreq=5.0 antenna='1&2'", "mode='extend' flagneartime=True"],
]  # fmt: skip

SCRIPT = """
import shutil
tb = casatools.table()
flagdata(vis, flagbackup=False, **first)
result = {"all": []}
for what in modes:
    shutil.rmtree("work.ms", ignore_errors=True)
    shutil.copytree(vis, "work.ms")
    try:
        flagdata("work.ms", flagbackup=False, **what)
    except Exception as error:
        result["all"].append("")
        continue
    tb.open("work.ms")
    cells, rows = tb.getvarcol("FLAG"), tb.getcol("FLAG_ROW")
    tb.close()
    cube = np.concatenate([cells[f"r{i + 1}"].T.ravel() for i in range(len(cells))])
    result["all"].append(np.packbits(cube).tobytes().hex() + np.packbits(rows).tobytes().hex())
"""


def _flags(path: Path) -> str:
    with table(str(path), ack=False) as tab:
        cube = np.concatenate([tab.getcell("FLAG", i).ravel() for i in range(tab.nrows())])
        rows = tab.getcol("FLAG_ROW")
    return str(np.packbits(cube).tobytes().hex() + np.packbits(rows).tobytes().hex())


def _compare(
    vis: Path, modes: list[dict[str, Any]], casa: Callable[..., dict[str, Any]], tmp_path: Path, least: int
) -> None:
    flagdata(str(vis), flagbackup=False, **FIRST)
    start, seen = _flags(vis), 0
    theirs = casa(SCRIPT, vis=vis, first=FIRST, modes=modes)["all"]
    work, different = tmp_path / "ours.ms", []
    for what, expected in zip(modes, theirs, strict=True):
        if not expected:
            continue  # CASA refuses it for these data
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(vis, work)
        flagdata(str(work), flagbackup=False, **what)
        ours = _flags(work)
        seen += ours != start
        if ours != expected:
            a, b = (np.unpackbits(np.frombuffer(bytes.fromhex(t), np.uint8)) for t in (ours, expected))
            different.append(f"{what}: {a.sum()} flags, CASA {b.sum()}, {(a != b).sum()} differ")
    assert not different, "\n".join(different)
    assert seen >= least


def _extending() -> list[dict[str, Any]]:
    return [{"mode": "extend", **what} for what in EXTEND] + [{"mode": "list", "inpfile": lines} for lines in LISTS]


def test_extend_ngc5921(ngc5921_part: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    _compare(ngc5921_part, _extending(), casa, tmp_path, 15)


def test_extend_simulated_block(sim_ms: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    _compare(sim_ms, _extending(), casa, tmp_path, 12)
