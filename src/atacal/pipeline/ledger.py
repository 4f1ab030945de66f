"""Who flagged what: commands with counts between them, and the counts by cause, spw, field and antenna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atacal.pipeline.facts import Facts
from atacal.pipeline.results import FlagCause

Counts = dict[str, dict[str, dict[str, tuple[int, int]]]]


def flag_commands(facts: Facts, causes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the causes' commands with summaries between them.

    A summary counts the cross-correlations of the science scans, spw by spw, by field, antenna and scan.
    """
    out = _summaries(facts, 0)
    for i, commands in enumerate(causes.values(), start=1):
        out += [*commands, *_summaries(facts, i)]
    return out


def _summaries(facts: Facts, number: int) -> list[str]:
    scans = facts.scan_list()
    return [
        f"mode='summary' name='{number}:{spw}' antenna='*&*' spw='{spw}' scan='{scans}' fieldcnt=True"
        for spw in facts.science_spws
    ]


def flag_causes(
    facts: Facts, report: Mapping[str, Any], causes: Mapping[str, Sequence[str]],
    reasons: Mapping[str, Sequence[Mapping[str, Any]]], at_start: str = "",
) -> list[FlagCause]:  # fmt: skip
    """Read flagdata's report of `flag_commands`.

    With ``at_start`` a name for what was flagged before the first cause, that comes first.
    """
    reports = [report] if report.get("type") == "summary" else [r for r in report.values() if isinstance(r, Mapping)]
    by_name = {r["name"]: r for r in reports if r.get("type") == "summary"}
    out = [_before_all(facts, by_name, at_start)] if at_start else []
    for i, (cause, commands) in enumerate(causes.items(), start=1):
        counts: Counts = {}
        by_scan: dict[str, tuple[int, int]] = {}
        newly = total = 0
        for spw in map(str, facts.science_spws):
            before, after = by_name.get(f"{i - 1}:{spw}", {}), by_name.get(f"{i}:{spw}", {})
            for field in sorted(k for k, v in after.items() if isinstance(v, Mapping)):
                was, now = before[field], after[field]
                newly += int(now["flagged"] - was["flagged"])
                total += int(now["total"])
                antennas = _newly(was["antenna"], now["antenna"])
                if antennas:
                    counts.setdefault(spw, {})[field] = antennas
                for scan, pair in _newly(was["scan"], now["scan"], zeros=True).items():
                    old = by_scan.get(scan, (0, 0))
                    by_scan[scan] = (old[0] + pair[0], old[1] + pair[1])
        out.append(FlagCause(cause, tuple(commands), tuple(reasons.get(cause, ())), newly, total, counts, by_scan))
    return out


def _before_all(facts: Facts, by_name: Mapping[str, Mapping[str, Any]], name: str) -> FlagCause:
    """Return what was flagged before the first cause."""
    counts: Counts = {}
    by_scan: dict[str, tuple[int, int]] = {}
    newly = total = 0
    for spw in map(str, facts.science_spws):
        report = by_name.get(f"0:{spw}", {})
        for field, of in sorted((k, v) for k, v in report.items() if isinstance(v, Mapping)):
            newly += int(of["flagged"])
            total += int(of["total"])
            pairs = {a: (int(v["flagged"]), int(v["total"])) for a, v in sorted(of["antenna"].items()) if v["flagged"]}
            if pairs:
                counts.setdefault(spw, {})[field] = pairs
            for scan, v in of["scan"].items():
                old = by_scan.get(scan, (0, 0))
                by_scan[scan] = (old[0] + int(v["flagged"]), old[1] + int(v["total"]))
    return FlagCause(name, (), (), newly, total, counts, by_scan)


def wholly_flagged(facts: Facts, report: Mapping[str, Any], last: int) -> tuple[list[int], list[str]]:
    """Find what is lost after the last cause of a report of `flag_commands`.

    Returns
    -------
    spws : list of int
        Those in which all data of the bandpass calibrators are flagged.
    fields : list of str
        Those of which all data are flagged, in all other spws.
    """
    by_name = {r["name"]: r for r in _summary_reports(report)}
    of_spw = {s: by_name.get(f"{last}:{s}", {}) for s in facts.science_spws}
    bandpass = facts.field_names("BANDPASS")

    def lost(spw: int, name: str) -> bool:
        one = of_spw[spw].get(name)
        return not isinstance(one, Mapping) or one["flagged"] >= one["total"]

    spws = [s for s in facts.science_spws if bandpass and all(lost(s, name) for name in bandpass)]
    left = [s for s in facts.science_spws if s not in spws]
    return spws, [name for name in facts.field_names() if left and all(lost(s, name) for s in left)]


def _summary_reports(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    reports = [report] if report.get("type") == "summary" else [r for r in report.values() if isinstance(r, Mapping)]
    return [r for r in reports if r.get("type") == "summary"]


def _newly(
    was: Mapping[str, Mapping[str, float]], now: Mapping[str, Mapping[str, float]], *, zeros: bool = False
) -> dict[str, tuple[int, int]]:
    pairs = {k: (int(v["flagged"] - was[k]["flagged"]), int(v["total"])) for k, v in sorted(now.items())}
    return {k: p for k, p in pairs.items() if zeros or p[0]}
