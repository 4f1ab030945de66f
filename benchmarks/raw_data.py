"""The raw block's data: a simulated raw MeasurementSet, and an ASDM by the writer of the tests."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

WRITER = Path(__file__).resolve().parents[1] / "tests" / "asdm" / "conftest.py"
ASDMS: dict[str, dict[str, Any]] = {
    "full": {"nant": 40, "nchan": (128, 128, 960, 960), "integrations": 8},
    "tiny": {"nant": 4, "nchan": (8, 4, 8, 4), "integrations": 3},
}
"""Antennas, channels of the windows, and integrations of each of the four subscans."""
BLOCKS: dict[str, dict[str, Any]] = {"full": {"preset": "small", "nant": 26}, "tiny": {"preset": "tiny"}}
"""Arguments of `simulate`."""


def make_asdm(folder: Path, size: str) -> Path:
    """Write an ASDM unless it is there: two scans of two subscans, 16-bit correlator data, radiometers."""
    path = folder / f"raw-{size}.asdm"
    if not path.is_dir():
        spec = importlib.util.spec_from_file_location("asdm_writer", WRITER)
        assert spec is not None
        assert spec.loader is not None
        writer = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = writer  # its dataclasses look there
        spec.loader.exec_module(writer)
        making = folder / f"raw-{size}.making"
        shutil.rmtree(making, ignore_errors=True)
        writer.write_asdm(making, **ASDMS[size], scale=(1000.0, 32.0, 1000.0, 32.0))
        making.rename(path)
    return path


def make_ms(folder: Path, size: str) -> Path:
    """Simulate a raw MeasurementSet unless it is there."""
    from atacal.simulate import simulate

    path = folder / f"raw-{size}.ms"
    if not path.is_dir():
        simulate(str(path), raw=True, **BLOCKS[size])
    return path
