"""The shape that every term of the measurement equation has: parameters in, Jones factors out.

The data are V_ij = J_i M_ij J_j^H, with J the product of the terms; correcting multiplies by the inverse. Most terms
are diagonal in the receptors: then a factor is one complex number a receptor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sky:
    """Where the observed fields stand.

    Attributes
    ----------
    direction : float64 (time, 3), or None
        Unit vectors towards the sources, ITRF axes; None where no term needs them.
    elevation_rad : float64 (time, antenna), or None
    """

    direction: NDArray[np.float64] | None = None
    elevation_rad: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Parameters:
    """Solutions of one table, interpolated to the data.

    Attributes
    ----------
    amplitude : float64 (time, antenna, chan, par)
        Amplitudes of complex parameters; real parameters themselves.
    phase : float64, same shape, or None
        [rad]; None for real parameters.
    ok : bool, same shape
    table_amplitude, table_ok : float64, bool (time, antenna, table chan, par)
        The same before they were carried to the data's channels; the weights come from these.
    freq_hz : float64 (chan,)
        Channel centres of the data [Hz].
    ref_freq_hz : float
        Frequency at which the table's phases are meant [Hz].
    sky : Sky or None
        For the terms that depend on where the source stands.
    """

    amplitude: NDArray[np.float64]
    phase: NDArray[np.float64] | None
    ok: NDArray[np.bool_]
    table_amplitude: NDArray[np.float64]
    table_ok: NDArray[np.bool_]
    freq_hz: NDArray[np.float64]
    ref_freq_hz: float
    sky: Sky | None = None


Factor = tuple[NDArray[np.complex128], NDArray[np.bool_]]
"""Diagonal Jones factors and whether they are good, (time, antenna, chan or 1, receptor)."""


@dataclass(frozen=True)
class Term:
    """One kind of calibration.

    Attributes
    ----------
    kind : str
        CASA's VisCal name.
    per_channel : bool
        Whether the parameters have a frequency axis that is carried to the data's channels.
    factor : callable
        `Parameters` -> `Factor`.
    weight : callable or None
        `Parameters` -> float64 (time, antenna, receptor), by which the weights are scaled for each of the two
        antennas; None for a term that never changes weights.
    channel_weight : callable or None
        The same for each channel (time, antenna, chan, receptor), where a WEIGHT_SPECTRUM is kept.
    of_sky : {"", "direction", "elevation"}
        What of the source's place the factors depend on: they are then evaluated at every time.
    of_array : bool
        Whether the parameters are the same in all spws: they stand in the table's spw 0, whatever ``spwmap`` says.
    """

    kind: str
    per_channel: bool
    factor: Callable[[Parameters], Factor]
    weight: Callable[[Parameters], NDArray[np.float64]] | None = None
    channel_weight: Callable[[Parameters], NDArray[np.float64]] | None = None
    of_sky: str = ""
    of_array: bool = False


def both_receptors(values: NDArray) -> NDArray:
    """Give both receptors the value of a parameter that they share (a T table has one parameter)."""
    return np.repeat(values, 2, axis=-1) if values.shape[-1] == 1 else values


def complex_factor(par: Parameters) -> Factor:
    """Return g = amplitude exp(i phase); a flagged one is 1."""
    assert par.phase is not None
    value = par.amplitude * np.exp(1j * par.phase)
    return both_receptors(np.where(par.ok, value, 1.0)), both_receptors(par.ok)


def good_mean(values: NDArray[np.float64], ok: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over good channels of (time, antenna, chan, par); 1 where there is none."""
    count = ok.sum(axis=2)
    total = np.where(ok, values, 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), 1.0)
