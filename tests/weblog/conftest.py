"""Run directories made up for the weblog: charts of every kind, names that mean no good."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.pipeline.charts import Axis, Chart, Matrix, Series, write_chart
from atacal.weblog import weblog

BLOCKS = ("uid___A002_X1_X1.ms", "uid___A002_X1_X2.ms")
ANTENNAS = ("DA41", "DA42", "DV01", "DV02", "DV03", "PM01")
SPWS = ("17", "19")
FIELDS = {"J1517-2422": ["BANDPASS"], "J1650-2943": ["PHASE"], "Sgr A*": ["TARGET"]}
HOSTILE = (
    '<script>document.title="gone"</script>',
    "\"><img src=x onerror=document.title='gone'>",
    "../../../../etc/passwd",
    "a/b\\c",
    "'; DROP TABLE x; --",
    "Gałązka ☃ 星 \u202e\u2028",
    "x" * 200,
    "=1+1",
    "{{ 7 * 7 }}",
    "__proto__",
    "</title><b>",
    "%{x}$$",
    "line\nbreak",
)
START = 5.067294e9
REASONS = [
    {"rule": "jump", "antenna": "DA41", "spw": "17", "value": 9.125, "limit": 5.0},
    {"rule": "jump", "antenna": "DV03", "spw": "19", "value": 7.5, "limit": 5.0},
    {"rule": "no good solution", "table": "X.ms.hifa_bandpass.s03.bcal.tbl", "value": 4200},
]
"""Why a stage flagged: one finding for each antenna and spw."""


def put(folder: Path, number: int, task: str, title: str, blocks: dict[str, dict[str, Any]], **more: Any) -> Path:
    """Write a stage's result, as the pipeline does."""
    place = folder / "stages" / f"{number:02d}-{task}"
    place.mkdir(parents=True, exist_ok=True)
    empty = {
        "summary": "",
        "decisions": {},
        "scores": [],
        "messages": [],
        "flags": [],
        "tables": [],
        "charts": [],
        "calls": [],
        "sets": {},
        "flags_changed": False,
        "models_changed": False,
        "failed": "",
        "flag_version": "",
    }
    result = {"number": number, "task": task, "title": title, "blocks": {n: {**empty, **o} for n, o in blocks.items()}}
    values = [s["value"] for o in result["blocks"].values() for s in o["scores"] if not s["hidden"]]
    result |= {"score": min(values) if values else None, "key": f"{number:064d}"}
    result["asked"] = {
        "atacal": "0.1",
        "recipe": "today",
        "stage": task,
        "number": number,
        "parameters": {"solint": "inf"},
        "files": {},
        "after": "",
    } | more
    (place / "result.json").write_text(json.dumps(result, sort_keys=True), encoding="utf-8")
    return place


def score(value: float, long: str, hidden: bool = False, **where: str) -> dict[str, Any]:
    return {
        "value": value,
        "metric": "measure",
        "measured": value * 3.3,
        "unit": "Jy",
        "short": "short",
        "long": long,
        "where": where,
        "hidden": hidden,
    }


def cause(name: str, share: float, fields: list[str]) -> dict[str, Any]:
    counts = {s: {f: {a: [int(share * 1000) + i, 10000] for i, a in enumerate(ANTENNAS)} for f in fields} for s in SPWS}
    newly = sum(p[0] for s in counts.values() for f in s.values() for p in f.values()) // 2
    return {
        "cause": name,
        "commands": [f"mode='manual' reason='{name}'"],
        "newly": newly,
        "total": 240000,
        "counts": counts,
        "reasons": [{"rule": name, "value": 8.25, "limit": 5.0, "antenna": "DV01"}],
        "by_scan": {"4": [newly, 120000]},
    }


def charts(folder: Path, place: Path, block: str, big: int = 300) -> list[str]:
    """Write charts of every kind; return their paths."""
    rng = np.random.default_rng(1)
    time = START + np.arange(40) * 6.0
    freq = np.linspace(230.0, 232.0, big)
    pairs = [(a, s, p) for a in ANTENNAS for s in SPWS for p in "XY"]
    keys = [{"antenna": a, "spw": s, "polarisation": p, "field": "0"} for a, s, p in pairs]
    phases = [
        Series(k, time, rng.normal(0, 20, 40), {"scan": np.full(40, 4), "snr": rng.uniform(5, 50, 40)}) for k in keys
    ]
    bands = [Series(k, freq, 1 + rng.normal(0, 0.05, big), line=True) for k in keys]
    air = [Series({"role": "atmosphere", "spw": s}, freq, 90 + np.sin(freq * 9), line=True) for s in SPWS]
    flagged = [Series({**keys[0], "role": "flagged"}, time[:3], np.array([100.0, 110.0, np.nan]))]
    bars = [
        Series({"intent": i}, np.array([START, START + 60, np.nan]), [i] * 3, line=True) for i in ("PHASE", "TARGET")
    ]
    places = [
        Series({"antenna": a}, np.array([30.0 * i]), np.array([10.0 ** (i / 2 + 0.5)])) for i, a in enumerate(ANTENNAS)
    ]
    views = [
        Matrix(
            {"spw": s, "polarisation": "X", "role": r},
            np.arange(64),
            list(ANTENNAS),
            rng.normal(0, 1, (6, 64)),
            rng.random((6, 64)) > 0.97,
        )
        for s in SPWS
        for r in ("before", "after")
    ]
    image = Matrix(
        {"field": "J1650-2943", "spw": "17"}, np.linspace(5, -5, 40), np.linspace(-5, 5, 40), rng.normal(0, 1, (40, 40))
    )
    many = [Series({"antenna": a, "spw": "17"}, rng.uniform(0, 500, 1500), rng.normal(1, 0.1, 1500)) for a in ANTENNAS]
    found = [
        Chart(
            "phase_time",
            "Phases",
            Axis("Time", "MJD s", "time"),
            Axis("Phase", "deg"),
            [*phases, *flagged],
            lines=[{"axis": "y", "value": 60.0, "label": "limit"}],
            caption="Jumps are faults.",
        ),
        Chart("bandpass_amp", "Bandpass", Axis("Frequency", "GHz"), Axis("Amplitude"), [*bands, *air]),
        Chart("intents", "Intents", Axis("Time", "UTC", "time"), Axis("Intent", "", "category"), bars),
        Chart("polar", "Antennas", Axis("Azimuth", "deg", "angle"), Axis("Distance", "m", "log"), places),
        Chart(
            "view",
            "A view",
            Axis("channel"),
            Axis("antenna", "", "category"),
            matrices=views,
            z=Axis("amplitude", "Jy"),
        ),
        Chart("image", "An image", Axis("RA offset", "arcsec"), Axis("Dec offset", "arcsec"), matrices=[image]),
        Chart("many", "Many points", Axis("uv distance", "m"), Axis("Amplitude", "Jy"), many),
        Chart(
            "logarithm",
            "Logarithmic",
            Axis("Length", "m", "log"),
            Axis("Share", "%"),
            [Series({}, np.array([10.0, 100.0, 1000.0]), np.array([1.0, 50.0, 100.0]), line=True)],
        ),
    ]
    return [write_chart(c, place / "charts" / block).relative_to(folder).as_posix() for c in found]


def make_run(folder: Path, *, value: float = 0.25) -> Path:
    """Make a run directory of a few stages and two blocks."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"versions": {"atacal": "0.1", "numpy": "2.0"}, "format": 1}))
    (folder / "timings.json").write_text(json.dumps({"01-hifa_importdata": 3.25, "02-hifa_flagdata": 61.5}))
    holds = {
        "project": "2099.1.00001.S",
        "observer": "someone",
        "session": "session_1",
        "antennas": list(ANTENNAS),
        "receivers": ["Band 6"],
        "start_mjd_s": START,
        "end_mjd_s": START + 3600,
        "on_target_s": 1800.5,
        "baselines": {"min_m": 15.1, "max_m": 1500.25, "rms_m": 400.125},
        "size_bytes": 123456789,
        "mode": "",
        "fields": {
            n: {"id": i, "intents": t, "ra_rad": 4.5 + i, "dec_rad": -0.5} for i, (n, t) in enumerate(FIELDS.items())
        },
        "science_spws": {
            s: {"name": f"ALMA_RB_06#{s}", "centre_hz": 231e9, "width_hz": 2e9, "nchan": 300} for s in SPWS
        },
    }
    place = put(
        folder,
        1,
        "hifa_importdata",
        "Import",
        {b: {"decisions": holds, "scores": [score(1.0, "all there")]} for b in BLOCKS},
    )
    listed = {b: charts(folder, place, b)[:4] for b in BLOCKS}
    put(
        folder,
        1,
        "hifa_importdata",
        "Import",
        {
            b: {"decisions": holds, "scores": [score(1.0, "all there")], "charts": listed[b], "summary": "6 antennas"}
            for b in BLOCKS
        },
    )
    (place / f"{BLOCKS[0]}.listobs.txt").write_text("a listing\n")
    (place / f"{BLOCKS[0]}.log").write_text("INFO something was done\n" * 10)
    flags = [cause("online", 0.05, list(FIELDS)), cause("shadow", 0.4, ["Sgr A*"])]
    put(
        folder,
        2,
        "hifa_flagdata",
        "A-priori flags",
        {
            b: {
                "flags": flags,
                "summary": "online 5 %",
                "scores": [score(0.8, f"{b}: DV01 is low", antenna="DV01", spw="17")],
                "messages": [{"level": "warning", "text": "PM01 was shadowed", "advice": "look at its position"}],
                "decisions": {"limit": 0.125, "by_spw": {s: {"value": 1.5, "share": 0.0625} for s in SPWS}},
            }
            for b in BLOCKS
        },
    )
    place = folder / "stages" / "03-hifa_bandpass"
    listed = {b: charts(folder, place, b, 1500) for b in BLOCKS}
    put(
        folder,
        3,
        "hifa_bandpass",
        "Bandpass",
        {
            b: {
                "charts": listed[b],
                "summary": f"solint {value}",
                "calls": ["bandpass(vis='x')"],
                "tables": ["caltables/a.tbl"],
                "flags": [{**cause("jump", 0.01, ["Sgr A*"]), "reasons": REASONS}],
                "scores": [score(value, f"{b}: spw 19 is bad", spw="19"), score(0.1, "does not count", hidden=True)],
                "messages": [{"level": "error", "text": "no solutions of DV02", "advice": ""}],
                "decisions": {
                    "ranking": [{"antenna": a, "score": value * i} for i, a in enumerate(ANTENNAS)],
                    "none": None,
                    "deep": {"a": {"b": {"c": [1.5, 2.5]}}},
                },
            }
            for b in BLOCKS
        },
    )
    feature = {"spw": 17, "field": "Sgr A*", "kind": "line", "freq_ghz": [230.5, 230.6], "peak_k": 12.5}
    lines = {BLOCKS[0]: {"decisions": {"features": [feature]}}, BLOCKS[1]: {}}
    put(folder, 4, "hifa_tsysflagcontamination", "Lines in system temperatures", lines)
    return folder


def make_hostile_run(folder: Path) -> Path:
    """Make a run directory in which every name is one of `HOSTILE`."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"versions": {HOSTILE[0]: HOSTILE[1]}, "format": 1}))
    (folder.parent / "secret.json").write_text('{"title": "secret", "series": [], "matrices": []}')
    names = [f"{h}.ms" for h in HOSTILE[:7:2]]
    fields = {h: {"id": i, "intents": [h], "ra_rad": 1.0, "dec_rad": 0.5} for i, h in enumerate(HOSTILE)}
    holds = {
        "project": HOSTILE[0],
        "antennas": list(HOSTILE),
        "fields": fields,
        "science_spws": {h: {"name": h} for h in HOSTILE},
        "session": HOSTILE[1],
        "receivers": list(HOSTILE),
    }
    place = put(folder, 1, "hifa_importdata", HOSTILE[0], {n: {"decisions": holds} for n in names})
    series = [
        Series({"antenna": h, "spw": h, "field": h, "polarisation": h}, [1.0, 2.0], [3.0, 4.0], {h: [1, 2]})
        for h in HOSTILE
    ]
    matrix = Matrix({"spw": HOSTILE[1]}, list(HOSTILE), list(HOSTILE[:3]), np.ones((3, len(HOSTILE))))
    x = Axis(HOSTILE[0], HOSTILE[1])
    made = [
        Chart(
            "dots", HOSTILE[0], x, x, series, caption=HOSTILE[1], lines=[{"axis": "y", "value": 1, "label": HOSTILE[0]}]
        ),
        Chart("matrix", HOSTILE[1], x, x, matrices=[matrix], z=x),
    ]
    paths = [write_chart(c, place / "charts").relative_to(folder).as_posix() for c in made]
    odd = place / "charts" / 'a"><script>.json'
    odd.write_bytes((folder / paths[0]).read_bytes())
    paths += [odd.relative_to(folder).as_posix(), "stages/../../secret.json", "/etc/hostname", HOSTILE[0]]
    flags = [
        {
            "cause": h,
            "commands": [h],
            "reasons": [{h: h}],
            "newly": 5,
            "total": 10,
            "by_scan": {h: [5, 10]},
            "counts": {h: {h: {h: [5, 10]}}},
        }
        for h in HOSTILE
    ]
    told = [{"level": "warning", "text": h, "advice": h} for h in HOSTILE]
    scores = [{**score(0.1, h), "metric": h, "unit": h, "where": {"antenna": h, "spw": h}} for h in HOSTILE]
    outcome = {
        "decisions": {**holds, **{h: h for h in HOSTILE}},
        "charts": paths,
        "flags": flags,
        "messages": told,
        "scores": scores,
        "summary": HOSTILE[0],
        "calls": list(HOSTILE),
        "tables": list(HOSTILE),
    }
    put(folder, 1, "hifa_importdata", HOSTILE[0], {n: outcome for n in names}, parameters={h: h for h in HOSTILE})
    (place / 'x"><script>.log').write_text(HOSTILE[0])
    return folder


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with its weblog; not to be changed."""
    folder = make_run(tmp_path_factory.mktemp("weblog") / "run")
    other = make_run(folder.parent / "other", value=0.55)
    weblog(str(folder), compare=str(other))
    return folder


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_hostile_run(tmp_path_factory.mktemp("hostile") / "run")
    weblog(str(folder))
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser that is not shown."""
    path = shutil.which("chromium") or shutil.which("google-chrome") or ""
    if not path:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of pages are kept."""
    folder = Path(os.environ.get("ATACAL_SCREENSHOTS") or Path(__file__).parents[2] / "build" / "weblog")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
