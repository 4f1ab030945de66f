"""Tasks that change a MeasurementSet say so in its HISTORY, with their parameters and nothing else."""

from __future__ import annotations

from inspect import signature

import pytest

from atacal import tasks
from atacal.ms._tables import opened

CALLS = {
    "flagdata": {"antenna": "1", "flagbackup": False},
    "initweights": {"wtmode": "ones"},
    "clearcal": {},
    "delmod": {},
    "setjy": {"standard": "manual", "fluxdensity": [2, 0, 0, 0]},
}


def lines(path):
    with opened(path / "HISTORY") as history:
        return list(zip(history.getcol("APPLICATION"), history.getcol("MESSAGE"), strict=True))


@pytest.mark.parametrize("task", CALLS)
def test_what_was_done(sim_ms, task):
    before = len(lines(sim_ms))
    function = getattr(tasks, task)
    function(vis=str(sim_ms), **CALLS[task])
    new = lines(sim_ms)[before:]
    assert {application for application, _ in new} == {task}
    messages = [message for _, message in new]
    assert messages[0] == f"taskname={task}"
    assert messages[1].startswith("version: atacal ")
    assert [m.partition("=")[0].strip() for m in messages[2:]] == list(signature(function).parameters)


@pytest.mark.parametrize("given", [{"mode": "summary"}, {"action": "calculate"}])
def test_what_only_looks_says_nothing(sim_ms, given):
    before = lines(sim_ms)
    tasks.flagdata(vis=str(sim_ms), **given)
    assert lines(sim_ms) == before
