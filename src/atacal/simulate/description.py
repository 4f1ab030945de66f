"""A synthetic block described as a MeasurementSet describes itself."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from atacal.ms.create import MSWriter
from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw
from atacal.simulate.array import DISH_M
from atacal.simulate.instrument import Instrument
from atacal.simulate.presets import INTENTS, ROLES, Window
from atacal.simulate.sky import Source
from atacal.simulate.visibilities import CORR_RECEPTORS, Recording, Rows

_CORR_TYPES = {"XX": 9, "XY": 10, "YX": 11, "YY": 12}


def new_block(
    path: str | os.PathLike[str], sources: tuple[Source, ...], instrument: Instrument, recording: Recording
) -> MSWriter:
    """Begin the block's MeasurementSet."""
    array, windows = instrument.array, instrument.windows
    first, last = float(instrument.time_mjd_s[0]), float(instrument.time_mjd_s[-1])
    half = recording.integration_s / 2
    return MSWriter(
        path,
        antennas=[
            Antenna(i, name, pad, tuple(float(x) for x in xyz), DISH_M, "ALT-AZ", False)  # type: ignore[arg-type]
            for i, (name, pad, xyz) in enumerate(zip(array.names, array.pads, array.itrf_m, strict=True))
        ],
        fields=[Field(i, s.name, "none", i, (s.ra_rad, s.dec_rad), "J2000", first) for i, s in enumerate(sources)],
        spws=[_spw(w) for w in windows],
        pols=[
            Polarization(
                0, tuple(_CORR_TYPES[c] for c in recording.corrs), tuple(CORR_RECEPTORS[c] for c in recording.corrs)
            )
        ],
        ddids=[DataDescription(w.id, w.id, 0) for w in windows],
        states=[INTENTS[role] for role in ROLES],
        observations=[Observation(0, "ALMA", "atacal", "simulated", (first - half, last + half))],
        columns=("DATA", "WEIGHT_SPECTRUM") if recording.weight_spectrum else ("DATA",),
    )


def _spw(window: Window) -> Spw:
    width = np.full(window.nchan, window.chan_width_hz)
    return Spw(
        window.id, window.name, window.chan_freq_hz, width, np.abs(width), np.abs(width), float(window.chan_freq_hz[0]),
        float(np.abs(width).sum()), "TOPO", window.net_sideband, window.baseband, 0,
    )  # fmt: skip


def append_rows(writer: MSWriter, rows: Rows, recording: Recording) -> None:
    """Append rows to the block's MeasurementSet."""
    cubes: dict[str, Any] = {}
    if recording.weight_spectrum:
        cubes["weight_spectrum"] = np.repeat(rows.weight[:, None], rows.vis.shape[1], axis=1)
    writer.append(
        ddid=rows.spw, time=rows.time_mjd_s, antenna1=rows.antenna1, antenna2=rows.antenna2, data=rows.vis,
        uvw=rows.uvw_m, flag=rows.flag, weight=rows.weight, sigma=rows.sigma, interval=recording.integration_s,
        field=rows.subscan.field, scan=rows.subscan.scan, state=ROLES.index(rows.subscan.role), **cubes,
    )  # fmt: skip
