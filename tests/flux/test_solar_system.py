from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ModelError
from atacal.flux.ephemeris import body_of, ephemeris
from atacal.flux.solar_data import about, bodies, span_limits
from atacal.flux.solar_system import planet
from atacal.flux.spline import band_means, window_spline

# body, MJD, mean flux densities of 2 MHz at 97.5, 230.538 and 691.47 GHz [Jy] and axes of the disc [arcsec], as CASA
# 6.7.0.31 gave them for ALMA
CASA = [
    (
        "Venus",
        55921.99910512421,
        (294.5763684414459, 1362.718569304739, 10279.312015913061),
        (12.64629442147769, 12.64629442147769),
    ),
    (
        "Mars",
        56064.99671626477,
        (75.92901817533846, 426.76004378725327, 3742.146697138801),
        (8.702669821406737, 8.660464400945397),
    ),
    (
        "Jupiter",
        56146.47656915804,
        (1085.020783355945, 6126.428817200703, 46109.34745078733),
        (36.63568741451492, 34.44420564524188),
    ),
    (
        "Io",
        56085.825043279365,
        (0.36706446048702124, 1.9885796873546837, 16.385955749887707),
        (0.84400206278706, 0.8400422040268433),
    ),
    (
        "Europa",
        55957.97554977702,
        (0.36144208672937395, 1.9391374534907424, 15.875505456389249),
        (0.8563505407211782, 0.8554761812270175),
    ),
    (
        "Ganymede",
        56379.24895062399,
        (0.7963831984820415, 4.779058170108076, 44.21932365207545),
        (1.329111141487712, 1.3290908976179288),
    ),
    (
        "Callisto",
        56306.39787694364,
        (1.3137877493770704, 7.679003596247562, 69.52779330188969),
        (1.529339007071135, 1.529339007071135),
    ),
    (
        "Titan",
        55995.29628142269,
        (0.27185782458989816, 3.407960510683328, 29.315193440449832),
        (0.7948251296184375, 0.7948251296184375),
    ),
    (
        "Uranus",
        56243.20956515141,
        (8.956351561528443, 36.308490578835446, 196.20929301865476),
        (3.642265152475246, 3.615342195786393),
    ),
    (
        "Neptune",
        55968.683706399985,
        (3.071416975520119, 10.752239953965653, 62.03027189016589),
        (2.2044212100932876, 2.167094696432318),
    ),
    (
        "Ceres",
        56324.48606658648,
        (0.4510451518942149, 2.489544245594627, 21.0943848704852),
        (0.6978390533030019, 0.659879556736205),
    ),
    (
        "Juno",
        56026.19568287617,
        (0.012404870164686384, 0.068284104572452, 0.5712190689707336),
        (0.12400091625544746, 0.12400091625544746),
    ),
    (
        "Pallas",
        55970.96735133333,
        (0.030905247403327427, 0.1706283230174116, 1.447639963947378),
        (0.17571497693326701, 0.17571497693326701),
    ),
    (
        "Vesta",
        56116.98085341558,
        (0.04703654124288337, 0.2589705009665239, 2.1684522042256575),
        (0.2528858148517318, 0.2275068953320605),
    ),
]


@pytest.mark.parametrize(("body", "mjd", "flux", "axes"), CASA)
def test_casas_numbers(body, mjd, flux, axes):
    centre = np.array([97.5e9, 230.538e9, 691.47e9])
    seen = planet(body, mjd)
    found = seen.flux_jy(centre - 1e6, centre + 1e6, "ALMA")
    np.testing.assert_allclose(found, flux, rtol=2e-5, atol=1e-4 if body in ("Ceres", "Pallas", "Vesta") else 0)
    disc = np.array([seen.disc.major_rad, seen.disc.minor_rad]) * 206264.80624709636
    np.testing.assert_allclose(disc, axes, rtol=2e-5)


def test_every_body_has_a_model_and_an_ephemeris():
    assert about()["source"].startswith("casadata 20")
    for body in bodies():
        for first, last in span_limits(body):
            mjd = min(max((first + last) / 2, 56700.0), 61000.0)
            if first < mjd < last:
                flux = planet(body, mjd).flux_jy(np.array([99e9, 299e9]), np.array([101e9, 301e9]), "ALMA")
                assert np.all(np.isfinite(flux))
                assert 2 < flux[1] / flux[0] < 12


def test_the_flux_density_is_that_of_a_disc():
    """Callisto, a ball without much of a spectrum: 2 k T nu^2 / c^2 times the solid angle, less the background."""
    seen = planet("Callisto", 57000.0)
    (flux,) = seen.flux_jy(np.array([99.9e9]), np.array([100.1e9]))
    kelvin = flux * 1e-26 / seen.solid_angle_sr / (2 * 1.380649e-23 * 1e22 / 299792458.0**2)
    assert 95 < kelvin < 125
    assert seen.solid_angle_sr == pytest.approx(np.pi / 4 * seen.disc.major_rad * seen.disc.minor_rad, rel=1e-12)
    assert np.degrees(seen.disc.major_rad) * 3600 == pytest.approx(1.5, abs=0.5)


@given(st.floats(55930, 61030))
def test_the_true_disc_lies_between_pole_and_equator(mjd):
    for body in ("Jupiter", "Uranus", "Mars"):
        true, casas = planet(body, mjd, as_casa=False), planet(body, mjd)
        where = true.where
        flattest = where.polar_m / where.equatorial_m
        assert flattest - 1e-9 <= true.disc.minor_rad / true.disc.major_rad <= 1
        assert flattest - 1e-9 <= casas.disc.minor_rad / casas.disc.major_rad <= 1
        # the shorter axis points to the pole
        assert np.cos(2 * (true.disc.pa_rad - where.north_pole_rad)) == pytest.approx(-1)


def test_asteroids_turn_and_mars_too():
    hours = 57000.0 + np.arange(6) / 24
    for body in ("Vesta", "Mars", "Ceres"):
        flux = [planet(body, t).flux_jy(np.array([343e9]), np.array([347e9]))[0] for t in hours]
        assert 1e-4 < np.std(flux) / np.mean(flux) < 0.1


def test_a_ceres_without_a_table_is_a_warm_ball():
    before, after = (planet("Ceres", t) for t in (56657.0, 56659.0))
    flux = [p.flux_jy(np.array([343e9]), np.array([347e9]))[0] / p.solid_angle_sr for p in (before, after)]
    assert flux[0] == pytest.approx(flux[1], rel=0.15)


def test_doppler():
    body = ephemeris("mars", 57000.3)
    assert abs(body.doppler("ALMA") - body.doppler("nowhere")) < 1.6e-6
    assert abs(body.doppler("nowhere")) < 1e-4
    turned = [ephemeris("Mars", 57000.0 + h / 24).doppler("ALMA") - ephemeris("Mars", 57000.0 + h / 24).doppler("?")
              for h in range(24)]  # fmt: skip
    assert np.ptp(turned) == pytest.approx(2 * 4.27e-1 * 1e3 / 2.998e8, rel=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ephemeris("Vulcan", 57000.0), "no solar-system body 'Vulcan'; there are Venus, Mars"),
        (
            lambda: ephemeris("Titan", 40000.0),
            r"no ephemeris of Titan for 1968-05-24 \(MJD 40000.00000\); .*2010-01-01",
        ),
        (lambda: planet("Vesta", 62000.0).flux_jy(np.array([1e11]), np.array([1.1e11])), "2014-01-01 to 2026-01-01"),
        (lambda: planet("Venus", 57000.0).flux_jy(np.array([1e10]), np.array([1.1e10])), "from 30 to 1000 GHz"),
        (lambda: planet("Lutetia", 56000.0).flux_jy(np.array([1e11]), np.array([1.1e11])), "Lutetia"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ModelError, match=message):
        call()


def test_names():
    assert body_of(" titan ") == "Titan"
    assert body_of("J1924-2914") is None


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4), st.floats(0.0, 29.0))
def test_the_spline_is_exact_for_cubics(coefficients, at):
    x = np.arange(30.0) + 0.3 * np.sin(np.arange(30.0))
    x[0], x[-1] = 0.0, 29.0
    found = window_spline(x, np.polynomial.polynomial.polyval(x, coefficients), np.array([at]))
    scale = 1 + np.abs(coefficients) @ np.array([1.0, 29, 29**2, 29**3])
    assert found[0] == pytest.approx(np.polynomial.polynomial.polyval(at, coefficients), abs=1e-9 * scale)


def test_band_means_of_a_straight_line():
    x = np.linspace(0, 10, 21)
    low, high = np.array([1.1, 3.01, 0.0]), np.array([1.2, 8.4, 10.0])
    np.testing.assert_allclose(band_means(x, 2 + 3 * x, low, high), 2 + 3 * (low + high) / 2)
