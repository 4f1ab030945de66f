"""A raw block put together: drawn from the seed, written row by row, its truth collected."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.create import MSWriter
from atacal.ms.space import require_space
from atacal.progress import track
from atacal.simulate.array import DISH_M
from atacal.simulate.fault_choice import chosen, require_antennas
from atacal.simulate.raw_air import PATH_PER_WATER, make_air, measure_tsys, wvr_temperatures
from atacal.simulate.raw_expected import expected_flux_ratio, tsys_roles
from atacal.simulate.raw_instrument import kelvin_per_jy, make_raw_instrument
from atacal.simulate.raw_layout import REF_FREQ_HZ, RawWindow, raw_size, raw_windows, science_windows, windows_of
from atacal.simulate.raw_rows import RawBlock, RawRows, raw_rows
from atacal.simulate.raw_schedule import raw_schedule
from atacal.simulate.raw_tables import begin, finish, online_flags, recorded, states
from atacal.simulate.sky import Component, Source, callisto, default_sources, diffgain_source
from atacal.simulate.truth import Truth
from atacal.simulate.visibilities import baselines

_BLOCK_BYTES = 48 << 20
FLUX_CALIBRATORS = ("quasar", "sso")
DISPENSABLE = ("bandpass", "flux", "check")


class RawJob:
    """A raw block's ingredients, drawn from the seed.

    Parameters
    ----------
    arguments : dict
        Of `atacal.simulate.simulate`.
    corrs : tuple of str

    Raises
    ------
    ArgumentError
    """

    def __init__(self, arguments: dict[str, Any], corrs: tuple[str, ...]) -> None:
        a, seed = arguments, arguments["seed"]
        _check(a)
        size = raw_size(a["preset"], a["nant"], a["nchan"], a["spws"], wvr=a["wvr"], mode=a["mode"])
        self.sources = observed(a)
        roles = tuple(s.role for s in self.sources)
        kinds = chosen(a["faults"], roles, wvr=a["wvr"])
        require_antennas(kinds, size.nant, a["faults"])
        windows = raw_windows(size)
        subscans = raw_schedule(size, roles)
        instrument, site = make_raw_instrument(size, windows, subscans, self.sources, corrs, faults=kinds, seed=seed)
        rms_m = a["turbulence_um"] * 1e-6
        air = make_air(windows, subscans, self.sources, instrument, pwv_mm=a["pwv_mm"], rms_300m_m=rms_m, seed=seed)
        for fault in instrument.placed:
            for w in (w for w in windows if w.id in instrument.trx_k):
                fault.on_receiver(instrument.trx_k[w.id], w, air)
        kelvin, self.water_mm = wvr_temperatures(subscans, self.sources, instrument, air, noise=a["noise"], seed=seed)
        self.measured = measure_tsys(site, instrument, air, noise=a["noise"], seed=seed)
        self.block = RawBlock(windows, subscans, self.sources, instrument, air, corrs, a["noise"], seed, kelvin)
        self.flags = online_flags(self.block) if kinds else []
        self.integration_s = size.integration_s
        self._arguments = arguments

    def write(self, path: str) -> int:
        """Write the MeasurementSet; return its number of rows."""
        block = self.block
        require_space(Path(path).parent, self._bytes(), path)
        at = {(intents, number, load): i for i, (intents, number, load) in enumerate(states(block.subscans))}
        state = [at[s.intents, s.subscan, s.load] for s in block.subscans]
        ddid = {w.id: i for i, w in enumerate(recorded(block.windows))}
        count = 0
        with begin(path, block) as writer:
            total = sum(len(s.time_mjd_s) for s in block.subscans)
            done = -1
            for rows in track(raw_rows(block, _BLOCK_BYTES), total, "simulating", size=self._progress):
                _append(writer, block, rows, state, ddid)
                count, done = count + len(rows.time_mjd_s), rows.subscan
        assert done == len(block.subscans) - 1
        finish(path, block, self.measured, self.flags)
        return count

    def _progress(self, rows: RawRows) -> float:
        """Integrations that an item of rows makes complete: those of the radiometers stand for the subscan."""
        return len(self.block.subscans[rows.subscan].time_mjd_s) if rows.spw == 0 else 0

    def _bytes(self) -> int:
        cells = sum(
            len(s.time_mjd_s) * sum(w.nchan for w in windows_of(s, self.block.windows)) for s in self.block.subscans
        )
        nbase = len(baselines(self.block.instrument.array.nant, True)[0])
        return int(cells * nbase * len(self.block.corrs) * 8 * 1.05) + (50 << 20)

    def truth(self, target: Path, nrow: int) -> Truth:
        """Collect the truth."""
        block, array = self.block, self.block.instrument.array
        return Truth(
            ms=os.path.normpath(os.fspath(target)),
            arguments=self._arguments,
            antennas=list(array.names),
            refant=array.names[block.instrument.reference],
            sources=self.sources,
            spws=[
                {"name": w.name, "nchan": w.nchan, "centre_freq_hz": w.centre_freq_hz,
                 "chan_width_hz": float(w.chan_width_hz[0])}
                for w in block.windows
            ],
            flux_jy={s.name: [float(s.flux_jy(w.centre_freq_hz)) for w in block.windows] for s in self.sources},
            faults=block.instrument.faults,
            integration_s=self.integration_s,
            nrow=nrow,
            raw=self._facts(),
            _arrays=self._arrays(),
        )  # fmt: skip

    def _facts(self) -> dict[str, Any]:
        block, array = self.block, self.block.instrument.array
        science = science_windows(block.windows)
        tsys = {w.chain: w.id for w in block.windows if w.kind == "tdm"}
        mode = self._arguments["mode"]
        offsets = {n: [float(v) for v in o] for n, o in zip(array.names, block.instrument.offset_m, strict=True)}
        wrong = [n for n, o in offsets.items() if any(o)]
        return {
            "pwv_mm": block.air.pwv_mm,
            "path_mm_per_water_mm": PATH_PER_WATER,
            "wvr_spw": 0,
            "science_spws": [w.id for w in science],
            "tsys_spws": sorted(tsys.values()),
            "tsys_spw_of": {str(w.id): tsys[w.chain] for w in science},
            "tsys_fields": tsys_roles(mode),
            "expected_flux_ratio": expected_flux_ratio(block, self.measured, tsys_roles(mode)),
            "kelvin_per_jy": {str(w.id): kelvin_per_jy(w.centre_freq_hz) for w in science},
            "antpos": {"antenna": ",".join(wrong), "parameter": [v for n in wrong for v in offsets[n]]},
            "dish_m": DISH_M,
            **(_setups(science) if mode != "standard" else {}),
            "mode": mode,
            "wind_m_s": [float(v) for v in block.air.wet.wind_m_s] if block.air.wet else [0.0, 0.0],
            "online_flags": [
                {"antenna": n, "start_mjd_s": a, "end_mjd_s": b, "reason": r} for n, a, b, r in self.flags
            ],
            "subscans": [
                {"scan": s.scan, "subscan": s.subscan, "field": s.field, "purpose": s.purpose, "intents": s.intents,
                 "load": s.load, "setup": s.setup, "start_mjd_s": s.start_mjd_s, "end_mjd_s": s.end_mjd_s}
                for s in block.subscans
            ],
        }  # fmt: skip

    def _arrays(self) -> dict[str, NDArray]:
        block, ins, air = self.block, self.block.instrument, self.block.air
        out: dict[str, NDArray] = {
            "time_mjd_s": ins.time_mjd_s, "subscan": ins.subscan, "azimuth_rad": air.azimuth_rad,
            "elevation_rad": air.elevation_rad, "airmass": air.airmass, "wet_path_m": air.wet_path_m,
            "dry_path_m": air.dry_path_m, "antenna_delay_m": block.delay_m, "source_share": ins.source_share,
            "shadow": ins.shadow, "offset_m": ins.offset_m, "water_mm": self.water_mm,
            "wvr_time_mjd_s": np.concatenate([s.wvr_time_mjd_s for s in block.subscans]),
        }  # fmt: skip
        for w in science_windows(block.windows):
            out |= {
                f"gain_{w.id}": ins.gain[w.id] * ins.scale,
                f"bandpass_{w.id}": ins.bandpass[w.id] * ins.channel_scale.get(w.id, np.float32(1)),
                f"constant_phase_rad_{w.id}": ins.constant_phase_rad[w.id],
                f"trx_k_{w.id}": ins.trx_k[w.id], f"tau_{w.id}": air.tau[w.id], f"freq_hz_{w.id}": w.chan_freq_hz,
                f"sky_k_{w.id}": air.sky_k[w.id].astype(np.float32),
            }  # fmt: skip
        if (ins.scale != 1).any():
            out["scale"] = ins.scale
        return out | {f"channel_scale_{spw}": s for spw, s in ins.channel_scale.items()}


def observed(a: dict[str, Any]) -> tuple[Source, ...]:
    """Return the fields that a block's arguments ask for."""
    absent = {w.strip().lower() for w in a["without"].split(",") if w.strip()}
    if not absent <= set(DISPENSABLE):
        raise ArgumentError(
            f"without = {a['without']!r} is not possible; a block can be without some of {', '.join(DISPENSABLE)}"
        )
    sources = list(default_sources(REF_FREQ_HZ))
    if a["fluxcal"] == "sso":
        sources[1] = callisto()
    if a["calibrator_flux"] is not None:
        if not 0 < a["calibrator_flux"] <= 100:
            raise ArgumentError(
                f"calibrator_flux = {a['calibrator_flux']} is not possible; it is a flux density above 0, up to 100 Jy"
            )
        (at,) = [i for i, s in enumerate(sources) if s.role == "phase"]
        component = Component(float(a["calibrator_flux"]), sources[at].components[0].spix)
        sources[at] = replace(sources[at], components=(component,))
    if a["mode"] != "standard":
        sources.append(diffgain_source(REF_FREQ_HZ))
    return tuple(s for s in sources if s.role not in absent)


def _setups(science: list[RawWindow]) -> dict[str, Any]:
    """Tell the windows of each setup, and the reference window of each signal window: that of its baseband."""
    signal, reference = ([w for w in science if w.setup == setup] for setup in ("signal", "reference"))
    return {
        "setups": {"signal": [w.id for w in signal], "reference": [w.id for w in reference]},
        "reference_spw_of": {str(w.id): r.id for w in signal for r in reference if r.baseband == w.baseband},
    }


def _check(a: dict[str, Any]) -> None:
    if a["fluxcal"] not in FLUX_CALIBRATORS:
        raise ArgumentError(f"fluxcal = {a['fluxcal']!r} is not possible; choose one of {', '.join(FLUX_CALIBRATORS)}")
    if not 0.1 <= a["pwv_mm"] <= 6:
        raise ArgumentError(f"pwv_mm = {a['pwv_mm']} is not possible; ALMA observes with 0.1 to 6 mm of water")
    if a["nspw"] is not None:
        raise ArgumentError("nspw: a raw block has the spectral windows of its preset; leave nspw out")
    if a["weight_spectrum"]:
        raise ArgumentError("weight_spectrum: raw blocks have no WEIGHT_SPECTRUM; ALMA's data get one with the Tsys")


def _append(writer: MSWriter, block: RawBlock, rows: RawRows, state: list[int], ddid: dict[int, int]) -> None:
    if not len(rows.time_mjd_s):
        return  # no radiometers
    subscan = block.subscans[rows.subscan]
    weight = np.repeat(rows.weight[:, None], rows.vis.shape[2], axis=1)
    writer.append(
        ddid=ddid[rows.spw], time=rows.time_mjd_s, antenna1=rows.antenna1, antenna2=rows.antenna2, data=rows.vis,
        uvw=rows.uvw_m, flag=rows.flag, weight=weight, sigma=1 / np.sqrt(weight), interval=rows.interval_s,
        field=subscan.field, scan=subscan.scan, state=state[rows.subscan], processor=int(rows.spw == 0),
    )  # fmt: skip
