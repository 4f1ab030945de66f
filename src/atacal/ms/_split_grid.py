"""The new grid of channels of a window that split writes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from atacal.errors import ArgumentError
from atacal.ms._regrid import METHODS, Regrid
from atacal.ms._subtables import SpwOut
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Field
from atacal.ms.selected import Selected
from atacal.ms.spectral_frames import OUT_FRAMES, FrequencyFrame
from atacal.ms.spectral_grid import GridOptions, new_grid


@dataclass(frozen=True)
class RegridOptions:
    """A new grid of channels.

    Attributes
    ----------
    grid : GridOptions
    outframe : str
        '' for the frame of the data.
    method : str
        nearest, linear, cubic.
    phasecenter : str
        The direction that frequencies are converted for ('J2000 19h30m00 -40d00m00'), or the id of a field; '' for that
        of the first field.
    """

    grid: GridOptions
    outframe: str = ""
    method: str = "linear"
    phasecenter: str = ""

    def check(self) -> None:
        """Raise unless it can be done.

        Raises
        ------
        ArgumentError
        """
        if self.method not in METHODS:
            raise ArgumentError(f"interpolation={self.method!r} is not available; possible are {', '.join(METHODS)}")
        if self.outframe and self.outframe.upper() not in OUT_FRAMES:
            raise ArgumentError(f"outframe={self.outframe!r} is not available; possible are {', '.join(OUT_FRAMES)}")


def regridded(ms: MeasurementSet, selected: Selected, spw: SpwOut, how: RegridOptions) -> tuple[Regrid, SpwOut]:
    """Work out a window's new grid.

    Frequencies change from frame to frame at the time of each row; the grid is that of the first row.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
    spw : SpwOut
        The window as it is before.
    how : RegridOptions

    Raises
    ------
    ArgumentError
    """
    source = ms.metadata.spws[spw.source].frame
    target = how.outframe.upper() or source
    if source not in OUT_FRAMES and source != target:
        raise ArgumentError(f"the frequencies of spw {spw.source} are in {source}: they cannot be brought to {target}")
    runs = selected.runs
    if not len(runs):
        raise ArgumentError(f"{ms.path}: nothing is selected: there is no time to make a grid for")
    first = int(np.argmin(runs.row0))
    near = float(spw.freq_hz[0])
    if source == target:
        ratios = dict.fromkeys(np.unique(runs.time).tolist(), 1.0)
    else:
        place = _direction(ms, int(runs.field[first]), how.phasecenter)
        frame = FrequencyFrame(ms.metadata.telescope, place.phase_dir_rad, place.frame)
        ratios = frame.ratios(np.unique(runs.time).tolist(), source, target, near)
    there = ratios[float(runs.time[first])]
    freq, width = new_grid(spw.freq_hz * there, spw.width_hz * there, how.grid, spw=spw.source)
    wider = float(abs(width[0]) / (abs(spw.width_hz[0]) * there))
    regrid = Regrid(spw.freq_hz, freq, float(width[0]), ratios, how.method, wider)
    return regrid, replace(
        spw, whole=False, freq_hz=freq, width_hz=width, effective_bw_hz=width, resolution_hz=width, frame=target
    )


def _direction(ms: MeasurementSet, field: int, phasecenter: str) -> Field:
    from atacal.ms.phase_centre import read_direction

    text = str(phasecenter).strip()
    fields = ms.metadata.fields
    if text.isdigit():
        if int(text) >= len(fields):
            raise ArgumentError(f"phasecenter={text}: there are the fields 0 to {len(fields) - 1}")
        return fields[int(text)]
    return replace(fields[field], phase_dir_rad=read_direction(text, fields[field])) if text else fields[field]
