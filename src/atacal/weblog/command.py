"""``atacal weblog``: the pages of a run of the pipeline."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from atacal.weblog.attribution import attribute
from atacal.weblog.block_pages import block_pages
from atacal.weblog.compare_pages import compare_pages
from atacal.weblog.downloads import data_files
from atacal.weblog.flag_pages import flag_pages
from atacal.weblog.overview_pages import home_pages
from atacal.weblog.read import read_run
from atacal.weblog.site import Kept, Site
from atacal.weblog.stage_pages import stage_pages


@dataclass(frozen=True)
class WeblogReport:
    """What was written.

    Attributes
    ----------
    page : str
        The page to open.
    files, written : int
        Files of the weblog, and how many of them were new or not the same.
    megabytes : float
        Size of the weblog.
    problems : list of str
        Pages that could not be made and charts that could not be read; the others are not concerned.
    """

    page: str
    files: int
    written: int
    megabytes: float
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.page}: {self.files} files, {self.written} of them new, {self.megabytes:.1f} MB"]
        return "\n".join([*lines, *(f"  {p}" for p in self.problems)])


def weblog(run: str, compare: str = "", outdir: str = "") -> WeblogReport:
    """Write the weblog of a run of the pipeline: static pages that open from a file, on any machine.

    Everything on them comes from the run directory's JSON; the same run directory gives the same bytes. It may be made
    while the run goes on: the stages that are done are shown.

    Parameters
    ----------
    run : str
        The run directory of ``atacal pipeline``.
    compare : str
        Another run directory: a page shows both side by side.
    outdir : str
        Where the pages go; ``weblog`` in the run directory by default.

    Returns
    -------
    WeblogReport

    Raises
    ------
    WeblogError
        If the run directory is none, or the folder holds something else.
    WriteError
    """
    return render(Path(run), Path(compare) if compare else None, Path(outdir) if outdir else None)


def render(
    run: Path, compare: Path | None = None, outdir: Path | None = None, kept: Kept | None = None,
    *, lasting: bool = False,
) -> WeblogReport:  # fmt: skip
    """Write the weblog; `Kept` makes the next rendering in this process quicker; `read_run` explains ``lasting``."""
    data = read_run(run.absolute(), lasting=lasting)
    other = read_run(compare.absolute()) if compare is not None else None
    site = Site(data, (outdir or run / "weblog").absolute(), kept)
    if other is not None:
        site.menu.append(("compare.html", "Comparison"))
    site.static()
    charts = stage_pages(site)
    flags = [attribute(data, block) for block in data.blocks]
    block_pages(site, charts)
    site.attempt("flags.html", flag_pages, flags, charts)
    if other is not None:
        site.attempt("compare.html", compare_pages, other, charts)
    site.attempt("downloads.html", data_files, flags, charts)
    site.attempt("index.html", home_pages)  # last: it leads to the others
    site.finish()
    total = sum((site.outdir / name).stat().st_size for name in set(site.files))
    return WeblogReport(
        os.fspath(site.outdir / "index.html"), len(set(site.files)), site.written, round(total / 1e6, 1), site.problems
    )
