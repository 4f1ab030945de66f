"""The pipeline's functions that ``casa_piperestorescript.py`` calls, for the names that a script finds."""

from __future__ import annotations

from atacal.restore.functions import (
    h_init,
    h_restoredata,
    h_save,
    hif_restoredata,
    hifa_importdata,
    hifa_restoredata,
)

__all__ = ["h_init", "h_restoredata", "h_save", "hif_restoredata", "hifa_importdata", "hifa_restoredata"]
