"""Numbers of the calibrated data of each calibrator: phases, amplitudes against the model, flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.ms.stream import Block, stream
from atacal.qa2.marks import Mark

PHASE_RMS_DEG = 30.0
"""Phase rms of a calibrator, where noise does not explain it."""
AMPLITUDE_OFF = 0.1
"""Relative difference of an amplitude from its model."""
FLAGGED = 0.5
_PARALLEL = ("XX", "YY", "RR", "LL", "I")
Fluxes = Mapping[tuple[int, int], float]
"""(field, spw) -> flux density [Jy] of fields that have no model of their own."""


@dataclass(frozen=True, eq=False)
class CalibratedSums:
    """Sums over the unflagged cross-correlations, channels averaged over the central half of each spw.

    Attributes
    ----------
    samples : float64 (field, spw, antenna)
        Number of averages of a baseline, an integration and a parallel hand; both its antennas count them.
    ratio : complex128 (field, spw, antenna)
        Sum of data over model.
    square_deg2 : float64 (field, spw, antenna)
        Sum of squares of the phase of data over model.
    noise_deg2 : float64 (field, spw, antenna)
        Sum of squares of the phases' thermal noise, by WEIGHT.
    model_jy : float64 (field, spw)
        Mean amplitude of the model; nan where there is none and data are taken as they are.
    flagged, all : float64 (field, spw, antenna)
        Flagged and all visibilities (baseline, integration, channel, correlation).
    """

    samples: NDArray[np.float64]
    ratio: NDArray[np.complex128]
    square_deg2: NDArray[np.float64]
    noise_deg2: NDArray[np.float64]
    model_jy: NDArray[np.float64]
    flagged: NDArray[np.float64]
    all: NDArray[np.float64]


def calibrated_column(ms: MeasurementSet) -> str:
    """Return the column with the calibrated data: CORRECTED_DATA, else DATA of what was split from it."""
    return "CORRECTED_DATA" if ms.has("CORRECTED_DATA") else "DATA"


def sum_calibrated(ms: MeasurementSet, calibrators: set[int], fluxes: Fluxes) -> CalibratedSums:
    """Read the data once and sum what the report needs; memory does not grow with the data.

    Parameters
    ----------
    ms : MeasurementSet
    calibrators : set of int
        Fields whose phases and amplitudes count; of others only flags.
    fluxes : mapping of (field, spw) -> float
        Flux densities [Jy] of fields whose model is still 1 Jy.
    """
    meta, column = ms.metadata, calibrated_column(ms)
    model = SkyModel.of(ms)
    shape = (len(meta.fields), len(meta.spws), meta.nant)
    sums = CalibratedSums(
        np.zeros(shape), np.zeros(shape, np.complex128), np.zeros(shape), np.zeros(shape),
        np.full(shape[:2], np.nan), np.zeros(shape), np.zeros(shape),
    )  # fmt: skip
    amplitude = np.zeros((*shape[:2], 2))
    selected = select(ms, Selection(), autocorr=False)
    columns = list(dict.fromkeys([column, "FLAG", "WEIGHT", *model.columns]))
    for block in stream(ms, selected, columns, made_bytes=24):
        if block["FLAG"].shape[1] < 2:
            continue  # channel averages, and the radiometers' spws do not reach a split
        _count_flags(sums, block)
        for field in np.unique(block.field[block.wanted]):
            if int(field) in calibrators:
                _add(sums, amplitude, block, int(field), column, model, meta.pols[block.pol].corrs, fluxes)
    with np.errstate(invalid="ignore"):
        sums.model_jy[:] = np.where(amplitude[..., 1] > 0, amplitude[..., 0] / amplitude[..., 1], np.nan)
    return sums


def _count_flags(sums: CalibratedSums, block: Block) -> None:
    flagged = block["FLAG"].sum(axis=(1, 2)).astype(float)
    size = float(block["FLAG"][0].size)
    rows = block.wanted
    for antenna in (block.antenna1, block.antenna2):
        np.add.at(sums.flagged[:, block.spw], (block.field[rows], antenna[rows]), flagged[rows])
        np.add.at(sums.all[:, block.spw], (block.field[rows], antenna[rows]), size)


def _add(
    sums: CalibratedSums,
    amplitude: NDArray[np.float64],
    block: Block,
    field: int,
    column: str,
    model: SkyModel,
    corrs: tuple[str, ...],
    fluxes: Fluxes,
) -> None:
    """Add the rows of a field."""
    rows = np.flatnonzero(block.wanted & (block.field == field))
    hands = np.array([k for k, c in enumerate(corrs) if c in _PARALLEL], np.intp)
    nchan = block["FLAG"].shape[1]
    middle = slice(nchan // 4, max(nchan - nchan // 4, nchan // 4 + 1))
    cut = np.ix_(rows, np.arange(middle.start, middle.stop), hands)
    good = ~block["FLAG"][cut]
    expected = model.block(block, middle)[..., hands]
    expected = np.broadcast_to(expected if len(expected) == 1 else expected[rows], good.shape)
    flux = fluxes.get((field, block.spw))
    plain = bool(np.allclose(expected, 1.0))  # no model: gains were solved for a point of 1 Jy
    if plain and flux:
        expected = expected * np.complex64(flux)
    vis = np.where(good, block[column][cut], 0)
    good &= np.isfinite(vis) & (np.abs(expected) > 0)
    ratio = np.where(good, vis, 0) / np.where(np.abs(expected) > 0, expected, 1)
    count = good.sum(axis=1)
    mean = np.where(count > 0, ratio.sum(axis=1) / np.maximum(count, 1), 0)
    there = (count > 0) & (mean != 0)
    brightness = np.abs(np.where(good, expected, 0)).sum(axis=1) / np.maximum(count, 1)
    weight = block["WEIGHT"][np.ix_(rows, hands)].astype(np.float64) * count
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.where(there & (weight > 0), np.rad2deg(1 / np.sqrt(weight) / brightness / np.abs(mean)), 0.0)
    noise = np.minimum(noise, 104.0)  # rms of a phase of which nothing is known
    angle = np.angle(mean, deg=True)
    if not plain or flux:
        amplitude[field, block.spw, 0] += float(brightness[there].sum())
        amplitude[field, block.spw, 1] += float(there.sum())
    for antenna in (block.antenna1[rows], block.antenna2[rows]):
        at = (field, block.spw)
        np.add.at(sums.samples[at], antenna, there.sum(axis=1))
        np.add.at(sums.ratio[at], antenna, np.where(there, mean, 0).sum(axis=1))
        np.add.at(sums.square_deg2[at], antenna, np.where(there, angle**2, 0).sum(axis=1))
        np.add.at(sums.noise_deg2[at], antenna, np.where(there, noise**2, 0).sum(axis=1))


@dataclass(frozen=True)
class FieldNumbers:
    """A calibrator in an spw.

    Attributes
    ----------
    field, spw : int
    name : str
    model_jy : float
        nan where there is none.
    amplitude_jy : float
        Real part of data over model, times the model; without one that of the data.
    ratio : float
        Over the model; nan without one.
    phase_rms_deg, noise_deg : float
        Scatter of the phases about the model's, and what thermal noise explains of it.
    worst : str
        The antenna that scatters most.
    worst_deg : float
    flagged : float
    """

    field: int
    spw: int
    name: str
    model_jy: float
    amplitude_jy: float
    ratio: float
    phase_rms_deg: float
    noise_deg: float
    worst: str
    worst_deg: float
    flagged: float


def field_numbers(ms: MeasurementSet, sums: CalibratedSums, calibrators: set[int]) -> list[FieldNumbers]:
    """Return the numbers of each calibrator and spw."""
    meta, out = ms.metadata, []
    for field in sorted(calibrators):
        for spw in range(len(meta.spws)):
            samples = sums.samples[field, spw]
            if samples.sum() == 0:
                continue
            with np.errstate(invalid="ignore", divide="ignore"):
                scatter = np.sqrt(sums.square_deg2[field, spw] / samples)
            worst = int(np.nanargmax(np.where(samples > 0, scatter, np.nan)))
            ratio = float(sums.ratio[field, spw].sum().real / samples.sum())
            model = float(sums.model_jy[field, spw])
            out.append(FieldNumbers(
                field, spw, meta.fields[field].name, model, ratio * (model if np.isfinite(model) else 1.0),
                ratio if np.isfinite(model) else np.nan,
                float(np.sqrt(sums.square_deg2[field, spw].sum() / samples.sum())),
                float(np.sqrt(sums.noise_deg2[field, spw].sum() / samples.sum())),
                meta.antennas[worst].name, float(scatter[worst]),
                float(sums.flagged[field, spw].sum() / max(sums.all[field, spw].sum(), 1)),
            ))  # fmt: skip
    return out


def calibrated_marks(ms: MeasurementSet, sums: CalibratedSums, numbers: list[FieldNumbers], section: str) -> list[Mark]:
    """Mark calibrators that scatter or are not as bright as their model, and antennas that differ from the others."""
    marks = []
    names = ms.metadata.antenna_names()
    for one in numbers:
        subject = f"{one.name} spw {one.spw}"
        beyond = np.sqrt(max(one.phase_rms_deg**2 - one.noise_deg**2, 0.0))
        if beyond > PHASE_RMS_DEG:
            text = f"calibrated phases scatter by more than {PHASE_RMS_DEG:.0f} deg beyond the noise"
            marks.append(Mark(beyond / PHASE_RMS_DEG, section, subject, text))
        if np.isfinite(one.ratio) and abs(one.ratio - 1) > AMPLITUDE_OFF:
            text = f"calibrated amplitude more than {100 * AMPLITUDE_OFF:.0f} % from the model"
            marks.append(Mark(abs(one.ratio - 1) / AMPLITUDE_OFF, section, subject, text))
        if one.flagged > FLAGGED:
            marks.append(Mark(one.flagged / FLAGGED, section, subject, "more than half of the data flagged"))
        at = (one.field, one.spw)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = sums.ratio[at].real / sums.samples[at]
            scatter = np.sqrt(sums.square_deg2[at] / sums.samples[at])
        known = np.isfinite(ratio)
        typical, usual = float(np.median(ratio[known])), float(np.median(scatter[known]))
        noise = one.noise_deg
        for antenna in np.flatnonzero(known):
            off = ratio[antenna] / typical - 1 if typical else 0.0
            # an antenna's mean is over many samples: noise matters only for very faint calibrators
            limit = 0.15 + 3 * np.deg2rad(noise) / np.sqrt(max(sums.samples[at][antenna], 1))
            if abs(off) > limit:
                text = f"{one.name}: amplitudes more than 15 % from the other antennas'"
                marks.append(Mark(abs(off) / limit, section, names[antenna], text))
            if scatter[antenna] > 2 * usual and scatter[antenna] > 15 + noise:
                text = f"{one.name}: phases scatter more than twice as much as the other antennas'"
                marks.append(Mark(scatter[antenna] / usual / 2, section, names[antenna], text))
    return marks


def flag_fractions(ms: MeasurementSet, sums: CalibratedSums) -> tuple[dict[str, float], dict[str, float]]:
    """Return the flagged part of the data by antenna and by field."""
    meta = ms.metadata
    with np.errstate(invalid="ignore", divide="ignore"):
        antennas = sums.flagged.sum(axis=(0, 1)) / sums.all.sum(axis=(0, 1))
        fields = sums.flagged.sum(axis=(1, 2)) / sums.all.sum(axis=(1, 2))
    by_antenna = {a.name: float(antennas[a.id]) for a in meta.antennas if np.isfinite(antennas[a.id])}
    by_field = {f"{f.id} {f.name}": float(fields[f.id]) for f in meta.fields if np.isfinite(fields[f.id])}
    return by_antenna, by_field
