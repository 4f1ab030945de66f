#!/usr/bin/env python
"""Calibrate raw blocks whose truth is known, and say what the a-priori steps and the flux scale have come to.

    python tools/physics.py --out DIR [--seeds 1,2] [--presets tiny,small] [--fluxcals quasar,sso]
                            [--pictures] [--peer TOOLS --casapy DIR/casapy]

Blocks are made by `atacal simulate --raw`, or with --peer by another generator: TOOLS has eb_sim.py and asdm_write.py,
which need CASA's python, and the ASDM is calibrated. Tables in Markdown go to standard output (docs/calibrate.md has
them), numbers to DIR/physics.json.

Phase scatter: within scans, of every baseline without a dead radiometer; the median over them. Limit: what the dry
air, the radiometers' noise and the visibilities' noise leave, added in squares.

Expected flux densities: the truth times what drifts of the gains and errors of the Tsys make of it, by the block's own
account; of a resolved body on the antennas that the flux scale is from, by |g|^2 Tsys(applied) / Tsys(true) of each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table

from atacal.caltables.disk import read_caltable
from atacal.flux.ratio_error import student_t
from atacal.recipe import calibrate
from atacal.simulate import read_truth, simulate, true_tsys
from atacal.simulate.truth import positions_path

C_M_S = 299_792_458.0
RADIOMETER_K = np.array([0.1, 0.08, 0.08, 0.09])
RADIOMETER_S = 1.152


@dataclass
class Block:
    """A raw block and what is true of it, whoever made it."""

    name: str
    vis: Path
    given: dict[str, Any]
    fields: list[str]
    target: int
    dead_radiometers: list[str]
    faulty: list[str]
    time_s: np.ndarray
    dry_m: np.ndarray
    wet_m: np.ndarray
    integration_s: float
    flux_jy: Any
    """Function of field name and raw spw."""
    expected: Any
    """The same: what a perfect fluxscale on all antennas derives, relative to the truth."""
    model: Any
    """Function of field id, uvw [m] (row, 3) and frequencies [Hz] (chan,): visibilities [Jy] (row, chan)."""
    tsys: Any
    """Function of raw spw, giving (field id, time, true Tsys [K] (antenna, chan, pol)) of every science subscan."""
    power: Any
    """Function of raw spw, giving |gain|^2 (time, antenna, pol) at ``time_s``."""
    field_at: np.ndarray
    """Field id at ``time_s``, -1 outside science scans."""
    off_source: np.ndarray | None = None
    """Whether an antenna was not wholly on source, or its data lost in the correlator, bool (time, antenna)."""
    shadowed: np.ndarray | None = None
    """Whether it was in the shadow of another, bool (time, antenna)."""


def own_block(folder: Path, preset: str, seed: int, fluxcal: str) -> Block:
    """Make a block with `atacal simulate --raw`."""
    path = folder / f"own_{preset}_{fluxcal}_{seed}.ms"
    simulate(path, preset=preset, seed=seed, fluxcal=fluxcal, raw=True, overwrite=True)
    truth = read_truth(path)
    arrays, raw = truth.arrays(), truth.raw
    source = next(s for s in truth.sources if s.role == "flux")
    given: dict[str, Any] = {"antpos": str(positions_path(path))}
    if source.disk is None:
        one = source.components[0]
        given |= {"flux_density": one.flux_jy, "spix": one.spix, "reffreq": f"{source.ref_freq_hz}Hz"}

    def tsys(spw: int) -> list[tuple[int, float, np.ndarray]]:
        subscans = [(k, s) for k, s in enumerate(raw["subscans"]) if s["purpose"] == "science"]
        middle = [(s["start_mjd_s"] + s["end_mjd_s"]) / 2 for _, s in subscans]
        return [(s["field"], t, true_tsys(truth, spw, k)) for (k, s), t in zip(subscans, middle, strict=True)]

    lost = np.zeros(arrays["shadow"].shape, bool)
    for fault in truth.faults:
        if fault.kind == "flagged":
            lost[
                (fault.start_mjd_s < arrays["time_mjd_s"]) & (arrays["time_mjd_s"] < fault.end_mjd_s), fault.antenna_id
            ] = 1
    return Block(
        f"own, {preset}, {fluxcal}", path, given, [s.name for s in truth.sources], truth.roles["target"][0],
        [f.antenna for f in truth.faults if f.kind == "dead_wvr"],
        [f.antenna for f in truth.faults if f.kind in ("dead_polarization", "phase_jump")],
        arrays["time_mjd_s"], arrays["dry_path_m"], arrays["wet_path_m"], truth.integration_s,
        lambda name, spw: truth.flux_jy[name][spw],
        lambda name, spw: raw["expected_flux_ratio"][name][raw["science_spws"].index(spw)],
        truth.visibility, tsys,
        lambda spw: np.abs(arrays[f"gain_{spw}"]) ** 2,
        np.array([s["field"] if s["purpose"] == "science" else -1 for s in raw["subscans"]])[arrays["subscan"]],
        (arrays["source_share"] < 1) | lost, arrays["shadow"] < 1,
    )  # fmt: skip


def peer_block(folder: Path, preset: str, seed: int, fluxcal: str, tools: Path, casapy: Path) -> Block:
    """Make an ASDM with the other generator."""
    name = f"peer_{preset}_{fluxcal}_{seed}"
    ms, asdm = folder / f"{name}.ms", folder / f"uid___A002_Xeb51_{name}"
    arguments = ["--preset", preset, "--seed", str(seed), "--fluxcal", fluxcal]
    for command in (
        [tools / "eb_sim.py", "--out", ms, *arguments], [tools / "asdm_write.py", "--vis", ms, "--asdm", asdm],
    ):  # fmt: skip
        subprocess.run([casapy, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    truth = json.loads(ms.with_name(f"{name}.ms.truth.json").read_text())
    arrays = np.load(ms.with_name(f"{name}.ms.truth.npz"))
    positions = folder / f"{name}.csv"
    offsets = np.reshape(truth["antpos"]["parameter"], (-1, 3))
    names = truth["antpos"]["antenna"].split(",")
    lines = [f"{asdm.name},{a},{x},{y},{z}," for a, (x, y, z) in zip(names, offsets, strict=True)]
    positions.write_text("\n".join(["name,antenna,xoff,yoff,zoff,comment", *lines]) + "\n")
    given: dict[str, Any] = {"antpos": str(positions)}
    if truth["setjy"]["standard"] == "manual":
        model = truth["setjy"]
        given |= {"flux_density": model["fluxdensity"][0], "spix": model["spix"], "reffreq": model["reffreq"]}
    start = 0 if arrays["time"].min() > 1e9 else truth["start_utc_mjd_s"]

    def tsys(spw: int) -> list[tuple[int, float, np.ndarray]]:
        out = []
        for k, scan in enumerate(arrays["tsys_scans"]):
            at = np.flatnonzero(arrays["scan"] == scan)
            if len(at):
                value = arrays[f"tsys_{spw}"][k][:, None, :]
                out.append((int(arrays["field"][at[0]]), float(arrays["time"][at].mean()) + start, value))
        return out

    return Block(
        f"other, {preset}, {fluxcal}", asdm, given, [f["name"] for f in truth["fields"]],
        truth["roles"]["target"][0],
        [f["antenna"] for f in truth["faults"] if f["kind"] == "wvrdead"],
        [f["antenna"] for f in truth["faults"] if f["kind"] in ("deadpol", "phasejump", "lowgain")],
        arrays["time"] + start, arrays["dry_path"], arrays["wet_path"], truth["tint_s"],
        lambda name, spw: truth["flux_Jy"][name][str(spw)]["mean"],
        lambda name, spw: truth["expected_fluxscale_ratio"][name][str(spw)],
        lambda number, uvw, freq: _components(truth["fields"][number], uvw, freq),
        tsys, lambda spw: np.abs(arrays[f"gain_{spw}"]) ** 2, arrays["field"],
    )  # fmt: skip


def _components(field: dict[str, Any], uvw: np.ndarray, freq: np.ndarray) -> np.ndarray:
    """Visibilities of a point or of components with lines, as eb_sim.py's README defines them."""
    if field["model"] == "point":
        return np.broadcast_to(field["flux_Jy"] * (freq / field["nu0_Hz"]) ** field["spix"], (len(uvw), len(freq)))
    out = np.zeros((len(uvw), len(freq)), complex)
    for c in field["components"]:
        x, y = (np.radians(c[k] / 3600) for k in "lm")
        turns = (uvw @ [x, y, np.sqrt(1 - x * x - y * y) - 1])[:, None] * freq / C_M_S
        sigma = c["line_fwhm"] / (2 * np.sqrt(2 * np.log(2)))
        line = c["line_peak"] * np.exp(-0.5 * ((freq - c["line_freq"]) / sigma) ** 2)
        out += (c["flux"] * (freq / field["nu0_Hz"]) ** c["spix"] + line) * np.exp(2j * np.pi * turns)
    return out


def measured(vis: str, pictures: bool, given: dict[str, Any]) -> tuple[Any, dict[str, float]]:
    """Calibrate in a process of its own: the summary, seconds, seconds of processor time, and peak memory [MB]."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_calibrate, args=(its, vis, pictures, given))
    process.start()
    its.close()
    try:
        summary, cost = mine.recv()
    except EOFError:
        raise SystemExit(f"calibrate of {vis} failed") from None
    process.join()
    return summary, cost


def _calibrate(pipe: Any, vis: str, pictures: bool, given: dict[str, Any]) -> None:
    began = time.perf_counter()
    summary = calibrate(vis, pictures=pictures, **given)
    use = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "seconds": time.perf_counter() - began,
        "cpu_s": use.ru_utime + use.ru_stime,
        "peak_mb": use.ru_maxrss / 1024,
    }
    pipe.send((summary, cost))


def size_gb(folder: Path) -> float:
    """Return the size of a folder's files."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9


def run_table(block: Block, summary: Any, cost: dict[str, float], gb: float) -> dict[str, Any]:
    """Say what the run took, and which share of the integrations of antennas that were off source, in a shadow, or good
    are flagged (all baselines of the antenna) in the science data, and which of the dead radiometers were found. Good:
    without antennas that are flagged wholly, like one that is in a shadow in the bandpass scan.
    """
    out: dict[str, Any] = {"block": block.name, "gb": gb, **cost}
    found = [r.antenna for r in summary.apriori.wvr.radiometers if not r.works]
    out["radiometers"] = f"{len({*found} & {*block.dead_radiometers})} of {len(block.dead_radiometers)}"
    if block.off_source is None or block.shadowed is None:
        return out
    flagged, seen = np.zeros((2, *block.off_source.shape), np.int64)
    for field in range(len(block.fields)):
        flag, times, a1, a2 = read(summary.apriori.split, 0, field, "FLAG_MIDDLE", "TIME", "ANTENNA1", "ANTENNA2")
        at = np.abs(block.time_s[:, None] - np.unique(times)).argmin(axis=0)[np.unique(times, return_inverse=True)[1]]
        for antenna in (a1, a2):
            np.add.at(flagged, (at, antenna), flag.all(axis=(1, 2)))
            np.add.at(seen, (at, antenna), 1)
    gone, there = (flagged == seen) & (seen > 0), seen > 0
    off, shade = block.off_source & there, block.shadowed & there & ~block.off_source
    good = there & ~off & ~shade
    good[:, gone.sum(axis=0) == there.sum(axis=0)] = False
    for name, which in (("off_source", off), ("shadowed", shade), ("good", good)):
        out[name] = f"{int(gone[which].sum())} of {int(which.sum())}"
    return out


def read(path: str, spw: int, field: int, *columns: str, scan: int | None = None) -> list[np.ndarray]:
    """Read columns of the cross-correlations of an spw and a field (and a scan) outside atmosphere and pointing scans.

    FLAG_MIDDLE is FLAG of the middle channel.
    """
    with table(f"{path}/DATA_DESCRIPTION", ack=False) as tab:
        (ddid,) = np.flatnonzero(tab.getcol("SPECTRAL_WINDOW_ID") == spw)
    with table(f"{path}/STATE", ack=False) as tab:
        modes = tab.getcol("OBS_MODE")
    aside = [i for i, m in enumerate(modes) if any(w in m for w in ("ATMOSPHERE", "POINTING", "SIDEBAND"))]
    query = f"DATA_DESC_ID=={ddid} && FIELD_ID=={field} && ANTENNA1!=ANTENNA2 && !(STATE_ID in {aside or [-1]})"
    if scan is not None:
        query += f" && SCAN_NUMBER=={scan}"
    with table(path, ack=False) as tab, tab.query(query) as part:
        middle = part.getcell("FLAG", 0).shape[0] // 2 if part.nrows() else 0
        return [
            part.getcolslice("FLAG", [middle, 0], [middle, -1]) if c == "FLAG_MIDDLE" else part.getcol(c)
            for c in columns
        ]


def scatter(block: Block, path: str, spw: int, field: int, antennas: list[str]) -> dict[str, float]:
    """Measure the phase scatter within scans [deg] in DATA, of the dry air, and of the visibilities' noise."""
    names = ("DATA", "FLAG", "SIGMA", "TIME", "SCAN_NUMBER", "ANTENNA1", "ANTENNA2")
    data, flag, sigma, times, scan, a1, a2 = read(path, spw, field, *names)
    with table(f"{path}/SPECTRAL_WINDOW", ack=False) as tab:
        freq = float(np.mean(tab.getcell("CHAN_FREQ", spw)))
    bad = [i for i, n in enumerate(antennas) if n in (*block.dead_radiometers, *block.faulty)]
    n = data.shape[1]
    middle = slice(3 * n // 8, 5 * n // 8)
    good = ~flag[:, middle, 0].any(axis=1) & ~np.isin(a1, bad) & ~np.isin(a2, bad)
    mean = data[:, middle, 0].mean(axis=1)
    with np.errstate(divide="ignore"):  # flagged data can be 0
        noise = np.degrees(sigma[:, 0] / np.sqrt(middle.stop - middle.start) / np.abs(mean))
    each, which = np.unique(times, return_inverse=True)
    at = np.abs(block.time_s[:, None] - each).argmin(axis=0)[which]
    dry = 360 * (block.dry_m[at, a1] - block.dry_m[at, a2]) * freq / C_M_S
    key = (scan.astype(np.int64) * 1000 + a1) * 1000 + a2
    rms: dict[str, list[float]] = {"phase": [], "dry": [], "noise": []}
    for k in np.unique(key[good]):
        rows = np.flatnonzero(good & (key == k))
        if len(rows) >= 3:
            unit = mean[rows] / np.abs(mean[rows])
            angle = np.angle(unit * np.conj(unit.mean()), deg=True)
            rms["phase"].append(np.sqrt((angle**2).sum() / (len(rows) - 1)))
            rms["dry"].append(np.std(dry[rows], ddof=1))
            rms["noise"].append(np.sqrt(np.mean(noise[rows] ** 2)))
    return {name: float(np.median(values)) for name, values in rms.items()} | {"freq_hz": freq}


def water_table(block: Block, summary: Any) -> list[dict[str, Any]]:
    """Compare the scatter of every calibrator before and after the radiometers' correction with its limit."""
    out = []
    raw_spw = summary.apriori.spws[0]
    with table(f"{summary.vis}/ANTENNA", ack=False) as tab:
        antennas = list(tab.getcol("NAME"))
    for name in [i.name for i in summary.apriori.wvr.improvements]:
        field = block.fields.index(name)
        before = scatter(block, summary.vis, raw_spw, field, antennas)
        after = scatter(block, summary.apriori.split, 0, field, antennas)
        slopes = next(np.array(w.dtdl_k_mm) for w in summary.apriori.wvr.water if name in w.sources)
        samples = block.integration_s / RADIOMETER_S
        path_mm = np.sqrt(2 / samples / np.sum((slopes / RADIOMETER_K) ** 2))  # of a baseline
        wvr = 360 * path_mm * 1e-3 * after["freq_hz"] / C_M_S
        limit = float(np.sqrt(after["dry"] ** 2 + after["noise"] ** 2 + wvr**2))
        out.append({
            "block": block.name, "calibrator": name, "before": before["phase"], "after": after["phase"],
            "dry": after["dry"], "radiometers": float(wvr), "noise": after["noise"], "limit": limit,
        })  # fmt: skip
    return out


def applied_tsys(block: Block, summary: Any, spw: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return the field, the true Tsys and the one that was applied (antenna, chan, pol) of every science subscan."""
    tsys = summary.apriori.tsys
    name = Path(summary.vis).name.removesuffix(".ms")
    one = read_caltable(Path(summary.outdir) / f"{name}.tsys").solutions[tsys.spw_of[spw]]
    out = []
    for field, middle, true in block.tsys(spw):
        source = block.fields.index(tsys.field_of[block.fields[field]])
        rows = np.flatnonzero(one.field == source)
        spectra = np.where(one.flag[rows], np.nan, one.param[rows])
        at = float(np.interp(middle, one.time[rows], np.arange(len(rows))))
        low = min(int(at), max(len(rows) - 2, 0))
        out.append((field, true, spectra[low] + (spectra[min(low + 1, len(rows) - 1)] - spectra[low]) * (at - low)))
    return out


def tsys_table(block: Block, summary: Any) -> dict[str, Any]:
    """Compare structure in elevation (and time) and in frequency of the true Tsys and of what is left after the table.

    Elevation: the scatter, over scans, of the band's median. Frequency: the largest excursion of a channel.
    """
    found: dict[str, list[float]] = {k: [] for k in ("elevation", "elevation_left", "lines", "lines_left")}
    for spw in summary.apriori.spws:
        pairs = [(true, applied) for _, true, applied in applied_tsys(block, summary, spw)]
        inner = ~np.isnan([applied for _, applied in pairs]).all(axis=(0, 1, 3))  # without the flagged edges
        if pairs[0][0].shape[1] in (1, len(inner)):  # else an FDM spw, whose channels are not those of the table
            true, left = np.array([t for t, _ in pairs]), np.array([(a / t)[:, inner] for t, a in pairs])
            for key, values in (("", true), ("_left", left)):  # (scan, antenna, chan, pol)
                band = np.nanmedian(values, axis=2)
                found["elevation" + key].append(float(np.median(np.std(band, axis=0) / band.mean(axis=0))))
                if true.shape[2] > 1:
                    shape = np.nanmedian(values / band[:, :, None], axis=(0, 1, 3))
                    found["lines" + key].append(float(np.nanmax(np.abs(shape - np.nanmedian(shape)))))
    return {"block": block.name, **{k: float(np.max(v)) for k, v in found.items() if v}}


def expected(block: Block, summary: Any, name: str, spw: int) -> float:
    """Return what a perfect fluxscale on the antennas that were used derives, relative to the truth."""
    if not summary.flux_antennas:
        return float(block.expected(name, spw))
    power = block.power(spw)
    pairs = applied_tsys(block, summary, spw)
    with table(f"{summary.vis}/ANTENNA", ack=False) as tab:
        antennas = list(tab.getcol("NAME"))
    good = [i for i, a in enumerate(antennas) if a not in block.faulty]
    used = [i for i in good if antennas[i] in summary.flux_antennas]
    of: dict[str, np.ndarray] = {}
    for one in (name, summary.roles["flux"][0]):
        field = block.fields.index(one)
        errors = [
            np.nanmedian(applied, axis=1) / np.nanmedian(true, axis=1) for f, true, applied in pairs if f == field
        ]
        of[one] = (power[block.field_at == field].mean(axis=0) * np.mean(errors, axis=0)).mean(axis=1)
    ratio = of[name] / of[summary.roles["flux"][0]]
    return float(block.expected(name, spw) * np.nanmedian(ratio[used]) / np.nanmedian(ratio[good]))


def flux_table(block: Block, summary: Any) -> list[dict[str, Any]]:
    """Compare derived flux densities with what is expected, and with the truth where the Tsys is the field's own.

    Beside calibrate's errors those by CASA's formula, for one ratio an antenna (T solutions).
    """
    out = []
    for f in summary.fluxes:
        spw = summary.apriori.spws[f.spw]
        true = block.flux_jy(f.field, spw) * expected(block, summary, f.field, spw)
        n = f.solutions
        casas_jy = f.error_jy / (np.sqrt(np.pi / (2 * n + 1) * (n - 1)) * student_t(n - 1) / 2)
        one = {"block": block.name, "field": f.field, "spw": spw, "ratio": f.flux_jy / true, "antennas": n}
        one |= {"sigmas": (f.flux_jy - true) / f.error_jy, "sigmas_casa": (f.flux_jy - true) / casas_jy}
        if summary.apriori.tsys.field_of[f.field] == f.field:
            off = f.flux_jy - block.flux_jy(f.field, spw)
            one |= {"sigmas_of_truth": off / f.error_jy, "sigmas_of_truth_casa": off / casas_jy}
        out.append(one)
    return [*out, *_target(block, summary)]


def _target(block: Block, summary: Any) -> list[dict[str, Any]]:
    """Fit the scale of the true model to the calibrated visibilities of the target, its error by the weights.

    Without antennas with faults that a reader of the pictures would flag. Between the phase calibrator's scans nothing
    calibrates the dry air, and what the radiometers leave of the wet: the coherence that they cost (known, as both
    paths are) is part of what is expected.
    """
    out = []
    name = block.fields[block.target]
    calibrator = summary.roles["phase"][0]
    errors = {f.spw: f.error_jy / f.flux_jy for f in summary.fluxes if f.field == calibrator}
    with table(f"{summary.calibrated}/ANTENNA", ack=False) as tab:
        bad = [i for i, a in enumerate(tab.getcol("NAME")) if a in (*block.faulty, *block.dead_radiometers)]
    with table(f"{summary.calibrated}/SPECTRAL_WINDOW", ack=False) as tab:
        freqs = [tab.getcell("CHAN_FREQ", i) for i in range(tab.nrows())]
    for number, spw in enumerate(summary.apriori.spws):
        phase_times = read(summary.calibrated, number, block.fields.index(calibrator), "TIME", "SCAN_NUMBER")
        (scans,) = read(summary.calibrated, number, block.target, "SCAN_NUMBER")
        power, coherent, product = 0.0, 0.0, 0.0
        for scan in np.unique(scans):
            columns = ("DATA", "FLAG", "WEIGHT", "UVW", "TIME", "ANTENNA1", "ANTENNA2")
            data, flag, weight, uvw, times, a1, a2 = read(
                summary.calibrated, number, block.target, *columns, scan=int(scan)
            )
            left = _air_between(block, summary, spw, times, phase_times, freqs[number].mean())
            keep = ~np.isin(a1, bad) & ~np.isin(a2, bad)
            model = block.model(block.target, uvw, freqs[number])[:, :, None]
            w = np.where(flag | ~keep[:, None, None], 0, weight[:, None, :])
            row_power = (w * np.abs(model) ** 2).sum(axis=(1, 2))
            rows = np.arange(len(times))
            power += float(row_power.sum())
            coherent += float((row_power * np.cos(left[rows, a1] - left[rows, a2])).sum())
            product += float((w * (data * np.conj(model)).real).sum())
        coherence, ratio = coherent / power, product / power
        ratio /= expected(block, summary, name, spw) * coherence
        error = np.hypot(1 / np.sqrt(power), errors.get(number, 0) * ratio)
        out.append({
            "block": block.name, "field": name, "spw": spw, "ratio": ratio, "sigmas": (ratio - 1) / error,
            "coherence": coherence,
        })  # fmt: skip
    return out


def _air_between(
    block: Block, summary: Any, spw: int, times: np.ndarray, calibrator: list[np.ndarray], freq_hz: float
) -> np.ndarray:
    """Return the air's phase [rad] (row, antenna), less the radiometers' and what the phase calibrator tells."""
    phase = -2 * np.pi * (block.dry_m + block.wet_m) * freq_hz / C_M_S
    if summary.apriori.wvr.used:
        name = Path(summary.vis).name.removesuffix(".ms")
        table_ = read_caltable(Path(summary.outdir) / f"{name}.wvr").solutions[spw]
        angles = np.unwrap(np.angle(table_.param[:, :, 0, 0]), axis=0)
        phase = phase - np.array([np.interp(block.time_s, table_.time, column) for column in angles.T]).T
    scans = [np.unique(calibrator[0][calibrator[1] == s]) for s in np.unique(calibrator[1])]
    middles = np.array([t.mean() for t in scans])
    at_scans = np.array([phase[np.abs(block.time_s[:, None] - t).argmin(axis=0)].mean(axis=0) for t in scans])
    each, which = np.unique(times, return_inverse=True)
    now = phase[np.abs(block.time_s[:, None] - each).argmin(axis=0)][which]
    told = np.array([np.interp(times, middles, column) for column in np.unwrap(at_scans, axis=0).T]).T
    return now - told


def report(results: list[dict[str, Any]]) -> str:
    """Write the tables: a line for the blocks that differ only in their seed."""
    lines = ["| block | calibrator | before | after | dry | radiometers | noise | limit |", "|---|---|" + "---|" * 6]
    for (block, name), rows in grouped([r for one in results for r in one["water"]], "block", "calibrator").items():
        keys = ("before", "after", "dry", "radiometers", "noise", "limit")
        lines.append(f"| {block} | {name} | {' | '.join(span([r[k] for r in rows], 1) for k in keys)} |")
    lines += ["", "| block | elevation | left | line | left |", "|---|---|---|---|---|"]
    for (block,), rows in grouped([one["tsys"] for one in results], "block").items():
        keys = ("elevation", "elevation_left", "lines", "lines_left")
        cells = [span([100 * r[k] for r in rows], 1) + " %" if k in rows[0] else "" for k in keys]
        lines.append(f"| {block} | {' | '.join(cells)} |")
    lines += ["", "| block | field | lost | derived / expected | sigmas |", "|---|---|---|---|---|"]
    every = [r for one in results for r in one["fluxes"]]
    for (block, name), rows in grouped(every, "block", "field").items():
        lost = [100 * (1 - r["coherence"]) for r in rows if "coherence" in r]
        ratios, sigmas = span([r["ratio"] for r in rows], 4), span([r["sigmas"] for r in rows], 1)
        lines.append(f"| {block} | {name} | {span(lost, 1) + ' %' if lost else ''} | {ratios} | {sigmas} |")
    lines += [
        "",
        "| within 2 sigma of | all | fluxscale on up to 6 antennas | on more | targets |",
        "|---|---|---|---|---|",
    ]
    few = [r for r in every if r.get("antennas", 99) <= 6]
    more = [r for r in every if r.get("antennas", 0) > 6]
    targets = [r for r in every if "antennas" not in r]
    kinds = (
        ("sigmas", "what is expected"), ("sigmas_casa", "the same, CASA's errors"),
        ("sigmas_of_truth", "the truth, where Tsys is its own"), ("sigmas_of_truth_casa", "the same, CASA's errors"),
    )  # fmt: skip
    for key, words in kinds:
        cells = [inside([r[key] for r in rows if key in r]) for rows in (every, few, more, targets)]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    keys = ("gb", "seconds", "cpu_s", "peak_mb", "radiometers", "off_source", "shadowed", "good")
    lines += [
        "",
        "| block | GB | s | processor s | peak MB | dead radiometers found | off source flagged | shadowed | good |",
    ]
    lines.append("|---|" + "---|" * len(keys))
    for one in results:
        run = one["run"]
        cells = [f"{run[k]:.3g}" if isinstance(run.get(k), float) else str(run.get(k, "")) for k in keys]
        lines.append(f"| {run['block']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def grouped(rows: list[dict[str, Any]], *keys: str) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Sort rows by the values of keys."""
    out: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        out.setdefault(tuple(row[k] for k in keys), []).append(row)
    return out


def inside(sigmas: list[float]) -> str:
    """Spell how many of some numbers are within 2."""
    return f"{sum(abs(s) <= 2 for s in sigmas)} of {len(sigmas)}" if sigmas else ""


def span(values: list[float], digits: int) -> str:
    """Spell the range of some numbers."""
    low, high = (f"{f(values):.{digits}f}" for f in (min, max))
    return low if low == high else f"{low} to {high}"


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--presets", default="tiny")
    parser.add_argument("--fluxcals", default="quasar,sso")
    parser.add_argument("--pictures", action="store_true", help="draw calibrate's pictures too")
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--casapy", type=Path)
    given = parser.parse_args()
    if given.peer and not given.casapy:
        parser.error("--peer needs --casapy: the blocks of the other generator are made with CASA's python")
    folder = given.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for preset in given.presets.split(","):
        for fluxcal in given.fluxcals.split(","):
            for seed in map(int, given.seeds.split(",")):
                if given.peer:
                    tools, casapy = given.peer.resolve(), given.casapy.resolve()
                    block = peer_block(folder, preset, seed, fluxcal, tools, casapy)
                else:
                    block = own_block(folder, preset, seed, fluxcal)
                gb = size_gb(block.vis)
                summary, cost = measured(str(block.vis), given.pictures, block.given)
                water, tsys, fluxes = (f(block, summary) for f in (water_table, tsys_table, flux_table))
                run = run_table(block, summary, cost, gb)
                results.append({"water": water, "tsys": tsys, "fluxes": fluxes, "run": run})
                print(f"{block.name}, seed {seed} done", file=sys.stderr, flush=True)
    (folder / "physics.json").write_text(json.dumps(results, indent=1) + "\n")
    print(report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
