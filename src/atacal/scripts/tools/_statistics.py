"""The statistics that ``tb`` and ``ms`` report."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError

_PARTS: dict[str, Any] = {
    "amp": np.abs,
    "amplitude": np.abs,
    "phase": np.angle,
    "real": np.real,
    "imag": np.imag,
    "imaginary": np.imag,
}


def taken(values: NDArray, part: str) -> NDArray[np.float64]:
    """Return one real number for each value: what ``part`` says of complex ones.

    Raises
    ------
    ToolError
        If there is no such part.
    """
    if values.dtype.kind != "c":
        return values.astype(np.float64)
    name = (part or "amplitude").lower()
    if name not in _PARTS:
        raise ToolError(f"complex_value={part!r}: it is one of {', '.join(_PARTS)}")
    return _PARTS[name](values).astype(np.float64)


def statistics(values: NDArray[np.float64]) -> dict[str, float]:
    """Return CASA's statistics of the values; ``stddev`` and ``var`` have N - 1 below."""
    flat = np.ravel(values)
    if not flat.size:
        raise ToolError("statistics of no values")
    low, median, high = np.quantile(flat, [0.25, 0.5, 0.75], method="inverted_cdf")
    if flat.size % 2 == 0:
        median = np.median(flat)
    return {
        "max": float(flat.max()),
        "mean": float(flat.mean()),
        "medabsdevmed": float(np.median(np.abs(flat - median))),
        "median": float(median),
        "min": float(flat.min()),
        "npts": float(flat.size),
        "quartile": float(high - low),
        "rms": float(np.sqrt(np.mean(flat**2))),
        "stddev": float(flat.std(ddof=1)) if flat.size > 1 else 0.0,
        "sum": float(flat.sum()),
        "sumsq": float((flat**2).sum()),
        "var": float(flat.var(ddof=1)) if flat.size > 1 else 0.0,
    }
