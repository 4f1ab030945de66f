"""The air during an observation: weather and water of a MeasurementSet."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import makearrcoldesc, makescacoldesc, maketabdesc, table

from atacal.atmosphere.observed import DEFAULT_PWV_MM, air_curve, mean_airmass, observed_air
from atacal.ms.air_tables import read_first_lo_hz, read_pwv_mm, read_weather
from atacal.ms.metadata import read_metadata
from atacal.tasks import plotbandpass


def with_asdm_tables(ms: Path, start: float) -> None:
    """Add the tables that importasdm copies with asis."""
    columns = [makescacoldesc("startValidTime", 0.0), makescacoldesc("antennaName", ""), makescacoldesc("water", 0.0)]
    with table(str(ms / "ASDM_CALWVR"), maketabdesc(columns), nrow=6, ack=False) as tab:
        tab.putcol("startValidTime", start + 300.0 * np.repeat([0, 1, 2], 2))
        tab.putcol("water", np.array([1.0, 1.2, 2.0, 2.2, 0.0, 3.0]) * 1e-3)
    columns = [
        makescacoldesc("spectralWindowId", ""),
        makearrcoldesc("freqLO", 0.0, ndim=1),
    ]
    with table(str(ms / "ASDM_RECEIVER"), maketabdesc(columns), nrow=2, ack=False) as tab:
        for row in range(2):
            tab.putcell("spectralWindowId", row, f"SpectralWindow_{row}")
            tab.putcell("freqLO", row, np.array([221e9, 3e9]))


def test_water_of_the_time(sim_ms):
    meta = read_metadata(sim_ms)
    start = meta.observations[0].time_range_mjd_s[0]
    assert read_pwv_mm(sim_ms) is None
    assert observed_air(sim_ms).water_mm(start, start + 1) == (DEFAULT_PWV_MM, False)
    with_asdm_tables(sim_ms, start)
    assert read_pwv_mm(sim_ms, start - 1, start + 1) == pytest.approx(1.1)
    assert read_pwv_mm(sim_ms, start + 500, start + 520) == pytest.approx(3.0)  # the nearest, zeros left out
    assert read_pwv_mm(sim_ms) == pytest.approx(2.0)
    assert observed_air(sim_ms).water_mm(start - 1, start + 1) == (pytest.approx(1.1), True)
    assert observed_air(sim_ms, 0.7).water_mm(start, start) == (0.7, True)
    assert read_first_lo_hz(sim_ms) == {0: 221e9, 1: 221e9}


def test_weather_where_it_is_known(raw_block, sim_ms):
    assert read_weather(raw_block).pressure_hpa == pytest.approx(556, abs=30)
    assert observed_air(raw_block).profile.pressure_hpa[0] < 1.01 * read_weather(raw_block).pressure_hpa
    shutil.rmtree(sim_ms / "WEATHER", ignore_errors=True)
    assert read_weather(sim_ms) is None


@pytest.fixture(scope="module")
def raw_block(tmp_path_factory):
    from atacal.simulate import simulate

    path = tmp_path_factory.mktemp("raw") / "R.ms"
    simulate(path, raw=True, nant=4)
    return path


def test_airmass_and_the_image_sideband(sim_original):
    meta = read_metadata(sim_original)
    time = np.array([meta.observations[0].time_range_mjd_s[0]])
    airmass = mean_airmass(time, [meta.fields[0]], meta.antennas)
    assert 1 <= airmass < 3
    freq = meta.spws[0].chan_freq_hz
    lo = 226e9
    curve = air_curve(observed_air(""), freq, airmass=airmass, start_mjd_s=0, end_mjd_s=1, first_lo_hz=lo)
    mirrored = air_curve(observed_air(""), 2 * lo - freq, airmass=airmass, start_mjd_s=0, end_mjd_s=1)
    np.testing.assert_allclose(curve.image, mirrored.value, rtol=1e-6)
    assert "assumed" in curve.label


def test_plotbandpass_asks_for_the_oscillator(sim_ms, tmp_path, caplog):
    bandpass_table(sim_ms, tmp_path / "b")
    with caplog.at_level("WARNING", logger="atacal"):
        plotbandpass(
            str(tmp_path / "b"), xaxis="freq", showatm=True, showimage=True, vis=str(sim_ms), antenna="0", spw="0",
            figfile=str(tmp_path / "p"),
        )  # fmt: skip
    assert "lo1" in caplog.text


def bandpass_table(ms: Path, target: Path) -> None:
    from atacal.tasks import bandpass

    bandpass(str(ms), str(target), field="0", solint="inf", refant="0")
