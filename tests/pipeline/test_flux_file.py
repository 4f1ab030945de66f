"""flux.csv, and the models that are made of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import PipelineError
from atacal.pipeline.flux_file import FluxEntry, read_flux_file, write_flux_file
from atacal.pipeline.run import Run
from atacal.simulate import read_truth, simulate

numbers = st.floats(-1e3, 1e3).map(lambda v: float(f"{v:.8g}"))


@given(
    st.lists(
        st.builds(
            FluxEntry, ms=st.sampled_from(["A.ms", "b,c.ms", 'd"e.ms']), field=st.integers(0, 99),
            spw=st.integers(0, 99), I=st.floats(1e-6, 1e4).map(lambda v: float(f"{v:.8g}")), Q=numbers, U=numbers,
            V=numbers, spix=numbers, uvmin=numbers, uvmax=numbers, comment=st.sampled_from(["", "# x", "# a, b"]),
        )
    )
)  # fmt: skip
def test_what_is_written_is_read(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("flux") / "flux.csv"
    write_flux_file(path, entries)
    assert read_flux_file(path) == entries


@pytest.mark.parametrize(
    ("line", "message"),
    [("X.ms,1,17", "3 columns"), ("X.ms,one,17,1.0", "field = 'one' is no number"), ("X.ms,1,17,0", "I = 0"),
     ("X.ms,1,17,1.0,q", "Q = 'q'")],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, line, message):
    path = tmp_path / "flux.csv"
    path.write_text(f"ms,field,spw,I\n# a comment\n{line}\n")
    with pytest.raises(PipelineError, match=f"line 3: .*{message}"):
        read_flux_file(path)


def test_the_pipelines_own_lines_are_read(tmp_path):
    path = tmp_path / "flux.csv"
    path.write_text(
        "ms,field,spw,I,Q,U,V,spix,uvmin,uvmax,comment\n"
        'uid___A002_X1_X2.ms,0,17,2.5,0.0,0.0,0.0,-0.61,0.0,0.0,"# field=J1924-2914 intents=AMPLITUDE,BANDPASS"\n'
    )
    (entry,) = read_flux_file(path)
    assert (entry.I, entry.spix, entry.spw) == (2.5, -0.61, 17)
    assert "intents=AMPLITUDE,BANDPASS" in entry.comment


@pytest.fixture(scope="module")
def quasar(tmp_path_factory):
    path = tmp_path_factory.mktemp("quasar") / "Q.ms"
    simulate(str(path), raw=True, seed=3)
    return path


def models(run_folder) -> dict:
    (path,) = (run_folder / "stages").glob("02-*/result.json")
    return json.loads(path.read_text())


def test_the_flux_calibrator_gets_the_flux_densities_of_the_file(quasar, tmp_path):
    truth = read_truth(str(quasar))
    spws = truth.raw["science_spws"]
    (tmp_path / "run").mkdir()
    lines = [FluxEntry("Q.ms", 1, s, round(truth.flux_jy["J1550+0527"][s], 6)) for s in spws]
    write_flux_file(tmp_path / "run" / "flux.csv", lines)
    with Run(tmp_path / "run") as run:
        run.call("hifa_importdata", {"vis": [str(quasar)]})
        result = run.call("hif_setmodels", {})
    found = result["blocks"]["Q.ms"]["decisions"]["models"]["J1550+0527"]["flux_jy"]
    assert found == pytest.approx({str(s): truth.flux_jy["J1550+0527"][s] for s in spws}, rel=1e-5)
    assert result["score"] == 1
    assert read_flux_file(tmp_path / "run" / "flux.csv") == lines


def test_an_unknown_flux_density_is_said_and_scored(quasar, tmp_path):
    with Run(tmp_path / "run") as run:
        run.call("hifa_importdata", {"vis": [str(quasar)]})
        result = run.call("hif_setmodels", {})
    outcome = result["blocks"]["Q.ms"]
    assert result["score"] == 0.3
    assert "no flux density of spw" in outcome["messages"][0]["text"]
    assert "flux.csv" in outcome["messages"][0]["advice"]
