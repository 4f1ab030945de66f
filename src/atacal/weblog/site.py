"""The weblog's files: pages from templates, scripts, data; written where they differ from what is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from atacal.errors import WeblogError, WriteError
from atacal.weblog import findings, values
from atacal.weblog.charts import ChartInfo, convert
from atacal.weblog.names import block_page, slug, stage_page
from atacal.weblog.read import Part, RunData, StageResult
from atacal.weblog.thinning import scale_of

if TYPE_CHECKING:
    from jinja2 import Environment

MANIFEST = "files.json"
_STATIC = Path(__file__).parent / "static"
_LOG_BYTES = 60_000
"""Of a log, what is shown of its end."""


@dataclass
class Kept:
    """What is known from one rendering to the next, in a process: charts whose data have not changed."""

    charts: dict[tuple[str, str], tuple[tuple[int, int, int], ChartInfo, list[str]]] = field(default_factory=dict)


class Site:
    """A weblog that is being made.

    Parameters
    ----------
    run : RunData
    outdir : Path
    kept : Kept, optional
    """

    def __init__(self, run: RunData, outdir: Path, kept: Kept | None = None) -> None:
        self.run, self.outdir, self.kept = run, outdir, kept or Kept()
        self.name = run.name
        projects = {str(run.decisions("hifa_importdata", b).get("project") or "") for b in run.blocks} - {""}
        self.title = f"{', '.join(sorted(projects))} · {run.name}" if projects else run.name
        self.files: list[str] = []
        self.written = 0
        self.problems: list[str] = []
        self._old = _manifest(outdir)

    @cached_property
    def menu(self) -> list[tuple[str, str]]:
        sets = [(block_page(self.run.blocks, b), "Data sets") for b in self.run.blocks[:1]]
        return [
            ("index.html", "Home"), *sets, ("topics.html", "By topic"), ("tasks.html", "By task"),
            ("flags.html", "Where data went"), ("antennas.html", "One antenna"), ("messages.html", "Messages"),
            ("downloads.html", "Files"),
        ]  # fmt: skip

    @cached_property
    def environment(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        made = Environment(
            loader=PackageLoader("atacal.weblog"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        made.filters |= {
            "band": findings.band, "words": findings.words, "duration": values.duration, "percent": values.percent,
            "one": lambda v: values.one(v), "short": short, "stage_page": stage_page, "notices": notices,
            "bar": lambda s: f"{5 + 95 * min(max(s, 0.0), 1.0):.1f}", "shade": shade,
            "band_words": lambda b: "without score" if b == "none" else findings.WORDS[b],
            "stage_name": self.stage_name,
            "hash_of": lambda of, anchor: findings.hash_of(anchor, of),
            "where": lambda of: ", ".join(f"{k} {v}" for k, v in (of or {}).items() if str(v)),
        }  # fmt: skip
        made.globals["site"] = self
        return made

    def link_of(self, number: int) -> str:
        """Return the page of a stage by its number; empty if there is none."""
        return next((stage_page(s.number, s.task) for s in self.run.stages if s.number == number), "")

    def stage_name(self, page: str) -> str:
        """Return the words for a link to a stage's page."""
        for s in self.run.stages:
            if stage_page(s.number, s.task) == page:
                return f"{s.number} {s.title}"
        return page

    # writing --------------------------------------------------------------------------------------------------------

    def page(self, name: str, template: str, **content: Any) -> None:
        """Render a page; one that fails is told of and does not stop the others."""
        try:
            text = self.environment.get_template(template).render(current=name, run=self.run, **content)
        except WriteError:
            raise
        except Exception as error:  # a page never stops others
            self._broken(name, error)
            return
        self.write(name, text.encode("utf-8", "replace"))

    def attempt(self, name: str, make: Callable[..., None], *given: Any) -> None:
        """Call what makes a page; if it fails the page says why, and the others are made."""
        try:
            make(self, *given)
        except WriteError:
            raise
        except Exception as error:
            self._broken(name, error)

    def _broken(self, name: str, error: Exception) -> None:
        why = f"{name} could not be made: {type(error).__name__}: {error}"
        self.problems.append(why)
        text = self.environment.get_template("broken.html").render(current=name, run=self.run, why=why)
        self.write(name, text.encode("utf-8", "replace"))

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the weblog, unless it is there already."""
        path = self.outdir / name
        if not path.resolve().is_relative_to(self.outdir.resolve()):
            raise WriteError(f"{name} is not in the weblog's folder {self.outdir}")
        self.files.append(name)
        try:
            if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name[:80]}.{os.getpid()}")
            beside.write_bytes(data)
            os.replace(beside, path)
            self.written += 1
        except OSError as error:
            raise WriteError(f"{path} cannot be written: {error}") from error

    def json(self, name: str, value: Any) -> None:
        """Write a value as JSON with sorted keys."""
        self.write(name, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")

    def finish(self) -> None:
        """Write the list of files, and delete what an earlier rendering has left that is no longer there."""
        now = set(self.files)
        for name in self._old:
            path = self.outdir / name
            if name not in now and path.resolve().is_relative_to(self.outdir.resolve()):
                path.unlink(missing_ok=True)
        self.json(MANIFEST, sorted(now))

    def static(self) -> None:
        """Copy style and scripts."""
        for path in sorted(_STATIC.iterdir()):
            if path.suffix in (".css", ".js"):
                self.write(f"static/{path.name}", path.read_bytes())
        self.write("static/plotly.min.js", plotly_script())

    # charts ---------------------------------------------------------------------------------------------------------

    def charts_of(self, stage: StageResult, parts: list[Part] | None = None) -> list[ChartInfo]:
        """Return a stage's charts, their data written."""
        out = []
        for part in stage.parts if parts is None else parts:
            for source in map(str, part.listed("charts")):
                out.append(self._chart(stage, part, source))
        return out

    @cached_property
    def scale(self) -> int:
        """By how much more than usually charts are thinned, so that all of them stay small."""
        files = (self.run.folder / "stages").glob("*/charts/**/*.json")
        return scale_of(sum(p.stat().st_size for p in files if p.is_file()))

    def _chart(self, stage: StageResult, part: Part, source: str) -> ChartInfo:
        place = [f"{stage.number:02d}-{stage.task}", *([slug(part.block)] if part.block else [])]
        page = stage_page(stage.number, stage.task)
        return self.converted(self.run.folder, source, place, page, part.block)

    def converted(self, folder: Path, source: str, place: list[str], page: str, block: str) -> ChartInfo:
        """Write a chart's data, unless they have not changed since they were written."""
        key = (os.fspath(folder / source), "/".join(place))
        try:
            state = (folder / source).stat()
            stamp = (state.st_mtime_ns, state.st_size, self.scale)
        except (OSError, ValueError):
            stamp = (0, 0, 0)
        if key in self.kept.charts:
            old, info, names = self.kept.charts[key]
            if old == stamp and all((self.outdir / n).is_file() for n in names):
                self.files += [n for n in names if n not in self.files]
                return info
        info, files = convert(folder, source, place, page, block, self.scale)
        for name, data in files.items():
            self.write(name, data)
        if info.problem:
            self.problems.append(info.problem)
        self.kept.charts[key] = (stamp, info, list(files))
        return info

    @cached_property
    def field_names(self) -> dict[str, dict[str, str]]:
        """Names of fields by their ids, by block."""
        out: dict[str, dict[str, str]] = {}
        for block in self.run.blocks:
            fields = self.run.decisions("hifa_importdata", block).get("fields")
            if isinstance(fields, dict):
                by_id = {str(f["id"]): name for name, f in fields.items() if isinstance(f, dict) and "id" in f}
                out[block] = {i: n for i, n in by_id.items() if i not in fields}
        return out

    @cached_property
    def marks(self) -> dict[str, list[dict[str, Any]]]:
        """Spans of frequency [GHz] in which system temperatures have a target's line, by block: low, high, label."""
        out: dict[str, list[dict[str, Any]]] = {}
        for block in self.run.blocks:
            decided = self.run.decisions("hifa_tsysflagcontamination", block)
            for found in (f for v in decided.values() if isinstance(v, list) for f in v if isinstance(f, dict)):
                span = found.get("freq_ghz")
                if isinstance(span, list) and len(span) == 2:
                    label = f"Tsys: {found.get('kind', 'line')} of {found.get('field', '?')}"
                    out.setdefault(block, []).append({"low": span[0], "high": span[1], "label": label})
        return out

    def controls(self, charts: list[ChartInfo]) -> dict[str, list[str]]:
        """Return what the controls of a page with these charts offer."""
        from atacal.weblog.charts import natural

        out: dict[str, set[str]] = {}
        for chart in charts:
            for key, found in chart.keys.items():
                single = {v for one in found for v in (one.replace("&", ",").split(",") if key != "field" else [one])}
                out.setdefault(key, set()).update(single)
        blocks = {c.block for c in charts if c.block}
        if len(blocks) > 1:
            out["block"] = blocks
        return {k: sorted(v, key=natural) for k, v in out.items() if len(v) > 1 or k == "antenna"}

    def log_text(self, path: Path) -> tuple[str, bool]:
        """Return the end of a log, and whether something is missing before it."""
        data = path.read_bytes()
        cut = len(data) > _LOG_BYTES
        text = data[-_LOG_BYTES:].decode("utf-8", "replace")
        return (text.split("\n", 1)[-1] if cut else text), cut


def plotly_script() -> bytes:
    """Return the library that draws the charts, as the Python package plotly carries it.

    Raises
    ------
    WeblogError
    """
    spec = find_spec("plotly")
    for folder in spec.submodule_search_locations or [] if spec else []:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_bytes()
    raise WeblogError(
        "the Python package plotly is not installed, or has no package_data/plotly.min.js: it draws the charts"
    )


def short(text: Any, most: int = 80) -> str:
    """Shorten a text."""
    text = str(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def notices(stage: StageResult) -> list[tuple[str, int]]:
    """Count a stage's messages by their level, the gravest first."""
    levels = [str(m.get("level")) for p in stage.parts for m in p.listed("messages")]
    return [(level, levels.count(level)) for level in findings.LEVELS if level in levels]


def shade(share: float) -> int:
    """Return which of five shades stands for a flagged share."""
    return 0 if share < 0.05 else 1 if share < 0.15 else 2 if share < 0.35 else 3 if share < 0.7 else 4


def _manifest(outdir: Path) -> list[str]:
    """Return the files of an earlier rendering.

    Raises
    ------
    WeblogError
        If the folder holds something else.
    """
    path = outdir / MANIFEST
    if path.is_file():
        try:
            return [str(n) for n in orjson.loads(path.read_bytes())]
        except ValueError as error:
            raise WeblogError(f"{path} cannot be read: {error}; delete it and the folder it is in") from error
    if outdir.exists() and (not outdir.is_dir() or any(p.name != MANIFEST for p in outdir.iterdir())):
        if outdir.is_dir() and (outdir / "static" / "weblog.css").is_file():
            return []  # a rendering was ended before its list was written
        raise WeblogError(f"{outdir} is there and holds no weblog; give another folder with outdir")
    return []
