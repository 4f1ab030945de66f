"""Writing the report: one HTML page that carries its pictures, and the numbers as JSON beside it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from atacal.errors import WriteError
from atacal.qa2.report import Report
from atacal.results import as_json


def write_report(report: Report) -> None:
    """Write the page and the JSON under temporary names, then rename.

    Raises
    ------
    WriteError
    """
    for path, text in ((report.page, page_of(report)), (report.json, as_json(report) + "\n")):
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, target)
        except OSError as error:
            raise WriteError(f"{target} cannot be written: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)


def page_of(report: Report) -> str:
    """Return the page's HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("atacal.qa2"), autoescape=select_autoescape(default=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["cell"] = cell
    environment.tests["number"] = lambda value: isinstance(value, (int, float))
    return environment.get_template("page.html").render(report=report, name=Path(report.vis).name)


def cell(value: Any) -> str:
    """Write a cell: four significant digits, nothing for nan.

    Examples
    --------
    >>> cell(0.0123456), cell(float("nan")), cell("DA41"), cell(12345.6)
    ('0.01235', '', 'DA41', '12346')
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return ""
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.3g}"
    digits = max(3 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{min(digits, 8)}f}"
