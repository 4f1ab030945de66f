"""flagcmd on a simulated block; online flags; templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, AsdmError, EmptySelection
from atacal.flags.backup import list_versions
from atacal.flags.commands import make_command, merged
from atacal.flags.online import read_flag_xml
from atacal.tasks import flagcmd, flagdata


def flags(path: Path) -> np.ndarray:
    with table(str(path), ack=False) as tab:
        return np.concatenate([tab.getcell("FLAG", i).ravel() for i in range(tab.nrows())])


def commands(path: Path) -> list[tuple[str, str, bool]]:
    with table(f"{path}/FLAG_CMD", ack=False) as tab:
        if not tab.nrows():
            return []
        return list(zip(tab.getcol("COMMAND"), tab.getcol("REASON"), tab.getcol("APPLIED").tolist(), strict=True))


@pytest.fixture
def clean(sim_ms: Path) -> Path:
    flagdata(str(sim_ms), mode="unflag", flagbackup=False)
    with table(f"{sim_ms}/FLAG_CMD", readonly=False, ack=False) as tab:
        tab.removerows(list(range(tab.nrows())))
    return sim_ms


@pytest.fixture
def kept(clean: Path) -> Path:
    """A block with three commands in FLAG_CMD."""
    lines = [
        "antenna='1' reason='bad one'",
        "mode='manual' scan='1' spw='0:1~2' reason='edge'",
        "antenna=2 reason=late",
    ]
    flagcmd(str(clean), inpmode="list", inpfile=lines, action="list", savepars=True)
    return clean


def reference(path: Path, **what: Any) -> np.ndarray:
    flagdata(str(path), flagbackup=False, **what)
    after = flags(path)
    flagdata(str(path), mode="unflag", flagbackup=False)
    return after


def test_a_list_is_kept_and_applied_once(kept: Path) -> None:
    assert commands(kept) == [
        ("antenna='1'", "bad one", False), ("mode='manual' scan='1' spw='0:1~2'", "edge", False),
        ("antenna=2", "late", False),
    ]  # fmt: skip
    expected = reference(kept, antenna="1")
    flagcmd(str(kept), reason="bad one", flagbackup=False)
    np.testing.assert_array_equal(flags(kept), expected)
    assert [applied for *_, applied in commands(kept)] == [True, False, False]
    flagdata(str(kept), mode="unflag", flagbackup=False)
    flagcmd(str(kept), tablerows=[0, 1], flagbackup=False)
    np.testing.assert_array_equal(flags(kept), reference(kept, scan="1", spw="0:1~2"))
    with pytest.raises(ArgumentError, match="useapplied"):
        flagcmd(str(kept), tablerows=[0, 1])


def test_unapply(kept: Path) -> None:
    flagcmd(str(kept))
    assert [v.name for v in list_versions(kept)] == ["flagcmd_1"]
    flagcmd(str(kept), action="unapply", useapplied=True, reason=["bad one", "late"], flagbackup=False)
    assert [applied for *_, applied in commands(kept)] == [False, True, False]
    left = flags(kept)
    flagdata(str(kept), mode="unflag", flagbackup=False)
    expected = reference(kept, mode="list", inpfile=["scan='1' spw='0:1~2'", "mode='unflag' antenna='1,2'"])
    np.testing.assert_array_equal(left, expected)


def test_extract_and_clear(kept: Path) -> None:
    records = flagcmd(str(kept), action="extract", tablerows=[2, 1])
    assert list(records) == [2, 1]
    assert records[2]["command"] == "antenna=2 "
    assert records[1] | {"command": ""} == {
        "id": "1", "antenna": "", "mode": "manual", "timerange": "", "time": 0.0, "interval": 0.0, "type": "",
        "reason": "edge", "level": 0, "severity": 0, "applied": False, "command": "",
    }  # fmt: skip
    flagcmd(str(kept), action="clear")
    assert len(commands(kept)) == 3
    flagcmd(str(kept), action="clear", clearall=True, rowlist=[0, 2])
    assert [reason for _, reason, _ in commands(kept)] == ["edge"]
    flagcmd(str(kept), action="clear", clearall=True)
    assert commands(kept) == []


def test_another_ms_has_the_commands(kept: Path, tmp_path: Path) -> None:
    import shutil

    other = shutil.copytree(kept, tmp_path / "other.ms")
    flagcmd(str(other), action="clear", clearall=True)
    kept_file = tmp_path / "kept.txt"
    flagcmd(str(other), inpfile=str(kept), savepars=True, outfile=str(kept_file), flagbackup=False)
    assert flags(other).any()
    assert not flags(kept).any()
    assert commands(other) == []
    assert kept_file.read_text().splitlines()[1] == "mode='manual' scan='1' spw='0:1~2' reason='edge'"


def test_plot(kept: Path, tmp_path: Path) -> None:
    answer = flagcmd(str(kept), action="plot", plotfile=str(tmp_path / "flags.png"))
    assert answer == {"plotfiles": [str(tmp_path / "flags.png")]}
    assert (tmp_path / "flags.png").read_bytes()[:4] == b"\x89PNG"


TEMPLATE = """# User flagging commands file
#
# mode=manual correlation=YY antenna=DV01;DV08&DV23 spw=21:1920~2880 autocorr=False reason='bad_channels'
  # an indented comment
mode=manual antenna=1&2;3 scan=1,3 reason=stage8_2 # and one behind
mode='manual' spw='0:0~1' reason='two words, a # and a = sign'

mode='shadow' reason="dark"
intent='*POINTING*,*SIDEBAND_RATIO*,*PHASE*' autocorr=true
"""


def test_a_template(clean: Path, tmp_path: Path) -> None:
    file = tmp_path / "X.flagtemplate.txt"
    file.write_text(TEMPLATE)
    expected = reference(clean, antenna="1&2;3", scan="1,3") | reference(clean, spw="0:0~1")
    flagdata(str(clean), mode="list", inpfile=str(file), reason=["stage8_2", "two words, a # and a = sign"])
    np.testing.assert_array_equal(flags(clean), expected)
    flagdata(str(clean), mode="list", inpfile=[str(file)])


def test_correlations_that_some_data_lack(clean: Path) -> None:
    expected = reference(clean, correlation="XX")
    np.testing.assert_array_equal(reference(clean, correlation="XX,XY,YX"), expected)
    assert expected.any()
    with pytest.raises(EmptySelection, match="RR"):
        flagdata(str(clean), correlation="RR")


def test_many_time_ranges_make_one_command() -> None:
    lines = [{"antenna": "1", "timerange": f"10:00:0{i}~10:00:0{i}.5", "reason": str(i)} for i in range(4)]
    other = {"mode": "unflag"}
    whole = {"antenna": "1"}
    got = merged([make_command(v) for v in (*lines[:2], whole, lines[2], other, lines[3])])
    assert [c.selection.timerange.count("~") for c in got] == [3, 0, 0, 1]
    assert [c.mode for c in got] == ["manual", "manual", "unflag", "manual"]


FLAG_ROW = """<row><flagId> Flag_{number} </flagId><startTime>{start}</startTime><endTime>{end}</endTime>
<reason>Mount is off</reason>
<numAntenna>{count}</numAntenna><antennaId> 1 {count} {antennas} </antennaId>{more}</row>"""


@pytest.fixture
def sdm(tmp_path: Path) -> Path:
    folder = tmp_path / "sdm"
    folder.mkdir()
    for file, tag in (("Antenna", "antennaId"), ("SpectralWindow", "spectralWindowId")):
        rows = "".join(f"<row><{tag}> {tag[:-2]}_{i} </{tag}><name> {file[0]}{i} </name></row>" for i in range(3))
        (folder / f"{file}.xml").write_text(f"<T>{rows}</T>")
    more = (
        "<numSpectralWindow>2</numSpectralWindow>"
        "<spectralWindowId>1 2 spectralWindow_0 spectralWindow_2</spectralWindowId>"
        "<numPolarizationType>1</numPolarizationType><polarizationType>1 1 X</polarizationType>"
    )
    start = 4_900_000_000_000_000_000
    rows = [
        FLAG_ROW.format(number=0, start=start, end=start + 1_500_000_000, count=1, antennas="antenna_1", more=""),
        FLAG_ROW.format(number=1, start=start, end=start, count=2, antennas="antenna_0 antenna_2", more=more),
        FLAG_ROW.format(number=2, start=start, end=start, count=0, antennas="", more=""),
    ]
    (folder / "Flag.xml").write_text(f"<FlagTable>{''.join(rows)}</FlagTable>")
    return folder


def test_online_flags(sdm: Path, clean: Path) -> None:
    one, two, three = read_flag_xml(sdm, [1.0, 2.0])
    assert one.words == {"antenna": "A1&&*", "timerange": "2014/02/24/23:06:39.000~2014/02/24/23:06:43.500"}
    assert (one.reason, one.notes["id"]) == ("Mount_is_off", "Flag_0")
    assert one.notes["interval"] == pytest.approx(4.5)
    assert two.words["antenna"] == "A0,A2"
    assert (two.words["spw"], two.words["correlation"]) == ('"S0","S2"', "XX,XY,YX")
    assert three.words["antenna"] == ""
    records = flagcmd(str(clean), inpmode="xml", inpfile=str(sdm), action="extract", ants="A2")
    assert [r["antenna"] for r in records.values()] == ["A2", ""]
    flagcmd(str(clean), inpmode="xml", inpfile=str(sdm), action="list", savepars=True)
    assert len(commands(clean)) == 3
    (sdm / "Antenna.xml").unlink()
    with pytest.raises(AsdmError, match=r"Antenna\.xml"):
        flagcmd(str(clean), inpmode="xml", inpfile=str(sdm))


@pytest.mark.parametrize(
    ("what", "said"),
    [({"action": "maybe"}, "unapply"), ({"inpmode": "cmd"}, "xml"), ({"inpmode": "list", "action": "unapply"}, "table"),
     ({"tablerows": [7]}, "row 7"), ({"ants": "1"}, "ants"), ({"inpmode": "list", "inpfile": ["colour='1'"]}, "colour"),
     ({"inpmode": "list", "inpfile": "/no/such"}, "/no/such"), ({"reason": "rain"}, "no such flag command"),
     ({"action": "clear", "clearall": True, "rowlist": [3]}, "row 3")],
)  # fmt: skip
def test_bad_arguments(kept: Path, what: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        flagcmd(str(kept), **what)
    assert not flags(kept).any()
    assert len(commands(kept)) == 3
