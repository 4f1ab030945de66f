"""Stokes I samples of some MeasurementSets, a bounded number of them at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, EmptySelection, MissingColumn
from atacal.images.spec import DATA_COLUMNS, ImageSpec
from atacal.memory import for_data
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Field, Polarization
from atacal.ms.phase_centre import axes, read_direction, to_frame
from atacal.ms.selected import C_M_S, Selected
from atacal.ms.selection import select
from atacal.ms.spectral_frames import FrequencyFrame
from atacal.ms.stream import Block, stream
from atacal.threads import IN_FLIGHT

log = logging.getLogger("atacal")

_PARALLEL = (("XX", "YY"), ("RR", "LL"))
_SAMPLE_BYTES, _ROW_BYTES = 12, 32  # visibility and weight; uvw and frame
_MOST_SAMPLES, _LEAST_SAMPLES = 1 << 18, 1 << 14
_WORK_BYTES = 80  # for each sample of a batch that is gridded: complex double values, weights, ducc0's order
_FRAMES = ("J2000", "ICRS")


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one spw.

    Attributes
    ----------
    uvw_m : float64 (row, 3)
        For the image's phase centre [m], in the MeasurementSet's sense.
    freq_hz : float64 (chan,)
        Sky frequencies as observed, ascending [Hz].
    vis : complex64 (row, chan), optional
        Stokes I [Jy], turned to the image's phase centre; None where only weights were asked for.
    weight : float32 (row, chan)
        Sum of the weights of the correlations that make Stokes I [1/Jy^2]; 0 for what is flagged or not selected.
    lsrk : float64 (row,)
        What uvw is multiplied by to give wavelengths in LSRK with ``freq_hz``; 1 where that is done already.
    """

    uvw_m: NDArray[np.float64]
    freq_hz: NDArray[np.float64]
    vis: NDArray[np.complex64] | None
    weight: NDArray[np.float32]
    lsrk: NDArray[np.float64]


class Visibilities:
    """The Stokes I samples of an `ImageSpec`, streamed as often as they are asked for.

    They are kept in memory where they fit into a third of what a run may hold, and read again where they do not.

    Parameters
    ----------
    spec : ImageSpec

    Raises
    ------
    ArgumentError, NoSuchTable, MissingColumn, SelectionError, EmptySelection
    """

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec
        self._opened: list[MeasurementSet] = []
        try:
            self.sources = [self._open(i) for i in range(len(spec.vis))]
            self.frame, self.centre_rad, self.field = self._centre()
        except BaseException:
            self.close()
            raise
        self._kept: list[Batch] | None = None
        self._may_keep = self._bytes() < for_data() // 3

    def __enter__(self) -> Visibilities:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the MeasurementSets, forget what was kept."""
        for ms in self._opened:
            ms.close()
        self._opened, self._kept = [], None

    def _open(self, i: int) -> tuple[MeasurementSet, Selected, str]:
        ms = MeasurementSet(self.spec.vis[i])
        self._opened.append(ms)
        several = self.spec.selection
        selected = select(ms, several[i] if isinstance(several, tuple) else several, autocorr=False)
        if not len(selected.runs):
            raise EmptySelection(f"{ms.path}: no rows are selected")
        return ms, selected, _column(ms, self.spec.datacolumn)

    def _centre(self) -> tuple[str, tuple[float, float], Field]:
        """Return frame and place of the image's centre, and the field it is named after."""
        ms, selected, _ = self.sources[0]
        fields = ms.metadata.fields
        first = fields[int(selected.runs.field[0])]
        text = self.spec.phasecenter.strip()
        if text.isdecimal():
            if int(text) >= len(fields):
                raise ArgumentError(f"phasecenter={text!r}: {ms.path} has fields 0 to {len(fields) - 1}")
            first = fields[int(text)]
        if first.frame not in _FRAMES:
            raise ArgumentError(f"{ms.path}: field {first.name} is in {first.frame}; possible are {', '.join(_FRAMES)}")
        if text and not text.isdecimal():
            return first.frame, read_direction(text, first), first
        return first.frame, first.phase_dir_rad, first

    def _bytes(self) -> int:
        total = 0
        for ms, selected, _ in self.sources:
            for spw, channels in selected.channels.items():
                rows = int(selected.runs.nrow[np.isin(selected.runs.ddid, ms.metadata.ddids_of_spw(spw))].sum())
                total += rows * (int(channels.sum()) * _SAMPLE_BYTES + _ROW_BYTES)
        return total

    def batches(self, *, vis: bool = True) -> Iterator[Batch]:
        """Yield all samples, in the order of the tables; without ``vis``, weights and places only."""
        if self._kept is not None:
            yield from self._kept
            return
        if not self._may_keep:
            yield from self._read(vis=vis)
            return
        kept = []
        for batch in self._read(vis=True):
            kept.append(batch)
            yield batch
        self._kept = kept

    def _read(self, *, vis: bool) -> Iterator[Batch]:
        for ms, selected, column in self.sources:
            yield from _Reader(self, ms, selected, column if vis else "").batches()

    def frequency_range(self) -> tuple[float, float]:
        """Return the lowest and highest edge of the selected channels in LSRK, over all times [Hz]."""
        low, high = np.inf, -np.inf
        for ms, selected, _ in self.sources:
            runs = selected.runs
            for field in np.unique(runs.field).tolist():
                for ddid in np.unique(runs.ddid[runs.field == field]).tolist():
                    spw = ms.metadata.spws[ms.metadata.ddids[ddid].spw]
                    mask = selected.channels[spw.id]
                    half = np.abs(spw.chan_width_hz[mask]) / 2
                    edges = (spw.chan_freq_hz[mask] - half).min(), (spw.chan_freq_hz[mask] + half).max()
                    times = runs.time[(runs.field == field) & (runs.ddid == ddid)]
                    ratios = lsrk_ratios(ms, field, spw.frame, [float(times.min()), float(times.max())])
                    low = min(low, edges[0] * min(ratios))
                    high = max(high, edges[1] * max(ratios))
        return float(low), float(high)

    def first_time_s(self) -> float:
        """Return the middle of the first integration [MJD s]."""
        return min(float(s.runs.time.min()) for _, s, _ in self.sources)


def lsrk_ratios(ms: MeasurementSet, field: int, frame: str, times_s: Sequence[float]) -> list[float]:
    """Return what frequencies in a frame, of a field, are multiplied by for LSRK at some times [MJD s]."""
    if frame == "LSRK":
        return [1.0]
    place = ms.metadata.fields[field]
    converter = FrequencyFrame(ms.metadata.telescope, place.phase_dir_rad, place.frame)
    return list(converter.ratios(times_s, frame, "LSRK", 1e11).values())


def _column(ms: MeasurementSet, datacolumn: str) -> str:
    column = DATA_COLUMNS[datacolumn]
    if column == "CORRECTED_DATA" and not ms.has(column):
        log.warning("%s has no CORRECTED_DATA: its DATA are imaged", ms.path)
        column = "DATA"
    ms.require(column)
    return column


class _Reader:
    """Reads the samples of one MeasurementSet."""

    def __init__(self, owner: Visibilities, ms: MeasurementSet, selected: Selected, column: str) -> None:
        self.ms, self.selected, self.column = ms, selected, column
        self.pseudo, self.exact = owner.spec.stokes == "pseudoI", owner.spec.exact
        self.turns = {int(f): _turn(owner, ms.metadata.fields[f]) for f in np.unique(selected.runs.field)}
        self._lsrk: dict[tuple[int, int], float] = {}
        self.channels = {spw: _span(mask) for spw, mask in selected.channels.items()}
        self.hands = {pol.id: _hands(ms, pol) for pol in ms.metadata.pols if pol.id in self._pols()}
        self.spectra = "WEIGHT_SPECTRUM" if ms.has("WEIGHT_SPECTRUM") else ""
        if not self.spectra and "WEIGHT" not in ms.columns():
            raise MissingColumn(f"{ms.path} has neither WEIGHT nor WEIGHT_SPECTRUM")

    def _pols(self) -> set[int]:
        return {self.ms.metadata.ddids[int(d)].pol for d in np.unique(self.selected.runs.ddid)}

    def batches(self) -> Iterator[Batch]:
        columns = ["UVW", "FLAG", "FLAG_ROW", self.spectra or "WEIGHT", *([self.column] if self.column else [])]
        waiting: dict[int, list[Batch]] = {}
        most = max(_LEAST_SAMPLES, min(_MOST_SAMPLES, for_data() // (2 * IN_FLIGHT * _WORK_BYTES)))
        for block in stream(
            self.ms, self.selected, columns, made_bytes=16, memory=for_data() // 4, channels=self.channels
        ):
            part = self._samples(block)
            if part is None:
                continue
            parts = waiting.setdefault(block.spw, [])
            parts.append(part)
            if sum(p.weight.size for p in parts) >= most:
                yield _together(waiting.pop(block.spw))
        for parts in waiting.values():
            yield _together(parts)

    def _samples(self, block: Block) -> Batch | None:
        hands = self.hands[block.pol]
        wanted = block.wanted & ~block["FLAG_ROW"] & (block["UVW"] != 0).any(axis=1)
        good = self._good(block, hands) & wanted[:, None, None]
        good &= self.selected.channels[block.spw][block.channels][None, :, None]
        rows = np.flatnonzero(good.any(axis=(1, 2)))
        if not len(rows):
            return None
        good = good[rows]
        weights = block[self.spectra][rows] if self.spectra else block["WEIGHT"][rows][:, None, :]
        mean = weights[..., hands].mean(axis=-1, dtype=np.float32)
        number = good.sum(axis=-1, dtype=np.float32)
        weight = np.maximum(mean, 0) * number
        uvw = block["UVW"][rows]
        freq = self.ms.metadata.spws[block.spw].chan_freq_hz[block.channels]
        vis = None
        if self.column:
            cells = np.where(good, block[self.column][rows][..., hands], 0).sum(axis=-1)
            vis = (cells / np.maximum(number, 1)).astype(np.complex64)
        uvw, vis = self._turned(uvw, vis, block.field[rows], freq)
        if (np.diff(freq) <= 0).any():  # ducc0 wants them to ascend
            order = np.argsort(freq, kind="stable")
            freq, weight, vis = freq[order], weight[:, order], None if vis is None else vis[:, order]
        lsrk = np.array([self._lsrk_of(int(f), block.spw) for f in block.field[rows]])
        if not self.exact:
            uvw, lsrk = uvw * lsrk[:, None], np.ones_like(lsrk)
        whole = None if vis is None else np.ascontiguousarray(vis)
        return Batch(uvw, freq, whole, np.ascontiguousarray(weight), lsrk)

    def _lsrk_of(self, field: int, spw: int) -> float:
        """Return the factor to LSRK in the middle of a field's times: over hours it changes by 1e-6."""
        if (field, spw) not in self._lsrk:
            times = self.selected.runs.time[self.selected.runs.field == field]
            frame = self.ms.metadata.spws[spw].frame
            self._lsrk[field, spw] = lsrk_ratios(self.ms, field, frame, [float(times.min() + times.max()) / 2])[0]
        return self._lsrk[field, spw]

    def _good(self, block: Block, hands: list[int]) -> NDArray[np.bool_]:
        """Return which parallel hands count, (row, chan, hand)."""
        flag = block["FLAG"]
        if self.pseudo:
            return ~flag[..., hands]
        whole = ~flag.any(axis=-1, keepdims=True)
        return np.broadcast_to(whole, (*flag.shape[:2], len(hands))).copy()

    def _turned(
        self, uvw: NDArray[np.float64], vis: NDArray[np.complex64] | None, field: NDArray, freq: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.complex64] | None]:
        for number in np.unique(field).tolist():
            turn = self.turns[number]
            if turn is None:
                continue
            rows = field == number
            new = uvw[rows] @ turn.T
            if vis is not None:
                path = (new - uvw[rows])[:, 2]
                vis[rows] *= np.exp((-2j * np.pi / C_M_S) * path[:, None] * freq)
            uvw[rows] = new
        return uvw, vis


def _turn(owner: Visibilities, field: Field) -> NDArray[np.float64] | None:
    """Return the rotation from a field's axes to the image's; None where they are the same."""
    place = to_frame(field.phase_dir_rad, field.frame, owner.frame)
    if np.allclose(place, owner.centre_rad, rtol=0, atol=1e-12):
        return None
    return axes(owner.centre_rad) @ axes(place).T


def _span(mask: NDArray[np.bool_]) -> slice:
    where = np.flatnonzero(mask)
    return slice(int(where[0]), int(where[-1]) + 1)


def _hands(ms: MeasurementSet, pol: Polarization) -> list[int]:
    """Return the places of the parallel hands among the correlations."""
    for pair in _PARALLEL:
        found = [pol.corrs.index(c) for c in pair if c in pol.corrs]
        if found:
            return found
    raise ArgumentError(
        f"{ms.path}: Stokes I cannot be made of the correlations {', '.join(pol.corrs)}; it takes XX, YY or RR, LL"
    )


def _together(parts: list[Batch]) -> Batch:
    if len(parts) == 1:
        return parts[0]
    vis = None if parts[0].vis is None else np.concatenate([p.vis for p in parts if p.vis is not None])
    return Batch(
        np.concatenate([p.uvw_m for p in parts]), parts[0].freq_hz, vis, np.concatenate([p.weight for p in parts]),
        np.concatenate([p.lsrk for p in parts]),
    )  # fmt: skip
