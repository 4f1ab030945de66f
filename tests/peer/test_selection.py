"""Every form of the selection language, read by CASA and by us: the same rows, the same channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.errors import SelectionError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, parse_spw, select
from atacal.ms.stream import stream

OURS = {"baseline": "antenna", "time": "timerange", "scanintent": "intent", "polarization": "correlation",
        "uvdist": "uvrange", "taql": "msselect"}  # fmt: skip

# each expression in a process of its own: some expressions end CASA's
SCRIPT = """
import os, json
ms = casatools.ms()

def one(selection):
    ms.open(vis)
    try:
        ok = bool(ms.msselect(dict(selection), False))
        count = int(ms.nrow(True))
        if not ok or not count:
            return None
        data = ms.getdata(["antenna1", "antenna2", "time"]) or {}
        if "antenna1" not in data:
            return [count, None, None]
        a1, a2 = data["antenna1"].astype(np.int64), data["antenna2"].astype(np.int64)
        return [count, int((a1 * 64 + a2).sum()), float((data["time"] - 4e9).sum())]
    except RuntimeError:
        return None
    finally:
        ms.close()

answers = []
for selection in selections:
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        os.write(send, json.dumps(one(selection)).encode())
        os._exit(0)
    os.close(send)
    text = b""
    while piece := os.read(receive, 65536):
        text += piece
    os.close(receive)
    os.waitpid(child, 0)
    answers.append(json.loads(text) if text else None)
result = {"answers": answers}
"""

VLA: dict[str, list[str]] = {
    "baseline": [
        "1", "28", "29", "0", "0~5", "VLA:N7", "VLA:*", "VLA:[NE]*", "1&2", "1,2&3", "1&", "1,2,3&", "1,2,3&&", "*&&",
        "*&&&", "*&", "!1", "!1&2", "1;2", "1;!2", "!2;1", "!1;!2", "1&2;!1", "<100m", "<=0.1km", ">1000m", ">=1000m",
        "<500", "0.2km~1km", "200m~1km", "100.0~500.0", "<100m,>1km", "!<100m", "@VLA:N7", "1@VLA:N7",
        "(1,2,3)@(VLA:N7,VLA:W1)", "/VLA:N./", "/1.*/", "^/VLA:N.*/", "/1&2/", "/1.*&2.*/,/3&4/", "^/1&2/",
        '"VLA:{N,E}*"', "'VLA:W*'", "^VLA:*", "?", "??", "1,99", "99", "XX", "1,XX", "1~3&4~6", "1~3&&4~6", "1~3&&&",
        "1 , 2", "1;;2", "1&&&2", "&", "*", "1,2;3&4", "!VLA:N*", "VLA:N*,1~3", "/2[0-9]/", "W1", "<100q", "1~", "~3",
        "1e3m~2km", "<1e3m", "5~1",
    ],
    "field": [
        "0", "1", "3", "0,1", "0~1", "0~7", ">0", "<1", ">0&<2", "N5921*", "N5921_2", "*", "1331*", "13*,N*",
        '"1331+30500002_0"', "1331+30500002_0", "/N.*/", "/.*_0/", "foo", "N5921_2,foo", "0,7", "7", "(0,1)", "1 , 2",
        " N5921_2 ", "N5921?2", '"{N,1331}*"', "N*_2", "0~", "-1", "0;1", "/[/",
    ],
    "scan": ["1", "1,2", "2~4", ">3", ">=3", "<3", "<=3", ">2&<5", ">=2&<=5", "1,>5", "99", "1~99", "0", "5~3", "a",
             "!1", "1;2", "*"],
    "uvdist": ["<100m", "<1km", ">1km", ">1klambda", "<1klambda", "0.5~1klambda", "500~1000m", "0.1~0.2Mlambda",
               "500~1000", "<100m,>1km", "<200", "1~2KLAMBDA", "0~100m", ">0", "<0.2km", "~100", "100", "5000~1000m",
               "<1e3m"],
    "time": [
        "09:20:00", "9:20:00~9:40:00", "9:20:00~9:40", "1995/04/13/09:30:00~1995/04/13/10:00:00",
        "1995/04/13/09:30:00~10:00:00", ">09:50:00", "<09:25:00", "09:18:00+00:10:00", "*", "1995/04/13",
        "[09:20:00~09:30:00]", "10.0[09:20:00~09:30:00]", "09:19:00,10:00:00~10:10:00", ">1995/04/13/10:00:00",
        "<1995/04/14", "1995/4/13/9:30:0~1995/4/13/33:00:00", "1995/04/12~1995/04/14", "*/*/13/09:19:00",
        "1995/04/13/10:00:00.5", "9:20:", "9:20:~9:40:", "09:20:00+600", "0", "1995/13/13", "abc",
        ">09:50:00,<09:20:00", "24:00:00~25:00:00",
    ],
    "spw": ["0", "none", "n*", '"none"', "1", "0,1", "1.413GHz", "1.4~1.5GHz", "1400~1500MHz", "<1", ">0", "<1.5GHz",
            ">1.4GHz", "1.4GHz<>1.5GHz", "~1.41GHz", "foo", "0:", "0;0", ":5", "0:5~3"],
    "polarization": ["RR", "RR,LL", "XX", "RL", "rr", "0:RR", "1:RR", "RR;LL", "foo", ":RR"],
    "taql": ["ANTENNA1==3", "ANT==", "ANTENNA1==77"],
    "observation": ["0", "0~1", ">0", "1"],
}  # fmt: skip
COMBINED: list[dict[str, str]] = [
    {"field": "0", "time": "09:20:00"},
    {"scan": "3", "time": ">09:50:00"},
    {"scan": "5", "time": "*"},
    {"field": "2", "time": "10:00:"},
    {"field": "2", "scan": "2"},
    {"field": "N*", "baseline": "1~5&", "uvdist": "<500m", "spw": "0:3~5"},
    {"taql": "ANTENNA1<3 && TIME>4304482000", "field": "0"},
]
ALMA: dict[str, list[str]] = {
    "baseline": ["DA47", "DA*&DV*", "DV*&", "DV*&&&", "!DA47", "D[AV]4?", "PM02;DA47&DA48", "/DA.*&DV.*/", "da47"],
    "scanintent": [
        "*", "CALIBRATE_WVR#ON_SOURCE", "*PHASE*", "*BANDPASS*,*TARGET*", "*WVR*&*PHASE*", "0", "1~2", ">2", "<3",
        ">0&<3", "foo", "/.*PHASE.*/", '"*PHASE*"', "*PHASE*,foo", "99",
    ],
    "spw": ["0", "1", "*BB_2*", "*FULL_RES", "239~241GHz", "<230GHz", "0~1", "2"],
    "polarization": ["XX", "XX,YY", "1:YY", "XY"],
    "field": ["J1517-2422", "J15*", "IRAS*", "0~2", '"J1{5,7}*"'],
}  # fmt: skip
CHANNELS = ["0:5", "0:5~10", "*:5~10", "0:^2", "0:5~20^3", "0:1;2;5~8", "0:60~100", "0:100", "0:80~100", "0:1.413GHz",
            "0:1.413~1.4135GHz", "0:1413~1413.5MHz", "0:1413.0MHz~1413.5MHz", "0:1.413~1.4135GHz^100kHz",
            "0:1.2~1.6GHz", "0:1.41321~1.41322GHz", "0:3,0:5~7", "0,0:3", "0:1.5;3", "0:1412.8MHz;5"]  # fmt: skip


def ours(ms: MeasurementSet, selection: dict[str, str]) -> tuple[int, int, float] | None:
    """Number of rows that we select, and sums over them; None for an error."""
    try:
        selected = select(ms, Selection(**{OURS.get(k, k): v for k, v in selection.items()}))
    except SelectionError:
        return None
    count, pairs, time = 0, 0, 0.0
    for block in stream(ms, selected, []):
        keep = block.wanted
        count += int(keep.sum())
        pairs += int((block.antenna1[keep].astype(np.int64) * 64 + block.antenna2[keep]).sum())
        time += float((block.time[keep] - 4e9).sum())
    return count, pairs, time


def compare(casa: Callable[..., dict[str, Any]], vis: Path, selections: list[dict[str, str]]) -> None:
    answers = casa(SCRIPT, vis=vis, selections=selections)["answers"]
    wrong = []
    with MeasurementSet(vis) as ms:
        for selection, theirs in zip(selections, answers, strict=True):
            mine = ours(ms, selection)
            same = (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                same = mine[0] == theirs[0]
                if theirs[1] is not None:
                    same = same and mine[1] == theirs[1] and mine[2] == pytest.approx(theirs[2], rel=1e-12)
            if not same:
                wrong.append((selection, theirs, mine))
    assert not wrong


def test_rows(casa: Callable[..., dict[str, Any]], ngc5921: Path) -> None:
    compare(casa, ngc5921, [{k: t} for k, texts in VLA.items() for t in texts] + COMBINED)


def test_rows_of_a_block(casa: Callable[..., dict[str, Any]], sim_ms: Path) -> None:
    compare(casa, sim_ms, [{k: t} for k, texts in ALMA.items() for t in texts])


def test_channels(casa: Callable[..., dict[str, Any]], ngc5921: Path) -> None:
    script = """
ms = casatools.ms()
channels = []
for text in texts:
    ms.open(vis)
    ms.msselect({"spw": text})
    channels.append(ms.msselectedindices()["channel"])
    ms.close()
result = {"channels": channels}
"""
    theirs = casa(script, vis=ngc5921, texts=CHANNELS)["channels"]
    with MeasurementSet(ngc5921) as ms:
        for text, expected in zip(CHANNELS, theirs, strict=True):
            groups = parse_spw(text, ms.metadata).groups
            mine = [[spw, g.start, g.stop - 1, g.step] for spw, parts in groups.items() for g in parts]
            assert mine == expected, text
