"""The fields of a mosaic on the sky, with their primary beams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import WriteError
from atacal.plots.style import OKABE_ITO, new_figure, save_figure


def picture_mosaic(
    fields: Sequence[int],
    centres_rad: NDArray[np.float64],
    offsets_arcsec: NDArray[np.float64],
    beam_arcsec: float,
    path: Path,
    *,
    title: str = "",
    absolute: bool = False,
) -> Path:
    """Draw field centres and circles of the primary beam's full width at half power.

    Parameters
    ----------
    fields : sequence of int
        Ids, written at the centres.
    centres_rad : float64 (field, 2)
        Right ascension and declination [rad].
    offsets_arcsec : float64 (field, 2)
        East and north of the middle [arcsec].
    beam_arcsec : float
    path : Path
        Its folder is made where it is not there.
    title : str
    absolute : bool
        Right ascension and declination [deg] in place of offsets.

    Returns
    -------
    Path

    Raises
    ------
    WriteError
    """
    from matplotlib.patches import Ellipse

    figure = new_figure(8.0, 8.2, 100)
    axes = figure.add_axes((0.12, 0.1, 0.84, 0.8))
    places = np.rad2deg(centres_rad) if absolute else offsets_arcsec
    high = beam_arcsec / 3600 if absolute else beam_arcsec
    wide = high / np.cos(centres_rad[:, 1].mean()) if absolute else high
    for number, (x, y) in zip(fields, places, strict=True):
        axes.add_patch(Ellipse((x, y), wide, high, fill=False, edgecolor=OKABE_ITO[0], linewidth=0.8))
        axes.text(x, y, str(number), fontsize=8 if len(fields) < 60 else 5, ha="center", va="center")
    for low, top, set_limits in (
        (places[:, 0].min() - 0.7 * wide, places[:, 0].max() + 0.7 * wide, axes.set_xlim),
        (places[:, 1].min() - 0.7 * high, places[:, 1].max() + 0.7 * high, axes.set_ylim),
    ):
        set_limits(low, top)
    axes.invert_xaxis()  # east is left
    axes.set_aspect(1 / np.cos(centres_rad[:, 1].mean()) if absolute else 1.0, adjustable="box")
    axes.grid(visible=True, color="#E4E4E4", linewidth=0.6)
    axes.set_xlabel("Right ascension (deg)" if absolute else "East (arcsec)")
    axes.set_ylabel("Declination (deg)" if absolute else "North (arcsec)")
    head, _, rest = title.partition("\n")
    figure.text(0.12, 0.965, head, fontsize=11, fontweight="bold", va="top")
    figure.text(0.12, 0.935, rest, fontsize=9, color="#333333", va="top")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent} cannot be made: {error}") from error
    return save_figure(figure, path)
