"""Statistics of the weights that system temperatures have calibrated."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

log = logging.getLogger("atacal")

_UNUSUAL = 5.0


def weight_statistics(vis: str) -> dict[int, dict[str, Any]]:
    """Return the weights of each spw's unflagged cross-correlations, antenna by antenna.

    Parameters
    ----------
    vis : str

    Returns
    -------
    dict of spw -> dict
        ``median`` over antennas, and ``antennas``: name -> mean WEIGHT over its baselines and correlations. Antennas
        without unflagged data are left out, and so are spws of radiometers and channel averages.

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked, EmptySelection
    """
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.stream import stream

    with MeasurementSet(vis) as ms:
        meta = ms.metadata
        spws = [
            s.id for s in meta.spws if s.nchan > 4 and "WVR" not in s.name.upper() and "CH_AVG" not in s.name.upper()
        ]
        selected = select(ms, Selection(spw=",".join(map(str, spws))), autocorr=False)
        sums = np.zeros((len(meta.spws), meta.nant))
        counts = np.zeros((len(meta.spws), meta.nant))
        for block in stream(ms, selected, ["WEIGHT", "FLAG"]):
            good = ~block["FLAG"].all(axis=1) & block.wanted[:, None]
            weight = np.where(good, block["WEIGHT"], 0).sum(axis=1)
            number = good.sum(axis=1)
            for antenna in (block.antenna1, block.antenna2):
                sums[block.spw] += np.bincount(antenna, weight, meta.nant)
                counts[block.spw] += np.bincount(antenna, number, meta.nant)
    out: dict[int, dict[str, Any]] = {}
    for spw in spws:
        mean = {a.name: float(sums[spw, a.id] / counts[spw, a.id]) for a in meta.antennas if counts[spw, a.id] > 0}
        if mean:
            out[spw] = {"median": float(np.median(list(mean.values()))), "antennas": mean}
            _tell(spw, out[spw])
    return out


def _tell(spw: int, found: dict[str, Any]) -> None:
    low, high = min(found["antennas"].values()), max(found["antennas"].values())
    log.info("weights in spw %d: %.4g in the median, %.4g to %.4g", spw, found["median"], low, high)
    for name, value in found["antennas"].items():
        ratio = value / found["median"] if found["median"] else np.nan
        if not 1 / _UNUSUAL < ratio < _UNUSUAL:
            log.warning("weights in spw %d: %s has %.4g, %.2f of the median", spw, name, value, ratio)
