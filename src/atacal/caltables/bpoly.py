"""Polynomial bandpasses in memory: the rows of a BPOLY table, and the gains that they stand for.

BPOLY is the last of CASA's tables in the format of AIPS++: its rows hold Chebyshev coefficients of an antenna's log
amplitude and phase, and refer to a row of CAL_DESC for the spw. `bpoly_disk` reads and writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.rows import group_slots
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import CaltableMismatch, InvalidTable
from atacal.ms.metadata import Antenna, Field, Spw
from atacal.solve.bpoly import evaluate, scaled

KIND = "BPOLY"


@dataclass(eq=False)
class Polynomials:
    """The solutions of one spw.

    Attributes
    ----------
    spw : int
    time, interval : float64 (slot,)
        [MJD s], [s].
    field, scan, obs : int32 (slot,)
        -1 where the table does not say.
    refant : int32 (slot, antenna)
    amplitude, phase : float64 (slot, antenna, 2, coefficient)
        Chebyshev coefficients of log amplitude and of phase [rad], for both receptors; the constant term counts half.
    scale : complex128 (slot, antenna)
        By which the gains are multiplied; 1 in all that CASA solves.
    domain_hz : float64 (slot, antenna, 2)
        Lowest and highest frequency the polynomials are for.
    good : bool (slot, antenna, 2)
        False where there is no solution: in the table all its coefficients are 0.
    snr : float32 (slot, antenna, 2)
    row : int64 (slot, antenna), optional
        Row in the table that was read, -1 for none.
    """

    spw: int
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    field: NDArray[np.int32]
    scan: NDArray[np.int32]
    obs: NDArray[np.int32]
    refant: NDArray[np.int32]
    amplitude: NDArray[np.float64]
    phase: NDArray[np.float64]
    scale: NDArray[np.complex128]
    domain_hz: NDArray[np.float64]
    good: NDArray[np.bool_]
    snr: NDArray[np.float32]
    row: NDArray[np.int64] | None = None

    def gains(self, freq_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the gains at frequencies [Hz], complex128 (slot, antenna, chan, 2); 1 without a solution.

        Outside the domain the gain is that at the domain's edge.
        """
        nslot, nant = self.refant.shape
        out = np.ones((nslot, nant, len(freq_hz), 2), np.complex128)
        domains, which = np.unique(self.domain_hz.reshape(-1, 2), axis=0, return_inverse=True)
        for number, (low, high) in enumerate(domains):
            slot, ant = np.nonzero((which == number).reshape(nslot, nant))
            x = scaled(freq_hz, low, high)
            log, angle = evaluate(self.amplitude[slot, ant], x), evaluate(self.phase[slot, ant], x)
            value = np.moveaxis(np.exp(log + 1j * angle), 1, 2) * self.scale[slot, ant][:, None, None]
            out[slot, ant] = np.where(self.good[slot, ant][:, None, :], value, 1.0)
        return out


@dataclass(eq=False)
class BPolyTable:
    """A BPOLY table: every column as it stands on disk.

    Attributes
    ----------
    columns : dict of name -> array or list, one entry a row
    cal_desc, cal_history : dict of name -> list
        Their columns; None for an undefined cell.
    layout, desc_layout, history_layout : dict
        casacore's descriptions of the columns.
    antennas, fields, spws : tuples, or None
        The small tables that atacal adds to what it writes; CASA's tables lack them.
    subtables_from : Path, optional
        The MeasurementSet or BPOLY table whose small tables are copied when this one is written.
    path : Path, optional
        Where it was read from.
    pol_basis : str
        ``linear``, ``circular``, or empty in CASA's tables, which do not say.
    """

    columns: dict[str, Any]
    cal_desc: dict[str, list[Any]]
    cal_history: dict[str, list[Any]]
    layout: dict[str, Any]
    desc_layout: dict[str, Any]
    history_layout: dict[str, Any]
    antennas: tuple[Antenna, ...] | None = None
    fields: tuple[Field, ...] | None = None
    spws: tuple[Spw, ...] | None = None
    subtables_from: Path | None = None
    path: Path | None = None
    pol_basis: str = ""
    history: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The table's folder name."""
        return self.path.name if self.path else "(new BPOLY table)"

    @property
    def ms_name(self) -> str:
        """Name of the MeasurementSet it was solved from."""
        return next((str(n) for n in self.cal_desc["MS_NAME"] if n), "")

    @property
    def nrow(self) -> int:
        return len(self.columns["ANTENNA1"])

    def row_spws(self) -> NDArray[np.int64]:
        """Return the spw of every row."""
        spws = []
        for number, ids in enumerate(self.cal_desc["SPECTRAL_WINDOW_ID"]):
            if ids is None or np.size(ids) != 1:
                raise InvalidTable(f"{self.name} is damaged: row {number} of CAL_DESC names {np.size(ids)} spws, not 1")
            spws.append(int(np.ravel(ids)[0]))
        desc = np.asarray(self.columns["CAL_DESC_ID"], np.int64)
        if self.nrow and (desc.min() < 0 or desc.max() >= len(spws)):
            raise InvalidTable(
                f"{self.name} is damaged: CAL_DESC_ID goes to {desc.max()}, CAL_DESC has {len(spws)} rows"
            )
        return np.array(spws, np.int64)[desc] if self.nrow else np.zeros(0, np.int64)

    def polynomials(self, nant: int) -> dict[int, Polynomials]:
        """Return the solutions of every spw on the grid of (slot, antenna).

        Parameters
        ----------
        nant : int
            Antennas of the MeasurementSet.

        Raises
        ------
        InvalidTable, CaltableMismatch
        """
        antenna = np.asarray(self.columns["ANTENNA1"], np.int64)
        if self.nrow and (antenna.min() < 0 or antenna.max() >= nant):
            raise CaltableMismatch(f"{self.name} has solutions for antenna {antenna.max()}; there are {nant} antennas")
        spws = self.row_spws()
        return {int(spw): self._of_spw(int(spw), np.flatnonzero(spws == spw), nant) for spw in np.unique(spws)}

    def _of_spw(self, spw: int, rows: NDArray[np.int64], nant: int) -> Polynomials:
        names = {"time": "TIME", "interval": "INTERVAL", "field": "FIELD_ID", "scan": "SCAN_NUMBER"}
        ids = {key: np.asarray(self.columns[c]) for key, c in (*names.items(), ("obs", "OBSERVATION_ID"))}
        ids["ant"] = np.asarray(self.columns["ANTENNA1"], np.int64)
        slot, keys = group_slots(ids, rows, nant)
        ant, shape = ids["ant"][rows], (len(keys), nant)
        amplitude, phase = (self._coefficients(what, rows) for what in ("AMP", "PHASE"))
        degrees = np.array([str(u).upper().startswith("DEG") for u in self._pick("PHASE_UNITS", rows)], bool)
        phase = np.where(degrees[:, None, None], np.deg2rad(phase), phase)
        out = Polynomials(
            spw,
            **{k: np.ascontiguousarray(keys[k]) for k in ("time", "interval", "field", "scan", "obs")},
            refant=np.full(shape, -1, np.int32),
            amplitude=np.zeros((*shape, 2, amplitude.shape[2])),
            phase=np.zeros((*shape, 2, phase.shape[2])),
            scale=np.ones(shape, np.complex128),
            domain_hz=np.zeros((*shape, 2)),
            good=np.zeros((*shape, 2), bool),
            snr=np.zeros((*shape, 2), np.float32),
            row=np.full(shape, -1, np.int64),
        )
        out.amplitude[slot, ant], out.phase[slot, ant] = amplitude, phase
        out.refant[slot, ant] = [int(np.ravel(r)[0]) for r in self._pick("REF_ANT", rows)]
        out.scale[slot, ant] = np.asarray(self._pick("SCALE_FACTOR", rows), np.complex128)
        out.domain_hz[slot, ant] = [np.ravel(d)[:2] for d in self._pick("VALID_DOMAIN", rows)]
        out.snr[slot, ant] = [np.resize(np.ravel(s), 2) for s in self._pick("SNR", rows)]
        # CASA leaves FLAG set and SOLUTION_OK unset in all rows; it knows a missing solution by its coefficients
        out.good[slot, ant] = (amplitude != 0).any(2) | (phase != 0).any(2)
        out.row[slot, ant] = rows  # type: ignore[index]
        self._refuse_not_finite(spw, out)
        return out

    def _refuse_not_finite(self, spw: int, out: Polynomials) -> None:
        finite = np.isfinite(out.amplitude).all(3) & np.isfinite(out.phase).all(3)
        finite &= (np.isfinite(out.scale) & np.isfinite(out.domain_hz).all(2))[..., None]
        if (out.good & ~finite).any():
            slot, ant, _ = (int(i) for i in np.argwhere(out.good & ~finite)[0])
            raise InvalidTable(f"{self.name}: solution {slot} of antenna {ant} in spw {spw} is not finite")

    def _pick(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        values = self.columns[column]
        return [values[r] for r in rows]

    def _coefficients(self, what: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return coefficients (row, 2, count), shorter ones filled with zeros."""
        counts = [int(n) for n in self._pick(f"N_POLY_{what}", rows)]
        out = np.zeros((len(rows), 2, max(counts, default=1)))
        for i, (count, cell) in enumerate(zip(counts, self._pick(f"POLY_COEFF_{what}", rows), strict=True)):
            values = np.ravel(cell)
            if len(values) < 2 * count:
                raise InvalidTable(
                    f"{self.name} is damaged: row {int(rows[i])} has {len(values)} coefficients in POLY_COEFF_{what}, "
                    f"not two times the {count} of N_POLY_{what}"
                )
            out[i, :, :count] = values[: 2 * count].reshape(2, count)
        return out


def tabulated(
    table: BPolyTable,
    antennas: Sequence[Antenna],
    fields: Sequence[Field],
    spws: Sequence[Spw],
    *,
    source_spw: NDArray[np.int32] | None = None,
    pol_basis: str = "unknown",
) -> CalTable:
    """Tabulate a BPOLY table channel by channel, so that it can be used as a bandpass of CASA's present kind.

    Parameters
    ----------
    table : BPolyTable
    antennas, fields, spws
        Of the MeasurementSet. The table's own antennas and fields, if it has them, go before these.
    source_spw : int32 (spw,), optional
        Whose polynomials each spw takes; its own by default.
    pol_basis : str

    Returns
    -------
    CalTable
        Of kind BPOLY, with solutions for the spws that have a source.
    """
    antennas = table.antennas or tuple(antennas)
    found = table.polynomials(len(antennas))
    solutions = {}
    for spw in spws:
        source = spw.id if source_spw is None else int(source_spw[spw.id])
        if source in found:
            solutions[spw.id] = _solutions(found[source], spw)
    return CalTable(
        kind=KIND,
        par_type="Complex",
        pol_basis=table.pol_basis or pol_basis,
        ms_name=table.ms_name,
        antennas=antennas,
        fields=table.fields or tuple(fields),
        spws=tuple(spws),
        solutions=solutions,
        subtables_from=table.path or Path(),
        path=table.path,
    )


def _solutions(one: Polynomials, spw: Spw) -> SpwSolutions:
    param = one.gains(spw.chan_freq_hz).astype(np.complex64)
    flag = np.broadcast_to(~one.good[:, :, None, :], param.shape).copy()
    return SpwSolutions(
        spw=spw.id, time=one.time, interval=one.interval, field=one.field, scan=one.scan, obs=one.obs,
        refant=one.refant, param=param, error=np.zeros(param.shape, np.float32),
        snr=np.where(flag, 0, np.broadcast_to(one.snr[:, :, None, :], param.shape)).astype(np.float32),
        flag=flag, row=one.row,
    )  # fmt: skip


def outside_domain(one: Polynomials, freq_hz: NDArray[np.float64]) -> int:
    """Return how many channels lie outside the domain of every good solution, by more than 1e-3 of a channel."""
    solved = one.domain_hz[one.good.any(2)]
    if not len(solved) or not len(freq_hz):
        return 0
    slack = 1e-3 * float(np.abs(np.diff(freq_hz)).min(initial=1e6))
    low, high = solved[:, 0].min() - slack, solved[:, 1].max() + slack
    return int(((freq_hz < low) | (freq_hz > high)).sum())
