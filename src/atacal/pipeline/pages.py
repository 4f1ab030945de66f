"""The weblog, kept up with a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger("atacal")


class Pages:
    """Brings the weblog of a run directory up to date; what fails there is told of and never ends the run.

    Parameters
    ----------
    folder : Path
        The run directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.page = ""
        self._kept: Any = None

    def update(self) -> None:
        """Write the pages of all stages that are done, where they have changed."""
        try:
            from atacal.weblog.command import render
            from atacal.weblog.site import Kept

            self._kept = self._kept or Kept()
            self.page = render(self.folder, kept=self._kept).page
        except Exception as error:  # the pages can be made again from the run directory at any time
            log.warning("the weblog of %s could not be written: %s", self.folder, " ".join(str(error).split()))
