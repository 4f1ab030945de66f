"""What of the messages is shown on the terminal while a script runs; all of them are in CASA's log file."""

from __future__ import annotations

import logging

from atacal import progress


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
