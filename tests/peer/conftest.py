"""Comparisons with the real CASA, in an environment of its own.

``make peer`` builds that environment (tools/setup_peer.sh) in ``$ATACAL_PEER``, by default ``~/.cache/atacal-peer``,
and runs these tests. CASA always runs in another process (casa_server.py): its libraries and ours must not meet.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CASA_SECONDS = 300
"""A CASA script that takes longer than this hangs."""


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


class Casa:
    """One CASA process for many scripts (casa_server.py): importing CASA takes longer than most of them."""

    def __init__(self, casapy: Path, place: Path):
        self._place = place
        self._process = subprocess.Popen(
            [str(casapy), str(Path(__file__).parent / "casa_server.py")],
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(place / "errors.txt").open("w"),
            text=True,
            start_new_session=True,
        )

    def run(self, directory: Path, script: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run a script with ``directory`` as its working directory; see the fixture `casa`."""
        directory.mkdir(parents=True, exist_ok=True)
        left = directory / "result.json"
        left.unlink(missing_ok=True)
        given = {k: str(v) if isinstance(v, os.PathLike) else v for k, v in inputs.items()}
        code = self._answer(json.dumps({"script": script, "inputs": given, "directory": str(directory)}))
        if code != "0":
            told = [directory / "output.txt", directory / "casa.log", self._place / "errors.txt"]
            pytest.fail("\n".join([f"CASA failed ({code})"] + [p.read_text()[-4000:] for p in told if p.exists()]))
        answer: dict[str, Any] = json.loads(left.read_text())
        return answer

    def _answer(self, job: str) -> str:
        if self._process.poll() is not None:
            return "its process has ended"
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(job + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], CASA_SECONDS)[0]:
            self.end()
            return f"no answer in {CASA_SECONDS} s"
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """End the process and the script at work in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture(scope="session")
def casa_process(casapy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Casa]:
    """The CASA of this session, or of this worker of pytest-xdist."""
    process = Casa(casapy, tmp_path_factory.mktemp("casa"))
    yield process
    process.end()


@pytest.fixture
def casa(casa_process: Casa, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a script under CASA: ``casa("gaincal(vis=vis, caltable='g.cal'); result = {}", vis=path) -> dict``.

    The keyword arguments are the script's variables (paths as strings, whatever JSON can carry as it is); casatasks'
    functions, ``casatools`` and ``np`` are imported. What the script leaves in ``result``, a dict, comes back (arrays
    as lists, complex numbers as [real, imaginary]). It runs in ``tmp_path / "casa"``, in a process that saw no other
    script; a failure fails the test with CASA's own messages.
    """

    def run(script: str, **inputs: Any) -> dict[str, Any]:
        return casa_process.run(tmp_path / "casa", script, inputs)

    return run


@pytest.fixture(scope="session")
def casa_once(casa_process: Casa, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Run a script under CASA as `casa` does, in a new directory each time, for fixtures that many tests share."""

    def run(script: str, **inputs: Any) -> dict[str, Any]:
        return casa_process.run(tmp_path_factory.mktemp("casa"), script, inputs)

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


@pytest.fixture(scope="session")
def ngc5921_part_original(ngc5921_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NGC 5921's rows of eleven antennas, for tests that copy it often; never write to it."""
    from casacore.tables import table

    path = tmp_path_factory.mktemp("part") / "ngc5921.ms"
    with table(str(ngc5921_original), ack=False) as tab:
        antennas = "[0,1,2,3,4,5,6,7,8,9,13]"
        with tab.query(f"ANTENNA1 in {antennas} and ANTENNA2 in {antennas}") as part:
            part.copy(str(path), deep=True).close()
    return path


@pytest.fixture
def ngc5921_part(ngc5921_part_original: Path, fresh_copy: Callable[[Path], Path]) -> Path:
    """Path of a fresh copy of NGC 5921's rows of eleven antennas."""
    return fresh_copy(ngc5921_part_original)


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
def peer_tool(casapy: Path) -> Callable[..., None]:
    """Run a script that makes raw blocks or calibrates them with CASA: ``peer_tool("eb_sim.py", "--out", ms, cwd=d)``.

    They are no part of the package: they lie in ``$ATACAL_PEER_DATA``, or in a folder ``peer`` beside it; the test is
    skipped where they do not.
    """

    def run(script: str, *arguments: str | os.PathLike[str], cwd: Path) -> None:
        data = os.environ.get(PEER_DATA)
        if not data:
            pytest.skip(f"set {PEER_DATA} to a folder beside which peer/{script} lies (not part of the package)")
        found = [p for p in (Path(data) / script, Path(data).resolve().parent / "peer" / script) if p.is_file()]
        if not found:
            pytest.skip(f"{PEER_DATA}={data}: neither there nor in peer/ beside it is {script}")
        done = subprocess.run(
            [str(casapy), str(found[0]), *map(str, arguments)],
            cwd=cwd, capture_output=True, text=True, timeout=CASA_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.fail(f"{script} failed (exit {done.returncode}):\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")

    return run


@pytest.fixture(scope="session")
def alma_original(real_data: Callable[[str, str], Path]) -> Path:
    """A raw ALMA Band 3 MeasurementSet (13 antennas; 4, 64 and 1 channels; XX XY YX YY and XX); never write to it."""
    return real_data("mssel_test_small.ms", "alma_band3_small.ms.tgz")


@pytest.fixture
def alma_ms(alma_original: Path, fresh_copy: Callable[[Path], Path]) -> Path:
    """Path of a fresh copy of the ALMA MeasurementSet."""
    return fresh_copy(alma_original)
