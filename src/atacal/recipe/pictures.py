"""Pictures of a run's tables and calibrated data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from atacal.memory import give_back
from atacal.progress import track


def draw(tables: Mapping[str, Path], calibrated: Path, folder: Path) -> list[str]:
    """Draw every table, and the calibrated amplitudes and phases against time, frequency and uv distance.

    Parameters
    ----------
    tables : mapping of name -> Path
        Calibration tables.
    calibrated : Path
        The calibrated MeasurementSet.
    folder : Path
        Where the PNG files go.

    Returns
    -------
    list of str
        Their paths.
    """
    from atacal.plots import plot_caltable, plot_ms

    made: list[Path] = []
    for name, table in track(list(tables.items()), label="pictures of tables"):
        made += plot_caltable(table, folder, spws=_first_spw(table) if name == "wvr" else ())
        give_back()  # figures
    made += plot_ms(calibrated, folder, datacolumn="data")
    return [os.fspath(path) for path in made]


def _first_spw(table: Path) -> tuple[int, ...]:
    """Return the first spw: the water's phases are the same path in all."""
    from atacal.caltables.disk import read_caltable

    return tuple(sorted(read_caltable(table).solutions))[:1]
