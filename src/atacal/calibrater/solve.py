"""One solve from beginning to end, as gaincal and bandpass ask for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.gather import Gathered, gather
from atacal.calibrater.make_table import make_table, spw_solutions
from atacal.calibrater.solutions import Solved, joined
from atacal.caltables.disk import append_caltable, write_caltable
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, NoSolutions
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.models import SkyModel
from atacal.ms.selected import Selected
from atacal.ms.stream import ALL_CHANNELS
from atacal.solve import intervals
from atacal.solve.refant import apply_refant, choices

log = logging.getLogger("atacal")

Groups = dict[int, tuple[NDArray[np.int32], int]]


@dataclass(frozen=True, eq=False)
class SolveSetup:
    """How a table is to be solved.

    Attributes
    ----------
    kind : str
        ``G Jones``, ``T Jones``, ``B Jones`` or ``K Jones``.
    solint, combine : str
        CASA's parameters.
    per_channel : bool
        One solution a channel (group) instead of one for all.
    solve : callable
        ``(Gathered, Slots, Groups) -> Solved``.
    refant : list of int
        Candidates for the reference antenna; empty for none.
    refantmode : {'flex', 'strict'}
    corr_dep_flags : bool
    finish : callable
        ``{spw: SpwSolutions} -> None``: what is done to all solutions once they are referred (normalisation, gaps).
    solver_bytes : int
        See `gather`.
    """

    kind: str
    solint: str
    combine: str
    per_channel: bool
    solve: Callable[[Gathered, intervals.Slots, Groups], Solved]
    refant: list[int]
    refantmode: str
    corr_dep_flags: bool
    finish: Callable[[dict[int, SpwSolutions]], None]
    solver_bytes: int = 0


def parse_refant(metadata: Metadata, refant: str | list[str]) -> list[int]:
    """Turn names (or, failing that, ids) of reference antennas into ids.

    Raises
    ------
    ArgumentError
        Naming the antennas that exist.
    """
    words = refant.split(",") if isinstance(refant, str) else [str(r) for r in refant]
    names = metadata.antenna_names()
    found = []
    for word in (w.strip() for w in words):
        if not word:
            continue
        if word in names:
            found.append(names.index(word))
        elif word.isdigit() and int(word) < len(names):
            found.append(int(word))
        else:
            raise ArgumentError(f"refant {word!r} is not an antenna of {metadata.name}; it has {', '.join(names)}")
    return found


def channel_freqs(metadata: Metadata, spw: int, groups: Groups) -> NDArray[np.float64]:
    """Return the frequencies of an spw's solution channels, float64 (group,) [Hz]."""
    group, ngroup = groups[spw]
    return np.array([metadata.spws[spw].chan_freq_hz[group == g].mean() for g in range(ngroup)])


class ConstantModel:
    """A point source of given Stokes parameters at the phase centre (CASA's smodel)."""

    def __init__(self, stokes: list[float], metadata: Metadata) -> None:
        i, q, u, v = (list(stokes) + [0.0] * 4)[:4]
        self._values = {
            "RR": i + v, "LL": i - v, "RL": q + 1j * u, "LR": q - 1j * u,
            "XX": i + q, "YY": i - q, "XY": u + 1j * v, "YX": u - 1j * v,
        }  # fmt: skip
        self._metadata = metadata

    def block(self, block: Any, nchan_slice: slice = ALL_CHANNELS) -> NDArray[np.complex64]:
        """Return the model of a block, complex64 (1, chan, corr) [Jy], for all channels or a slice of them."""
        dd = self._metadata.ddids[block.ddid]
        values = [self._values[c] for c in self._metadata.pols[dd.pol].corrs]
        nchan = len(range(self._metadata.spws[dd.spw].nchan)[nchan_slice])
        return np.broadcast_to(np.array(values, np.complex64), (1, nchan, len(values)))


def solve_table(
    ms: MeasurementSet,
    selected: Selected,
    setup: SolveSetup,
    *,
    library: Any = None,
    smodel: list[float] | None = None,
) -> tuple[CalTable, dict[str, Any]]:
    """Solve for a calibration table.

    Returns
    -------
    table : CalTable
    stats : dict
        Numbers of solution intervals and solutions, and why solutions are flagged.

    Raises
    ------
    NoSolutions
    """
    metadata = ms.metadata
    run_spw = metadata.ddid_spw[selected.runs.ddid]
    solint = intervals.parse_solint(setup.solint)
    combine = intervals.parse_combine(setup.combine)
    slots = intervals.make_slots(selected.runs, run_spw, solint.seconds, combine)
    groups: Groups = {
        spw: intervals.channel_groups(
            selected.channels[spw], metadata.spws[spw].chan_width_hz, solint, per_channel=setup.per_channel
        )
        for spw in selected.channels
    }
    log.info("For solint = %s, found %d solution intervals.", setup.solint, len(slots))
    model = ConstantModel(smodel, metadata) if smodel else SkyModel.of(ms)
    batches = gather(
        ms, selected, slots, groups,
        library=library, model=model, corr_dep_flags=setup.corr_dep_flags, parts=setup.kind != "K Jones",
        solver_bytes=setup.solver_bytes,
    )  # fmt: skip
    # not a loop over the batches: its variable would hold the last one while the next is made
    solved = joined(list(map(lambda batch: setup.solve(batch, slots, groups), batches)))
    ngroup = {spw: (groups[spw][1] if setup.kind != "K Jones" else 1) for spw in groups}
    found = {spw: spw_solutions(solved, slots, spw, ngroup[spw]) for spw in sorted({int(s) for s in slots.spw})}
    solutions = {spw: s for spw, s in found.items() if s is not None}
    stats = _statistics(setup, solved, slots, found)
    if not solutions:
        raise NoSolutions(
            f"{ms.path}: no good {setup.kind} solution in {len(slots)} solution intervals; "
            f"{stats['flagged_few_baselines']} had too few baselines with data, {stats['flagged_low_snr']} "
            "too low a signal-to-noise ratio; no table was written"
        )
    if setup.refant:
        _refer(solutions, setup, metadata)
    setup.finish(solutions)
    log.info("Found good %s solutions in %d solution intervals.", setup.kind, stats["succeeded"])
    table_groups = groups if setup.kind != "K Jones" else {
        spw: (np.where(g >= 0, 0, -1).astype(np.int32), 1) for spw, (g, _) in groups.items()
    }  # fmt: skip
    return make_table(setup.kind, metadata, solutions, table_groups), stats


def _refer(solutions: dict[int, SpwSolutions], setup: SolveSetup, metadata: Metadata) -> None:
    order = choices(setup.refant, metadata.antenna_positions_m, setup.refantmode)
    names = metadata.antenna_names()
    for spw, s in solutions.items():
        s.param, s.flag, used = apply_refant(s.param, s.flag, order)
        s.refant = np.broadcast_to(used[:, None], s.refant.shape).astype(np.int32)
        others = sorted({names[i] for i in used if i >= 0 and i != order[0]})
        if others:
            log.info("Spw %d: reference %s missing at times, %s used instead", spw, names[order[0]], ", ".join(others))
        if (used < 0).any():
            log.warning(
                "Spw %d: no reference antenna in %d of %d intervals; all their solutions are flagged",
                spw, (used < 0).sum(), len(used),
            )  # fmt: skip


def _statistics(
    setup: SolveSetup, solved: Solved, slots: intervals.Slots, found: dict[int, SpwSolutions | None]
) -> dict[str, Any]:
    spws = {
        f"spw{spw}": {
            "expected": int((slots.spw == spw).sum()),
            "succeeded": s.nslot if s is not None else 0,
            "solutions": int((~s.flag).sum()) if s is not None else 0,
            "flagged": int(s.flag.sum()) if s is not None else 0,
        }
        for spw, s in found.items()
    }
    if solved.unconverged:
        log.warning("%d %s problems did not converge; their best gains are kept", solved.unconverged, setup.kind)
    return {
        "expected": len(slots),
        "attempted": solved.attempted,
        "succeeded": sum(s["succeeded"] for s in spws.values()),
        "flagged_low_snr": solved.low_snr,
        "flagged_few_baselines": solved.few_baselines,
        "unconverged": solved.unconverged,
        **spws,
    }


def save_table(path: str | os.PathLike[str], table: CalTable, *, append: bool) -> None:
    """Write or append a solved table; an older one of the name is replaced when all is well."""
    if append and os.path.exists(path):
        append_caltable(path, table)
    else:
        write_caltable(path, table, overwrite=True)
    log.info("Wrote %s (%s)", path, table.kind)
