"""The tool casalog: the form of its lines, and what atacal's tasks say in it."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest

from atacal.errors import ToolError, WriteError
from atacal.results import LISTING
from atacal.scripts.tools import casalog, log_tool, logsink
from atacal.tasks import fluxscale, gaincal, listobs, setjy

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\t(\w+)\t(.*?)\t(.*)")


@pytest.fixture(autouse=True)
def own_log(tmp_path, monkeypatch):
    """A log of the test's own; atacal's logger is put back as it was."""
    logger = logging.getLogger("atacal")
    handlers, level = list(logger.handlers), logger.level
    monkeypatch.setattr(log_tool, "_file", log_tool._File())
    casalog.setlogfile(str(tmp_path / "test.log"))
    yield
    logger.handlers, logger.level = handlers, level


def lines(path):
    return [LINE.fullmatch(line).groups() for line in open(path).read().splitlines()]


def test_lines_are_casas(tmp_path):
    casalog.post("hello")
    casalog.post("two\nlines", "WARN", "me")
    casalog.origin("fluxscale")
    casalog.post("x", priority="error")
    assert lines(tmp_path / "test.log") == [
        ("INFO", "::casa", "hello"),
        ("WARN", "me::me::casa", "two"),
        ("WARN", "me::me::casa+", "lines"),
        ("SEVERE", "fluxscale::::casa", "x"),
    ]


def test_the_file_changes_for_all_instances_and_back(tmp_path):
    before = casalog.logfile()
    casalog.setlogfile(str(tmp_path / "X.ms.wvrgcal"))
    logsink().post("in between")
    casalog.setlogfile(before)
    casalog.post("after")
    assert [line[2] for line in lines(tmp_path / "X.ms.wvrgcal")] == ["in between"]
    assert [line[2] for line in lines(before)] == ["after"]


def test_the_filter_keeps_lesser_messages_out(tmp_path):
    casalog.filter("WARN")
    casalog.post("not this")
    casalog.post("this", "WARN")
    casalog.filter("INFO")
    casalog.filterMsg("noise")
    casalog.post("some noise")
    casalog.clearFilterMsgList()
    assert [line[2] for line in lines(tmp_path / "test.log")] == ["this"]
    with pytest.raises(ToolError, match="'LOUD'"):
        casalog.filter("LOUD")


def test_what_fluxscale_finds_stands_there_in_casas_words(tmp_path, sim_ms):
    setjy(str(sim_ms), field="1", standard="manual", fluxdensity=[2.0, 0.0, 0.0, 0.0])
    gaincal(str(sim_ms), str(tmp_path / "g"), field="0,1", solint="inf", refant="0", spw="*:8~56")
    casalog.setlogfile(str(tmp_path / "fluxscale.log"))
    found = fluxscale(str(sim_ms), str(tmp_path / "g"), str(tmp_path / "f"), reference="1", transfer="0")
    said = lines(tmp_path / "fluxscale.log")
    assert {origin for _, origin, _ in said} == {"fluxscale::::"}
    flux = re.compile(r" Flux density for (\S+) in SpW=(\d+) \(freq=(\S+) Hz\) is: (\S+) \+/- (\S+) \(SNR = .*\)")
    told = [m.groups() for _, _, text in said if (m := flux.fullmatch(text))]
    assert [int(t[1]) for t in told] == [0, 1]
    for name, spw, _, value, _ in told:
        assert name == found["0"]["fieldName"]
        assert float(value) == pytest.approx(found["0"][spw]["fluxd"][0], rel=1e-5)


def test_warnings_of_atacal_are_in_the_log_and_reach_a_person(tmp_path, capsys):
    logging.getLogger("atacal").handlers = [log_tool._handler]
    logging.getLogger("atacal").warning("mind %s", np.float64(1))
    assert lines(tmp_path / "test.log") == [("WARN", "::casa", "mind 1.0")]
    assert "mind 1.0" in capsys.readouterr().err


def test_other_handlers_hear_no_more_than_before():
    logger = logging.getLogger("atacal")
    logger.handlers = [quiet := logging.StreamHandler()]
    logger.setLevel(logging.WARNING)
    casalog.logfile()
    assert logger.level == LISTING
    assert quiet.level == logging.WARNING


def test_a_log_needs_a_folder(tmp_path):
    with pytest.raises(WriteError, match="no folder"):
        casalog.setlogfile(str(tmp_path / "nowhere" / "x.log"))


def test_a_listing_is_in_the_log_and_not_on_the_terminal(tmp_path, sim_ms):
    logger = logging.getLogger("atacal")
    heard = []
    terminal = logging.Handler()
    terminal.emit = heard.append
    logger.handlers, logger.level = [terminal], logging.INFO
    casalog.setlogfile(str(tmp_path / "listobs.log"))
    page = str(listobs(str(sim_ms)))
    said = lines(tmp_path / "listobs.log")
    assert [text for _, _, text in said] == page.split("\n")
    assert {origin.rstrip("+") for _, origin, _ in said} == {"listobs::::casa"}
    assert heard == []
