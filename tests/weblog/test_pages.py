"""What the pages say is what the stages' JSON says; the same run directory makes the same bytes; names stay inside."""

from __future__ import annotations

import csv
import io
import json
import shutil
from base64 import b64decode
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.errors import WeblogError
from atacal.pipeline.run import Run
from atacal.simulate import simulate
from atacal.weblog import weblog
from atacal.weblog.names import slug


class Numbers(HTMLParser):
    """The numbers of a page: what <data> holds and what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[float, str]] = []
        self._value = ""

    def handle_starttag(self, tag, attrs):
        self._value = dict(attrs).get("value") or "" if tag == "data" else ""

    def handle_data(self, data):
        if self._value:
            self.found.append((float(self._value), data))
            self._value = ""


def numbers_of(page: Path) -> list[tuple[float, str]]:
    parser = Numbers()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def real_run(tmp_path_factory) -> Path:
    """The first stages of the pipeline on a simulated raw block."""
    folder = tmp_path_factory.mktemp("real")
    simulate(str(folder / "block.ms"), raw=True, seed=7)
    with Run(folder / "run", weblog=True) as run:
        for task in ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels"):
            run.call(task, {"vis": [str(folder / "block.ms")]} if task == "hifa_importdata" else {})
    return folder / "run"


def check_numbers(run: Path) -> int:
    """Compare the stages' pages with their JSON; return how many numbers were compared."""
    count = 0
    for path in sorted(run.glob("stages/*/result.json")):
        result = json.loads(path.read_text())
        (page,) = (run / "weblog").glob(f"stage-{result['number']:02d}-*.html")
        shown = numbers_of(page)
        known = set(numbers_in(result))
        assert [v for v, _ in shown if v not in known] == [], page.name
        there = {v for v, _ in shown}
        for outcome in result["blocks"].values():
            wanted = [
                *numbers_in(outcome["decisions"]),
                *(s["value"] for s in outcome["scores"]),
                *(s["measured"] for s in outcome["scores"] if s["measured"] is not None),
                *(n for f in outcome["flags"] for n in (f["newly"], f["total"])),
            ]
            assert [w for w in wanted if float(w) not in there] == [], page.name
            count += len(wanted)
        for value, text in shown:
            if text.replace(".", "").replace("-", "").isdigit() and 1e-3 < abs(value) < 1e6:
                assert float(text) == pytest.approx(value, rel=1e-4, abs=5.1e-3), (page.name, value, text)
    return count


def test_numbers_are_those_of_the_stages(made_run):
    assert check_numbers(made_run) > 80


def test_numbers_of_a_real_run(real_run):
    assert check_numbers(real_run) > 300


def test_charts_hold_the_stages_data(real_run):
    listed = [p for p in real_run.glob("stages/*/charts/**/*.json")]
    assert len(listed) > 10
    for path in listed:
        chart = json.loads(path.read_text())
        place = path.relative_to(real_run / "stages").as_posix().replace("/charts/", "/").removesuffix(".json")
        shown = script_data(real_run / "weblog" / "charts" / f"{place}.js")
        assert len(shown["series"]) == len(chart["series"])
        for mine, theirs in zip(shown["series"], chart["series"], strict=True):
            assert mine["y"] == theirs["y"]
            assert shown["xs"][mine["x"]] == theirs["x"]


def script_data(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    data = json.loads(text[text.index(",'") + 2 : text.rindex("');")].replace("\\'", "'").replace("\\\\", "\\"))
    assert isinstance(data, dict)
    return data


def test_matrices_are_packed(made_run):
    place = "03-hifa_bandpass/{}uid___A002_X1_X1.ms/view.{}"
    chart = json.loads((made_run / "stages" / place.format("charts/", "json")).read_text())
    shown = script_data(made_run / "weblog" / "charts" / place.format("", "js"))
    for mine, theirs in zip(shown["matrices"], chart["matrices"], strict=True):
        z = np.frombuffer(b64decode(mine["z32"]), "<f4").reshape(len(mine["y"]), len(mine["x"]))
        np.testing.assert_allclose(z, theirs["z"], rtol=1e-6)
        bits = np.unpackbits(np.frombuffer(b64decode(mine["bits"]), np.uint8), bitorder="little")
        np.testing.assert_array_equal(bits[: z.size].reshape(z.shape), theirs["flagged"])


def test_large_runs_are_thinned(made_run, tmp_path, monkeypatch):
    from atacal.weblog import thinning

    monkeypatch.setattr(thinning, "MOST_BYTES", 400_000)
    weblog(str(made_run), outdir=str(tmp_path / "out"))
    for name in ("bandpass_amp.js", "view.js"):
        small = next((tmp_path / "out" / "charts" / "03-hifa_bandpass").rglob(name))
        usual = made_run / "weblog" / small.relative_to(tmp_path / "out")
        assert small.stat().st_size < 0.6 * usual.stat().st_size
    chart = json.loads(
        next((made_run / "stages" / "03-hifa_bandpass" / "charts").rglob("bandpass_amp.json")).read_text()
    )
    shown = script_data(next((tmp_path / "out" / "charts" / "03-hifa_bandpass").rglob("bandpass_amp.js")))
    for mine, theirs in zip(shown["series"], chart["series"], strict=True):
        assert max(mine["y"]) == max(theirs["y"])
        assert min(mine["y"]) == min(theirs["y"])
        assert set(mine["y"]) <= set(theirs["y"])


def test_overview_of_a_real_block(real_run):
    page = (real_run / "weblog" / "block-1.html").read_text(encoding="utf-8")
    for name in (
        "intents",
        "fields_time",
        "spatial",
        "spectral",
        "antennas",
        "antennas_polar",
        "baselines",
        "uv",
        "elevation",
        "azimuth",
        "weather_temperature",
    ):
        assert f'/{name}"' in page
    assert "MeasurementSet Name" in page
    told = json.loads((real_run / "stages" / "01-hifa_importdata" / "result.json").read_text())["blocks"]["block.ms"]
    lengths = told["decisions"]["baselines"]
    assert lengths["min_m"] < lengths["rms_m"] < lengths["max_m"]
    home = {v for v, _ in numbers_of(real_run / "weblog" / "index.html")}
    assert {lengths["min_m"], lengths["max_m"], lengths["rms_m"], told["decisions"]["size_bytes"]} <= home


def test_flags_add_up(real_run):
    result = json.loads((real_run / "stages" / "02-hifa_flagdata" / "result.json").read_text())["blocks"]["block.ms"]
    newly = sum(f["newly"] for f in result["flags"])
    assert result["flags"][0]["cause"] == "before"
    rows = list(csv.DictReader(io.StringIO((real_run / "weblog" / "data" / "flags.csv").read_text())))
    assert sum(int(r["newly"]) for r in rows) == 2 * newly  # each visibility has two antennas
    pairs = [v for v, _ in numbers_of(real_run / "weblog" / "flags.html")]
    assert pairs == [v for f in result["flags"] for v in (f["newly"], f["total"])]


def test_the_same_bytes(made_run, tmp_path):
    folder = Path(shutil.copytree(made_run, tmp_path / "run", ignore=shutil.ignore_patterns("weblog")))
    weblog(str(folder))
    first = files_of(folder / "weblog")
    report = weblog(str(folder))
    assert report.written == 0
    assert files_of(folder / "weblog") == first
    weblog(str(folder), outdir=str(tmp_path / "elsewhere"))
    assert files_of(tmp_path / "elsewhere") == first
    shutil.rmtree(folder / "stages" / "03-hifa_bandpass")
    weblog(str(folder))
    left = files_of(folder / "weblog")
    assert not any("hifa_bandpass" in name for name in left)
    assert json.loads(left["files.json"]) == sorted(n for n in left if n != "files.json")


def test_everything_is_in_the_folder(made_run):
    web = made_run / "weblog"
    for page in web.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "http:" not in text
        assert "https:" not in text
        assert str(made_run) not in text


def test_broken_stages_and_charts_stop_nothing(made_run, tmp_path):
    folder = Path(shutil.copytree(made_run, tmp_path / "run", ignore=shutil.ignore_patterns("weblog")))
    (folder / "stages" / "02-hifa_flagdata" / "result.json").write_text("{")
    chart = next((folder / "stages" / "03-hifa_bandpass" / "charts").rglob("view.json"))
    chart.write_text("[1, 2")
    report = weblog(str(folder))
    assert any("view.json" in p for p in report.problems)
    home = (folder / "weblog" / "index.html").read_text(encoding="utf-8")
    assert "02-hifa_flagdata" in home
    assert "cannot be read" in home
    assert "Bandpass" in home


def test_a_page_that_fails_stops_no_other(made_run, tmp_path, monkeypatch):
    from atacal.weblog import stage_pages

    def fail(stage):
        raise KeyError("odd")

    monkeypatch.setattr(stage_pages, "_inputs", fail)
    report = weblog(str(made_run), outdir=str(tmp_path / "out"))
    assert len([p for p in report.problems if "odd" in p]) == 4
    assert "This page could not be made" in (tmp_path / "out" / "stage-03-hifa_bandpass.html").read_text()
    assert "Sessions and data sets" in (tmp_path / "out" / "index.html").read_text()


def test_hostile_names_stay_in_the_folder(hostile_run):
    inside = files_of(hostile_run / "weblog")
    assert len(inside) > 30
    assert sorted(p.name for p in hostile_run.iterdir()) == ["run.json", "stages", "weblog"]
    assert sorted(p.name for p in hostile_run.parent.iterdir()) == ["run", "secret.json"]
    assert not any(b"root:x:" in data for name, data in inside.items() if name != "static/plotly.min.js")
    for name, data in inside.items():
        assert all(len(part) < 120 for part in name.split("/"))
        if name.endswith(".html"):
            assert b"<script>document" not in data, name
            assert b"<img src=x" not in data, name
    rows = list(csv.reader(io.StringIO(inside["data/messages.csv"].decode())))
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_before_the_first_stage(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"versions": {}}')
    report = weblog(str(tmp_path / "run"))
    assert report.problems == []
    assert "No stage is done yet." in (tmp_path / "run" / "weblog" / "index.html").read_text()


def test_comparison(made_run):
    page = (made_run / "weblog" / "compare.html").read_text(encoding="utf-8")
    assert "ranking/1/score" in page
    assert "A: Phases" in page
    assert "B: Phases" in page
    assert "0.25" in page
    assert "0.55" in page
    rows = list(csv.DictReader(io.StringIO((made_run / "weblog" / "data" / "comparison.csv").read_text())))
    assert {(r["path"], float(r["A"]), float(r["B"])) for r in rows if r["path"] == "ranking/2/score"} == {
        ("ranking/2/score", 0.5, 1.1)
    }


def test_look_first(made_run):
    page = (made_run / "weblog" / "index.html").read_text(encoding="utf-8")
    first, second, third = (page.index(t) for t in ("no solutions of DV02", "spw 19 is bad", "DV01 is low"))
    assert first < second < third
    assert 'href="stage-03-hifa_bandpass.html#spw=19&amp;at=score-' in page


@pytest.mark.parametrize("what", ["nothing", "empty", "file", "other"])
def test_what_cannot_be(made_run, tmp_path, what):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    given = (made_run, tmp_path / what) if what == "other" else (tmp_path / what, "")
    with pytest.raises(WeblogError, match=what):
        weblog(str(given[0]), outdir=str(given[1]))


@pytest.mark.parametrize(
    ("text", "same"),
    [("bandpass_amp_spw17", True), ("..", False), ("a/b", False), ("", False), ("é", False), ("x" * 200, False)],
)
def test_slug(text, same):
    assert (slug(text) == text) is same
    assert slug(text)
    assert "/" not in slug(text)
    assert not slug(text).startswith(".")
    assert len(slug(text)) < 80
    assert slug(text) != slug(text + "_")
