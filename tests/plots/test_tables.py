"""The numbers behind pictures of calibration tables, and the files of their tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.disk import write_caltable
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError, EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.plots import plot_caltable
from atacal.plots.tables import TableSelection, slot_starts, table_axis, table_points
from atacal.tasks import plotbandpass, plotcal, plotms


def make(ms_path: Path, kind: str, nslot: int, nchan: int, *, real: bool = False) -> CalTable:
    """A table on two spws with random solutions; antenna 1 is flagged throughout."""
    rng = np.random.default_rng(3)
    with MeasurementSet(ms_path) as ms:
        meta = ms.metadata
    shape = (nslot, meta.nant, nchan, 2)
    time0 = float(meta.fields[0].time_mjd_s) or 5e9
    spws = list(meta.spws)
    solutions = {}
    for spw in (0, 1):
        param = (
            rng.normal(1, 0.1, shape) if real else rng.normal(1, 0.1, shape) * np.exp(1j * rng.normal(0, 0.5, shape))
        )
        flag = np.zeros(shape, bool)
        flag[:, 1] = True
        param[flag] = 0 if real else 1
        one = np.ones(shape, np.float32)
        ids = np.zeros(nslot, np.int32)
        solutions[spw] = SpwSolutions(
            spw, time0 + 60.0 * np.arange(nslot) + 0.01 * spw, np.zeros(nslot), ids,
            ids + 1 + np.arange(nslot, dtype=np.int32), ids, np.zeros((nslot, meta.nant), np.int32),
            param.astype(np.float32 if real else np.complex64), one, one * 10, flag,
        )  # fmt: skip
        freq = np.linspace(*spws[spw].chan_freq_hz[[0, -1]], nchan) if nchan > 1 else spws[spw].chan_freq_hz[:1]
        width = np.full(nchan, 1e6)
        spws[spw] = replace(
            spws[spw], chan_freq_hz=freq, chan_width_hz=width, effective_bw_hz=width, resolution_hz=width
        )
    return CalTable(
        kind,
        "Float" if real else "Complex",
        "linear",
        meta.name,
        meta.antennas,
        meta.fields,
        tuple(spws),
        solutions,
        ms_path,
    )


def test_values_and_ids_of_solutions(sim_original):
    table = make(sim_original, "G Jones", 3, 1)
    got = table_points(table, "time", "phase", TableSelection(spw="1", antenna=table.antennas[2].name, poln="Y"))
    np.testing.assert_allclose(got.y, np.rad2deg(np.angle(table.solutions[1].param[:, 2, 0, 1])), rtol=1e-5)
    np.testing.assert_array_equal(got.x, table.solutions[1].time)
    assert (set(got.pol), set(got.antenna)) == ({1}, {2})


def test_flagged_solutions_are_told_from_values(sim_original):
    got = table_points(make(sim_original, "G Jones", 2, 1), "time", "amp")
    np.testing.assert_array_equal(got.flag, got.antenna == 1)
    np.testing.assert_array_equal(got.filled, ~got.flag)  # a flagged one holds only 1+0j


def test_channels_have_their_frequencies(sim_original):
    table = make(sim_original, "B Jones", 1, 16)
    got = table_points(table, "frequency", "amp", TableSelection(spw="1:4~7"))
    np.testing.assert_allclose(np.unique(got.x), np.sort(table.spws[1].chan_freq_hz[4:8]) / 1e9)


def test_spws_whose_times_differ_a_little_share_a_slot(sim_original):
    table = make(sim_original, "G Jones", 3, 1)
    assert len(slot_starts(table)) == 3
    assert set(table_points(table, "time", "amp").slot) == {0, 1, 2}


def test_selection_errors_say_what_is_there(sim_original):
    table = make(sim_original, "G Jones", 3, 1)
    with pytest.raises(EmptySelection, match="the table holds spws 0, 1"):
        table_points(table, "time", "amp", TableSelection(field=table.fields[-1].name))
    with pytest.raises(ArgumentError, match="poln"):
        table_points(table, "time", "amp", TableSelection(poln="Q"))
    with pytest.raises(ArgumentError, match="time, frequency, channel"):
        table_axis("banana", table, parameter="xaxis")
    with pytest.raises(ArgumentError, match="delay"):
        table_axis("phase", make(sim_original, "K Jones", 1, 1, real=True), parameter="yaxis")


@pytest.mark.parametrize(
    ("kind", "nslot", "nchan", "real", "names"),
    [
        ("G Jones", 5, 1, False, ["spw0.amp_vs_time", "spw0.phase_vs_time", "spw1.amp_vs_time", "spw1.phase_vs_time"]),
        ("G Jones", 1, 1, False, ["amp_vs_antenna", "phase_vs_antenna"]),
        ("K Jones", 1, 1, True, ["delay_vs_antenna"]),
        ("B TSYS", 2, 8, True, ["spw0.tsys_vs_frequency", "spw1.tsys_vs_frequency"]),
    ],
)
def test_plot_caltable(sim_original, tmp_path, kind, nslot, nchan, real, names):
    path = tmp_path / "t.cal"
    write_caltable(path, make(sim_original, kind, nslot, nchan, real=real))
    files = plot_caltable(path, tmp_path / "out")
    assert [f.name for f in files] == [f"t.cal.{n}.png" for n in names]
    numbers = np.load(files[0].with_suffix(".npz"))
    assert len(numbers["x"]) == len(numbers["y"]) == len(numbers["flag"]) > 0


def test_a_dead_receiver_does_not_press_the_system_temperatures_to_the_floor(sim_original):
    from atacal.plots.table_pictures import TableRequest, _Content
    from atacal.plots.tables import table_points

    table = make(sim_original, "B TSYS", 2, 8, real=True)
    s = table.solutions[0]
    s.param[:] = np.random.default_rng(1).uniform(90, 110, s.param.shape)
    s.flag[:] = False
    s.param[:, 2, :, 1] = 3000
    request = TableRequest("frequency", "tsys", selection=TableSelection(spw="0"))
    content = _Content(table, request, table_points(table, request.x, request.y, request.selection))
    assert content.ylim[1] < 130
    name = table.antennas[2].name
    assert f"Above the panels: {name} Y (3000)" in content.page.note


def test_phase_only_tables_have_no_picture_of_amplitudes(sim_original, tmp_path):
    table = make(sim_original, "G Jones", 5, 1)
    for s in table.solutions.values():
        s.param /= np.abs(s.param)
    write_caltable(tmp_path / "p.cal", table)
    assert not any("amp" in f.name for f in plot_caltable(tmp_path / "p.cal", tmp_path))


def test_tasks(sim_original, tmp_path):
    band, gain = str(tmp_path / "b.cal"), str(tmp_path / "g.cal")
    write_caltable(band, make(sim_original, "B Jones", 2, 16))
    write_caltable(gain, make(sim_original, "G Jones", 5, 1))
    both = plotbandpass(
        band, yaxis="both", xaxis="freq", overlay="time,spw", subplot="42", figfile=str(tmp_path / "b.png")
    )
    with MeasurementSet(sim_original) as ms:
        names = ms.metadata.antenna_names()
    assert [p.name for p in both] == [f"b.{names[0]}.spw00.png", f"b.{names[5]}.spw00.png"]  # four to a page
    pages = plotbandpass(band, subplot="11", spw="1", timeranges="0", figfile=str(tmp_path / "c.png"))
    # antenna 1 has nothing to show
    assert [p.name for p in pages] == [f"c.{name}.spw01.t00.png" for name in names if name != names[1]]
    assert plotcal(gain, iteration="antenna", showflags=True, figfile=str(tmp_path / "g.pdf"))[0].exists()
    (path,) = plotms(gain, yaxis="gainphase", xaxis="time", plotfile=str(tmp_path / "m.png"))
    assert path.stat().st_size > 5000
    with pytest.raises(CaltableError, match="plotcal"):
        plotbandpass(gain)
    with pytest.raises(ArgumentError, match="overlay"):
        plotbandpass(band, overlay="banana")
    with pytest.raises(ArgumentError, match="iteration"):
        plotcal(gain, iteration="banana")
    with pytest.raises(EmptySelection, match="flagged"):
        plotcal(gain, antenna="1", figfile=str(tmp_path / "x.png"))


def test_antenna_positions_are_shown_in_millimetres_along_three_axes(sim_original, tmp_path):
    from atacal.tasks import gencal

    with MeasurementSet(sim_original) as ms:
        name = ms.metadata.antennas[2].name
    gencal(str(sim_original), str(tmp_path / "p"), "antpos", antenna=name, parameter=[1e-3, -2e-3, 5e-4])
    (picture,) = plot_caltable(tmp_path / "p", tmp_path / "pictures")
    assert picture.name == "p.position_vs_antenna.png"
    shown = np.load(picture.with_suffix(".npz"))
    np.testing.assert_allclose(shown["y"][shown["antenna"] == 2], [1.0, -2.0, 0.5], rtol=1e-6)


def test_spws_can_be_chosen(sim_original, tmp_path):
    write_caltable(tmp_path / "g", make(sim_original, "G Jones", 5, 1))
    every = plot_caltable(tmp_path / "g", tmp_path / "all")
    one = plot_caltable(tmp_path / "g", tmp_path / "one", spws=(1,))
    assert {p.name for p in one} < {p.name for p in every}
    assert all(".spw1." in p.name for p in one)
