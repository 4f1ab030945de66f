"""Comparisons with the real CASA, in an environment of its own.

``make peer`` builds that environment (tools/setup_peer.sh) in ``$ATACAL_PEER``, by default ``~/.cache/atacal-peer``,
and runs these tests. CASA always runs in another process: its libraries and ours must not meet.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CASA_SECONDS = 300
"""A CASA script that takes longer than this hangs."""

_HEADER = """\
import json as _json, sys as _sys
import numpy as np
import casatools
from casatasks import *
import casatasks
_inputs = _json.load(open(_sys.argv[1]))
globals().update(_inputs)
"""

_FOOTER = """

def _plain(value):
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


with open(_sys.argv[2], "w") as _file:
    _json.dump(_plain(result), _file)
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this directory as a peer test."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.peer)


@pytest.fixture(scope="session")
def casapy() -> Path:
    """The CASA environment's python."""
    place = Path(os.environ.get("ATACAL_PEER") or Path.home() / ".cache" / "atacal-peer")
    if not (place / "casapy").exists():
        pytest.fail(f"no CASA in {place}: run `make peer`, or set ATACAL_PEER to where tools/setup_peer.sh made it")
    return place / "casapy"


def run_casa(casapy: Path, directory: Path, script: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run a script under CASA with ``directory`` as its working directory; see the fixture `casa`."""
    directory.mkdir(parents=True, exist_ok=True)
    source, given, left = (directory / name for name in ("script.py", "inputs.json", "result.json"))
    source.write_text(_HEADER + script + _FOOTER)
    given.write_text(json.dumps({k: str(v) if isinstance(v, os.PathLike) else v for k, v in inputs.items()}))
    left.unlink(missing_ok=True)
    done = subprocess.run(
        [str(casapy), str(source), str(given), str(left)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=CASA_SECONDS,
        check=False,
    )
    if done.returncode or not left.exists():
        logs = sorted(directory.glob("casa-*.log"))
        log = logs[-1].read_text()[-3000:] if logs else ""
        pytest.fail(f"CASA failed (exit {done.returncode}):\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}\n{log}")
    answer: dict[str, Any] = json.loads(left.read_text())
    return answer


@pytest.fixture
def casa(casapy: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a script under CASA: ``casa("gaincal(vis=vis, caltable='g.cal'); result = {}", vis=path) -> dict``.

    The keyword arguments are the script's variables (paths as strings, whatever JSON can carry as it is); casatasks'
    functions, ``casatools`` and ``np`` are imported. What the script leaves in ``result``, a dict, comes back (arrays
    as lists, complex numbers as [real, imaginary]). It runs in ``tmp_path / "casa"``; a failure fails the test with
    CASA's own messages.
    """

    def run(script: str, **inputs: Any) -> dict[str, Any]:
        return run_casa(casapy, tmp_path / "casa", script, inputs)

    return run


@pytest.fixture(scope="session")
def casa_once(casapy: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Run a script under CASA as `casa` does, in a new directory each time, for fixtures that many tests share."""

    def run(script: str, **inputs: Any) -> dict[str, Any]:
        return run_casa(casapy, tmp_path_factory.mktemp("casa"), script, inputs)

    return run


@pytest.fixture(scope="session")
def ngc5921_original(casa_once: Callable[..., dict[str, Any]]) -> Path:
    """NGC 5921 (VLA, H I), imported by CASA from the demo data of its casadata package; never write to it."""
    script = """
import os, casadata
fits = os.path.join(casadata.datapath, "demo", "NGC5921.fits")
importuvfits(fitsfile=fits, vis="ngc5921.ms")
result = {"vis": os.path.abspath("ngc5921.ms")}
"""
    return Path(casa_once(script)["vis"])


@pytest.fixture
def ngc5921(ngc5921_original: Path, fresh_copy: Callable[[Path], Path]) -> Path:
    """Path of a fresh copy of the raw NGC 5921 MeasurementSet (``ngc5921.ms``, 27 antennas, 1 spw, 22653 rows)."""
    return fresh_copy(ngc5921_original)


PEER_DATA = "ATACAL_PEER_DATA"
"""A folder of real data that is no part of the package: archives ``NAME.tgz``, or what is in them."""


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Give an entry of the folder ``$ATACAL_PEER_DATA``, unpacked from an archive there if need be; never write to it.

    ``real_data("sma_caltables", "sma_caltables.tgz") -> path``; the test is skipped where there is neither.
    """
    unpacked: dict[str, Path] = {}

    def find(name: str, archive: str) -> Path:
        place = os.environ.get(PEER_DATA)
        if not place:
            pytest.skip(f"set {PEER_DATA} to a folder with {archive} (real data, not part of the package)")
        if (Path(place) / name).is_dir():
            return Path(place) / name
        if not (Path(place) / archive).is_file():
            pytest.skip(f"{PEER_DATA}={place} has neither {name} nor {archive}")
        if archive not in unpacked:
            unpacked[archive] = tmp_path_factory.mktemp("real")
            with tarfile.open(Path(place) / archive) as file:
                file.extractall(unpacked[archive], filter="data")
        return unpacked[archive] / name

    return find


@pytest.fixture(scope="session")
def alma_original(real_data: Callable[[str, str], Path]) -> Path:
    """A raw ALMA Band 3 MeasurementSet (13 antennas; 4, 64 and 1 channels; XX XY YX YY and XX); never write to it."""
    return real_data("mssel_test_small.ms", "alma_band3_small.ms.tgz")


@pytest.fixture
def alma_ms(alma_original: Path, fresh_copy: Callable[[Path], Path]) -> Path:
    """Path of a fresh copy of the ALMA MeasurementSet."""
    return fresh_copy(alma_original)
