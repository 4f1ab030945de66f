"""Charts as the pages load them: a script each that hands its data over, since pages of files may not fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from atacal.weblog.names import slug
from atacal.weblog.thinning import shared, thin

KEYS = ("antenna", "spw", "polarisation", "field", "intent")
"""What a page's controls choose by."""
_PART_BYTES = 1_500_000
"""Data of a chart of several spws that are larger than this are divided by spw."""


@dataclass(frozen=True)
class ChartInfo:
    """A chart as a page lists it.

    Attributes
    ----------
    id : str
        Unique in the weblog.
    name, title, caption : str
    stage, block : str
        The stage's page, and the block's name (empty: of the run).
    source : str
        The data's file, relative to the run directory.
    parts : list of dict
        ``file`` (relative to the weblog) and the ``spw`` it holds (empty: everything).
    keys : dict of str to list of str
        What the series are of.
    note : str
        How the data were thinned.
    problem : str
        Why it cannot be drawn; empty if it can.
    axes : str
        What is against what.
    """

    id: str
    name: str
    title: str
    caption: str
    stage: str
    block: str
    source: str
    parts: list[dict[str, str]]
    keys: dict[str, list[str]]
    note: str = ""
    problem: str = ""
    axes: str = ""

    def plain(self) -> dict[str, Any]:
        """Return what the page's script needs."""
        return {"id": self.id, "block": self.block, "parts": self.parts, "keys": self.keys, "problem": self.problem}


def convert(
    folder: Path, source: str, place: Sequence[str], stage: str, block: str, scale: int = 1
) -> tuple[ChartInfo, dict[str, bytes]]:
    """Turn a chart's JSON into scripts.

    Parameters
    ----------
    folder : Path
        The run directory.
    source : str
        The chart's file, relative to it.
    place : sequence of str
        Where the scripts go in the weblog: names of folders, made safe here.
    stage, block : str
    scale : int
        By how much more than usually the data are thinned.

    Returns
    -------
    ChartInfo
    dict of str to bytes
        The scripts by their paths in the weblog. None if the chart cannot be read; `ChartInfo` says why.
    """
    name = Path(source).stem
    base = "/".join(["charts", *(slug(p) for p in place), slug(name)])
    ident = base.removeprefix("charts/")
    try:
        data = _read(folder, source)
        series, matrices = list(data.get("series") or []), list(data.get("matrices") or [])
        note = thin(series, matrices, scale)
        pieces = _divided(data, series, matrices)
        keys = _keys([*series, *matrices])
        antennas = _antennas(data, matrices)
        if antennas:
            keys["antenna"] = sorted({*antennas, *keys.get("antenna", [])}, key=natural)
        title, caption = str(data.get("title") or name), str(data.get("caption") or "")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f"the data of this chart cannot be read: {source}: {error}"
        return ChartInfo(ident, name, name, "", stage, block, source, [], {}, problem=problem), {}
    files, parts = {}, []
    for spw, piece in pieces.items():
        path = f"{base}.{slug(spw)}.js" if spw else f"{base}.js"
        files[path] = script(ident, spw, piece)
        parts.append({"file": path, "spw": spw})
    return ChartInfo(
        ident, name, title, caption, stage, block, source, parts, keys, note, axes=_axes(data, bool(matrices))
    ), files


def script(ident: str, spw: str, data: Mapping[str, Any]) -> bytes:
    """Return a script that hands data over.

    The data are a string that is parsed as JSON: no name in them can do anything to the page.
    """
    text = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS).decode()
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    head = orjson.dumps([ident, spw]).decode().replace("<", "\\u003c")
    return f"weblogChart({head},'{quoted}');\n".encode()


def _read(folder: Path, source: str) -> dict[str, Any]:
    path = (folder / source).resolve()
    if not path.is_relative_to((folder / "stages").resolve()):
        raise ValueError("it is not in the run directory's stages")
    data = orjson.loads(path.read_bytes())
    if not isinstance(data, dict):
        raise ValueError("it holds no chart")
    return data


def _axes(data: Mapping[str, Any], matrices: bool) -> str:
    """Say what is drawn against what."""
    x, y = (str((data.get(a) or {}).get("label") or "") for a in ("x", "y"))
    return f"{y} by {x}" if matrices else f"{y} against {x}" if x and y else ""


def _keys(of: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for item in of:
        for key in KEYS:
            value = (item.get("keys") or {}).get(key)
            if value not in (None, ""):
                found.setdefault(key, set()).add(str(value))
    return {k: sorted(v, key=natural) for k, v in sorted(found.items())}


def _antennas(data: Mapping[str, Any], matrices: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the antennas that the rows or columns of matrices are of."""
    found: set[str] = set()
    for axis in ("x", "y"):
        if str((data.get(axis) or {}).get("label", "")).lower() in ("antenna", "baseline"):
            for matrix in matrices:
                found.update(a for v in matrix.get(axis) or [] if isinstance(v, str) for a in v.split("&"))
    return found


def natural(text: str) -> tuple[int, int, str]:
    """Sort numbers as numbers, before words."""
    return (0, int(text), "") if text.isdigit() and text.isascii() else (1, 0, text)


def _divided(
    data: Mapping[str, Any], series: list[dict[str, Any]], matrices: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the data by spw if they are large and of several, else under an empty name."""
    whole = {**data, "series": series, "matrices": matrices}
    spws = sorted({str((s.get("keys") or {}).get("spw", "")) for s in [*series, *matrices]}, key=natural)
    size = sum(12 * len(s.get("y") or []) for s in series) + sum(
        8 * len(m.get("x") or []) * len(m.get("y") or []) for m in matrices
    )
    if size < _PART_BYTES or len(spws) < 2:
        return {"": shared(whole)}
    out = {}
    for spw in spws:
        part = {
            **whole, "series": [s for s in series if str((s.get("keys") or {}).get("spw", "")) == spw],
            "matrices": [m for m in matrices if str((m.get("keys") or {}).get("spw", "")) == spw],
        }  # fmt: skip
        out[spw or "all"] = shared(part)
    return out
