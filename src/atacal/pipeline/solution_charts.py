"""Charts of solutions: phases and amplitudes against time, bandpasses against frequency with the air's transmission."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from atacal.atmosphere.observed import air_curve, mean_airmass, observed_air
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series

_TIME = Axis("Time", "MJD s", "time")
_POLS = ("X", "Y")


def gain_charts(
    block: Block, table: CalTable, name: str, title: str, quantity: str, *, fields: Iterable[int] | None = None,
    caption: str = "", unit: str = "",
) -> None:  # fmt: skip
    """Write charts of gains against time, one an spw.

    Parameters
    ----------
    block : Block
    table : CalTable
    name, title, caption : str
    quantity : {'phase', 'amp'}
    fields : iterable of int, optional
        Of the solutions; all by default.
    unit : str
        Of amplitudes.
    """
    chosen = None if fields is None else sorted(fields)
    label = Axis("Phase", "deg") if quantity == "phase" else Axis("Amplitude", unit)
    for spw, one in sorted(table.solutions.items()):
        series = []
        for antenna, pol in _with_solutions(one):
            use = ~one.flag[:, antenna, 0, pol]
            if chosen is not None:
                use &= np.isin(one.field, chosen)
            if not use.any():
                continue
            gain = one.param[use, antenna, 0, pol]
            y = np.degrees(np.angle(gain)) if quantity == "phase" else np.abs(gain)
            more = {"scan": one.scan[use], "field": one.field[use], "snr": one.snr[use, antenna, 0, pol]}
            series.append(Series(_keys(block, table, spw, antenna, pol), one.time[use], y, more))
        if series:
            block.chart(Chart(f"{name}_spw{spw}", f"{title}, spw {spw}", _TIME, label, series, caption=caption))


def bandpass_charts(block: Block, table: CalTable) -> None:
    """Write charts of bandpasses against frequency, one an spw for amplitude and for phase, with the transmission."""
    for spw, one in sorted(table.solutions.items()):
        freq = table.spws[spw].chan_freq_hz
        air = _air(block, table, spw, one)
        for quantity, axis in (("amp", Axis("Amplitude")), ("phase", Axis("Phase", "deg"))):
            series = []
            for antenna, pol in _with_solutions(one):
                for slot in range(one.nslot):
                    bad = one.flag[slot, antenna, :, pol]
                    if bad.all():
                        continue
                    gain = one.param[slot, antenna, :, pol]
                    y = np.abs(gain) if quantity == "amp" else np.degrees(np.angle(gain))
                    keys = _keys(block, table, spw, antenna, pol) | {"field": str(int(one.field[slot]))}
                    series.append(Series(keys, freq / 1e9, np.where(bad, np.nan, y), line=True))
            caption = "jumps between channels, spikes and lines that are not the air's are faults of an antenna"
            block.chart(
                Chart(
                    f"bandpass_{quantity}_spw{spw}", f"Bandpass, spw {spw}", Axis("Frequency", "GHz"), axis,
                    [*series, *air], caption=caption,
                )
            )  # fmt: skip


def _air(block: Block, table: CalTable, spw: int, one: SpwSolutions) -> Sequence[Series]:
    """Return the transmission of the air at the time of the solutions [%]."""
    times = one.time[~one.flag.all(axis=(1, 2, 3))]
    if not len(times):
        return []
    fields = [table.fields[int(f)] for f in one.field[~one.flag.all(axis=(1, 2, 3))]]
    airmass = mean_airmass(times, fields, table.antennas)
    curve = air_curve(
        observed_air(block.vis), block.facts.metadata.spws[spw].chan_freq_hz, airmass=airmass,
        start_mjd_s=float(times.min()) - 300, end_mjd_s=float(times.max()) + 300,
    )  # fmt: skip
    keys = {"role": "atmosphere", "spw": str(spw), "label": curve.label}
    return [Series(keys, curve.freq_hz / 1e9, curve.value, line=True)]


def _with_solutions(one: SpwSolutions) -> list[tuple[int, int]]:
    good = ~one.flag.all(axis=(0, 2))
    return [(int(a), int(p)) for a, p in np.argwhere(good)]


def _keys(block: Block, table: CalTable, spw: int, antenna: int, pol: int) -> dict[str, str]:
    name = table.antennas[antenna].name
    both = table.kind.startswith("T")
    return {"antenna": name, "spw": str(spw), "polarisation": "XY" if both else _POLS[pol]}
