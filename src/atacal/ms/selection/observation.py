"""Observation and array selection, by id: ``0``, ``0~2``, ``>1``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from atacal.ms.selection.integers import parse_integers


def parse_observation(text: str, ids: Iterable[int]) -> NDArray[np.int64]:
    """Return the observation ids, of those that exist, that an expression selects; see `parse_integers`."""
    return parse_integers(text, ids, "observation")


def parse_array(text: str, ids: Iterable[int]) -> NDArray[np.int64]:
    """Return the (sub)array ids, of those that exist, that an expression selects; see `parse_integers`."""
    return parse_integers(text, ids, "array")
