"""What four measured temperatures say about the water: the posterior of the thin-layer model, summed by quadrature.

Priors are flat: column 0 to 10 mm at the zenith, temperature 250 to 295 K, pressure 300 to 550 mbar; the model is
trusted to 1 K in each channel (Nikolic 2009, ALMA Memo 587). The posterior is narrow in the column and wide in the
other two, so that it is summed over the column in a window around its optimum, for each node of a Gauss-Legendre grid
in temperature and pressure, which is laid twice: over the prior, then over where the posterior is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.wvr.water import NCHAN, layer, path_per_mm

COLUMN_MM = (0.0, 10.0)
TEMPERATURE_K = (250.0, 295.0)
PRESSURE_MBAR = (300.0, 550.0)
CLOUD_OPACITY = (0.0, 0.2)
NOISE_K = 1.0
IMPOSSIBLE_CHI2 = 1400.0
"""No layer of water gives such temperatures: the radiometer is at fault."""

_FIRST_NODES, _NODES, _COLUMN_NODES = 14, 26, 20
_CLOUD_NODES = 10
_START_NODES = 200
_WINDOW_SIGMA = 9.0
_NEWTON_STEPS = 12


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Posterior means of the thin-layer model, and standard deviations.

    Attributes
    ----------
    pwv_mm, pwv_error_mm : float
        Water column at the zenith [mm].
    dtdl_k_mm, dtdl_error_k_mm : float64 (channel,)
        Change of the measured temperature with the extra path along the line of sight [K/mm].
    temperature_k, pressure_mbar : float
        The layer's.
    cloud_opacity : float
        At 183.3 GHz; 0 unless it was asked for.
    log_evidence : float
        Natural logarithm of the evidence.
    chi2 : float
        Of the best fit: sum of squared residuals [K^2].
    """

    pwv_mm: float
    pwv_error_mm: float
    dtdl_k_mm: NDArray[np.float64]
    dtdl_error_k_mm: NDArray[np.float64]
    temperature_k: float
    pressure_mbar: float
    cloud_opacity: float
    log_evidence: float
    chi2: float

    @property
    def possible(self) -> bool:
        """Whether some layer of water could have given these temperatures."""
        return self.chi2 < IMPOSSIBLE_CHI2


@dataclass(frozen=True, eq=False)
class _Box:
    """Ranges and numbers of nodes in temperature, pressure and cloud opacity."""

    ranges: tuple[tuple[float, float], ...]
    counts: tuple[int, ...]

    def nodes(self) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
        """Return the nodes, one array an axis, all of shape (node,), and their weights."""
        axes = [_rule(*r, n) for r, n in zip(self.ranges, self.counts, strict=True)]
        grids = np.meshgrid(*(a for a, _ in axes), indexing="ij")
        weights = np.ones(1)
        for _, w in axes:
            weights = np.multiply.outer(weights, w)
        return [g.ravel() for g in grids], weights.ravel()

    def shrunk(self, mass: NDArray[np.float64], counts: tuple[int, ...]) -> _Box:
        """Return the box around the nodes that hold the posterior; ``mass`` is the posterior of each node."""
        mass = mass.reshape(self.counts)
        ranges = []
        for axis, (limits, count) in enumerate(zip(self.ranges, self.counts, strict=True)):
            nodes = np.r_[limits[0], _rule(*limits, count)[0], limits[1]]
            part = mass.sum(axis=tuple(i for i in range(mass.ndim) if i != axis))
            held = np.flatnonzero(part > 1e-9 * part.max())
            ranges.append((float(nodes[held[0]]), float(nodes[held[-1] + 2])))
        return _Box(tuple(ranges), counts)


def _rule(low: float, high: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (high + low) + 0.5 * (high - low) * x, 0.5 * (high - low) * w


def retrieve(measured_k: NDArray[np.float64], elevation_rad: float, *, cloud: bool = False) -> Retrieval:
    """Retrieve the water and the phase correction coefficients from one measurement.

    Parameters
    ----------
    measured_k : float64 (channel,)
        Temperatures of one radiometer [K].
    elevation_rad : float
    cloud : bool
        Fit the opacity of a cloud behind the water as well, flat between 0 and 0.2.

    Returns
    -------
    Retrieval

    Notes
    -----
    dT_k/dL = coupling (dT_k/dn) / (1741.5 / T), n being the column along the line of sight.
    """
    ranges = (TEMPERATURE_K, PRESSURE_MBAR, *((CLOUD_OPACITY,) if cloud else ()))
    more = (_CLOUD_NODES,) if cloud else ()
    box = _Box(ranges, (_FIRST_NODES, _FIRST_NODES, *more))
    airmass = 1.0 / np.sin(elevation_rad)
    first = _posterior(box, measured_k, airmass)
    return _moments(_posterior(box.shrunk(first.mass.sum(-1), (_NODES, _NODES, *more)), measured_k, airmass), ranges)


@dataclass(frozen=True, eq=False)
class _Posterior:
    """The posterior on the nodes: columns and masses (node, m), derivatives (node, m, channel)."""

    axes: list[NDArray[np.float64]]
    column_mm: NDArray[np.float64]
    derivative: NDArray[np.float64]
    mass: NDArray[np.float64]
    log_scale: float
    chi2: float


def _posterior(box: _Box, measured_k: NDArray[np.float64], airmass: float) -> _Posterior:
    axes, weights = box.nodes()
    water = layer(*axes)

    def misfit(column_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        there, slope = water.temperatures(column_mm * airmass)
        residual = there - measured_k
        return (residual**2).sum(-1) / NOISE_K**2, residual, slope

    best = _optimum(box, measured_k, airmass)
    for _ in range(_NEWTON_STEPS):
        _, residual, slope = misfit(best[:, None])
        step = (residual * slope).sum(-1) / np.maximum((slope**2).sum(-1), 1e-12) / airmass
        best = np.clip(best - np.clip(step[:, 0], -0.2, 0.2), *COLUMN_MM)
    chi2, _, slope = misfit(best[:, None])
    sigma = NOISE_K / np.maximum(np.sqrt((slope[:, 0] ** 2).sum(-1)) * airmass, 1e-3)
    low = np.maximum(best - _WINDOW_SIGMA * sigma, COLUMN_MM[0])
    high = np.minimum(best + _WINDOW_SIGMA * sigma, COLUMN_MM[1])
    ends = misfit(np.stack([low, high], -1))[0] - chi2
    # where a line is saturated the misfit levels off: the window goes on to the prior's limit
    low = np.where(ends[:, 0] < 40, COLUMN_MM[0], low)
    high = np.where(ends[:, 1] < 40, COLUMN_MM[1], high)
    x, w = _rule(-1.0, 1.0, _COLUMN_NODES)
    half = 0.5 * (high - low)[:, None]
    column = 0.5 * (high + low)[:, None] + half * x
    value, _, slope = misfit(column)
    least = float(min(chi2.min(), value.min()))
    mass = np.exp(-0.5 * (value - least)) * half * w * weights[:, None]
    return _Posterior(axes, column, slope, mass, -0.5 * least, least)


def _optimum(box: _Box, measured_k: NDArray[np.float64], airmass: float) -> NDArray[np.float64]:
    """Return a first guess of the best column for each node, from a scan at the box's coarse nodes."""
    coarse = _Box(box.ranges, (5, 5, *((3,) if len(box.ranges) > 2 else ())))
    columns = np.linspace(*COLUMN_MM, _START_NODES)
    there, _ = layer(*coarse.nodes()[0]).temperatures(np.broadcast_to(columns * airmass, (1, _START_NODES)))
    guess = columns[((there - measured_k) ** 2).sum(-1).argmin(-1)].reshape(coarse.counts)
    for axis, (limits, count) in enumerate(zip(box.ranges, box.counts, strict=True)):
        nearest = np.abs(_rule(*limits, count)[0][:, None] - _rule(*limits, coarse.counts[axis])[0]).argmin(-1)
        guess = guess.take(nearest, axis=axis)
    return np.ascontiguousarray(guess.ravel())


def _moments(posterior: _Posterior, ranges: tuple[tuple[float, float], ...]) -> Retrieval:
    total = posterior.mass.sum()
    share = posterior.mass / total
    node = share.sum(-1)
    dtdl = posterior.derivative / path_per_mm(posterior.axes[0])[:, None, None]
    mean = np.einsum("nm,nmk->k", share, dtdl)
    spread = np.einsum("nm,nmk->k", share, (dtdl - mean) ** 2)
    column = float((share * posterior.column_mm).sum())
    column_spread = float((share * (posterior.column_mm - column) ** 2).sum())
    prior = np.prod([high - low for low, high in (COLUMN_MM, *ranges)])
    return Retrieval(
        pwv_mm=column,
        pwv_error_mm=column_spread**0.5,
        dtdl_k_mm=mean,
        dtdl_error_k_mm=np.sqrt(spread),
        temperature_k=float((node * posterior.axes[0]).sum()),
        pressure_mbar=float((node * posterior.axes[1]).sum()),
        cloud_opacity=float((node * posterior.axes[2]).sum()) if len(posterior.axes) > 2 else 0.0,
        log_evidence=float(posterior.log_scale + np.log(total / prior) - 0.5 * NCHAN * np.log(2 * np.pi * NOISE_K**2)),
        chi2=posterior.chi2,
    )
