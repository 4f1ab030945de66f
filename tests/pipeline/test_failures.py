"""Stages that fail: the others go on, what was done to the data is undone, and it is said what to do."""

from __future__ import annotations

import pytest

from atacal.errors import ArgumentError, ModelError, PipelineError
from atacal.pipeline import stage as registry
from atacal.pipeline.block import Block
from atacal.pipeline.run import Run
from atacal.pipeline.stage import Stage
from atacal.tasks import flagdata


@pytest.fixture
def broken(monkeypatch):
    """Register a stage that flags everything and then fails."""

    def make(error: Exception, *, needed: bool) -> None:
        def function(block: Block, how: str = "") -> None:
            block.flag({"all": ["mode='manual' antenna='*'"]})
            block.set("left", True)
            raise error

        registry.stages()
        monkeypatch.setitem(registry._stages, "h_broken", Stage("h_broken", "Broken", "block", function, None, needed))
        monkeypatch.setattr(registry, "stages", lambda: registry._stages)

    return make


def flagged(path) -> int:
    report = flagdata(str(path), mode="summary")
    return int(report["flagged"])


@pytest.mark.parametrize("error", [ModelError("the model is not known"), ZeroDivisionError("division by zero")])
def test_a_failed_stage_leaves_the_data_alone_and_the_run_goes_on(error, broken, first_stages, begun_copy):
    broken(error, needed=False)
    run = first_stages(begun_copy)
    (name,) = run.blocks
    before = flagged(begun_copy / name)
    with Run(begun_copy) as run:
        for result in _again(run):
            assert result["score"] is not None
        result = run.call("h_broken", {})
        outcome = result["blocks"][name]
        assert result["score"] == 0
        assert str(error) in outcome["messages"][0]["text"]
        assert outcome["messages"][0]["advice"]
        assert "left" not in run.blocks[name]
        assert flagged(begun_copy / name) == before
        assert run.call("hif_refant", {})["score"] == 1


def test_a_failed_stage_is_tried_again(broken, begun_copy, told):
    broken(ModelError("the disk was full"), needed=False)
    for _ in range(2):
        with Run(begun_copy, watcher=told) as run:
            list(_again(run))
            run.call("h_broken", {})
    assert [e for e in told.events if e[0] == "done"] == [("done", 6, ""), ("done", 6, "it failed before")]


def test_a_block_that_cannot_go_on_ends_the_run_of_it(broken, begun_copy):
    broken(ModelError("the model is not known"), needed=True)
    with Run(begun_copy) as run:
        list(_again(run))
        run.call("h_broken", {})
        with pytest.raises(PipelineError, match=r"no execution block can go on: .*the model is not known"):
            run.call("hif_refant", {})


def test_wrong_arguments_are_the_callers(broken, begun_copy):
    broken(ArgumentError("how must be something"), needed=False)
    with Run(begun_copy) as run:
        list(_again(run))
        with pytest.raises(ArgumentError, match="how must be something"):
            run.call("h_broken", {"how": "wrong"})


def _again(run: Run):
    for number in range(1, 6):
        old = run._read(number)
        run._take(old)
        yield old


def test_a_stage_of_the_whole_run_that_fails_does_not_end_it(begun_copy, monkeypatch):
    from atacal.errors import MissingLibrary
    from atacal.pipeline.stages import makeimlist

    def missing() -> None:
        raise MissingLibrary("images need the library ducc0, which is not installed")

    monkeypatch.setattr(makeimlist, "wgridder", missing)
    with Run(begun_copy, workers=1) as run:
        list(_again(run))
        result = run.call("hif_makeimlist", {"intent": "PHASE"})
        assert result["score"] == 0
        assert "ducc0" in result["run"]["messages"][0]["text"]
        assert run.call("hif_makeimages", {})["run"]["summary"] == "nothing to image"
