"""What a block looks like before anything is done to it: its listing, where its antennas and sources are."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.ms._tables import opened
from atacal.ms.metadata import Field
from atacal.pipeline.block import Block, stage_folder
from atacal.pipeline.facts import Facts, Scan
from atacal.pipeline.geometry import azimuth_elevation, local_positions
from atacal.pipeline.overview_charts import overview_charts
from atacal.recipe.channels import is_science

_LIGHT_KMS = 299792.458
_PERCENTILES = (5, 25, 50, 75, 80, 95)
_MOST_FIELDS = 40
"""Fields of which separations are told; a mosaic has hundreds."""


def describe_block(block: Block) -> None:
    """Put what a block looks like into the decisions, the charts, and ``X.ms.listobs.txt`` beside the log."""
    facts = block.facts
    sky = sky_of_scans(facts)
    block.out.decisions |= {
        **_names(block.vis),
        "receivers": receivers(facts),
        "size_bytes": size_of(block.vis),
        "baselines": baselines(facts.metadata.antenna_positions_m),
        "antenna_table": antenna_table(facts),
        "separations": separations(facts),
        "spws": [_spw(facts, s.id) for s in facts.metadata.spws if is_science(s)],
        "sky": sky,
    }
    overview_charts(block, sky)
    _listobs(block)


def size_of(vis: Path) -> int:
    """Return the size of a MeasurementSet's files [bytes]."""
    return sum(p.stat().st_size for p in sorted(vis.rglob("*")) if p.is_file() and p.name != "table.lock")


def receivers(facts: Facts) -> list[str]:
    """Return the bands of the science spws: ``Band 6``; nothing for spws that do not name them."""
    found = {int(m.group(1)) for s in facts.spws if (m := re.search(r"RB_(\d+)", s.name))}
    return [f"Band {n}" for n in sorted(found)]


def baselines(positions_m: NDArray[np.float64]) -> dict[str, float]:
    """Return how long the baselines are [m]: shortest, longest, root mean square, percentiles."""
    first, second = np.triu_indices(len(positions_m), 1)
    if not len(first):
        return {}
    length = np.linalg.norm(positions_m[first] - positions_m[second], axis=1)
    out = {"min_m": float(length.min()), "max_m": float(length.max()), "rms_m": float(np.sqrt((length**2).mean()))}
    return out | {f"p{p:02d}_m": float(np.percentile(length, p)) for p in _PERCENTILES} | {"count": len(length)}


def antenna_table(facts: Facts) -> list[dict[str, Any]]:
    """Return each antenna's pad, diameter and place."""
    local = local_positions(facts.metadata.antenna_positions_m)
    return [
        {"antenna": a.name, "pad": a.station, "diameter_m": a.dish_diameter_m, "east_m": round(float(e), 3),
         "north_m": round(float(n), 3), "up_m": round(float(u), 3)}
        for a, (e, n, u) in zip(facts.metadata.antennas, local, strict=True)
    ]  # fmt: skip


def separations(facts: Facts) -> list[dict[str, Any]]:
    """Return the angles between targets and the calibrators that follow the phase."""
    fields = facts.metadata.fields
    targets = facts.fields("TARGET")[:_MOST_FIELDS]
    out = []
    for intent in ("PHASE", "CHECK"):
        for calibrator in facts.fields(intent):
            for target in targets if intent == "PHASE" else facts.fields("PHASE"):
                angle = _apart(fields[calibrator], fields[target])
                out.append(
                    {
                        "from": fields[calibrator].name,
                        "intent": intent,
                        "to": fields[target].name,
                        "separation_deg": angle,
                    }
                )
    return out


def _apart(a: Field, b: Field) -> float:
    first, second = (
        np.array([np.cos(d) * np.cos(r), np.cos(d) * np.sin(r), np.sin(d)], np.float64)
        for r, d in (a.phase_dir_rad, b.phase_dir_rad)
    )
    return round(float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second))), 4)


def sky_of_scans(facts: Facts) -> list[dict[str, Any]]:
    """Return where each scan's field stood in its middle [deg]."""
    scans: list[Scan] = list(facts.scans)
    times = np.array([(s.start_s + s.end_s) / 2 for s in scans])
    fields = [facts.metadata.fields[s.fields[0]] for s in scans]
    azimuth, elevation = azimuth_elevation(facts, times, fields)
    return [
        {"scan": s.number, "field": f.name, "middle_mjd_s": round(float(t), 3), "azimuth_deg": round(float(a), 3),
         "elevation_deg": round(float(e), 3), "zenith_angle_deg": round(90 - float(e), 3)}
        for s, f, t, a, e in zip(scans, fields, times, azimuth, elevation, strict=True)
    ]  # fmt: skip


def _spw(facts: Facts, spw: int) -> dict[str, Any]:
    one = facts.metadata.spws[spw]
    width = float(np.median(np.abs(one.chan_width_hz)))
    resolution = float(np.median(np.abs(one.resolution_hz))) if len(one.resolution_hz) else width
    used = sorted({i for s in facts.scans if spw in s.spws for i in s.intents})
    return {
        "spw": spw, "name": one.name, "centre_hz": one.centre_freq_hz,
        "width_hz": float(np.abs(one.chan_width_hz).sum()),
        "nchan": one.nchan, "channel_mhz": width / 1e6, "resolution_mhz": resolution / 1e6,
        "resolution_kms": resolution / one.centre_freq_hz * _LIGHT_KMS, "frame": one.frame, "intents": used,
        "baseband": one.bbc_no, "sideband": one.net_sideband,
        "science": spw in facts.science_spws,
    }  # fmt: skip


def _names(vis: Path) -> dict[str, str]:
    """Return the scheduling block, the execution block and the observing unit set, where the data name them."""
    out = {}
    with opened(os.fspath(vis / "OBSERVATION")) as tab:
        words = (
            np.ravel(tab.getcell("SCHEDULE", 0)).tolist() if tab.nrows() and tab.iscelldefined("SCHEDULE", 0) else []
        )
    for word in map(str, words):
        kind, _, uid = word.partition(" ")
        name = {"SchedulingBlock": "scheduling_block", "ExecBlock": "execution_block"}.get(kind)
        if name and uid:
            out[name] = uid
    path = vis / "ASDM_SBSUMMARY"
    if path.is_dir():
        with opened(os.fspath(path)) as tab:
            if tab.nrows() and "obsUnitSetUID" in tab.colnames():
                found = re.search(r"uid://[\w/]+", str(tab.getcell("obsUnitSetUID", 0)))
                if found:
                    out["ous"] = found.group(0)
    return out


def _listobs(block: Block) -> None:
    """Write the listing; without the folders in which it was made, so that it is the same anywhere."""
    from atacal.tasks import listobs

    path = block.folder / stage_folder(block.number, block.task) / f"{block.name}.listobs.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    listobs(vis=os.fspath(block.vis), listfile=os.fspath(path), overwrite=True)
    text = path.read_text(encoding="utf-8").replace(os.fspath(block.vis), block.name)
    path.write_text(text, encoding="utf-8")
