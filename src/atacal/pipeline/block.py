"""What a stage works with: an execution block, its context, and the means to do things that are written down."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from atacal.errors import NoSolutions
from atacal.heuristics.scores import Recipe
from atacal.pipeline.callibrary import Applied, CalLibrary, Unit, arguments
from atacal.pipeline.charts import Chart, write_chart
from atacal.pipeline.facts import Facts, read_facts
from atacal.pipeline.ledger import flag_causes, flag_commands, wholly_flagged
from atacal.pipeline.results import FlagCause, Outcome

_FEWEST_BASELINES = 2
CALTABLES, STAGES = "caltables", "stages"


def stage_folder(number: int, task: str) -> str:
    """Return a stage's folder, relative to the run directory: ``stages/13-hifa_bandpass``."""
    return f"{STAGES}/{number:02d}-{task}"


class Block:
    """An execution block in the hands of a stage.

    Parameters
    ----------
    folder : Path
        The run directory.
    name : str
        The MeasurementSet's, in the run directory: ``uid___A002_X1_X2.ms``.
    number : int
        The stage's.
    task : str
    recipe : {'today', 'cycle4'}
    context : dict
        What the stages before have set, of this block.

    Attributes
    ----------
    out : Outcome
        What the stage finds and does.
    """

    def __init__(
        self, folder: Path, name: str, number: int, task: str, recipe: Recipe, context: Mapping[str, Any]
    ) -> None:
        self.folder, self.name, self.number, self.task, self.recipe = folder, name, number, task, recipe
        self.context: dict[str, Any] = dict(context)
        self.out = Outcome()

    @property
    def vis(self) -> Path:
        """The MeasurementSet."""
        return self.folder / self.name

    @property
    def stem(self) -> str:
        """The block's name without ``.ms``."""
        return self.name.removesuffix(".ms")

    @cached_property
    def facts(self) -> Facts:
        """What the block holds, without the spws that an earlier stage had to give up (`give_up`)."""
        return read_facts(self.vis).without(self.context.get("lost_spws", []), self.context.get("lost_fields", []))

    def give_up(self, spws: Sequence[int], why: str) -> None:
        """Flag spws that cannot be calibrated, and have the stages after this one leave them out."""
        text = f"spw {', '.join(map(str, spws))} cannot be calibrated: {why}"
        self.out.say("warning", text, "see what has flagged these data")
        self.out.score(0.33, "lost_spws", len(spws), "spws", "spws lost", f"{self.name}: {text}")
        self.flag({why: [f"mode='manual' spw='{','.join(map(str, spws))}'"]})
        self.set("lost_spws", sorted({*self.get("lost_spws", []), *spws}))

    @property
    def cycle4(self) -> bool:
        return self.recipe == "cycle4"

    @property
    def library(self) -> CalLibrary:
        """The tables registered so far, in this stage as well."""
        return CalLibrary.of(self.out.sets.get("applied", self.context.get("applied", [])))

    @property
    def refants(self) -> list[str]:
        """Reference antennas, best first; empty before they are chosen."""
        return list(self.out.sets.get("refants", self.context.get("refants", [])))

    @property
    def refant(self) -> str:
        """The reference antennas as an argument."""
        return ",".join(self.refants)

    def get(self, name: str, default: Any = None) -> Any:
        """Return what the context holds under a name, after what this stage has set."""
        return self.out.sets.get(name, self.context.get(name, default))

    def set(self, name: str, value: Any) -> None:
        """Put a plain value into the context."""
        self.out.sets[name] = value

    def path(self, relative: str) -> Path:
        """Return a path in the run directory."""
        return self.folder / relative

    def caltable(self, words: str) -> str:
        """Name a table, as the pipeline does, relative to the run directory.

        ``caltable("solintinf.bcal")`` is ``caltables/X.ms.hifa_bandpass.s13.solintinf.bcal.tbl``.
        """
        (self.folder / CALTABLES).mkdir(exist_ok=True)
        return f"{CALTABLES}/{self.name}.{self.task}.s{self.number:02d}.{words}.tbl"

    def do(self, name: str, **given: Any) -> Any:
        """Call a task of `atacal.tasks` and write the call down.

        Paths in the arguments are relative to the run directory, which is the current one while a stage is done.
        """
        result = getattr(importlib.import_module("atacal.tasks"), name)(**given)
        shown = ", ".join(f"{k}={v!r}" for k, v in given.items())
        self.out.calls.append(f"{name}({shown})")
        return result

    def solve(
        self, task: str, caltable: str, *, intents: Sequence[str], spws: Sequence[int] | None = None,
        fields: Sequence[int] | None = None, terms: Iterable[str] | None = None, extra: Sequence[Applied] = (),
        scans: Sequence[int] | None = None, channels: Mapping[int, str] | None = None, append: bool = False,
        **given: Any,
    ) -> list[Unit]:  # fmt: skip
        """Solve on the data of some intents, with the registered tables of some terms applied on the fly.

        Parameters
        ----------
        task : str
            gaincal or bandpass.
        caltable : str
            Relative to the run directory (`caltable` names it). Data that different tables calibrate are solved one
            after another into it.
        intents : sequence of str
        spws : sequence of int, optional
            The science spws by default.
        fields, scans : sequence of int, optional
            Only these.
        terms : iterable of str, optional
            Terms to apply; all by default.
        extra : sequence of Applied
            Tables to apply that are not registered; they replace registered ones of their terms.
        channels : dict of spw to str, optional
            Channels to solve on: ``{17: "48~80"}``.
        append : bool
            Add to a table that is there.
        **given
            Other arguments of the task.

        Returns
        -------
        list of Unit
            What was solved; empty if there are no such data (no table is made then).

        Raises
        ------
        NoSolutions
            If none of the data gave any; where only some did not, that is a message.
        """
        library = CalLibrary([*self.library.entries, *extra])
        if terms is not None:
            terms = {*terms, *(e.term for e in extra)}
        units = library.units(
            self.facts, intents, self.facts.science_spws if spws is None else spws, fields=fields, scans=scans,
            terms=terms,
        )  # fmt: skip
        solved: list[Unit] = []
        failures: list[NoSolutions] = []
        for unit in units:
            where = unit.selection()
            if channels:
                where["spw"] = ",".join(f"{s}:{channels[s]}" if s in channels else str(s) for s in unit.spws)
            try:
                self._solve_unit(
                    task, vis=self.name, caltable=caltable, **where, **{"refant": self.refant, **given},
                    append=append or bool(solved), **arguments(unit.stack),
                )  # fmt: skip
            except NoSolutions as error:
                failures.append(error)
            else:
                solved.append(unit)
        if failures and not solved:
            raise failures[0]
        for failure in failures:
            self.out.say("attention", str(failure), "see what has flagged these data")
        if solved and caltable not in self.out.tables:
            self.out.tables.append(caltable)
        return solved

    def _solve_unit(self, task: str, **given: Any) -> None:
        """Solve; where four baselines an antenna give nothing, because few antennas are left, two must do."""
        try:
            self.do(task, **given)
        except NoSolutions:
            if given.get("minblperant", 4) <= _FEWEST_BASELINES:
                raise
            self.do(task, **{**given, "minblperant": _FEWEST_BASELINES})
            text = f"{given['caltable']}: few antennas are left: {_FEWEST_BASELINES} baselines of each must do"
            self.out.say("attention", text, "see what has flagged the others")

    def register(self, *entries: Applied) -> None:
        """Register tables: from the next stage on, and in this one, they are applied."""
        self.set("applied", CalLibrary([*self.library.entries, *entries]).plain())

    def flag(
        self, causes: Mapping[str, Sequence[str]],
        reasons: Mapping[str, Sequence[Mapping[str, Any]]] | None = None, *, before: str = "",
    ) -> list[FlagCause]:  # fmt: skip
        """Flag in one pass over the data, and count what each cause has flagged that was not flagged before.

        Parameters
        ----------
        causes : dict of str to sequence of str
            Commands of flagdata by cause, in order.
        reasons : dict of str to sequence of dict, optional
            The findings behind them, with their numbers.
        before : str
            A cause's name for what has been flagged already, which then comes first.

        Returns
        -------
        list of FlagCause
            Also added to ``out.flags``.
        """
        commands = flag_commands(self.facts, causes)
        report = self._flagdata(commands)
        self.out.calls += [
            f"flagdata(vis={self.name!r}, mode='list', inpfile={list(given)!r}, flagbackup=False)"
            for given in causes.values()
            if given
        ]
        found = flag_causes(self.facts, report, causes, reasons or {}, before)
        self.out.count_flags(found)
        if any(causes.values()):
            self.out.flags_changed = True
        if not self.facts.mode:  # each setup of a switched block has calibrators of its own
            self._note_lost(*wholly_flagged(self.facts, report, len(causes)))
        return found

    def _note_lost(self, spws: list[int], fields: list[str]) -> None:
        """Leave out what has no data left, from the next stage on; the last of the calibrators stays, to be missed."""
        known = self.get("lost_spws", [])
        lost = [s for s in spws if s not in known]
        if lost and len(lost) + len(known) < len(self.facts.science_spws):
            self.set("lost_spws", sorted([*known, *lost]))
            self.give_up(lost, "all data of the bandpass calibrator are flagged")
        needed = {i: self.facts.field_names(i) for i in ("BANDPASS", "PHASE", "TARGET")}
        gone = [f for f in fields if not any(names == [f] for names in needed.values())]
        new = [f for f in gone if f not in self.get("lost_fields", [])]
        if new:
            self.set("lost_fields", sorted({*self.get("lost_fields", []), *new}))
            text = f"all data of {', '.join(new)} are flagged: the stages after this one leave them out"
            self.out.say("warning", text, "see what has flagged these data")
            self.out.score(0.5, "lost_fields", len(new), "fields", "fields lost", f"{self.name}: {text}")

    def _flagdata(self, commands: list[str]) -> Any:
        from atacal.tasks import flagdata

        return flagdata(vis=self.name, mode="list", inpfile=commands, flagbackup=False)

    def chart(self, chart: Chart) -> None:
        """Write the data behind a plot."""
        folder = self.folder / stage_folder(self.number, self.task) / "charts" / self.name
        path = write_chart(chart, folder)
        self.out.charts.append(path.relative_to(self.folder).as_posix())


class Whole:
    """A whole run in the hands of a stage.

    Attributes
    ----------
    folder : Path
        The run directory.
    blocks : list of Block
        Those that have not failed.
    out : Outcome
        What the stage finds and does that concerns no single block.
    run : Run
    """

    def __init__(
        self, folder: Path, number: int, task: str, recipe: Recipe, context: Mapping[str, Any], blocks: list[Block],
        mapped: Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]],
    ) -> None:  # fmt: skip
        self.folder, self.number, self.task, self.recipe = folder, number, task, recipe
        self.context: dict[str, Any] = dict(context)
        self.blocks, self._mapped = blocks, mapped
        self.out = Outcome()

    def new_block(self, name: str) -> Block:
        """Add a block to the run."""
        block = Block(self.folder, name, self.number, self.task, self.recipe, {})
        self.blocks.append(block)
        return block

    def get(self, name: str, default: Any = None) -> Any:
        """Return what the run's context holds under a name, after what this stage has set."""
        return self.out.sets.get(name, self.context.get(name, default))

    def set(self, name: str, value: Any) -> None:
        """Put a plain value into the run's context."""
        self.out.sets[name] = value

    def map(self, function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a module's function for each tuple of arguments, side by side on the cores or the cluster there are."""
        return self._mapped(function, items)

    def chart(self, chart: Chart) -> None:
        """Write the data behind a plot."""
        path = write_chart(chart, self.folder / stage_folder(self.number, self.task) / "charts")
        self.out.charts.append(path.relative_to(self.folder).as_posix())
