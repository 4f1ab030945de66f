"""Dirty images, point spread functions and seen models against the direct sums."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection
from atacal.images import gridding
from atacal.images.gridding import Gridder, wgridder
from atacal.images.spec import ARCSEC, ImageSpec
from atacal.images.visibilities import Visibilities
from atacal.images.weighting import make_weighting
from atacal.ms.selection import Selection

C_M_S = 299792458.0


def direct(batches, weights, npix, cell_arcsec, vis=None):
    """The dirty image by its definition, (y, x)."""
    x = -(np.arange(npix) - npix // 2) * cell_arcsec * ARCSEC
    east, north = np.meshgrid(x, -x)
    n = np.sqrt(1 - east**2 - north**2) - 1
    out, total = np.zeros((npix, npix)), 0.0
    for k, (batch, w) in enumerate(zip(batches, weights, strict=True)):
        data = batch.vis if vis is None else vis[k]
        for row in range(len(w)):
            path = batch.uvw_m[row, 0] * east + batch.uvw_m[row, 1] * north + batch.uvw_m[row, 2] * n
            for chan, freq in enumerate(batch.freq_hz):
                out += w[row, chan] * (data[row, chan] * np.exp(-2j * np.pi * freq / C_M_S * path)).real
        total += w.sum()
    return out / total


@pytest.fixture
def small(sky):
    return sky([(1.0, 2.0, -1.5), (0.4, -3.0, 2.0)], sigma=0.1, nant=6, ntime=2, spread=3.0)


@pytest.mark.parametrize("weighting", ["natural", "uniform", "briggs"])
def test_dirty_image_and_psf(small, weighting, monkeypatch):
    monkeypatch.setattr(gridding, "_NEGLIGIBLE_RAD", 0.0)
    spec = ImageSpec((str(small),), 0.4, (32, 32), weighting=weighting)
    with Visibilities(spec) as samples:
        gridder = Gridder(spec, samples, made := make_weighting(spec, samples.batches()))
        dirty = gridder.dirty()
        batches = list(samples.batches())
    weights = [made.of(b) for b in batches]
    assert dirty.image == pytest.approx(direct(batches, weights, 32, 0.4), abs=5e-6)
    ones = [np.ones(b.weight.shape) for b in batches]
    assert dirty.psf == pytest.approx(direct(batches, weights, 32, 0.4, ones), abs=5e-6)
    assert dirty.psf[16, 16] == pytest.approx(1)
    assert dirty.nvis == sum((w > 0).sum() for w in weights)


def test_w_matters_far_from_the_centre_and_is_followed(sky):
    """An array of kilometres, 3000 beams from the centre: without w, in LSRK, the source's peak is lost."""
    path = sky([(1.0, 250.0, 150.0)], nant=6, ntime=2, size_m=6000.0)
    peaks = []
    for exact in (True, False):
        spec = ImageSpec((str(path),), 0.5, (1200, 1200), exact=exact)
        with Visibilities(spec) as samples:
            dirty = Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()
        peaks.append(dirty.image[600 + 300, 600 - 500])
    assert peaks[0] == pytest.approx(1, abs=1e-4)
    assert peaks[1] < 0.9


def test_w_that_is_passed_over_changes_little(sky, monkeypatch):
    """A source at the corner whose w is just not followed: its peak and sidelobes change by less than 1e-3 of it."""
    path = sky([(1.0, 25.5, 25.5)], nant=12, ntime=2, size_m=260.0)
    spec = ImageSpec((str(path),), 0.2, (256, 256))
    images = []
    with Visibilities(spec) as samples:
        far = 1 - np.sqrt(1 - 2 * (25.6 * ARCSEC) ** 2)
        phase = max(2 * np.pi * np.abs(b.uvw_m[:, 2]).max() * b.freq_hz.max() / C_M_S * far for b in samples.batches())
        assert 3e-3 < phase < gridding._NEGLIGIBLE_RAD
        for limit in (gridding._NEGLIGIBLE_RAD, 0.0):
            monkeypatch.setattr(gridding, "_NEGLIGIBLE_RAD", limit)
            images.append(Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty().image)
    assert 1e-6 < np.abs(images[0] - images[1]).max() < 1e-3


def test_what_is_seen_of_a_model_is_the_dirty_image_of_its_visibilities(sky):
    path = sky([(1.0, 2.0, -1.2)], nant=6, ntime=2)
    spec = ImageSpec((str(path),), 0.4, (32, 32))
    model = np.zeros((32, 32))
    model[16 - 3, 16 - 5] = 1.0
    with Visibilities(spec) as samples:
        gridder = Gridder(spec, samples, make_weighting(spec, samples.batches()))
        dirty = gridder.dirty()
        assert gridder.seen(model) == pytest.approx(dirty.image, abs=1e-5)


def test_noise_of_the_dirty_image_is_the_theoretical_one(sky):
    path = sky([], sigma=0.5, nant=14, ntime=12, spread=4.0)
    for weighting in ("natural", "briggs", "uniform"):
        spec = ImageSpec((str(path),), 0.25, (256, 256), weighting=weighting, robust=0.0)
        with Visibilities(spec) as samples:
            dirty = Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()
        assert dirty.image.std() == pytest.approx(np.sqrt(dirty.variance_jy2), rel=0.08)


def test_samples_read_again_and_kept_give_the_same_bytes(small):
    images = []
    for keep in (True, False):
        spec = ImageSpec((str(small),), 0.4, (32, 32), weighting="briggs")
        with Visibilities(spec) as samples:
            samples._may_keep = keep
            gridder = Gridder(spec, samples, make_weighting(spec, samples.batches(vis=False)))
            images.append((gridder.dirty().image, gridder.seen(np.eye(32))))
            assert (samples._kept is not None) == keep
    assert all((a == b).all() for a, b in zip(*images, strict=True))


def test_flags_and_missing_hands(sky):
    """Stokes I leaves out what has a flagged hand; pseudoI makes it of the other."""

    def flag(rng, shape):
        out = np.zeros(shape, bool)
        out[..., 0] = rng.random(shape[:2]) < 0.5
        out[0] = True
        return out

    path = sky([(1.0, 0.0, 0.0)], sigma=0.01, flag=flag, nant=6, ntime=3)
    numbers = {}
    for stokes in ("I", "pseudoI"):
        spec = ImageSpec((str(path),), 0.4, (32, 32), stokes=stokes)
        with Visibilities(spec) as samples:
            dirty = Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()
        numbers[stokes] = dirty.nvis
        assert dirty.image[16, 16] == pytest.approx(1, abs=0.005)
        half = 1 / 0.01**2
        both = numbers["I"] * 2 * half
        expected = both + (numbers["pseudoI"] - numbers["I"]) * half if stokes == "pseudoI" else both
        assert dirty.sumwt == pytest.approx(expected, rel=1e-5)
    assert numbers["pseudoI"] == 14 * 3 * 8
    assert 0.4 < numbers["I"] / numbers["pseudoI"] < 0.6


@pytest.mark.parametrize("corrs", [(9,), (12,), (5, 8), (9, 10, 11, 12)])
def test_correlations(sky, corrs):
    path = sky([(1.0, 0.8, 0.4)], corrs=corrs, nant=6, ntime=2, name=f"{corrs}.ms")
    spec = ImageSpec((str(path),), 0.4, (32, 32))
    with Visibilities(spec) as samples:
        dirty = Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()
    assert dirty.image[17, 14] == pytest.approx(1, abs=1e-4)


def test_cross_hands_alone_make_no_stokes_i(sky):
    path = sky([(1.0, 0.0, 0.0)], corrs=(10, 11), nant=5, ntime=1)
    with pytest.raises(ArgumentError, match="XY, YX; it takes XX, YY or RR, LL"):
        Visibilities(spec := ImageSpec((str(path),), 0.4, (32, 32))).__enter__()._read(vis=True).__next__()
    assert spec.stokes == "I"


def test_descending_channels_and_a_selection_of_them(sky):
    up = sky([(1.0, 4.0, -2.0)], nant=6, ntime=2, name="up.ms")
    down = sky([(1.0, 4.0, -2.0)], nant=6, ntime=2, name="down.ms", descending=True)
    images = []
    for path, spw in ((up, "0:1~3;5"), (down, "0:4~6;2")):
        spec = ImageSpec((str(path),), 0.4, (32, 32), selection=Selection(spw=spw))
        with Visibilities(spec) as samples:
            dirty = Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()
            images.append(dirty.image)
            low, high = samples.frequency_range()
        assert dirty.nvis == 15 * 2 * 4
        assert high - low == pytest.approx(5 * 125e6, rel=1e-3)
    assert images[0] == pytest.approx(images[1], abs=1e-6)


def test_autocorrelations_are_left_out(sky):
    path = sky([(1.0, 0.0, 0.0)], nant=6, ntime=2, autocorr=True)
    spec = ImageSpec((str(path),), 0.4, (32, 32), weighting="briggs")
    with Visibilities(spec) as samples:
        dirty = Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()
    assert dirty.nvis == 15 * 2 * 8
    assert dirty.image[16, 16] == pytest.approx(1, abs=1e-4)


def test_nothing_but_flags_is_an_error(sky):
    path = sky([(1.0, 0.0, 0.0)], nant=5, ntime=1, flag=lambda rng, shape: np.ones(shape, bool))
    spec = ImageSpec((str(path),), 0.4, (32, 32))
    with Visibilities(spec) as samples, pytest.raises(EmptySelection, match="all selected data are flagged"):
        Gridder(spec, samples, make_weighting(spec, samples.batches())).dirty()


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ducc0", None)
    with pytest.raises(ArgumentError, match=r"pip install 'atacal\[images\]'"):
        wgridder()


def test_spectra_of_weights_count_where_there_are_some(sky):
    path = sky([(1.0, 0.0, 0.0)], sigma=0.1, nant=6, ntime=2, spectrum=True)
    spec = ImageSpec((str(path),), 0.4, (32, 32))
    with Visibilities(spec) as samples:
        batch = next(samples.batches())
    assert batch.weight == pytest.approx(np.tile(200.0 * np.arange(1, 9), (30, 1)), rel=1e-5)


def test_an_image_within_little_memory(sky):
    """Batches get smaller and nothing is kept; the image is the same to rounding."""
    import atacal

    path = sky([(1.0, 0.8, 0.4)], sigma=0.1, nant=6, ntime=2)
    spec = ImageSpec((str(path),), 0.4, (32, 32), weighting="briggs")
    images = []
    for limit in ("1GB", "300MB"):
        with atacal.memory_limit(limit), Visibilities(spec) as samples:
            dirty = Gridder(spec, samples, make_weighting(spec, samples.batches(vis=False))).dirty()
            images.append(dirty.image)
    assert images[0] == pytest.approx(images[1], abs=1e-12)
