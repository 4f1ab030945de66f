from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from atacal.pipeline.run import Run
from atacal.pipeline.watch import Watcher
from atacal.simulate import simulate


@pytest.fixture(scope="session")
def raw_block(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny raw block with a solar-system flux calibrator; not to be changed."""
    path = tmp_path_factory.mktemp("pipeline") / "uid___A002_X1_X1.ms"
    simulate(str(path), raw=True, fluxcal="sso", seed=5)
    return path


class Told(Watcher):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, str]] = []

    def kept(self, result):
        self.events.append(("kept", result["number"], ""))

    def begins(self, number, task, title, why):
        self.events.append(("done", number, why))


@pytest.fixture
def told() -> Told:
    return Told()


FIRST = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels")


@pytest.fixture
def first_stages(raw_block: Path) -> Callable[..., Run]:
    """Do the first stages in a folder."""

    def do(folder: Path, watcher: Watcher | None = None, *, vis: list[Path] | None = None, **parameters) -> Run:
        with Run(folder, watcher=watcher) as run:
            for task in FIRST:
                given = {"vis": [str(v) for v in vis or [raw_block]]} if task == "hifa_importdata" else {}
                run.call(task, {**given, **parameters.get(task, {})})
        return run

    return do


@pytest.fixture(scope="session")
def begun(raw_block: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with the first stages done; not to be changed."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    with Run(folder) as run:
        for task in FIRST:
            run.call(task, {"vis": [str(raw_block)]} if task == "hifa_importdata" else {})
    return folder


@pytest.fixture
def begun_copy(begun: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(begun, tmp_path / "run"))
