"""gencal, fixsyscaltimes and tsysspwmap: tables of what is measured or given."""

from __future__ import annotations

import json
import logging
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from atacal.calibrater.antenna_positions import SERVICE_VARIABLE, execution_block
from atacal.calibrater.tsys import scan_of_times
from atacal.caltables.disk import read_caltable
from atacal.errors import (
    ArgumentError,
    CaltableError,
    CaltableMismatch,
    InvalidTable,
    NoSuchTable,
    SelectionError,
    ServiceError,
)
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import read_metadata
from atacal.ms.syscal import same_measurement
from atacal.tasks import applycal, fixsyscaltimes, gencal, listcal, plotbandpass, plotcal, tsysspwmap

SPWS = (0, 1)


def put_syscal(ms: Path, tsys=None, jitter_s: float = 0.0, starts_s=(0.0, 60.0)) -> np.ndarray:
    """Give an MS a SYSCAL with a measurement of every antenna and spw at each start; return Tsys (start, ant, chan, 2).

    Antennas differ in INTERVAL by up to ``jitter_s``, hence in TIME, as ALMA's do.
    """
    from casacore.tables import default_ms_subtable, makearrcoldesc, maketabdesc, table

    with MeasurementSet(ms) as data:
        begin = float(data.runs.time.min())
        nant, nchan = data.metadata.nant, data.metadata.spws[SPWS[0]].nchan
    if tsys is None:
        tsys = (60 + 10 * np.arange(nant)[None, :, None, None] + np.arange(nchan)[:, None] / nchan).astype(np.float32)
        tsys = np.broadcast_to(tsys, (len(starts_s), nant, nchan, 2)).copy()
    path = str(ms / "SYSCAL")
    description = maketabdesc([makearrcoldesc("TSYS_SPECTRUM", 0.0, ndim=2, valuetype="float")])
    tab = default_ms_subtable("SYSCAL", path)
    tab.addcols(description)
    rows = [(start, spw, ant) for start in range(len(starts_s)) for spw in SPWS for ant in range(nant)]
    tab.addrows(len(rows))
    for row, (start, spw, ant) in enumerate(rows):
        interval = 10.0 + jitter_s * ant
        tab.putcell("TIME", row, begin + starts_s[start] + interval / 2)
        tab.putcell("INTERVAL", row, interval)
        tab.putcell("ANTENNA_ID", row, ant)
        tab.putcell("FEED_ID", row, 0)
        tab.putcell("SPECTRAL_WINDOW_ID", row, spw)
        tab.putcell("TSYS_SPECTRUM", row, tsys[start, ant])
    tab.close()
    with table(str(ms), readonly=False, ack=False) as main:
        main.putkeyword("SYSCAL", f"Table: {path}")
    return tsys


# ---------------------------------------------------------------- Tsys


def test_tsys_table_holds_the_measured_temperatures(sim_ms, tmp_path):
    tsys = put_syscal(sim_ms)
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    table = read_caltable(tmp_path / "t")
    assert (table.kind, table.par_type, table.pol_basis) == ("B TSYS", "Float", "unknown")
    assert sorted(table.solutions) == list(SPWS)
    with MeasurementSet(sim_ms) as ms:
        begin = ms.runs.time.min()
        scan, field = ms.runs.scan[0], ms.runs.field[0]
    for one in table.solutions.values():
        np.testing.assert_array_equal(one.param, tsys)
        np.testing.assert_allclose(one.time - begin, [0.0, 60.0], atol=1e-5)
        assert not one.flag.any()
        assert (one.scan[0], one.field[0]) == (scan, field)
        assert (one.interval == 0).all()


def test_bad_temperatures_are_flagged_and_said(sim_ms, tmp_path, caplog):
    tsys = put_syscal(sim_ms)
    tsys[0, 1, 3, 0], tsys[0, 2, :, 1], tsys[1, 3, 5, 1], tsys[1, 3, 6, 1] = -5.0, 0.0, np.nan, np.inf
    put_syscal(sim_ms, tsys)
    caplog.set_level(logging.INFO, "atacal")
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    flag = read_caltable(tmp_path / "t").solutions[0].flag
    expected = np.zeros(flag.shape, bool)
    expected[0, 1, 3, 0] = expected[0, 2, :, 1] = expected[1, 3, 5:7, 1] = True
    np.testing.assert_array_equal(flag, expected)
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    names = read_metadata(sim_ms).antenna_names()
    assert len([w for w in warned if f"Spw 0, antenna {names[2]}" in w and "1 whole spectra" in w]) == 1
    assert any(f"antenna {names[3]}: 2 of" in w for w in warned)


def test_missing_antennas_are_flagged_rows_or_no_rows(sim_ms, tmp_path, caplog):
    put_syscal(sim_ms, jitter_s=0.25)
    gencal(str(sim_ms), str(tmp_path / "all"), "tsys")
    gencal(str(sim_ms), str(tmp_path / "some"), "tsys", uniform=False)
    nant = read_metadata(sim_ms).nant
    for one in read_caltable(tmp_path / "all").solutions.values():  # an antenna at a time, the others flagged
        assert one.nslot == 2 * nant
        assert (one.flag.all(axis=(2, 3)).sum(axis=1) == nant - 1).all()
    for one in read_caltable(tmp_path / "some").solutions.values():
        assert (one.row >= 0).sum() == 2 * nant
        assert not one.flag[one.row >= 0].any()
        np.testing.assert_array_equal(one.snr[one.row >= 0], np.float32(0.1))
    from casacore.tables import table

    with table(str(sim_ms / "SYSCAL"), readonly=False, ack=False) as tab:
        gone = [
            r
            for r in range(tab.nrows())
            if tab.getcell("ANTENNA_ID", r) == 1 and tab.getcell("SPECTRAL_WINDOW_ID", r) == 1
        ]
        tab.removerows(gone)
    caplog.set_level(logging.INFO, "atacal")
    gencal(str(sim_ms), str(tmp_path / "less"), "tsys")
    assert f"Spw 1: no Tsys for antennas {read_metadata(sim_ms).antenna_names()[1]};" in caplog.text


def test_fixsyscaltimes_gives_a_measurement_one_time(sim_ms, tmp_path):
    from casacore.tables import table

    put_syscal(sim_ms, jitter_s=0.25)
    fixsyscaltimes(str(sim_ms), newinterval=2.0)
    with table(str(sim_ms / "SYSCAL"), ack=False) as tab:
        time, interval = tab.getcol("TIME"), tab.getcol("INTERVAL")
    with MeasurementSet(sim_ms) as ms:
        begin = ms.runs.time.min()
    assert (interval == 2).all()
    np.testing.assert_allclose(np.unique(time) - begin, [1.0, 61.0], atol=1e-5)
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    assert [s.nslot for s in read_caltable(tmp_path / "t").solutions.values()] == [2, 2]
    before = (sim_ms / "SYSCAL" / "table.f0").read_bytes()
    fixsyscaltimes(str(sim_ms), newinterval=7.0)  # nothing is left to repair
    assert (sim_ms / "SYSCAL" / "table.f0").read_bytes() == before


def test_starts_at_the_turn_of_a_second_are_one_measurement():
    start = 5e9 + np.array([60.0, 0.0, -1e-6, 60.00001, 59.99999, 1e-6])
    np.testing.assert_array_equal(same_measurement(start), [1, 0, 0, 1, 1, 0])


def test_times_between_scans_belong_to_the_later(sim_ms):
    with MeasurementSet(sim_ms) as ms:
        runs = ms.runs
    scans = np.unique(runs.scan)
    end, begin = runs.time[runs.scan == scans[0]].max(), runs.time[runs.scan == scans[1]].min()
    times = np.array([runs.time.min() - 100, end, (end + begin) / 2, begin, runs.time.max() + 100])
    _, scan, _ = scan_of_times(runs, times)
    np.testing.assert_array_equal(scan, scans[[0, 0, 1, 1, -1]])


def test_syscal_that_is_not_there_or_does_not_fit(sim_ms, tmp_path):
    from casacore.tables import table

    def fails(match: str) -> None:
        with pytest.raises(InvalidTable, match=match):
            gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
        assert not (tmp_path / "t").exists()

    if not (sim_ms / "SYSCAL").exists():
        fails("has no SYSCAL")
        with pytest.raises(InvalidTable, match="has no SYSCAL"):
            fixsyscaltimes(str(sim_ms))
    put_syscal(sim_ms)
    for column, value, match in (("ANTENNA_ID", 99, "antenna 99"), ("SPECTRAL_WINDOW_ID", 77, "spw 77")):
        with table(str(sim_ms / "SYSCAL"), readonly=False, ack=False) as tab:
            before = tab.getcell(column, 0)
            tab.putcell(column, 0, value)
        fails(match)
        with table(str(sim_ms / "SYSCAL"), readonly=False, ack=False) as tab:
            tab.putcell(column, 0, before)
    with table(str(sim_ms / "SYSCAL"), readonly=False, ack=False) as tab:
        for row in range(tab.nrows()):
            tab.putcell("TSYS_SPECTRUM", row, np.ones((5, 2), np.float32))
    fails("have 5 channels")


def test_tsys_scales_data_and_weights(sim_ms, tmp_path):
    tsys = put_syscal(sim_ms, starts_s=(0.0,))
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    applycal(str(sim_ms), gaintable=str(tmp_path / "t"), spw="0", interp="linear,linear", flagbackup=False)
    from casacore.tables import table

    with table(str(sim_ms), ack=False).query("DATA_DESC_ID == 0 && ANTENNA1 != ANTENNA2") as tab:
        i, j = tab.getcol("ANTENNA1")[:50], tab.getcol("ANTENNA2")[:50]
        ratio = tab.getcol("CORRECTED_DATA")[:50] / tab.getcol("DATA")[:50]
        weight, sigma = tab.getcol("WEIGHT")[:50], tab.getcol("SIGMA")[:50]
    product = tsys[0, i] * tsys[0, j]
    np.testing.assert_allclose(ratio.real[..., 0], np.sqrt(product[..., 0]), rtol=1e-5)
    expected = 1 / (sigma**2)[:, 0] / tsys[0, i].mean(1)[:, 0] / tsys[0, j].mean(1)[:, 0]
    np.testing.assert_allclose(weight[:, 0], expected, rtol=1e-5)


def test_tsysspwmap(sim_ms, tmp_path):
    put_syscal(sim_ms)
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    whole = tsysspwmap(str(sim_ms), str(tmp_path / "t"), trim=False)
    assert len(whole) == len(read_metadata(sim_ms).spws)
    assert whole[:2] == [0, 1]
    assert tsysspwmap(str(sim_ms), str(tmp_path / "t")) == []
    from casacore.tables import table

    with table(str(sim_ms / "SPECTRAL_WINDOW"), readonly=False, ack=False) as tab:
        if "BBC_NO" not in tab.colnames():
            pytest.skip("the block's spws have no basebands")
        tab.putcol("BBC_NO", [1] * tab.nrows())
        tab.putcell("CHAN_FREQ", 1, tab.getcell("CHAN_FREQ", 0))
        tab.putcell("CHAN_WIDTH", 1, tab.getcell("CHAN_WIDTH", 0))
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    assert tsysspwmap(str(sim_ms), str(tmp_path / "t"), trim=False)[:2] == [0, 0]  # the first that matches
    assert tsysspwmap(str(sim_ms), str(tmp_path / "t"))[:2] == [0, 0]
    with table(str(tmp_path / "t" / "SPECTRAL_WINDOW"), readonly=False, ack=False) as tab:
        tab.putcell("CHAN_FREQ", 0, tab.getcell("CHAN_FREQ", 0) + 50e9)
    with pytest.raises(CaltableMismatch, match=r"Tsys spw 0 .* matches no"):
        tsysspwmap(str(sim_ms), str(tmp_path / "t"))
    with pytest.raises(ArgumentError, match="relax"):
        tsysspwmap(str(sim_ms), str(tmp_path / "t"), relax=True)


# ---------------------------------------------------------------- given values


def first(path: Path, spw: int = 0) -> np.ndarray:
    """Parameters (antenna, par) of the only slot."""
    return read_caltable(path).solutions[spw].param[0, :, 0]


def test_values_in_the_order_of_the_selection(sim_ms, tmp_path):
    gencal(str(sim_ms), str(tmp_path / "g"), "amp", spw="1,0", antenna="2,0", pol="Y,X", parameter=list(range(1, 9)))
    np.testing.assert_array_equal(first(tmp_path / "g", 1)[:3], [[4, 3], [1, 1], [2, 1]])
    np.testing.assert_array_equal(first(tmp_path / "g", 0)[:3], [[8, 7], [1, 1], [6, 5]])
    gencal(str(sim_ms), str(tmp_path / "g"), "ph", antenna="1", parameter=90)  # joins what is there
    np.testing.assert_allclose(first(tmp_path / "g", 0)[:3], [[8, 7], [1j, 1j], [6, 5]], atol=1e-6)
    assert len(read_caltable(tmp_path / "g").solutions) == len(read_metadata(sim_ms).spws)


def test_delays_and_opacities_add(sim_ms, tmp_path):
    gencal(str(sim_ms), str(tmp_path / "k"), "sbd", antenna="1", pol="X", parameter=3.0)
    gencal(str(sim_ms), str(tmp_path / "k"), "mbd", parameter=0.5)
    np.testing.assert_allclose(first(tmp_path / "k")[:2], [[0.5, 0.5], [3.5, 0.5]])
    gencal(str(sim_ms), str(tmp_path / "o"), "opac", spw="1", parameter=0.25)
    assert (first(tmp_path / "o", 1) == 0.25).all()
    assert (first(tmp_path / "o", 0) == 0).all()


def test_amplitudes_and_opacities_are_applied(sim_ms, tmp_path):
    gencal(str(sim_ms), str(tmp_path / "g"), "amp", antenna="0", parameter=2.0)
    gencal(str(sim_ms), str(tmp_path / "o"), "opac", parameter=0.1)
    tables = [str(tmp_path / "g"), str(tmp_path / "o")]
    applycal(str(sim_ms), gaintable=tables, spw="0", calwt=False, flagbackup=False)
    from casacore.tables import table

    with table(str(sim_ms), ack=False).query("DATA_DESC_ID == 0 && ANTENNA1 == 0 && ANTENNA2 != 0") as tab:
        ratio = tab.getcol("CORRECTED_DATA") / tab.getcol("DATA")
    assert (ratio.real > 0.5 * np.exp(0.1) * 0.999).all()  # never less than the opacity at the zenith
    assert (ratio.real < 0.5 * np.exp(0.1 / np.sin(0.2))).all()


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        (dict(caltype="amp", antenna="0,1", parameter=[1, 2, 3]), ArgumentError, "3 values"),
        (dict(caltype="amp", antenna="0&1", parameter=1), ArgumentError, "list those"),
        (dict(caltype="amp", antenna="!0", parameter=1), ArgumentError, "list those"),
        (dict(caltype="amp", antenna="0,0", parameter=[1, 2]), ArgumentError, "twice"),
        (dict(caltype="amp", antenna="0,99", parameter=[1, 2]), ArgumentError, "99"),
        (dict(caltype="amp", antenna="nobody", parameter=1), SelectionError, "nobody"),
        (dict(caltype="amp", spw="99", parameter=1), SelectionError, "99"),
        (dict(caltype="amp", pol="Z", parameter=1), ArgumentError, "pol='Z'"),
        (dict(caltype="amp"), ArgumentError, "parameter is empty"),
        (dict(caltype="amp", parameter=np.nan), ArgumentError, "nan"),
        (dict(caltype="amp", parameter=1, uniform=False), ArgumentError, "uniform"),
        (dict(caltype="antpos", antenna="0,1", parameter=[1, 2, 3, 4, 5]), ArgumentError, "3 for each of the 2"),
        (dict(caltype="antpos", parameter=[1, 2, 3]), ArgumentError, "together"),
        (dict(caltype="antpos", infile="nowhere.json"), NoSuchTable, "nowhere.json"),
        (dict(caltype="jyperk"), ArgumentError, "cannot be made here"),
        (dict(caltype="what"), ArgumentError, "no type of calibration"),
        (dict(caltype="amp", parameter=1, endpoint="model-fit"), ArgumentError, "endpoint"),
        (dict(caltype="tsys", infile="x"), ArgumentError, "infile"),
    ],
)
def test_bad_arguments_leave_nothing(sim_ms, tmp_path, kwargs, error, match):
    with pytest.raises(error, match=match):
        gencal(str(sim_ms), str(tmp_path / "c"), **kwargs)
    assert not (tmp_path / "c").exists()


def test_tables_of_another_sort_are_not_added_to(sim_ms, tmp_path):
    gencal(str(sim_ms), str(tmp_path / "g"), "amp", parameter=2.0)
    before = first(tmp_path / "g")
    with pytest.raises(CaltableError, match="G Jones"):
        gencal(str(sim_ms), str(tmp_path / "g"), "sbd", parameter=2.0)
    np.testing.assert_array_equal(first(tmp_path / "g"), before)


# ---------------------------------------------------------------- antenna positions


def test_positions_given_and_applied_undo_the_phase(sim_ms, tmp_path, caplog):
    gencal(str(sim_ms), str(tmp_path / "p"), "antpos", antenna="2,0", parameter=[1e-3, 2e-3, -3e-4, 0, 1e-3, 5e-4])
    table = read_caltable(tmp_path / "p")
    assert list(table.solutions) == [0]
    np.testing.assert_allclose(first(tmp_path / "p")[:3], [[0, 1e-3, 5e-4], [0, 0, 0], [1e-3, 2e-3, -3e-4]], rtol=1e-6)
    applycal(str(sim_ms), gaintable=str(tmp_path / "p"), spw="1", spwmap=[1, 1], flagbackup=False)
    assert "spwmap [1, 1] is not used" in caplog.text
    from casacore.tables import table as open_table

    from atacal.jones.horizon import itrf_directions

    meta = read_metadata(sim_ms)
    with open_table(str(sim_ms), ack=False).query("DATA_DESC_ID == 1 && ANTENNA1 == 0 && ANTENNA2 == 1") as tab:
        time, field = tab.getcol("TIME"), tab.getcol("FIELD_ID")
        turned = np.angle(tab.getcol("CORRECTED_DATA") / tab.getcol("DATA"))[:, :, 0]
    direction = itrf_directions(time, [meta.fields[f] for f in field], meta.antennas[0].position_m)
    path = direction @ np.float32([0, 1e-3, 5e-4]).astype(float)
    expected = -2 * np.pi * path[:, None] * meta.spws[1].chan_freq_hz / 299792458.0
    np.testing.assert_allclose(np.exp(1j * turned), np.exp(1j * expected), atol=1e-5)


def test_positions_from_files(sim_ms, tmp_path):
    meta = read_metadata(sim_ms)
    one = meta.antennas[1]
    corrected = [p + d for p, d in zip(one.position_m, (1e-3, -2e-3, 3e-3), strict=True)]
    content = {"data": {one.name: corrected}, "metadata": {"product_code": "antposalma"}}
    file = tmp_path / "positions.json"
    file.write_text(json.dumps(content))
    gencal(str(sim_ms), str(tmp_path / "p"), "antpos", infile=str(file))
    np.testing.assert_allclose(first(tmp_path / "p")[1], [1e-3, -2e-3, 3e-3], atol=1e-8)
    csv = tmp_path / "antennapos.csv"
    csv.write_text(
        "name,antenna,xoff,yoff,zoff,comment\n# nothing\n"
        f"other.ms,{one.name},9,9,9,not ours\n{meta.name},{one.name},0.001,-0.002,0.003,ours\n"
    )
    gencal(str(sim_ms), str(tmp_path / "q"), "antpos", infile=str(csv))
    np.testing.assert_allclose(first(tmp_path / "q")[1], [1e-3, -2e-3, 3e-3], rtol=1e-6)
    for wrong, match in (
        (json.dumps({**content, "metadata": {"product_code": "else"}}), "not a file of ALMA"),
        (json.dumps({**content, "data": {"XX99": corrected}}), "no antenna XX99"),
        (json.dumps({**content, "data": {one.name: [1, 2]}}), "not three numbers"),
        ("{", "not readable JSON"),
        ("a,b\n1,2\n", "neither JSON nor"),
        (f"name,antenna,xoff,yoff,zoff\nelse.ms,{one.name},1,2,3\n", "no corrections for"),
        (f"name,antenna,xoff,yoff,zoff\n{meta.name},{one.name},1,two,3\n", "no numbers"),
    ):
        file.write_text(wrong)
        with pytest.raises(ArgumentError, match=match):
            gencal(str(sim_ms), str(tmp_path / "r"), "antpos", infile=str(file))


@pytest.fixture
def service(monkeypatch):
    """A service of antenna positions on this machine: what it ``answers``, one after the other, and was ``asked``."""

    class Handler(BaseHTTPRequestHandler):
        answers: ClassVar[list[tuple[int, bytes]]] = []
        asked: ClassVar[list[dict[str, list[str]]]] = []

        def do_GET(self) -> None:
            self.asked.append(parse_qs(urlparse(self.path).query))
            code, body = self.answers[min(len(self.asked), len(self.answers)) - 1]
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(SERVICE_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_positions_from_the_service(sim_ms, tmp_path, service):
    uid_ms = tmp_path / "uid___A002_X1_X2.ms"
    os.rename(sim_ms, uid_ms)
    meta = read_metadata(uid_ms)
    assert execution_block(meta) == "uid://A002/X1/X2"
    one = meta.antennas[1]
    corrected = [one.position_m[0] + 1e-3, *one.position_m[1:]]
    good = json.dumps({one.name: corrected, "XX99": [0, 0, 0]}).encode()
    service.answers = [(503, b"busy"), (200, good)]
    gencal(str(uid_ms), str(tmp_path / "p"), "antpos", retry_wait_time=0)
    assert service.asked[-1] == {"asdm": ["uid://A002/X1/X2"], "search": ["both_latest"]}
    np.testing.assert_allclose(first(tmp_path / "p")[1], [1e-3, 0, 0], atol=1e-8)
    answers = ((404, b"", "HTTP 404"), (200, b"<html>", "No table was made"), (200, b"{}", "knows no"))
    for code, body, match in answers:
        service.answers = [(code, body)]
        with pytest.raises(ServiceError, match=match):
            gencal(str(uid_ms), str(tmp_path / "q"), "antpos", retry=0)
        assert not (tmp_path / "q").exists()


def test_a_service_that_is_not_there_is_an_error(sim_ms, tmp_path, monkeypatch):
    uid_ms = tmp_path / "uid___A002_X1_X2.ms"
    os.rename(sim_ms, uid_ms)
    monkeypatch.setenv(SERVICE_VARIABLE, "http://127.0.0.1:9/")
    with pytest.raises(ServiceError, match="give antenna and parameter"):
        gencal(str(uid_ms), str(tmp_path / "q"), "antpos", retry=0, timeout=2)
    assert not (tmp_path / "q").exists()


# ---------------------------------------------------------------- looking at them


def test_tables_are_listed_and_drawn(sim_ms, tmp_path):
    put_syscal(sim_ms)
    gencal(str(sim_ms), str(tmp_path / "t"), "tsys")
    gencal(str(sim_ms), str(tmp_path / "p"), "antpos", antenna="1", parameter=[1e-3, 2e-3, 3e-3])
    gencal(str(sim_ms), str(tmp_path / "o"), "opac", parameter=0.1)
    for name, heading in (("t", "Tsys"), ("p", "dX m"), ("o", "Opac")):
        listcal(str(sim_ms), str(tmp_path / name), listfile=str(tmp_path / f"{name}.txt"))
        assert heading in (tmp_path / f"{name}.txt").read_text()
        plotcal(str(tmp_path / name), figfile=str(tmp_path / f"{name}.png"), showgui=False)
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    plotbandpass(str(tmp_path / "t"), xaxis="freq", yaxis="amp", figfile=str(tmp_path / "bp.png"), interactive=False)
    assert list(tmp_path.glob("bp*.png"))
