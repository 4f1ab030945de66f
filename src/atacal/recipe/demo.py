"""A demonstration: simulate a block, calibrate it, compare with the truth."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from atacal.errors import TableExists
from atacal.recipe.calibrate import calibrate
from atacal.recipe.summary import Summary

log = logging.getLogger("atacal")

_NAME = "demo.ms"


@dataclass(frozen=True)
class FluxCheck:
    """A derived flux density beside the true one [Jy]."""

    field: str
    spw: int
    derived_jy: float
    error_jy: float
    true_jy: float

    @property
    def sigmas(self) -> float:
        """How far they are apart in units of the error."""
        return (self.derived_jy - self.true_jy) / self.error_jy


@dataclass(frozen=True)
class DemoResult:
    """The outcome of the demonstration.

    Attributes
    ----------
    ms : str
        The simulated MeasurementSet; its truth is beside it.
    fluxes : list of FluxCheck
    summary : Summary
        Of the calibration.
    """

    ms: str
    fluxes: list[FluxCheck]
    summary: Summary

    def __str__(self) -> str:
        """Write the comparison for people."""
        lines = [str(self.summary), "", f"{'Flux densities [Jy]':<24}{'derived':>20}{'true':>11}{'difference':>13}"]
        for f in self.fluxes:
            lines.append(
                f"  {f.field:<16} spw {f.spw}{f.derived_jy:>12.5f} +- {f.error_jy:.5f}{f.true_jy:>11.5f}"
                f"{100 * (f.derived_jy / f.true_jy - 1):>+8.2f} % {f.sigmas:>+5.1f} sigma"
            )
        return "\n".join([*lines, "", f"Simulated data and their truth: {self.ms}, {self.ms}.truth.json"])


def demo(outdir: str = "atacal-demo", preset: str = "small", seed: int = 1, pictures: bool = True) -> DemoResult:
    """Simulate a small ALMA block, calibrate it and compare with its truth.

    Parameters
    ----------
    outdir : str
        Folder for the data and the products; what an earlier demonstration left there is replaced.
    preset : str
        Size of the block: ``tiny`` or ``small``.
    seed : int
        Of the simulation.
    pictures : bool
        Draw the tables and the calibrated data.

    Returns
    -------
    DemoResult

    Raises
    ------
    TableExists
        If ``outdir`` holds other files.
    ArgumentError, WriteError
    """
    from atacal.simulate import simulate
    from atacal.simulate.truth import truth_path

    folder = Path(outdir)
    ms = folder / _NAME
    if folder.is_dir() and any(folder.iterdir()) and not truth_path(ms).is_file():
        raise TableExists(f"{folder} is not empty and was not made by demo; choose another outdir, or empty it")
    log.info("simulating %s", ms)
    truth = simulate(os.fspath(ms), preset=preset, seed=seed, overwrite=True)
    flux = truth.sources[truth.roles["flux"][0]]
    summary = calibrate(
        os.fspath(ms),
        flux_density=flux.components[0].flux_jy,
        spix=flux.components[0].spix,
        reffreq=f"{flux.ref_freq_hz / 1e9:.9f}GHz",
        pictures=pictures,
    )
    checks = [FluxCheck(f.field, f.spw, f.flux_jy, f.error_jy, truth.flux_jy[f.field][f.spw]) for f in summary.fluxes]
    result = DemoResult(os.fspath(ms), checks, summary)
    report = {"fluxes": [{**vars(c), "sigmas": c.sigmas} for c in checks]}
    (folder / "demo.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return result
