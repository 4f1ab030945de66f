"""Online flags: Flag.xml of an SDM (ALMA, EVLA), as flag commands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from atacal.errors import AsdmError
from atacal.flags.entries import Entry
from atacal.flags.lines import buffer_pair, clock_text

_CORRELATIONS = (
    ("RL", "RR,RL,LR,LL"), ("R", "RR,RL,LR"), ("L", "LL,LR,RL"),
    ("XY", "XX,XY,YX,YY"), ("X", "XX,XY,YX"), ("Y", "YY,YX,XY"),
)  # fmt: skip
"""What the flag of some receptors means for correlations."""


def read_flag_xml(sdm: str | os.PathLike[str], tbuff: float | Sequence[float] = 0.0) -> list[Entry]:
    """Read the online flags of an SDM, as CASA's flagcmd does.

    A flag of one antenna takes its autocorrelations, too (``DA41&&*``); spectral windows go by name.

    Parameters
    ----------
    sdm : path
        A folder with Flag.xml and Antenna.xml; SpectralWindow.xml is needed when flags name spectral windows.
    tbuff : float, or one or two in a list
        Seconds to add before and after each flag.

    Returns
    -------
    list of Entry

    Raises
    ------
    AsdmError
        If a file is missing or cannot be read.
    ArgumentError
    """
    folder = Path(sdm)
    before, after = buffer_pair(tbuff, "flagcmd")
    antennas = {_text(row, "antennaId"): _text(row, "name") for row in _rows(folder / "Antenna.xml")}
    spws = _spw_names(folder / "SpectralWindow.xml")
    return [
        _entry(number, row, (before, after), antennas, spws, folder / "Flag.xml")
        for number, row in enumerate(_rows(folder / "Flag.xml"))
    ]


def _entry(
    number: int, row: ElementTree.Element, tbuff: tuple[float, float], antennas: dict[str, str],
    spws: dict[str, str] | None, path: Path,
) -> Entry:  # fmt: skip
    where = f"{path} row {number}"
    try:
        low = int(_text(row, "startTime")) * 1e-9 - tbuff[0]
        high = int(_text(row, "endTime")) * 1e-9 + tbuff[1]
        words = {"antenna": _antennas(row, antennas), "timerange": f"{clock_text(low)}~{clock_text(high)}"}
        words |= {"spw": _spws(row, spws, path), "correlation": _correlations(row)}
        flag_id, reason = _text(row, "flagId"), _text(row, "reason", strip=False).replace(" ", "_")
    except (KeyError, ValueError, IndexError) as error:
        raise AsdmError(f"{where} cannot be read: {error}") from error
    words = {k: v for k, v in words.items() if v or k in ("antenna", "timerange")}
    notes: dict[str, Any] = {
        "id": flag_id, "time": 0.5 * (low + high), "interval": high - low, "reason": reason,
        "antenna": words["antenna"], "timerange": words["timerange"], "type": "FLAG", "applied": False, "level": 0,
        "severity": 0, "mode": "online",
    }  # fmt: skip
    if "spw" in words:
        notes["spw"] = words["spw"]
    return Entry(number, words, notes, where)


def _antennas(row: ElementTree.Element, names: dict[str, str]) -> str:
    count = row.findtext("numAntenna")
    ids = _text(row, "antennaId").split()
    if count is None:  # SDMs before 2011
        return names[ids[0]]
    # the list begins with its number of dimensions and its length
    chosen = [names[i] for i in ids[2 : 2 + int(count)]]
    return f"{chosen[0]}&&*" if len(chosen) == 1 else ",".join(chosen)


def _spws(row: ElementTree.Element, names: dict[str, str] | None, path: Path) -> str:
    count = int(row.findtext("numSpectralWindow") or 0)
    if not count:
        return ""
    if names is None:
        raise AsdmError(f"{path} flags spectral windows; SpectralWindow.xml is not there to name them")
    chosen = [names[i] for i in _text(row, "spectralWindowId").split()[2 : 2 + count]]
    if "WVR#NOMINAL" in names.values():  # the radiometers' own windows are not in the MeasurementSet's data
        chosen = [name for name in chosen if "WVR#Antenna" not in name]
    return ",".join(f'"{name}"' for name in chosen)


def _correlations(row: ElementTree.Element) -> str:
    count = int(row.findtext("numPolarizationType") or 0)
    if not count:
        return ""
    there = set("".join(_text(row, "polarizationType").split()[2 : 2 + count]))
    return next((text for needed, text in _CORRELATIONS if set(needed) <= there), "")


def _spw_names(path: Path) -> dict[str, str] | None:
    if not path.is_file():
        return None
    return {_text(row, "spectralWindowId"): (row.findtext("name") or "").strip() for row in _rows(path)}


def _rows(path: Path) -> list[ElementTree.Element]:
    if not path.is_file():
        raise AsdmError(f"{path} is not there; online flags are read from an SDM with Flag.xml and Antenna.xml")
    try:
        return ElementTree.parse(path).getroot().findall("row")
    except (ElementTree.ParseError, OSError) as error:
        raise AsdmError(f"{path} cannot be read: {error}") from error


def _text(row: ElementTree.Element, name: str, *, strip: bool = True) -> str:
    text = row.findtext(name)
    if text is None:
        raise KeyError(f"it has no <{name}>")
    return text.strip() if strip else text


def of_antennas(entries: Sequence[Entry], ants: str) -> list[Entry]:
    """Return the flags of some antennas (names joined by ','), each for those antennas alone.

    Flags of all antennas stay as they are.
    """
    wanted = [name.strip() for name in ants.split(",") if name.strip()]
    out: list[Entry] = []
    for entry in entries:
        theirs = [a for a in str(entry.words.get("antenna", "")).split(",") if a]
        kept = ",".join(a for a in theirs if a.split("&")[0] in wanted)
        if kept or not theirs:
            words = {**entry.words, "antenna": kept} if kept else entry.words
            out.append(Entry(len(out), words, {**entry.notes, "antenna": kept}, entry.where))
    return out
