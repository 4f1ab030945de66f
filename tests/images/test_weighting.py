"""Imaging weights against their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atacal.images.spec import ARCSEC, ImageSpec
from atacal.images.visibilities import Batch
from atacal.images.weighting import make_weighting

C_M_S = 299792458.0


def batch(seed=3, rows=200, chans=3):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 2, (rows, chans)).astype(np.float32)
    weight[rng.random((rows, chans)) < 0.2] = 0
    return Batch(rng.normal(0, 80, (rows, 3)), np.array([90e9, 95e9, 100e9][:chans]), None, weight,
                 np.full(rows, 1.0))  # fmt: skip


def cells(one, n, cell_arcsec):
    scale = n * cell_arcsec * ARCSEC * one.freq_hz / C_M_S
    return [one.uvw_m[:, k, None] * scale for k in (0, 1)]


def by_definition(one, n, cell_arcsec, robust):
    u, v = cells(one, n, cell_arcsec)
    density = np.zeros((n, n))
    inside = []
    for sign in (1, -1):
        x, y = np.trunc(sign * u + n // 2).astype(int), np.trunc(sign * v + n // 2).astype(int)
        there = (x > 0) & (x < n) & (y > 0) & (y < n)
        inside.append((x, y, there))
        np.add.at(density, (y[there], x[there]), one.weight[there].astype(float))
    x, y, there = inside[0]
    at = np.zeros(u.shape)
    at[there] = density[y[there], x[there]]
    f2 = (5 * 10**-robust) ** 2 / ((density**2).sum() / density.sum()) if robust is not None else 1.0
    d2 = 1.0 if robust is not None else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(there & (one.weight > 0), one.weight / (at * f2 + d2), 0.0)


@pytest.mark.parametrize("robust", [-2.0, 0.0, 0.5, 2.0, None])
def test_briggs_and_uniform(robust):
    one = batch()
    how = {"weighting": "uniform"} if robust is None else {"weighting": "briggs", "robust": robust}
    spec = ImageSpec(("x.ms",), 0.8, (64, 64), **how)
    assert make_weighting(spec, [one]).of(one) == pytest.approx(by_definition(one, 64, 0.8, robust), rel=1e-12)


def test_samples_beyond_the_grid_get_no_weight():
    one = batch()
    weights = make_weighting(ImageSpec(("x.ms",), 2.0, (64, 64), weighting="uniform"), [one]).of(one)
    u, v = cells(one, 64, 2.0)
    far = (np.abs(u) > 32) | (np.abs(v) > 32)
    assert far.any()
    assert (weights[far] == 0).all()
    assert (weights[~far & (one.weight > 0)] > 0).mean() > 0.99


def test_natural_is_the_weight_itself():
    one = batch()
    assert (make_weighting(ImageSpec(("x.ms",), 0.8, (64, 64)), []).of(one) == one.weight).all()


def test_density_is_that_of_all_batches_together():
    first, second = batch(1), batch(2)
    both = Batch(np.concatenate([first.uvw_m, second.uvw_m]), first.freq_hz, None,
                 np.concatenate([first.weight, second.weight]), np.ones(400))  # fmt: skip
    spec = ImageSpec(("x.ms",), 0.8, (64, 64), weighting="briggs")
    apart = make_weighting(spec, [first, second])
    assert np.concatenate([apart.of(first), apart.of(second)]) == pytest.approx(make_weighting(spec, [both]).of(both))


def test_large_robust_is_natural_and_small_is_uniform():
    one = batch()
    there = by_definition(one, 64, 0.8, None) > 0

    def ratio(robust, other):
        made = make_weighting(ImageSpec(("x.ms",), 0.8, (64, 64), weighting="briggs", robust=robust), [one]).of(one)
        quotient = made[there] / other[there]
        return quotient.std() / quotient.mean()

    assert ratio(2.0, one.weight.astype(float)) < 0.01
    assert ratio(-2.0, by_definition(one, 64, 0.8, None)) < 0.01


def test_cells_are_those_of_frequencies_in_lsrk():
    one = batch()
    shifted = replace(one, lsrk=np.full(200, 1.001))
    spec = ImageSpec(("x.ms",), 0.8, (64, 64), weighting="briggs")
    scaled = replace(one, uvw_m=one.uvw_m * 1.001)
    assert (make_weighting(spec, [shifted]).of(shifted) == make_weighting(spec, [scaled]).of(scaled)).all()
