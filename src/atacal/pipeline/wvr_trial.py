"""The radiometers' correction on trial: tables of calibrators' phases with and without it, compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.heuristics.wvr_scores import Radiometer
from atacal.heuristics.wvr_views import View, phase_rms, time_chunks
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.facts import Facts
from atacal.pipeline.temporary import bandpasses, phases

_SAME_S = 0.01
_BANDPASS = "inf,7.8125MHz"


def rank_spws(facts: Facts, tsys: CalTable | None, spw_of: dict[int, int]) -> list[int]:
    """Return the science spws, the best to judge phases by first: wide, then with low system temperatures.

    Parameters
    ----------
    facts : Facts
    tsys : CalTable, optional
    spw_of : dict of int
        Tsys spws of science spws.
    """

    def temperature(spw: int) -> float:
        solutions = tsys.solutions.get(spw_of.get(spw, -1)) if tsys is not None else None
        good = solutions.param[~solutions.flag] if solutions is not None else np.zeros(0)
        return float(np.median(good)) if good.size else np.inf

    return sorted(
        facts.science_spws, key=lambda s: (-round(facts.metadata.spws[s].total_bandwidth_hz / 1e6), temperature(s), s)
    )


def views(facts: Facts, intents: Sequence[str], spw: int, without: CalTable, corrected: CalTable) -> list[View]:
    """Make a view of each intent.

    Parameters
    ----------
    facts : Facts
    intents : sequence of str
    spw : int
    without, corrected : CalTable
        Phases of every integration, solved without and with the radiometers' table.

    Returns
    -------
    list of View
        Of those intents that have solutions.
    """
    out = []
    for intent in intents:
        scans = [s.number for s in facts.science_scans(intent)]
        one, two = (of_scans(t, spw, scans) for t in (without, corrected))
        i, j = _same_times(one[0], two[0])
        if len(i):
            chunks = time_chunks(one[0][i])
            before = phase_rms(one[1][i], one[2][i], chunks)
            after = phase_rms(two[1][j], two[2][j], chunks)
            out.append(View.of(intent, spw, before, after, np.array([one[0][i][c][0] for c in chunks])))
    return out


def of_scans(
    table: CalTable, spw: int, scans: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.complex64], NDArray[np.bool_]]:
    """Return times, gains and flags (time, antenna) of the first polarisation, in the order of time."""
    solutions = table.solutions.get(spw)
    if solutions is None:
        nant = len(table.antennas)
        return np.zeros(0), np.zeros((0, nant), np.complex64), np.zeros((0, nant), bool)
    slots = np.flatnonzero(np.isin(solutions.scan, scans))
    slots = slots[np.argsort(solutions.time[slots], kind="stable")]
    return solutions.time[slots], solutions.param[slots, :, 0, 0], solutions.flag[slots, :, 0, 0]


def _same_times(one: NDArray[np.float64], two: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of the times that both have."""
    if not len(one) or not len(two):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    near = np.clip(np.searchsorted(two, one - _SAME_S), 0, len(two) - 1)
    found = np.abs(two[near] - one) < _SAME_S
    return np.flatnonzero(found), near[found]


@dataclass(frozen=True, eq=False)
class Judged:
    """A table of the correction.

    Attributes
    ----------
    table : str
    radiometers : list of Radiometer
        What wvrgcal says of the antennas.
    water : list of dict
        What it retrieved, source by source.
    views : list of View
        Antennas whose radiometers are not used take part.
    phases : CalTable or None
        The calibrators' phases with the correction.
    """

    table: str
    radiometers: list[Radiometer]
    water: list[dict[str, Any]]
    views: list[View]
    phases: CalTable | None

    def shown(self) -> list[dict[str, Any]]:
        """Return the radiometers as plain values, None where there is no number."""
        return [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in vars(r).items()}
            for r in self.radiometers
        ]


@dataclass(eq=False)
class Trial:
    """Solves phases with one table of the correction after another, and without.

    Attributes
    ----------
    block : Block
    intents : list of str
        By which the correction is judged.
    flag_intents : list of str
        In whose views bad radiometers are looked for.
    spw : int
        On which phases are solved.
    bandpass : list of Applied
        A temporary bandpass.
    without : CalTable or None
        Phases without the correction; None if no calibrator has data.
    """

    block: Block
    intents: list[str]
    flag_intents: list[str]
    spw: int
    bandpass: list[Applied] = field(default_factory=list)
    without: CalTable | None = None

    @classmethod
    def of(cls, block: Block, flag_intent: str, qa_intent: str, qa_bandpass_intent: str) -> Trial:
        """Choose intents and an spw, and solve a temporary bandpass and the phases without the correction.

        Parameters
        ----------
        block : Block
        flag_intent, qa_intent, qa_bandpass_intent : str
            As of the stage wvrgcalflag; empty for its defaults.
        """
        facts = block.facts
        default = next((i for i in ("BANDPASS", "PHASE", "AMPLITUDE") if facts.has(i)), "")
        flag = [i for i in (flag_intent or default).split(",") if i and facts.has(i)]
        wanted = dict.fromkeys([*flag, *(qa_intent or "PHASE").split(",")])
        intents = [i for i in wanted if facts.has(i)]
        found = block.get("tsys", {})
        tsys = read_caltable(block.path(found["table"])) if found else None
        ranked = rank_spws(facts, tsys, {int(s): int(t) for s, t in found.get("spwmap", {}).items()})
        trial = cls(block, intents, flag, ranked[0])
        of_bandpass = [i for i in (qa_bandpass_intent or default).split(",") if i and facts.has(i)]
        for spw in ranked if intents and of_bandpass else []:
            trial.spw = spw
            first = phases(block, f"wvrqa.spw{spw}", intents=of_bandpass, spws=[spw])
            trial.bandpass = bandpasses(
                block, f"wvrqa.spw{spw}", intents=of_bandpass, spws=[spw], extra=first, solint=_BANDPASS,
                fillgaps=False,
            )  # fmt: skip
            trial.without = trial.solve("without", [])
            if trial.without is not None and not trial.without.solutions[spw].flag.all():
                break
        return trial

    def solve(self, words: str, correction: Sequence[Applied]) -> CalTable | None:
        """Solve the phases of every integration; None without data."""
        made = phases(
            self.block, f"wvrqa.spw{self.spw}.{words}", intents=self.intents, spws=[self.spw], minsnr=0.0,
            extra=[*self.bandpass, *correction],
        )  # fmt: skip
        return read_caltable(self.block.path(made[0].gaintable)) if made else None

    def judge(self, words: str, arguments: Mapping[str, Any], wvrflag: Sequence[str]) -> Judged:
        """Make a table of the correction and compare the phases with and without it.

        Parameters
        ----------
        words : str
            For the table's name.
        arguments : dict
            Of wvrgcal.
        wvrflag : sequence of str
            Antennas whose radiometers are not used.
        """
        block = self.block
        table = block.caltable(words)
        answer = block.do("wvrgcal", vis=block.name, caltable=table, wvrflag=list(wvrflag), **arguments)
        block.out.tables.append(table)
        correction = Applied("wvr", table, interp="nearest", calwt=False)
        corrected = self.solve(words, [correction]) if self.without is not None else None
        made: list[View] = []
        if self.without is not None and corrected is not None:
            made = views(block.facts, self.intents, self.spw, self.without, corrected)
        columns = zip(*(answer[k] for k in ("Name", "WVR", "Flag", "RMS_um", "Disc_um")), strict=True)
        radiometers = [Radiometer(str(n), bool(w), bool(f), float(r), float(d)) for n, w, f, r, d in columns]
        return Judged(table, radiometers, list(answer["retrieved"]), made, corrected)

    def flag_views(self, judged: Judged) -> list[View]:
        """Return the views in which bad radiometers are looked for, without the antennas that have none that works."""
        names = self.block.facts.metadata.antenna_names()
        unused = [names.index(r.antenna) for r in judged.radiometers if r.flagged or not r.has]
        return [v.without_antennas(unused) for v in judged.views if v.intent in self.flag_intents]
