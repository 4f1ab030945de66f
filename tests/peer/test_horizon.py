"""Hour angle, elevation and parallactic angle against CASA's measures, over 30 years, on three sites."""

from __future__ import annotations

import numpy as np

from atacal.jones.horizon import elevations, hour_angles
from atacal.jones.parang import parallactic_angles
from atacal.ms.metadata import Antenna, Field

SITES = {
    "ALMA": (2225140.7, -5440301.9, -2481039.7),
    "VLA": (-1601185.4, -5041977.5, 3554875.9),
    "Westerbork": (3828488.1, 443353.8, 5064954.3),
}

SCRIPT = """
me, qa = casatools.measures(), casatools.quanta()
result = {"rows": []}
for day, ra, dec, x, y, z in wanted:
    radius = np.sqrt(x * x + y * y + z * z)
    place = (np.arctan2(y, x), np.arcsin(z / radius))
    me.doframe(me.position("ITRF", *[qa.quantity(v, "rad") for v in place], qa.quantity(radius, "m")))
    me.doframe(me.epoch(frame, qa.quantity(day, "d")))
    source = me.direction("J2000", qa.quantity(ra, "rad"), qa.quantity(dec, "rad"))
    hadec, azel = me.measure(source, "HADEC"), me.measure(source, "AZEL")
    pole = me.measure(me.direction("HADEC", "0deg", "90deg"), "AZEL")
    angle = qa.convert(me.posangle(azel, pole), "rad")["value"]
    result["rows"].append([hadec["m0"]["value"], hadec["m1"]["value"], azel["m1"]["value"], angle])
"""


def test_hour_angles_elevations_and_parallactic_angles(casa):
    rng = np.random.default_rng(5)
    sites = list(SITES.values())
    wanted = [
        [rng.uniform(48000, 60000), rng.uniform(0, 6.28), rng.uniform(-1.3, 1.3), *sites[i % len(sites)]]
        for i in range(60)
    ]
    for frame in ("UTC", "TAI"):
        theirs = np.array(casa(SCRIPT, wanted=wanted, frame=frame)["rows"])
        mine = []
        for day, ra, dec, *place in wanted:
            field, time = [Field(0, "", "", 0, (ra, dec), "J2000", 0.0)], np.array([day * 86400])
            antenna = [Antenna(0, "", "", tuple(place), 1.0, "ALT-AZ", False)]
            mine.append([
                *(v[0, 0] for v in hour_angles(time, field, np.array([place]), frame)),
                elevations(time, field, np.array([place]), frame)[0, 0],
                parallactic_angles(time, field, antenna, frame)[0, 0],
            ])  # fmt: skip
        apart = np.angle(np.exp(1j * (np.array(mine) - theirs)))
        assert np.abs(apart).max() < 1e-7
