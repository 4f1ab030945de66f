"""How much longer than at low frequencies the wet path is at a frequency: the lines of water make it dispersive."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, InvalidTable, NoSuchTable

FOLDER_VARIABLE = "WVRGCAL_DISPDIR"
"""Environment variable that names a folder with another table, as CASA's wvrgcal has it."""
FILE_NAME = "libair-ddefault.csv"
_OWN = Path(__file__).parent / "data" / "dispersion.csv"


def table_path() -> Path:
    """Return the dispersion table in use: the one in ``$WVRGCAL_DISPDIR``, else the one that comes with atacal.

    Raises
    ------
    NoSuchTable
        If the variable names a folder without the table.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return _OWN
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise NoSuchTable(f"{FOLDER_VARIABLE}={folder}: there is no {FILE_NAME} in that folder")
    return path


def dispersion(freq_hz: float) -> float:
    """Return the excess of the path's phase over a non-dispersive path's, as a fraction of it.

    Raises
    ------
    ArgumentError
        If the table does not reach the frequency.
    NoSuchTable, InvalidTable
        If a user's table is missing or cannot be read.
    """
    path = table_path()
    freq, excess = _read(path)
    if not freq[0] <= freq_hz <= freq[-1]:
        raise ArgumentError(
            f"disperse: {freq_hz * 1e-9:.3f} GHz is outside the table {path}, which has "
            f"{freq[0] * 1e-9:g} to {freq[-1] * 1e-9:g} GHz"
        )
    return float(np.interp(freq_hz, freq, excess))


@cache
def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        values = np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError as error:
        raise InvalidTable(f"{path} is no dispersion table (frequency [Hz], excess): {error}") from error
    if values.shape[1] != 2 or len(values) < 2 or not (np.diff(values[:, 0]) > 0).all():
        raise InvalidTable(f"{path} is no dispersion table: it needs two columns, frequencies [Hz] ascending")
    return values[:, 0], values[:, 1]
