"""What a calibration run is going to do: fields, spws, channels, reference antenna and products."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Spw
from atacal.ms.selection import Selection, select
from atacal.recipe.channels import central_channels, ranges, science_channels, without_data
from atacal.recipe.flux_model import BodyPlan, FluxModel, plan_body
from atacal.recipe.products import Products
from atacal.recipe.refant import RankedAntenna, count_data, given_refant, rank_antennas
from atacal.recipe.roles import Roles, nearest_phase_calibrator

FLAG_VERSION = "before_calibrate"
_FDM_CHANNELS = 256
_FDM_WIDTH_HZ = 8e6
_FDM_SOLINT = "inf,20ch"
"""Bandpass of spws with more channels than these, each narrower: 20 channels a solution (ALMA's scripts)."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is decided before the first solve.

    Attributes
    ----------
    vis : Path
    roles : Roles
    role_names : dict of role -> list of field names
    spw : str
        Selection for the gain solves, with channel ranges where the user gave them.
    spw_ids : str
        The same spws, all channels.
    central : str
        The central quarter of the channels, for the phase-up.
    bandpass_solint : dict of str -> str
        Solution intervals of the bandpass, each with the spws that have it.
    freq_hz : dict of spw -> float
        Mean channel frequency.
    refants : tuple of str
        Best first.
    ranking : tuple of RankedAntenna
        Empty when the user gave the reference.
    phase_calibrator : dict of field -> field
        Whose gains correct the phase calibrators, check sources and targets.
    products : Products
    autocorrelations, has_model_column : bool
        What the MeasurementSet has.
    flag_version : str
        Name that the present flags are saved under.
    telescope : str
    model : FluxModel
        Of the flux calibrators.
    notes : tuple of str
        What is left out, and why.
    body : BodyPlan, optional
        If the flux calibrator is a solar-system body: its lines, and what of it is resolved.
    """

    vis: Path
    roles: Roles
    role_names: dict[str, list[str]]
    spw: str
    spw_ids: str
    central: str
    bandpass_solint: dict[str, str]
    freq_hz: dict[int, float]
    refants: tuple[str, ...]
    ranking: tuple[RankedAntenna, ...]
    phase_calibrator: dict[int, int]
    products: Products
    autocorrelations: bool
    has_model_column: bool
    flag_version: str
    telescope: str
    model: FluxModel
    notes: tuple[str, ...]
    body: BodyPlan | None

    @property
    def applied(self) -> tuple[int, ...]:
        """Every field that is calibrated."""
        return tuple(sorted({*self.roles.by_own_gains, *self.roles.by_phase_calibrator}))


def make_plan(
    ms: MeasurementSet, roles: Roles, model: FluxModel, products: Products, *,
    spw: str, refant: str, solint_bandpass: str,
) -> Plan:  # fmt: skip
    """Decide what a run does; see `atacal.recipe.calibrate` for the parameters.

    Raises
    ------
    ArgumentError, SelectionError, ModelError
    """
    channels = science_channels(ms, spw, roles, ms.runs)
    flagged = without_data(ms, channels, roles)
    channels = {s: mask for s, mask in channels.items() if s not in flagged}
    if not channels:
        raise EmptySelection(f"{ms.path}: all data of the bandpass or of the phase calibrator are flagged in every spw")
    spw_ids = ",".join(map(str, channels))
    refants, ranking = choose_refants(ms, refant, roles, spw_ids)
    spws = [ms.metadata.spws[s] for s in channels]
    return Plan(
        vis=ms.path,
        roles=roles,
        role_names=roles.names(ms.metadata),
        spw=spw if spw and not flagged else _spell(channels),
        spw_ids=spw_ids,
        central=",".join(f"{s}:{ranges(central_channels(mask))}" for s, mask in channels.items()),
        bandpass_solint={solint_bandpass: spw_ids} if solint_bandpass else _bandpass_solints(spws),
        freq_hz={s.id: s.centre_freq_hz for s in spws},
        refants=refants,
        ranking=ranking,
        phase_calibrator=nearest_phase_calibrator(ms.metadata, roles),
        products=products,
        autocorrelations=has_autocorrelations(ms),
        has_model_column=ms.has("MODEL_DATA"),
        flag_version=free_flag_version(ms.path),
        telescope=ms.metadata.telescope,
        model=model,
        notes=tuple(
            f"spw {s} is left out: all data of the {role} calibrator are flagged" for s, role in flagged.items()
        ),
        body=plan_body(ms, roles, refants, list(channels)) if model.kind == "body" else None,
    )


def _spell(channels: Mapping[int, NDArray[np.bool_]]) -> str:
    """Spell spws as a selection, with the channels where not all are wanted."""
    return ",".join(str(s) if mask.all() else f"{s}:{ranges(mask)}" for s, mask in channels.items())


def _bandpass_solints(spws: Iterable[Spw]) -> dict[str, str]:
    """Return the solution intervals that ALMA's scripts give the bandpass, with the spws of each."""
    out: dict[str, list[str]] = {}
    for spw in spws:
        fine = spw.nchan > _FDM_CHANNELS and float(np.abs(spw.chan_width_hz).max()) < _FDM_WIDTH_HZ
        out.setdefault(_FDM_SOLINT if fine else "inf", []).append(str(spw.id))
    return {solint: ",".join(ids) for solint, ids in out.items()}


def choose_refants(
    ms: MeasurementSet, refant: str, roles: Roles, spw: str
) -> tuple[tuple[str, ...], tuple[RankedAntenna, ...]]:
    """Return the reference antennas, best first, and their ranking (empty if the user has named them).

    Raises
    ------
    ArgumentError
    EmptySelection
        If all data of the calibrators are flagged.
    """
    given = given_refant(ms, refant)
    if given:
        return tuple(given), ()
    selected = select(ms, Selection(field=_ids(roles.solved), spw=spw), autocorr=False)
    good, total = count_data(ms, selected)
    ranking = rank_antennas(ms.metadata.antenna_names(), ms.metadata.antenna_positions_m, good, total)
    if not ranking:
        raise EmptySelection(f"{ms.path}: all data of the calibrators are flagged")
    return tuple(r.name for r in ranking), tuple(ranking)


def has_autocorrelations(ms: MeasurementSet) -> bool:
    """Whether the first integration of any data description has autocorrelations."""
    for ddid in np.unique(ms.runs.ddid):
        first = int(np.flatnonzero(ms.runs.ddid == ddid)[0])
        segment = [(int(ms.runs.row0[first]), int(ms.runs.nrow[first]))]
        if np.any(ms.read_scalar("ANTENNA1", segment) == ms.read_scalar("ANTENNA2", segment)):
            return True
    return False


def free_flag_version(ms: Path) -> str:
    """Return a name for the present flags that no flag version has."""
    folder = Path(os.fspath(ms) + ".flagversions")
    names = {p.name.removeprefix("flags.") for p in folder.iterdir()} if folder.is_dir() else set()
    for number in range(1, 10_000):
        name = FLAG_VERSION if number == 1 else f"{FLAG_VERSION}_{number}"
        if name not in names:
            return name
    raise ArgumentError(f"{folder} holds too many versions {FLAG_VERSION}_N; delete some with flagmanager")


def _ids(fields: Iterable[int]) -> str:
    return ",".join(str(f) for f in sorted(fields))
