"""The report's pictures: drawn by `atacal.plots`, kept as data that a page can carry."""

from __future__ import annotations

import base64
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atacal.caltables.table import CalTable
from atacal.errors import AtacalError
from atacal.memory import give_back
from atacal.ms.measurement_set import MeasurementSet
from atacal.qa2.calibrated import calibrated_column

log = logging.getLogger("atacal")


@dataclass(frozen=True)
class Picture:
    """A picture: what it shows, and the PNG as a data URI."""

    caption: str
    data: str


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing below warnings: the files that pictures go through are gone when the page is there."""
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def _embedded(paths: Sequence[Path]) -> list[Picture]:
    out = []
    for path in paths:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        out.append(Picture(path.stem, f"data:image/png;base64,{data}"))
        path.unlink()
        path.with_suffix(".npz").unlink(missing_ok=True)
    give_back()  # figures
    return out


def table_pictures(table: CalTable, role: str) -> list[Picture]:
    """Draw a table: spectra against frequency, gains against time, positions against antenna.

    The phases of the water are drawn in the first spw only: the path is the same in all.
    """
    from atacal.plots import plot_caltable

    assert table.path is not None
    spws = [min(table.solutions)] if role in ("wvr", "trial") and table.solutions else []
    with quiet(), tempfile.TemporaryDirectory(prefix="atacal-qa2-") as folder:
        try:
            return _embedded(plot_caltable(table.path, folder, spws=spws))
        except AtacalError as error:
            log.warning("%s has no pictures: %s", table.name, error)
            return []


def air_pictures(table: CalTable, vis: str) -> list[Picture]:
    """Draw the spectra of all antennas in one panel for each spw and time, with the air's transmission above."""
    from atacal.tasks import plotbandpass

    with quiet(), tempfile.TemporaryDirectory(prefix="atacal-qa2-") as folder:
        try:
            overlay = "antenna,time" if "TSYS" in table.kind else "antenna"
            made = plotbandpass(
                str(table.path), xaxis="freq", yaxis="amp", overlay=overlay, subplot="22", showatm=True, vis=vis,
                chanrange="90%", figfile=str(Path(folder) / f"{table.name}.with_air"),
            )  # fmt: skip
            return _embedded(made)
        except AtacalError as error:
            log.warning("%s has no pictures with the air: %s", table.name, error)
            return []


def field_pictures(ms: MeasurementSet, field: int) -> list[Picture]:
    """Draw a field's calibrated amplitudes and phases against time, frequency and uv distance."""
    from atacal.plots import plot_ms

    column = "corrected" if calibrated_column(ms) == "CORRECTED_DATA" else "data"
    with quiet(), tempfile.TemporaryDirectory(prefix="atacal-qa2-") as folder:
        try:
            return _embedded(plot_ms(ms.path, folder, datacolumn=column, field=str(field)))
        except AtacalError as error:
            log.warning("field %d has no pictures: %s", field, error)
            return []
