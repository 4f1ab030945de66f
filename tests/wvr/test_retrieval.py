"""The posterior, against brute force and known layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.wvr.retrieval import retrieve
from atacal.wvr.water import layer, path_per_mm


def seen(column_mm, kelvin, pressure, elevation_rad):
    there, _ = layer(np.array(kelvin), np.array(pressure)).temperatures(np.array([column_mm / np.sin(elevation_rad)]))
    return there[0]


def brute_force(measured, elevation, columns):
    """Sum over a plain grid."""
    kelvin, pressure = np.meshgrid(
        np.linspace(250, 295, 61)[:-1] + 0.375, np.linspace(300, 550, 81)[:-1] + 1.5625, indexing="ij"
    )
    there, slope = layer(kelvin, pressure).temperatures(
        np.broadcast_to(columns / np.sin(elevation), (*kelvin.shape, len(columns)))
    )
    chi2 = ((there - measured) ** 2).sum(-1)
    share = np.exp(-0.5 * (chi2 - chi2.min()))
    share /= share.sum()
    dtdl = slope / path_per_mm(kelvin)[..., None, None]
    mean = (share[..., None] * dtdl).sum((0, 1, 2))
    column = (share * columns).sum()
    return (
        column,
        np.sqrt((share * (columns - column) ** 2).sum()),
        mean,
        np.sqrt((share[..., None] * (dtdl - mean) ** 2).sum((0, 1, 2))),
    )


@pytest.mark.parametrize(
    ("truth", "columns"),
    [
        ((0.6, 268.0, 430.0), np.linspace(0.5, 0.7, 101)),
        ((1.8, 272.0, 400.0), np.linspace(0.8, 2.8, 141)),
        ((4.0, 285.0, 500.0), np.linspace(1.5, 7.0, 141)),
    ],
)
def test_against_brute_force(truth, columns):
    elevation = np.radians(50.0)
    measured = seen(*truth, elevation) + np.array([0.4, -0.3, 0.2, 0.5])
    found = retrieve(measured, elevation)
    column, error, mean, spread = brute_force(measured, elevation, columns)
    assert found.pwv_mm == pytest.approx(column, abs=0.02 * error)
    assert found.pwv_error_mm == pytest.approx(error, rel=0.02)
    np.testing.assert_allclose(found.dtdl_k_mm, mean, atol=0.02 * spread.max())
    np.testing.assert_allclose(found.dtdl_error_k_mm, spread, rtol=0.03)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 5.0), st.floats(256.0, 290.0), st.floats(330.0, 530.0), st.floats(25.0, 85.0))
def test_truth_is_within_the_errors(column, kelvin, pressure, elevation_deg):
    elevation = np.radians(elevation_deg)
    found = retrieve(seen(column, kelvin, pressure, elevation), elevation)
    _, slope = layer(np.array(kelvin), np.array(pressure)).temperatures(np.array([column / np.sin(elevation)]))
    assert abs(found.pwv_mm - column) < 2.5 * found.pwv_error_mm
    assert np.all(
        np.abs(found.dtdl_k_mm - slope[0] / path_per_mm(np.float64(kelvin))) < 3 * found.dtdl_error_k_mm + 0.02
    )
    assert found.possible
    assert found.chi2 < 0.5  # on the nodes, not at the very best


def test_the_same_input_gives_the_same_answer():
    measured = np.array([178.75, 87.34, 46.95, 34.84])
    one, two = retrieve(measured, 1.05), retrieve(measured, 1.05)
    assert one.pwv_mm == two.pwv_mm
    assert np.array_equal(one.dtdl_k_mm, two.dtdl_k_mm)


def test_the_noise_is_in_the_evidence():
    """Temperatures further from any layer are less likely."""
    elevation = 1.0
    good = seen(1.0, 270.0, 450.0, elevation)
    evidence = [retrieve(good + np.array([0, k, 0, -k]), elevation).log_evidence for k in (0.0, 2.0, 5.0)]
    assert evidence[0] > evidence[1] > evidence[2]


def test_a_cloud_is_found():
    elevation, cloud = 1.1, np.array(0.08)
    water = layer(np.array(270.0), np.array(450.0), cloud)
    measured = water.temperatures(np.array([1.0 / np.sin(elevation)]))[0][0]
    found = retrieve(measured, elevation, cloud=True)
    assert abs(found.pwv_mm - 1.0) < 2 * found.pwv_error_mm
    assert abs(found.cloud_opacity - 0.08) < 0.05
    assert found.chi2 < retrieve(measured, elevation).chi2


@pytest.mark.parametrize("measured", [[40.0, 180.0, 40.0, 180.0], [300.0, 20.0, 300.0, 20.0]])
def test_impossible_temperatures(measured):
    found = retrieve(np.array(measured), 1.0)
    assert not found.possible
    assert np.isfinite(found.log_evidence)
