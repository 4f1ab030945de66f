"""The weblog is kept up with a run, and never ends it."""

from __future__ import annotations

import logging

from atacal.pipeline import pipeline
from atacal.pipeline.pages import Pages


def test_pages_after_each_stage(raw_block, tmp_path, monkeypatch):
    seen = []
    update = Pages.update

    def watched(self):
        update(self)
        seen.append(sorted(p.name for p in (self.folder / "weblog").glob("stage-*.html")))

    monkeypatch.setattr(Pages, "update", watched)
    report = pipeline(str(raw_block), outdir=str(tmp_path / "run"), stages="2")
    first, second = "stage-01-hifa_importdata.html", "stage-02-hifa_flagdata.html"
    assert seen == [[first], [first, second]]
    assert report.weblog == str(tmp_path / "run" / "weblog" / "index.html")
    assert report.weblog in str(report)
    again = pipeline(str(raw_block), outdir=str(tmp_path / "run"), stages="2")  # all stages are kept
    assert again.weblog == report.weblog


def test_without_pages(raw_block, tmp_path):
    report = pipeline(str(raw_block), outdir=str(tmp_path / "run"), stages="1", weblog=False)
    assert report.weblog == ""
    assert not (tmp_path / "run" / "weblog").exists()


def test_pages_that_fail_do_not_end_a_run(raw_block, tmp_path, caplog):
    (tmp_path / "run" / "weblog").mkdir(parents=True)
    (tmp_path / "run" / "weblog" / "mine.txt").write_text("mine")
    with caplog.at_level(logging.WARNING, "atacal"):
        report = pipeline(str(raw_block), outdir=str(tmp_path / "run"), stages="1")
    assert [s["task"] for s in report.stages] == ["hifa_importdata"]
    assert report.weblog == ""
    assert "holds no weblog" in caplog.text
    assert (tmp_path / "run" / "weblog" / "mine.txt").read_text() == "mine"
