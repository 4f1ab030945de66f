"""bandpass(bandtype='BPOLY') on a simulated block: the truth comes back, what is not possible is an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.bpoly_disk import is_bpoly, read_bpoly
from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, CaltableError, NoSolutions
from atacal.ms._tables import opened
from atacal.ms.metadata import read_metadata
from atacal.simulate import read_truth
from atacal.tasks import applycal, bandpass, flagdata, fluxscale, gaincal, listcal, plotbandpass, plotcal

DEAD, DEAD_ID = "DV23", 6


@pytest.fixture(scope="module")
def phaseup(sim_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phaseup") / "phaseup.cal"
    gaincal(str(sim_original), str(path), field="0", solint="int", calmode="p", refant=read_truth(sim_original).refant)
    return path


@pytest.fixture
def solve(sim_original: Path, phaseup: Path, tmp_path: Path):
    def run(name: str = "x.bpoly", vis: Path = sim_original, **options):
        common = {"field": "0", "bandtype": "BPOLY", "gaintable": [str(phaseup)], "interp": ["nearest"]}
        refant = read_truth(sim_original).refant
        report = bandpass(str(vis), str(tmp_path / name), **{**common, "refant": refant, **options})
        return tmp_path / name, report

    return run


def shape_error(path: Path, ms: Path, spw: int) -> tuple[float, float]:
    """Rms of the shape of log amplitude, and of phase [deg], against the simulated bandpass."""
    meta, truth = read_metadata(ms), read_truth(ms)
    one = read_bpoly(path).polynomials(meta.nant)[spw]
    true = truth.arrays()[f"bandpass_{spw}"]
    true = true * np.exp(-1j * np.angle(true[truth.antennas.index(truth.refant)]))[None]
    ratio = one.gains(meta.spws[spw].chan_freq_hz)[0] / true
    ratio = ratio / ratio.mean(1, keepdims=True)
    good = np.broadcast_to(one.good[0][:, None], ratio.shape)
    return float(np.log(np.abs(ratio))[good].std()), float(np.rad2deg(np.angle(ratio)[good].std()))


def test_the_true_bandpass(solve, sim_original):
    path, report = solve(degamp=6, degphase=6, maskedge=0)
    assert report["type"] == "BPOLY"
    assert report["solvestats"]["spw1"] == {"expected": 1, "succeeded": 1, "solutions": 15, "flagged": 1}
    for spw in (0, 1):
        amplitude, phase = shape_error(path, sim_original, spw)
        # the standing waves of the simulated receivers are beyond degree 6: 0.4 %
        assert amplitude < 0.006
        assert phase < 0.8
    good = read_bpoly(path).polynomials(8)[0].good[0]
    assert not good[DEAD_ID, 1]
    assert good.sum() == 15


def test_a_higher_degree_follows_better(solve, sim_original):
    errors = [shape_error(solve(f"{n}", degamp=n, degphase=n, maskedge=0)[0], sim_original, 0) for n in (1, 3, 8)]
    assert errors[0] > errors[1] > errors[2]


def test_applied_data_are_flat(solve, sim_original, phaseup, fresh_copy):
    path, _ = solve(degamp=6, degphase=6, maskedge=0)
    ms = fresh_copy(sim_original)
    applycal(str(ms), field="0", gaintable=[str(phaseup), str(path)], interp=["nearest", "linear"], flagbackup=False)
    with opened(ms) as tab:
        part = tab.query("FIELD_ID == 0 && DATA_DESC_ID == 0 && ANTENNA1 != ANTENNA2")
        data = np.ma.array(part.getcol("CORRECTED_DATA"), mask=part.getcol("FLAG"))[..., 0]
    spectrum = data.mean(0)
    assert np.abs(np.abs(spectrum) - 1).max() < 0.02
    assert np.rad2deg(np.abs(np.angle(spectrum.data))).max() < 0.9


def test_as_prior_table(solve, sim_original, phaseup, tmp_path):
    """A second bandpass on top of the polynomials finds what they left."""
    path, _ = solve(degamp=6, degphase=6, maskedge=0)
    bandpass(
        str(sim_original), str(tmp_path / "rest.b"), field="0", refant=read_truth(sim_original).refant,
        gaintable=[str(phaseup), str(path)], interp=["nearest", ""],
    )  # fmt: skip
    rest = read_caltable(tmp_path / "rest.b").solutions[0]
    good = ~rest.flag
    assert np.abs(rest.param[good]).std() < 0.02
    assert abs(np.abs(rest.param[good]).mean() - 1) < 0.005


def test_solnorm(solve):
    one = read_bpoly(solve(solnorm=True, maskedge=0)[0]).polynomials(8)[0]
    gain = one.gains(np.linspace(*one.domain_hz[0, 0], 64))[0]
    good = np.broadcast_to(one.good[0][:, None], gain.shape)
    assert np.abs(np.abs(gain).mean(1)[one.good[0]] - 1).max() < 1e-3
    assert good.any()


def test_combined_spws_have_one_polynomial_over_both(solve, sim_original):
    path, report = solve(combine="scan,spw")
    (one,) = read_bpoly(path).polynomials(8).values()
    edges = np.concatenate([s.chan_freq_hz for s in read_metadata(sim_original).spws])
    np.testing.assert_allclose(one.domain_hz[0, 0], [edges.min(), edges.max()])
    assert report["solvestats"]["expected"] == 1


def test_intervals_and_append(solve):
    path, _ = solve(solint="60s", spw="0")
    assert len(read_bpoly(path).polynomials(8)[0].time) == 2
    solve(spw="1", append=True)
    found = read_bpoly(path).polynomials(8)
    assert [len(found[s].time) for s in (0, 1)] == [2, 1]


def test_masks_leave_channels_out(solve, sim_original, fresh_copy):
    """What stands in masked channels does not matter."""
    ms = fresh_copy(sim_original)
    with opened(ms, writable=True) as tab:
        data = tab.getcol("DATA")
        data[:, [0, 1, 2, 3, 31, 32, 33, 61, 62, 63]] *= 30
        tab.putcol("DATA", data)
    options = {"maskcenter": 3, "maskedge": 5}
    spoiled, clean = (solve(n, vis=v, **options)[0] for n, v in (("a", ms), ("b", sim_original)))
    for one, other in zip(*(read_bpoly(p).polynomials(8).values() for p in (spoiled, clean)), strict=True):
        np.testing.assert_allclose(one.amplitude, other.amplitude, atol=1e-9)


def test_bad_data_do_no_harm(solve, sim_original, fresh_copy):
    ms = fresh_copy(sim_original)
    with opened(ms, writable=True) as tab:
        data = tab.getcol("DATA")
        data[::7, 5] = np.nan
        data[3::11, 9] = np.inf
        data[5::13, 20] = 0
        tab.putcol("DATA", data)
        flag = tab.getcol("FLAG")
        flag[tab.getcol("ANTENNA1") == 2] = True
        tab.putcol("FLAG", flag)
    amplitude, phase = shape_error(solve(vis=ms, degamp=6, degphase=6, maskedge=0)[0], sim_original, 0)
    assert amplitude < 0.01
    assert phase < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degamp": -1}, "degamp=-1 is not possible; it has to be 0 or more"),
        (
            {"degphase": 60},
            r"degphase=60 is not possible: spw 0 of sim.ms has 57 channels to fit \(64 less those masked",
        ),
        ({"spw": "0:3~5", "maskedge": 0}, "spw 0 of sim.ms has 3 channels"),
        ({"maskedge": 50}, "maskedge=50 is not possible: a percentage of channels from 0 to below 50"),
        ({"maskcenter": -2}, "maskcenter=-2"),
        ({"fillgaps": 3}, "fillgaps=3: polynomials have no gaps"),
        ({"bandtype": "SPLINE"}, "possible are 'B', 'BPOLY'"),
        ({"bandtype": "B", "degamp": 5}, "degamp=5: it belongs to bandtype='BPOLY'"),
    ],
)
def test_what_is_not_possible(solve, options, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        solve(**options)
    assert not (tmp_path / "x.bpoly").exists()


def test_no_solution_no_table(solve, tmp_path):
    with pytest.raises(NoSolutions, match="no good BPOLY solution in 2 solution intervals; 32 had too few baselines"):
        solve(minblperant=12)
    with pytest.raises(NoSolutions, match="30 too low a signal-to-noise ratio"):
        solve(minsnr=1e5)
    assert not (tmp_path / "x.bpoly").exists()


def test_other_tasks(solve, sim_original, tmp_path, monkeypatch, capsys):
    path, _ = solve()
    monkeypatch.chdir(tmp_path)
    for pictures in (plotbandpass(str(path), xaxis="freq", yaxis="both"), plotcal(str(path), antenna=DEAD)):
        assert all(p.stat().st_size > 5000 for p in pictures)
    listcal(str(sim_original), str(path), antenna=DEAD, spw="0:0~1")
    assert "BPOLY" in capsys.readouterr().out
    with pytest.raises(CaltableError, match="cannot be flagged"):
        flagdata(str(path), mode="manual", antenna=DEAD)
    with pytest.raises(CaltableError, match="holds BPOLY solutions"):
        fluxscale(str(sim_original), str(path), "x.flux", reference="1")


def test_an_old_table_gives_way_only_to_a_good_one(solve, tmp_path):
    path, _ = solve(degamp=2)
    with pytest.raises(NoSolutions):
        solve(minblperant=12)
    assert read_bpoly(path).columns["N_POLY_AMP"][0] == 3
    solve("y.b", bandtype="B")
    solve("y.b")
    assert is_bpoly(tmp_path / "y.b")
    solve("y.b", bandtype="B")
    assert not is_bpoly(tmp_path / "y.b")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    shutil.rmtree(path)
