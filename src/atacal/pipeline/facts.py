"""What an execution block holds, in the pipeline's words: scans with their intents, spws for science, calibrators."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata, Spw
from atacal.recipe.channels import is_science
from atacal.restore.intents import MEANING

ASIDE = ("POINTING", "FOCUS", "ATMOSPHERE", "SIDEBAND")
"""Intents of scans that hold no data to calibrate."""
CALIBRATORS = ("BANDPASS", "AMPLITUDE", "PHASE", "CHECK", "DIFFGAINREF", "DIFFGAINSRC", "POLARIZATION")
_SEVEN_METRES = 7.0
_BAND_TO_BAND = 1.6611
_SWITCHED = 1.5


@dataclass(frozen=True)
class Scan:
    """A scan: MJD seconds, ids of fields and of spws with data, the pipeline's intents."""

    number: int
    start_s: float
    end_s: float
    fields: tuple[int, ...]
    spws: tuple[int, ...]
    intents: frozenset[str]
    integration_s: float


@dataclass(frozen=True, eq=False)
class Facts:
    """A block's facts.

    Attributes
    ----------
    metadata : Metadata
    scans : tuple of Scan
        All, in the order of time.
    """

    metadata: Metadata
    scans: tuple[Scan, ...]

    def science_scans(self, *intents: str) -> list[Scan]:
        """Return the scans on calibrators and targets, of some intents only if they are named."""
        wanted = set(intents) or {*CALIBRATORS, "TARGET"}
        return [s for s in self.scans if s.intents & wanted and not s.intents & set(ASIDE)]

    def fields(self, *intents: str) -> list[int]:
        """Return the ids of the fields of some intents, ascending."""
        return sorted({f for s in self.science_scans(*intents) for f in s.fields})

    def field_names(self, *intents: str) -> list[str]:
        return list(dict.fromkeys(self.metadata.fields[f].name for f in self.fields(*intents)))

    def intents_of(self, field: int) -> set[str]:
        """Return the intents that a field has in the science scans."""
        return {i for s in self.science_scans() if field in s.fields for i in s.intents}

    def scan_list(self, *intents: str) -> str:
        """Return the scans of some intents as a selection."""
        return ",".join(str(s.number) for s in self.science_scans(*intents))

    def has(self, intent: str) -> bool:
        return bool(self.science_scans(intent))

    def spws_of(self, *intents: str) -> tuple[int, ...]:
        """Return the spectral spws that have data in scans of some intents."""
        there = {s for scan in self.science_scans(*intents) for s in scan.spws}
        return tuple(s for s in sorted(there) if is_science(self.metadata.spws[s]))

    @cached_property
    def science_spws(self) -> tuple[int, ...]:
        """Spws for science: those of the targets; of switched blocks those of the calibrators as well."""
        if self.mode:
            return self.spws_of()
        return self.spws_of("TARGET") or self.spws_of("CHECK") or self.spws_of("PHASE") or self.spws_of()

    def without(self, spws: Iterable[int], fields: Iterable[str] = ()) -> Facts:
        """Return the same facts with fewer science spws and fields."""
        gone = {f.id for f in self.metadata.fields if f.name in set(fields)}
        scans = (replace(s, fields=tuple(f for f in s.fields if f not in gone)) for s in self.scans)
        other = Facts(self.metadata, tuple(s for s in scans if s.fields) if gone else self.scans)
        lost = set(spws)
        other.__dict__["science_spws"] = tuple(s for s in self.science_spws if s not in lost)
        return other

    @cached_property
    def mode(self) -> str:
        """``BWSW``, ``B2B``, or empty: whether the phase calibrator was observed in other spws than the target.

        The rules of ALMA's reduction scripts (`almaqa2csg.py`): the phase calibrator's spws are those of the
        differential gain calibrator's reference; more than 1.66 times apart in frequency it is band to band, with
        reference spws more than 1.5 times as wide bandwidth switching.
        """
        signal, reference = set(self.spws_of("DIFFGAINSRC")), set(self.spws_of("DIFFGAINREF"))
        if not signal or not reference or signal == reference:
            return ""
        freq = [self.metadata.spws[s].centre_freq_hz for s in signal | reference]
        if max(freq) / min(freq) > _BAND_TO_BAND:
            return "B2B"
        width = {s: self.metadata.spws[s].total_bandwidth_hz for s in signal | reference}
        return "BWSW" if max(width[s] for s in reference) > _SWITCHED * max(width[s] for s in signal) else ""

    @cached_property
    def spws(self) -> list[Spw]:
        return [self.metadata.spws[s] for s in self.science_spws]

    @property
    def spw_list(self) -> str:
        """The science spws as a selection."""
        return ",".join(map(str, self.science_spws))

    def integration_s(self, *intents: str) -> float:
        """Return the median integration of the science scans of some intents [s]."""
        return float(np.median([s.integration_s for s in self.science_scans(*intents)]))

    @cached_property
    def seven_metres(self) -> bool:
        """Whether any antenna is one of the compact array's."""
        return any(abs(a.dish_diameter_m - _SEVEN_METRES) < 0.1 for a in self.metadata.antennas)

    def npol(self, spw: int) -> int:
        """Return how many correlations an spw has."""
        return max(self.metadata.pols[d.pol].ncorr for d in self.metadata.ddids if d.spw == spw)


def read_facts(vis: str | os.PathLike[str]) -> Facts:
    """Read a MeasurementSet's facts."""
    with MeasurementSet(Path(vis)) as ms:
        return facts_of(ms)


def facts_of(ms: MeasurementSet) -> Facts:
    """Return a MeasurementSet's facts from its metadata and its runs of rows."""
    runs, metadata = ms.runs, ms.metadata
    of_state = [frozenset(pipeline_intents(text)) for text in metadata.state_intents]
    scans = []
    for number in np.unique(runs.scan).tolist():
        here = runs[runs.scan == number]
        intents = frozenset().union(*(of_state[s] for s in np.unique(here.state).tolist() if 0 <= s < len(of_state)))
        spws = tuple(sorted({metadata.ddids[d].spw for d in np.unique(here.ddid).tolist()}))
        spectral = np.isin(metadata.ddid_spw[here.ddid], [s for s in spws if is_science(metadata.spws[s])])
        interval = here.interval[spectral] if spectral.any() else here.interval
        scans.append(
            Scan(
                number,
                float((here.time - here.interval / 2).min()),
                float((here.time + here.interval / 2).max()),
                tuple(np.unique(here.field).tolist()),
                spws,
                intents,
                float(np.median(interval)),
            )
        )
    return Facts(metadata, tuple(_only_phase(sorted(scans, key=lambda s: (s.start_s, s.number)))))


def pipeline_intents(obs_mode: str) -> set[str]:
    """Translate a row of STATE: ``CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE`` is PHASE and WVR."""
    there = {part.strip().replace(".", "#") for part in obs_mode.split(",")}
    there |= {f"{part}#ON_SOURCE" for part in there if "#" not in part}
    return {name for name, meant in MEANING.items() if there & set(meant)}


def _only_phase(scans: list[Scan]) -> Iterable[Scan]:
    """Take PHASE from scans on bandpass and flux calibrators and targets, which older blocks give it as well.

    Unless no field would be left that has it.
    """
    strong = {f for s in scans if s.intents & {"BANDPASS", "AMPLITUDE", "TARGET"} for f in s.fields}
    pure = {f for s in scans if "PHASE" in s.intents for f in s.fields} - strong
    for scan in scans:
        drop = {"PHASE"} if pure and not set(scan.fields) & pure else set()
        yield Scan(
            scan.number, scan.start_s, scan.end_s, scan.fields, scan.spws, scan.intents - drop, scan.integration_s
        )
