"""The standard calibration of a block, from its scan intents to calibrated data and a summary."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from atacal.calibrater.antenna_positions import execution_block, read_positions_file
from atacal.errors import ArgumentError
from atacal.memory import give_back
from atacal.ms.measurement_set import MeasurementSet
from atacal.progress import track
from atacal.recipe.apriori import AprioriRun, import_asdm
from atacal.recipe.apriori_summary import Apriori
from atacal.recipe.flux_model import FluxModel, choose_model
from atacal.recipe.plan import Plan, free_flag_version, make_plan
from atacal.recipe.products import Products, products_of, start
from atacal.recipe.raw import RawPlan, is_asdm, is_raw, plan_raw, require_apriori
from atacal.recipe.refant import given_refant
from atacal.recipe.roles import Roles, find_roles
from atacal.recipe.steps import StandardRun
from atacal.recipe.summary import Summary, write_summary
from atacal.recipe.switched import refuse_switched

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
    catalogue: str = "",
    refant: str = "",
    spw: str = "",
    solint_bandpass: str = "",
    solint_phase: str = "int",
    solint_amp: str = "inf",
    gaintype_amp: str = "",
    solint_target: str = "inf",
    minsnr: float = 3.0,
    minblperant: int = 4,
    interp: str = "linear",
    apriori: str = "auto",
    wvr: str = "auto",
    antpos: str = "",
    outdir: str = "",
    pictures: bool = True,
) -> Summary:
    """Calibrate a raw ALMA block, or any MeasurementSet, by the standard recipe.

    An ASDM is imported first. Raw data get the a-priori steps of ALMA's scripts: flags (autocorrelations, pointing and
    atmosphere scans, online flags), system temperatures, antenna positions, water vapour, split of the science spws,
    shadows, edge channels. What is left out is said, with the reason, in the log and in the summary.

    The fields' roles are taken from the scan intents where they are not given. The recipe: flag the autocorrelations,
    set the flux calibrator's model (given, or a solar-system body's), phases of the bandpass calibrator for every
    integration on the central channels, bandpass (scans combined, normalised), phases for every integration, amplitudes
    for every scan, flux scale (of a resolved body on its short baselines), phases for every scan; apply them (bandpass
    and flux calibrators with their own phases of every integration, the others with those of the nearest phase
    calibrator's scans); split the corrected data into a new MeasurementSet.

    The MeasurementSet gets flags (the earlier ones are kept as a flag version), the flux calibrator's model and
    CORRECTED_DATA, as the same steps give it in CASA; everything else goes to ``outdir``. A run that was stopped can be
    started again: the MeasurementSet stays usable and the folder's products are made anew.

    Parameters
    ----------
    vis : str
        An ASDM, or a MeasurementSet: raw, or after the a-priori steps where there are any.
    bandpass : str
        Bandpass calibrator: field names or ids, or the beginning of one name. Empty: by the intent CALIBRATE_BANDPASS.
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
        in the MeasurementSet (not in a raw one); else, for a solar-system body, its disc; else the flux density in
        the ASDM's Source table, with a warning.
    spix : float
        Spectral index of the flux calibrator, with ``flux_density``.
    reffreq : str
        Frequency of ``flux_density`` for the spectral index: ``230GHz``.
    catalogue : str
        Without ``flux_density``: a catalogue of ALMA's measurements of calibrators, CSV or VOTable. The flux calibrator
        gets in each spw what `atacal flux` estimates for its day. Empty: none.
    refant : str
        Reference antenna, or several in order of preference. Empty: the most central and least flagged one.
    spw : str
        Spectral windows, with channel ranges if gains should not be solved on all. Empty: those that the bandpass
        calibrator and the target share and that have more than one channel. Numbers are those of ``vis``.
    solint_bandpass : str
        Solution interval of the bandpass: ``inf``, or with a frequency interval ``inf,20MHz``. Empty: ``inf``; of raw
        data ``inf,20ch`` for spws with more than 256 channels narrower than 8 MHz.
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
    apriori : str
        Whether the a-priori steps are done: ``auto`` (for raw data: radiometers, or Tsys and more spws than those for
        science), ``yes`` or ``no``.
    wvr : str
        Whether the water vapour radiometers' correction is applied: ``auto`` (three radiometers and a fifth of the
        antennas at least, and it must not raise the calibrators' phase scatter), ``yes`` or ``no``.
    antpos : str
        Antenna position corrections: a file (JSON of CASA's getantposalma, or ALMA's antennapos.csv), or ``service``
        to ask ALMA's public service. Empty: none.
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
    CatalogueError, UnknownSource
        If the catalogue cannot be read, or does not have the flux calibrator.
    AsdmError, InvalidTable, CaltableMismatch, NoWvrData, ServiceError
        By raw data that cannot be calibrated.
    """
    arguments = {k: v for k, v in locals().items()}
    _check(arguments)
    products = products_of(vis, outdir)
    summary = Summary(vis=os.fspath(vis), outdir=os.fspath(products.folder), calibrated=os.fspath(products.calibrated))
    started = is_asdm(vis)
    if started:
        start(products, arguments, vis)
        _run([("import", lambda: import_asdm(vis, products.imported))], summary)
    decided = _decide(products.imported if started else vis, arguments)
    if decided.raw is not None and not started:
        start(products, arguments, vis)
    data = decided.vis
    if decided.raw is not None:
        data = _apriori(decided, decided.raw, products, summary, arguments, asdm=os.fspath(vis) if started else "")
    with MeasurementSet(data) as ms:
        plan = make_plan(
            ms, decided.roles, decided.model, products, spw=decided.raw.spw_after if decided.raw else spw,
            refant=refant, solint_bandpass=solint_bandpass or ("" if decided.raw else "inf"),
        )  # fmt: skip
    if decided.raw is None and not started:
        start(products, arguments, vis)
    _describe(summary, plan)
    _run(StandardRun(plan, summary, arguments).steps(), summary)
    write_summary(summary, products.summary_json, products.summary_text)
    return summary


@dataclass(frozen=True, eq=False)
class _Decided:
    """What is known before anything is changed; ``raw`` is None for data after the a-priori steps."""

    vis: Path
    roles: Roles
    model: FluxModel
    raw: RawPlan | None


def _decide(vis: str | os.PathLike[str], given: dict[str, Any]) -> _Decided:
    """Find the roles, the flux calibrator's model, and what is to be done a priori; refuse what cannot be done."""
    wanted = {role: given[role] for role in ("bandpass", "flux", "phase", "target", "check")}
    with MeasurementSet(vis) as ms:
        roles = find_roles(ms, **wanted)
        refuse_switched(ms, roles)
        raw = given["apriori"] == "yes" or (given["apriori"] == "auto" and is_raw(ms))
        model = choose_model(ms, roles, given=given["flux_density"] is not None, raw=raw, catalogue=given["catalogue"])
        if raw:
            given_refant(ms, given["refant"])
            if given["antpos"] == "service":
                execution_block(ms.metadata)
            elif given["antpos"]:
                read_positions_file(given["antpos"], ms.metadata)
            return _Decided(ms.path, roles, model, plan_raw(ms, roles, given["spw"]))
        if given["antpos"] or given["wvr"] == "yes":
            raise ArgumentError(
                f"{ms.path} is not raw, so that antpos and wvr have no meaning; apriori=yes does the steps nevertheless"
            )
        return _Decided(ms.path, roles, model, None)


def _apriori(
    decided: _Decided, raw: RawPlan, products: Products, summary: Summary, given: dict[str, Any], *, asdm: str
) -> Path:
    """Save the flags, do the a-priori steps, and return the MeasurementSet that they leave."""
    from atacal.tasks import flagmanager

    vis = os.fspath(decided.vis)
    summary.flag_version = free_flag_version(decided.vis)
    summary.vis = vis
    summary.apriori = Apriori(asdm, vis, os.fspath(products.split), list(raw.spws))

    def save_flags() -> None:
        flagmanager(vis=vis, mode="save", versionname=summary.flag_version, comment="before atacal calibrate")

    run = AprioriRun(vis, raw, products, summary.apriori, summary.notes, given)
    _run([("save flags", save_flags), *run.steps()], summary)
    return products.split


def _describe(summary: Summary, plan: Plan) -> None:
    """Put what was decided into the summary."""
    summary.roles, summary.flux_model = plan.role_names, plan.model.text
    summary.refant, summary.refants, summary.ranking = plan.refants[0], list(plan.refants), list(plan.ranking)
    for note in plan.notes:
        log.warning("%s", note)
    summary.notes += plan.notes
    if plan.body is not None:
        summary.notes += plan.body.notes()
        lobe = plan.body.lobe
        summary.flux_antennas = lobe.antenna.rstrip("&").split(",") if lobe else []
    log.info("reference antenna %s; spws %s", plan.refants[0], plan.spw)


def _check(given: dict[str, Any]) -> None:
    if given["catalogue"] and given["flux_density"] is not None:
        raise ArgumentError("flux_density and catalogue both say how bright the flux calibrator is: give one of them")
    if given["interp"] not in ("linear", "nearest"):
        raise ArgumentError(f"interp = {given['interp']!r} is not possible; it can be linear or nearest")
    if given["gaintype_amp"] not in ("", "T", "G"):
        raise ArgumentError(f"gaintype_amp = {given['gaintype_amp']!r} is not possible; it can be T, G or empty")
    require_apriori(given["apriori"], given["wvr"], given["antpos"])


def _run(steps: list[tuple[str, Callable[[], None]]], summary: Summary) -> None:
    for name, step in track(steps, label="calibrating"):
        log.info("%s", name)
        began = perf_counter()
        step()
        give_back()
        summary.steps.append((name, round(perf_counter() - began, 3)))
