"""Raw blocks for the tests of whole runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from atacal.simulate import simulate


@pytest.fixture(scope="session")
def raw_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw block of five antennas without faults, with an antenna position file; never write to it."""
    path = tmp_path_factory.mktemp("raw") / "X.ms"
    simulate(path, raw=True, seed=3, nant=5, faults=False)
    return path


@pytest.fixture
def raw_ms(raw_original: Path, tmp_path: Path) -> Path:
    """Path of a fresh copy of the raw block."""
    return Path(shutil.copytree(raw_original, tmp_path / "X.ms"))


@pytest.fixture
def run_raw(raw_ms: Path) -> Callable:
    """Calibrate the raw block: ``run_raw(**arguments) -> Summary``."""
    from atacal.recipe import calibrate

    return lambda **given: calibrate(
        str(raw_ms), **({"flux_density": 1.0, "minblperant": 3, "pictures": False} | given)
    )
