"""Make the flux-standard tables of src/atacal/flux/data again from a casadata folder.

    python tools/refresh_solar_system.py .../site-packages/casadata/__data__

The Python package `casadata` that comes with CASA (GNU LGPL) has text tables of brightness temperature and flux
density (``alma/SolarSystemModels``), JPL-Horizons ephemerides (``ephemerides/JPL-Horizons``) and the coefficients of
the quasar standards (``nrao/VLA/standards``): 300 MB. What setjy needs of them is a few MB:

* ephemerides: five columns, of as many days as a cubic spline needs to give the others within ``LIMITS``;
* Mars: the hourly brightness temperatures, losslessly, as differences;
* asteroids: log flux density = mean + sum over k of c_k(time) v_k(frequency), k = 0..3 (a singular value
  decomposition: the shape of an asteroid's spectrum hardly changes), as second differences, to 1e-4;
* everything else as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.flux.solar_data import QUANTA, row_days
from atacal.flux.spline import window_spline

BODIES = (
    "Venus", "Mars", "Jupiter", "Io", "Europa", "Ganymede", "Callisto", "Titan", "Uranus", "Neptune",
    "Ceres", "Juno", "Pallas", "Vesta", "Lutetia",
)  # fmt: skip
LIMITS = {"RA": 2e-5, "DEC": 2e-5, "Rho": 5e-7, "RadVel": 3e-6, "NP_ang": 1e-2}
"""Largest error of interpolation: deg, deg, fraction of the distance, AU/day, deg."""
_AXIS = 2e-5  # largest error of a disc's axis
STEPS = (8, 6, 5, 4, 3, 2, 1)
_RANK, _LOG_QUANTUM = 4, 1e-4
_HERE = Path(__file__).resolve().parent.parent / "src" / "atacal" / "flux" / "data"


def text_table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read a table against time: frequencies [GHz], MJD, values (time, frequency)."""
    with open(path) as file:
        freqs = np.array(file.readline().split(), float)
        rows = np.array([line.split()[-1 - len(freqs) :] for line in file if line.strip()], float)
    return freqs, rows[:, 0], rows[:, 1:]


def ephemeris(folder: Path) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Read and thin one ephemeris: what it is, and the second differences of its columns in `QUANTA`."""
    from casacore.tables import table

    tab = table(str(folder), ack=False)
    days = tab.getcol("MJD")
    radii = np.asarray(tab.getkeyword("radii")["value"], float)
    made = f"{tab.getkeyword('VS_CREATE')}"
    columns = {name: np.array(tab.getcol(name), float) for name in QUANTA}
    tab.close()
    step = float(np.round(days[1] - days[0], 6))
    if not np.allclose(np.diff(days), step, atol=1e-6):
        raise SystemExit(f"{folder}: the rows are not evenly spaced")
    for name in ("RA", "NP_ang"):
        if not np.all(columns[name] == -999):
            columns[name] = np.unwrap(columns[name], period=360.0)
    for name in ("NP_ang", "DiskLat"):  # -999: not known; setjy then takes 0, as CASA does
        columns[name][columns[name] == -999] = 0.0
    factor = next(s for s in STEPS if _good_enough(days, columns, s, radii))
    at = row_days(len(days), factor)
    whole = np.array([np.rint(columns[n][at] / q) for n, q in QUANTA.items()]).astype(np.int64)
    print(f"{folder.name}: every {factor} days")
    about = {
        "first": float(days[0]), "rows": len(days), "step": step, "factor": factor, "radii_km": radii.tolist(),
        "created": made, "file": folder.name,
    }  # fmt: skip
    return about, np.diff(whole, n=2, axis=1, prepend=np.zeros((len(whole), 2), np.int64))


def _good_enough(
    days: NDArray[np.float64], columns: dict[str, NDArray[np.float64]], factor: int, radii_km: NDArray[np.float64]
) -> bool:
    if factor == 1:
        return True
    at = row_days(len(days), factor)
    # CASA takes the latitude for radians, and its axis feels every hundredth
    radius = radii_km[:2].mean()
    limits = LIMITS | {"DiskLat": max(2e-5, _AXIS * radius / max(radius - radii_km[2], 1e-9))}
    for name, limit in limits.items():
        values = columns[name]
        error = np.abs(window_spline(days[at], values[at], days) - values)
        if np.max(error / (values if name == "Rho" else 1.0)) > limit:
            return False
    return True


def mars(path: Path) -> dict[str, Any]:
    """Pack Mars' hourly brightness temperatures: differences in time, then in frequency, of tenths of a kelvin."""
    freqs, days, values = text_table(path)
    slots = np.rint((days - days[0]) * 24).astype(int)
    full = np.empty((slots[-1] + 1, len(freqs)))
    for i in range(len(freqs)):  # a few hours are missing in the file
        full[:, i] = np.interp(np.arange(len(full)), slots, values[:, i])
    whole = np.rint(full * 10).astype(np.int32)
    packed = np.diff(np.diff(whole, axis=0, prepend=0), axis=1, prepend=0)
    first, rest = packed[0], packed[1:]
    if np.abs(rest).max() > 127:
        raise SystemExit(f"{path}: differences do not fit a byte")
    return {"freq_ghz": freqs, "first": first, "packed": rest.T.astype(np.int8), "start": days[0]}


def asteroid(path: Path) -> dict[str, Any]:
    """Pack an asteroid's flux densities: a few singular vectors of log flux density."""
    freqs, days, values = text_table(path)
    logs = np.log(np.maximum(values, 0.5e-4))
    # the values are rounded to 1e-4 Jy, which the weak ones feel: fit the strong ones first
    weight = np.clip(np.median(values, axis=0) / 1e-4, 1, 1e4)
    weight /= weight.max()
    mean = logs.mean(axis=0)
    _, _, vectors = np.linalg.svd((logs[::8] - mean) * weight, full_matrices=False)
    vectors = vectors[:_RANK] / weight
    coefficients = ((logs - mean) * weight) @ (vectors * weight).T
    # nothing is gained by being finer than the file's rounding at ALMA's band 6
    quantum = max(_LOG_QUANTUM, 0.25e-4 / float(np.median(values[:, np.searchsorted(freqs, 230)])))
    scale = quantum / np.abs(vectors[:, 1:]).max(axis=1)
    out = {"freq_ghz": freqs, "mean": mean, "vectors": vectors * scale[:, None], "start": days[0]}
    interval = (days[-1] - days[0]) / (len(days) - 1)
    for k in range(_RANK):
        every = (
            1 if k == 0 else round(1 / 24 / interval)
        )  # the first is the light curve, the others hardly turn with it
        whole = np.rint(coefficients[::every, k] / scale[k]).astype(np.int64)
        packed = np.diff(whole, n=2)
        size = np.int8 if np.abs(packed).max() < 128 else np.int16
        out |= {f"first{k}": whole[:2], f"packed{k}": packed.astype(size), f"step{k}": interval * every}
    return out


def quasars(folder: Path) -> dict[str, Any]:
    """Read the coefficients of the tabulated quasar standards, and the names and positions of their sources."""
    from casacore.tables import table

    out: dict[str, Any] = {"standards": {}, "sources": []}
    for name in ("PerleyButler2017", "PerleyButler2013", "ScaifeHeald2012"):
        tab = table(str(folder / f"{name}Coeffs"), ack=False)
        title = re.sub(r"([a-z])([A-Z])", r"\1-\2", name[:-4]) + " " + name[-4:]
        entry: dict[str, Any] = {"epochs": [float(e) for e in tab.getcol("Epoch")], "sources": {}}
        for column in tab.colnames():
            if not column.endswith("_coeffs"):
                continue
            rows = [[float(np.format_float_positional(c, 6)) for c in np.atleast_1d(tab.getcell(column, i))]
                    for i in range(tab.nrows())]  # fmt: skip
            limits = tab.getcolkeywords(column).get("ValidFreqRange")
            constant = all(row == rows[0] for row in rows)
            entry["sources"][column.removesuffix("_coeffs")] = {
                "range_ghz": [float(v) for v in limits["freqRange"]] if limits else None,
                "coefficients": rows[:1] if constant else rows,
            }
        out["standards"][title] = entry
        tab.close()
    tab = table(str(folder / "fluxcalibrator.data"), ack=False)
    for row in tab:
        names = row["AltNames"]
        names = names if isinstance(names, list) else names["array"]
        out["sources"].append(
            {"name": row["Name"], "names": names, "j2000_rad": [row["RA_J2000"], row["Dec_J2000"]]}
        )  # fmt: skip
    tab.close()
    return out


def version(data: Path) -> str:
    """Return the version of the casadata package that a folder belongs to."""
    found = sorted(data.parent.parent.glob("casadata-*.dist-info"))
    return f"casadata {found[-1].name.removeprefix('casadata-').removesuffix('.dist-info')}" if found else "casadata"


def main() -> None:
    """Read the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("casadata", type=Path, help="the folder that has alma/SolarSystemModels")
    parser.add_argument("--out", type=Path, default=_HERE)
    given = parser.parse_args()
    models, places = given.casadata / "alma/SolarSystemModels", given.casadata / "ephemerides/JPL-Horizons"
    arrays: dict[str, Any] = {}
    about: dict[str, Any] = {"source": version(given.casadata), "bodies": {}}
    for body in BODIES:
        spans = []
        for folder in sorted(places.glob(f"{body}_*J2000.tab")):
            span, columns = ephemeris(folder)
            arrays[f"ephemeris/{body}/{len(spans)}"] = columns
            spans.append(span)
        entry: dict[str, Any] = {"ephemerides": spans}
        if (models / f"{body}_Tb.dat").exists() and body != "Mars":
            arrays[f"brightness/{body}"] = np.loadtxt(models / f"{body}_Tb.dat").T
            entry["brightness"] = True
        for kind, packer in (("Tb", mars), ("fd", asteroid)):
            if (models / f"{body}_{kind}_time.dat").exists():
                entry["varying"] = kind
                for name, value in packer(models / f"{body}_{kind}_time.dat").items():
                    arrays[f"varying/{body}/{name}"] = np.asarray(value)
        about["bodies"][body] = entry
    arrays["about"] = np.array(json.dumps(about))
    given.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(given.out / "solar_system.npz", **arrays)
    standards = {"source": version(given.casadata)} | quasars(given.casadata / "nrao/VLA/standards")
    (given.out / "quasars.json").write_text(json.dumps(standards, indent=1) + "\n")
    for name in ("solar_system.npz", "quasars.json"):
        print(f"{given.out / name}: {(given.out / name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
