"""The helpers that ALMA's scripts call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, CaltableError
from atacal.ms.metadata import read_metadata
from atacal.scripts import analysis_utils as aU
from atacal.scripts.analysis_utils.check_table import check_table
from atacal.scripts.analysis_utils.flux_files import read_fluxscale_log
from atacal.tasks import bandpass, gaincal, gencal


@pytest.fixture(scope="module")
def tables(sim_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bandpass, phase and amplitude tables."""
    folder = tmp_path_factory.mktemp("tables")
    ms = str(sim_original)
    gaincal(ms, str(folder / "p"), field="0,1,2", solint="int", calmode="p", refant="0", gaintype="G")
    bandpass(ms, str(folder / "b"), field="0", solint="inf", combine="scan", refant="0", gaintable=[str(folder / "p")])
    gaincal(
        ms, str(folder / "a"), field="0,1,2", solint="inf", calmode="a", refant="0", gaintype="T",
        gaintable=[str(folder / "b"), str(folder / "p")],
    )  # fmt: skip
    return folder


def test_all_names_are_there():
    assert all(callable(getattr(aU, name)) for name in aU.__all__)


def test_check_of_gains(tables, sim_original):
    names = read_metadata(sim_original).antenna_names()
    phases, amplitudes = check_table(str(tables / "p")), check_table(str(tables / "a"))
    assert [p.name for p in phases.pictures] == [f"p.phase.{n}.png" for n in names]  # amplitudes are 1
    assert {p.name for p in amplitudes.pictures} == {f"a.amp.{n}.png" for n in names}
    assert phases.pictures[0].parent.name == "p.plots"
    assert 100 < phases.highest["phase"] <= 180
    solutions = read_caltable(tables / "a").solutions[0]
    good = np.abs(solutions.param[~solutions.flag])
    assert amplitudes.lowest["amp"] <= good.min() <= good.max() <= amplitudes.highest["amp"]


def test_check_of_a_bandpass(tables, sim_original):
    es = aU.stuffForScienceDataReduction()
    (tables / "b.plots").mkdir()
    (tables / "b.plots" / "old.png").write_text("of an earlier table")
    es.checkCalTable(str(tables / "b"), msName=str(sim_original), interactive=False)
    made = sorted(p.name for p in (tables / "b.plots").iterdir())
    names = read_metadata(sim_original).antenna_names()
    assert made[0] == f"b.{min(names)}.spw00.t00.png"
    assert "old.png" not in made


def test_dead_antennas_are_listed(sim_original, tmp_path):
    from atacal.caltables.disk import write_caltable

    gaincal(str(sim_original), str(tmp_path / "g"), field="0", solint="inf", calmode="p", refant="0")
    table = read_caltable(tmp_path / "g")
    table.solutions[1].flag[:, 2] = True
    write_caltable(tmp_path / "h", table)
    found = check_table(str(tmp_path / "h"))
    assert found.flagged[table.antennas[2].name][1] == 1.0
    gencal(str(sim_original), str(tmp_path / "k"), "antpos", antenna="0", parameter=[1e-3, 0, 0])
    with pytest.raises(CaltableError, match="KAntPos"):
        check_table(str(tmp_path / "k"))


def test_fluxscale2(tables, sim_original):
    es = aU.stuffForScienceDataReduction()
    found = es.fluxscale2(str(tables / "a"), msName=str(sim_original), writeToFile=True, preavg=10000)
    meta = read_metadata(sim_original)
    assert {found[f]["fieldName"] for f in found} <= set(meta.field_names())
    assert found
    written = read_fluxscale_log(tables / "a.fluxscale2")
    for one in found.values():
        for spw in (0, 1):
            assert written[one["fieldName"], spw][0] == pytest.approx(one[spw]["fluxd"], abs=1e-6)
            assert one[spw]["median"] == pytest.approx(one[spw]["fluxd"], rel=0.05)
    with pytest.raises(ArgumentError, match="msName"):
        es.fluxscale2(str(tables / "a"))
    with pytest.raises(ArgumentError, match="reference"):
        es.fluxscale2(str(tables / "a"), reference="nobody")


def test_weights(sim_original):
    from casacore.tables import table

    found = aU.stuffForScienceDataReduction().getCalWeightStats(str(sim_original))
    with table(str(sim_original), ack=False) as tab:
        rows = (tab.getcol("DATA_DESC_ID") == 0) & (tab.getcol("ANTENNA1") != tab.getcol("ANTENNA2"))
        weight, flag = tab.getcol("WEIGHT")[rows], tab.getcol("FLAG")[rows].all(axis=1)
        first, second = tab.getcol("ANTENNA1")[rows], tab.getcol("ANTENNA2")[rows]
    name = read_metadata(sim_original).antennas[3].name
    mine = (first == 3) | (second == 3)
    assert found[0]["antennas"][name] == pytest.approx(weight[mine][~flag[mine]].mean(), rel=1e-5)


def test_wvr_phases_are_those_of_a_baseline(sim_original, tmp_path):
    from atacal.scripts.analysis_utils.radiometers import _against

    gaincal(str(sim_original), str(tmp_path / "x.wvr"), field="0", solint="int", calmode="p", refant="0", gaintype="T")
    table = read_caltable(tmp_path / "x.wvr")
    against = _against(table, 2).solutions[0]
    before = table.solutions[0]
    angle = np.angle(before.param[:, 4, 0, 0]) - np.angle(before.param[:, 2, 0, 0])
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * np.angle(against.param[:, 4, 0, 0])), atol=1e-5)
    names = read_metadata(sim_original).antenna_names()
    made = aU.plotWVRSolutions(
        caltable=str(tmp_path / "x.wvr"), spw="0", antenna=names[2], yrange=[-199, 199], subplot=22, interactive=False,
        figfile=str(tmp_path / "x.wvr.plots" / "x.wvr"),
    )  # fmt: skip
    assert [p.name for p in made] == ["x.wvr.png", "x.wvr_2.png"]


def test_mosaics_and_cells(sim_original, tmp_path):
    meta = read_metadata(sim_original)
    made = aU.plotmosaic(str(sim_original), sourceid=meta.fields[0].name, figfile=str(tmp_path / "m.png"))
    assert (tmp_path / "m.png").stat().st_size > 5000
    assert made[0] == 0
    assert made[1] == pytest.approx(-made[2])
    place = aU.getRADecForField(str(sim_original), meta.fields[0].name)
    np.testing.assert_allclose(place[:, 0], meta.fields[0].phase_dir_rad, rtol=1e-12)
    lengths = np.linalg.norm(meta.antenna_positions_m[:, None] - meta.antenna_positions_m, axis=-1)
    beam = aU.estimateSynthesizedBeam(str(sim_original), spw=0)
    longest = np.rad2deg(299792458 / meta.spws[0].centre_freq_hz / lengths.max()) * 3600
    assert 0.5 * longest < beam < 2 * longest
    cell, size, central = aU.pickCellSize(str(sim_original), imsize=True, sourceid=meta.fields[0].name)
    assert cell < beam / 3
    assert all(n % 2 == 0 and n * cell > made[1] for n in size)
    assert central == 0
    assert aU.pickCellSize(str(sim_original), cellstring=True).endswith("arcsec")
    with pytest.raises(ArgumentError, match="sourceid"):
        aU.plotmosaic(str(sim_original), sourceid="nobody")


def test_plotbandpass_takes_what_analysis_utils_takes(tables, tmp_path, sim_original):
    made = aU.plotbandpass(
        caltable=str(tables / "b"), overlay="baseband", xaxis="freq", yaxis="both", showatm=True, pwv=0.8, subplot=22,
        buildpdf=True, interactive=True, showfdm=True, showBasebandNumber=True, chanrange="5~50", vm="", debug=False,
        field="", antenna=[0, 1], scans=[], figfile=str(tmp_path / "deep" / "er" / "b"), vis=str(sim_original),
    )  # fmt: skip
    assert [p.suffix for p in made] == [".png", ".png", ".pdf"]
    with pytest.raises(ArgumentError, match="no parameter"):
        aU.plotbandpass(str(tables / "b"), banana=1)
    with pytest.raises(ArgumentError, match="caltable3"):
        aU.plotbandpass(str(tables / "b"), caltable3="x")
    for wrong in ({"chanrange": "3-4"}, {"pwv": "wet"}, {"lo1": "x", "showimage": True}, {"basebands": "9"}):
        with pytest.raises(ArgumentError):
            aU.plotbandpass(str(tables / "b"), showatm=True, figfile=str(tmp_path / "z"), **wrong)


def test_flux_files(tmp_path, monkeypatch, sim_original):
    import shutil

    monkeypatch.chdir(tmp_path)
    for name in ("A.ms", "B.ms"):
        shutil.copytree(sim_original, name)
    line = "2019 INFO fluxscale::::  Flux density for J1 in SpW={} (freq=2.3e+11 Hz) is: {} +/- {} (SNR = 9, N = 8)\n"
    Path("A.ms.fluxscale").write_text(line.format(0, "2.0", "0.1") + line.format(1, "3.0", "0.1"))
    Path("B.ms.fluxscale").write_text(line.format(0, "2.5", "0.2"))
    aU.stuffForScienceDataReduction().generateFluxFile(["A.ms", "B.ms"])
    lines = [text.split() for text in Path("allFluxes.txt").read_text().split("\n") if text.strip()]
    assert [words[3] for words in lines] == ["2.00000", "2.50000", "3.00000", "-"]
    assert float(lines[0][4]) == pytest.approx((2.0 / 0.01 + 2.5 / 0.04) / (1 / 0.01 + 1 / 0.04), abs=1e-5)


def test_facts(sim_original, tmp_path):
    from atacal.simulate import simulate

    vis = str(sim_original)
    meta = read_metadata(vis)
    lengths = aU.getBaselineLengths(vis, returnLengthsOnly=True)
    pairs = aU.getBaselineLengths(vis)
    assert len(lengths) == meta.nant * (meta.nant - 1) // 2
    assert lengths == sorted(lengths) == [p[1] for p in pairs]
    first, second = pairs[-1][0].split("-")
    place = {a.name: np.array(a.position_m) for a in meta.antennas}
    assert pairs[-1][1] == pytest.approx(np.linalg.norm(place[first] - place[second]))
    stats = aU.getBaselineStats(vis)
    assert stats[0] == len(lengths)
    assert (stats[1], stats[2]) == (lengths[0], lengths[-1])
    assert aU.getBaselineStats(vis, percentile=80) == [stats[10]]
    projected = aU.getBaselineStats(vis, field="0")
    assert projected[0] == len(lengths)
    assert 0.3 * stats[2] < projected[2] <= stats[2] * 1.0001
    assert aU.getScienceSpws(vis) == "0,1"
    fine = [s for s in (0, 1) if abs(meta.spws[s].chan_width_hz[0]) < 15e6]
    assert aU.getScienceSpws(vis, returnString=False, tdm=False) == fine
    simulate(tmp_path / "raw.ms", raw=True, nant=4)
    raw = read_metadata(tmp_path / "raw.ms")
    wanted = [s.id for s in raw.spws if "FULL_RES" in s.name and s.nchan == 128]
    ranges = aU.getScienceSpws(str(tmp_path / "raw.ms"), returnFreqRanges=True)
    assert set(ranges) <= set(wanted)
    assert len(ranges) == 4
    with pytest.raises(ArgumentError, match="percentile"):
        aU.getBaselineStats(vis, percentile=101)
