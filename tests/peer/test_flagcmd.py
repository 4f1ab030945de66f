"""flagcmd, and flagdata that saves its commands: the same flags, tables FLAG_CMD, files and records as CASA."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.tasks import flagcmd, flagdata

Call = tuple[str, dict[str, Any]]

TEMPLATE = """# User flagging commands file for the calibration pipeline
#
# mode=manual correlation=YY antenna=DV01 spw=21:1920~2880 autocorr=False reason='bad_channels'

mode='manual' antenna='1' reason='bad antenna'
mode=manual antenna=2&3;4 scan=1,3 reason=stage8_2
mode='manual' spw='0:0~1;6~7' reason='edge'
mode='shadow' tolerance=2.0 reason='shadow'
  mode='quack' quackinterval=7.0 quackmode='endb' scan='3' reason="quack"
mode='clip' clipminmax=[0.0, 0.5] correlation='ABS_ALL' scan='2' reason='too high'
autocorr=true reason='auto'
mode='elevation' lowerlimit=40.0
mode='unflag' antenna='5' scan='1'
mode='summary' name='after'
"""
LINES = [line for line in TEMPLATE.splitlines() if line.strip() and not line.startswith("#")]
SAVED = [line for line in LINES if "summary" not in line]
ONE = "antenna='2' scan='1' reason='one'"

COMMANDS: list[list[Call]] = [
    [("flagcmd", {"inpmode": "list", "inpfile": "list.txt"})],
    [("flagcmd", {"inpmode": "list", "inpfile": ["list.txt"], "savepars": True, "outfile": "out.txt"})],
    [("flagcmd", {"inpmode": "list", "inpfile": SAVED, "savepars": True})],
    [("flagcmd", {"inpmode": "list", "inpfile": SAVED, "reason": ["edge", "bad antenna"]})],
    [("flagcmd", {"inpmode": "list", "inpfile": [ONE], "flagbackup": False})],
    [("flagcmd", {"inpmode": "list", "inpfile": SAVED, "action": "extract"})],
    [("flagcmd", {"inpmode": "list", "inpfile": "list.txt", "action": "list", "savepars": True, "outfile": "out.txt"})],
    [
        ("flagcmd", {"inpmode": "list", "inpfile": SAVED, "action": "list", "savepars": True}),
        ("flagcmd", {"action": "extract"}),
        ("flagcmd", {"reason": "stage8_2"}),
        ("flagcmd", {"tablerows": [0, 2, 3], "savepars": True, "outfile": "out.txt"}),
        ("flagcmd", {"action": "unapply", "useapplied": True, "tablerows": [2, 3]}),
        ("flagcmd", {"action": "extract", "useapplied": True, "reason": ["edge", "shadow", "auto"]}),
        ("flagcmd", {"action": "clear"}),
        ("flagcmd", {"action": "clear", "clearall": True, "rowlist": [0, 1]}),
    ],
    [
        ("flagcmd", {"inpmode": "list", "inpfile": SAVED, "action": "list", "savepars": True}),
        ("flagcmd", {}),
        ("flagcmd", {"action": "unapply", "useapplied": True}),
        ("flagcmd", {"action": "clear", "clearall": True}),
    ],
    [("flagdata", {"antenna": "1", "spw": "0:1~2", "savepars": True, "cmdreason": "why not"})],
    [("flagdata", {"mode": "clip", "clipminmax": [0, 0.5], "scan": "1", "savepars": True, "outfile": "out.txt"})],
    [("flagdata", {"mode": "quack", "quackinterval": 5.0, "correlation": "rr,ll,xx", "savepars": True})],
    [("flagdata", {"mode": "shadow", "savepars": True}), ("flagdata", {"mode": "elevation", "savepars": True})],
    [("flagdata", {"mode": "list", "inpfile": "list.txt", "savepars": True, "action": "calculate"})],
    [("flagdata", {"mode": "list", "inpfile": "list.txt", "savepars": True, "outfile": "out.txt"})],
    [("flagdata", {"mode": "list", "inpfile": LINES, "reason": "edge", "savepars": True, "cmdreason": "edges"})],
    [("flagdata", {"mode": "unflag", "savepars": True, "action": "none", "flagbackup": False})],
    [("flagdata", {"mode": "list", "inpfile": ["times.txt"], "tbuff": [10.0, 3.5], "savepars": True})],
]  # fmt: skip
MODES_UNAPPLIED = [
    "antenna='1'", "spw='0:1~3'", "mode='clip' clipminmax=[0.0, 0.5]", "mode='clip' clipminmax=[0.0, 80.0]",
    "mode='clip' clipminmax=[0.0, 0.5] spw='0'", "mode='quack' quackinterval=10.0",
    "mode='shadow' tolerance=2.0", "mode='elevation' lowerlimit=45.0", "mode='manual' autocorr=True",
    "mode='unflag' antenna='3'", "correlation='XX,RR'",
]  # fmt: skip
COMMANDS += [
    [
        ("flagdata", {}),
        ("flagcmd", {"inpmode": "list", "inpfile": [line], "action": "list", "savepars": True}),
        ("flagcmd", {"action": "unapply"}),
    ]
    for line in MODES_UNAPPLIED
]

SCRIPT = """
import os, shutil
tb = casatools.table()

def state():
    tb.open("work.ms")
    cells, rows = tb.getvarcol("FLAG"), tb.getcol("FLAG_ROW")
    tb.close()
    cube = np.concatenate([cells[f"r{i + 1}"].T.ravel() for i in range(len(cells))])
    tb.open("work.ms/FLAG_CMD")
    commands = {c: tb.getcol(c).tolist() for c in tb.colnames()} if tb.nrows() else {}
    tb.close()
    names = "work.ms.flagversions/FLAG_VERSION_LIST"
    return {"flag": np.packbits(cube).tobytes().hex(), "row": np.packbits(rows).tobytes().hex(), "commands": commands,
            "file": open("out.txt").read() if os.path.exists("out.txt") else "",
            "versions": [l.split(" :")[0] for l in open(names)] if os.path.exists(names) else []}

for name, text in files.items():
    open(name, "w").write(text)
result = {"all": []}
for calls in commands:
    for left in ("work.ms", "work.ms.flagversions"):
        shutil.rmtree(left, ignore_errors=True)
    if os.path.exists("out.txt"):
        os.remove("out.txt")
    shutil.copytree(vis, "work.ms")
    done = []
    for task, what in calls:
        try:
            back = globals()[task]("work.ms", **what)
        except Exception as error:
            done.append({"error": str(error)})
            break
        done.append({**state(), "back": back if what.get("action") == "extract" else None})
    result["all"].append(done)
"""


def _state() -> dict[str, Any]:
    """Return flags, commands, file and versions, as the script above does."""
    with table("work.ms", ack=False) as tab:
        cube = np.concatenate([tab.getcell("FLAG", i).ravel() for i in range(tab.nrows())])
        rows = tab.getcol("FLAG_ROW")
    with table("work.ms/FLAG_CMD", ack=False) as tab:
        columns = {c: tab.getcol(c) for c in tab.colnames()} if tab.nrows() else {}
    commands = {c: np.asarray(v).tolist() for c, v in columns.items()}
    out, names = Path("out.txt"), Path("work.ms.flagversions/FLAG_VERSION_LIST")
    versions = [line.split(" :")[0] for line in names.read_text().splitlines()] if names.exists() else []
    return {"flag": np.packbits(cube).tobytes().hex(), "row": np.packbits(rows).tobytes().hex(), "commands": commands,
            "file": out.read_text() if out.exists() else "", "versions": versions}  # fmt: skip


def _ours(vis: Path, calls: list[Call]) -> list[dict[str, Any]]:
    for left in ("work.ms", "work.ms.flagversions"):
        shutil.rmtree(left, ignore_errors=True)
    Path("out.txt").unlink(missing_ok=True)
    shutil.copytree(vis, "work.ms")
    done = []
    for task, what in calls:
        back = {"flagcmd": flagcmd, "flagdata": flagdata}[task]("work.ms", **what)
        done.append({**_state(), "back": json.loads(json.dumps(back)) if what.get("action") == "extract" else None})
    return done


def _compare(
    vis: Path, commands: list[list[Call]], casa: Callable[..., dict[str, Any]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, times: str, *, least: int | None = None,
) -> None:  # fmt: skip
    (tmp_path / "ours").mkdir()
    monkeypatch.chdir(tmp_path / "ours")
    files = {"list.txt": TEMPLATE, "times.txt": times}
    for name, text in files.items():
        Path(name).write_text(text)
    theirs = casa(SCRIPT, vis=vis, commands=commands, files=files)["all"]
    different, compared = [], 0
    for calls, expected in zip(commands, theirs, strict=True):
        if "error" in expected[-1]:
            continue  # CASA refuses it for these data
        compared += 1
        for i, (ours, casas) in enumerate(zip(_ours(vis, calls), expected, strict=True)):
            for key in (key for key in ours if ours[key] != casas[key]):
                different.append(f"{calls[i]} (call {i} of {calls[0]}...), {key}: {_shown(ours[key], casas[key])}")
    assert not different, "\n".join(different)
    assert compared >= (len(commands) if least is None else least)


def _shown(ours: Any, casas: Any) -> str:
    """Say how two states differ: numbers of flags, or texts."""
    if isinstance(ours, str) and len(ours) == len(casas) > 1000:
        a, b = (np.unpackbits(np.frombuffer(bytes.fromhex(t), np.uint8)) for t in (ours, casas))
        return f"{a.sum()} flags, CASA {b.sum()}, {(a != b).sum()} differ"
    if isinstance(ours, dict):
        ours, casas = (
            {k: v for k, v in one.items() if v != other.get(k)} for one, other in ((ours, casas), (casas, ours))
        )
    return f"\n  {str(ours)[:600]}\n  {str(casas)[:600]}"


TIMES = {
    "ngc5921": "antenna='2' timerange='1995/04/13/09:19:30~1995/04/13/09:20:00.25' reason='a'\n"
    "scan='3' timerange='09:45:00~09:46:01.5' reason='b'\n",
    "sim": "antenna='2' timerange='2015/06/28/14:00:30~2015/06/28/14:01:00.25' reason='a'\n",
}


def test_ngc5921(
    ngc5921_part: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _compare(ngc5921_part, COMMANDS, casa, tmp_path, monkeypatch, TIMES["ngc5921"])


REAL: list[list[Call]] = [
    [("flagcmd", {"useapplied": True, "tablerows": list(range(300))}),
     ("flagcmd", {"action": "unapply", "useapplied": True, "reason": "Mount_is_off_source"}),
     ("flagcmd", {"action": "extract", "tablerows": [17, 3, 10000, 10255], "useapplied": True})],
    [("flagcmd", {"useapplied": True}), ("flagcmd", {"action": "unapply", "useapplied": True})],
    [("flagdata", {"mode": "unflag"}),
     ("flagcmd", {"useapplied": True, "reason": ["Mount_is_off_source"], "savepars": True, "outfile": "out.txt"})],
    [("flagdata", {"intent": "*POINTING*,*SIDEBAND_RATIO*,*ATMOSPHERE*"}), ("flagdata", {"autocorr": True})],
]  # fmt: skip


def test_real_online_flags(
    alma_ms: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand online flags of a real ALMA block."""
    _compare(alma_ms, REAL, casa, tmp_path, monkeypatch, "", least=3)
