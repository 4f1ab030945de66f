"""Small data, the command line, and what lies in a folder to the last byte."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atacal import cli, progress
from atacal.ms.transaction import WORKPLACE
from atacal.simulate import simulate

Tree = dict[str, str]


def _tree(path: Path) -> Tree:
    out = {}
    for folder, names, files in os.walk(path):
        names[:] = [n for n in names if not n.startswith(WORKPLACE)]
        for name in files:
            if name != "table.lock":  # casacore notes there who has looked
                file = Path(folder, name)
                out[str(file.relative_to(path))] = hashlib.sha1(file.read_bytes()).hexdigest()
    return out


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """Give the log back as it was: the command line takes it over."""
    logger = logging.getLogger("atacal")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[0], before[1]
    logger.setLevel(before[2])
    progress.set_quiet(False)


@pytest.fixture
def tree() -> Callable[[Path], Tree]:
    """Hash every file of a table."""
    return _tree


@pytest.fixture(scope="session")
def small_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small block: 6 antennas, 2 spws of 8 channels."""
    path = tmp_path_factory.mktemp("small") / "X.ms"
    simulate(path, nant=6, nspw=2, nchan=8, faults=False, weight_spectrum=True)
    return path


@pytest.fixture
def small(small_original: Path, tmp_path: Path) -> Path:
    """A fresh copy of it."""
    return Path(shutil.copytree(small_original, tmp_path / "X.ms"))


@pytest.fixture(scope="session")
def caltable_original(small_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phases of the small block, per scan."""
    from atacal.tasks import gaincal

    path = tmp_path_factory.mktemp("tables") / "X.phase"
    gaincal(str(small_original), caltable=str(path), field="0", solint="inf", refant="0", calmode="p")
    return path


@pytest.fixture
def caltable(caltable_original: Path, tmp_path: Path) -> Path:
    """A fresh copy of it."""
    return Path(shutil.copytree(caltable_original, tmp_path / "X.phase"))


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line that must fail with a named error; give back what it said."""

    def call(*words: str | Path) -> str:
        code = cli.run([str(w) for w in words])
        out, err = capsys.readouterr()
        assert code == 1, (code, out, err)
        assert "Traceback" not in err
        lines = [line for line in err.splitlines() if line.startswith("atacal: error: ")]
        assert len(lines) == 1, err
        return lines[0]

    return call


@pytest.fixture
def atacal() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command line in a process of its own."""

    def call(*words: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "atacal", *(str(w) for w in words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)

    return call
