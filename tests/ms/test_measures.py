"""casacore's leap seconds: no alarm where they are the current ones, a warning where they are not."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from atacal.ms import measures


def test_nothing_is_said_of_tables_that_are_merely_old():
    code = "from atacal.ms.measures import measures; measures(); print('done')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("done\n", "")


@pytest.mark.parametrize(("offset", "warned"), [(0.0, False), (-1.0, True)])
def test_a_leap_second_that_casacore_does_not_know(monkeypatch, caplog, offset, warned):
    known = measures._tai_utc_s()
    monkeypatch.setattr(measures, "_tai_utc_s", lambda: known + offset)
    measures._check_leap_seconds.cache_clear()
    with caplog.at_level(logging.WARNING, "atacal"):
        assert measures.measures().epoch("utc", "today")["type"] == "epoch"
    assert any("leap seconds" in r.message for r in caplog.records) == warned
    measures._check_leap_seconds.cache_clear()


def test_what_else_is_said_meanwhile_is_not_lost(monkeypatch, capfd):
    def chatting():
        import os

        os.write(2, b"from elsewhere\n")
        return 37.0

    monkeypatch.setattr(measures, "_tai_utc_s", chatting)
    measures._check_leap_seconds.cache_clear()
    measures.measures()
    assert capfd.readouterr().err == "from elsewhere\n"
    measures._check_leap_seconds.cache_clear()
