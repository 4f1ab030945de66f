"""Transmission of the air beside CASA's atmosphere tool (ATM)."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.atmosphere import sky_brightness, zenith_opacity

SCRIPT = """
from casatools import atmosphere, quanta
at, qa = atmosphere(), quanta()
at.initAtmProfile(humidity=20, temperature=qa.quantity(273, 'K'), altitude=qa.quantity(5059, 'm'),
                  pressure=qa.quantity(563, 'mbar'), atmType=1, h0=qa.quantity(1, 'km'),
                  maxAltitude=qa.quantity(60, 'km'), dP=qa.quantity(5, 'mbar'), dPm=1.1)
result = {}
for low, high in bands:
    n = int(round((high - low) / 0.1))
    at.initSpectralWindow(1, qa.quantity((low + high) / 2, 'GHz'), qa.quantity(0.1 * n, 'GHz'), qa.quantity(0.1, 'GHz'))
    for pwv in waters:
        at.setUserWH2O(qa.quantity(pwv, 'mm'))
        freq = qa.convert(at.getSpectralWindow(0), 'GHz')['value']
        dry, wet = at.getDryOpacitySpec(0)[1], at.getWetOpacitySpec(0)[1]['value']
        sky = at.getTebbSkySpec(0)[1]['value']
        result[f'{low} {pwv}'] = [[float(v) for v in column] for column in (freq, dry, wet, sky)]
"""
BANDS = {3: (84, 116), 4: (125, 163), 5: (163, 211), 6: (211, 275), 7: (275, 373), 8: (385, 500), 9: (602, 720)}
WATERS = (0.5, 1.0, 5.0)
MEAN, MOST = 0.015, 0.028
"""Mean difference, and what 99 of 100 channels keep (docs/atmosphere.md)."""


@pytest.fixture(scope="module")
def theirs(casa_once):
    return casa_once(SCRIPT, bands=list(BANDS.values()), waters=list(WATERS))


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("pwv", WATERS)
def test_transmission(theirs, band, pwv):
    freq, dry, wet, _ = map(np.array, theirs[f"{BANDS[band][0]} {pwv}"])
    difference = np.exp(-zenith_opacity(freq * 1e9, pwv).total) - np.exp(-(dry + wet))
    assert abs(difference.mean()) < MEAN
    assert np.percentile(np.abs(difference), 99) < MOST


@pytest.mark.parametrize("band", [3, 6, 7])
def test_brightness(theirs, band):
    freq, _, _, sky = map(np.array, theirs[f"{BANDS[band][0]} 1.0"])
    # ATM gives temperatures of a black body, here they are Rayleigh-Jeans
    planck = 4.7992430733e-2 * freq / np.log1p(4.7992430733e-2 * freq / sky_brightness(freq * 1e9, 1.0))
    assert np.median(np.abs(planck - sky)) < 2.5
    assert np.percentile(np.abs(planck - sky), 95) < 5


def test_lines_lie_at_the_same_frequencies(theirs):
    for band, low, high in ((3, 115, 116), (5, 180, 186), (7, 320, 330), (7, 300, 303)):
        freq, dry, wet, _ = map(np.array, theirs[f"{BANDS[band][0]} 1.0"])
        near = (freq > low) & (freq < high)
        mine = zenith_opacity(freq[near] * 1e9, 1.0).total
        assert abs(freq[near][np.argmax(mine)] - freq[near][np.argmax((dry + wet)[near])]) < 0.11
