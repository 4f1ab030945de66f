"""``aU.getALMAFlux`` and ``aU.getALMAFluxForMS`` as scripts call them."""

from __future__ import annotations

import logging
import math

import pytest

from atacal.errors import ArgumentError, CatalogueError, EmptySelection, NoSuchTable, SelectionError, UnknownSource
from atacal.flux.lookup import CATALOGUE_VARIABLE
from atacal.scripts.analysis_utils.almaflux import getALMAFlux, getALMAFluxForMS

ROWS = """source,ra,dec,date,freq_GHz,flux_Jy,error_Jy
J1733-1304,,,2017-10-02,103.49,3.07,0.08
J1733-1304,,,2017-10-02,91.46,3.25,0.09
J1733-1304,,,2017-09-23,343.48,1.29,0.05
J1733-1304,,,2017-10-02,343.48,1.49,0.08
J0237+2848,,,2021-07-07,103.5,1.22,0.03
J0237+2848,,,2021-07-07,91.47,1.32,0.03
J0237+2848,,,2021-07-06,343.48,0.59,0.06
J1517-2422,,,2024-06-20,97.5,2.0,0.1
J1517-2422,,,2024-06-20,343.5,1.0,0.1
calibrator_one,237.6469427,5.4527057,2024-06-20,97.5,3.0,0.1
calibrator_one,237.6469427,5.4527057,2024-06-20,343.5,2.0,0.1
J1650-2943,,,2024-06-20,230.0,2.0,0.1
"""
AU_KEYS = {
    "fluxDensity", "fluxDensityUncertainty", "monteCarloFluxDensity", "spectralIndex", "spectralIndexUncertainty",
    "meanAge", "ageDifference", "spectralIndexAgeSeparation", "spectralIndexAgeOldest", "spectralIndexAgeYoungest",
    "spectralIndexNPairs",
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory with a catalogue."""
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flux_catalogue.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def test_a_published_dictionary():
    """J1733-1304 for 2017/09/26 as analysisUtils printed it; the Band 7 error that it does not show must be 0.08."""
    found = getALMAFlux("J1733-1304", frequency="232.528GHz", date="2017/09/26")
    assert set(found) == AU_KEYS
    assert found["spectralIndex"] == pytest.approx(-0.59320129545, abs=1e-11)
    index = found["spectralIndex"]
    assert found["fluxDensity"] == pytest.approx(3.16 * (232.528 / 97.475) ** index)
    assert 3.07 * (232.528 / 103.49) ** index == pytest.approx(1.8992516882)  # it took the first sideband only
    assert found["monteCarloFluxDensity"] == pytest.approx(1.8825435169, rel=2e-3)
    whole = {k: v for k, v in found.items() if "Age" in k or k == "ageDifference" or k == "spectralIndexNPairs"}
    assert whole == {
        "ageDifference": 9.0, "meanAge": -6.0, "spectralIndexAgeOldest": -6, "spectralIndexAgeYoungest": -6,
        "spectralIndexAgeSeparation": 0, "spectralIndexNPairs": 1,
    }  # fmt: skip


def test_the_cycle_6_printout():
    found = getALMAFlux("J0237+2848", frequency="90.508GHz", date="2021/07/03", fitSpectralIndex="contemporaneous")
    assert found["spectralIndex"] == pytest.approx(-0.609814, abs=5e-7)
    assert found["fluxDensity"] == pytest.approx(1.328834, abs=5e-7)
    assert found["fluxDensityUncertainty"] == pytest.approx(0.024533, rel=0.025)
    assert found["monteCarloFluxDensity"] == pytest.approx(1.326366, rel=2e-3)
    assert set(found) == {k for k in AU_KEYS if not k.startswith("spectralIndexA") and k != "spectralIndexNPairs"}


@pytest.mark.parametrize("frequency", ["232.528GHz", "232528MHz", "232.528", 232.528, 232.528e9, "232528000000"])
def test_frequencies(frequency):
    reference = getALMAFlux("J1733-1304", "232.528GHz", date="20170926", silent=True)
    assert getALMAFlux("J1733-1304", frequency, date="2017-09-26", silent=True) == pytest.approx(reference)


def test_options_of_the_bands():
    low_only = getALMAFlux("J1733-1304", 100.0, date="20170926", ignoreHighBand=True, defaultSpectralIndex=-1.0)
    assert low_only["fluxDensity"] == pytest.approx(3.07 * (100 / 103.49) ** -1)
    assert (low_only["spectralIndex"], low_only["ageDifference"]) == (-1.0, 0.0)
    high_only = getALMAFlux("J1733-1304", 343.48, date="20170926", ignoreLowBand=True)
    assert high_only["fluxDensity"] == pytest.approx(1.29)
    from_high = getALMAFlux("J1733-1304", 343.48, date="20170926", interpolateFromBand="nearestInTime")
    assert from_high["fluxDensity"] == pytest.approx(1.29)


def test_a_measurement_of_ones_own():
    own = {"lowbandFlux": 5.0, "lowbandFrequency": "97GHz", "lowbandUncertainty": 0.1}
    found = getALMAFlux("J1733-1304", 97.0, date="20170926", lowbandDate="20170926", **own)
    assert (found["fluxDensity"], found["meanAge"]) == (pytest.approx(5.0), 0.0)
    with pytest.raises(ArgumentError, match="lowbandFlux, lowbandFrequency, lowbandUncertainty and lowbandDate belong"):
        getALMAFlux("J1733-1304", 97.0, **own)
    with pytest.raises(ArgumentError, match="the flux density -5 Jy is not between"):
        getALMAFlux("J1733-1304", 97.0, lowbandDate="20170926", **own | {"lowbandFlux": -5.0})


def test_what_is_refused(here, monkeypatch):
    with pytest.raises(UnknownSource, match=r"flux_catalogue.csv has no source 'J1733-1305'; did you mean J1733-1304"):
        getALMAFlux("J1733-1305", 232.5)
    assert getALMAFlux("J1733-1305", 232.5, searchAdjacentNames=True)["fluxDensity"] > 0
    with pytest.raises(CatalogueError, match="no measurements in Band 3 or 7"):
        getALMAFlux("J1650-2943", 232.5)
    for bad in (
        {"frequency": "soon"},
        {"frequency": -1.0},
        {"frequency": None},
        {"date": "yesterday"},
        {"dayWindow": -1},
    ):
        with pytest.raises(ArgumentError):
            getALMAFlux("J1733-1304", **{"frequency": 232.5} | bad)
    with pytest.raises(ArgumentError, match="simulateLowBand"):
        getALMAFlux("J1733-1304", 232.5, simulateLowBand=True)
    with pytest.raises(ArgumentError, match="fit='nearest'"):
        getALMAFlux("J1733-1304", 232.5, fitSpectralIndex="nearest")
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(here / "none.csv"))
    with pytest.raises(NoSuchTable, match=r"none\.csv"):
        getALMAFlux("J1733-1304", 232.5)


def test_what_is_printed(caplog):
    with caplog.at_level(logging.INFO, "atacal"):
        getALMAFlux("J1733-1304", 232.5, date="20170926", showplot=True)
    assert "Band 3   2017-10-02  103.490 GHz  3.070 +- 0.080 Jy  age -6 d" in caplog.text
    assert "no plot of the spectral index is drawn" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, "atacal"):
        getALMAFlux("J1733-1304", 232.5, date="20170926", silent=True)
    assert caplog.text == ""


def test_the_calibrators_of_a_measurement_set(sim_original, caplog):
    """By name, by position where the name is not known; what the catalogue does not have is left out with a warning."""
    found = getALMAFluxForMS(str(sim_original))
    assert sorted(found) == ["J1517-2422", "J1550+0527"]
    assert "J1650-2943 is left out" in caplog.text
    one = found["J1517-2422"]
    assert set(one) == (AU_KEYS - {"ageDifference"}) | {"frequency"}
    assert one["frequency"] == pytest.approx(233e9)
    assert one["spectralIndex"] == pytest.approx(math.log(0.5) / math.log(343.5 / 97.5))
    assert one["fluxDensity"] == pytest.approx(2 * (233 / 97.5) ** one["spectralIndex"])
    assert found["J1550+0527"]["fluxDensity"] == pytest.approx(
        3 * (233 / 97.5) ** (math.log(2 / 3) / math.log(343.5 / 97.5))
    )


def test_fields_spws_and_intents(sim_original):
    vis = str(sim_original)
    assert getALMAFluxForMS(vis, field="0", spw="0")["J1517-2422"]["frequency"] == pytest.approx(225e9)
    assert list(getALMAFluxForMS(vis, field=0, spw=[0, 1])) == ["J1517-2422"]
    assert list(getALMAFluxForMS(vis, field="J1550+0527,0", frequency="231GHz")) == ["J1517-2422", "J1550+0527"]
    assert list(getALMAFluxForMS(vis, intent="CALIBRATE_FLUX")) == ["J1550+0527"]
    assert list(getALMAFluxForMS(vis, intent="AMPLI")) == ["J1550+0527"]
    one = getALMAFluxForMS(vis, field=0, frequency=100, spectralIndex=-0.5)["J1517-2422"]
    assert one["spectralIndex"] == -0.5
    assert "spectralIndexNPairs" not in one
    scaled = getALMAFluxForMS(vis, field=0, frequency="240GHz", referenceFrequency="120GHz", referenceFlux=4.0)
    assert scaled["J1517-2422"]["fluxDensity"] == pytest.approx(4.0 * 2 ** scaled["J1517-2422"]["spectralIndex"])


def test_measurement_sets_that_are_refused(sim_original, tmp_path):
    vis = str(sim_original)
    with pytest.raises(UnknownSource, match="no flux density of any field is known"):
        getALMAFluxForMS(vis, field="IRAS_16293-2422")
    with pytest.raises(SelectionError):
        getALMAFluxForMS(vis, field="nothing")
    with pytest.raises(EmptySelection, match="no field has the intent 'POLARIZATION'"):
        getALMAFluxForMS(vis, intent="POLARIZATION")
    with pytest.raises(ArgumentError, match="there are spws 0 to 1"):
        getALMAFluxForMS(vis, spw=7)
    with pytest.raises(ArgumentError, match="spw='0:3~5'"):
        getALMAFluxForMS(vis, spw="0:3~5")
    with pytest.raises(ArgumentError, match="referenceFrequency and referenceFlux belong together"):
        getALMAFluxForMS(vis, referenceFlux=1.0)
    with pytest.raises(NoSuchTable):
        getALMAFluxForMS(str(tmp_path / "none.ms"))
    (tmp_path / "flux_catalogue.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CatalogueError, match="lacks columns"):
        getALMAFluxForMS(vis)
