"""A calibration table in memory: plain arrays on a (slot, antenna) grid, one set per spw."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.ms.metadata import Antenna, Field, Spw


@dataclass(eq=False)
class SpwSolutions:
    """The solutions of one spw. A slot is one solution interval of one field and scan.

    Attributes
    ----------
    spw : int
        Row of SPECTRAL_WINDOW, the same id as in the MeasurementSet.
    time, interval : float64 (slot,)
        [MJD s], [s].
    field, scan, obs : int32 (slot,)
        FIELD_ID, SCAN_NUMBER (-1 for solutions over several scans), OBSERVATION_ID.
    refant : int32 (slot, antenna)
        ANTENNA2: the reference antenna's id, -1 for none.
    param : complex64 or float32 (slot, antenna, chan, par)
        CPARAM or FPARAM; ``par`` is one a polarisation (T: one in all).
    error, snr : float32, shape of ``param``
    flag : bool, shape of ``param``
        True for a solution that must not be used.
    weight : float32, shape of ``param``, optional
        CASA's WEIGHT column, which CASA never fills: None where the cells are undefined.
    row : int64 (slot, antenna), optional
        Row number in the file that was read, -1 where an antenna has no row; None in a new table, whose rows are
        written slot by slot, all antennas each.
    """

    spw: int
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    field: NDArray[np.int32]
    scan: NDArray[np.int32]
    obs: NDArray[np.int32]
    refant: NDArray[np.int32]
    param: NDArray
    error: NDArray[np.float32]
    snr: NDArray[np.float32]
    flag: NDArray[np.bool_]
    weight: NDArray[np.float32] | None = None
    row: NDArray[np.int64] | None = None

    @property
    def nslot(self) -> int:
        return self.param.shape[0]

    @property
    def nchan(self) -> int:
        return self.param.shape[2]


@dataclass(eq=False)
class CalTable:
    """A calibration table.

    Attributes
    ----------
    kind : str
        CASA's VisCal: ``G Jones``, ``T Jones``, ``B Jones``, ``K Jones``, ``B TSYS``, ``KAntPos Jones``...
    par_type : str
        ``Complex`` (CPARAM) or ``Float`` (FPARAM).
    pol_basis : str
        ``linear``, ``circular`` or ``unknown``.
    ms_name : str
        Name (not path) of the MeasurementSet it was solved from.
    antennas, fields, spws : tuples
        The table's own ANTENNA, FIELD, SPECTRAL_WINDOW (``spws[i].chan_freq_hz`` are the solution channels).
    solutions : dict of spw -> SpwSolutions
    subtables_from : Path
        The MeasurementSet or calibration table whose small tables are copied when this one is written.
    path : Path, optional
        Where it was read from.
    casa_version : str
        The CASA_Version keyword as it was read; atacal's own on new tables.
    """

    kind: str
    par_type: str
    pol_basis: str
    ms_name: str
    antennas: tuple[Antenna, ...]
    fields: tuple[Field, ...]
    spws: tuple[Spw, ...]
    solutions: dict[int, SpwSolutions]
    subtables_from: Path
    path: Path | None = None
    casa_version: str = ""
    history: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The table's folder name, or its kind while it has none."""
        return self.path.name if self.path else f"(new {self.kind} table)"
