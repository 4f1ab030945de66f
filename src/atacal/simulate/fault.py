"""What is recorded of a fault that a synthetic block has."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """Something wrong with one antenna, or with a few.

    Attributes
    ----------
    kind : str
        ``dead_polarization`` (no signal, full noise), ``low_gain``, ``phase_jump`` (from ``start_mjd_s`` on), or
        ``flagged`` (integrations flagged by the online system: the antenna was still slewing). In raw blocks also
        ``late`` (off source at the begin of a scan, with an online flag), ``dead_wvr`` (no radiometer data) and
        ``shadowing`` (behind another antenna; ``factor`` is the least share of the amplitude that is left), and those
        of `atacal.simulate.fault_choice.KINDS`.
    antenna : str
        The first one's name; empty for all antennas.
    antenna_id : int
        -1 for all antennas.
    polarization : str
        Receptor that is hit, ``X`` or ``Y``; empty for both.
    factor : float
        Of amplitudes or of Tsys; of ``shadowing`` the share that is left.
    phase_deg : float
        Of ``phase_jump``; rms of ``phase_noise``.
    start_mjd_s, end_mjd_s : float
    scan : int
        -1: all.
    antennas : tuple of str
        All of them, if there are several: two of a baseline.
    spws, fields, scans : tuple of int
        Empty for all.
    channels : tuple of (first, last)
        Ranges, by ``spws`` in turn; empty for all.
    stage : str
        The pipeline's stage that should find it; empty if there is none.
    table : str
        What the stage flags: ``ms``, or the table of corrections ``tsys`` or ``wvr``.
    selections : tuple of dict
        What a perfect stage flags of that table, each as arguments of flagdata.
    tolerated : tuple of dict
        What it may flag beside that without being wrong: the other polarisation, neighbouring channels.
    entails : tuple of dict
        What flags of a table of corrections lead to in the MeasurementSet once it is applied.
    """

    kind: str
    antenna: str
    antenna_id: int
    polarization: str = ""
    factor: float = 1.0
    phase_deg: float = 0.0
    start_mjd_s: float = 0.0
    end_mjd_s: float = 0.0
    scan: int = -1
    antennas: tuple[str, ...] = ()
    spws: tuple[int, ...] = ()
    fields: tuple[int, ...] = ()
    scans: tuple[int, ...] = ()
    channels: tuple[tuple[int, int], ...] = ()
    stage: str = ""
    table: str = "ms"
    selections: tuple[dict[str, str], ...] = ()
    tolerated: tuple[dict[str, str], ...] = ()
    entails: tuple[dict[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Fault:
        """Read what `as_dict` wrote and JSON kept: lists for tuples."""
        lists = {k: tuple(v) for k, v in stored.items() if isinstance(v, list)}
        if "channels" in lists:
            lists["channels"] = tuple((int(a), int(b)) for a, b in stored["channels"])
        return cls(**{**stored, **lists})

    @property
    def receptors(self) -> list[int]:
        return [0, 1] if not self.polarization else [["X", "Y"].index(self.polarization)]
