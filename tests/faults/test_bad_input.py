"""What users get wrong, and what is wrong in data, through the command line: a named error, nothing harmed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atacal import cli
from atacal.caltables.disk import read_caltable
from atacal.errors import InvalidTable
from atacal.ms._tables import open_table
from atacal.ms.measurement_set import MeasurementSet
from atacal.simulate import simulate
from atacal.tasks import gaincal, split

MS_TASKS = {
    "applycal": "applycal {ms} --gaintable X.phase",
    "bandpass": "bandpass {ms} new.cal --refant 0",
    "clearcal": "clearcal {ms}",
    "delmod": "delmod {ms}",
    "flagdata": "flagdata {ms}",
    "flagdata list": "flagdata {ms} --mode list --inpfile [\"antenna='0'\"]",
    "flagdata summary": "flagdata {ms} --mode summary",
    "flagmanager list": "flagmanager {ms}",
    "flagmanager save": "flagmanager {ms} --mode save --versionname a",
    "flagmanager restore": "flagmanager {ms} --mode restore --versionname a",
    "fluxscale": "fluxscale {ms} --caltable X.phase --fluxtable new.flux --reference 0",
    "gaincal": "gaincal {ms} new.cal --refant 0",
    "initweights": "initweights {ms}",
    "listobs": "listobs {ms}",
    "plotants": "plotants {ms} --figfile new.png",
    "plotms": "plotms {ms} --plotfile new.png",
    "setjy": "setjy {ms} --standard manual --fluxdensity 1",
    "split": "split {ms} --outputvis new.ms --datacolumn data",
    "calibrate": "calibrate {ms}",
    "qa2": "qa2 {ms} --tables X.phase --output new.html",
}
TABLE_TASKS = {
    "applycal": "applycal X.ms --gaintable {cal}",
    "bandpass": "bandpass X.ms new.cal --refant 0 --gaintable {cal}",
    "gaincal": "gaincal X.ms new.cal --refant 0 --gaintable {cal}",
    "gaincal append": "gaincal X.ms {cal} --refant 0 --append --gaintable {cal}",
    "fluxscale": "fluxscale X.ms --caltable {cal} --fluxtable new.flux --reference 0",
    "listcal": "listcal X.ms --caltable {cal}",
    "plotcal": "plotcal {cal} --figfile new.png",
    "plotbandpass": "plotbandpass {cal} --figfile new.png",
    "qa2": "qa2 X.ms --tables {cal} --output new.html",
}


@pytest.fixture
def here(small: Path, caltable: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with X.ms and X.phase."""
    monkeypatch.chdir(small.parent)
    return small.parent


def ok(*words: str | Path) -> None:
    assert cli.run([str(w) for w in words]) == 0


class TestWhatIsNotThere:
    @pytest.mark.parametrize("case", MS_TASKS)
    def test_missing_ms(self, here, tree, failing, case):
        before = tree(here)
        said = failing(*MS_TASKS[case].format(ms="nothing.ms").split())
        assert "nothing.ms: no such table" in said
        assert "X.ms" in said  # what is there instead
        assert tree(here) == before

    @pytest.mark.parametrize("case", MS_TASKS)
    def test_a_folder_that_is_no_table(self, here, tree, failing, case):
        (here / "folder").mkdir()
        (here / "folder" / "notes.txt").write_text("mine")
        before = tree(here)
        assert "folder is a folder but not a casacore table" in failing(*MS_TASKS[case].format(ms="folder").split())
        assert tree(here) == before

    @pytest.mark.parametrize("case", MS_TASKS)
    def test_a_broken_ms(self, here, tree, failing, case):
        broken = here / "broken.ms"
        shutil.copytree(here / "X.ms", broken)
        data = (broken / "table.dat").read_bytes()
        (broken / "table.dat").write_bytes(data[: len(data) // 3])
        before = tree(here)
        assert "broken.ms" in failing(*MS_TASKS[case].format(ms="broken.ms").split())
        assert tree(here) == before

    @pytest.mark.parametrize("case", [c for c in MS_TASKS if not c.startswith(("flag", "plotms"))])
    def test_a_caltable_in_the_place_of_an_ms(self, here, tree, failing, case):
        before = tree(here)
        assert "X.phase" in failing(*MS_TASKS[case].format(ms="X.phase").split())
        assert tree(here) == before

    @pytest.mark.parametrize("case", TABLE_TASKS)
    def test_missing_caltable(self, here, tree, failing, case):
        before = tree(here)
        said = failing(*TABLE_TASKS[case].format(cal="nothing.cal").split())
        assert "nothing.cal" in said
        assert "X.phase" in said or case == "gaincal append"
        assert tree(here) == before

    @pytest.mark.parametrize("case", TABLE_TASKS)
    def test_an_ms_in_the_place_of_a_caltable(self, here, tree, failing, case):
        before = tree(here)
        assert "X.ms" in failing(*TABLE_TASKS[case].format(cal="X.ms").split())
        assert tree(here) == before

    def test_missing_version(self, here, failing):
        ok("flagmanager", "X.ms", "--mode", "save", "--versionname", "first")
        for mode in ("restore", "delete"):
            assert "it has first" in failing("flagmanager", "X.ms", "--mode", mode, "--versionname", "second")


SELECTING = {
    "applycal": "applycal X.ms --gaintable X.phase --no-flagbackup",
    "bandpass": "bandpass X.ms new.cal --refant 0",
    "clearcal": "clearcal X.ms",
    "flagdata": "flagdata X.ms --no-flagbackup",
    "flagdata summary": "flagdata X.ms --mode summary",
    "gaincal": "gaincal X.ms new.cal --refant 0",
    "listobs": "listobs X.ms",
    "plotms": "plotms X.ms --plotfile new.png",
    "setjy": "setjy X.ms --standard manual --fluxdensity 1",
    "split": "split X.ms --outputvis new.ms --datacolumn data",
}
NOTHING = {
    "field": ("NOWHERE", "J1517-2422"),
    "spw": ("17", "(8 channels"),
    "scan": ("99", "there are scans 1~"),
    "antenna": ("NOBODY", "its antennas are 0: "),
    "intent": ("*PIZZA*", "CALIBRATE_BANDPASS"),
    "timerange": ("1999/01/01/00:00:00~1999/01/02/00:00:00", "20"),
    "uvrange": (">1000km", "m"),
}


class TestSelections:
    @pytest.mark.parametrize("by", NOTHING)
    @pytest.mark.parametrize("case", SELECTING)
    def test_that_match_nothing_say_what_there_is(self, here, tree, failing, case, by):
        from inspect import signature

        from atacal import tasks

        if by not in signature(getattr(tasks, case.split()[0])).parameters:
            pytest.skip(f"{case} has no {by}")
        before = tree(here)
        expression, there = NOTHING[by]
        said = failing(*SELECTING[case].split(), f"--{by}", expression)
        assert there in said
        assert tree(here) == before

    @pytest.mark.parametrize("case", SELECTING)
    def test_that_cannot_be_read(self, here, tree, failing, case):
        before = tree(here)
        assert "0:1~" in failing(*SELECTING[case].split(), "--spw", "0:1~")
        assert tree(here) == before

    def test_that_match_only_together_nothing(self, here, tree, failing):
        before = tree(here)
        assert failing("flagdata", "X.ms", "--field", "0", "--intent", "*TARGET*")
        assert tree(here) == before


class TestCaltables:
    """Tables that do not fit the data they are applied to."""

    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        """A table of an array with more antennas, and one spw."""
        simulate(tmp_path / "other.ms", nant=9, nspw=1, nchan=8, seed=2)
        gaincal(str(tmp_path / "other.ms"), caltable=str(tmp_path / "other.cal"), field="0", refant="0", calmode="p")
        return tmp_path / "other.cal"

    @pytest.fixture
    def one_spw(self, here: Path) -> Path:
        gaincal("X.ms", caltable="one.cal", field="0", spw="1", refant="0", calmode="p")
        return here / "one.cal"

    @pytest.mark.parametrize("case", ["applycal", "gaincal", "bandpass"])
    def test_missing_spws(self, here, one_spw, tree, failing, case):
        before = tree(here)
        said = failing(*TABLE_TASKS[case].format(cal="one.cal").split())
        assert "one.cal" in said
        assert "spw" in said
        assert "spwmap" in said
        assert tree(here) == before

    def test_missing_spws_but_mapped(self, here, one_spw):
        ok("applycal", "X.ms", "--gaintable", "one.cal", "--spwmap", "1,1")

    @pytest.mark.parametrize("case", ["applycal", "gaincal", "bandpass", "fluxscale"])
    def test_of_another_array(self, here, other, tree, failing, case):
        before = tree(here)
        said = failing(*TABLE_TASKS[case].format(cal="other.cal").split())
        assert "other.cal" in said
        assert tree(here) == before

    def test_append_to_a_table_of_another_ms(self, here, other, tree, failing):
        before = tree(here)
        assert "other.cal" in failing("gaincal", "X.ms", "other.cal", "--refant", "0", "--append")
        assert tree(here) == before

    def test_gainfield_and_spwmap_that_name_nothing(self, here, tree, failing):
        before = tree(here)
        apply = ["applycal", "X.ms", "--gaintable", "X.phase"]
        assert "NOWHERE" in failing(*apply, "--gainfield", "NOWHERE")
        assert "7" in failing(*apply, "--spwmap", "7,7")
        assert tree(here) == before

    def test_not_finite(self, here, tree, failing):
        from atacal.ms._tables import opened

        with opened("X.phase", writable=True) as tab:
            values = tab.getcol("CPARAM")
            values[0] = np.nan
            tab.putcol("CPARAM", values)
            tab.putcol("FLAG", np.zeros(values.shape, bool))
        before = tree(here)
        assert "not finite" in failing("applycal", "X.ms", "--gaintable", "X.phase")
        assert tree(here) == before

    def test_an_existing_output_stays(self, here, tree, failing):
        before = tree(here)
        for output in ("X.phase", "X.ms"):
            assert "exists already" in failing("split", "X.ms", "--outputvis", output, "--datacolumn", "data")
        assert "will not be overwritten" in failing("gaincal", "X.ms", "X.ms", "--refant", "0")
        assert tree(here) == before


def changed(path: Path, change: Callable[[dict[str, np.ndarray], dict[str, np.ndarray]], None]) -> None:
    """Change DATA and FLAG, given the ids of the rows."""
    with MeasurementSet(path, writable=True) as ms:
        tab = ms.table
        ids = {c: tab.getcol(c) for c in ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "SCAN_NUMBER", "FIELD_ID")}
        values = {c: tab.getcol(c) for c in ("DATA", "FLAG")}
        change(values, ids)
        for column, array in values.items():
            tab.putcol(column, array)


def flag_all(path: Path, **ids: int) -> None:
    """Flag the rows where any of some columns has a value."""

    def flag(values: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> None:
        values["FLAG"][np.logical_or.reduce([there[name] == number for name, number in ids.items()])] = True

    changed(path, flag)


SOLVES = {
    "gaincal": "gaincal {ms} new.cal --field 0 --refant 0 --solint inf",
    "gaincal K": "gaincal {ms} new.cal --field 0 --refant 0 --gaintype K",
    "gaincal T": "gaincal {ms} new.cal --field 0 --refant 0 --gaintype T --calmode p --minsnr 0",
    "bandpass": "bandpass {ms} new.cal --field 0 --refant 0 --combine scan",
}


class TestData:
    """Data with faults: solved and applied without them, or refused by name."""

    @pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, -np.inf)])
    @pytest.mark.parametrize("case", SOLVES)
    def test_not_finite(self, here, value, case):
        """The same solutions as without these data."""

        def spoil(values, ids):
            values["DATA"][5::11, 3] = value

        def flag(values, ids):
            values["FLAG"][5::11, 3] = True

        shutil.copytree("X.ms", "Y.ms")
        changed(here / "Y.ms", flag)
        ok(*SOLVES[case].format(ms="Y.ms").split())
        (here / "new.cal").rename(here / "reference.cal")
        changed(here / "X.ms", spoil)
        ok(*SOLVES[case].format(ms="X.ms").split())
        got, wanted = read_caltable("new.cal"), read_caltable("reference.cal")
        for spw, solutions in wanted.solutions.items():
            np.testing.assert_array_equal(got.solutions[spw].flag, solutions.flag)
            np.testing.assert_allclose(got.solutions[spw].param, solutions.param, rtol=1e-6)

    @pytest.mark.parametrize("column", ["WEIGHT", "SIGMA"])
    def test_weights_that_are_not_finite(self, here, column):
        with MeasurementSet("X.ms", writable=True) as ms:
            weights = ms.table.getcol(column)
            weights[::7] = np.nan
            ms.table.putcol(column, weights)
        ok("gaincal", "X.ms", "new.cal", "--refant", "0", "--field", "0")
        ok("applycal", "X.ms", "--gaintable", "new.cal", "--field", "0", "--no-flagbackup")
        for sol in read_caltable("new.cal").solutions.values():
            assert np.isfinite(sol.param).all()
            assert not sol.flag.all()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite_data_go_through_split_and_clip(self, here, value):
        def spoil(values, ids):
            values["DATA"][::13] = value
            values["FLAG"][:] = False

        changed(here / "X.ms", spoil)
        ok("split", "X.ms", "--outputvis", "new.ms", "--datacolumn", "data", "--width", "4")
        ok("flagdata", "X.ms", "--mode", "clip", "--no-flagbackup")
        with MeasurementSet("X.ms") as ms:
            assert ms.table.getcol("FLAG")[::13].all()
            assert not ms.table.getcol("FLAG")[1::13].any()

    @pytest.mark.parametrize("case", SOLVES)
    def test_an_antenna_without_data(self, here, case):
        """Flagged throughout it has no solution, the others theirs."""
        changed(
            here / "X.ms", lambda v, ids: v["FLAG"].__setitem__((ids["ANTENNA1"] == 3) | (ids["ANTENNA2"] == 3), True)
        )
        ok(*SOLVES[case].format(ms="X.ms").split())
        for sol in read_caltable("new.cal").solutions.values():
            assert sol.flag[:, 3].all()
            assert not sol.flag[:, 1].all()
        ok("applycal", "X.ms", "--gaintable", "new.cal", "--field", "0", "--no-flagbackup")

    def test_the_reference_antenna_has_no_data(self, here):
        changed(
            here / "X.ms", lambda v, ids: v["FLAG"].__setitem__((ids["ANTENNA1"] == 0) | (ids["ANTENNA2"] == 0), True)
        )
        ok("gaincal", "X.ms", "new.cal", "--refant", "0,1", "--field", "0")
        assert not read_caltable("new.cal").solutions[0].flag[:, 2].all()

    @pytest.mark.parametrize("case", SOLVES)
    def test_a_spw_that_is_all_flagged(self, here, case):
        flag_all(here / "X.ms", DATA_DESC_ID=1)
        ok(*SOLVES[case].format(ms="X.ms").split())
        table = read_caltable("new.cal")
        assert not table.solutions[0].flag.all()
        assert 1 not in table.solutions or table.solutions[1].flag.all()

    def test_scans_that_are_all_flagged(self, here, failing):
        with MeasurementSet("X.ms") as ms:
            first, *others = sorted(set(ms.runs.scan[ms.runs.field == 2].tolist()))
        assert others
        flag_all(here / "X.ms", SCAN_NUMBER=first)
        ok("gaincal", "X.ms", "new.cal", "--refant", "0", "--field", "2", "--solint", "inf")
        assert set(read_caltable("new.cal").solutions[0].scan.tolist()) == set(others)
        ok("applycal", "X.ms", "--gaintable", "new.cal", "--field", "2", "--no-flagbackup")
        ok("split", "X.ms", "--outputvis", "new.ms", "--scan", str(first))
        assert "flagged" in failing("plotms", "X.ms", "--plotfile", "new.png", "--scan", str(first))

    @pytest.mark.parametrize("case", [*SOLVES, "split"])
    def test_everything_flagged(self, here, tree, failing, case):
        changed(here / "X.ms", lambda v, ids: v["FLAG"].fill(True))
        before = tree(here)
        words = SOLVES.get(case, "split {ms} --outputvis new.ms --datacolumn data --no-keepflags")
        said = failing(*words.format(ms="X.ms").split())
        assert "flagged" in said or "too few baselines with data" in said
        assert tree(here) == before

    def test_no_model_column(self, here):
        """Then a point of 1 Jy is the model, as in CASA."""
        ok("gaincal", "X.ms", "new.cal", "--refant", "0", "--field", "0")
        ok("setjy", "X.ms", "--field", "0", "--standard", "manual", "--fluxdensity", "4")
        ok("gaincal", "X.ms", "four.cal", "--refant", "0", "--field", "0")
        one, four = (read_caltable(p).solutions[0] for p in ("new.cal", "four.cal"))
        good = ~one.flag
        np.testing.assert_allclose(np.abs(one.param[good]), 2 * np.abs(four.param[good]), rtol=1e-4)

    @pytest.mark.parametrize(
        "words",
        ["split X.ms --outputvis new.ms", "split X.ms --outputvis new.ms --datacolumn model",
         "plotms X.ms --plotfile new.png --ydatacolumn corrected",
         "flagdata X.ms --mode clip --datacolumn CORRECTED --no-flagbackup"],
    )  # fmt: skip
    def test_no_such_column(self, here, tree, failing, words):
        before = tree(here)
        assert "DATA" in failing(*words.split())
        assert tree(here) == before


class TestShapes:
    """Other shapes than two spws of eight channels and two correlations."""

    @pytest.mark.parametrize("corrs", ["XX", "YY", "XX,XY,YX,YY"])
    def test_correlations(self, tmp_path, monkeypatch, corrs):
        monkeypatch.chdir(tmp_path)
        simulate("X.ms", nant=6, nspw=1, nchan=8, corrs=corrs, faults=False)
        self.check_recipe()

    def test_spws_of_different_shapes(self, here, monkeypatch):
        split("X.ms", outputvis="Y.ms", datacolumn="data", width=[1, 2])
        shutil.rmtree("X.ms")
        (here / "Y.ms").rename("X.ms")
        with MeasurementSet("X.ms") as ms:
            assert [s.nchan for s in ms.metadata.spws] == [8, 4]
        self.check_recipe()

    def check_recipe(self) -> None:
        with MeasurementSet("X.ms") as ms:
            nrow = ms.metadata.nrow
        for words in ("setjy X.ms --field 0 --standard manual --fluxdensity 3.2", "initweights X.ms --dowtsp",
                      "gaincal X.ms p.cal --field 0 --refant 0 --calmode p --solint int",
                      "bandpass X.ms b.cal --field 0 --refant 0 --gaintable p.cal --combine scan",
                      "gaincal X.ms g.cal --field 0 --refant 0 --gaintable b.cal",
                      "applycal X.ms --gaintable b.cal,g.cal --field 0 --gainfield 0 --gainfield 0",
                      "flagdata X.ms --mode clip --clipminmax 0,1000 --datacolumn CORRECTED",
                      "flagdata X.ms --mode summary", "listobs X.ms",
                      "plotms X.ms --plotfile p.png --ydatacolumn corrected",
                      "split X.ms --outputvis out.ms --keepflags", "clearcal X.ms", "delmod X.ms --scr",
                      "flagmanager X.ms --mode restore --versionname applycal_1"):  # fmt: skip
            ok(*words.split())
        for sol in read_caltable("g.cal").solutions.values():
            assert np.isfinite(sol.param[~sol.flag]).all()
        with MeasurementSet("out.ms") as out:
            assert out.metadata.nrow == nrow

    def test_cross_hands_only_cannot_be_solved(self, tmp_path, monkeypatch, tree, failing):
        monkeypatch.chdir(tmp_path)
        simulate("X.ms", nant=5, nspw=1, nchan=8, corrs="XX,XY,YX,YY", faults=False)
        ok("split", "X.ms", "--outputvis", "Y.ms", "--datacolumn", "data", "--correlation", "XY,YX")
        before = tree(tmp_path)
        for words in ("gaincal Y.ms new.cal --refant 0", "bandpass Y.ms new.cal --refant 0"):
            said = failing(*words.split())
            assert "XY" in said or "parallel" in said or "correlation" in said
        assert tree(tmp_path) == before


def test_data_that_casa_left_in_the_asdm(monkeypatch, sim_original):
    """An MS of CASA's importasdm(lazy=True) needs a storage manager that is in CASA only."""

    def refuses(*_args, **_options):
        raise RuntimeError("Shared library asdmstman not found in CASACORE_LDPATH or (DY)LD_LIBRARY_PATH")

    monkeypatch.setattr("casacore.tables.table", refuses)
    with pytest.raises(InvalidTable, match=r"still in the ASDM.*lazy=True"):
        open_table(sim_original)
