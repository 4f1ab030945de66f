"""Pieces of the recipe: channels, products, scatter, summary."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from atacal.errors import ArgumentError, ModelError, SelectionError, TableExists, UnknownSource
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe.channels import central_channels, ranges
from atacal.recipe.flux_model import FluxModel, choose_model
from atacal.recipe.plan import has_autocorrelations, make_plan
from atacal.recipe.products import products_of, start
from atacal.recipe.roles import find_roles
from atacal.recipe.scatter import baseline_rms_deg
from atacal.recipe.summary import FluxDensity, Summary, TableCount, flux_densities, write_summary
from atacal.simulate import simulate


def planned(ms, **changes):
    wanted = {"spw": "", "refant": "", "solint_bandpass": "inf"} | changes
    return make_plan(ms, find_roles(ms), FluxModel("given", ""), products_of(ms.path), **wanted)


@pytest.mark.parametrize(("n", "first", "last"), [(128, 48, 80), (64, 24, 40), (4, 1, 2), (1, 0, 0)])
def test_central_quarter_of_the_channels(n, first, last):
    chosen = np.flatnonzero(central_channels(np.ones(n, bool)))
    assert (chosen[0], chosen[-1]) == (first, last)


def test_central_channels_of_a_range_and_their_spelling():
    mask = np.zeros(64, bool)
    mask[6:57] = True
    chosen = np.flatnonzero(central_channels(mask))
    assert (chosen[0], chosen[-1]) == (25, 37)
    mask[30] = False
    assert ranges(mask) == "6~29;31~56"


def test_the_plan_of_a_simulated_block(sim_original):
    with MeasurementSet(sim_original) as ms:
        plan = planned(ms)
    assert plan.spw_ids == "0,1"
    assert plan.central == "0:24~40,1:24~40"
    assert plan.phase_calibrator == {2: 2, 3: 2, 4: 2}
    assert plan.applied == (0, 1, 2, 3, 4)
    assert plan.refants[0] == plan.ranking[0].name
    assert plan.flag_version == "before_calibrate"
    assert not plan.autocorrelations


def test_the_users_spws_channels_and_reference_are_taken(sim_original):
    with MeasurementSet(sim_original) as ms:
        name = ms.metadata.antennas[3].name
        plan = planned(ms, spw="1:10~49", refant=name)
        assert plan.refants == (name,)
        assert (plan.spw, plan.spw_ids, plan.central) == ("1:10~49", "1", "1:25~35")
        with pytest.raises(SelectionError):
            planned(ms, spw="7")


def test_an_unknown_flux_density_is_asked_for(sim_original):
    with MeasurementSet(sim_original) as ms, pytest.raises(ModelError, match=r"J1550\+0527.*flux_density"):
        choose_model(ms, find_roles(ms), given=False, raw=False)


def test_the_flux_density_of_a_catalogue(sim_original, tmp_path, caplog):
    """At each spw's centre; by name or position; with what there is to warn of."""
    rows = ["name,ra,dec,date,freq,flux,error"]
    rows += [f"other,237.6469427,5.4527057,2024-05-01,{f},{s},0.1" for f, s in ((100, 2.0), (300, 1.0))]
    (tmp_path / "c.csv").write_text("\n".join(rows))
    with MeasurementSet(sim_original) as ms:
        roles = find_roles(ms)
        model = choose_model(ms, roles, given=False, raw=True, catalogue=str(tmp_path / "c.csv"))
        index = math.log(0.5) / math.log(3)
        assert model.kind == "catalogue"
        for ghz in (225.0, 241.0):
            assert model.flux_jy(roles.flux[0], ghz * 1e9) == pytest.approx(2 * (ghz / 100) ** index)
        assert "J1550+0527: the measurements are 45 days from the date" in caplog.text
        (tmp_path / "c.csv").write_text("name,date,freq,flux\nX,2024-05-01,100,1\n")
        with pytest.raises(UnknownSource, match=r"c\.csv has no source 'J1550\+0527', nor one at its position"):
            choose_model(ms, roles, given=False, raw=True, catalogue=str(tmp_path / "c.csv"))


def test_autocorrelations_are_seen(tmp_path):
    simulate(tmp_path / "a.ms", nant=3, nspw=1, nchan=4, autocorr=True)
    with MeasurementSet(tmp_path / "a.ms") as ms:
        assert has_autocorrelations(ms)


def test_products_lie_beside_the_data_or_where_told(tmp_path):
    beside = products_of(tmp_path / "uid_X1.ms")
    assert beside.folder == tmp_path / "uid_X1.calibrate"
    assert beside.phase_up.name == "uid_X1.ap_pre_bandpass"
    assert products_of("X.ms/", tmp_path / "out").bandpass == tmp_path / "out" / "X.bandpass"


def test_a_second_run_clears_the_first_ones_products_and_nothing_else(tmp_path):
    products = products_of(tmp_path / "X.ms")
    start(products, {})
    products.bandpass.mkdir()
    products.summary_json.write_text("{}")
    own = products.folder / "notes.txt"
    own.write_text("mine")
    start(products, {"vis": "X.ms"})
    assert not products.bandpass.exists()
    assert not products.summary_json.exists()
    assert own.read_text() == "mine"
    other = products_of(tmp_path / "Y.ms")
    other.folder.mkdir()
    (other.folder / "thesis.tex").write_text("long")
    with pytest.raises(TableExists, match="not empty"):
        start(other, {})


def test_the_data_themselves_are_never_cleared_away(tmp_path):
    products = products_of(tmp_path / "uid_X1.asdm.sdm")
    start(products, {})
    products.imported.mkdir()
    with pytest.raises(ArgumentError, match="cleared away"):
        start(products_of(products.imported, products.folder), {}, products.imported)
    assert products.imported.is_dir()


def test_phase_scatter_is_about_each_baselines_mean():
    rng = np.random.default_rng(2)
    key = np.repeat([5, 9, 11], [400, 400, 2])
    phase = np.concatenate([1.0 + 0.1 * rng.normal(size=400), -3.1 + 0.2 * rng.normal(size=400), [0, 1]])
    vis = rng.uniform(1, 3, 802) * np.exp(1j * phase)
    vis[:50] = 0
    rms = baseline_rms_deg(key, vis.astype(np.complex64))
    assert rms[:2] == pytest.approx(np.degrees([0.1, 0.2]), rel=0.1)
    assert np.isnan(rms[2])  # two samples are too few


def test_flux_densities_are_read_from_fluxscales_dict():
    result = {
        "freq": np.array([1e9, 2e9]),
        "2": {
            "fieldName": "J1",
            "0": {
                "fluxd": [0.5, 0, 0, 0], "fluxdErr": [0.01, 0, 0, 0], "fluxdErrMedian": [0.02, 0, 0, 0],
                "numSol": [16.0, 0, 0, 0],
            },
            "1": {"fluxd": [-1.0, 0, 0, 0], "fluxdErr": [-1.0, 0, 0, 0], "numSol": [0.0, 0, 0, 0]},
            "fitFluxd": 0.5,
        },
    }  # fmt: skip
    assert flux_densities(result, {0: 1e9, 1: 2e9}) == [FluxDensity("J1", 0, 1e9, 0.5, 0.02, 16)]


def test_the_summary_for_people_and_for_programs(tmp_path):
    summary = Summary(
        "X.ms", "out", {"bandpass": ["J1"], "target": []}, "DV05", ["DV05"], notes=["no water vapour correction"],
        tables=[TableCount("bandpass", "out/X.bandpass", "B Jones", 100, 7, ["DA41 (spw 0)"])],
        fluxes=[FluxDensity("J1", 0, 1e11, 0.5, 0.01, 16)],
    )  # fmt: skip
    write_summary(summary, tmp_path / "s.json", tmp_path / "s.txt")
    text = (tmp_path / "s.txt").read_text()
    assert "DV05" in text
    assert "DA41 (spw 0)" in text
    assert "0.50000 +- 0.01000" in text
    assert "7.00 %" in text
    assert "- no water vapour correction" in text
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["tables"][0]["flagged"] == 7
    assert content["fluxes"][0]["flux_jy"] == 0.5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.json", "s.txt"]
