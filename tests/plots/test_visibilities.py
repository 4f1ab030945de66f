"""The numbers behind pictures of visibilities, against the columns read directly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, MissingColumn, SelectionError, TableExists
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.plots import plot_ms
from atacal.plots.axes import axis_of
from atacal.plots.cells import Averaging
from atacal.plots.visibilities import Request, gather
from atacal.tasks import plotants, plotms


@pytest.fixture(scope="module")
def ms_path(sim_original: Path) -> Path:
    return sim_original


@pytest.fixture
def science(ms_path: Path) -> str:
    """The spw with most rows among those with channels, as a selection."""
    with MeasurementSet(ms_path) as ms:
        meta = ms.metadata
        rows = {s.id: 0 for s in meta.spws if s.nchan > 4}
        for ddid, n in zip(ms.runs.ddid, ms.runs.nrow, strict=True):
            spw = meta.ddids[ddid].spw
            if spw in rows:
                rows[spw] += int(n)
    return str(max(rows, key=lambda s: rows[s]))


def columns(path: Path, spw: str, names: list[str]) -> dict[str, np.ndarray]:
    """Whole columns of the rows of one spw."""
    from casacore.tables import table

    with MeasurementSet(path) as ms:
        ddid = ms.metadata.ddids_of_spw(int(spw))[0]
    tab = table(str(path), ack=False)
    rows = np.flatnonzero(tab.getcol("DATA_DESC_ID") == ddid)
    out = {n: np.array([tab.getcell(n, int(r)) for r in rows]) for n in names}
    tab.close()
    return out


def points(path: Path, request: Request, **selection: str):
    with MeasurementSet(path) as ms:
        gathered = gather(ms, select(ms, Selection(**selection)), request, max_points=10**8)
    return gathered, gathered.collector.points()


def request(x: str, y: str, **kw) -> Request:
    return Request(axis_of(x, parameter="xaxis"), axis_of(y, parameter="yaxis"), **kw)


def test_every_unflagged_visibility_is_a_point(ms_path, science):
    _, (_, _, x, y) = points(ms_path, request("uvdist", "amp"), spw=science)
    raw = columns(ms_path, science, ["DATA", "FLAG", "UVW"])
    good = ~raw["FLAG"]
    np.testing.assert_allclose(np.sort(y), np.sort(np.abs(raw["DATA"][good])), rtol=1e-6)
    uvdist = np.broadcast_to(np.hypot(raw["UVW"][:, 0], raw["UVW"][:, 1])[:, None, None], good.shape)[good]
    np.testing.assert_allclose(np.sort(x), np.sort(uvdist), rtol=1e-12)


def test_flagged_data_have_a_class_of_their_own(ms_path, science):
    gathered, (_, klass, _, y) = points(ms_path, request("time", "real", flagged=True), spw=science)
    raw = columns(ms_path, science, ["DATA", "FLAG"])
    assert (klass == 1).sum() == raw["FLAG"].sum()
    assert len(y) == raw["FLAG"].size
    assert gathered.request.flagged


def test_channel_selection_and_average(ms_path, science):
    average = Averaging(channels=4)
    _, (_, _, x, y) = points(ms_path, request("channel", "real", averaging=average), spw=f"{science}:2~9")
    np.testing.assert_allclose(np.unique(x), [3.5, 7.5])
    raw = columns(ms_path, science, ["DATA", "FLAG"])
    cut = np.where(raw["FLAG"], np.nan, raw["DATA"].real)[:, 2:10].reshape(len(raw["DATA"]), 2, 4, -1)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        wanted = np.nanmean(cut, axis=2)
    np.testing.assert_allclose(np.sort(y), np.sort(wanted[np.isfinite(wanted)]), rtol=2e-4, atol=1e-9)


def test_panels_of_antennas_hold_each_baseline_twice(ms_path, science):
    gathered, (panel, _, _, _) = points(ms_path, request("time", "wt", iterate="antenna"), spw=science, antenna="*&*")
    _, (_, _, x, _) = points(ms_path, request("time", "wt"), spw=science, antenna="*&*")
    assert len(panel) == 2 * len(x)
    assert gathered.panels.tags[0].startswith("Antenna0@")


def test_frequencies_and_colours(ms_path, science):
    gathered, (_, klass, x, _) = points(ms_path, request("frequency", "amp", colour="corr"), spw=science)
    with MeasurementSet(ms_path) as ms:
        wanted = ms.metadata.spws[int(science)].chan_freq_hz / 1e9
    assert set(np.round(x, 9)) <= set(np.round(wanted, 9))
    assert gathered.classes.labels == ["XX", "YY"]
    assert set(klass) == {0, 1}


def test_elevation_is_that_of_the_sky(ms_path):
    gathered, (_, _, x, y) = points(ms_path, request("hourang", "elevation"), field="0")
    with MeasurementSet(ms_path) as ms:
        dec = ms.metadata.fields[0].phase_dir_rad[1]
    lat = np.deg2rad(-23.029)  # the ALMA site; precession moves the declination by 0.05 degrees at most
    hour = np.deg2rad(15 * x)
    wanted = np.rad2deg(np.arcsin(np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour)))
    np.testing.assert_allclose(y, wanted, atol=0.15)
    assert gathered.request.y.label == "Elevation (deg)"


def test_model_and_residual(ms_path, science):
    difference = request("time", "real", y_column="data-model")
    _, (_, _, _, y) = points(ms_path, difference, spw=science)
    _, (_, _, _, data) = points(ms_path, request("time", "real"), spw=science)
    _, (_, _, _, model) = points(ms_path, request("time", "real", y_column="model"), spw=science)
    np.testing.assert_allclose(y, data - model, atol=1e-6)


def test_plotms_writes_pictures_named_as_casas(ms_path, science, tmp_path):
    written = plotms(
        str(ms_path), xaxis="time", yaxis="phase", spw=science, iteraxis="scan", avgchannel="9999", gridrows=1,
        gridcols=2, plotfile=str(tmp_path / "p.png"),
    )  # fmt: skip
    names = [p.name for p in written]
    assert names[0].startswith("p_Scan")
    assert "," in names[0]
    assert names[1].endswith("_2.png")
    assert all(p.stat().st_size > 5000 for p in written)


def test_plotms_text_holds_the_points(ms_path, science, tmp_path):
    (path,) = plotms(str(ms_path), "", yaxis="wt", spw=science, plotfile=str(tmp_path / "p.txt"))
    lines = path.read_text().splitlines()
    _, (_, _, x, _) = points(ms_path, request("time", "wt"), spw=science)
    assert len(lines) == len(x) + 1


def test_many_points_become_a_density(ms_path, science, tmp_path):
    from atacal.plots.ms_pictures import picture_ms

    with MeasurementSet(ms_path) as ms:
        selected = select(ms, Selection(spw=science))
        files = picture_ms(ms, selected, request("time", "phase"), tmp_path / "d.png", numbers=True, max_points=1000)
    numbers = np.load(files[1])
    raw = columns(ms_path, science, ["FLAG"])
    assert numbers["counts"].sum() == (~raw["FLAG"]).sum()


def test_the_same_data_give_the_same_bytes(ms_path, science, tmp_path):
    for name in ("a.png", "b.png"):
        plotms(str(ms_path), spw=science, avgchannel="8", coloraxis="corr", plotfile=str(tmp_path / name), title="t")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_plot_ms_draws_each_field(ms_path, science, tmp_path):
    files = plot_ms(ms_path, tmp_path, datacolumn="data", field="0", spw=science)
    assert len(files) == 6
    assert all(f.with_suffix(".npz").exists() for f in files)


def test_plotants(ms_path, tmp_path):
    with MeasurementSet(ms_path) as ms:
        names = ms.metadata.antenna_names()
    for log in (False, True):
        path = plotants(str(ms_path), figfile=str(tmp_path / f"a{log}.png"), logpos=log, exclude=names[0])
        assert path.stat().st_size > 5000
    with pytest.raises(EmptySelection):
        plotants(str(ms_path), figfile=str(tmp_path / "n.png"), exclude=",".join(names))


def test_bad_arguments_are_named(ms_path, tmp_path):
    vis = str(ms_path)
    with pytest.raises(ArgumentError, match="possible are time, "):
        plotms(vis, xaxis="banana")
    with pytest.raises(ArgumentError, match="ydatacolumn"):
        plotms(vis, ydatacolumn="banana")
    with pytest.raises(ArgumentError, match="plotindex"):
        plotms(vis, plotindex=1)
    with pytest.raises(ArgumentError, match="avgtime"):
        plotms(vis, avgtime="banana")
    with pytest.raises(ArgumentError, match="iteraxis"):
        plotms(vis, iteraxis="antenna", avgbaseline=True)
    with pytest.raises(SelectionError):
        plotms(vis, field="banana")
    with pytest.raises(MissingColumn, match="CORRECTED_DATA"):
        plotms(vis, ydatacolumn="corrected", plotfile=str(tmp_path / "x.png"))
    (tmp_path / "x.png").write_text("mine")
    with pytest.raises(TableExists):
        plotms(vis, plotfile=str(tmp_path / "x.png"))
    assert (tmp_path / "x.png").read_text() == "mine"


def test_averages_without_unflagged_members_are_not_shown(ms_path, science):
    shown = request("time", "amp", flagged=True, averaging=Averaging(channels=4))
    hidden = request("time", "amp", averaging=Averaging(channels=4))
    _, (_, klass, _, y) = points(ms_path, shown, spw=science)
    _, (_, _, _, wanted) = points(ms_path, hidden, spw=science)
    assert not klass.any()
    np.testing.assert_array_equal(np.sort(y), np.sort(wanted))


def test_times_are_labelled_by_their_frame(sim_ms, tmp_path, monkeypatch):
    """MeasurementSets from UVFITS files have TAI."""
    from casacore.tables import table

    from atacal.plots import ms_pictures

    with table(str(sim_ms), readonly=False, ack=False) as tab:
        tab.putcolkeyword("TIME", "MEASINFO", {"type": "epoch", "Ref": "TAI"})
    pages = []
    draw = ms_pictures.draw_page
    monkeypatch.setattr(
        ms_pictures, "draw_page", lambda panels, page, **more: pages.append(page) or draw(panels, page, **more)
    )
    plotms(str(sim_ms), field="0", plotfile=str(tmp_path / "a.png"))
    assert [page.time.label for page in pages] == ["Time (TAI, 2024-06-15)"]


@pytest.mark.parametrize("span_s", [0.02, 0.3, 2, 45, 170, 200, 400, 1000, 20_000, 300_000])
@pytest.mark.parametrize("nticks", [2, 4, 6, 8])
def test_no_two_ticks_of_a_time_axis_read_alike(span_s, nticks):
    from matplotlib.figure import Figure

    from atacal.plots.style import TimeAxis

    begin = 56920 * 86400 + 10_440.0
    time = TimeAxis(begin, begin + span_s)
    axes = Figure().add_subplot()
    axes.set_xlim(time.offsets(np.array([begin, begin + span_s])))
    time.dress(axes.xaxis, nticks=nticks)
    labels = [axes.xaxis.get_major_formatter()(tick) for tick in axes.xaxis.get_majorticklocs()]
    assert len(set(labels)) == len(labels)
