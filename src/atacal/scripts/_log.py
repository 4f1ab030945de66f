"""The log of a run: everything into CASA's log file, wherever the script sends it; little onto the terminal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from atacal import progress

PRIORITIES = {logging.DEBUG: "DEBUG", logging.INFO: "INFO", logging.WARNING: "WARN", logging.ERROR: "SEVERE"}


class ToCasalog(logging.Handler):
    """Pass messages on to ``casalog``, so that they go where the script has sent the log.

    Parameters
    ----------
    casalog : object
        With ``post(message, priority, origin)``.
    origin : callable
        Names the task at work.
    """

    def __init__(self, casalog: Any, origin: Callable[[], str]) -> None:
        super().__init__()
        self._casalog, self._origin = casalog, origin
        self._inside = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Post a message; what posting itself logs is not posted again."""
        if getattr(self._inside, "busy", False) or getattr(record, "from_casalog", False):
            return
        self._inside.busy = True
        try:
            level = max((n for n in PRIORITIES if n <= record.levelno), default=logging.DEBUG)
            self._casalog.post(self.format(record), PRIORITIES[level], self._origin() or "run")
        finally:
            self._inside.busy = False


class ToTerminal(logging.Handler):
    """Show warnings, and the run's own lines; all with ``verbose``."""

    def __init__(self, verbose: bool, quiet: bool) -> None:
        super().__init__()
        self._verbose, self._quiet = verbose, quiet

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line on standard error, above a progress bar if there is one."""
        shown = getattr(record, "shown", False) and not self._quiet
        if record.levelno < logging.WARNING and not (shown or self._verbose):
            return
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        progress.write(prefix + self.format(record))
