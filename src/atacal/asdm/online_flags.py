"""The flags that the observatory set during an observation (``Flag.xml``), as flag commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atacal.asdm.dataset import Asdm, need
from atacal.asdm.values import integer, words
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError

_MJD_OF_CIVIL_DAY0 = 678576


@dataclass(frozen=True)
class OnlineFlag:
    """One command of the observatory."""

    antenna: str
    timerange: str
    spw: str
    correlation: str
    reason: str

    @property
    def command(self) -> str:
        """The command as FLAG_CMD holds it."""
        parts = [f"antenna='{self.antenna}'", f"timerange='{self.timerange}'"]
        if self.spw:
            parts.append(f"spw='{self.spw}'")
        if self.correlation:
            parts.append(f"correlation='{self.correlation}'")
        return " ".join(parts)

    @property
    def line(self) -> str:
        """The command as a text file holds it."""
        return f"{self.command} reason='{self.reason}'" if self.reason else self.command


def online_flags(asdm: Asdm, tbuff: float = 0.0) -> list[OnlineFlag]:
    """Read ``Flag.xml``.

    Parameters
    ----------
    asdm : Asdm
    tbuff : float
        What is added at both ends of each time range [s].

    Raises
    ------
    AsdmError
    """
    antennas = {need(r, "antennaId", "Antenna"): need(r, "name", "Antenna") for r in asdm.rows("Antenna")}
    spws = asdm.rows("SpectralWindow")
    named = bool(spws) and all("name" in r for r in spws)
    names = {need(r, "spectralWindowId", "SpectralWindow"): r.get("name", str(i)) if named else str(i)
             for i, r in enumerate(spws)}  # fmt: skip
    found = []
    for i, row in enumerate(asdm.rows("Flag")):
        try:
            found.append(_flag(row, antennas, names, named, tbuff))
        except (AsdmError, KeyError) as error:
            raise AsdmError(f"{asdm.path}/Flag.xml: row {i}: {error}") from None
    return found


def _flag(row: Row, antennas: dict[str, str], spws: dict[str, str], named: bool, tbuff: float) -> OnlineFlag:
    start = float(integer(need(row, "startTime", "Flag"))) * 1e-9 - tbuff
    end = float(integer(need(row, "endTime", "Flag"))) * 1e-9 + tbuff
    return OnlineFlag(
        _antenna(row, antennas), f"{civil_time(start)}~{civil_time(end)}", _spw(row, spws, named),
        _correlation(row), need(row, "reason", "Flag").replace(" ", "_"),
    )  # fmt: skip


def _antenna(row: Row, antennas: dict[str, str]) -> str:
    text = need(row, "antennaId", "Flag")
    if "numAntenna" not in row:
        return antennas[text]
    members = [antennas[name] for name in words(text)[: integer(row["numAntenna"])]]
    return f"{members[0]}&&*" if len(members) == 1 else ",".join(members)


def _spw(row: Row, spws: dict[str, str], named: bool) -> str:
    count = integer(row.get("numSpectralWindow", 0))
    if count == 0:
        return ""
    found: list[str] = [spws[name] for name in words(need(row, "spectralWindowId", "Flag"))[:count]]
    if not named:
        return ",".join(found)
    if "WVR#NOMINAL" in spws.values():  # stands for those of the antennas
        found = [name for name in found if "WVR#Antenna" not in name]
    return ",".join(f'"{name}"' for name in found)


def _correlation(row: Row) -> str:
    if integer(row.get("numPolarizationType", 0)) == 0:
        return ""
    return correlations_of(words(need(row, "polarizationType", "Flag")))


def correlations_of(receptors: Sequence[str]) -> str:
    """Return the correlations that bad receptors spoil."""
    text = "".join(receptors)
    for first, second, both, only_first, only_second in (
        ("R", "L", "RR,RL,LR,LL", "RR,RL,LR", "LL,LR,RL"), ("X", "Y", "XX,XY,YX,YY", "XX,XY,YX", "YY,YX,XY"),
    ):  # fmt: skip
        if first in text:
            return both if second in text else only_first
        if second in text:
            return only_second
    return ""


def civil_time(mjd_s: float) -> str:
    """Return a time as ``2015/06/28/14:06:09.576``, rounded to a millisecond."""
    from datetime import date

    day, rest = divmod(round(mjd_s * 1000), 86_400_000)
    seconds, millis = divmod(rest, 1000)
    civil = date.fromordinal(day + _MJD_OF_CIVIL_DAY0)
    return f"{civil:%Y/%m/%d}/{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{millis:03d}"
