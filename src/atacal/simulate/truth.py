"""What a synthetic block was made from, kept beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable, NoSuchTable
from atacal.simulate.fault import Fault
from atacal.simulate.instrument import Instrument
from atacal.simulate.presets import ROLES, Window
from atacal.simulate.sky import Component, Disk, Source

FORMAT = "atacal-truth-1"
_BRIEF = ("flagged", "late")  # one in every scan


@dataclass(eq=False)
class Truth:
    """The truth of a simulated MeasurementSet.

    Attributes
    ----------
    ms : str
        Path of the MeasurementSet.
    arguments : dict
        What `atacal.simulate.simulate` was called with.
    antennas : list of str
    refant : str
        The central antenna; it has no faults.
    sources : tuple of Source
        By field id.
    spws : list of dict
        ``name``, ``nchan``, ``centre_freq_hz``, ``chan_width_hz`` by spw id.
    flux_jy : dict of field name -> list
        Total flux density [Jy] at the centre of every spw.
    faults : tuple of Fault
    integration_s : float
    nrow : int
    raw : dict
        What only raw blocks have: ``pwv_mm``, ``science_spws``, ``tsys_spws``, ``tsys_spw_of``, ``antpos`` (arguments
        of gencal), ``kelvin_per_jy``, ``online_flags``, ``subscans``... Empty for others.
    """

    ms: str
    arguments: dict[str, Any]
    antennas: list[str]
    refant: str
    sources: tuple[Source, ...]
    spws: list[dict[str, Any]]
    flux_jy: dict[str, list[float]]
    faults: tuple[Fault, ...]
    integration_s: float
    nrow: int
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    _arrays: dict[str, NDArray] = field(default_factory=dict, repr=False)

    @property
    def roles(self) -> dict[str, list[int]]:
        """Field ids by role: bandpass, flux, phase, check, target, and of switched blocks diffgain."""
        roles = dict.fromkeys([*ROLES, *(s.role for s in self.sources)])
        return {role: [i for i, s in enumerate(self.sources) if s.role == role] for role in roles}

    def fields(self, role: str) -> list[str]:
        """Return the names of the fields with a role."""
        return [s.name for s in self.sources if s.role == role]

    def arrays(self) -> dict[str, NDArray]:
        """Return the instrument: ``time_mjd_s`` (time,), and for every spw ``gain_N`` (time, antenna, receptor),
        ``bandpass_N`` (antenna, chan, receptor), ``sefd_jy_N`` (antenna, receptor); ``delay_s`` (antenna, receptor).
        docs/simulate.md lists those of raw blocks.
        """
        if not self._arrays:
            with np.load(arrays_path(self.ms)) as stored:
                self._arrays = {k: stored[k] for k in stored.files}
        return self._arrays

    def visibility(self, field_id: int, uvw_m: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> NDArray:
        """Return the Stokes I visibilities of a field [Jy]; see `atacal.simulate.sky.Source.visibility`."""
        return self.sources[field_id].visibility(uvw_m, freq_hz)

    def flux_options(self) -> str:
        """Spell the flux calibrator's model as options of ``atacal calibrate``."""
        source = next((s for s in self.sources if s.role == "flux"), None)
        if source is None or source.disk is not None:
            return ""  # there is none, or calibrate knows the body
        model = source.components[0]
        return f"--flux-density {model.flux_jy:g} --spix {model.spix:g} --reffreq {source.ref_freq_hz / 1e9:g}GHz"

    def _options(self) -> str:
        positions = f"--antpos {positions_path(self.ms)}" if self.raw else ""
        return f"{self.flux_options()} {positions}".strip()

    def __str__(self) -> str:
        """Say what was made, in a few lines."""
        spw = self.raw["science_spws"][0] if self.raw else 0
        count = f"{len(self.raw['science_spws'])} science" if self.raw else str(len(self.spws))
        lines = [
            f"{self.ms}: {self.nrow} rows, {len(self.antennas)} antennas, {count} spws of "
            f"{self.spws[spw]['nchan']} channels, seed {self.arguments['seed']}",
            *(f"  {s.role:<9} {s.name:<16} {self.flux_jy[s.name][spw]:.4f} Jy in spw {spw}" for s in self.sources),
            *dict.fromkeys(
                f"  fault     {f.kind} on {f.antenna} {f.polarization}" for f in self.faults if f.kind not in _BRIEF
            ),
            f"  truth     {truth_path(self.ms)}",
            f"  calibrate it with: atacal calibrate {self.ms} {self._options()}".rstrip(),
        ]
        return "\n".join(line.rstrip() for line in lines)


def truth_path(ms: str | os.PathLike[str]) -> Path:
    """Where the truth of a MeasurementSet is: ``X.ms.truth.json``."""
    return Path(os.path.normpath(os.fspath(ms)) + ".truth.json")


def arrays_path(ms: str | os.PathLike[str]) -> Path:
    """Where the true gains and bandpasses are: ``X.ms.truth.npz``."""
    return Path(os.path.normpath(os.fspath(ms)) + ".truth.npz")


def make_truth(
    ms: str | os.PathLike[str],
    arguments: dict[str, Any],
    sources: tuple[Source, ...],
    instrument: Instrument,
    integration_s: float,
    nrow: int,
) -> Truth:
    """Collect the truth of a block."""
    windows: tuple[Window, ...] = instrument.windows
    arrays: dict[str, NDArray] = {"time_mjd_s": instrument.time_mjd_s, "delay_s": instrument.delay_s}
    for w in windows:
        arrays |= {
            f"gain_{w.id}": instrument.gain[w.id],
            f"bandpass_{w.id}": instrument.bandpass[w.id],
            f"sefd_jy_{w.id}": instrument.sefd_jy[w.id],
        }
    return Truth(
        ms=os.path.normpath(os.fspath(ms)),
        arguments=arguments,
        antennas=list(instrument.array.names),
        refant=instrument.array.names[instrument.array.centre],
        sources=sources,
        spws=[
            {"name": w.name, "nchan": w.nchan, "centre_freq_hz": w.centre_freq_hz, "chan_width_hz": w.chan_width_hz}
            for w in windows
        ],
        flux_jy={s.name: [float(s.flux_jy(w.centre_freq_hz)) for w in windows] for s in sources},
        faults=instrument.faults,
        integration_s=integration_s,
        nrow=nrow,
        _arrays=arrays,
    )


def positions_path(ms: str | os.PathLike[str]) -> Path:
    """Return the file of antenna position corrections of a raw block, for gencal and calibrate."""
    path = Path(os.path.normpath(os.fspath(ms)))
    return path.with_name(path.name + ".antennapos.csv")


def _write_positions(truth: Truth) -> None:
    """Write the corrections as ALMA's ``antennapos.csv``."""
    names, values = truth.raw["antpos"]["antenna"].split(","), iter(truth.raw["antpos"]["parameter"])
    lines = ["name,antenna,xoff,yoff,zoff,comment"]
    lines += [f"{os.path.basename(truth.ms)},{n},{next(values)},{next(values)},{next(values)}," for n in names if n]
    path = positions_path(truth.ms)
    partial = path.with_name(path.name + ".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(partial, path)


def write_truth(truth: Truth) -> None:
    """Write ``X.ms.truth.json``, ``X.ms.truth.npz`` and, of a raw block, ``X.ms.antennapos.csv``."""
    if truth.raw:
        _write_positions(truth)
    content = {
        "format": FORMAT,
        "ms": os.path.basename(truth.ms),
        "arguments": truth.arguments,
        "antennas": truth.antennas,
        "refant": truth.refant,
        "integration_s": truth.integration_s,
        "nrow": truth.nrow,
        "roles": truth.roles,
        "fields": [asdict(s) for s in truth.sources],
        "spws": truth.spws,
        "flux_jy": truth.flux_jy,
        "faults": [f.as_dict() for f in truth.faults],
        **({"raw": truth.raw} if truth.raw else {}),
        "signs": "UVW = u(antenna1) - u(antenna2); V = S exp(+2 pi i (u l + v m + w (n - 1))); "
        "V_ij = g_i B_i M conj(g_j B_j) + noise",
    }
    arrays = arrays_path(truth.ms)
    partial = arrays.with_name(arrays.name + ".partial.npz")
    np.savez(partial, allow_pickle=False, **truth.arrays())
    os.replace(partial, arrays)
    text = truth_path(truth.ms)
    partial = text.with_name(text.name + ".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, text)


def read_truth(ms: str | os.PathLike[str]) -> Truth:
    """Read the truth that lies beside a simulated MeasurementSet.

    Raises
    ------
    NoSuchTable
        If the MeasurementSet has no truth beside it.
    InvalidTable
        If the file is no truth that this version can read.
    """
    path = truth_path(ms)
    if not path.is_file():
        raise NoSuchTable(f"{path}: no such file; only simulated MeasurementSets have one (`atacal simulate`)")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InvalidTable(f"{path} is not readable as JSON: {error}") from error
    if content.get("format") != FORMAT:
        raise InvalidTable(f"{path} has the format {content.get('format')!r}; this version reads {FORMAT!r}")
    sources = tuple(
        Source(**{**s, "components": tuple(Component(**c) for c in s["components"]), "disk": _disk(s.get("disk"))})
        for s in content["fields"]
    )
    return Truth(
        ms=os.path.normpath(os.fspath(ms)),
        sources=sources,
        faults=tuple(Fault.from_dict(f) for f in content["faults"]),
        raw=content.get("raw", {}),
        **{k: content[k] for k in ("arguments", "antennas", "refant", "spws", "flux_jy", "integration_s", "nrow")},
    )


def _disk(stored: dict[str, Any] | None) -> Disk | None:
    """Read a disk: JSON has lists for tuples."""
    if stored is None:
        return None
    return Disk(
        str(stored["body"]), float(stored["diameter_arcsec"]), tuple(stored["freq_ghz"]), tuple(stored["brightness_k"])
    )
