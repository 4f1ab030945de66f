"""``atacal flux``: what it prints, as JSON too, and what it refuses."""

from __future__ import annotations

import json
import shlex

import pytest

from atacal.cli import run
from atacal.errors import ArgumentError
from atacal.flux.command import flux
from atacal.flux.lookup import CATALOGUE_VARIABLE
from atacal.ms.metadata import read_metadata

ROWS = """source,ra,dec,date,freq_GHz,flux_Jy,error_Jy
J0538-4405,84.70984,-44.08582,2015-06-27,103.49,2.090,0.050
J0538-4405,84.70984,-44.08582,2015-06-27,343.48,1.030,0.100
J1427-4206;B1424-418,,,2017-05-14,91.46,3.130,0.080
J1427-4206,,,2017-05-15,103.49,3.09,0.06
J1427-4206,,,2017-05-15,91.46,3.16,0.06
J1427-4206,,,2017-05-15,343.48,1.45,0.08
J0001+0001,,,2017-05-15,230,1.45,0.08
J0002+0002,,,2017-05-15,91.5,1.45,
"""


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    path = tmp_path / "fluxes.csv"
    path.write_text(ROWS, encoding="utf-8")
    return str(path)


def printed(capsys, *words: str) -> str:
    assert run(["flux", *words]) == 0
    return capsys.readouterr().out


def test_the_text(catalogue, capsys):
    out = printed(capsys, "J0538-4405", "--date", "2015-06-29", "--freq", "301.861GHz", "--catalogue", catalogue)
    assert out.splitlines() == [
        f"J0538-4405 on 2015-06-29 at 301.861000 GHz, from {catalogue}",
        "  Band 3   2015-06-27  103.490 GHz  2.090 +- 0.050 Jy  age +2 d",
        "  Band 7   2015-06-27  343.480 GHz  1.030 +- 0.100 Jy  age +2 d",
        "  spectral index  -0.589841 +- 0.083350, 1 pair of 2015-06-27, 0 d apart",
        out.splitlines()[4],
        out.splitlines()[5],
        "  atacal setjy X.ms --field 'J0538-4405' --standard manual --fluxdensity 1.111537,0,0,0 --spix -0.589841 "
        "--reffreq 301.861GHz",
    ]
    assert out.splitlines()[4].startswith("  Monte Carlo     1.11")
    assert out.splitlines()[5].startswith("  flux density    1.111537 +- 0.09")


def test_a_pair_of_other_days_and_warnings_are_shown(catalogue, capsys):
    out = printed(capsys, "B1424-418", "--date", "2017-06-14", "--freq", "232.605GHz", "--catalogue", catalogue)
    assert out.startswith("B1424-418 (J1427-4206) on 2017-06-14")
    assert "warning: the measurements are 30 days from the date" in out
    on_the_day = printed(capsys, "B1424-418", "--date", "2017-05-14", "--freq", "232.605GHz", "--catalogue", catalogue)
    assert on_the_day.count("    fitted to  2017-05-15") == 3


def test_one_band(catalogue, capsys):
    out = printed(capsys, "J0002+0002", "--date", "2017-05-15", "--freq", "100GHz", "--catalogue", catalogue)
    assert "  Band 7   none" in out
    assert "spectral index  -0.700000 +- 0.200000, assumed" in out
    assert "1.450 +- 0.145 Jy (assumed)" in out
    assert "Monte Carlo" not in out


def test_json_of_several(catalogue, capsys):
    out = printed(
        capsys, "J0538-4405,J1427-4206", "--date", "2015-06-29,2017-05-14", "--freq", "301.861GHz,232.605GHz",
        "--catalogue", catalogue, "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert [(e["source"], e["date"], e["freq_hz"]) for e in found["estimates"]] == [
        (s, d, f)
        for s in ("J0538-4405", "J1427-4206")
        for d in ("2015-06-29", "2017-05-14")
        for f in (301.861e9, 232.605e9)
    ]
    assert found["estimates"][0]["flux_jy"] == pytest.approx(1.1115, abs=5e-5)
    assert found["estimates"][7]["flux_jy"] == pytest.approx(1.802796, abs=1e-6)
    assert found["estimates"][0]["low"][0]["date"] == "2015-06-27"
    assert len(found["setjy"]) == 8


def test_the_catalogue_of_the_environment(catalogue, monkeypatch):
    monkeypatch.setenv(CATALOGUE_VARIABLE, catalogue)
    (found,) = flux("05:38:50.36 -44:05:08.9", "301.861GHz", "2015-06-29").estimates
    assert (found.name, found.field) == ("J0538-4405", "J0538-4405")


def test_without_a_date_it_is_today(catalogue):
    (found,) = flux("J0538-4405", "301.861GHz", catalogue=catalogue).estimates
    assert found.mean_age_d > 4000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Orion", "--freq", "300GHz"], "has no source 'Orion'"),
        (["J0538-4405", "--freq", "300"], "write a frequency with its unit"),
        (["J0538-4405", "--freq", "-3GHz"], "write a frequency with its unit"),
        (["J0538-4405", "--freq", "nanGHz"], "write a frequency with its unit"),
        (["J0538-4405", "--freq", "infGHz"], "a frequency must be positive"),
        (["J0538-4405", "--freq", "300GHz", "--date", "29.6.2015"], "is no date"),
        (["J0001+0001", "--freq", "300GHz"], "no measurements in Band 3 or 7 to use; it has Band 6 (1)"),
        (["J0538-4405", "--freq", "300GHz", "--lowband", "12"], "is no ALMA band"),
        (["J0538-4405", "--freq", "300GHz", "--fit", "x"], "choose one of"),
        (["J0538-4405", "--freq", "300GHz", "--tolerance", "-1"], "tolerance=-1"),
        (["", "--freq", "300GHz"], "source='' is empty"),
    ],
)
def test_what_is_refused(catalogue, capsys, words, message):
    assert run(["flux", *words, "--catalogue", catalogue]) == 1
    assert message in capsys.readouterr().err


def test_no_catalogue_and_no_network(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["flux", "J0538-4405", "--freq", "300GHz", "--server", "http://127.0.0.1:9/", "--timeout", "2"]
    monkeypatch.setattr("atacal.flux.alma_catalogue.time.sleep", lambda seconds: None)
    assert run(words) == 1
    assert "Give a catalogue file instead (catalogue=..., or the environment variable" in capsys.readouterr().err


def test_the_printed_setjy_sets_the_model(catalogue, sim_ms, capsys):
    """By the spectral index at each spw's reference frequency, where setjy says what it has set."""
    (found,) = flux("J0538-4405", "225GHz", "2015-06-29", catalogue=catalogue).estimates
    _, *words = shlex.split(found.setjy.replace("X.ms", str(sim_ms)).replace("J0538-4405", "J1550+0527"))
    assert run([*words, "--json"]) == 0
    fluxes = json.loads(capsys.readouterr().out)["1"]
    for spw in read_metadata(sim_ms).spws:
        expected = found.flux_jy * (spw.ref_freq_hz / 225e9) ** found.spectral_index
        assert fluxes[str(spw.id)]["fluxd"][0] == pytest.approx(expected, rel=2e-6)


def test_frequency_and_source_are_needed(capsys):
    assert run(["flux", "J0538-4405"]) == 2
    assert "--freq is missing" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="source="):
        flux([], "300GHz")
