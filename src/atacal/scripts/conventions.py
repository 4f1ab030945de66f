"""What older CASAs took to mean otherwise than CASA 6, where scripts of then rely on it.

- setjy before 4.3: a flux density that is given is taken, whatever the standard; now only ``standard='manual'`` takes
  it (scripts of CASA 4.1: ``setjy(vis, field, spw, fluxdensity=[flux, 0, 0, 0])``).
- fluxscale before 4.3: its lines in the log had no ``(freq=...)``; scripts of then read flux densities with an
  expression that does not allow for it.
- flagcmd before 6: data without flag commands were an error that a script went on after. There is nothing to flag.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from atacal.errors import NoFlagCommands
from atacal.scripts.casa_version import CasaVersion

log = logging.getLogger("atacal")

CHANGED = CasaVersion((4, 3, 0, 0))
RAISES = CasaVersion((6, 0, 0, 0))
"""From here on errors of tasks end a script."""
_FREQUENCY = re.compile(r"(Flux density for .+ in SpW=\d+) \(freq=[^)]*\)")


def as_then(task: str, arguments: Mapping[str, Any], version: CasaVersion) -> dict[str, Any]:
    """Put a call of an older CASA as CASA 6 would have it.

    Parameters
    ----------
    task : str
        CASA's name.
    arguments : mapping
        Those that are given.
    version : CasaVersion
        The CASA that the script is for.

    Returns
    -------
    dict
    """
    out = dict(arguments)
    if task == "setjy" and version < CHANGED and "standard" not in out and _positive(out.get("fluxdensity")):
        log.info("setjy: fluxdensity is given: standard='manual', as it was in CASA before %s", CHANGED)
        out["standard"] = "manual"
    return out


def goes_on_after(error: Exception, version: CasaVersion) -> bool:
    """Whether a script for a CASA can go on after a task's error, as nothing is lost by it; it is a warning then."""
    if not isinstance(error, NoFlagCommands) or version >= RAISES:
        return False
    log.warning("%s; nothing is flagged, and the script goes on, as in CASA before %s", error, RAISES)
    return True


def _positive(value: Any) -> bool:
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    return isinstance(first, (int, float)) and first > 0


class LinesAsThen(logging.Filter):
    """Writes fluxscale's lines as the CASA did that a script is for.

    Parameters
    ----------
    version : callable
        Returns that CASA.
    """

    def __init__(self, version: Callable[[], CasaVersion]) -> None:
        super().__init__()
        self._version = version

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message through."""
        if self._version() < CHANGED and "(freq=" in (text := record.getMessage()):
            record.msg, record.args = _FREQUENCY.sub(r"\1", text), ()
        return True
