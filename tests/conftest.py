"""Fixtures that every room's tests may use."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("atacal", deadline=None)  # a busy machine is no failure
settings.load_profile("atacal")


@pytest.fixture(autouse=True)
def quiet_logger() -> Iterator[None]:
    """Take back what a test does to the logger: the command line and scripts give it handlers of their own."""
    logger = logging.getLogger("atacal")
    before = logger.handlers[:], logger.filters[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.filters[:], logger.propagate = before[0], before[1], before[3]
    logger.setLevel(before[2])


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


def seen_from(body_fields: list[tuple[str, float, tuple[float, float]]], path: Path, freqs_ghz: list[float]) -> Path:
    """Make a small ALMA MeasurementSet of some (name, MJD, direction) with an spw of 8 channels at each frequency."""
    import numpy as np

    from atacal.ms.create import MSWriter
    from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw

    i, j = np.triu_indices(5, 1)
    rng = np.random.default_rng(4)
    width = np.full(8, 31.25e6)
    spws = []
    for k, ghz in enumerate(freqs_ghz):
        freq = ghz * 1e9 + 31.25e6 * (np.arange(8) - 3.5)
        spws.append(Spw(k, f"w{k}", freq, width, width, width, freq[0], 250e6, "TOPO", 1, 1, 0))
    antennas = [
        Antenna(
            k, f"A{k}", f"P{k}", (2225061.2 + 20 * k, -5440061.9 - 9 * k**2, -2481682.2 + 7 * k), 12.0, "ALT-AZ", False
        )
        for k in range(5)
    ]
    with MSWriter(
        path,
        antennas=antennas,
        fields=[Field(k, name, "", k, where, "J2000", mjd * 86400) for k, (name, mjd, where) in enumerate(body_fields)],
        spws=spws,
        pols=[Polarization(0, (9, 12), ((0, 0), (1, 1)))],
        ddids=[DataDescription(k, k, 0) for k in range(len(spws))],
        states=["CALIBRATE_FLUX#ON_SOURCE"],
        observations=[Observation(0, "ALMA", "", "", (body_fields[0][1] * 86400, body_fields[-1][1] * 86400))],
    ) as writer:
        for number, (_, mjd, _) in enumerate(body_fields):
            uvw = rng.standard_normal((2, len(i), 3)) * np.geomspace(3, 300, len(i))[:, None]
            for k in range(len(spws)):
                for n in range(2):
                    writer.append(
                        ddid=k, time=np.full(len(i), mjd * 86400 + 6.0 * n), antenna1=i, antenna2=j, uvw=uvw[n],
                        data=np.ones((len(i), 8, 2), np.complex64), interval=6.0, field=number, scan=number + 1,
                    )  # fmt: skip
    return path


@pytest.fixture
def solar_ms(tmp_path: Path) -> Callable[..., Path]:
    """Make a small ALMA MeasurementSet of solar-system bodies: ``solar_ms([(body, MJD), ...], freqs_ghz=[230.0])``.

    Each is a field, with its name and its direction at that time; five antennas, baselines of 3 to 300 m.
    """

    def make(seen: list[tuple[str, float]], freqs_ghz: list[float], name: str = "solar.ms") -> Path:
        from atacal.flux.ephemeris import ephemeris

        fields = [(body, mjd, ephemeris(body, mjd).direction_rad) for body, mjd in seen]
        return seen_from(fields, tmp_path / name, freqs_ghz)

    return make


@pytest.fixture
def named_ms(tmp_path: Path) -> Callable[..., Path]:
    """Make such a MeasurementSet of fields (name, MJD, (ra, dec) in rad): ``named_ms(fields, freqs_ghz=[230.0])``."""
    return lambda fields, freqs_ghz, name="named.ms": seen_from(fields, tmp_path / name, freqs_ghz)
