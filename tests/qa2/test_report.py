"""The QA2 report of a whole calibration: found tables, numbers, marks, and a page that stands alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import NoSolutions
from atacal.qa2 import qa2
from atacal.recipe import calibrate
from atacal.simulate import simulate
from atacal.tasks import split


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block with faults, calibrated: its tables are in ``sim.calibrate``."""
    path = tmp_path_factory.mktemp("qa2") / "sim.ms"
    simulate(path, preset="tiny", seed=1)
    calibrate(str(path), flux_density=1.15, spix=-0.62, reffreq="233GHz", pictures=False)
    return path


@pytest.fixture(scope="module")
def report(calibrated):
    return qa2(calibrated, pictures=True)


class _Page(HTMLParser):
    """Collects what a page refers to, its ids and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []
        self.ids += [given["id"]] if "id" in given else []
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_stands_alone(report):
    text = Path(report.page).read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert page.sources
    assert all(s.startswith("data:image/png;base64,iVBOR") for s in page.sources)
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert not re.search(r"https?://|url\(|@import", re.sub(r"data:image/png;base64,[^\"]*", "", text))
    words = " ".join(page.words)
    for name in ("sim.bandpass", "sim.flux_inf", "Flux densities", "J1517-2422"):
        assert name in words


def test_pictures_of_every_table_and_calibrator(report):
    captions = [p.caption for s in report.sections for p in s.pictures]
    for wanted in ("sim.bandpass.with_air", "sim.phase_int.spw0", "sim.ampli_inf", "field0.corrected.phase_vs_uvdist"):
        assert any(wanted in c for c in captions), wanted


def test_faults_are_marked(report, calibrated):
    truth = json.loads((calibrated.parent / "sim.ms.truth.json").read_text())
    subjects = " ".join(m.subject for m in report.marks)
    for fault in truth["faults"]:
        if fault["kind"] in ("dead_polarization", "low_gain", "phase_jump"):
            assert fault["antenna"] in subjects, fault
    assert [m.severity for m in report.marks] == sorted((m.severity for m in report.marks), reverse=True)


def test_numbers_are_those_of_the_data(report, calibrated):
    left = json.loads(Path(report.json).read_text())
    (table,) = next(s for s in left["sections"] if s["key"] == "calibrated")["tables"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    bandpass = [r for r in rows if r["calibrator"] == "J1517-2422"]
    assert len(bandpass) == 2
    for row in bandpass:
        assert row["over model"] == pytest.approx(1, abs=0.02)
        # solved on itself, integration by integration: a little less than the noise
        assert 0.85 * row["noise [deg]"] < row["phase rms [deg]"] < 1.1 * row["noise [deg]"]
    flux = next(s for s in left["sections"] if s["key"] == "fluxes")["tables"][0]
    summary = json.loads((calibrated.parent / "sim.calibrate" / "summary.json").read_text())
    assert [(r[0], r[1]) for r in flux["rows"]] == [(f["field"], f["spw"]) for f in summary["fluxes"]]
    np.testing.assert_allclose([r[3] for r in flux["rows"]], [f["flux_jy"] for f in summary["fluxes"]], rtol=1e-6)


def test_what_scripts_leave(calibrated, tmp_path):
    """Tables named after the split MeasurementSet, beside what was split from it."""
    calibrate_folder = calibrated.parent / "sim.calibrate"
    split(str(calibrated), str(tmp_path / "uid.ms.split.cal"), datacolumn="corrected")
    for kind in ("bandpass", "phase_int", "ampli_inf", "flux_inf", "phase_inf"):
        shutil.copytree(calibrate_folder / f"sim.{kind}", tmp_path / f"uid.ms.split.{kind}")
    made = qa2(tmp_path / "uid.ms.split.cal", output=tmp_path / "report.html", pictures=False)
    assert Path(made.page) == tmp_path / "report.html"
    assert (tmp_path / "report.json").exists()
    assert {s.key for s in made.sections} >= {"bandpass", "phase_int", "ampli", "flux", "fluxes", "phase_inf"}
    rows = next(s for s in made.sections if s.key == "calibrated").tables[0].rows
    flux = {r[0]: r for r in next(s for s in made.sections if s.key == "fluxes").tables[0].rows}
    for row in rows:
        if row[0] in flux:  # the model was 1 Jy: what fluxscale has found stands in its place
            assert row[4] == pytest.approx(1, abs=0.1)


def test_what_cannot_be(sim_original, tmp_path):
    shutil.copytree(sim_original, tmp_path / "alone.ms")
    with pytest.raises(NoSolutions, match="tables"):
        qa2(tmp_path / "alone.ms")


def test_the_same_data_make_the_same_page(calibrated, tmp_path):
    pages = [qa2(calibrated, output=tmp_path / n, pictures=False).page for n in ("a.html", "b.html")]
    assert Path(pages[0]).read_bytes() == Path(pages[1]).read_bytes()


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_in_a_browser(report, tmp_path):
    """The page shows without errors, from a file."""
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
            f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,900", f"--screenshot={tmp_path / 'p.png'}",
            Path(report.page).as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (tmp_path / "p.png").stat().st_size > 20_000
    assert [line for line in done.stderr.split("\n") if "CONSOLE" in line] == []


def test_tables_of_others_are_left_alone(calibrated, tmp_path, caplog):
    from atacal.qa2.find import find_tables

    folder = calibrated.parent / "sim.calibrate"
    shutil.copytree(folder / "sim.bandpass", tmp_path / "sim.bandpass")
    shutil.copytree(folder / "sim.phase_int", tmp_path / "other.phase_int")  # it says that it is of sim.ms
    shutil.copytree(folder / "sim.phase_inf", tmp_path / "sim.broken")
    shutil.rmtree(tmp_path / "sim.broken" / "ANTENNA")
    (tmp_path / "notes").mkdir()
    found = find_tables(tmp_path / "sim.ms.split")
    assert [(f.role, f.name) for f in found] == [("bandpass", "sim.bandpass"), ("phase_int", "other.phase_int")]
    assert [f.name for f in find_tables(tmp_path / "x.ms", [tmp_path / "sim.bandpass"])] == ["sim.bandpass"]
    with pytest.raises(NoSolutions):
        find_tables(tmp_path / "unrelated.ms")
