"""CASA's virtual ("on the fly") models: component lists kept as records in the SOURCE subtable.

Layout, as CASA 6.7 leaves it. SOURCE has the keywords ``definedmodel_field_<field>`` (the name of another keyword) and
``model_<field>`` (a row of SOURCE); that row's SOURCE_MODEL cell holds a record ``cl_0``, ``cl_1``... of component
lists, each with ``channelselection`` (spw, first channel, number, step), ``indexcombination`` (field, spw, scan, state;
-1 for no state) and the components in ``container``. A row of the data that no combination names has the default
model of 1 Jy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ModelError, WriteError
from atacal.ms._tables import opened
from atacal.ms.disc import Disc

Combination = tuple[int, int, int, int]
"""(field, spw, scan, state)."""

_UNITS_HZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "THz": 1e12}


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Stokes I, Q, U, V against frequency: a power law, or a table that is interpolated linearly.

    Attributes
    ----------
    stokes_jy : float64 (4,)
        Power law: the flux density at ``ref_freq_hz``.
    index : float
        Spectral index of all four (constant fractional polarisation).
    ref_freq_hz : float
    table_hz, table_jy : float64 (n,) and (4, n), optional
        Where given, they replace the power law.
    frame : str
        Frame of the frequencies. CASA evaluates a model at the spw's own channel frequencies whatever this says.
    """

    stokes_jy: NDArray[np.float64]
    index: float = 0.0
    ref_freq_hz: float = 1e9
    table_hz: NDArray[np.float64] | None = None
    table_jy: NDArray[np.float64] | None = None
    frame: str = "LSRK"

    def at(self, freq_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return I, Q, U, V [Jy], shape (4, chan)."""
        if self.table_hz is None or self.table_jy is None:
            return self.stokes_jy[:, None] * (freq_hz / self.ref_freq_hz) ** self.index
        order = np.argsort(self.table_hz)
        return np.array([np.interp(freq_hz, self.table_hz[order], stokes[order]) for stokes in self.table_jy])


@dataclass(frozen=True, eq=False)
class Component:
    """One source of a model: a point, or a disc, in a direction [rad]."""

    spectrum: Spectrum
    direction_rad: tuple[float, float]
    frame: str = "J2000"
    disc: Disc | None = None


@dataclass(frozen=True, eq=False)
class ComponentList:
    """Components, and the data that they are the model of."""

    components: tuple[Component, ...]
    channels: tuple[tuple[int, int, int, int], ...]
    combinations: frozenset[Combination]
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def spws(self) -> set[int]:
        return {c[1] for c in self.combinations}


def read_virtual_models(ms: str | os.PathLike[str]) -> dict[int, list[ComponentList]]:
    """Read the virtual models of a MeasurementSet, by field.

    Raises
    ------
    ModelError
        If a model is of a kind that cannot be evaluated: an image, or a component that is neither point nor disc.
    """
    out: dict[int, list[ComponentList]] = {}
    for number, record in _records(ms).items():
        lists = [record[f"cl_{i}"] for i in range(int(record.get("numcl", 0))) if f"cl_{i}" in record]
        if int(record.get("numft", 0)) > 0:
            raise ModelError(f"{ms}: field {number} has an image as its model; only component lists can be used")
        out[number] = [_component_list(entry, f"{ms}: model of field {number}") for entry in lists]
    return out


def has_virtual_models(ms: str | os.PathLike[str]) -> bool:
    """Whether any field has a virtual model."""
    return bool(_records(ms))


def _records(ms: str | os.PathLike[str]) -> dict[int, dict[str, Any]]:
    source = os.path.join(ms, "SOURCE")
    if not os.path.isdir(source):
        return {}
    out: dict[int, dict[str, Any]] = {}
    with opened(source) as tab:
        keywords = tab.getkeywords()
        for name, key in keywords.items():
            if not name.startswith("definedmodel_field_") or key not in keywords:
                continue
            row = int(keywords[key])
            record = tab.getcell("SOURCE_MODEL", row) if "SOURCE_MODEL" in tab.colnames() else {}
            if record:
                out[int(name.rsplit("_", 1)[1])] = record
    return out


def _component_list(record: dict[str, Any], where: str) -> ComponentList:
    container = record["container"]
    components = tuple(_component(container[f"component{i}"], where) for i in range(int(container["nelements"])))
    # python-casacore gives casacore's (n, 4) matrices as (4, n)
    channels = np.asarray(record["channelselection"], int).reshape(4, -1).T
    combinations = np.asarray(record["indexcombination"], int).reshape(4, -1).T
    return ComponentList(
        components,
        tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in channels),
        frozenset((int(a), int(b), int(c), int(d)) for a, b, c, d in combinations),
        raw=record,
    )


def _component(record: dict[str, Any], where: str) -> Component:
    shape, flux = record["shape"], record["flux"]
    kind = str(shape["type"]).lower()
    if kind not in ("point", "disk"):
        raise ModelError(f"{where}: a component has the shape {shape['type']}; only points and discs can be used")
    if str(flux.get("polarisation", "Stokes")).lower() != "stokes" or flux.get("unit", "Jy") != "Jy":
        raise ModelError(
            f"{where}: a component's flux is in {flux.get('unit')} as {flux.get('polarisation')}, not Jy Stokes"
        )
    direction = shape["direction"]
    angles = (_angle_rad(direction["m0"], where), _angle_rad(direction["m1"], where))
    stokes = np.real(np.asarray(flux["value"])).astype(np.float64)
    frame = str(direction.get("refer", "J2000"))
    disc = None
    if kind == "disk":
        disc = Disc(*(_angle_rad(shape[axis], where) for axis in ("majoraxis", "minoraxis", "positionangle")))
    return Component(_spectrum(record["spectrum"], stokes, where), angles, frame, disc)


def _angle_rad(quantity: dict[str, Any], where: str) -> float:
    degree = np.pi / 180
    scale = {"rad": 1.0, "deg": degree, "arcmin": degree / 60, "arcsec": degree / 3600}.get(quantity["unit"])
    if scale is None:
        raise ModelError(f"{where}: an angle has the unit {quantity['unit']}")
    return float(quantity["value"]) * scale


def _spectrum(record: dict[str, Any], stokes: NDArray[np.float64], where: str) -> Spectrum:
    kind = str(record.get("type", "Constant")).lower()
    if kind.startswith("constant"):
        return Spectrum(stokes)
    frequency = record["frequency"]
    frame = str(frequency.get("refer", "LSRK"))
    if kind == "tabular spectrum":
        table = np.array([record[f"{s}val"] for s in "iquv"], np.float64)
        return Spectrum(stokes, table_hz=np.asarray(record["tabFreqVal"], np.float64), table_jy=table, frame=frame)
    if kind == "spectral index":
        polarised = np.asarray(record.get("stokesindex", np.zeros(4)), float)[1:]
        if np.any(polarised != 0):
            raise ModelError(f"{where}: spectral indices of the polarised fluxes ({polarised}) are not supported")
        value = frequency["m0"]
        return Spectrum(stokes, float(record["index"]), float(value["value"]) * _UNITS_HZ[value["unit"]], frame=frame)
    raise ModelError(f"{where}: a component's spectrum is of the type {record['type']}, which is not supported")


def _direction_record(component: Component) -> dict[str, Any]:
    zero = {"value": 0.0, "unit": "rad"}
    return {
        "type": "direction",
        "refer": component.frame,
        "m0": {"value": component.direction_rad[0], "unit": "rad"},
        "m1": {"value": component.direction_rad[1], "unit": "rad"},
        "error": {"longitude": dict(zero), "latitude": dict(zero)},
    }


def _shape_record(component: Component) -> dict[str, Any]:
    direction = _direction_record(component)
    disc = component.disc
    if disc is None:
        return {"type": "Point", "direction": direction}
    zero = {"value": 0.0, "unit": "rad"}
    axes = {"majoraxis": disc.major_rad, "minoraxis": disc.minor_rad, "positionangle": disc.pa_rad}
    record: dict[str, Any] = {"type": "Disk", "direction": direction}
    for name, value in axes.items():
        record |= {name: {"value": value, "unit": "rad"}, f"{name}error": dict(zero)}
    return record


def _spectrum_record(spectrum: Spectrum) -> dict[str, Any]:
    def frequency(hz: float, unit: str) -> dict[str, Any]:
        return {"type": "frequency", "refer": spectrum.frame, "m0": {"unit": unit, "value": hz / _UNITS_HZ[unit]}}

    if spectrum.table_hz is None or spectrum.table_jy is None:
        return {
            "type": "Spectral Index",
            "frequency": frequency(spectrum.ref_freq_hz, "GHz"),
            "index": float(spectrum.index),
            "stokesindex": np.array([spectrum.index, 0.0, 0.0, 0.0]),
            "error": 0.0,
        }
    first = float(spectrum.table_hz[0])
    return {
        "type": "Tabular Spectrum",
        "frequency": frequency(first, "GHz"),
        "freqRef": frequency(0.0, "Hz"),
        "referenceFreq": first,
        "maxFreq": float(spectrum.table_hz.max()),
        "minFreq": float(spectrum.table_hz.min()),
        "tabFreqVal": np.asarray(spectrum.table_hz, np.float64),
        **{f"{s}val": np.asarray(values, np.float64) for s, values in zip("iquv", spectrum.table_jy, strict=True)},
    }


def _list_record(entry: ComponentList) -> dict[str, Any]:
    container: dict[str, Any] = {"nelements": len(entry.components)}
    for i, component in enumerate(entry.components):
        container[f"component{i}"] = {
            "flux": {
                "value": np.asarray(component.spectrum.stokes_jy, np.float64),
                "unit": "Jy",
                "polarisation": "Stokes",
                "error": np.zeros(4),
            },
            "shape": _shape_record(component),
            "spectrum": _spectrum_record(component.spectrum),
            "label": "",
        }
    return {
        "version": 2,
        "type": "componentlist",
        "channelselection": np.array(entry.channels, np.int32).T.copy(),
        "indexcombination": np.array(sorted(entry.combinations), np.int32).T.copy(),
        "container": container,
    }


def put_virtual_models(ms: str | os.PathLike[str], number: int, source_id: int, lists: Sequence[ComponentList]) -> None:
    """Make component lists the model of a field, for the combinations that they name.

    Older models of the field that name any of the same spws are dropped, as CASA does.

    Parameters
    ----------
    ms : path
    number : int
        The field.
    source_id : int
        The field's SOURCE_ID.
    lists : sequence of ComponentList

    Raises
    ------
    ModelError
        If SOURCE has no row for the field to keep the model in.
    WriteError
    """
    source = os.path.join(ms, "SOURCE")
    if not os.path.isdir(source):
        raise ModelError(f"{ms} has no SOURCE subtable to keep a virtual model in; use usescratch=True")
    replaced = set().union(*(entry.spws for entry in lists))
    kept: list[dict[str, Any]] = []
    if (old := _records(ms).get(number)) is not None:
        for i in range(int(old.get("numcl", 0))):
            record = old[f"cl_{i}"]
            if not replaced & {int(s) for s in np.asarray(record["indexcombination"]).reshape(4, -1)[1]}:
                kept.append(record)
    records = kept + [_list_record(entry) for entry in lists]
    whole = {f"cl_{i}": record for i, record in enumerate(records)} | {"numcl": len(records), "version": 2}
    with opened(source, writable=True) as tab:
        _put(tab, number, source_id, whole, os.fspath(ms))


def _put(tab: Any, number: int, source_id: int, record: dict[str, Any], ms: str) -> None:
    from casacore.tables import makescacoldesc, maketabdesc

    keywords = tab.getkeywords()
    key = f"model_{number}"
    if key in keywords:
        row = int(keywords[key])
    else:
        taken = {int(v) for k, v in keywords.items() if k.startswith("model_")}
        rows = [int(r) for r in np.flatnonzero(np.asarray(tab.getcol("SOURCE_ID")) == source_id)] if tab.nrows() else []
        free = [r for r in rows if r not in taken]
        if not free:
            raise ModelError(
                f"{ms}: SOURCE has no free row with SOURCE_ID {source_id} for the virtual model of field {number}; "
                "use usescratch=True"
            )
        row = free[0]
    try:
        if "SOURCE_MODEL" not in tab.colnames():
            description = makescacoldesc("SOURCE_MODEL", {}, valuetype="record", comment="Component Source Model")
            tab.addcols(maketabdesc([description]))
        tab.putcell("SOURCE_MODEL", row, record)
        tab.putkeyword(f"definedmodel_field_{number}", key)
        tab.putkeyword(key, row)
    except RuntimeError as error:
        raise WriteError(f"{ms}/SOURCE: cannot write the model of field {number}: {error}") from error


def remove_virtual_models(ms: str | os.PathLike[str], numbers: Iterable[int] | None = None) -> list[int]:
    """Remove the virtual models of some fields (None: of all); return the fields that had one.

    Raises
    ------
    WriteError
    """
    if not os.path.isdir(os.path.join(ms, "SOURCE")):
        return []
    wanted = None if numbers is None else set(numbers)
    with opened(os.path.join(ms, "SOURCE")) as tab:
        keywords = tab.getkeywords()
    found = [int(k.rsplit("_", 1)[1]) for k in keywords if k.startswith("definedmodel_field_")]
    removed = [n for n in found if wanted is None or n in wanted]
    if not removed:
        return []
    with opened(os.path.join(ms, "SOURCE"), writable=True) as tab:
        for number in removed:
            key = str(keywords[f"definedmodel_field_{number}"])
            tab.removekeyword(f"definedmodel_field_{number}")
            shared = any(
                v == key
                for k, v in keywords.items()
                if k.startswith("definedmodel") and k != f"definedmodel_field_{number}"
            )
            if key in keywords and not shared:
                tab.putcell("SOURCE_MODEL", int(keywords[key]), {})
                tab.removekeyword(key)
    return removed
