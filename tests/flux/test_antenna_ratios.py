"""Flux densities antenna by antenna."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError
from atacal.flux.antenna_ratios import antenna_fluxes
from atacal.ms.metadata import Antenna, Field, Spw

TRUE_JY = 2.25


def gains(*, drift: float = 0.0, nant: int = 8) -> CalTable:
    """The reference in slots 0 and 2, another field in slot 1; every antenna's gain drifts linearly in time."""
    rng = np.random.default_rng(5)
    gain = 1 + 0.2 * rng.random((1, nant, 1, 2)) * (1 + drift * np.arange(3)[:, None, None, None])
    param = (gain * np.sqrt([1.0, TRUE_JY, 1.0])[:, None, None, None]).astype(np.complex64)
    one = np.array([100e9])
    spw = Spw(0, "", one, one, one, one, 100e9, 2e9, "TOPO", 1, 1, 0)
    solutions = SpwSolutions(
        0, 5e9 + 100.0 * np.arange(3), np.zeros(3), np.array([0, 1, 0], np.int32), np.arange(3, dtype=np.int32),
        np.zeros(3, np.int32), np.zeros((3, nant), np.int32), param, np.zeros(param.shape, np.float32),
        np.ones(param.shape, np.float32), np.zeros(param.shape, bool),
    )  # fmt: skip
    antennas = tuple(Antenna(i, f"DA{i}", "", (0, 0, 0), 12.0, "", False) for i in range(nant))
    fields = tuple(Field(i, n, "", i, (0, 0), "J2000", 0.0) for i, n in enumerate(("ref", "cal")))
    return CalTable("G Jones", "Complex", "linear", "x.ms", antennas, fields, (spw,), {0: solutions}, None)


def test_gains_are_interpolated_in_time():
    (found,) = antenna_fluxes(gains(drift=0.1), [0])
    np.testing.assert_allclose(found.values_jy, TRUE_JY, rtol=1e-5)
    assert found.name == "cal"
    assert found.flux_jy == pytest.approx(TRUE_JY, rel=1e-5)


def test_outliers_are_left_out():
    table = gains()
    rng = np.random.default_rng(2)
    solutions = table.solutions[0]
    solutions.param[1] *= 1 + 0.01 * rng.normal(size=solutions.param[1].shape)
    solutions.param[1, 3] *= 1.5
    (found,) = antenna_fluxes(table, [0])
    assert sorted(set(found.antenna[~found.kept])) == [3]
    assert found.flux_jy == pytest.approx(TRUE_JY, rel=0.01)
    (with_all,) = antenna_fluxes(table, [0], remove_outliers=False)
    assert with_all.flux_jy > 1.1 * TRUE_JY
    assert with_all.median_jy == pytest.approx(TRUE_JY, rel=0.02)


def test_flagged_solutions_and_averages():
    table = gains(drift=0.5)
    table.solutions[0].flag[2] = True  # only the first reference is left: no interpolation
    (alone,) = antenna_fluxes(table, [0])
    assert alone.flux_jy > 1.01 * TRUE_JY
    table.solutions[0].flag[2] = False
    (averaged,) = antenna_fluxes(table, [0], average_s=1e4)
    np.testing.assert_allclose(averaged.values_jy, TRUE_JY, rtol=1e-5)  # the mean of both references


def test_what_cannot_be():
    with pytest.raises(ArgumentError, match="fields"):
        antenna_fluxes(gains(), [7])
    with pytest.raises(CaltableError, match="B Jones"):
        antenna_fluxes(replace(gains(), kind="B Jones"), [0])
