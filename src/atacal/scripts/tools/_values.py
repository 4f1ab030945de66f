"""Values between casacore and a script: CASA's axis order, its types, its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDE: dict[str, type] = {"i": np.int64, "u": np.int64, "f": np.float64, "c": np.complex128}
"""CASA's tools give integers and reals of one width only, whatever the table has."""


def to_casa(value: Any) -> Any:
    """Turn what casacore gives into what CASA's tools give.

    Parameters
    ----------
    value
        A scalar; an array whose fastest axis is the last; a list of strings; a record.

    Returns
    -------
    object
        Arrays of 64 bit numbers or strings whose fastest axis is the *first* (Fortran order), records with such values.
    """
    if isinstance(value, Mapping):
        if set(value) == {"shape", "array"}:  # an array of strings, as python-casacore gives it
            return np.array(value["array"], dtype=str).reshape(value["shape"]).T
        return {key: to_casa(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return widened(value).T
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return np.array(value, dtype=str) if all(isinstance(v, str) for v in value) else widened(np.array(value)).T
    return value


def widened(values: NDArray) -> NDArray:
    """Return an array with CASA's number types."""
    wide = _WIDE.get(values.dtype.kind)
    return values if wide is None else values.astype(wide, copy=False)


def to_casacore(value: Any) -> Any:
    """Turn what a script gives into what python-casacore takes: the fastest axis last, strings in lists."""
    if isinstance(value, Mapping):
        return {key: to_casacore(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if not len(value):
            return []
        value = np.array(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "US":
            flat = np.asarray(value, str)
            if flat.ndim < 2:
                return flat.tolist()
            return {"shape": list(flat.T.shape), "array": flat.T.ravel().tolist()}
        return np.ascontiguousarray(value.T)
    if isinstance(value, np.generic):
        return value.item()
    return value
