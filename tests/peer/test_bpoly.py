"""bandpass(bandtype='BPOLY') against CASA: solutions, tables read both ways, application; and where CASA goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.caltables.bpoly_disk import read_bpoly, write_bpoly
from atacal.ms._tables import opened
from atacal.ms.metadata import read_metadata
from atacal.simulate import read_truth, simulate
from atacal.tasks import applycal, bandpass

pytestmark = pytest.mark.peer

GAIN = 2e-6
"""Largest difference of two gains, relative; CASA keeps the averaged data in single precision."""
SOLVES: dict[str, dict[str, Any]] = {
    "default": {},
    "high": {"degamp": 7, "degphase": 5, "maskedge": 0, "solnorm": True},
    "constant": {"degamp": 0, "degphase": 0},
    "masked": {"maskcenter": 9, "maskedge": 12},
    "visnorm": {"visnorm": True},
    "minute": {"solint": "60s"},
    "averaged": {"solint": "inf,3ch", "spw": "0:0~62", "degamp": 4},  # with a rest CASA puts that off its frequency
    "channels": {"spw": "0:10~50"},
}
SOLVE = """
import os
if flux: setjy(vis, field='0', standard='manual', fluxdensity=[flux, 0, 0, 0], usescratch=False)
gaincal(vis, 'phaseup', field='0', refant=refant, calmode='p', solint='int')
for name, options in solves.items():
    options = dict(options, field='0', refant=refant, bandtype='BPOLY', gaintable=['phaseup'], interp=['nearest'])
    bandpass(vis, name, **options)
result = {'folder': os.getcwd()}
"""


def solve_both(casa: Callable[..., dict[str, Any]], vis: Path, refant: str, folder: Path, flux: float, **common: Any):
    """Solve with both, ours into ``folder``; return CASA's folder."""
    solves = {name: {**common, **options} for name, options in SOLVES.items()}
    theirs = Path(casa(SOLVE, vis=vis, refant=refant, solves=solves, flux=flux)["folder"])
    for name, options in solves.items():
        bandpass(
            str(vis), str(folder / name), field="0", refant=refant, bandtype="BPOLY",
            gaintable=[str(theirs / "phaseup")], interp=["nearest"], **options,
        )  # fmt: skip
    return theirs


def check_equal(ours: Path, theirs: Path, nant: int) -> None:
    mine, other = (read_bpoly(p).polynomials(nant) for p in (ours, theirs))
    assert sorted(mine) == sorted(other)
    for spw, b in other.items():
        a = mine[spw]
        np.testing.assert_array_equal(a.good, b.good)
        np.testing.assert_allclose(a.time, b.time, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(a.field, b.field)
        freq = np.linspace(*b.domain_hz[0, 0], 100)
        good = np.broadcast_to(b.good[:, :, None], (*b.refant.shape, 100, 2))
        assert np.abs(a.gains(freq) / b.gains(freq) - 1)[good].max() < GAIN


@pytest.fixture
def vla(casa, ngc5921, tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    return solve_both(casa, ngc5921, "15", ours, 14.76), ours, ngc5921


def test_ngc5921(vla, casa):
    theirs, ours, vis = vla
    for name in SOLVES:
        check_equal(ours / name, theirs / name, read_metadata(vis).nant)
    tables_are_exchanged(theirs / "default", ours / "default", vis, casa)


def tables_are_exchanged(theirs: Path, ours: Path, vis: Path, casa: Callable[..., dict[str, Any]]) -> None:
    """CASA applies our table and plots it, we apply CASA's; a round trip of CASA's is CASA's again."""
    write_bpoly(ours.parent / "again", read_bpoly(theirs))
    copies = {name: vis.with_name(f"{name}.ms") for name in ("casa_casa", "casa_ours", "casa_again", "ours_casa")}
    for path in copies.values():
        shutil.copytree(vis, path)
    script = """
import glob, matplotlib
matplotlib.use('Agg')
for target, table in todo.items():
    applycal(target, gaintable=[table], flagbackup=False)
plotbandpass(ours, vis=vis, xaxis='freq', yaxis='amp', figfile='picture.png', interactive=False)
result = {'pictures': len(glob.glob('picture*.png'))}
"""
    todo = {
        str(copies[name]): str(table)
        for name, table in (("casa_casa", theirs), ("casa_ours", ours), ("casa_again", ours.parent / "again"))
    }
    assert casa(script, todo=todo, ours=ours, vis=vis)["pictures"] > 0
    applycal(str(copies["ours_casa"]), gaintable=[str(theirs)], flagbackup=False)
    reference = columns(copies["casa_casa"])
    for name, tolerance in (("casa_ours", 5e-6), ("casa_again", 2e-7), ("ours_casa", 5e-6)):
        got = columns(copies[name])
        np.testing.assert_array_equal(got["FLAG"], reference["FLAG"])
        np.testing.assert_array_equal(got["WEIGHT"], reference["WEIGHT"])
        use = ~reference["FLAG"] & (reference["CORRECTED_DATA"] != 0)
        ratio = got["CORRECTED_DATA"][use] / reference["CORRECTED_DATA"][use]
        assert np.abs(ratio - 1).max() <= tolerance, name


def columns(path: Path) -> dict[str, np.ndarray]:
    with opened(path) as tab:
        return {c: tab.getcol(c) for c in ("CORRECTED_DATA", "FLAG", "WEIGHT")}


def test_a_simulated_block(casa, sim_ms, tmp_path):
    """Two spws, one with descending channels. The antenna with a dead Y is left out: CASA drops its X as well."""
    truth = read_truth(sim_ms)
    dead = next(f.antenna for f in truth.faults if f.kind == "dead_polarization")
    ours = tmp_path / "ours"
    ours.mkdir()
    theirs = solve_both(casa, sim_ms, truth.refant, ours, 0.0, antenna=f"!{dead}")
    for name in SOLVES:
        check_equal(ours / name, theirs / name, len(truth.antennas))


class TestWhereCasaGoesWrong:
    """The simulated truth is the judge."""

    @pytest.fixture
    def block(self, tmp_path) -> Path:
        simulate(tmp_path / "block.ms", preset="tiny", seed=3, faults=False)
        return tmp_path / "block.ms"

    def solve(self, casa, block: Path, tmp_path: Path, **options: Any) -> tuple[Path, Path]:
        refant = read_truth(block).refant
        script = """
import os
gaincal(phases, 'phaseup', field='0', refant=refant, calmode='p', solint='int')
bandpass(vis, 'b', field='0', refant=refant, bandtype='BPOLY', gaintable=['phaseup'], interp=['nearest'], **options)
result = {'folder': os.getcwd()}
"""
        clean = options.pop("phases", block)
        folder = Path(casa(script, vis=block, phases=clean, refant=refant, options=options)["folder"])
        bandpass(
            str(block), str(tmp_path / "ours"), field="0", refant=refant, bandtype="BPOLY",
            gaintable=[str(folder / "phaseup")], interp=["nearest"], **options,
        )  # fmt: skip
        return folder / "b", tmp_path / "ours"

    def errors(self, path: Path, block: Path, delay_s: np.ndarray | float = 0.0) -> tuple[float, float]:
        """Mean of the log amplitudes' error, and rms of the error of the phases' shape [deg]."""
        truth, meta = read_truth(block), read_metadata(block)
        arrays, name = truth.arrays(), truth.fields("bandpass")[0]
        with opened(block) as tab:
            times = np.unique(tab.query("FIELD_ID == 0").getcol("TIME"))
        during = np.isin(np.round(arrays["time_mjd_s"], 3), np.round(times, 3))
        freq = meta.spws[0].chan_freq_hz
        true = arrays["bandpass_0"] * np.abs(arrays["gain_0"][during]).mean(0)[:, None]
        true = true * np.sqrt(truth.flux_jy[name][0])
        turn = 2 * np.pi * np.outer(np.broadcast_to(delay_s, len(true)), freq - freq.mean())
        true = true * np.exp(1j * turn)[:, :, None]
        true = true * np.exp(-1j * np.angle(true[truth.antennas.index(truth.refant)]))[None]
        ratio = read_bpoly(path).polynomials(meta.nant)[0].gains(freq)[0] / true
        phase = np.angle(ratio * np.exp(-1j * np.angle(ratio.mean(1, keepdims=True))))
        return float(np.log(np.abs(ratio)).mean()), float(np.rad2deg(phase.std()))

    def change(self, block: Path, function: Callable[..., np.ndarray]) -> Path:
        target = block.with_name("changed.ms")
        shutil.copytree(block, target)
        for suffix in (".truth.json", ".truth.npz"):
            shutil.copy(f"{block}{suffix}", f"{target}{suffix}")
        meta = read_metadata(block)
        with opened(target, writable=True) as tab:
            for dd in meta.ddids:
                part = tab.query(f"DATA_DESC_ID == {dd.id}")
                names = ("DATA", "ANTENNA1", "ANTENNA2", "SIGMA")
                data = function(*(part.getcol(c) for c in names), meta.spws[dd.spw].chan_freq_hz)
                part.putcol("DATA", data.astype(np.complex64))
        return target

    def test_delays_of_more_than_half_a_turn(self, casa, block, tmp_path):
        """CASA starts from phase 0 and ends in a wrong minimum."""
        delay_s = np.random.default_rng(5).uniform(-2e-9, 2e-9, 8)

        def turned(data, ant1, ant2, sigma, freq):
            angle = 2 * np.pi * (delay_s[ant1] - delay_s[ant2])[:, None] * (freq - freq.mean())
            return data * np.exp(1j * angle)[:, :, None]

        delayed = self.change(block, turned)
        theirs, ours = self.solve(casa, delayed, tmp_path, phases=str(block))
        assert self.errors(theirs, block, delay_s)[1] > 30
        assert self.errors(ours, block, delay_s)[1] < 1.2

    def test_noise(self, casa, block, tmp_path):
        """At a signal-to-noise ratio of 0.8 a baseline and channel CASA's amplitudes are 22 % too large."""
        random = np.random.default_rng(7)

        def noisy(data, ant1, ant2, sigma, freq):
            noise = random.normal(size=data.shape) + 1j * random.normal(size=data.shape)
            return data + 100 * sigma[:, None] * noise

        changed = self.change(block, noisy)
        theirs, ours = self.solve(casa, changed, tmp_path, phases=str(block))
        assert self.errors(theirs, block)[0] > 0.15
        assert abs(self.errors(ours, block)[0]) < 0.04

    def test_channels_flagged_half_of_the_time(self, casa, block, tmp_path):
        """CASA divides the sum of a channel's good integrations by the weight of all."""
        flagged = self.change(block, lambda data, *_: data)
        with opened(flagged, writable=True) as tab:
            times = np.unique(tab.query("FIELD_ID == 0").getcol("TIME"))
            flag = tab.getcol("FLAG")
            flag[np.ix_(np.isin(tab.getcol("TIME"), times[: len(times) // 2]), np.arange(20, 31))] = True
            tab.putcol("FLAG", flag)
        theirs, ours = self.solve(casa, flagged, tmp_path, phases=str(block), degamp=5)
        freq = read_metadata(block).spws[0].chan_freq_hz
        phaseup = str(theirs.parent / "phaseup")
        bandpass(
            str(block), str(tmp_path / "whole"), field="0", refant=read_truth(block).refant, bandtype="BPOLY", degamp=5,
            gaintable=[phaseup], interp=["nearest"],
        )  # fmt: skip
        whole, casas, mine = (read_bpoly(p).polynomials(8)[0].gains(freq) for p in (tmp_path / "whole", theirs, ours))
        assert np.abs(np.log(np.abs(casas / whole))).max() > 0.5
        assert np.abs(np.log(np.abs(mine / whole))).max() < 0.015

    @pytest.mark.parametrize(
        ("solved", "applied", "data"),
        [
            ({"spw": "0:10~50"}, {"spw": "0"}, 0),  # CASA gives channels outside the domain the gain 1
            ({"combine": "scan,spw", "degamp": 5, "degphase": 5}, {"spwmap": [[], [0, 0]]}, 1),
        ],
        ids=["outside", "combined"],
    )
    def test_polynomials_away_from_their_spws_channels(self, casa, block, tmp_path, solved, applied, data):
        """CASA tabulates a polynomial on the channels of the spw it is kept under, with 1 outside its domain."""
        theirs, _ = self.solve(casa, block, tmp_path, **solved)
        tables = {"gaintable": [str(theirs.parent / "phaseup"), str(theirs)], "interp": ["nearest", ""]}
        targets = [block.with_name(f"{n}.ms") for n in ("casa", "ours")]
        for target in targets:
            shutil.copytree(block, target)
        casa("applycal(vis, **options); result = {}", vis=targets[0], options={"field": "0", **tables, **applied})
        applycal(str(targets[1]), field="0", **tables, **applied)
        worst = []
        for target in targets:
            with opened(target) as tab:
                part = tab.query(f"FIELD_ID == 0 && DATA_DESC_ID == {data}")
                spectrum = np.ma.array(part.getcol("CORRECTED_DATA"), mask=part.getcol("FLAG")).mean(0)
            worst.append(float(np.abs(np.abs(spectrum) - 1).max()))
        assert worst[0] > 0.7
        assert worst[1] < 0.12
