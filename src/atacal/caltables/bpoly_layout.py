"""The columns of CASA's BPOLY tables as casacore describes them, and what CASA puts into those that it does not use."""

from __future__ import annotations

from typing import Any

import numpy as np

from atacal.ms.metadata import FRAMES

# fmt: off
_DIRECTIONS = [
    "J2000", "JMEAN", "JTRUE", "APP", "B1950", "B1950_VLA", "BMEAN", "BTRUE", "GALACTIC", "HADEC", "AZEL", "AZELSW",
    "AZELNE", "AZELGEO", "AZELSWGEO", "AZELNEGEO", "JNAT", "ECLIPTIC", "MECLIPTIC", "TECLIPTIC", "SUPERGAL", "ITRF",
    "TOPO", "ICRS", "MERCURY", "VENUS", "MARS", "JUPITER", "SATURN", "URANUS", "NEPTUNE", "PLUTO", "SUN", "MOON",
    "COMET",
]
# fmt: on
_DIRECTION_CODES = [*range(12), 10, 12, 13, 12, *range(14, 22), *range(32, 43)]
_DIRECT, _UNDEFINED_FRAME = 5, 64

_SECONDS = {"QuantumUnits": ["s"]}
_FREQUENCY = {
    "QuantumUnits": ["Hz"],
    "MEASINFO": {
        "type": "frequency",
        "VarRefCol": "MEAS_FREQ_REF",
        "TabRefTypes": [*FRAMES, "Undefined"],
        "TabRefCodes": np.array([*range(len(FRAMES)), _UNDEFINED_FRAME], np.uint32),
    },
}
_DIRECTION = {
    "QuantumUnits": ["rad", "rad"],
    "MEASINFO": {
        "type": "direction",
        "VarRefCol": "MEAS_DIR_REF",
        "TabRefTypes": _DIRECTIONS,
        "TabRefCodes": np.array(_DIRECTION_CODES, np.uint32),
    },
}
_KEYWORDS: dict[str, dict[str, Any]] = {
    "TIME": {**_SECONDS, "MEASINFO": {"type": "epoch", "Ref": "UTC"}},
    "TIME_EXTRA_PREC": _SECONDS,
    "INTERVAL": _SECONDS,
    "REF_FREQUENCY": _FREQUENCY,
    "REF_DIRECTION": _DIRECTION,
    "CHAN_FREQ": _FREQUENCY,
    "CHAN_WIDTH": {"QuantumUnits": ["Hz"]},
}


def _scalars(valuetype: str, names: str, option: int = _DIRECT) -> dict[str, Any]:
    return {n: _column(n, valuetype, option) for n in names.split()}


def _arrays(valuetype: str, names: str) -> dict[str, Any]:
    return {n: {**_column(n, valuetype, 0), "ndim": -1, "_c_order": True} for n in names.split()}


def _column(name: str, valuetype: str, option: int) -> dict[str, Any]:
    manager = {"dataManagerType": "StandardStMan", "dataManagerGroup": "StandardStMan"}
    keywords = _KEYWORDS.get(name, {})
    return {"valueType": valuetype, **manager, "option": option, "maxlen": 0, "comment": "", "keywords": keywords}


MAIN: dict[str, Any] = {
    **_scalars("double", "TIME TIME_EXTRA_PREC INTERVAL"),
    **_scalars("int", "ANTENNA1 FEED1 FIELD_ID ARRAY_ID OBSERVATION_ID SCAN_NUMBER PROCESSOR_ID STATE_ID PHASE_ID"),
    **_scalars("int", "PULSAR_BIN PULSAR_GATE_ID FREQ_GROUP"),
    **_scalars("string", "FREQ_GROUP_NAME FIELD_NAME FIELD_CODE SOURCE_NAME SOURCE_CODE"),
    **_scalars("int", "CALIBRATION_GROUP"),
    **_arrays("complex", "GAIN"),
    **_scalars("string", "POLY_TYPE POLY_MODE", 0),
    **_scalars("complex", "SCALE_FACTOR", 0),
    **_arrays("double", "VALID_DOMAIN"),
    **_scalars("int", "N_POLY_AMP N_POLY_PHASE", 0),
    **_arrays("double", "POLY_COEFF_AMP POLY_COEFF_PHASE"),
    **_scalars("string", "PHASE_UNITS", 0),
    **_scalars("complex", "SIDEBAND_REF", 0),
    **_arrays("int", "REF_ANT REF_FEED REF_RECEPTOR"),
    **_arrays("double", "REF_FREQUENCY"),
    **_scalars("int", "MEAS_FREQ_REF"),
    **_arrays("double", "REF_DIRECTION"),
    **_scalars("int", "MEAS_DIR_REF CAL_DESC_ID CAL_HISTORY_ID"),
    **_scalars("boolean", "TOTAL_SOLUTION_OK"),
    **_scalars("float", "TOTAL_FIT TOTAL_FIT_WEIGHT"),
    **_arrays("boolean", "SOLUTION_OK"),
    **_arrays("float", "FIT FIT_WEIGHT"),
    **_arrays("boolean", "FLAG"),
    **_arrays("float", "SNR"),
}

CAL_DESC: dict[str, Any] = {
    **_scalars("int", "NUM_SPW"),
    **_arrays("int", "NUM_CHAN"),
    **_scalars("int", "NUM_RECEPTORS N_JONES"),
    **_arrays("int", "SPECTRAL_WINDOW_ID"),
    **_arrays("double", "CHAN_FREQ"),
    **_scalars("int", "MEAS_FREQ_REF"),
    **_arrays("double", "CHAN_WIDTH"),
    **_arrays("int", "CHAN_RANGE"),
    **_arrays("string", "POLARIZATION_TYPE"),
    **_scalars("string", "JONES_TYPE MS_NAME"),
}

CAL_HISTORY: dict[str, Any] = _scalars("string", "CAL_PARMS CAL_TABLES CAL_SELECT CAL_NOTES")


def unused(nrow: int) -> dict[str, list[Any]]:
    """Return what CASA puts into the columns that it does not use, ``nrow`` times."""
    minus_one = (
        "FEED1", "ARRAY_ID", "OBSERVATION_ID", "SCAN_NUMBER", "PROCESSOR_ID", "STATE_ID", "PHASE_ID", "PULSAR_BIN",
        "PULSAR_GATE_ID", "FREQ_GROUP", "CALIBRATION_GROUP", "CAL_HISTORY_ID",
    )  # fmt: skip
    cells: dict[str, Any] = dict.fromkeys(minus_one, -1)
    cells |= dict.fromkeys(("FIELD_NAME", "FIELD_CODE", "SOURCE_NAME", "SOURCE_CODE"), "")
    cells |= {"TIME_EXTRA_PREC": 0.0, "INTERVAL": 0.0, "FREQ_GROUP_NAME": "", "GAIN": np.zeros((1, 1, 1, 1), "c8")}
    cells |= {"POLY_TYPE": "CHEBYSHEV", "POLY_MODE": "A&P", "SCALE_FACTOR": 1 + 0j, "PHASE_UNITS": "RADIANS"}
    cells |= {"SIDEBAND_REF": 1 + 0j, "REF_FEED": np.zeros((1, 1, 1), "i4"), "REF_RECEPTOR": np.zeros((1, 1, 1), "i4")}
    cells |= {"REF_DIRECTION": np.array([0.0, np.pi / 2]).reshape(1, 1, 1, 2), "MEAS_DIR_REF": 0}
    cells |= {"TOTAL_SOLUTION_OK": False, "TOTAL_FIT": 0.0, "TOTAL_FIT_WEIGHT": 0.0}
    zero = np.zeros((1, 1, 1, 1), "f4")
    cells |= {"SOLUTION_OK": np.zeros((1, 1, 1, 1), bool), "FLAG": np.ones((1, 1, 1, 1), bool)}
    cells |= {"FIT": zero, "FIT_WEIGHT": zero, "SNR": zero}
    return {name: [value] * nrow for name, value in cells.items()}
