"""Stage diffgaincal: what the two setups of a switched block have between them, from a source observed in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, NoSolutions
from atacal.heuristics.diffgain import (
    FLAGGED_LIMIT,
    MISSING_LIMIT,
    Doubt,
    doubts,
    residuals,
    scan_groups,
    score_combined,
    score_residual,
)
from atacal.heuristics.phase_decision import PhaseDecision
from atacal.heuristics.spw_maps import combined_map
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.diffgain import DIFFGAIN
from atacal.pipeline.expected import usable_spws, windows_of
from atacal.pipeline.phase_solves import decision_for, solve_phases
from atacal.pipeline.phase_tables import write_for_spws
from atacal.pipeline.setups import REFERENCE, SIGNAL, Setups, setups_of
from atacal.pipeline.solution_charts import gain_charts
from atacal.pipeline.stage import stage

_FORCED = {
    "auto": (), "never": (), "all": ("reference", "offset"), "both": ("reference",), "reference": ("reference",),
    "offset": ("offset",), "residual": (),
}  # fmt: skip
"""Tables whose windows are combined whatever they are like, by hm_spwmapmode."""
_STRICT: dict[str, Any] = {"minsnr": 3.0, "refantmode": "strict"}


@stage("hifa_diffgaincal", "Differential gains", needed=True)
def hifa_diffgaincal(
    block: Block,
    flagging_frac_limit: float = FLAGGED_LIMIT,
    hm_spwmapmode: str = "auto",
    missing_scans_frac_limit: float = MISSING_LIMIT,
) -> None:
    """Solve for the differences between the reference setup and the target's, on the differential gain calibrator.

    Phases of the reference windows are followed in time and scaled to the signal windows' frequencies; what is left on
    the differential gain calibrator there is the offset of each antenna and polarisation: one a visit of band-to-band
    blocks, one of all scans where the bandwidth is switched. There the amplitudes have an offset as well.

    Parameters
    ----------
    flagging_frac_limit, missing_scans_frac_limit : float
        Windows are solved together if in one of them so large a fraction of the solutions is flagged, or of the scans
        has none.
    hm_spwmapmode : {'auto', 'all', 'both', 'offset', 'reference', 'residual', 'never'}
        Combine windows where it is necessary; in any case for the reference, for the offsets, or for both (``all``);
        or never. Residual phases are always solved window by window.
    """
    if hm_spwmapmode not in _FORCED:
        raise ArgumentError(
            f"hifa_diffgaincal: hm_spwmapmode={hm_spwmapmode!r}: possible are {', '.join(sorted(_FORCED))}"
        )
    setups = setups_of(block.facts)
    if setups is None:
        block.out.say("info", f"{block.name} is not a switched block: nothing to do")
        block.out.summary = "not a switched block"
        return
    one = _Stage(block, setups, hm_spwmapmode, flagging_frac_limit, missing_scans_frac_limit)
    reference = one.reference()
    offset = one.offset(reference)
    amplitude = one.amplitude([*reference, offset]) if setups.mode == "BWSW" else ""
    block.register(*reference, offset)
    if amplitude:
        block.register(
            Applied(
                "diffgain_amp", amplitude, gainfield=one.gainfield, intent="TARGET,CHECK", spw=_words(setups.signal)
            )
        )
    block.set(
        DIFFGAIN,
        {
            "mode": setups.mode, "reference": reference[0].gaintable, "offset": offset.gaintable,
            "amplitude": amplitude, "fields": list(setups.fields), "signal": list(setups.signal),
            "spwmap": list(setups.spwmap(len(block.facts.metadata.spws))),
        },
    )  # fmt: skip
    one.judge(reference, offset)
    block.out.decisions["reference_of"] = {str(s): r for s, r in setups.reference_of.items()}
    names = block.facts.metadata.field_names()
    block.out.summary = f"{setups.mode}, {', '.join(names[f] for f in setups.fields)}: {one.summary}"


def _words(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


class _Stage:
    """The stage at work on a block."""

    def __init__(self, block: Block, setups: Setups, mode: str, flagged: float, missing: float) -> None:
        self.block, self.setups, self.mode = block, setups, mode
        self.limits = {"flagged_limit": flagged, "missing_limit": missing}
        self.gainfield = _words(setups.fields)
        self.before = {e.term for e in block.library.entries} - {"phase", "amp", "diffgain", "diffgain_amp"}
        self.summary = ""

    # the reference's phases -----------------------------------------------------------------------------------------

    def reference(self) -> list[Applied]:
        """Solve the reference windows' phases, of both calibrators in one series, and write them for all windows.

        Followed together, the phases of both calibrators have the same number of turns: scaled to other frequencies a
        turn is none.
        """
        block, setups = self.block, self.setups
        phase_fields = block.facts.fields("PHASE")
        usable = sorted(
            {s for f in setups.fields for s in usable_spws(block, f, REFERENCE, setups.reference)}
        )  # fmt: skip
        decided = [decision_for(block, f).decision for f in [*phase_fields, *setups.fields]]
        combine = self._combine("reference", REFERENCE, usable, [d for d in decided if d.combine])
        own = combined_map(windows_of(block.facts, usable)) if combine else {s: s for s in usable}
        lost = [s for s, r in setups.reference_of.items() if r not in own]
        chosen = own | {s: own[r] for s, r in setups.reference_of.items() if r in own}
        if lost and combine:
            chosen |= dict.fromkeys(lost, min(own.values()))
        gaintype = "T" if combine and any(d.gaintype == "T" for d in decided) else "G"
        solved = solve_phases(
            block, "reference.gpcal", PhaseDecision(chosen, combine, "inf", gaintype), intents=[REFERENCE, "PHASE"],
            fields=[*setups.fields, *phase_fields], usable=usable, terms=self.before, **_STRICT,
        )  # fmt: skip
        if not solved.table:
            raise NoSolutions(f"{block.name}: the reference windows {_words(setups.reference)} have no phases")
        block.out.decisions["reference"] = {
            "table": solved.table, "combine": combine, "map": {str(k): v for k, v in chosen.items()},
            "followed": solved.expanded,
        }  # fmt: skip
        self._chart(solved.table, "reference", "Phases of the reference windows", setups.reference)
        return [
            Applied(
                "phase", solved.table, gainfield=str(f), interp="linear", calwt=False, field=str(f), intent=SIGNAL,
                spw=_words(setups.signal),
            )
            for f in setups.fields
        ]  # fmt: skip

    # the offsets ----------------------------------------------------------------------------------------------------

    def offset(self, reference: Sequence[Applied]) -> Applied:
        """Solve for the phases that the signal windows have besides those of the reference."""
        block, setups = self.block, self.setups
        usable = sorted({s for f in setups.fields for s in usable_spws(block, f, SIGNAL, setups.signal)})
        groups = self._groups()
        combine = self._combine("offset", SIGNAL, usable, [], reference=reference, groups=groups)
        table = block.caltable("offset.gpcal")
        first = block.caltable("offset.gpcal.solved") if combine else table
        made = self._solve_groups(first, usable, groups, reference, "scan,spw" if combine else "scan")
        if not made:
            raise NoSolutions(f"{block.name}: {self._names()} has no phase offsets between the setups")
        if combine:
            low = min(usable)
            write_for_spws(
                block.path(first), block.path(table), block.facts.metadata, dict.fromkeys(setups.signal, low),
                {low: usable},
            )  # fmt: skip
            block.out.tables.append(table)
        block.out.decisions["offset"] = {"table": table, "combine": combine, "groups": [list(g) for g in groups]}
        self._chart(table, "offset", "Phase offsets between the setups", setups.signal)
        return Applied(
            "diffgain", table, gainfield=self.gainfield, interp="linear", calwt=False,
            intent=f"{SIGNAL},TARGET,CHECK", spw=_words(setups.signal),
        )  # fmt: skip

    def _groups(self) -> list[tuple[int, ...]]:
        """Return the scans of each solution: a visit's (band to band), or all (bandwidth switching)."""
        scans = [s.number for s in self.block.facts.science_scans(SIGNAL)]
        return scan_groups(scans) if self.setups.mode == "B2B" else [tuple(scans)]

    def _solve_groups(
        self, table: str, spws: Sequence[int], groups: Sequence[Sequence[int]], reference: Sequence[Applied],
        combine: str, **given: Any,
    ) -> bool:  # fmt: skip
        made = False
        how: dict[str, Any] = {"calmode": "p", "gaintype": "G", "solint": "inf", **_STRICT, **given}
        for scans in groups:
            try:
                units = self.block.solve(
                    "gaincal", table, intents=[SIGNAL], fields=self.setups.fields, spws=spws, scans=scans,
                    terms=self.before, extra=reference, append=made, combine=combine, **how,
                )  # fmt: skip
            except NoSolutions as error:
                self.block.out.say("warning", f"no solutions of scans {_words(scans)}: {error}")
                continue
            made = made or bool(units)
        return made

    # amplitudes -----------------------------------------------------------------------------------------------------

    def amplitude(self, phases: Sequence[Applied]) -> str:
        """Solve for the ratio of the amplitudes of both setups."""
        block, setups = self.block, self.setups
        own = solve_phases(
            block, "amplitude.gpcal", replace(decision_for(block, setups.fields[0]).decision, spwmap={}, combine=False),
            intents=[REFERENCE], fields=setups.fields, usable=setups.reference, terms=self.before, minsnr=2.0,
        )  # fmt: skip
        if not own.table:
            raise NoSolutions(f"{block.name}: {self._names()} has no phases in the reference windows")
        name = block.caltable("reference.gacal")
        taken = Applied("phase", own.table, calwt=False, intent=REFERENCE)
        how: dict[str, Any] = {"gaintype": "T", "calmode": "a", "solint": "inf", "minsnr": 2.0}
        block.solve(
            "gaincal", name, intents=[REFERENCE], fields=setups.fields, spws=setups.reference, terms=self.before,
            extra=[taken], **how,
        )  # fmt: skip
        amp = Applied(
            "amp", name, gainfield=self.gainfield, interp="linear", intent=SIGNAL,
            spwmap=setups.spwmap(len(block.facts.metadata.spws)),
        )  # fmt: skip
        table = block.caltable("offset.gacal")
        if not self._solve_groups(table, setups.signal, self._groups(), [*phases, amp], "scan", **how):
            raise NoSolutions(f"{block.name}: {self._names()} has no amplitudes in the signal windows")
        found = read_caltable(block.path(table))
        block.out.decisions["amplitude"] = {
            "table": table,
            "median": {str(s): float(np.median(np.abs(o.param[~o.flag]))) for s, o in found.solutions.items()
                       if not o.flag.all()},
        }  # fmt: skip
        gain_charts(block, found, "offset_amp", "Amplitudes between the setups", "amp")
        return table

    # judging --------------------------------------------------------------------------------------------------------

    def judge(self, reference: Sequence[Applied], offset: Applied) -> None:
        """Solve for what is left in each scan, with everything applied; chart and score it."""
        block, setups = self.block, self.setups
        table = block.caltable("residual.gpcal")
        scans = [[s.number] for s in block.facts.science_scans(SIGNAL)]
        if not self._solve_groups(table, setups.signal, scans, [*reference, offset], ""):
            block.out.say("warning", "no residual phases could be solved for")
            return
        self._chart(table, "residual", "Residual phases of the differential gain calibrator", setups.signal)
        before = read_caltable(block.path(offset.gaintable))
        names, refant = block.facts.metadata.antenna_names(), block.refants[0]
        rms = []
        for spw, one in sorted(read_caltable(block.path(table)).solutions.items()):
            pols = min(block.facts.npol(spw), one.param.shape[3])
            phase = np.angle(one.param[:, :, 0, :pols], deg=True)
            found = residuals(phase, one.snr[:, :, 0, :pols], one.flag[:, :, 0, :pols], names.index(refant))
            if found is None:
                continue
            rms.append(found.rms_deg)
            plain = asdict(found) | {"worst": names[found.worst], "offset_rms_deg": _spread(before.solutions.get(spw))}
            block.out.decisions.setdefault("residual", {})[str(spw)] = plain
            for metric, value, what in (
                ("residual_mean", found.mean_deg, "mean"), ("residual_rms", found.rms_deg, "rms"),
                ("residual_most", found.most_deg, f"largest, of {names[found.worst]},"),
            ):  # fmt: skip
                text = f"{block.name}, spw {spw}: the {what} residual phase is {value:.1f} deg"
                block.out.score(
                    score_residual(value, found.snr), metric, value, "deg", "residual phases", text, spw=str(spw),
                    intent=SIGNAL, antenna=names[found.worst] if metric == "residual_most" else "",
                )  # fmt: skip
        if rms:
            self.summary = f"residual phases {max(rms):.1f} deg rms"

    def _combine(
        self, what: str, intent: str, usable: Sequence[int], decided: Sequence[PhaseDecision], *,
        reference: Sequence[Applied] = (), groups: Sequence[Sequence[int]] = (),
    ) -> bool:  # fmt: skip
        """Decide whether the windows of a table are solved together, and score it."""
        block, wanted = self.block, self.setups.reference if intent == REFERENCE else self.setups.signal
        found = self._doubts(what, intent, usable, reference, groups)
        forced = what in _FORCED[self.mode]
        combine = len(usable) > 1 and (forced or (self.mode != "never" and bool(found or decided)))
        why = "as asked for" if forced else ("the phase calibrator is weak" if decided else _why(found))
        text = f"{block.name}, {what}: "
        text += f"windows combined: {why}" if combine else f"windows alone{f', but {_why(found)}' if found else ''}"
        absent = [d.spw for d in found if d.rule == "absent"]
        block.out.score(
            score_combined(combine, bool(found)), "combined_spws", len(wanted) if combine else 0, "spws",
            "windows combined" if combine else "windows not combined", text, intent=intent,
        )  # fmt: skip
        if combine or found:
            block.out.say("attention" if combine else "warning", text)
        block.out.decisions.setdefault("doubts", {})[what] = [asdict(d) for d in found]
        block.out.decisions.setdefault("absent", {})[what] = absent
        return combine

    def _doubts(
        self, what: str, intent: str, usable: Sequence[int], reference: Sequence[Applied],
        groups: Sequence[Sequence[int]],
    ) -> list[Doubt]:  # fmt: skip
        """Solve window by window, and find those that lack solutions."""
        block, wanted = self.block, self.setups.reference if intent == REFERENCE else self.setups.signal
        table = block.caltable(f"{what}.alone.gpcal")
        scans = [s.number for s in block.facts.science_scans(intent)]
        made = False
        for part in groups or [scans]:
            try:
                units = block.solve(
                    "gaincal", table, intents=[intent], fields=self.setups.fields, spws=usable, scans=part,
                    terms=self.before, extra=reference, append=made, combine="scan" if groups else "", calmode="p",
                    gaintype="G", solint="inf", **_STRICT,
                )  # fmt: skip
            except NoSolutions:
                continue
            made = made or bool(units)
        if not made:
            return [Doubt(s, "absent", 1.0, 1.0) for s in wanted]
        flags, of_scan = {}, {}
        for spw, one in read_caltable(block.path(table)).solutions.items():
            flag = one.flag[:, :, 0, : block.facts.npol(spw)]
            flags[spw], of_scan[spw] = flag, one.scan[~flag.all(axis=(1, 2))].tolist()
        return doubts(flags, of_scan, wanted, len(groups) or len(scans), **self.limits)

    def _names(self) -> str:
        names = self.block.facts.metadata.field_names()
        return ", ".join(names[f] for f in self.setups.fields)

    def _chart(self, table: str, name: str, title: str, spws: Sequence[int]) -> None:
        found = read_caltable(self.block.path(table))
        some = replace(found, solutions={s: o for s, o in found.solutions.items() if s in spws})
        gain_charts(self.block, some, name, title, "phase")


def _why(found: Sequence[Doubt]) -> str:
    return ", ".join(f"spw {d.spw} {d.rule} ({d.value:.2f})" for d in found)


def _spread(one: Any) -> float | None:
    """Return the rms of an offset table's phases in a window [deg]: what is there before it is applied."""
    if one is None or one.flag.all():
        return None
    return float(np.degrees(np.sqrt(np.mean(np.angle(one.param[~one.flag]) ** 2))))
