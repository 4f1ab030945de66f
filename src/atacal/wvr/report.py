"""What the user is told: the retrieved parameters, each antenna's statistics, the expected performance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.ms.metadata import Metadata
from atacal.wvr.retrieval import Retrieval

CLOUDY_UM = 1000.0
"""Discrepancies above this in all antennas: clouds, the correction does harm (CASA's documentation of wvrgcal)."""


@dataclass(frozen=True, eq=False)
class Found:
    """One set of coefficients: what was retrieved, from which sample, for which sources."""

    retrieval: Retrieval
    sources: tuple[str, ...]
    time: float
    antenna: str
    elevation_rad: float
    measured_k: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of each antenna, all (antenna,), and of the array.

    Attributes
    ----------
    has_radiometer, flagged : bool
    good_fraction : float64
    rms_mm, discrepancy_mm : float64
        Standard deviations in time of the path towards the zenith, and of the difference of the paths by the second
        and the fourth channel alone.
    thermal_mm, greatest_mm, coefficient_mm : float
        Thermal noise of an antenna's path; greatest scatter on a baseline; the part of it that is as uncertain as the
        coefficients.
    """

    has_radiometer: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    good_fraction: NDArray[np.float64]
    rms_mm: NDArray[np.float64]
    discrepancy_mm: NDArray[np.float64]
    thermal_mm: float
    greatest_mm: float
    coefficient_mm: float


def retrieved_lines(found: list[Found]) -> list[str]:
    """Return the table of retrieved parameters, a line each: CASA's columns, then errors of the slopes and sources."""
    lines = [
        "       Retrieved parameters      ",
        "----------------------------------------------------------------",
        _columns("Evidence", "PWV", "PWV Error", "dT1dL", "dT2dL", "dT3dL", "dT4dL", "+-", "", "", "", "Sources"),
    ]
    for one in found:
        r = one.retrieval
        numbers = (r.log_evidence, r.pwv_mm, r.pwv_error_mm, *r.dtdl_k_mm, *r.dtdl_error_k_mm)
        lines.append(_columns(*(f"{x:.6f}" for x in numbers), "+".join(one.sources)))
    return lines


def antenna_lines(metadata: Metadata, statistics: Statistics) -> list[str]:
    """Return the table of antennas and the expected performance, a line each, in CASA's words."""
    lines = [
        "     Antenna/WVR information:                     ",
        "-----------------------------------------------------------------------",
        "#       Name    WVR?    Flag?   RMS (um)        Disc (um)",
    ]
    for antenna in metadata.antennas:
        i = antenna.id
        lines.append(
            f"{i:<8d}{antenna.name:<8}{_yes(statistics.has_radiometer[i])}{_yes(statistics.flagged[i])}"
            f"{statistics.rms_mm[i] * 1e3:<16.4g}{statistics.discrepancy_mm[i] * 1e3:.4g}"
        )
    return [
        *lines,
        "  Expected performance ",
        "------------------------------------------------------------------",
        "* Estimated WVR thermal contribution to path fluctuations (micron per antenna): "
        f"{statistics.thermal_mm * 1e3:.6g}",
        f"* Greatest Estimated path fluctuation is (micron on a baseline): {statistics.greatest_mm * 1e3:.6g}",
        "* Rough estimate path error due to coefficient error (micron on a baseline): "
        f"{statistics.coefficient_mm * 1e3:.6g}",
    ]


def _columns(*words: str) -> str:
    return "".join(f"{word:<16}" if i < 3 else f"{word:<12}" for i, word in enumerate(words)).rstrip()


def _yes(value: object) -> str:
    return "Yes     " if value else "No      "


def casa_dict(metadata: Metadata, statistics: Statistics, found: list[Found]) -> dict[str, Any]:
    """Return CASA's dictionary, with the retrieved parameters beside it."""
    return {
        "Name": metadata.antenna_names(),
        "WVR": statistics.has_radiometer.tolist(),
        "Flag": statistics.flagged.tolist(),
        "Frac_unflagged": statistics.good_fraction.tolist(),
        "RMS_um": (statistics.rms_mm * 1e3).tolist(),
        "Disc_um": (statistics.discrepancy_mm * 1e3).tolist(),
        "rval": 0,
        "success": True,
        "retrieved": [_one(f) for f in found],
    }


def _one(found: Found) -> dict[str, Any]:
    r = found.retrieval
    return {
        "sources": list(found.sources),
        "time_mjd_s": found.time,
        "antenna": found.antenna,
        "elevation_deg": float(np.degrees(found.elevation_rad)),
        "measured_K": found.measured_k.tolist(),
        "PWV_mm": r.pwv_mm,
        "PWV_err_mm": r.pwv_error_mm,
        "dTdL_K_per_mm": r.dtdl_k_mm.tolist(),
        "dTdL_err_K_per_mm": r.dtdl_error_k_mm.tolist(),
        "layer_temperature_K": r.temperature_k,
        "layer_pressure_mbar": r.pressure_mbar,
        "cloud_opacity": r.cloud_opacity,
        "ln_evidence": r.log_evidence,
        "chi2": r.chi2,
    }
