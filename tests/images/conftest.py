"""Small MeasurementSets of known skies, without any corruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

C_M_S = 299792458.0
ARCSEC = np.pi / 648000
CENTRE = (1.2, -0.4)
FREQ = 100e9 + 125e6 * (np.arange(8) - 3.5)


def tracks(nant: int, ntime: int, size_m: float, seed: int) -> np.ndarray:
    """UVW (time, baseline, 3) of a random array that follows a field for two hours."""
    rng = np.random.default_rng(seed)
    east, north, up = rng.normal(0, size_m, (3, nant)) * np.array([[1], [1], [0.02]])
    lat, dec = np.radians(-23.0), CENTRE[1]
    xyz = np.stack([-np.sin(lat) * north + np.cos(lat) * up, east, np.cos(lat) * north + np.sin(lat) * up])
    i, j = np.triu_indices(nant, 1)
    x, y, z = xyz[:, i] - xyz[:, j]
    out = []
    for h in np.linspace(-0.26, 0.26, ntime):
        s, c = np.sin(h), np.cos(h)
        u = s * x + c * y
        out.append(np.stack([u, -np.sin(dec) * (c * x - s * y) + np.cos(dec) * z,
                             np.cos(dec) * (c * x - s * y) + np.sin(dec) * z], axis=1))  # fmt: skip
    return np.array(out)


def seen(uvw: np.ndarray, components: list[tuple[float, float, float]], freq: np.ndarray = FREQ) -> np.ndarray:
    """Visibilities (row, chan) of point sources (flux, east, north [arcsec]), by the direct sum."""
    out = np.zeros((len(uvw), len(freq)), complex)
    for flux, east, north in components:
        s = np.array([east * ARCSEC, north * ARCSEC])
        n = np.sqrt(1 - s @ s) - 1
        path = uvw @ np.append(s, n)
        out += flux * np.exp(2j * np.pi * path[:, None] * freq / C_M_S)
    return out


def write_sky(
    path: Path,
    components: list[tuple[float, float, float]],
    *,
    sigma: float = 0.0,
    nant: int = 12,
    ntime: int = 6,
    size_m: float = 150.0,
    seed: int = 1,
    corrs: tuple[int, ...] = (9, 12),
    flag: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] | None = None,
    descending: bool = False,
    spread: float = 1.0,
    centre: tuple[float, float] = CENTRE,
    dish_m: float = 12.0,
    autocorr: bool = False,
    spectrum: bool = False,
) -> Path:
    """Write a MeasurementSet of one field and one spw of eight channels; weights are 1/sigma^2 of each correlation.

    ``spread`` is the ratio of the largest to the smallest sigma of baselines.
    """
    from atacal.ms.create import MSWriter
    from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw

    rng = np.random.default_rng(seed + 100)
    freq = FREQ[::-1] if descending else FREQ
    width = np.full(8, -125e6 if descending else 125e6)
    product = tuple((0, 0) if c in (5, 9) else (1, 1) for c in corrs)
    uvw = tracks(nant, ntime, size_m, seed)
    i, j = np.triu_indices(nant, 1)
    antennas = [
        Antenna(k, f"A{k}", f"P{k}", (2225061.2 + 20 * k, -5440061.9 - 9 * k**2, -2481682.2 + 7 * k), dish_m,
                "ALT-AZ", False)
        for k in range(nant)
    ]  # fmt: skip
    start = 59000.25 * 86400
    rising = np.arange(1, 9, dtype=np.float32)[:, None]
    with MSWriter(
        path,
        antennas=antennas,
        fields=[Field(0, "sky", "", 0, centre, "J2000", start)],
        spws=[Spw(0, "w", freq, width, np.abs(width), np.abs(width), freq[0], 1e9, "TOPO", 1, 1, 0)],
        pols=[Polarization(0, corrs, product)],
        ddids=[DataDescription(0, 0, 0)],
        states=["OBSERVE_TARGET#ON_SOURCE"],
        observations=[Observation(0, "ALMA", "someone", "", (start, start + 7200))],
        columns=("DATA", "WEIGHT_SPECTRUM") if spectrum else ("DATA",),
    ) as writer:
        for n in range(ntime):
            true = seen(uvw[n], components, freq)[..., None] * np.ones(len(corrs))
            sig = (sigma or 1.0) * np.geomspace(1, spread, len(i))
            noise = rng.normal(size=(2, *true.shape)) * (sig if sigma else 0 * sig)[:, None, None]
            data = (true + noise[0] + 1j * noise[1]).astype(np.complex64)
            flags = flag(rng, data.shape) if flag else np.zeros(data.shape, bool)
            weight = np.repeat((1 / sig**2)[:, None], len(corrs), axis=1).astype(np.float32)
            writer.append(
                ddid=0, time=np.full(len(i), start + 1200.0 * n), antenna1=i, antenna2=j, uvw=uvw[n], data=data,
                flag=flags, interval=6.0, field=0, scan=1, weight=weight, sigma=(1 / np.sqrt(weight)),
                **({"WEIGHT_SPECTRUM": weight[:, None] * rising} if spectrum else {}),
            )  # fmt: skip
            if autocorr:
                k = np.arange(nant)
                writer.append(
                    ddid=0, time=np.full(nant, start + 1200.0 * n), antenna1=k, antenna2=k, uvw=np.zeros((nant, 3)),
                    data=np.full((nant, 8, len(corrs)), 1e3, np.complex64), interval=6.0, field=0, scan=1,
                )  # fmt: skip
    return path


@pytest.fixture
def sky(tmp_path: Path) -> Callable[..., Path]:
    """``sky([(flux, east, north), ...], sigma=...)`` writes a MeasurementSet; see `write_sky`."""
    return lambda components, name="sky.ms", **how: write_sky(tmp_path / name, components, **how)
