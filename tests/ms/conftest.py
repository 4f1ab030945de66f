"""Small MeasurementSets, made from scratch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atacal.ms.create import MSWriter
from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw

T0 = 5.0e9
NANT = 4


def _spw(number: int, nchan: int) -> Spw:
    freq = 1.0e11 + 2e9 * number + 1e6 * np.arange(nchan)
    width = np.full(nchan, 1e6)
    return Spw(number, f"w{number}", freq, width, width, width, freq[0], nchan * 1e6, "TOPO", 1, number + 1, 0)


@pytest.fixture
def make_ms(tmp_path: Path) -> Callable[..., Path]:
    """Make a MeasurementSet of 4 antennas, two fields, two spws (16 and 8 channels, XX YY).

    ``make_ms(name="x.ms", times=6, columns=("DATA",), interval=2.0, telescope="VLA", change=None)``; ``change`` is
    called with the dict of the rows of each integration (data, flag, weight, sigma...) and may alter it.
    """

    def make(
        name: str = "x.ms",
        *,
        times: int = 6,
        columns: tuple[str, ...] = ("DATA",),
        interval: float = 2.0,
        telescope: str = "VLA",
        change: Callable[[dict], None] | None = None,
        corr_types: tuple[int, ...] = (9, 12),
    ) -> Path:
        path = tmp_path / name
        rng = np.random.default_rng(3)
        i, j = np.triu_indices(NANT, 1)
        products = {5: (0, 0), 6: (0, 1), 7: (1, 0), 8: (1, 1), 9: (0, 0), 10: (0, 1), 11: (1, 0), 12: (1, 1)}
        spws = [_spw(0, 16), _spw(1, 8)]
        with MSWriter(
            path,
            antennas=[
                Antenna(
                    k, f"A{k}", f"P{k}", (2225000.0 + 50 * k, -5440000.0, -2481000.0 + 31 * k), 12.0, "ALT-AZ", False
                )
                for k in range(NANT)
            ],
            fields=[Field(k, f"f{k}", "", k, (1.0 + 0.1 * k, 0.5), "J2000", T0) for k in range(2)],
            spws=spws,
            pols=[Polarization(0, corr_types, tuple(products[c] for c in corr_types))],
            ddids=[DataDescription(k, k, 0) for k in range(2)],
            states=["CALIBRATE_PHASE#ON_SOURCE", "OBSERVE_TARGET#ON_SOURCE"],
            observations=[Observation(0, telescope, "", "", (T0, T0 + 1000))],
            columns=columns,
        ) as writer:
            for t in range(times):
                field = t * 2 // times
                for ddid, spw in enumerate(spws):
                    shape = (len(i), spw.nchan, len(corr_types))
                    noise = rng.standard_normal((*shape, 2)).astype(np.float32)
                    rows = {
                        "ddid": ddid, "time": np.full(len(i), T0 + interval * t), "antenna1": i, "antenna2": j,
                        "data": (noise[..., 0] + 1j * noise[..., 1]).astype(np.complex64),
                        "flag": np.zeros(shape, bool), "weight": rng.uniform(1, 3, (shape[0], shape[2])),
                        "sigma": rng.uniform(0.5, 1, (shape[0], shape[2])), "interval": interval,
                        "uvw": rng.standard_normal((len(i), 3)) * 100, "field": field, "scan": field + 1,
                        "state": field,
                    }  # fmt: skip
                    for column in columns[1:]:
                        kind = np.float32 if "SPECTRUM" in column else np.complex64
                        rows[column.lower()] = rng.uniform(1, 2, shape).astype(kind)
                    if change:
                        change(rows)
                    writer.append(**rows)
        return path

    return make


@pytest.fixture
def read() -> Callable[..., np.ndarray]:
    """Read a column, of the rows that a TaQL condition picks: ``read(path, "DATA", "DATA_DESC_ID==0")``."""
    from casacore.tables import table

    def column(path: Path, name: str, where: str = "") -> np.ndarray:
        tab = table(str(path), ack=False)
        part = tab.query(where) if where else tab
        values = np.asarray(part.getcol(name))
        part.close()
        tab.close()
        return values

    return column
