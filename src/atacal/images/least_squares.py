"""Non-linear least squares of a few parameters, by Levenberg and Marquardt's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Model = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_STEP = 1e-6


def fit_least_squares(
    residual: Model, start: NDArray[np.float64], *, most: int = 500, precision: float = 1e-9
) -> tuple[NDArray[np.float64], bool]:
    """Find the parameters that make a sum of squares least.

    Parameters
    ----------
    residual : callable
        From parameters (n,) to residuals (m,).
    start : float64 (n,)
        None of them may be 0 in scale: steps are relative to ``max(|p|, 1)``.
    most : int
        Steps at most.
    precision : float
        Relative change of the sum at which it is found.

    Returns
    -------
    (float64 (n,), bool)
        The parameters, and whether they are found.

    Notes
    -----
    Steps solve (J^T J + d diag(J^T J)) p = -J^T r (Marquardt 1963, SIAM J. Appl. Math. 11, 431), J by central
    differences.
    """
    here = np.array(start, np.float64)
    r = residual(here)
    cost, damping = float(r @ r), 1e-3
    for _ in range(most):
        jacobian = _jacobian(residual, here)
        normal, slope = jacobian.T @ jacobian, jacobian.T @ r
        while damping < 1e12:
            scaled = normal + damping * np.diag(np.maximum(np.diag(normal), 1e-30))
            try:
                there = here - np.linalg.solve(scaled, slope)
            except np.linalg.LinAlgError:
                damping *= 10
                continue
            new = residual(there)
            new_cost = float(new @ new)
            if np.isfinite(new_cost) and new_cost <= cost:
                break
            damping *= 10
        else:
            return here, True  # no direction leads down any further
        small = cost - new_cost <= precision * max(cost, 1e-300)
        here, r, cost, damping = there, new, new_cost, max(damping / 10, 1e-12)
        if small:
            return here, True
    return here, False


def _jacobian(residual: Model, here: NDArray[np.float64]) -> NDArray[np.float64]:
    columns = []
    for k in range(len(here)):
        step = np.zeros_like(here)
        step[k] = _STEP * max(abs(here[k]), 1.0)
        columns.append((residual(here + step) - residual(here - step)) / (2 * step[k]))
    return np.stack(columns, axis=1)
