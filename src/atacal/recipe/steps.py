"""The steps of the standard recipe, from data with the a-priori corrections to calibrated data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe.plan import Plan
from atacal.recipe.summary import Summary, count_table, flux_densities


class StandardRun:
    """The steps of one run: what each calls, and what it leaves in the summary.

    Parameters
    ----------
    plan : Plan
    summary : Summary
    arguments : dict
        Those of `atacal.recipe.calibrate`.
    """

    def __init__(self, plan: Plan, summary: Summary, arguments: dict[str, Any]) -> None:
        self.plan, self.summary, self.given = plan, summary, arguments
        self.products, self.vis = plan.products, os.fspath(plan.vis)
        self.common = {
            "refant": ",".join(plan.refants),
            "minsnr": arguments["minsnr"],
            "minblperant": arguments["minblperant"],
        }
        self.bandpass_table = os.fspath(self.products.bandpass)

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the steps in their order."""
        out: list[tuple[str, Callable[[], None]]] = []
        if self.summary.apriori is None:  # else they have been saved, and those flagged
            out.append(("save flags", self.save_flags))
            if self.plan.autocorrelations:
                out.append(("flag autocorrelations", self.flag_autocorrelations))
        if self.plan.model.kind != "there":
            out.append(("set the flux model", self.set_model))
        if self.plan.body is not None and self.plan.body.line_channels:
            out.append(("flag lines of the flux calibrator", self.flag_lines))
        out += [("phase-up", self.phase_up), ("bandpass", self.bandpass)]
        if self.resolved:
            out.append(("flux scale on short baselines", self.short_flux_scale))
        out += [("phase per integration", self.phase_int), ("amplitude", self.amplitude)]
        if not self.resolved:
            out.append(("flux scale", self.flux_scale))
        out += [
            ("phase per scan", self.phase_inf),
            ("apply", self.apply),
            ("split", self.split),
            ("count solutions", self.count),
            ("phase scatter", self.scatter),
        ]
        if self.given["pictures"]:
            out.append(("pictures", self.pictures))
        return out

    @property
    def resolved(self) -> bool:
        """Whether the flux calibrator is solved on a part of the array."""
        return self.plan.body is not None and self.plan.body.lobe is not None

    def save_flags(self) -> None:
        from atacal.tasks import flagmanager

        self.summary.flag_version = self.plan.flag_version
        flagmanager(vis=self.vis, mode="save", versionname=self.plan.flag_version, comment="before atacal calibrate")

    def flag_autocorrelations(self) -> None:
        from atacal.tasks import flagdata

        flagdata(vis=self.vis, mode="manual", autocorr=True, flagbackup=False)

    def set_model(self) -> None:
        from atacal.recipe.flux_steps import set_model

        set_model(self.plan, self.given)

    def flag_lines(self) -> None:
        from atacal.tasks import flagdata

        assert self.plan.body is not None
        flagdata(
            vis=self.vis, mode="manual", field=ids(self.plan.roles.flux), spw=",".join(self.plan.body.line_channels),
            flagbackup=False,
        )  # fmt: skip

    def phase_up(self) -> None:
        from atacal.tasks import gaincal

        gaincal(
            vis=self.vis, caltable=os.fspath(self.products.phase_up), field=ids(self.plan.roles.bandpass),
            spw=self.plan.central, solint="int", gaintype="G", calmode="p", **self.common,
        )  # fmt: skip

    def bandpass(self) -> None:
        from atacal.tasks import bandpass

        for number, (solint, spws) in enumerate(self.plan.bandpass_solint.items()):
            bandpass(
                vis=self.vis, caltable=self.bandpass_table, field=ids(self.plan.roles.bandpass), spw=spws,
                solint=solint, combine="scan", solnorm=True, bandtype="B", append=number > 0,
                gaintable=[os.fspath(self.products.phase_up)], interp=[self.given["interp"]], **self.common,
            )  # fmt: skip

    def _gains(
        self, table: os.PathLike[str], solint: str, gaintype: str, calmode: str, *before: os.PathLike[str]
    ) -> None:
        from atacal.tasks import gaincal

        gaincal(
            vis=self.vis, caltable=os.fspath(table), field=ids(self.plan.roles.solved), spw=self.plan.spw,
            solint=solint, gaintype=gaintype, calmode=calmode,
            gaintable=[self.bandpass_table, *(os.fspath(b) for b in before)],
            interp=["linear,linear", *[self.given["interp"]] * len(before)], **self.common,
        )  # fmt: skip

    def phase_int(self) -> None:
        self._gains(self.products.phase_int, self.given["solint_phase"], "G", "p")

    @property
    def gaintype_amp(self) -> str:
        """One amplitude for both polarisations where their system temperatures are calibrated, as ALMA's are."""
        return self.given["gaintype_amp"] or ("T" if self.plan.telescope in ("ALMA", "ACA") else "G")

    def short_flux_scale(self) -> None:
        from atacal.recipe.flux_steps import short_flux_scale

        result = short_flux_scale(self.plan, self.given, self.common, self.gaintype_amp)
        self.summary.fluxes = flux_densities(result, self.plan.freq_hz)

    def amplitude(self) -> None:
        table = self.products.flux_inf if self.resolved else self.products.ampli_inf  # all models are set by then
        self._gains(table, self.given["solint_amp"], self.gaintype_amp, "a", self.products.phase_int)

    def flux_scale(self) -> None:
        from atacal.tasks import fluxscale

        roles = self.plan.roles
        transfer = [f for f in roles.solved if f not in roles.flux]
        if not transfer:  # one calibrator for all: its amplitudes are on its model's scale already
            return
        result = fluxscale(
            vis=self.vis, caltable=os.fspath(self.products.ampli_inf), fluxtable=os.fspath(self.products.flux_inf),
            reference=[str(f) for f in roles.flux], transfer=[str(f) for f in transfer],
            refspwmap=self.plan.body.refspwmap if self.plan.body else [-1],
        )  # fmt: skip
        self.summary.fluxes = flux_densities(result, self.plan.freq_hz)

    def phase_inf(self) -> None:
        self._gains(self.products.phase_inf, self.given["solint_target"], "G", "p")

    @property
    def amplitude_table(self) -> os.PathLike[str]:
        return self.products.flux_inf if self.products.flux_inf.is_dir() else self.products.ampli_inf

    def _apply(self, field: str, phases: os.PathLike[str], gains_of: int) -> None:
        from atacal.tasks import applycal

        interp = self.given["interp"]
        applycal(
            vis=self.vis, field=field, spw=self.plan.spw_ids,
            gaintable=[self.bandpass_table, os.fspath(phases), os.fspath(self.amplitude_table)],
            gainfield=["", str(gains_of), str(gains_of)], interp=["linear,linear", interp, interp],
            calwt=[True], flagbackup=False,
        )  # fmt: skip

    def apply(self) -> None:
        for field in self.plan.roles.by_own_gains:
            self._apply(str(field), self.products.phase_int, field)
        groups: dict[int, list[int]] = {}
        for field, calibrator in self.plan.phase_calibrator.items():
            groups.setdefault(calibrator, []).append(field)
        for calibrator, fields in groups.items():
            self._apply(ids(fields), self.products.phase_inf, calibrator)

    def split(self) -> None:
        from atacal.tasks import split

        split(
            vis=self.vis, outputvis=os.fspath(self.products.calibrated), field=ids(self.plan.applied),
            spw=self.plan.spw_ids, datacolumn="corrected", keepflags=True,
        )  # fmt: skip

    def count(self) -> None:
        made = {name: path for name, path in self.products.tables.items() if path.is_dir()}
        self.summary.tables = [count_table(name, path) for name, path in made.items()]

    def scatter(self) -> None:
        from atacal.recipe.scatter import phase_scatter

        calibrators = sorted({*self.plan.roles.solved, *self.plan.roles.check})
        with MeasurementSet(self.vis) as ms:
            self.summary.scatter = phase_scatter(ms, calibrators, self.plan.spw_ids)

    def pictures(self) -> None:
        from atacal.recipe.pictures import draw

        made = {name: path for name, path in self.products.tables.items() if path.is_dir()}
        self.summary.pictures = draw(made, self.products.calibrated, self.products.pictures)


def ids(fields: Iterable[int]) -> str:
    """Spell field ids as a selection."""
    return ",".join(str(f) for f in sorted(fields))
