"""Writing point-source models: to the MODEL_DATA column, or as CASA's virtual models."""

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
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel, correlations
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
    """

    values_jy: NDArray[np.float64]
    power_law: tuple[NDArray[np.float64], float, float] | None = None


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
        vis = correlations(spectra[int(runs.field[i]), dd.spw].values_jy, md.pols[dd.pol].corr_types)
        what = f"spw {dd.spw} of {ms.path}"
        step = block_bytes(for_data(), vis.size * 8, what, blocks=1, cap=_ROWS_BYTES) // (vis.size * 8) or 1
        for row0 in range(int(runs.row0[i]), int(runs.row0[i] + runs.nrow[i]), step):
            count = min(step, int(runs.row0[i] + runs.nrow[i]) - row0)
            rows = np.broadcast_to(vis.astype(np.complex64), (count, *vis.shape)).copy()
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
            component = Component(_spectrum(spectra[number, spw], md.spws[spw].chan_freq_hz, md.spws[spw].frame),
                                  field.phase_dir_rad, field.frame)  # fmt: skip
            lists.append(
                ComponentList(
                    components=(component,),
                    channels=((spw, 0, md.spws[spw].nchan, 1),),
                    combinations=frozenset((number, spw, scan, state) for scan, state in keys),
                )
            )
        put_virtual_models(ms.path, number, field.source_id, lists)


def _spectrum(given: ModelSpectrum, freqs: NDArray[np.float64], frame: str) -> Spectrum:
    if given.power_law is not None:
        stokes, index, reference = given.power_law
        return Spectrum(np.asarray(stokes, np.float64), float(index), float(reference))
    return Spectrum(given.values_jy[:, 0], table_hz=freqs, table_jy=given.values_jy, frame=frame)
