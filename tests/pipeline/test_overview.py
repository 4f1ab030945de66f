"""What a block looks like: against astropy, and against what is in the block."""

from __future__ import annotations

import json

import numpy as np
import pytest

from atacal.pipeline.facts import read_facts
from atacal.pipeline.geometry import azimuth_elevation, local_positions
from atacal.pipeline.overview import baselines, separations


def test_azimuth_and_elevation(raw_block):
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    facts = read_facts(raw_block)
    scans = facts.science_scans()
    times = np.array([s.start_s for s in scans])
    fields = [facts.metadata.fields[s.fields[0]] for s in scans]
    azimuth, elevation = azimuth_elevation(facts, times, fields)
    place = EarthLocation.from_geocentric(*np.median(facts.metadata.antenna_positions_m, axis=0), unit="m")
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "warn"):
        frame = AltAz(obstime=Time(times / 86400, format="mjd", scale="utc"), location=place)
        where = SkyCoord([f.phase_dir_rad[0] for f in fields], [f.phase_dir_rad[1] for f in fields], unit="rad")
        seen = where.transform_to(frame)
    # the plane is normal to the geocentric radius, up to 0.19 deg from the geodetic one
    np.testing.assert_allclose(elevation, seen.alt.deg, atol=0.2)
    apart = (azimuth - seen.az.deg + 180) % 360 - 180
    np.testing.assert_allclose(apart * np.cos(np.radians(elevation)), 0, atol=0.25)


def test_local_positions(raw_block):
    positions = read_facts(raw_block).metadata.antenna_positions_m
    local = local_positions(positions)
    lengths = np.linalg.norm(local[:, None] - local, axis=-1)
    np.testing.assert_allclose(lengths, np.linalg.norm(positions[:, None] - positions, axis=-1), atol=1e-6)
    assert np.abs(local[:, 2]).max() < 0.1 * np.abs(local[:, :2]).max()  # the site is flat


def test_baselines():
    found = baselines(np.array([[0.0, 0, 0], [3.0, 0, 0], [3.0, 4.0, 0]]))
    assert (found["min_m"], found["max_m"], found["count"]) == (3.0, 5.0, 3)
    assert found["rms_m"] == pytest.approx(np.sqrt(50 / 3))
    assert baselines(np.zeros((1, 3))) == {}


def test_separations(raw_block):
    from astropy.coordinates import SkyCoord

    facts = read_facts(raw_block)
    by_name = {f.name: SkyCoord(*f.phase_dir_rad, unit="rad") for f in facts.metadata.fields}
    told = separations(facts)
    assert {t["intent"] for t in told} == {"PHASE", "CHECK"}
    for one in told:
        assert one["separation_deg"] == pytest.approx(by_name[one["from"]].separation(by_name[one["to"]]).deg, abs=1e-3)


def test_a_block_is_described(begun):
    result = json.loads((begun / "stages" / "01-hifa_importdata" / "result.json").read_text())
    (told,) = result["blocks"].values()
    decided = told["decisions"]
    assert decided["receivers"] == ["Band 6"]
    assert decided["size_bytes"] > 1e6
    assert len(decided["sky"]) == len(decided["scans"])
    assert len(decided["antenna_table"]) == len(decided["antennas"])
    science = {str(s["spw"]) for s in decided["spws"] if s["science"]}
    assert science == set(decided["science_spws"])
    for path in told["charts"]:
        chart = json.loads((begun / path).read_text())
        assert chart["series"], path
        assert (begun / path).stat().st_size < 1_000_000
    text = next((begun / "stages" / "01-hifa_importdata").glob("*.listobs.txt")).read_text()
    assert "MeasurementSet Name" in text
    assert str(begun) not in text


def test_what_was_flagged_at_the_start_is_counted(begun):
    result = json.loads((begun / "stages" / "02-hifa_flagdata" / "result.json").read_text())
    (told,) = result["blocks"].values()
    before = told["flags"][0]
    assert before["cause"] == "before"
    assert 0 < before["newly"] < before["total"]
    assert sum(n for n, _ in before["by_scan"].values()) == before["newly"]
