"""Mode clip: flag visibilities by their value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.flags.agents import require_column
from atacal.flags.commands import Command
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.stream import Block

FUNCTIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "ABS": np.abs,
    "REAL": np.real,
    "IMAG": np.imag,
    "ARG": np.angle,
    "NORM": lambda v: np.real(v) ** 2 + np.imag(v) ** 2,
}
"""What a correlation expression such as ``REAL_XX`` may take of a visibility."""

_COLUMNS = {
    "DATA": ("DATA",), "CORRECTED": ("CORRECTED_DATA",), "CORRECTED_DATA": ("CORRECTED_DATA",),
    "MODEL": ("MODEL_DATA",), "MODEL_DATA": ("MODEL_DATA",), "FLOAT_DATA": ("FLOAT_DATA",),
    "RESIDUAL": ("CORRECTED_DATA", "MODEL_DATA"), "RESIDUAL_DATA": ("DATA", "MODEL_DATA"),
    "WEIGHT_SPECTRUM": ("WEIGHT_SPECTRUM",), "SIGMA_SPECTRUM": ("SIGMA_SPECTRUM",),
    "WEIGHT": ("WEIGHT",), "SIGMA": ("SIGMA",),
    "CPARAM": ("CPARAM",), "FPARAM": ("FPARAM",), "SNR": ("SNR",), "PARAMERR": ("PARAMERR",),
}  # fmt: skip


def split_expression(text: str) -> tuple[str, str]:
    """Split ``REAL_XX,YY`` into the function and the correlation names (empty: all of them)."""
    text = text.strip().upper()
    for name in FUNCTIONS:
        if text.startswith(name):
            rest = text[len(name) :].lstrip("_ ")
            return name, "" if rest == "ALL" else rest
    return "ABS", "" if text == "ALL" else text


_NEARLY_ZERO = float(np.finfo(np.float32).eps)  # what CASA takes for zero
_STOKES: dict[str, tuple[tuple[str, str, complex, complex], ...]] = {
    "I": (("XX", "YY", 0.5, 0.5), ("RR", "LL", 0.5, 0.5)),
    "Q": (("XX", "YY", 0.5, -0.5), ("RL", "LR", 0.5, 0.5)),
    "U": (("XY", "YX", 0.5, 0.5), ("RL", "LR", -0.5j, 0.5j)),
    "V": (("XY", "YX", -0.5j, 0.5j), ("RR", "LL", 0.5, -0.5)),
}
"""Stokes parameters as sums of two correlations, with their factors: linear receptors, circular ones."""


def stored_correlations(text: str) -> str:
    """Return the correlation expression that selects what an expression such as ``ABS_I`` or ``REAL_XX`` needs."""
    names = split_expression(text)[1]
    return "" if any(name.strip() in _STOKES for name in names.split(",")) else names


class Clip:
    """Which visibilities lie outside (or inside) limits, are not finite, or are zero.

    Attributes
    ----------
    columns : tuple of str
        What it reads.
    """

    def __init__(self, command: Command, ms: MeasurementSet) -> None:
        p = command.parameters
        self._pols = ms.metadata.pols
        names = [name.strip() for name in split_expression(command.correlation)[1].split(",")]
        self._combined = names if any(name in _STOKES for name in names) else []
        name = str(p["datacolumn"]).upper()
        if name in ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM") and not ms.has(name):
            name = name.removesuffix("_SPECTRUM")  # a column without cells: every channel weighs the same
        if name == "DATA" and "DATA" not in ms.columns():
            # single-dish data, and the parameters of a calibration table
            name = next((c for c in ("FLOAT_DATA", "CPARAM", "FPARAM") if c in ms.columns()), name)
        if name not in _COLUMNS:
            raise ArgumentError(f"flagdata: datacolumn={p['datacolumn']!r}; it can be {', '.join(_COLUMNS)}")
        self._virtual = None
        wanted = list(_COLUMNS[name])
        if "MODEL_DATA" in wanted and "MODEL_DATA" not in ms.columns():
            from atacal.ms.models import SkyModel

            wanted.remove("MODEL_DATA")
            self._virtual = SkyModel.of(ms)
        for column in wanted:
            require_column(ms, column)
        self.columns = tuple(wanted)
        self._names = _COLUMNS[name]
        self._take = FUNCTIONS[split_expression(command.correlation)[0]]
        self._limits = tuple(float(x) for x in p["clipminmax"])
        self._outside, self._zeros = bool(p["clipoutside"]), bool(p["clipzeros"])

    def cells(self, block: Block, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which visibilities of some rows are to be flagged, bool (rows, chan, corr)."""
        values = self._column(block, self._names[0], rows)
        if len(self._names) == 2:
            with np.errstate(invalid="ignore"):
                values = values - self._column(block, self._names[1], rows)
        with np.errstate(invalid="ignore", over="ignore"):
            return self._bad_combined(values, block.pol) if self._combined else self._bad(self._take(values))

    def _bad_combined(self, values: NDArray, pol: int) -> NDArray[np.bool_]:
        """Judge Stokes parameters; a bad one flags the two correlations that it is made of."""
        corrs = list(self._pols[pol].corrs)
        bad = np.zeros(values.shape, bool)
        for name in self._combined:
            if name in corrs:
                i = corrs.index(name)
                bad[..., i] |= self._bad(self._take(values[..., i]))
            for first, second, factor1, factor2 in _STOKES.get(name, ()):
                if name not in corrs and first in corrs and second in corrs:
                    i, j = corrs.index(first), corrs.index(second)
                    sum_ = (factor1 * values[..., i] + factor2 * values[..., j]).astype(np.complex64)
                    hit = self._bad(self._take(sum_))
                    bad[..., i] |= hit
                    bad[..., j] |= hit
        return bad

    def _column(self, block: Block, name: str, rows: NDArray[np.intp]) -> NDArray:
        if name == "MODEL_DATA" and self._virtual is not None:
            model = np.asarray(self._virtual.block(block))
            return model[rows] if model.shape[0] == block.nrow else model
        values = block[name][rows]
        return values if values.ndim == 3 else values[:, None, :]

    def _bad(self, value: NDArray) -> NDArray[np.bool_]:
        bad = ~np.isfinite(value)
        if self._limits:
            low, high = self._limits
            # CASA compares single-precision values with double-precision limits
            value = value.astype(np.float64)
            within = (value >= low) & (value <= high)
            bad |= ~within if self._outside else within
        if self._zeros:
            bad |= np.abs(value) < _NEARLY_ZERO
        return np.asarray(bad)
