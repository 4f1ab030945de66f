from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError, ModelError
from atacal.flux.quasars import interpolate, quasar, sources, standards

NOWHERE = (1.0, 0.2)


@pytest.mark.parametrize(
    ("name", "standard", "ghz", "jy"),
    [
        # what CASA 6.7's setjy returns; 1934-638 is 14.9 Jy at 1.4 GHz in every paper
        ("3C286", "Perley-Butler 2017", 1.0, 10**1.2481),
        ("J1331+3030", "Perley-Butler 2013", 1.0, 10**1.2515),
        ("1934-638", "Stevens-Reynolds 2016", 1.4, 14.9),
        ("J1939-6342", "Perley-Butler 2010", 1.4, 14.9),
        ("J1939-6342", "Baars", 1.4, 16.2),
        ("3C196", "Scaife-Heald 2012", 0.15, 83.084),
    ],
)
def test_values(name, standard, ghz, jy):
    found = quasar(name, NOWHERE, standard, 57000.0).flux_jy(np.array([ghz * 1e9]))
    assert found[0] == pytest.approx(jy, rel=3e-3)


def test_by_place_and_by_part_of_a_name():
    assert quasar("0", (3.539257626070549, 0.532485), "Perley-Butler 2017", 57000.0).name == "3C286"
    assert quasar("cal_3c48_a", NOWHERE, "Perley-Butler 2017", 57000.0).name == "3C48"
    assert quasar("J0133-3629", NOWHERE, "Perley-Butler 2017", 57000.0).name == "J0133-3629"


def test_every_source_of_every_standard_has_a_flux_density():
    for standard in standards():
        for name in sources(standard):
            for how in ("nearest", "linear", "cubic", "spline"):
                flux = quasar(name, NOWHERE, standard, 55000.0, how).flux_jy(np.array([0.4e9, 1.4e9]))
                assert np.all((flux > 0.1) & (flux < 1e5)), (standard, name)


@pytest.mark.parametrize("method", ["linear", "cubic", "spline"])
def test_interpolation_goes_through_the_epochs_and_is_exact_for_lines(method):
    days = np.array([0.0, 3.0, 4.0, 9.0, 15.0])
    values = np.stack([2 * days - 1, -days], axis=1)
    for t in (0.0, 1.3, 3.5, 8.8, 14.9, 15.0):
        np.testing.assert_allclose(interpolate(days, values, t, method), [2 * t - 1, -t], atol=1e-12)


def test_nearest_is_the_epoch_before():
    days, values = np.array([0.0, 10.0, 20.0]), np.array([[1.0], [2.0], [3.0]])
    assert [interpolate(days, values, t, "nearest")[0] for t in (-5, 9.4, 9.6, 19, 50)] == [1, 1, 2, 2, 3]


def test_errors():
    with pytest.raises(ModelError, match=r"J1924-2914 is none of the sources of Baars: 3C286.*Stevens-Reynolds"):
        quasar("J1924-2914", NOWHERE, "Baars", 57000.0)
    with pytest.raises(ModelError, match=r"3C380 \(3C380\) is none"):
        quasar("3C380", NOWHERE, "Baars", 57000.0)
    with pytest.raises(ArgumentError, match="Perley-Butler 2017"):
        quasar("3C286", NOWHERE, "Perley 1066", 57000.0)
    with pytest.raises(ArgumentError, match="spline"):
        quasar("3C286", NOWHERE, "Baars", 57000.0, "quintic")
