"""The standard calibration of a block, from its scan intents to calibrated data and a summary."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from atacal.errors import ArgumentError
from atacal.memory import give_back
from atacal.ms.measurement_set import MeasurementSet
from atacal.progress import track
from atacal.recipe.plan import Plan, make_plan
from atacal.recipe.products import start
from atacal.recipe.summary import Summary, count_table, flux_densities, write_summary

log = logging.getLogger("atacal")


def calibrate(
    vis: str,
    bandpass: str = "",
    flux: str = "",
    phase: str = "",
    target: str = "",
    check: str = "",
    flux_density: float | list[float] | None = None,
    spix: float = 0.0,
    reffreq: str = "1GHz",
    refant: str = "",
    spw: str = "",
    solint_bandpass: str = "inf",
    solint_phase: str = "int",
    solint_amp: str = "inf",
    gaintype_amp: str = "",
    solint_target: str = "inf",
    minsnr: float = 3.0,
    minblperant: int = 4,
    interp: str = "linear",
    outdir: str = "",
    pictures: bool = True,
) -> Summary:
    """Calibrate a MeasurementSet by the standard recipe.

    The fields' roles are taken from the scan intents where they are not given. The recipe: flag the autocorrelations,
    set the flux calibrator's model, phases of the bandpass calibrator for every integration on the central channels,
    bandpass (scans combined, normalised), phases for every integration, amplitudes for every scan, flux scale, phases
    for every scan; apply them (bandpass and flux calibrators with their own phases of every integration, the others
    with those of the nearest phase calibrator's scans); split the corrected data into a new MeasurementSet.

    The MeasurementSet gets flags (the earlier ones are kept as a flag version), the flux calibrator's model and
    CORRECTED_DATA, as the same steps give it in CASA; everything else goes to ``outdir``. A run that was stopped can be
    started again: the MeasurementSet stays usable and the folder's products are made anew.

    Parameters
    ----------
    vis : str
        The MeasurementSet, after the a-priori steps (Tsys, water vapour, antenna positions) where there are any.
    bandpass : str
        Bandpass calibrator: field names or ids. Empty: by the intent CALIBRATE_BANDPASS.
    flux : str
        Flux calibrator. Empty: by CALIBRATE_FLUX or CALIBRATE_AMPLI, else the bandpass calibrator.
    phase : str
        Phase calibrators. Empty: by CALIBRATE_PHASE.
    target : str
        Targets. Empty: by OBSERVE_TARGET, or in data without intents all other fields.
    check : str
        Check sources, calibrated like targets. Empty: by OBSERVE_CHECK_SOURCE.
    flux_density : float or list of float, optional
        Flux density of the flux calibrator [Jy], or its I,Q,U,V. By default the model that an earlier ``setjy`` left
        in the MeasurementSet.
    spix : float
        Spectral index of the flux calibrator, with ``flux_density``.
    reffreq : str
        Frequency of ``flux_density`` for the spectral index: ``230GHz``.
    refant : str
        Reference antenna, or several in order of preference. Empty: the most central and least flagged one.
    spw : str
        Spectral windows, with channel ranges if gains should not be solved on all. Empty: those that the bandpass
        calibrator and the target share and that have more than one channel.
    solint_bandpass : str
        Solution interval of the bandpass: ``inf``, or with a frequency interval ``inf,20MHz``.
    solint_phase : str
        Solution interval of the calibrators' own phases.
    solint_amp : str
        Solution interval of the amplitudes.
    gaintype_amp : str
        Amplitudes for both polarisations together (``T``) or for each (``G``). Empty: T for ALMA, whose system
        temperatures are calibrated for each polarisation before, else G.
    solint_target : str
        Solution interval of the phases that are carried over to targets.
    minsnr : float
        Least signal to noise ratio of a solution.
    minblperant : int
        Least number of baselines of an antenna for a solution.
    interp : str
        Interpolation of gains in time: ``linear`` or ``nearest``.
    outdir : str
        Folder for the tables, the calibrated data, pictures and summary. Empty: ``X.calibrate`` beside ``X.ms``.
    pictures : bool
        Draw the tables and the calibrated data.

    Returns
    -------
    Summary
        Also written to ``outdir`` as ``summary.json`` and ``summary.txt``.

    Raises
    ------
    ArgumentError, SelectionError, NoSuchTable, TableExists, ModelError, NoSolutions, WriteError
    """
    arguments = {k: v for k, v in locals().items()}
    with MeasurementSet(vis) as ms:
        plan = make_plan(
            ms, bandpass=bandpass, flux=flux, phase=phase, target=target, check=check, spw=spw, refant=refant,
            outdir=outdir, has_model=flux_density is not None,
        )  # fmt: skip
    if interp not in ("linear", "nearest"):
        raise ArgumentError(f"interp = {interp!r} is not possible; it can be linear or nearest")
    if gaintype_amp not in ("", "T", "G"):
        raise ArgumentError(f"gaintype_amp = {gaintype_amp!r} is not possible; it can be T, G or empty")
    start(plan.products, arguments)
    summary = Summary(
        vis=os.fspath(vis),
        outdir=os.fspath(plan.products.folder),
        roles=plan.role_names,
        refant=plan.refants[0],
        refants=list(plan.refants),
        ranking=list(plan.ranking),
        calibrated=os.fspath(plan.products.calibrated),
    )
    log.info("reference antenna %s; spws %s", plan.refants[0], plan.spw)
    run = _Run(plan, summary, arguments)
    for name, step in track(run.steps(), label="calibrating"):
        log.info("%s", name)
        began = perf_counter()
        step()
        give_back()
        summary.steps.append((name, round(perf_counter() - began, 3)))
    write_summary(summary, plan.products.summary_json, plan.products.summary_text)
    return summary


class _Run:
    """The steps of one run: what each calls, and what it leaves in the summary."""

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
        out: list[tuple[str, Callable[[], None]]] = [("save flags", self.save_flags)]
        if self.plan.autocorrelations:
            out.append(("flag autocorrelations", self.flag_autocorrelations))
        if self.given["flux_density"] is not None:
            out.append(("set the flux model", self.set_model))
        out += [
            ("phase-up", self.phase_up),
            ("bandpass", self.bandpass),
            ("phase per integration", self.phase_int),
            ("amplitude", self.amplitude),
            ("flux scale", self.flux_scale),
            ("phase per scan", self.phase_inf),
            ("apply", self.apply),
            ("split", self.split),
            ("count solutions", self.count),
            ("phase scatter", self.scatter),
        ]
        if self.given["pictures"]:
            out.append(("pictures", self.pictures))
        return out

    def save_flags(self) -> None:
        from atacal.tasks import flagmanager

        self.summary.flag_version = self.plan.flag_version
        flagmanager(vis=self.vis, mode="save", versionname=self.plan.flag_version, comment="before atacal calibrate")

    def flag_autocorrelations(self) -> None:
        from atacal.tasks import flagdata

        flagdata(vis=self.vis, mode="manual", autocorr=True, flagbackup=False)

    def set_model(self) -> None:
        from atacal.tasks import setjy

        density = self.given["flux_density"]
        stokes = [float(x) for x in (density if isinstance(density, (list, tuple)) else [density])]
        setjy(
            vis=self.vis, field=_ids(self.plan.roles.flux), standard="manual",
            fluxdensity=[*stokes, *[0.0] * (4 - len(stokes))], spix=self.given["spix"], reffreq=self.given["reffreq"],
            usescratch=self.plan.has_model_column,
        )  # fmt: skip

    def phase_up(self) -> None:
        from atacal.tasks import gaincal

        gaincal(
            vis=self.vis, caltable=os.fspath(self.products.phase_up), field=_ids(self.plan.roles.bandpass),
            spw=self.plan.central, solint="int", gaintype="G", calmode="p", **self.common,
        )  # fmt: skip

    def bandpass(self) -> None:
        from atacal.tasks import bandpass

        bandpass(
            vis=self.vis, caltable=self.bandpass_table, field=_ids(self.plan.roles.bandpass), spw=self.plan.spw_ids,
            solint=self.given["solint_bandpass"], combine="scan", solnorm=True, bandtype="B",
            gaintable=[os.fspath(self.products.phase_up)], interp=[self.given["interp"]], **self.common,
        )  # fmt: skip

    def _gains(
        self, table: os.PathLike[str], solint: str, gaintype: str, calmode: str, *before: os.PathLike[str]
    ) -> None:
        from atacal.tasks import gaincal

        gaincal(
            vis=self.vis, caltable=os.fspath(table), field=_ids(self.plan.roles.solved), spw=self.plan.spw,
            solint=solint, gaintype=gaintype, calmode=calmode,
            gaintable=[self.bandpass_table, *(os.fspath(b) for b in before)],
            interp=["linear,linear", *[self.given["interp"]] * len(before)], **self.common,
        )  # fmt: skip

    def phase_int(self) -> None:
        self._gains(self.products.phase_int, self.given["solint_phase"], "G", "p")

    def amplitude(self) -> None:
        gaintype = self.given["gaintype_amp"] or ("T" if self.plan.telescope in ("ALMA", "ACA") else "G")
        self._gains(self.products.ampli_inf, self.given["solint_amp"], gaintype, "a", self.products.phase_int)

    def flux_scale(self) -> None:
        from atacal.tasks import fluxscale

        roles = self.plan.roles
        transfer = [f for f in roles.solved if f not in roles.flux]
        if not transfer:  # one calibrator for all: its amplitudes are on its model's scale already
            return
        result = fluxscale(
            vis=self.vis, caltable=os.fspath(self.products.ampli_inf), fluxtable=os.fspath(self.products.flux_inf),
            reference=[str(f) for f in roles.flux], transfer=[str(f) for f in transfer],
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
            self._apply(_ids(fields), self.products.phase_inf, calibrator)

    def split(self) -> None:
        from atacal.tasks import split

        split(
            vis=self.vis, outputvis=os.fspath(self.products.calibrated), field=_ids(self.plan.applied),
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

        made = [path for path in self.products.tables.values() if path.is_dir()]
        self.summary.pictures = draw(made, self.products.calibrated, self.products.pictures)


def _ids(fields: Any) -> str:
    """Spell field ids as a selection."""
    return ",".join(str(f) for f in sorted(fields))
