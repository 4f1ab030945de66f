"""What a calibration run is going to do: fields, spws, channels, reference antenna and products."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, EmptySelection, ModelError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.recipe.products import Products, products_of
from atacal.recipe.refant import RankedAntenna, count_data, given_refant, rank_antennas
from atacal.recipe.roles import Roles, find_roles, nearest_phase_calibrator

log = logging.getLogger("atacal")

FLAG_VERSION = "before_calibrate"
_NOT_SCIENCE = ("WVR", "CH_AVG", "SQLD")
"""In names of ALMA's spws that hold no spectra for science."""


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
    """

    vis: Path
    roles: Roles
    role_names: dict[str, list[str]]
    spw: str
    spw_ids: str
    central: str
    freq_hz: dict[int, float]
    refants: tuple[str, ...]
    ranking: tuple[RankedAntenna, ...]
    phase_calibrator: dict[int, int]
    products: Products
    autocorrelations: bool
    has_model_column: bool
    flag_version: str
    telescope: str

    @property
    def applied(self) -> tuple[int, ...]:
        """Every field that is calibrated."""
        return tuple(sorted({*self.roles.by_own_gains, *self.roles.by_phase_calibrator}))


def make_plan(
    ms: MeasurementSet,
    *,
    bandpass: str,
    flux: str,
    phase: str,
    target: str,
    check: str,
    spw: str,
    refant: str,
    outdir: str,
    has_model: bool,
) -> Plan:
    """Decide what a run does; see `atacal.recipe.calibrate` for the parameters.

    Parameters
    ----------
    ms : MeasurementSet
    has_model : bool
        Whether the flux calibrator's flux density is given.

    Raises
    ------
    ArgumentError, SelectionError, ModelError
    """
    roles = find_roles(ms, bandpass=bandpass, flux=flux, phase=phase, check=check, target=target)
    if not has_model:
        _require_model(ms, roles)
    channels = _channels(ms, spw, roles)
    spw_ids = ",".join(map(str, channels))
    refants, ranking = _refants(ms, refant, roles, spw_ids)
    return Plan(
        vis=ms.path,
        roles=roles,
        role_names=roles.names(ms.metadata),
        spw=spw or spw_ids,
        spw_ids=spw_ids,
        central=",".join(f"{s}:{_ranges(central_channels(mask))}" for s, mask in channels.items()),
        freq_hz={s: ms.metadata.spws[s].centre_freq_hz for s in channels},
        refants=refants,
        ranking=ranking,
        phase_calibrator=nearest_phase_calibrator(ms.metadata, roles),
        products=products_of(ms.path, outdir),
        autocorrelations=has_autocorrelations(ms),
        has_model_column=ms.has("MODEL_DATA"),
        flag_version=_free_flag_version(ms.path),
        telescope=ms.metadata.telescope,
    )


def _channels(ms: MeasurementSet, spw: str, roles: Roles) -> dict[int, NDArray[np.bool_]]:
    """Return the channels to solve on, by spw."""
    fields = {*roles.bandpass, *roles.phase}
    observed = [set(np.unique(ms.runs.ddid[ms.runs.field == f]).tolist()) for f in fields]
    shared = {ms.metadata.ddids[d].spw for d in set.intersection(*observed)} if observed else set()
    if spw:
        selected = select(ms, Selection(field=_ids(fields), spw=spw))
        return {s: selected.channels[s] for s in selected.spws}
    of_targets = {ms.metadata.ddids[d].spw for f in roles.target for d in np.unique(ms.runs.ddid[ms.runs.field == f])}
    shared = shared & of_targets or shared
    spws = [ms.metadata.spws[s] for s in sorted(shared)]
    science = [s for s in spws if s.nchan > 1 and not any(word in s.name for word in _NOT_SCIENCE)] or spws
    if not science:
        raise EmptySelection(f"{ms.path}: the bandpass and the phase calibrator have no spectral window in common")
    left_out = [s.id for s in spws if s not in science]
    if left_out:
        log.info("spws %s hold no spectra for science and are left out; spw=... names them", left_out)
    return {s.id: np.ones(s.nchan, bool) for s in science}


def central_channels(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the central quarter of the selected channels, one at least."""
    chosen = np.flatnonzero(mask)
    n = len(chosen)
    low = int(n * 0.375)
    out = np.zeros_like(mask)
    out[chosen[low : max(low + 1, int(n * 0.625) + 1)]] = True
    return out


def _ranges(mask: NDArray[np.bool_]) -> str:
    """Spell a channel mask as a selection: ``3~17;20~22``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return ";".join(f"{a}~{b - 1}" for a, b in zip(edges[::2], edges[1::2], strict=True))


def _refants(
    ms: MeasurementSet, refant: str, roles: Roles, spw: str
) -> tuple[tuple[str, ...], tuple[RankedAntenna, ...]]:
    given = given_refant(ms, refant)
    if given:
        return tuple(given), ()
    selected = select(ms, Selection(field=_ids(roles.solved), spw=spw), autocorr=False)
    good, total = count_data(ms, selected)
    ranking = rank_antennas(ms.metadata.antenna_names(), ms.metadata.antenna_positions_m, good, total)
    if not ranking:
        raise EmptySelection(f"{ms.path}: all data of the calibrators are flagged")
    return tuple(r.name for r in ranking), tuple(ranking)


def _require_model(ms: MeasurementSet, roles: Roles) -> None:
    """Make sure that an earlier ``setjy`` has left a model of the flux calibrator."""
    from atacal.ms._virtual_model import read_virtual_models

    if ms.has("MODEL_DATA"):
        return
    virtual = read_virtual_models(ms.path)
    without = [ms.metadata.fields[f].name for f in roles.flux if f not in virtual]
    if without:
        raise ModelError(
            f"{ms.path}: the flux density of {', '.join(without)} is not known; "
            "give it with flux_density=... [Jy], or set a model with setjy before"
        )


def has_autocorrelations(ms: MeasurementSet) -> bool:
    """Whether the first integration of any data description has autocorrelations."""
    for ddid in np.unique(ms.runs.ddid):
        first = int(np.flatnonzero(ms.runs.ddid == ddid)[0])
        segment = [(int(ms.runs.row0[first]), int(ms.runs.nrow[first]))]
        if np.any(ms.read_scalar("ANTENNA1", segment) == ms.read_scalar("ANTENNA2", segment)):
            return True
    return False


def _free_flag_version(ms: Path) -> str:
    folder = Path(os.fspath(ms) + ".flagversions")
    names = {p.name.removeprefix("flags.") for p in folder.iterdir()} if folder.is_dir() else set()
    for number in range(1, 10_000):
        name = FLAG_VERSION if number == 1 else f"{FLAG_VERSION}_{number}"
        if name not in names:
            return name
    raise ArgumentError(f"{folder} holds too many versions {FLAG_VERSION}_N; delete some with flagmanager")


def _ids(fields: Iterable[int]) -> str:
    return ",".join(str(f) for f in sorted(fields))
