"""Pictures of a run's tables and calibrated data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from atacal.memory import give_back
from atacal.progress import track


def draw(tables: Sequence[Path], calibrated: Path, folder: Path) -> list[str]:
    """Draw every table, and the calibrated amplitudes and phases against time, frequency and uv distance.

    Parameters
    ----------
    tables : sequence of Path
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
    for table in track(list(tables), label="pictures of tables"):
        made += plot_caltable(table, folder)
        give_back()  # figures
    made += plot_ms(calibrated, folder, datacolumn="data")
    return [os.fspath(path) for path in made]
