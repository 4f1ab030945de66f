"""Where the fields of a source lie, and how large an image of them has to be."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.metadata import Metadata

log = logging.getLogger("atacal")

_C = 299792458.0
_ARCSEC = np.rad2deg(1) * 3600
_BEAM = 1.13
"""Full width at half power of ALMA's primary beam in wavelengths over the dish diameter (ALMA technical handbook)."""


def _fields_of(metadata: Metadata, sourceid: Any) -> list[int]:
    """Return the fields of a source: its id, its name, or everything that OBSERVE_TARGET is not told of."""
    text = str(sourceid).strip()
    if not text or text == "-1":
        return []
    if text.isdigit():
        found = [f.id for f in metadata.fields if f.source_id == int(text)]
    else:
        found = [f.id for f in metadata.fields if f.name == text]
    if not found:
        there = sorted({(f.source_id, f.name) for f in metadata.fields})
        raise ArgumentError(f"sourceid={sourceid!r}: {metadata.name} has {', '.join(f'{i} ({n})' for i, n in there)}")
    return found


def _targets(vis: str, metadata: Metadata) -> list[int]:
    from atacal.ms.measurement_set import MeasurementSet

    with MeasurementSet(vis) as ms:
        pairs = {(int(f), int(s)) for f, s in zip(ms.runs.field, ms.runs.state, strict=True)}
    states = metadata.state_intents
    found = sorted({f for f, s in pairs if 0 <= s < len(states) and "OBSERVE_TARGET" in states[s]})
    return found or sorted({f for f, _ in pairs})


def _offsets_arcsec(metadata: Metadata, fields: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres (ra, dec) [rad] and their offsets from the middle of their range [arcsec], (field, 2)."""
    places = np.array([metadata.fields[f].phase_dir_rad for f in fields], np.float64)
    ra = np.unwrap(places[:, 0])
    middle = np.array([(ra.min() + ra.max()) / 2, (places[:, 1].min() + places[:, 1].max()) / 2])
    east = (ra - middle[0]) * np.cos(middle[1])
    return places, _ARCSEC * np.stack([east, places[:, 1] - middle[1]], axis=1)


def plotmosaic(
    vis: str = "",
    sourceid: Any = "",
    figfile: str | bool = "",
    coord: str = "relative",
    skipsource: int = -1,
    doplot: bool = True,
    spw: int | str = "",
    pblevel: float = 0.2,
    field: str | int = "",
    verbose: bool = True,
    showplot: bool = False,
    **other: Any,
) -> list[Any]:
    """Draw the fields of a source with their primary beams, and return how far they reach.

    Parameters
    ----------
    vis : str
    sourceid : int or str
        Id or name of a source; by default the targets.
    figfile : str or bool
        Picture to write; True names it after the MeasurementSet.
    coord : str
        relative (arcseconds from the middle) or absolute (degrees).
    skipsource : int
        A source to leave out.
    doplot : bool
    spw : int
        Whose mean frequency sets the beam; by default the first that is no radiometer's.
    pblevel : float
        The reach that is returned goes to this level of the primary beam.
    field : str
        Fields, in place of a source.
    verbose, showplot, other
        Have no effect.

    Returns
    -------
    [central field, xmax, xmin, ymax, ymin]
        The field that is nearest to the middle, and the extent to ``pblevel``, east and north of the middle [arcsec].

    Raises
    ------
    ArgumentError, SelectionError, NoSuchTable, InvalidTable, WriteError
    """
    from atacal.ms.metadata import read_metadata
    from atacal.ms.selection import parse_field
    from atacal.plots.mosaics import picture_mosaic

    metadata = read_metadata(vis)
    if str(field).strip():
        fields = list(parse_field(str(field), metadata))
    else:
        fields = _fields_of(metadata, sourceid) or _targets(vis, metadata)
    fields = [f for f in fields if metadata.fields[f].source_id != int(skipsource)]
    if not fields:
        raise ArgumentError(f"plotmosaic: no field of {metadata.name} is left")
    centres, offsets = _offsets_arcsec(metadata, fields)
    width = _beam_arcsec(metadata, spw)
    # a Gaussian of this width falls to pblevel at w sqrt(log2(1/level)) / 2
    reach = width * np.sqrt(np.log2(1 / min(max(float(pblevel), 1e-3), 0.999))) / 2
    central = fields[int(np.argmin(np.hypot(offsets[:, 0], offsets[:, 1])))]
    extent = [offsets[:, 0].max() + reach, offsets[:, 0].min() - reach]
    extent += [offsets[:, 1].max() + reach, offsets[:, 1].min() - reach]
    if doplot and figfile:
        path = Path(f"{metadata.name}.mosaic.png" if figfile is True else str(figfile))
        path = path if path.suffix in (".png", ".pdf", ".jpg", ".svg") else path.with_name(f"{path.name}.png")
        names = sorted({metadata.fields[f].name for f in fields})
        title = f"{metadata.name}: {len(fields)} fields of {', '.join(names[:4])}\nprimary beam {width:.1f} arcsec"
        picture_mosaic(fields, centres, offsets, width, path, title=title, absolute=str(coord).startswith("abs"))
        log.info("plotmosaic: wrote %s", path)
    return [central, *(float(v) for v in extent)]


def _beam_arcsec(metadata: Metadata, spw: int | str) -> float:
    """Return the primary beam's full width at half power for the most common dish [arcsec]."""
    dishes = np.array([a.dish_diameter_m for a in metadata.antennas])
    values, counts = np.unique(dishes, return_counts=True)
    return float(_ARCSEC * _BEAM * _C / metadata.spws[_spw(metadata, spw)].centre_freq_hz / values[np.argmax(counts)])


def _spw(metadata: Metadata, spw: int | str) -> int:
    text = str(spw).strip().split(",")[0].split(":")[0]
    if text:
        if not text.isdigit() or int(text) >= len(metadata.spws):
            raise ArgumentError(f"spw={spw!r}: {metadata.name} has the spws 0 to {len(metadata.spws) - 1}")
        return int(text)
    found = [s.id for s in metadata.spws if s.nchan > 1 and "WVR" not in s.name.upper()]
    return found[0] if found else 0


def getRADecForField(vis: str, field: Any = 0, forcePositiveRA: bool = True, **other: Any) -> NDArray[np.float64]:
    """Return the phase centre of a field as [[ra], [dec]], float64 (2, 1) [rad].

    Parameters
    ----------
    vis : str
    field : int or str
        Id or name.
    forcePositiveRA : bool
        Right ascension from 0 to 2 pi; else from -pi to pi.
    other
        Has no effect.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable
    """
    return getRADecForFields(vis, [field], forcePositiveRA)


def getRADecForFields(vis: str, fields: Any = (), forcePositiveRA: bool = False) -> NDArray[np.float64]:
    """Return the phase centres of fields as [ra..., dec...], float64 (2, field) [rad]; of all fields if none is named.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable
    """
    from atacal.ms.metadata import read_metadata

    metadata = read_metadata(vis)
    places = []
    for wanted in fields if len(fields) else [f.id for f in metadata.fields]:
        text = str(wanted)
        found = [f for f in metadata.fields if f.name == text or (text.isdigit() and f.id == int(text))]
        if not found:
            raise ArgumentError(f"field={wanted!r}: {metadata.name} has {', '.join(metadata.field_names())}")
        places.append(found[0].phase_dir_rad)
    out = np.array(places, np.float64).T
    if forcePositiveRA:
        out[0] %= 2 * np.pi
    else:
        out[0] = (out[0] + np.pi) % (2 * np.pi) - np.pi
    return out


def baseline_lengths_m(metadata: Metadata) -> NDArray[np.float64]:
    """Return the distances between all pairs of antennas, ascending [m], float64 (baseline,)."""
    i, j = np.triu_indices(metadata.nant, 1)
    places = metadata.antenna_positions_m
    return np.sort(np.linalg.norm(places[i] - places[j], axis=1))


def estimateSynthesizedBeam(
    vis: str, field: str = "", spw: int | str = "", useL80method: bool = True, **other: Any
) -> float:
    """Return the angular resolution that the antennas' positions suggest [arcsec].

    Parameters
    ----------
    vis : str
    field : str
        Has no effect: lengths are not projected.
    spw : int
        Whose mean frequency counts; by default the first that is no radiometer's.
    useL80method : bool
        0.574 wavelengths over the 80th percentile of the baselines (ALMA technical handbook); else the wavelength over
        the longest.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable
    """
    from atacal.ms.metadata import read_metadata

    metadata = read_metadata(vis)
    lengths = baseline_lengths_m(metadata)
    wavelength = _C / metadata.spws[_spw(metadata, spw)].centre_freq_hz
    ratio = 0.574 * wavelength / np.percentile(lengths, 80) if useL80method else wavelength / lengths.max()
    return float(_ARCSEC * ratio)


def pickCellSize(
    vis: str,
    spw: int | str = "",
    npix: int = 5,
    intent: str = "",
    imsize: bool = False,
    maxBaselinePercentile: float = 95.0,
    cellstring: bool = False,
    roundcell: int = 2,
    pblevel: float = 0.2,
    sourceid: Any = "",
    **other: Any,
) -> Any:
    """Return a cell size for imaging [arcsec], and where wanted an image size.

    Parameters
    ----------
    vis : str
    spw : int
        Whose mean frequency counts; by default the first that is no radiometer's.
    npix : int
        Cells across the beam.
    intent, other
        Have no effect.
    imsize : bool
        Return [cell, [nx, ny], central field], the image reaching to ``pblevel`` of the mosaic's outer beams.
    maxBaselinePercentile : float
        The beam is a wavelength over this percentile of the baselines.
    cellstring : bool
        Return the cell as text with unit.
    roundcell : int
        Significant digits; 0 for all.
    pblevel, sourceid
        As for `plotmosaic`.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable
    """
    from atacal.ms.metadata import read_metadata

    metadata = read_metadata(vis)
    length = np.percentile(baseline_lengths_m(metadata), maxBaselinePercentile)
    cell = _ARCSEC * _C / metadata.spws[_spw(metadata, spw)].centre_freq_hz / length / npix
    if roundcell:
        digits = int(roundcell) - 1 - int(np.floor(np.log10(cell)))
        cell = float(np.round(cell, digits))
    named = f"{cell:g}arcsec" if cellstring else float(cell)
    if not imsize:
        return named
    central, xmax, xmin, ymax, ymin = plotmosaic(vis, sourceid, doplot=False, spw=spw, pblevel=pblevel)
    return [named, [_good_size((xmax - xmin) / cell), _good_size((ymax - ymin) / cell)], central]


def _good_size(pixels: float) -> int:
    """Return the next even number of factors 2, 3, 5."""
    size = max(int(np.ceil(pixels / 2)) * 2, 2)
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 2
