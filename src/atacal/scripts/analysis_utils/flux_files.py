"""Flux densities of several MeasurementSets in one text file, from fluxscale's logs."""

from __future__ import annotations

import re
from pathlib import Path

from atacal.errors import ArgumentError

_NUMBER = r"([0-9.]+(?:[eE][-+]?\d+)?)"
_LINE = re.compile(rf"Flux density for (.+) in SpW=(\d+)(?: \(.*?\))? is: {_NUMBER} \+/- {_NUMBER}")


def read_fluxscale_log(path: Path) -> dict[tuple[str, int], tuple[float, float]]:
    """Return (field name, spw) -> (flux density, error) [Jy] of a log of fluxscale.

    Raises
    ------
    ArgumentError
        If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error}") from error
    return {(m[1], int(m[2])): (float(m[3]), float(m[4])) for m in _LINE.finditer(text)}


def collect_fluxes(names: list[str]) -> list[str]:
    """Return the lines of ALMA's ``allFluxes.txt`` for some MeasurementSets.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable
    """
    from atacal.ms.metadata import read_metadata
    from atacal.plots.style import utc_text

    if not names:
        raise ArgumentError("generateFluxFile: no MeasurementSet is named")
    metas = {n: read_metadata(n) for n in names}
    logs = {n: read_fluxscale_log(Path(f"{n}.fluxscale")) if Path(f"{n}.fluxscale").exists() else {} for n in names}
    first = metas[names[0]]
    lines = []
    for field in sorted({f for found in logs.values() for f, _ in found}):
        lines.append("")
        for spw in first.spws:
            values = [logs[n][field, spw.id] for n in names if (field, spw.id) in logs[n]]
            weights = [1 / e**2 if e > 0 else 1.0 for _, e in values]
            mean = sum(v * w for (v, _), w in zip(values, weights, strict=True)) / sum(weights) if values else None
            for name in names:
                one = logs[name].get((field, spw.id))
                low, high = metas[name].observations[0].time_range_mjd_s
                when = utc_text((low + high) / 2).replace(" ", "T")
                parts = [f"{field!r}".replace("'", '"').rjust(50), f"{spw.id:5d}", f"{spw.centre_freq_hz / 1e9:10.2f}"]
                parts += [
                    f"{one[0]:12.5f}" if one else "-".rjust(12),
                    f"{mean:12.5f}" if mean is not None else "-".rjust(12),
                ]
                lines.append(" ".join([*parts, when.rjust(25), Path(name).name.rjust(40)]))
    return lines
