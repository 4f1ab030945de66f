"""What the sky should look like to each baseline: the model visibilities of a MeasurementSet.

A field's model is CASA's virtual model where it has one; else the MODEL_DATA column; else a point source of 1 Jy at
the phase centre. (CASA 6.7, measured: a virtual model wins over MODEL_DATA.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ModelError
from atacal.ms._virtual_model import Combination, Component, ComponentList, read_virtual_models
from atacal.ms.columns import unit_point
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Field
from atacal.ms.selected import C_M_S
from atacal.ms.stream import Block

_AT_CENTRE_RAD = 1e-12  # even at 1e8 wavelengths the phase is then below 1e-3 rad


class SkyModel:
    """The model of a MeasurementSet, block by block; see `SkyModel.of`.

    Parameters
    ----------
    ms : MeasurementSet
    virtual : dict of field -> list of ComponentList
        The virtual models.
    column : bool
        Whether there is a filled MODEL_DATA column.
    """

    def __init__(self, ms: MeasurementSet, virtual: dict[int, list[ComponentList]], column: bool) -> None:
        self._ms = ms
        self._virtual = virtual
        self._column = column
        self._spectra: dict[tuple[int, int, int], NDArray[np.complex64]] = {}

    @classmethod
    def of(cls, ms: MeasurementSet) -> SkyModel:
        """Return the model of a MeasurementSet.

        Raises
        ------
        ModelError
            If the virtual model is of a kind that cannot be evaluated.
        """
        return cls(ms, read_virtual_models(ms.path), ms.has("MODEL_DATA"))

    @property
    def virtual_fields(self) -> list[int]:
        """Fields that have a virtual model."""
        return sorted(self._virtual)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that `block` uses; stream them with the data, or it reads them itself."""
        out: tuple[str, ...] = ("MODEL_DATA",) if self._column else ()
        if any(not self._flat(n, c) for n, lists in self._virtual.items() for e in lists for c in e.components):
            out += ("UVW",)
        return out

    def is_constant(self, field: int, spw: int) -> bool:
        """Whether the model of a field and spw is the same for every row."""
        if field not in self._virtual:
            return not self._column
        lists = [entry for entry in self._virtual[field] if spw in entry.spws]
        if not lists:
            return not self._column
        if len(lists) > 1 or not all(self._flat(field, c) for c in lists[0].components):
            return False
        runs, spw_of = self._ms.runs, self._ms.metadata.ddid_spw
        of_both = (runs.field == field) & (spw_of[runs.ddid] == spw)
        keys = set(zip(runs.scan[of_both].tolist(), runs.state[of_both].tolist(), strict=True))
        return all(self._covers(lists[0], (field, spw, scan, state)) for scan, state in keys)

    def block(self, block: Block, nchan_slice: slice | None = None) -> NDArray[np.complex64]:
        """Return the model visibilities of a block [Jy].

        Parameters
        ----------
        block : Block
        nchan_slice : slice, optional
            The channels that are wanted.

        Returns
        -------
        complex64, (row, chan, corr), or (1, chan, corr) where all rows have the same

        Raises
        ------
        ModelError
        """
        chans = nchan_slice if nchan_slice is not None else slice(None)
        groups = self._groups(block)
        if len(groups) == 1 and groups[0][0] != "column" and self._same_for_all(groups[0][0], block.field[0]):
            return self._spectrum(groups[0][0], int(block.field[0]), block.spw, block.pol)[None, chans]
        column = self._read_column(block)[:, chans] if any(source == "column" for source, _ in groups) else None
        if column is not None and len(groups) == 1:
            return column
        nchan = len(range(*chans.indices(self._ms.metadata.spws[block.spw].nchan)))
        out = np.empty((block.nrow, nchan, self._ms.metadata.pols[block.pol].ncorr), np.complex64)
        for source, rows in groups:
            if source == "column":
                assert column is not None
                out[rows] = column[rows]
            else:
                self._fill(out, rows, source, block, chans)
        return out

    # a source of model values is "column", -1 (the unit point) or the number of one of the field's component lists

    def _groups(self, block: Block) -> list[tuple[str | int, NDArray[np.intp]]]:
        """Return the row sets of a block, by field and by where their model comes from."""
        if not self._virtual:
            return [("column" if self._column else -1, np.arange(block.nrow))]
        first, by_row = block.stretches()
        found: dict[tuple[int, str | int], list[int]] = {}
        keys = zip(block.field[first].tolist(), block.scan[first].tolist(), block.state[first].tolist(), strict=True)
        for i, (field, scan, state) in enumerate(keys):
            found.setdefault((field, self._source((field, block.spw, scan, state))), []).append(i)
        return [(source, np.flatnonzero(np.isin(by_row, of))) for (_, source), of in found.items()]

    def _source(self, combination: Combination) -> str | int:
        for i, entry in enumerate(self._virtual.get(combination[0], [])):
            if self._covers(entry, combination):
                return i
        return "column" if self._column else -1

    @staticmethod
    def _covers(entry: ComponentList, combination: Combination) -> bool:
        return combination in entry.combinations or (*combination[:3], -1) in entry.combinations

    def _same_for_all(self, source: str | int, field: int) -> bool:
        if source == -1:
            return True
        return all(self._flat(int(field), c) for c in self._virtual[int(field)][int(source)].components)

    def _read_column(self, block: Block) -> NDArray[np.complex64]:
        if "MODEL_DATA" in block.data:
            return block.data["MODEL_DATA"]
        md = self._ms.metadata
        out = np.empty((block.nrow, md.spws[block.spw].nchan, md.pols[block.pol].ncorr), np.complex64)
        self._ms.read("MODEL_DATA", block.segments, out)
        return out

    def _spectrum(self, source: str | int, field: int, spw: int, pol: int) -> NDArray[np.complex64]:
        """Return the sum of a list's components as if all were at the phase centre; shape (chan, corr)."""
        key = (-1 if source == -1 else field * 10000 + int(source), spw, pol)
        if key not in self._spectra:
            md = self._ms.metadata
            freqs, corr_types = md.spws[spw].chan_freq_hz, md.pols[pol].corr_types
            values: NDArray
            if source == -1:
                values = np.broadcast_to(unit_point(corr_types), (len(freqs), len(corr_types)))
            else:
                components = self._virtual[field][int(source)].components
                stokes = np.sum([c.spectrum.at(freqs) for c in components], axis=0)
                values = correlations(stokes, corr_types)
            self._spectra[key] = np.ascontiguousarray(values, np.complex64)
        return self._spectra[key]

    def _fill(
        self, out: NDArray[np.complex64], rows: NDArray[np.intp], source: str | int, block: Block, chans: slice
    ) -> None:
        field = int(block.field[rows[0]])
        if self._same_for_all(source, field):
            out[rows] = self._spectrum(source, field, block.spw, block.pol)[chans]
            return
        md = self._ms.metadata
        freqs = md.spws[block.spw].chan_freq_hz[chans]
        uvw = block.data.get("UVW")
        if uvw is None:
            uvw = np.empty((block.nrow, 3))
            self._ms.read("UVW", block.segments, uvw)
        total = np.zeros((len(rows), len(freqs), out.shape[2]), np.complex128)
        for component in self._virtual[field][int(source)].components:
            total += visibilities(component, md.fields[field], freqs, md.pols[block.pol].corr_types, uvw[rows])
        out[rows] = total

    def _flat(self, field: int, component: Component) -> bool:
        """Whether a component looks the same to all baselines."""
        return component.disc is None and _central(_offsets(self._ms.metadata.fields[field], component))


def visibilities(
    component: Component,
    field: Field,
    freq_hz: NDArray[np.float64],
    corr_types: Sequence[int],
    uvw_m: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """Return what a component looks like.

    Parameters
    ----------
    component : Component
    field : Field
        The field, for its phase centre.
    freq_hz : float64 (chan,)
    corr_types : sequence of int
        casacore's Stokes codes.
    uvw_m : float64 (row, 3)

    Returns
    -------
    complex128 (row, chan, corr)
        [Jy]

    Raises
    ------
    ModelError
    """
    vis = correlations(component.spectrum.at(freq_hz), corr_types)
    seen = np.ones((len(uvw_m), len(freq_hz))) if component.disc is None else component.disc.visibility(uvw_m, freq_hz)
    lmn = _offsets(field, component)
    if not _central(lmn):
        seen = seen * np.exp(2j * np.pi * (uvw_m @ lmn)[:, None] * (freq_hz / C_M_S))
    whole: NDArray[np.complex128] = vis * seen[:, :, None]
    return whole


def _central(lmn: NDArray[np.float64]) -> bool:
    return bool(np.all(np.abs(lmn[:2]) < _AT_CENTRE_RAD))


def _offsets(field: Field, component: Component) -> NDArray[np.float64]:
    """Return (l, m, n - 1) of a component against its field's phase centre."""
    ra, dec = _in_frame(component, field.frame)
    ra0, dec0 = field.phase_dir_rad
    # differences of nearly equal angles, so that a component at the phase centre is at zero exactly
    dra, ddec = ra - ra0, dec - dec0
    el = np.cos(dec) * np.sin(dra)
    em = np.sin(ddec) + 2 * np.cos(dec) * np.sin(dec0) * np.sin(dra / 2) ** 2
    return np.array([el, em, -(el**2 + em**2) / (1 + np.sqrt(1 - el**2 - em**2))])


def _in_frame(component: Component, frame: str) -> tuple[float, float]:
    if component.frame == frame:
        return component.direction_rad
    if {component.frame, frame} != {"J2000", "ICRS"}:
        raise ModelError(f"a component in the frame {component.frame} cannot be compared with a field in {frame}")
    from astropy.coordinates import FK5, ICRS, SkyCoord

    frames = {"J2000": FK5(equinox="J2000"), "ICRS": ICRS()}
    there = SkyCoord(*component.direction_rad, unit="rad", frame=frames[component.frame])
    here = there.transform_to(frames[frame]).spherical
    return float(here.lon.rad), float(here.lat.rad)


def correlations(stokes_jy: NDArray[np.float64], corr_types: Sequence[int]) -> NDArray[np.complex128]:
    """Return what Stokes parameters look like in correlations, without parallactic rotation (as CASA's setjy).

    Parameters
    ----------
    stokes_jy : float64, (4, ...)
        I, Q, U, V [Jy].
    corr_types : sequence of int
        casacore's Stokes codes.

    Returns
    -------
    complex128, (..., corr)

    Raises
    ------
    ModelError
        If a code is none of I, Q, U, V, RR, RL, LR, LL, XX, XY, YX, YY.

    Notes
    -----
    Linear feeds: XX = I + Q, XY = U + iV, YX = U - iV, YY = I - Q. Circular feeds: RR = I + V, RL = Q + iU,
    LR = Q - iU, LL = I - V (Hamaker & Bregman 1996, A&AS 117, 161).
    """
    i, q, u, v = stokes_jy
    table = {
        1: i, 2: q, 3: u, 4: v,
        5: i + v, 6: q + 1j * u, 7: q - 1j * u, 8: i - v,
        9: i + q, 10: u + 1j * v, 11: u - 1j * v, 12: i - q,
    }  # fmt: skip
    unknown = [c for c in corr_types if c not in table]
    if unknown:
        raise ModelError(f"no model can be made for the correlation types {unknown} (casacore's Stokes codes)")
    return np.stack([np.asarray(table[c], np.complex128) for c in corr_types], axis=-1)
