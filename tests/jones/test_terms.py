"""What each term of the measurement equation does."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import CaltableError
from atacal.jones import TERMS, Parameters, term_of
from atacal.jones.parang import parallactic_angles, parang_matrix
from atacal.ms.metadata import Antenna, Field

FREQ = 1e11 + 1e6 * np.arange(5)


def parameters(amplitude, phase=None, ok=None) -> Parameters:
    """Parameters of one time and antenna, given as (chan, par)."""
    amplitude = np.asarray(amplitude, np.float64)[None, None]
    phase = None if phase is None else np.asarray(phase, np.float64)[None, None]
    ok = np.ones(amplitude.shape, bool) if ok is None else np.asarray(ok, bool)[None, None]
    return Parameters(amplitude, phase, ok, amplitude, ok, FREQ, FREQ[2])


def test_gain_and_its_weight():
    par = parameters([[2.0, 3.0]], [[0.1, -0.2]])
    gain, ok = TERMS["G Jones"].factor(par)
    np.testing.assert_allclose(gain[0, 0, 0], [2 * np.exp(0.1j), 3 * np.exp(-0.2j)])
    assert ok.all()
    np.testing.assert_allclose(TERMS["G Jones"].weight(par)[0, 0], [4, 9])


def test_t_holds_for_both_receptors():
    gain, ok = TERMS["T Jones"].factor(parameters([[2.0]], [[0.5]]))
    assert gain.shape[-1] == ok.shape[-1] == 2
    assert gain[0, 0, 0, 0] == gain[0, 0, 0, 1] == 2 * np.exp(0.5j)


def test_delay_turns_phase_about_the_middle_channel():
    gain, _ = TERMS["K Jones"].factor(parameters([[4.0, -1.0]]))
    np.testing.assert_allclose(gain[0, 0, 2], [1, 1])
    expected = 2 * np.pi * 4e-9 * 1e6
    np.testing.assert_allclose(np.angle(gain[0, 0, 3, 0] / gain[0, 0, 2, 0]), expected, rtol=1e-9)
    assert TERMS["K Jones"].weight is None


def test_tsys_scales_with_the_root_and_weighs_with_the_mean():
    par = parameters([[100.0, 50.0], [400.0, 50.0], [-5.0, 50.0]])
    gain, ok = TERMS["B TSYS"].factor(par)
    np.testing.assert_allclose(gain[0, 0, :2, 0], [0.1, 0.05])
    assert not ok[0, 0, 2, 0]
    assert gain[0, 0, 2, 0] == 1
    np.testing.assert_allclose(TERMS["B TSYS"].weight(par)[0, 0], [1 / 250, 1 / 50])
    np.testing.assert_allclose(TERMS["B TSYS"].channel_weight(par)[0, 0, :, 0], [1 / 100, 1 / 400, 0])


def test_bandpass_weight_is_the_mean_square_of_good_channels():
    par = parameters([[1.0], [3.0], [9.0]], [[0.0]] * 3, [[True], [True], [False]])
    np.testing.assert_allclose(TERMS["B Jones"].weight(par)[0, 0], [5, 5])


def test_unknown_kind_names_the_known():
    with pytest.raises(CaltableError, match="G Jones"):
        term_of("Z Jones", "x.cal")


ALMA = Antenna(0, "DA41", "A001", (2225061.164, -5440057.37, -2481681.15), 12.0, "ALT-AZ", False)
TIME = np.array([4924000000.0, 4924003600.0])  # 2014-11-29


def angles(ra, dec, antenna=ALMA):
    field = Field(0, "x", "", 0, (ra, dec), "J2000", 0.0)
    return parallactic_angles(TIME, [field] * len(TIME), [antenna])


def test_parallactic_angle_against_astropy():
    """The angle at the source from the pole to the zenith, both carried by astropy."""
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    ra, dec = 1.2, -0.3
    source = SkyCoord(ra, dec, unit="rad")
    place = EarthLocation.from_geocentric(*ALMA.position_m, unit="m")
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        frame = AltAz(obstime=Time(TIME / 86400, format="mjd"), location=place)
        zenith = SkyCoord(np.zeros(2), np.full(2, np.pi / 2), unit="rad", frame=frame).icrs
    expected = [source.position_angle(z).rad for z in zenith]
    got = angles(ra, dec)[:, 0]
    # the pole of date and the geocentric vertical lie 0.1 and 0.2 degrees from those of astropy's frames
    np.testing.assert_allclose(np.angle(np.exp(1j * (got - expected))), 0.0, atol=np.radians(0.5))


def test_equatorial_mounts_do_not_turn():
    from dataclasses import replace

    assert (angles(1.2, -0.3, replace(ALMA, mount="EQUATORIAL")) == 0).all()


@pytest.mark.parametrize("basis", ["linear", "circular"])
def test_parang_matrices_are_unitary_and_undo_each_other(basis):
    one, other = (parang_matrix(np.array(x), basis) for x in (0.4, -0.4))
    np.testing.assert_allclose(one @ other, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(one @ one.conj().T, np.eye(2), atol=1e-12)
