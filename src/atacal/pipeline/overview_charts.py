"""Charts of a block as it was observed: intents, sources, spws, antennas, sky, weather."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.jones.horizon import itrf_directions
from atacal.ms.air_tables import read_pwv_records, read_weather_records
from atacal.ms.metadata import Field
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.facts import ASIDE, CALIBRATORS, Facts
from atacal.pipeline.geometry import azimuth_elevation, local_positions
from atacal.recipe.channels import is_science

_TIME = Axis("Time", "UTC", "time")
_MOST_UV_POINTS = 16000
_MOST_RECORDS = 600
"""Of a weather station; of more every so many is shown."""
_WEATHER = {
    "temperature": ("Temperature", "K"), "dew_point": ("Dew point", "K"), "pressure": ("Pressure", "hPa"),
    "humidity": ("Relative humidity", "%"), "wind_speed": ("Wind speed", "m/s"),
    "wind_direction": ("Wind direction", "deg"),
}  # fmt: skip
_SUN_POINTS = 25


def overview_charts(block: Block, sky: Sequence[Mapping[str, Any]]) -> None:
    """Write the charts of a block as it was observed."""
    facts = block.facts
    charts = [
        _intents(facts), _fields(facts), _spatial(facts), *_pointings(facts), _spectral(facts), *_antennas(facts),
        *_uv(facts), *_sky(facts), *_weather(block), *_water(block),
    ]  # fmt: skip
    for chart in charts:
        block.chart(chart)


def _bars(rows: Sequence[tuple[float, float, str]]) -> tuple[NDArray[np.float64], list[str]]:
    """Return bars as a line with gaps."""
    x = np.array([v for start, end, _ in rows for v in (start, end, np.nan)])
    return x, [row for _, _, row in rows for _ in range(3)]


def _intents(facts: Facts) -> Chart:
    series = []
    for intent in sorted({i for s in facts.scans for i in s.intents}):
        scans = [s for s in facts.scans if intent in s.intents]
        x, y = _bars([(s.start_s, s.end_s, intent) for s in scans])
        more: dict[str, Any] = {
            "scan": [s.number for s in scans for _ in range(3)],
            "of": [facts.metadata.fields[s.fields[0]].name for s in scans for _ in range(3)],
        }
        series.append(Series({"intent": intent}, x, y, more, line=True))
    return Chart("intents", "Intents against time", _TIME, Axis("Intent", "", "category"), series)


def _fields(facts: Facts) -> Chart:
    rows: dict[tuple[str, str], list[tuple[float, float, str, int]]] = {}
    for s in facts.scans:
        for f in s.fields[:20]:
            name = facts.metadata.fields[f].name
            role = _role(s.intents)
            rows.setdefault((name, role), []).append((s.start_s, s.end_s, name, s.number))
    series = []
    for (name, role), found in rows.items():
        x, y = _bars([r[:3] for r in found])
        series.append(
            Series({"label": role, "field": name}, x, y, {"scan": [r[3] for r in found for _ in range(3)]}, line=True)
        )
    return Chart("fields_time", "Sources against time", _TIME, Axis("Source", "", "category"), series)


def _role(intents: frozenset[str]) -> str:
    """Return the intent that a scan is known by."""
    science = [i for i in ("TARGET", *reversed(CALIBRATORS)) if i in intents]
    aside = [i for i in ASIDE if i in intents]
    return (aside or science or ["other"])[0]


def _spatial(facts: Facts) -> Chart:
    series = []
    for f in facts.fields():
        one = facts.metadata.fields[f]
        keys = {"field": one.name, "label": ", ".join(sorted(facts.intents_of(f) - {"WVR"}))}
        ra, dec = np.degrees(one.phase_dir_rad)
        series.append(Series(keys, np.array([ra % 360]), np.array([dec])))
    caption = "How far the phase calibrator is from the target, and which side of it the check source."
    return Chart("spatial", "Sources on the sky", Axis("RA", "deg"), Axis("Dec", "deg"), series[:400], caption=caption)


def _pointings(facts: Facts) -> list[Chart]:
    """Return the pointings of targets, about the middle of each source [arcsec]; none for single pointings."""
    by_source: dict[str, list[Field]] = {}
    for f in facts.fields("TARGET"):
        by_source.setdefault(facts.metadata.fields[f].name, []).append(facts.metadata.fields[f])
    series = []
    for name, fields in by_source.items():
        ra, dec = np.array([f.phase_dir_rad for f in fields]).T
        ra = ra[0] + (ra - ra[0] + np.pi) % (2 * np.pi) - np.pi
        x = np.degrees((ra - ra.mean()) * np.cos(dec.mean())) * 3600
        series.append(Series({"field": name}, x, np.degrees(dec - dec.mean()) * 3600, {"id": [f.id for f in fields]}))
    if all(np.size(s.x) < 2 for s in series):
        return []
    x, y = Axis("RA offset", "arcsec"), Axis("Dec offset", "arcsec")
    return [Chart("pointings", "Pointings of the targets", x, y, series)]


def _spectral(facts: Facts) -> Chart:
    series = []
    for spw in facts.metadata.spws:
        if not is_science(spw):
            continue
        half = np.abs(spw.chan_width_hz).max() / 2
        edges = np.array([spw.chan_freq_hz.min() - half, spw.chan_freq_hz.max() + half]) / 1e9
        role = "science" if spw.id in facts.science_spws else "other"
        keys = {"spw": str(spw.id), "label": role}
        series.append(Series(keys, edges, [f"spw {spw.id}"] * 2, {"channels": [spw.nchan] * 2}, line=True))
    return Chart("spectral", "Spectral windows", Axis("Frequency", "GHz"), Axis("spw", "", "category"), series)


def _antennas(facts: Facts) -> list[Chart]:
    local = local_positions(facts.metadata.antenna_positions_m)
    east, north = local[:, 0], local[:, 1]
    distance, angle = np.hypot(east, north), np.degrees(np.arctan2(east, north)) % 360
    of = list(zip(facts.metadata.antennas, east, north, distance, angle, strict=True))
    more: list[dict[str, Any]] = [
        {"pad": [a.station], "diameter_m": [a.dish_diameter_m]} for a in facts.metadata.antennas
    ]
    linear = [
        Series({"antenna": a.name}, np.array([e]), np.array([n]), m)
        for (a, e, n, _, _), m in zip(of, more, strict=True)
    ]
    polar = [
        Series({"antenna": a.name}, np.array([t]), np.array([max(d, 1.0)]), m)
        for (a, _, _, d, t), m in zip(of, more, strict=True)
    ]
    first, second = np.triu_indices(len(local), 1)
    lengths = np.sort(np.linalg.norm(local[first] - local[second], axis=1))
    share = 100 * (np.arange(len(lengths)) + 1) / max(1, len(lengths))
    step = max(1, len(lengths) // 500)
    return [
        Chart("antennas", "Antennas", Axis("East", "m"), Axis("North", "m"), linear),
        Chart(
            "antennas_polar", "Antennas about the middle of the array, distances logarithmic",
            Axis("Azimuth", "deg", "angle"), Axis("Distance", "m", "log"), polar,
        ),
        Chart(
            "baselines", "Lengths of the baselines", Axis("Length", "m", "log"), Axis("Baselines up to it", "%"),
            [Series({}, lengths[::step], share[::step], line=True)] if len(lengths) else [],
        ),
    ]  # fmt: skip


def _uv(facts: Facts) -> list[Chart]:
    """Return the uv coverage of the first target (or other field) at some times, from the antennas' positions."""
    fields = facts.fields("TARGET") or facts.fields("CHECK") or facts.fields()
    positions = facts.metadata.antenna_positions_m
    first, second = np.triu_indices(len(positions), 1)
    if not fields or not len(first):
        return []
    field = facts.metadata.fields[fields[0]]
    scans = [s for s in facts.science_scans() if fields[0] in s.fields]
    count = max(1, min(30, _MOST_UV_POINTS // (2 * len(first))))
    times = np.concatenate([np.linspace(s.start_s, s.end_s, max(1, count // len(scans))) for s in scans])[:count]
    middle = np.median(positions, axis=0)
    towards = itrf_directions(times, [field] * len(times), middle, facts.metadata.time_frame)
    east = np.cross([0.0, 0.0, 1.0], towards)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(towards, east)
    lines = positions[second] - positions[first]
    u, v = (lines @ east.T).ravel(), (lines @ north.T).ravel()
    title = f"uv coverage of {field.name}, {len(times)} of its times"
    series = [Series({"field": field.name}, np.concatenate([u, -u]), np.concatenate([v, -v]))]
    return [Chart("uv", title, Axis("u", "m"), Axis("v", "m"), series)]


def _sky(facts: Facts) -> list[Chart]:
    rows = [
        (facts.metadata.fields[s.fields[0]], t, s.number)
        for s in facts.scans
        for t in np.linspace(s.start_s, s.end_s, 5)
    ]
    azimuth, elevation = azimuth_elevation(facts, np.array([t for _, t, _ in rows]), [f for f, _, _ in rows])
    sun_times = np.linspace(facts.scans[0].start_s, facts.scans[-1].end_s, _SUN_POINTS)
    sun_azimuth, sun_elevation = azimuth_elevation(facts, sun_times, _sun(sun_times))
    out = []
    for name, values, sun in (("elevation", elevation, sun_elevation), ("azimuth", azimuth, sun_azimuth)):
        series = []
        for field in dict.fromkeys(f.name for f, _, _ in rows):
            mine = [i for i, (f, _, _) in enumerate(rows) if f.name == field]
            gaps = [j for j, i in enumerate(mine) if j and rows[i][2] != rows[mine[j - 1]][2]]
            x = np.insert(np.array([rows[i][1] for i in mine]), gaps, np.nan)
            y = np.insert(values[mine], gaps, np.nan)
            series.append(Series({"field": field}, x, y, line=True))
        series.append(Series({"label": "Sun"}, sun_times, sun, line=True))
        out.append(Chart(name, f"{name.capitalize()} against time", _TIME, Axis(name.capitalize(), "deg"), series))
    return out


def _sun(times: NDArray[np.float64]) -> list[Field]:
    """Return the Sun as a field at each time: its geocentric direction, a few arcseconds from the apparent."""
    import erfa

    around = erfa.epv00(2400000.5, times / 86400.0)[0]["p"]
    right_ascension, declination = erfa.c2s(-around)
    return [
        Field(-1, "Sun", "", -1, (float(r), float(d)), "J2000", float(t))
        for r, d, t in zip(right_ascension, declination, times, strict=True)
    ]


def _weather(block: Block) -> list[Chart]:
    records = read_weather_records(block.vis)
    out = []
    for name, (title, unit) in _WEATHER.items():
        series = []
        for station, of in records.items():
            if name in of:
                step = -(-len(of["time"]) // _MOST_RECORDS)
                series.append(Series({"label": f"station {station}"}, of["time"][::step], of[name][::step], line=True))
        if series:
            out.append(Chart(f"weather_{name}", title, _TIME, Axis(title, unit), series))
    return out


def _water(block: Block) -> list[Chart]:
    series = [
        Series({"label": name}, time, water) for name, (time, water) in sorted(read_pwv_records(block.vis).items())
    ]
    if not series:
        return []
    caption = "As the observatory retrieved it; the stage of the radiometers has its own."
    return [Chart("pwv", "Precipitable water", _TIME, Axis("PWV", "mm"), series, caption=caption)]
