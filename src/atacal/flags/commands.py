"""Flag commands: what flagdata and flagcmd are asked to do, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from atacal.errors import ArgumentError
from atacal.ms.selection import Selection

MODES = ("manual", "clip", "quack", "shadow", "elevation", "extend", "unflag", "summary")
SELECTION_KEYS = (
    "field", "spw", "antenna", "uvrange", "timerange", "scan", "intent", "array", "observation", "feed",
)  # fmt: skip
MODE_KEYS: dict[str, dict[str, Any]] = {
    "manual": {"autocorr": False},
    "unflag": {},
    "clip": {
        "datacolumn": "DATA", "clipoutside": True, "channelavg": False, "chanbin": 1, "timeavg": False,
        "timebin": "0s", "clipzeros": False, "clipminmax": [],
    },
    "quack": {"quackmode": "beg", "quackinterval": 1.0, "quackincrement": False},
    "shadow": {"tolerance": 0.0, "addantenna": ""},
    "elevation": {"lowerlimit": 0.0, "upperlimit": 90.0},
    "extend": {
        "ntime": "scan", "combinescans": False, "extendpols": True, "growtime": 50.0, "growfreq": 50.0,
        "growaround": False, "flagneartime": False, "flagnearfreq": False,
    },
    "summary": {"spwchan": False, "spwcorr": False, "basecnt": False, "fieldcnt": False, "name": "Summary"},
}  # fmt: skip
"""Every mode's own parameters and CASA's defaults, in the order in which CASA saves them."""

_OTHER_MODES = ("tfcrop", "rflag", "antint")
_ALL_KEYS = {key for keys in MODE_KEYS.values() for key in keys}


@dataclass(frozen=True)
class Command:
    """One thing to do to the flags.

    Attributes
    ----------
    mode : str
        One of `MODES`.
    selection : Selection
        The rows and channels it looks at; ``correlation`` is kept apart, as it may name a function (``ABS_ALL``).
    correlation : str
    parameters : dict
        The mode's own parameters, complete (see `MODE_KEYS`).
    reason : str
    unapply : bool
        Clear the flags of what the mode would flag (flagcmd, action unapply).
    """

    mode: str = "manual"
    selection: Selection = field(default_factory=Selection)
    correlation: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    unapply: bool = False

    @property
    def value(self) -> bool:
        """What the flags become."""
        return (self.mode == "unflag") == self.unapply

    def __str__(self) -> str:
        words = {"mode": self.mode}
        words |= {key: getattr(self.selection, key) for key in SELECTION_KEYS if getattr(self.selection, key)}
        if self.correlation:
            words["correlation"] = self.correlation
        defaults = MODE_KEYS[self.mode]
        words |= {key: value for key, value in self.parameters.items() if value != defaults[key]}
        if self.reason:
            words["reason"] = self.reason
        return " ".join(f"{key}={value!r}" for key, value in words.items())

    def short(self) -> str:
        """Return its text for messages, however many time ranges it has."""
        return shortened(str(self))


def shortened(text: str, most: int = 240) -> str:
    """Cut a text that is too long for a message."""
    return text if len(text) <= most else f"{text[:most]}... ({text.count(',') + 1} parts)"


def make_command(values: Mapping[str, Any], *, where: str = "flagdata", strict: bool = False) -> Command:
    """Build a command from CASA's parameters.

    Parameters
    ----------
    values : mapping
        Parameter names and values.
    where : str
        What an error message begins with: the task, or the line of a list.
    strict : bool
        Refuse names that no flag command has (a list's lines); otherwise they are passed over.

    Raises
    ------
    ArgumentError
        For a mode that does not exist, a parameter that no mode has, a value that cannot be.
    """
    mode = str(values.get("mode") or "manual")
    mode = "manual" if mode == "manualflag" else mode
    if mode not in MODES:
        extra = " (not built into atacal)" if mode in _OTHER_MODES else ""
        raise ArgumentError(f"{where}: mode={mode!r}{extra}; the modes are {', '.join(MODES)} and list")
    known = {"mode", "reason", "correlation", *SELECTION_KEYS}
    if strict and (unknown := [key for key in values if key not in known | _ALL_KEYS]):
        raise ArgumentError(f"{where}: no flag command has a parameter {unknown[0]!r}")
    parameters = {key: values.get(key, default) for key, default in MODE_KEYS[mode].items()}
    selection = Selection(**{key: values[key] for key in SELECTION_KEYS if key in values})
    command = Command(mode, selection, str(values.get("correlation", "")).upper(), parameters,
                      str(values.get("reason", "")))  # fmt: skip
    _check(command, where)
    return command


def _check(command: Command, where: str) -> None:
    p = command.parameters
    if command.mode == "quack":
        if p["quackmode"] not in ("beg", "endb", "end", "tail"):
            raise ArgumentError(f"{where}: quackmode={p['quackmode']!r}; it can be beg, endb, end or tail")
        if float(p["quackinterval"]) <= 0:
            raise ArgumentError(f"{where}: quackinterval={p['quackinterval']!r} must be greater than zero seconds")
    if command.mode == "extend":
        seconds_of(p["ntime"])
        for key in ("growtime", "growfreq"):
            if not 0.0 <= float(p[key]) <= 100.0:
                raise ArgumentError(f"{where}: {key}={p[key]!r} must be a percentage, 0 to 100")
    if command.mode == "clip":
        limits = p["clipminmax"]
        if not isinstance(limits, (list, tuple)) or len(limits) not in (0, 2):
            raise ArgumentError(f"{where}: clipminmax={limits!r} must be [minimum, maximum] or []")
        for key, default in (("channelavg", False), ("timeavg", False)):
            if p[key] != default:
                raise ArgumentError(f"{where}: {key}={p[key]!r}: clipping of averaged data is not built into atacal")


def seconds_of(ntime: str | float) -> float:
    """Return the length of time that is looked at together [s]; 0 is a whole scan.

    Raises
    ------
    ArgumentError
    """
    text = str(ntime).strip()
    if text == "scan":
        return 0.0
    for unit, factor in (("min", 60.0), ("s", 1.0), ("", 1.0)):
        if text.endswith(unit):
            try:
                value = float(text.removesuffix(unit)) * factor
            except ValueError:
                break
            if value >= 0:
                return value
            break
    raise ArgumentError(f"flagdata: ntime={ntime!r} must be 'scan' or a length of time such as 30.0, '30s' or '5min'")


def merged(commands: Iterable[Command]) -> list[Command]:
    """Join commands of mode manual that differ in nothing but their time range (and reason).

    Online flags come by the thousand, for few antennas. Only neighbours among other commands of mode manual are
    joined, so what comes before and after something else stays so.
    """
    out: list[Command] = []
    group: dict[tuple[object, ...], list[Command]] = {}

    def close() -> None:
        for alike in group.values():
            first = alike[0]
            times = ",".join(c.selection.timerange for c in alike)
            out.append(
                first if len(alike) == 1 else replace(first, selection=replace(first.selection, timerange=times))
            )
        group.clear()

    for command in commands:
        if command.mode != "manual":
            close()
            out.append(command)
            continue
        timeless = replace(command.selection, timerange="")
        key = (timeless, command.correlation, bool(command.parameters["autocorr"]), command.unapply,
               None if command.selection.timerange.strip() else id(command))  # fmt: skip
        group.setdefault(key, []).append(command)
    close()
    return out
