"""What several parts of an import need to know of an ASDM: new numbers of spws and data descriptions, time spans."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from atacal.asdm.dataset import Asdm, need
from atacal.asdm.ephemeris import Ephemeris
from atacal.asdm.values import integer, start_and_duration, tag, tags, words
from atacal.errors import ArgumentError, AsdmError

UNCORRECTED, CORRECTED = "AP_UNCORRECTED", "AP_CORRECTED"


@dataclass
class Context:
    """An ASDM, what of it is imported, and how its identifiers translate into the MeasurementSet's."""

    asdm: Asdm
    scans: set[tuple[int, int]]
    """Selected scans: (exec block, scan number)."""
    spans: list[tuple[int, int]] | None
    """Time spans of the selected scans [ns]; None: tables are not selected by time."""
    telescope: str
    spw_ids: dict[int, int]
    """ASDM spectral window -> row of SPECTRAL_WINDOW."""
    pol_ids: list[int] = field(default_factory=list)
    dd_ids: list[int] = field(default_factory=list)
    bandwidth_hz: dict[int, float] = field(default_factory=dict)
    """Row of DATA_DESCRIPTION -> effective bandwidth of its first channel [Hz]."""
    ephemerides: dict[int, Ephemeris] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What could not be imported; it goes to HISTORY."""


def make_context(asdm: Asdm, scans: str, ignore_time: bool) -> Context:
    """Read what the rest builds on.

    Raises
    ------
    AsdmError, ArgumentError
    """
    blocks = asdm.rows("ExecBlock")
    if not blocks:
        raise AsdmError(f"{asdm.path}: ExecBlock has no rows; the telescope cannot be told")
    everything = {
        (tag(need(r, "execBlockId", "Scan")), integer(need(r, "scanNumber", "Scan"))): (
            integer(need(r, "startTime", "Scan")),
            integer(need(r, "endTime", "Scan")),
        )
        for r in asdm.rows("Scan")
    }
    chosen = choose_scans(scans, set(everything))
    if not chosen:
        raise ArgumentError(f"{asdm.path}: scans={scans!r} selects none of its {len(everything)} scans")
    spans = None if ignore_time else [everything[s] for s in sorted(chosen)]
    return Context(asdm, chosen, spans, need(blocks[0], "telescopeName", "ExecBlock"), spw_order(asdm))


def spw_order(asdm: Asdm) -> dict[int, int]:
    """Number the spectral windows: those that have a data description first."""
    spws = sorted(tag(need(r, "spectralWindowId", "SpectralWindow")) for r in asdm.rows("SpectralWindow"))
    used = {tag(need(r, "spectralWindowId", "DataDescription")) for r in asdm.rows("DataDescription")}
    order = [s for s in spws if s in used] + [s for s in spws if s not in used]
    return {old: new for new, old in enumerate(order)}


def choose_scans(text: str, there: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Select scans: ``1,2``, ``0:1~6,8;1:``; numbers without an exec block count in all of them.

    Raises
    ------
    ArgumentError
    """
    if not text.strip():
        return set(there)
    chosen: set[tuple[int, int]] = set()
    for part in filter(None, (p.strip() for p in text.split(";"))):
        block: int | None = None
        if ":" in part:
            head, _, part = part.partition(":")
            if not (head.isascii() and head.strip().isdigit()):
                raise _bad_scans(text)
            block = int(head)
        members = {s for s in there if block is None or s[0] == block}
        numbers: set[int] = set()
        for piece in filter(None, (p.strip() for p in part.split(","))):
            ends = re.fullmatch(r"(\d+)(?:\s*~\s*(\d+))?", piece)
            if not ends:
                raise _bad_scans(text)
            first = int(ends[1])
            numbers |= set(range(first, int(ends[2] or first) + 1))
        chosen |= {s for s in members if s[1] in numbers or (not part.strip() and block is not None)}
    return chosen


def _bad_scans(text: str) -> ArgumentError:
    return ArgumentError(f"scans={text!r} cannot be read; write '1,3~6' or '0:1,2~6;1:' (exec block:scans)")


def corrections(asdm: Asdm) -> set[str]:
    """Return the kinds of data there are: with and without correction of the atmospheric phase."""
    configs = {need(r, "configDescriptionId", "ConfigDescription"): r for r in asdm.rows("ConfigDescription")}
    used = {need(r, "configDescriptionId", "Main") for r in asdm.rows("Main")}
    found: set[str] = set()
    for name in used:
        if name not in configs:
            raise AsdmError(f"{asdm.path}: Main names {name}, which ConfigDescription has not")
        found |= set(words(need(configs[name], "atmPhaseCorrection", "ConfigDescription")))
    return found


@dataclass(frozen=True)
class Config:
    """A row of ConfigDescription."""

    name: str
    antennas: list[int]
    feeds: list[int]
    dds: list[int]
    processor: int
    processor_type: str
    correlation_mode: str
    corrections: list[str]
    spectral_type: str
    steps: int
    """Bins of all data descriptions together."""


def read_configs(asdm: Asdm) -> dict[str, Config]:
    """Return the configurations by name."""
    steps = {r["switchCycleId"]: integer(r.get("numStep", 1)) for r in asdm.rows("SwitchCycle") if "switchCycleId" in r}
    processors = {tag(r["processorId"]): r for r in asdm.rows("Processor") if "processorId" in r}
    found = {}
    for r in asdm.rows("ConfigDescription"):
        get: Any = lambda column, r=r: need(r, column, "ConfigDescription")  # noqa: E731
        name, processor = get("configDescriptionId"), tag(get("processorId"))
        if processor not in processors:
            raise AsdmError(f"{asdm.path}: {name} names Processor_{processor}, which is not in Processor")
        cycles = words(get("switchCycleId"))
        found[name] = Config(
            name, tags(get("antennaId")), [int(f) for f in words(get("feedId"))], tags(get("dataDescriptionId")),
            processor, need(processors[processor], "processorType", "Processor"), get("correlationMode"),
            words(get("atmPhaseCorrection")), get("spectralType"), sum(steps.get(c, 1) for c in cycles),
        )  # fmt: skip
    return found


def span(row: Any) -> tuple[int, int]:
    """Return start and end [ns] of a row's time interval."""
    start, duration = start_and_duration(row["timeInterval"])
    return start, start + duration
