"""Fixtures that every room's tests may use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sim_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small simulated block of this session, with known truth beside it (``.truth.json``); never write to it."""
    from atacal.simulate import simulate

    path = tmp_path_factory.mktemp("simulated") / "sim.ms"
    simulate(path, preset="tiny", seed=1)
    return path


@pytest.fixture
def fresh_copy(tmp_path: Path) -> Callable[[Path], Path]:
    """Copy a table, and the truth beside it if there is one, into the test's own directory."""

    def copy(original: Path) -> Path:
        target = tmp_path / original.name
        shutil.copytree(original, target)
        truth = original.with_name(original.name + ".truth.json")
        if truth.exists():
            shutil.copy(truth, tmp_path)
        return target

    return copy


@pytest.fixture
def sim_ms(sim_original: Path, fresh_copy: Callable[[Path], Path]) -> Path:
    """Path of a fresh copy of the small simulated block (``sim.ms``; its truth is ``sim.ms.truth.json``)."""
    return fresh_copy(sim_original)
