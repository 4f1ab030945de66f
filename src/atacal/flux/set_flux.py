"""What setjy sets: a field's flux density in every channel of an spw, from what is known of the field."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ModelError
from atacal.flux.manual import ManualFlux
from atacal.flux.quasars import Quasar
from atacal.flux.solar_system import Planet
from atacal.ms.metadata import Metadata, Spw
from atacal.ms.selected import Selected
from atacal.ms.set_model import ModelSpectrum

log = logging.getLogger("atacal")


class FieldFlux(Protocol):
    """What is known of a field's flux density."""

    def model(self, spw: Spw, scalebychan: bool) -> tuple[ModelSpectrum, NDArray[np.float64], float]:
        """Return the model of an spw, the flux density (4,) [Jy] that is reported for it, and at which frequency."""
        ...


@dataclass(frozen=True, eq=False)
class GivenFlux:
    """A flux density given by hand."""

    flux: ManualFlux

    def model(self, spw: Spw, scalebychan: bool) -> tuple[ModelSpectrum, NDArray[np.float64], float]:
        """See `FieldFlux.model`."""
        flux, freqs = self.flux, spw.chan_freq_hz
        values = flux.at(freqs)
        middle = values[:, len(freqs) // 2]
        if not scalebychan and not flux.is_power_law:
            values = np.repeat(middle[:, None], len(freqs), axis=1)
        power = (np.array(flux.stokes_jy), flux.spix[0], flux.ref_freq_hz) if flux.is_power_law else None
        if power is None and not scalebychan:
            power = (middle, 0.0, float(freqs[len(freqs) // 2]))
        shown = values[:, 0] if scalebychan else middle
        return ModelSpectrum(values, power), shown.copy(), float(freqs[0 if scalebychan else len(freqs) // 2])


@dataclass(frozen=True, eq=False)
class QuasarFlux:
    """A source of a flux standard, unpolarised."""

    source: Quasar

    def model(self, spw: Spw, scalebychan: bool) -> tuple[ModelSpectrum, NDArray[np.float64], float]:
        """See `FieldFlux.model`."""
        limits = self.source.range_ghz
        low, high = spw.chan_freq_hz.min() / 1e9, spw.chan_freq_hz.max() / 1e9
        if limits and (low < limits[0] or high > limits[1]):
            log.warning(
                "setjy: %s is meant for %s from %g to %g GHz; spw %d has %.6g to %.6g GHz",
                self.source.standard, self.source.name, *limits, spw.id, low, high,
            )  # fmt: skip
        at = spw.chan_freq_hz if scalebychan else np.array([spw.centre_freq_hz])
        return _unpolarised(self.source.flux_jy(at), spw, float(at[0]))


@dataclass(frozen=True, eq=False)
class PlanetFlux:
    """A solar-system body."""

    body: Planet
    observatory: str
    direction_rad: tuple[float, float] | None = None

    def model(self, spw: Spw, scalebychan: bool) -> tuple[ModelSpectrum, NDArray[np.float64], float]:
        """See `FieldFlux.model`; a channel's flux density is the mean over its width, an spw's that over the spw."""
        freqs, half = spw.chan_freq_hz, np.abs(spw.chan_width_hz) / 2
        low, high = freqs - half, freqs + half
        if not scalebychan and len(freqs) > 1:
            low, high = np.array([freqs.min()]), np.array([freqs.max()])
        try:
            flux = self.body.flux_jy(low, high, self.observatory)
        except ModelError as error:
            raise ModelError(f"spw {spw.id}: {error}") from error
        at = float(freqs[0] if scalebychan else (low[0] + high[0]) / 2)
        return _unpolarised(flux, spw, at, self.body, self.direction_rad)


def _unpolarised(
    flux: NDArray[np.float64],
    spw: Spw,
    at_hz: float,
    body: Planet | None = None,
    direction_rad: tuple[float, float] | None = None,
) -> tuple[ModelSpectrum, NDArray[np.float64], float]:
    values = np.zeros((4, spw.nchan))
    values[0] = flux
    shown = np.array([flux[0], 0.0, 0.0, 0.0])
    power = (shown, 0.0, at_hz) if len(flux) == 1 else None
    return ModelSpectrum(values, power, body.disc if body else None, direction_rad), shown, at_hz


def field_models(
    metadata: Metadata, selected: Selected, flux_of: Callable[[int], FieldFlux], scalebychan: bool
) -> tuple[dict[tuple[int, int], ModelSpectrum], dict[str, Any]]:
    """Return the models of all fields and spws that are selected, and CASA's dict of them; log them, too.

    Parameters
    ----------
    metadata : Metadata
    selected : Selected
    flux_of : callable
        Gives what is known of a field.
    scalebychan : bool

    Raises
    ------
    ModelError
    """
    spectra: dict[tuple[int, int], ModelSpectrum] = {}
    answer: dict[str, Any] = {}
    spw_of = metadata.ddid_spw[selected.runs.ddid]
    for number in sorted(set(selected.runs.field.tolist())):
        known, name = flux_of(number), metadata.fields[number].name
        entry: dict[str, Any] = {"fieldName": name}
        for spw in sorted(set(spw_of[selected.runs.field == number].tolist())):
            spectra[number, spw], shown, at_hz = known.model(metadata.spws[spw], scalebychan)
            entry[str(spw)] = {"fluxd": shown}
            log.info(
                "setjy: %s (field %d) spw %d: [I=%.5g, Q=%.5g, U=%.5g, V=%.5g] Jy @ %.6g Hz",
                name, number, spw, *shown, at_hz,
            )  # fmt: skip
        answer[str(number)] = entry
    return spectra, answer
