"""analysisUtils' plotbandpass: ALMA's spectra with the air above them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")

_WITHOUT_EFFECT = {
    "gs", "convert", "pdftk", "debug", "vm", "mymsmd", "solutionTimeThresholdSeconds", "platformingThreshold",
    "platformingSigma", "edge", "showatmPoints", "showatmpoints", "showatmfield", "asdm", "channeldiff", "verbose",
    "resample", "zoom", "phase", "caltable3", "chanrangeSetXrange", "dpiscale", "groupByBaseband", "cleanup",
}  # fmt: skip
"""Helper programs, hints that are found otherwise, and refinements whose defaults are what is drawn."""
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "channeldiff": (False, 0, None),
    "resample": (1, "1"),
    "zoom": ("",),
    "phase": ("", []),
    "caltable3": ("",),
}


def plotbandpass(caltable: str = "", **parameters: Any) -> list[Path]:
    """Draw bandpass or system temperature spectra; `atacal.tasks.plotbandpass` with analysisUtils' other parameters.

    Parameters
    ----------
    caltable : str
    parameters
        Those of `atacal.tasks.plotbandpass`; of analysisUtils' others only values that change nothing are possible.

    Returns
    -------
    list of Path

    Raises
    ------
    ArgumentError
        For parameters that are not known, or would draw something else.
    CaltableError, NoSuchTable, InvalidTable, SelectionError, EmptySelection, WriteError
    """
    import inspect

    from atacal.tasks import plotbandpass as task

    possible = inspect.signature(task).parameters
    given: dict[str, Any] = {"interactive": False}
    for name, value in parameters.items():
        if name in possible:
            given[name] = value
        elif name not in _WITHOUT_EFFECT:
            raise ArgumentError(f"plotbandpass: there is no parameter {name}")
        elif name in _DEFAULTS and value not in _DEFAULTS[name]:
            raise ArgumentError(f"plotbandpass: {name}={value!r} is not possible here")
    for name in ("scans", "field", "spw", "antenna", "timeranges", "basebands", "poln"):  # lists and numbers are usual
        if name in given and not isinstance(given[name], str):
            value = given[name]
            given[name] = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return task(caltable, **given)
