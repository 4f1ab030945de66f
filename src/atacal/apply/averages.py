"""Corrected visibilities averaged over channels, made on the fly: nothing is written, and what stays is small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from atacal.apply import kernels
from atacal.apply.block import correct_block, flag_block, receptors_of
from atacal.apply.library_pass import wanted_rows
from atacal.caltables.library import Library
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selected import Selected
from atacal.ms.stream import Block, each_block


@dataclass(frozen=True, eq=False)
class ChannelSums:
    """Rows of a block, summed over their channels.

    Attributes
    ----------
    spw, pol : int
    time : float64 (row,)
        [MJD s]
    interval : float64 (row,)
        [s]
    antenna1, antenna2, field, scan, state : int32 (row,)
    uvdist_m : float64 (row,)
    corrected, model : complex128 (row, corr)
        Sums over the unflagged channels [Jy].
    count : int64 (row, corr)
        Unflagged channels.
    """

    spw: int
    pol: int
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    field: NDArray[np.int32]
    scan: NDArray[np.int32]
    state: NDArray[np.int32]
    uvdist_m: NDArray[np.float64]
    corrected: NDArray[np.complex128]
    model: NDArray[np.complex128]
    count: NDArray[np.int64]


def corrected_sums(ms: MeasurementSet, selected: Selected, library: Library) -> Iterator[ChannelSums]:
    """Read the selected rows once, correct them by a library, and sum them and their model over channels.

    What rests on flagged or missing solutions counts as flagged, as after applycal with calflagstrict: an spw that a
    table has nothing for counts as flagged altogether.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
        Its channels and correlations do not matter: all are used, as by applycal.
    library : Library

    Yields
    ------
    ChannelSums
        Of the rows of one block; autocorrelations are left out.

    Raises
    ------
    ModelError, MissingColumn
    """
    model = SkyModel.of(ms)
    columns = ["DATA", "FLAG", "FLAG_ROW", "UVW", *(c for c in model.columns if c != "UVW")]
    # beside the columns: the model and the factors of every visibility
    yield from each_block(ms, selected, columns, partial(_sums, ms, library, model), made_bytes=16)


def _sums(ms: MeasurementSet, library: Library, model: SkyModel, whole: Block) -> ChannelSums:
    cross = whole.antenna1 != whole.antenna2
    whole.wanted &= cross
    block = wanted_rows(whole)
    vis, flag = block["DATA"], block["FLAG"]
    flag |= block["FLAG_ROW"][:, None, None]
    shape = (block.nrow, vis.shape[2])
    corrected, predicted = np.zeros(shape, np.complex128), np.zeros(shape, np.complex128)
    count = np.zeros(shape, np.int64)
    if block.nrow:
        expected = model.block(block)
        if all(use.covers(block.spw) for use in library.uses):
            receptors = receptors_of(ms.metadata.pols[block.pol])
            factors = library.factors(block)
            flag_block(block, factors, receptors)
            if factors.matrix is not None:
                flag |= flag.any(axis=2, keepdims=True)
            correct_block(block, factors, receptors)
        else:
            flag[:] = True
        kernels.sum_channels(vis, np.ascontiguousarray(expected), flag, corrected, predicted, count)
    uvdist = np.hypot(block["UVW"][:, 0], block["UVW"][:, 1])
    return ChannelSums(
        block.spw, block.pol, block.time, block.interval, block.antenna1, block.antenna2, block.field, block.scan,
        block.state, uvdist, corrected, predicted, count,
    )  # fmt: skip
