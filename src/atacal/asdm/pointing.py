"""The POINTING subtable: each row of the ASDM holds many samples."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.context import Context
from atacal.asdm.dataset import need
from atacal.asdm.subtables import Columns
from atacal.asdm.values import array, boolean, integer, start_and_duration, tag
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError

_log = logging.getLogger("atacal")
_NEAR = 1e-13  # casacore's relative tolerance of what is the same number


def pointings(context: Context, corrected: bool) -> Iterator[Columns]:
    """Yield columns of POINTING (sample, ...), those of one row of the ASDM at a time.

    Parameters
    ----------
    context : Context
    corrected : bool
        Add what the encoders differ from the commanded direction.
    """
    last: dict[int, float] = {}
    for i, row in enumerate(context.asdm.selected("Pointing", context.spans)):
        if boolean(need(row, "usePolynomials", "Pointing")):
            raise AsdmError(f"{context.asdm.path}: Pointing row {i} uses polynomials, which cannot be converted")
        antenna = tag(need(row, "antennaId", "Pointing"))
        times, intervals, first, end = _times(row)
        before = last.get(antenna, 0.0)
        skip = abs(first - before) <= _NEAR * max(abs(first), abs(before))
        last[antenna] = end
        columns = {"TIME": times, "INTERVAL": intervals} | _samples(row, antenna, len(times), corrected, i)
        yield {name: values[1:] for name, values in columns.items()} if skip else columns


def _times(row: Row) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Return times and intervals of the samples [s], and the first and last time that tell repeated samples."""
    count = integer(need(row, "numSample", "Pointing"))
    if "sampledTimeInterval" in row:
        given = row["sampledTimeInterval"]
        if isinstance(given, str):
            pairs = array(given, np.int64).reshape(-1, 2) if given.split()[0] == "2" else _flat_pairs(given)
            starts, durations = pairs[:, 0] - pairs[:, 1] // 2, pairs[:, 1]
        else:
            pairs = np.array(given, np.int64).reshape(-1, 2)
            starts, durations = pairs[:, 0], pairs[:, 1]
        if len(pairs) < count:
            raise AsdmError(f"Pointing: sampledTimeInterval has {len(pairs)} entries for {count} samples")
        lengths = durations / 1e9
        begun = starts / 1e9
        return begun + lengths / 2, lengths, float(begun[0]), float(begun[count - 1])
    start, duration = start_and_duration(need(row, "timeInterval", "Pointing"))
    length = float(duration) / 1e9 / count
    first = float(start) / 1e9 + length / 2.0
    times: NDArray[Any] = first + np.arange(count) * length
    return times, np.full(count, length), first, first + length * (count - 1)


def _flat_pairs(text: str) -> NDArray[np.int64]:
    """Read ``1 n start duration start duration ...``."""
    numbers = np.array(text.split()[2:], np.int64)
    return numbers.reshape(-1, 2)


def _samples(row: Row, antenna: int, count: int, corrected: bool, number: int) -> Columns:
    given = {}
    for name in ("encoder", "pointingDirection", "target", "offset"):
        given[name] = array(need(row, name, "Pointing"))
        if given[name].shape != (count, 2):
            raise AsdmError(f"Pointing row {number}: {name} has the shape {given[name].shape}, numSample is {count}")
    direction = true_direction(given["target"], given["offset"])
    if corrected:
        direction = direction + (given["encoder"] - given["pointingDirection"])
    made: Columns = {
        "ANTENNA_ID": np.full(count, antenna, np.int32), "NUM_POLY": np.zeros(count, np.int32),
        "TIME_ORIGIN": np.zeros(count), "ON_SOURCE": np.zeros(count, bool),
        "TRACKING": np.full(count, boolean(need(row, "pointingTracking", "Pointing"))),
        "DIRECTION": direction[:, np.newaxis], "TARGET": given["target"][:, np.newaxis],
        "POINTING_OFFSET": given["offset"][:, np.newaxis], "ENCODER": given["encoder"],
    }  # fmt: skip
    if "overTheTop" in row:
        made["OVER_THE_TOP"] = np.full(count, boolean(row["overTheTop"]))
    return made


def true_direction(target: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where antennas point: offsets on the sphere, about the target.

    Parameters
    ----------
    target, offset : float64 (sample, 2)
        Azimuth and elevation [rad]; offsets along axes through the target.

    Returns
    -------
    float64 (sample, 2)
        Azimuth and elevation [rad].

    Notes
    -----
    The vector of the offset is turned by the Euler angles psi = pi/2, theta = elevation, phi = -pi/2 - azimuth.
    """
    psi, theta, phi = np.pi / 2, target[:, 1], -np.pi / 2 - target[:, 0]
    cps, sps = np.cos(psi), np.sin(psi)
    ct, st, cf, sf = np.cos(theta), np.sin(theta), np.cos(phi), np.sin(phi)
    x = np.cos(offset[:, 0]) * np.cos(offset[:, 1])
    y = np.sin(offset[:, 0]) * np.cos(offset[:, 1])
    z = np.sin(offset[:, 1])
    a = (cps * cf - sps * ct * sf) * x + (sps * cf + cps * ct * sf) * y + st * sf * z
    b = (-cps * sf - sps * ct * cf) * x + (-sps * sf + cps * ct * cf) * y + st * cf * z
    c = sps * st * x - cps * st * y + ct * z
    return np.stack([np.arctan2(b, a), np.arctan2(c, np.sqrt(a * a + b * b))], axis=1)
