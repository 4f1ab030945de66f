"""Simulating a block: the function that users call."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np

from atacal.errors import ArgumentError, TableExists, WriteError
from atacal.progress import track
from atacal.simulate.array import make_array
from atacal.simulate.description import append_rows, new_block
from atacal.simulate.fault_choice import STANDARD, chosen
from atacal.simulate.instrument import Instrument, make_faults, make_instrument
from atacal.simulate.presets import REF_FREQ_HZ, ROLES, schedule, sized, windows
from atacal.simulate.raw_block import RawJob
from atacal.simulate.sky import default_sources
from atacal.simulate.truth import Truth, arrays_path, make_truth, positions_path, truth_path, write_truth
from atacal.simulate.turbulence import make_screen
from atacal.simulate.visibilities import CORR_RECEPTORS, Recording, baselines, generate

log = logging.getLogger("atacal")

_BLOCK_BYTES = 64 << 20


def simulate(
    path: str | os.PathLike[str],
    preset: str = "tiny",
    seed: int = 1,
    nant: int | None = None,
    nspw: int | None = None,
    nchan: int | None = None,
    corrs: str = "XX,YY",
    autocorr: bool = False,
    faults: bool | str = True,
    noise: bool = True,
    turbulence_um: float | None = None,
    weight_spectrum: bool = False,
    overwrite: bool = False,
    raw: bool = False,
    fluxcal: str = "quasar",
    pwv_mm: float = 1.0,
    spws: str = "wide",
    calibrator_flux: float | None = None,
    wvr: bool = True,
    without: str = "",
    mode: str = "standard",
) -> Truth:
    """Simulate an ALMA block with known truth.

    With ``raw``, a block as ALMA's importer leaves it: correlation coefficients, water vapour radiometers, pointing,
    sideband and atmosphere scans, TDM and FDM windows with channel averages, autocorrelations, SYSCAL, WEATHER,
    POINTING and FLAG_CMD; antennas that are not where they are said to be, system temperatures, a turbulent atmosphere.

    Otherwise a block as it is after the a-priori calibration (Tsys, water vapour, antenna positions): visibilities near
    janskys, with a bandpass, a flux and a phase calibrator, a check source and a target in ALMA's order of scans, with
    ALMA's names and intents. The antennas have gains that drift, bandpass shapes, delays and thermal noise that agrees
    with WEIGHT and SIGMA; the air adds turbulent path. The truth is written beside it, to ``X.ms.truth.json`` and
    ``X.ms.truth.npz``.

    Parameters
    ----------
    path : str
        The MeasurementSet to make.
    preset : str
        Its size: ``tiny`` (8 antennas, 2 spws of 64 channels), ``small`` (14, 4 of 128) or ``bench`` (36, 4 of 128,
        733320 rows). Of raw blocks: ``tiny`` (8 antennas, 4 TDM spws of 128 channels, 13 minutes), ``small`` (14, 2 TDM
        and 2 FDM spws of 480), ``full`` (40, 4 FDM spws of 960, an hour) or ``sn1987a`` (36, 4 FDM spws of 3840,
        40 minutes).
    seed : int
        The same seed gives the same block.
    nant : int, optional
        Number of antennas, in place of the preset's.
    nspw : int, optional
        Number of spectral windows, each of 2 GHz.
    nchan : int, optional
        Number of channels of every spectral window; of the FDM ones of a raw block.
    corrs : str
        Correlations: some of ``XX,XY,YX,YY``.
    autocorr : bool
        Write autocorrelations as well; raw blocks always have them.
    faults : bool or str
        Put faults in: a dead polarisation, a low gain, a phase jump, flagged integrations; in raw blocks also antennas
        that come late on source, shadowing and a radiometer without data. That is ``true`` or ``standard``; ``false``
        or ``none`` puts none in. Raw blocks can have ``all``, or kinds as in ``standard,low_scan,tsys_birdie``;
        docs/simulate.md lists them.
    noise : bool
        Add thermal noise.
    turbulence_um : float, optional
        Path fluctuations: rms between antennas 300 m apart [micrometre]. By default 60, as are left after the water
        vapour correction, and 250 towards the zenith in raw blocks.
    weight_spectrum : bool
        Write a WEIGHT_SPECTRUM column, as ALMA's data have after the a-priori calibration.
    overwrite : bool
        Replace a MeasurementSet that is there.
    raw : bool
        Make a raw block.
    fluxcal : str
        Flux calibrator of a raw block: ``quasar``, or ``sso`` for Callisto, a disk.
    pwv_mm : float
        Precipitable water above a raw block [mm].
    spws : str
        Science windows of a raw block: ``wide``, those of the preset; ``narrow``, FDM ones of 58.6 MHz; ``mixed``, one
        of 1875 MHz and three of 58.6 MHz.
    calibrator_flux : float, optional
        Flux density of a raw block's phase calibrator at 238 GHz [Jy], 0.62 by default.
    wvr : bool
        Whether a raw block has water vapour radiometers.
    without : str
        Calibrators that a raw block is without: some of ``bandpass,flux,check``.
    mode : str
        Of a raw block: ``standard``; ``bwsw``, bandwidth switching: the phase calibrator in wide windows, the target in
        narrow ones; ``b2b``, band to band: the phase calibrator in Band 4, the target in Band 8. A differential gain
        calibrator is observed in both by turns.

    Returns
    -------
    Truth

    Raises
    ------
    ArgumentError
        If there is no such preset, or a number is out of range.
    TableExists
        If ``path`` is there and ``overwrite`` is False.
    WriteError
        If it cannot be written (a full disk, no permission).
    """
    arguments = {k: v for k, v in locals().items() if k not in ("path", "overwrite")}
    target = Path(os.path.normpath(os.fspath(path)))
    if target.exists() and not overwrite:
        raise TableExists(f"{target} is there already; overwrite=True replaces it")
    recording_corrs = _correlations(corrs)
    if turbulence_um is None:
        arguments["turbulence_um"] = 250.0 if raw else 60.0
    elif turbulence_um < 0:
        raise ArgumentError(f"turbulence_um = {turbulence_um} is not possible; it is an rms path, zero or more")
    if seed < 0:
        raise ArgumentError(f"seed = {seed} is not possible; it has to be zero or more")
    if not raw:
        _require_plain(arguments)
    block = RawJob(arguments, recording_corrs) if raw else _Block(arguments, recording_corrs)
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        nrow = block.write(os.fspath(partial))
        truth = block.truth(target, nrow)
        _put_in_place(partial, target)
        write_truth(truth)
    except (OSError, RuntimeError) as error:
        raise WriteError(f"{target}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("%s: %d rows", target, nrow)
    return truth


_ONLY_RAW = {
    "fluxcal": "quasar", "pwv_mm": 1.0, "spws": "wide", "calibrator_flux": None, "wvr": True, "without": "",
    "mode": "standard",
}  # fmt: skip
"""What only raw blocks can be asked for, and what it is by default."""


def _require_plain(arguments: dict) -> None:
    """Check that nothing is asked for that only raw blocks have."""
    given = [k for k, default in _ONLY_RAW.items() if arguments[k] != default]
    if given:
        raise ArgumentError(f"{' and '.join(given)}: only for raw blocks; give raw=True as well")
    if set(chosen(arguments["faults"], ROLES)) not in (set(), set(STANDARD)):
        raise ArgumentError(
            f"faults = {arguments['faults']!r}: kinds can be chosen of raw blocks only; give raw=True, or faults "
            "true or false"
        )


def _put_in_place(partial: Path, target: Path) -> None:
    """Move the finished block to its place, and what belonged to an older one away."""
    for old in (target, target.with_name(target.name + ".flagversions")):
        if old.is_dir():
            shutil.rmtree(old)
    for note in (truth_path(target), arrays_path(target), positions_path(target)):
        note.unlink(missing_ok=True)
    os.replace(partial, target)


def _correlations(corrs: str) -> tuple[str, ...]:
    names = tuple(c.strip().upper() for c in corrs.replace(" ", ",").split(",") if c.strip())
    if not names or len(set(names)) != len(names) or not set(names) <= set(CORR_RECEPTORS):
        raise ArgumentError(f"corrs = {corrs!r} is not possible; name each once, of {', '.join(CORR_RECEPTORS)}")
    return tuple(name for name in CORR_RECEPTORS if name in names)


class _Block:
    """A block's ingredients, drawn from the seed."""

    def __init__(self, arguments: dict, corrs: tuple[str, ...]) -> None:
        seed, self._arguments = arguments["seed"], arguments
        size = sized(arguments["preset"], arguments["nant"], arguments["nspw"], arguments["nchan"])
        # a generator for each subject: one more antenna or channel does not change the others' draws
        rng = {k: np.random.default_rng([seed, i]) for i, k in enumerate(("array", "air", "faults", "instrument"))}
        self.sources = default_sources(REF_FREQ_HZ)
        self.subscans = schedule(size, tuple(s.role for s in self.sources))
        array = make_array(size.nant, size.max_radius_m, rng["array"])
        times = np.concatenate([s.time_mjd_s for s in self.subscans])
        rms_m = arguments["turbulence_um"] * 1e-6
        screen = make_screen(rms_m, rng["air"]) if rms_m else None
        faults = make_faults(array, self.subscans, rng["faults"]) if chosen(arguments["faults"], ROLES) else ()
        self.instrument: Instrument = make_instrument(
            array, windows(size.nspw, size.nchan), times, size.integration_s, screen, faults, rng["instrument"]
        )
        self.recording = Recording(
            corrs, arguments["autocorr"], arguments["noise"], arguments["weight_spectrum"], size.integration_s, seed
        )

    def write(self, path: str) -> int:
        """Write the MeasurementSet; return its number of rows."""
        per_integration = len(baselines(self.instrument.array.nant, self.recording.autocorr)[0])
        total = per_integration * len(self.instrument.time_mjd_s) * len(self.instrument.windows)
        with new_block(path, self.sources, self.instrument, self.recording) as writer:
            items = generate(self.sources, self.instrument, self.subscans, self.recording, _BLOCK_BYTES)
            for rows in track(items, total, "simulating", size=lambda r: len(r.time_mjd_s)):
                append_rows(writer, rows, self.recording)
        return total

    def truth(self, target: Path, nrow: int) -> Truth:
        """Collect the truth."""
        return make_truth(target, self._arguments, self.sources, self.instrument, self.recording.integration_s, nrow)
