"""Stage antpos: corrections of the antennas' positions, from a file, by hand, or from ALMA's service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atacal.calibrater.antenna_positions import Offsets, look_up, read_positions_file
from atacal.errors import ArgumentError
from atacal.ms.selected import C_M_S
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.files import write_json
from atacal.pipeline.stage import stage

_CORRECTED = 0.9
_MODES = ("file", "online", "manual")
_SEARCHES = ("both_latest", "both_closest", "auto")
_TIMEOUT_S, _RETRIES, _WAIT_S = 60.0, 2, 5.0


def _files(block: Block, given: Mapping[str, Any]) -> dict[str, Path]:
    mode = given["hm_antpos"]
    if mode == "manual":
        return {}
    return {"antenna positions": _online(block) if mode == "online" else block.folder / given["antposfile"]}


@stage("hifa_antpos", "Antenna positions", files=_files)
def hifa_antpos(
    block: Block,
    hm_antpos: str = "file",
    antenna: str = "",
    offsets: Sequence[float] = (),
    antposfile: str = "antennapos.csv",
    threshold: float = 1.0,
    snr: float = 0.0,
    search: str = "auto",
) -> None:
    """Make a table of position corrections.

    Parameters
    ----------
    hm_antpos : {'file', 'online', 'manual'}
        Where corrections come from. Nothing is looked up unless it is asked for; the default of today's pipeline is
        ``online``, that of Cycle 4's was ``file``.
    antenna : str
        With manual: antennas.
    offsets : list of float
        With manual: x, y, z along the ITRF axes of each [m].
    antposfile : str
        With file: in the run directory, columns name, antenna, xoff, yoff, zoff, comment [m].
    threshold : float
        Corrections longer than so many wavelengths are pointed out.
    snr : float
        With online: only positions that were measured better.
    search : str
        With online: both_latest, both_closest or auto. What the service answers is kept in ``X.antennapos.json`` and
        taken from there by later runs.
    """
    if hm_antpos not in _MODES:
        raise ArgumentError(f"hm_antpos = {hm_antpos!r} is not possible; it can be {', '.join(_MODES)}")
    if search not in _SEARCHES:
        raise ArgumentError(f"search = {search!r} is not possible; it can be {', '.join(_SEARCHES)}")
    source = {"file": antposfile, "online": _online(block).name, "manual": "by hand"}[hm_antpos]
    found = _corrections(block, hm_antpos, antenna, offsets, antposfile, snr, search)
    moved = {name: xyz for name, xyz in found.items() if any(xyz)}
    name = block.caltable("ants")
    if moved:
        block.do(
            "gencal", vis=block.name, caltable=name, caltype="antpos", antenna=",".join(moved),
            parameter=[v for xyz in moved.values() for v in xyz],
        )  # fmt: skip
        block.out.tables.append(name)
        block.register(Applied("antpos", name, calwt=False))
    rows = _rows(block, moved)
    far = [r["antenna"] for r in rows if r["wavelengths"] > threshold]
    block.out.decisions |= {"source": source, "corrections": rows, "threshold_wavelengths": threshold, "beyond": far}
    if far:
        block.out.say(
            "attention", f"{', '.join(far)}: the position is off by more than {threshold:g} wavelengths",
            "compare the phases of the calibrators with and without the correction",
        )  # fmt: skip
    block.out.score(
        _CORRECTED if moved else 1.0, "corrected_antennas", len(moved), "antennas",
        "positions corrected" if moved else "no position corrections",
        f"{block.name}: {len(moved)} antennas have a position correction ({source})",
    )  # fmt: skip
    longest = max((r["total_mm"] for r in rows), default=0.0)
    block.out.summary = f"{len(moved)} antennas, up to {longest:.2f} mm" if moved else f"no corrections ({source})"
    if moved:
        _chart(block, rows)


def _online(block: Block) -> Path:
    return block.folder / f"{block.stem}.antennapos.json"


def _corrections(
    block: Block, mode: str, antenna: str, offsets: Sequence[float], antposfile: str, snr: float, search: str
) -> Offsets:
    meta = block.facts.metadata
    if mode == "manual":
        return _by_hand(antenna, offsets, meta.antenna_names())
    if mode == "online":
        path = _online(block)
        if not path.exists():
            found = look_up(
                meta, timeout_s=_TIMEOUT_S, retries=_RETRIES, wait_s=_WAIT_S, search=search, snr=snr
            )  # fmt: skip
            there = {a.name: a.position_m for a in meta.antennas}
            data = {n: [p + d for p, d in zip(there[n], xyz, strict=True)] for n, xyz in found.items()}
            write_json(path, {"data": data, "metadata": {"product_code": "antposalma"}})
        return read_positions_file(path, meta)
    path = block.folder / antposfile
    if not path.is_file():
        if antposfile != "antennapos.csv":
            raise ArgumentError(f"antposfile = {antposfile!r}: there is no such file in {block.folder}")
        block.out.say("info", f"there is no {antposfile}: no positions are corrected")
        return {}
    if not _names_block(path, block):
        block.out.say("info", f"{antposfile} has no line for {block.name}: no positions are corrected")
        return {}
    return read_positions_file(path, meta)


def _names_block(path: Path, block: Block) -> bool:
    """Whether a file of corrections has any for a block; JSON files are of one block."""
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("{"):
        return True
    lines = [line.split(",")[0].strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return not lines[1:] or any(name in (block.name, block.stem) for name in lines[1:])


def _by_hand(antenna: str, offsets: Sequence[float], known: Sequence[str]) -> Offsets:
    names = [a.strip() for a in antenna.split(",") if a.strip()]
    values = [float(v) for v in offsets]
    if len(values) != 3 * len(names):
        raise ArgumentError(f"offsets has {len(values)} values; {len(names)} antennas need {3 * len(names)}")
    strange = [n for n in names if n not in known]
    if strange:
        raise ArgumentError(f"antenna = {antenna!r}: there is no {', '.join(strange)}")
    return {n: (values[3 * i], values[3 * i + 1], values[3 * i + 2]) for i, n in enumerate(names)}


def _rows(block: Block, moved: Offsets) -> list[dict[str, Any]]:
    """Return the corrections in millimetres and wavelengths of the highest science frequency, the longest first."""
    highest = max(float(s.chan_freq_hz.max()) for s in block.facts.spws)
    rows = []
    for name, xyz in moved.items():
        total = float(np.linalg.norm(xyz))
        mm = {axis: round(1e3 * v, 4) for axis, v in zip(("x_mm", "y_mm", "z_mm"), xyz, strict=True)}
        rows.append(
            {"antenna": name, **mm, "total_mm": round(1e3 * total, 4), "wavelengths": round(total * highest / C_M_S, 4)}
        )
    return sorted(rows, key=lambda r: (-r["total_mm"], r["antenna"]))


def _chart(block: Block, rows: list[dict[str, Any]]) -> None:
    names = [r["antenna"] for r in rows]
    series = [
        Series(
            {"role": label}, names, np.array([r[key] for r in rows]), {"wavelengths": [r["wavelengths"] for r in rows]}
        )
        for key, label in (("x_mm", "X"), ("y_mm", "Y"), ("z_mm", "Z"), ("total_mm", "total"))
    ]
    block.chart(
        Chart("corrections", "Corrections of antenna positions", Axis("antenna", kind="category"),
              Axis("correction", "mm"), series, caption="Along the ITRF axes; the longest first.")
    )  # fmt: skip
