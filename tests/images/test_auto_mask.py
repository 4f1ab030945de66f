"""auto-multithresh on noise and sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atacal.heuristics.imaging import AutoMask
from atacal.images.auto_mask import AutoMasker
from atacal.images.beam import convolve, gaussian
from atacal.images.regions import label
from atacal.images.spec import Beam
from atacal.images.statistics import middle_and_rms, rms_without_outliers

BEAM, CELL, N = Beam(1.2, 1.0, 30.0), 0.2, 128
EVERYWHERE = np.ones((N, N), bool)


def noise(seed=0):
    kernel = gaussian(BEAM, (N, N), CELL)
    out = convolve(np.random.default_rng(seed).normal(size=(N, N)), kernel)
    return out / out.std()


def source(flux, y, x, wide=1.0):
    model = np.zeros((N, N))
    model[y, x] = flux
    return convolve(model, gaussian(Beam(1.2 * wide, 1.0 * wide, 30.0), (N, N), CELL))


def masker(parameters=None, sidelobe=0.1, allowed=EVERYWHERE):
    return AutoMasker(parameters or AutoMask(sidelobethreshold=2.0, noisethreshold=4.25), BEAM, CELL, sidelobe,
                      allowed, EVERYWHERE)  # fmt: skip


def test_noise_alone_is_not_masked():
    assert not masker().update(noise(), first=True).any()


def test_a_source_is_masked_with_a_margin_of_a_beam():
    mask = masker().update(noise() + source(50, 40, 60), first=True)
    assert mask[40, 60]
    assert label(mask).max() == 1
    assert 2 < mask.sum() / BEAM.area_pix(CELL) < 12


def test_sidelobes_raise_the_level():
    residual = noise() + source(50, 40, 60) + source(8, 90, 90)
    assert masker(sidelobe=0.02).update(residual, first=True)[90, 90]
    assert not masker(sidelobe=0.2).update(residual, first=True)[90, 90]


def test_small_regions_are_pruned():
    residual = noise()
    residual[20, 20] = 30.0
    assert masker(AutoMask(minbeamfrac=0.0)).update(residual, first=True)[20, 20]
    assert not masker(AutoMask(minbeamfrac=0.3)).update(residual, first=True).any()


def test_masks_grow_down_to_the_low_level_in_later_cycles_only():
    residual = noise() + source(30, 64, 64, wide=4.0)
    grower = masker(sidelobe=0.01)
    first = grower.update(residual, first=True)
    assert (grower.update(residual, first=False) & ~first).sum() > 20
    fixed = masker(AutoMask(sidelobethreshold=2.0, noisethreshold=4.25, growiterations=0), sidelobe=0.01)
    assert (fixed.update(residual, first=True) == fixed.update(residual, first=False)).all()


def test_masks_never_shrink_and_stay_where_they_may_be():
    allowed = EVERYWHERE.copy()
    allowed[:, 62:] = False
    one = masker(allowed=allowed)
    before = one.update(noise() + source(50, 40, 60), first=True)
    after = one.update(noise(1), first=False)
    assert before.any()
    assert (after | ~before).all()
    assert not after[:, 62:].any()


def test_negative_regions():
    residual = noise() - source(40, 30, 30)
    assert not masker().update(residual, first=True).any()
    assert masker(AutoMask(negativethreshold=7.0)).update(residual, first=True)[30, 30]


def test_a_mask_that_hardly_changes_is_left_as_it_is():
    one = masker(replace(AutoMask(noisethreshold=4.25, sidelobethreshold=2.0), minpercentchange=1.0, growiterations=0))
    residual = noise() + source(50, 40, 60)
    mask = one.update(residual, first=True)
    one.update(residual, first=False)
    assert (one.update(noise() + source(50, 100, 100), first=False) == mask).all()


def test_robust_noise():
    values = np.random.default_rng(1).normal(2.0, 3.0, 200_000)
    assert middle_and_rms(values) == pytest.approx((2.0, 3.0), abs=0.03)
    values[:4000] = 1e3
    assert rms_without_outliers(values) == pytest.approx((2.0, 3.0), abs=0.05)
