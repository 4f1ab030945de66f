"""Writing models of points and discs: to the MODEL_DATA column, or as CASA's virtual models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.memory import block_bytes, for_data
from atacal.ms._virtual_model import (
    Component,
    ComponentList,
    Spectrum,
    has_virtual_models,
    put_virtual_models,
    remove_virtual_models,
)
from atacal.ms.columns import ensure_column
from atacal.ms.disc import Disc
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Field, Spw
from atacal.ms.models import SkyModel, correlations, visibilities
from atacal.ms.selected import Selected
from atacal.ms.stream import stream

_ROWS_BYTES = 32 << 20


@dataclass(frozen=True, eq=False)
class ModelSpectrum:
    """The flux density of one field in one spw.

    Attributes
    ----------
    values_jy : float64 (4, chan)
        I, Q, U, V in every channel.
    power_law : (float64 (4,), float, float), optional
        Where the values follow one: Stokes [Jy], spectral index, reference frequency [Hz].
    disc : Disc, optional
        Else it is a point.
    direction_rad : tuple of 2 floats, optional
        J2000; else it is at the phase centre.
    """

    values_jy: NDArray[np.float64]
    power_law: tuple[NDArray[np.float64], float, float] | None = None
    disc: Disc | None = None
    direction_rad: tuple[float, float] | None = None


Spectra = Mapping[tuple[int, int], ModelSpectrum]
"""By (field, spw)."""


def set_column(ms: MeasurementSet, selected: Selected, spectra: Spectra) -> None:
    """Write models to MODEL_DATA, for every row of the selected runs.

    Virtual models, which would win over the column, are moved into it first, so that no field loses its model.

    Raises
    ------
    WriteError, ModelError
    """
    ensure_column(ms, "MODEL_DATA")
    if has_virtual_models(ms.path):
        _materialise(ms)
    md, runs = ms.metadata, selected.runs
    for i in range(len(runs)):
        dd = md.ddids[int(runs.ddid[i])]
        given, field = spectra[int(runs.field[i]), dd.spw], md.fields[int(runs.field[i])]
        corr_types, freqs = md.pols[dd.pol].corr_types, md.spws[dd.spw].chan_freq_hz
        vis = correlations(given.values_jy, corr_types)
        everywhere = given.disc is None and given.direction_rad is None
        component = _component(given, field, md.spws[dd.spw])
        what = f"spw {dd.spw} of {ms.path}"
        row_bytes = vis.size * (8 if everywhere else 48)
        step = block_bytes(for_data(), row_bytes, what, blocks=1, cap=_ROWS_BYTES) // row_bytes or 1
        for row0 in range(int(runs.row0[i]), int(runs.row0[i] + runs.nrow[i]), step):
            count = min(step, int(runs.row0[i] + runs.nrow[i]) - row0)
            if everywhere:
                rows = np.broadcast_to(vis.astype(np.complex64), (count, *vis.shape)).copy()
            else:
                uvw = np.empty((count, 3))
                ms.read("UVW", [(row0, count)], uvw)
                rows = visibilities(component, field, freqs, corr_types, uvw).astype(np.complex64)
            ms.write("MODEL_DATA", [(row0, count)], rows)


def _materialise(ms: MeasurementSet) -> None:
    """Move all virtual models into MODEL_DATA."""
    model = SkyModel.of(ms)
    everything = Selected(
        runs=ms.runs,
        baselines=np.ones((ms.metadata.nant, ms.metadata.nant), bool),
        channels={s.id: np.ones(s.nchan, bool) for s in ms.metadata.spws},
        corrs={p.id: np.ones(p.ncorr, bool) for p in ms.metadata.pols},
    )
    fields = model.virtual_fields
    chosen = np.isin(ms.runs.field, fields)
    everything = Selected(ms.runs[chosen], everything.baselines, everything.channels, everything.corrs)
    if chosen.any():
        for block in stream(ms, everything, ["UVW"], made_bytes=8, prefetch=False):
            nchan, ncorr = ms.metadata.spws[block.spw].nchan, ms.metadata.pols[block.pol].ncorr
            vis = np.broadcast_to(model.block(block), (block.nrow, nchan, ncorr))
            ms.write("MODEL_DATA", block.segments, np.ascontiguousarray(vis))
    remove_virtual_models(ms.path)


def set_virtual(ms: MeasurementSet, selected: Selected, spectra: Spectra) -> None:
    """Keep models as virtual ones in the SOURCE subtable, for the scans and states of the selected runs.

    Raises
    ------
    ModelError, WriteError
    """
    md, runs = ms.metadata, selected.runs
    spw_of = md.ddid_spw[runs.ddid]
    for number in sorted({field for field, _ in spectra}):
        field = md.fields[number]
        lists = []
        for spw in sorted(s for f, s in spectra if f == number):
            of_both = (runs.field == number) & (spw_of == spw)
            keys = set(zip(runs.scan[of_both].tolist(), runs.state[of_both].tolist(), strict=True))
            component = _component(spectra[number, spw], field, md.spws[spw])
            lists.append(
                ComponentList(
                    components=(component,),
                    channels=((spw, 0, md.spws[spw].nchan, 1),),
                    combinations=frozenset((number, spw, scan, state) for scan, state in keys),
                )
            )
        put_virtual_models(ms.path, number, field.source_id, lists)


def _component(given: ModelSpectrum, field: Field, spw: Spw) -> Component:
    spectrum = _spectrum(given, spw.chan_freq_hz, spw.frame)
    if given.direction_rad is not None:
        return Component(spectrum, given.direction_rad, "J2000", given.disc)
    return Component(spectrum, field.phase_dir_rad, field.frame, given.disc)


def _spectrum(given: ModelSpectrum, freqs: NDArray[np.float64], frame: str) -> Spectrum:
    if given.power_law is not None:
        stokes, index, reference = given.power_law
        return Spectrum(np.asarray(stokes, np.float64), float(index), float(reference))
    return Spectrum(given.values_jy[:, 0], table_hz=freqs, table_jy=given.values_jy, frame=frame)
