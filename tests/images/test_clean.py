"""Minor cycles on point sources."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.images.clean import clark, hogbom


def psf_of(n, seed=0):
    """A point spread function with sidelobes: the transform of random uv points and their conjugates."""
    rng = np.random.default_rng(seed)
    u, v = rng.normal(0, 0.12, (2, 400))
    y, x = np.mgrid[:n, :n] - n // 2
    return np.mean([np.cos(2 * np.pi * (a * x + b * y)) for a, b in zip(u, v, strict=True)], axis=0)


def sky(n, psf, sources):
    """The dirty image of sources near the middle, for a psf that reaches over it."""
    out = np.zeros((n, n))
    m = len(psf)
    for flux, dy, dx in sources:
        out += flux * psf[m // 2 - n // 2 - dy : m // 2 + n // 2 - dy, m // 2 - n // 2 - dx : m // 2 + n // 2 - dx]
    return out


SOURCES = [(1.0, 5, -7), (0.5, -10, 4), (-0.2, 0, 12)]


@pytest.mark.parametrize("minor", [hogbom, clark])
def test_sources_are_found(minor):
    wide = psf_of(128)
    psf = wide[32:96, 32:96].copy()
    dirty = sky(64, wide, SOURCES)
    residual, model = dirty.copy(), np.zeros((64, 64))
    done = minor(residual, model, psf, np.ones((64, 64), bool), gain=0.1, threshold=0.03, niter=2000)
    assert done.peak_jy <= 0.03
    assert done.peak_jy == pytest.approx(np.abs(residual).max())
    for flux, dy, dx in SOURCES:
        assert model[32 + dy - 1 : 32 + dy + 2, 32 + dx - 1 : 32 + dx + 2].sum() == pytest.approx(flux, abs=0.05)


@pytest.mark.parametrize("minor", [hogbom, clark])
def test_components_stay_in_the_mask(minor):
    wide = psf_of(128)
    mask = np.zeros((64, 64), bool)
    mask[32 + 5 - 2 : 32 + 5 + 3, 32 - 7 - 2 : 32 - 7 + 3] = True
    residual, model = sky(64, wide, SOURCES), np.zeros((64, 64))
    minor(residual, model, wide[32:96, 32:96].copy(), mask, gain=0.1, threshold=0.05, niter=500)
    assert model[mask].sum() > 0.8
    assert (model[~mask] == 0).all()


@pytest.mark.parametrize("minor", [hogbom, clark])
def test_it_stops_at_niter_and_at_once(minor):
    wide = psf_of(128)
    dirty, model = sky(64, wide, SOURCES), np.zeros((64, 64))
    everywhere = np.ones((64, 64), bool)
    psf = wide[32:96, 32:96].copy()
    assert minor(dirty.copy(), model, psf, everywhere, gain=0.1, threshold=0.0, niter=7).iterations == 7
    assert np.count_nonzero(model) in range(1, 8)
    residual = dirty.copy()
    done = minor(residual, np.zeros((64, 64)), psf, everywhere, gain=0.1, threshold=10.0, niter=7)
    assert done.iterations == 0
    assert (residual == dirty).all()
    assert minor(residual, model, psf, ~everywhere, gain=0.1, threshold=0.0, niter=7).iterations == 0


def test_clark_takes_the_same_as_hogbom_within_the_gain():
    wide = psf_of(128)
    psf = wide[32:96, 32:96].copy()
    models = []
    for minor in (hogbom, clark):
        residual, model = sky(64, wide, SOURCES), np.zeros((64, 64))
        minor(residual, model, psf, np.ones((64, 64), bool), gain=0.1, threshold=0.02, niter=1000)
        models.append(model)
    assert models[0].sum() == pytest.approx(models[1].sum(), abs=0.05)
