"""The weblog of a pipeline's run: static pages made from what the stages have left in the run directory.

It reads JSON, charts and logs only; nothing is computed from data. `weblog` writes it.
"""

from __future__ import annotations

from atacal.weblog.command import WeblogReport, weblog

__all__ = ["WeblogReport", "weblog"]
