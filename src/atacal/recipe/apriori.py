"""The a-priori steps of a raw block: flags, Tsys, water vapour, antenna positions, and the split of the science spws.

Steps 1 to 10 of ALMA's calibration scripts, with the decisions of its pipeline (hif_tsyscal, hifa_wvrgcalflag).
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

from atacal.caltables.disk import read_caltable
from atacal.errors import EmptySelection, NoWvrData
from atacal.flags.entries import Entry
from atacal.flags.lines import line_text
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe import apriori_summary as found
from atacal.recipe.plan import choose_refants
from atacal.recipe.products import Products
from atacal.recipe.raw import RawPlan, edge_channels
from atacal.recipe.tsys_fields import tsys_fields, tsys_spwmap
from atacal.recipe.wvr_trial import improvements, too_few, verdict

log = logging.getLogger("atacal")

_TSYS_EDGE = 4 / 128
"""Share of the channels of a Tsys spectrum that is left out at each side (ALMA's scripts)."""


ASIS = "Antenna Station Receiver Source CalAtmosphere CalWVR CorrelatorMode SBSummary ExecBlock"
"""Tables of the ASDM that ALMA's scripts keep as they are; ExecBlock names the block to the positions service."""


def import_asdm(asdm: str | os.PathLike[str], vis: os.PathLike[str]) -> None:
    """Make a MeasurementSet of an ASDM as ALMA's scripts do."""
    from atacal.tasks import importasdm

    importasdm(
        asdm=os.fspath(asdm), vis=os.fspath(vis), asis=ASIS, bdfflags=True, ocorr_mode="ca", process_caldevice=False,
        lazy=False,
    )  # fmt: skip


def widened_command(entry: Entry, buffer_s: list[float], spw: str) -> str:
    """Write an online flag with its times widened [s], before and after, for these spws if it does not name its own."""
    return line_text({"mode": "manual", "spw": spw, **entry.padded(buffer_s).words})


@contextlib.contextmanager
def _commands_may_match_nothing() -> Iterator[None]:
    """Say nothing of commands without data: most online flags are of slews, when nothing is recorded."""

    def keep(record: logging.LogRecord) -> bool:
        return not hasattr(record, "unmatched")

    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


class AprioriRun:
    """The steps of one run: what each calls, and what it leaves in the summary.

    Parameters
    ----------
    vis : path
        The raw MeasurementSet.
    plan : RawPlan
    products : Products
    summary : Apriori
    notes : list of str
        Gets what was left out, and why.
    given : dict
        The arguments of `atacal.recipe.calibrate`.
    """

    def __init__(
        self, vis: os.PathLike[str] | str, plan: RawPlan, products: Products, summary: found.Apriori,
        notes: list[str], given: dict[str, Any],
    ) -> None:  # fmt: skip
        self.vis, self.plan, self.products = os.fspath(vis), plan, products
        self.summary, self.notes, self.given = summary, notes, given
        self.spw = ",".join(map(str, plan.spws))
        self.split_vis = os.fspath(products.split)
        self.tables: list[str] = []
        self.tsys_map: list[int] = []
        self.tsys_field: dict[int, int] = {}

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the steps in their order."""
        out: list[tuple[str, Callable[[], None]]] = [("list", self.listobs)]
        if self.plan.tsys:
            out.append(("repair Tsys times", self.fix_times))
        out += [("flag", self.flag), ("online flags", self.flag_online)]
        out.append(("Tsys", self.tsys) if self.plan.tsys else ("no Tsys", self.no_tsys))
        out += [("antenna positions", self.positions), ("water vapour", self.wvr)]
        out += [("apply Tsys, positions, water", self.apply), ("split science", self.split)]
        out.append(("shadows and edges", self.flag_split))
        return out

    def listobs(self) -> None:
        from atacal.tasks import listobs

        listobs(vis=self.vis, listfile=os.fspath(self.products.listobs), overwrite=True)

    def fix_times(self) -> None:
        from atacal.tasks import fixsyscaltimes

        fixsyscaltimes(vis=self.vis)

    def _note(self, text: str) -> None:
        """Say what is left out, in the log and in the summary."""
        log.warning("%s: %s", os.path.basename(self.vis), text)
        self.notes.append(text)

    def _flagged(self, vis: str, commands: list[str]) -> None:
        """Run flag commands and summaries in one pass over the data, and keep the summaries."""
        from atacal.tasks import flagdata

        self.summary.flags += found.flag_steps(flagdata(vis=vis, mode="list", inpfile=commands, flagbackup=False))

    def flag(self) -> None:
        commands = found.summary_pair("before", self.spw, self.plan.scans)
        commands += ["mode='manual' autocorr=True", *found.summary_pair("autocorrelations", self.spw, self.plan.scans)]
        if self.plan.flagged_intents:
            commands.append(f"mode='manual' intent='{','.join(self.plan.flagged_intents)}'")
            words = ", ".join(i.strip("*").lower().replace("_", " ") for i in self.plan.flagged_intents)
            commands += found.summary_pair(words, self.spw, self.plan.scans)
        self._flagged(self.vis, commands)

    def flag_online(self) -> None:
        """Apply FLAG_CMD as it is, then to the science spws with its times widened.

        The radiometers sample faster: widened for the correlator's integrations, flags of a slew that follows a scan
        would take their last samples.
        """
        from atacal.flags.record import read_table
        from atacal.tasks import flagcmd

        entries = read_table(self.vis, use_applied=True) if os.path.isdir(f"{self.vis}/FLAG_CMD") else []
        if not entries:
            self._note("no online flags: FLAG_CMD is empty")
            return
        before = self.summary.flags[-1].flagged
        commands = [widened_command(e, self.plan.flag_buffer_s, self.spw) for e in entries if "timerange" in e.words]
        with _commands_may_match_nothing():
            with contextlib.suppress(EmptySelection):
                flagcmd(vis=self.vis, inpmode="table", useapplied=True, action="apply", flagbackup=False)
            self._flagged(self.vis, [*commands, *found.summary_pair("online flags", self.spw, self.plan.scans)])
        if self.summary.flags[-1].flagged == before:
            self._note("no online flags: none of the commands in FLAG_CMD matches any data that are not flagged yet")

    def no_tsys(self) -> None:
        why = "SYSCAL has no rows" if os.path.isdir(f"{self.vis}/SYSCAL") else "there is no SYSCAL table"
        self._note(
            f"no system temperatures ({why}): the fluxes depend on the flux calibrator being seen through the same air"
        )

    def tsys(self) -> None:
        from atacal.tasks import flagdata, gencal

        path = os.fspath(self.products.tsys)
        gencal(vis=self.vis, caltable=path, caltype="tsys")
        table = read_caltable(path)
        with MeasurementSet(self.vis) as ms:
            metadata = ms.metadata
        self.tsys_map = tsys_spwmap(table, metadata, self.plan.spws)
        needed = sorted({self.tsys_map[s] for s in self.plan.spws})
        self.tsys_field, notes = tsys_fields(table, metadata, self.plan.roles, needed)
        for note in notes:
            self._note(note)
        edges = [
            f"{spw}:0~{n - 1};{one.nchan - n}~{one.nchan - 1}"
            for spw, one in sorted(table.solutions.items())
            if (n := round(one.nchan * _TSYS_EDGE))
        ]
        if edges:
            flagdata(vis=path, mode="manual", spw=",".join(edges), flagbackup=False)
        names = metadata.field_names()
        self.summary.tsys = found.Tsys(
            True, found.tsys_of(table), {s: self.tsys_map[s] for s in self.plan.spws},
            {names[f]: names[m] for f, m in self.tsys_field.items()},
        )  # fmt: skip
        self.tables.append(path)

    def positions(self) -> None:
        from atacal.tasks import gencal

        given, path = self.given["antpos"], os.fspath(self.products.antpos)
        if not given:
            self._note("no antenna position corrections: none given (antpos=FILE, or antpos=service asks ALMA's)")
            return
        gencal(vis=self.vis, caltable=path, caltype="antpos", infile="" if given == "service" else given)
        self.summary.positions_mm = found.positions_of(read_caltable(path))
        self.tables.append(path)

    def wvr(self) -> None:
        from atacal.tasks import wvrgcal

        result, choice = self.summary.wvr, self.given["wvr"]
        result.used, result.why = False, "there are no radiometer data"
        if choice == "no":
            result.why = "wvr=no"
        elif self.plan.wvr:
            try:
                answer = wvrgcal(vis=self.vis, caltable=os.fspath(self.products.wvr), **self.plan.wvr)
            except NoWvrData as error:
                if choice == "yes":
                    raise
                result.why = str(error)
            else:
                result.water, result.radiometers = found.water_of(answer)
                result.used, result.why = self._judge(too_few(answer))
        if result.used:
            self.tables.append(os.fspath(self.products.wvr))
        elif choice != "no":
            self._note(f"no water vapour correction: {result.why}")

    def _judge(self, few: str) -> tuple[bool, str]:
        """Decide whether the radiometers' table is used."""
        forced = self.given["wvr"] == "yes"
        if few and not forced:
            return False, few
        self._trial()
        tables = [read_caltable(p) for p in (self.products.phase_without_wvr, self.products.phase_with_wvr)]
        self.summary.wvr.improvements = improvements(*tables)
        good, why = verdict(self.summary.wvr.improvements)
        return (True, f"wvr=yes ({few or why})") if forced else (good, why)

    def _trial(self) -> None:
        """Solve the calibrators' phases of every integration without and with the radiometers' table."""
        from atacal.tasks import gaincal

        with MeasurementSet(self.vis) as ms:
            refants, _ = choose_refants(ms, self.given["refant"], self.plan.roles, self.plan.central.split(":")[0])
        before = [self.products.antpos] if self.summary.positions_mm else []
        trials = (self.products.phase_without_wvr, before), (self.products.phase_with_wvr, [*before, self.products.wvr])
        for target, tables in trials:
            gaincal(
                vis=self.vis, caltable=os.fspath(target), field=",".join(map(str, self.plan.roles.solved)),
                spw=self.plan.central, scan=self.plan.scans, solint="int", gaintype="G", calmode="p",
                refant=",".join(refants), minsnr=self.given["minsnr"], minblperant=self.given["minblperant"],
                gaintable=[os.fspath(t) for t in tables],
            )  # fmt: skip

    def apply(self) -> None:
        from atacal.tasks import applycal

        if not self.tables:
            return
        of_tsys = os.fspath(self.products.tsys)
        groups: dict[int, list[int]] = {}
        roles = self.plan.roles
        for field in sorted({*roles.solved, *roles.check, *roles.target}):
            groups.setdefault(self.tsys_field.get(field, -1), []).append(field)
        for tsys_field, fields in groups.items():
            applycal(
                vis=self.vis, field=",".join(map(str, fields)), spw=self.spw, scan=self.plan.scans,
                gaintable=self.tables,
                gainfield=[str(tsys_field) if t == of_tsys else "" for t in self.tables],
                interp=["linear,linear" if t == of_tsys else "linear" for t in self.tables],
                spwmap=[self.tsys_map if t == of_tsys else [] for t in self.tables],
                calwt=[True], flagbackup=False,
            )  # fmt: skip

    def split(self) -> None:
        from atacal.tasks import split

        split(  # without a field selection, so that fields keep their numbers
            vis=self.vis, outputvis=self.split_vis, spw=self.spw, scan=self.plan.scans,
            datacolumn="corrected" if self.tables else "data", keepflags=True,
        )  # fmt: skip

    def flag_split(self) -> None:
        with MeasurementSet(self.split_vis) as ms:
            polarisations = {d.spw: ms.metadata.pols[d.pol].ncorr for d in ms.metadata.ddids}
            edges = {s.id: edge_channels(s, polarisations[s.id]) for s in ms.metadata.spws if s.id in polarisations}
        text = ",".join(f"{spw}:{channels}" for spw, channels in edges.items() if channels)
        commands = [*found.summary_pair("split", "", ""), "mode='shadow'", *found.summary_pair("shadows", "", "")]
        if text:
            commands += [f"mode='manual' spw='{text}'", *found.summary_pair("edge channels", "", "")]
        self._flagged(self.split_vis, commands)
