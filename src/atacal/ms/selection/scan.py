"""Scan selection: ``3``, ``1~5,9``, ``>=4``, ``>2&<9``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from atacal.ms.selection.integers import parse_integers


def parse_scan(text: str, scans: Iterable[int]) -> NDArray[np.int64]:
    """Return the scan numbers, of those that exist, that an expression selects; see `parse_integers`."""
    return parse_integers(text, scans, "scan")
