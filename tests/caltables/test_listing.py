"""Tables as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.listing import list_lines
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.ms.metadata import Antenna, Field


def small_table(par_type: str = "Complex", kind: str = "G Jones", nchan: int = 1) -> CalTable:
    antennas = tuple(Antenna(i, f"DA4{i}", "", (0.0, 0.0, 0.0), 12.0, "ALT-AZ", False) for i in range(5))
    fields = tuple(Field(i, name, "", i, (0.0, 0.0), "J2000", 0.0) for i, name in enumerate(("near", "far away")))
    shape = (2, 5, nchan, 2)
    param = np.full(shape, 2.5) if par_type == "Float" else np.full(shape, 1.5 * np.exp(0.25j * np.pi))
    flag = np.zeros(shape, bool)
    flag[1, 2, 0, 1] = True
    zeros = np.zeros(shape, np.float32)
    ids = np.arange(2, dtype=np.int32)
    sol = SpwSolutions(
        3, 5e9 + 60.0 * ids, np.zeros(2), ids, ids, 0 * ids, np.zeros((2, 5), np.int32), param, zeros, zeros, flag
    )
    return CalTable(kind, par_type, "", "X.ms", antennas, fields, (), {3: sol}, Path("X.ms"), Path("X.G"))


def lines(table: CalTable, **options: object) -> list[str]:
    given = {"fields": [0, 1], "antennas": range(5), "channels": {3: [0]}, "ms_path": "/data/X.ms", **options}
    return list(list_lines(table, **given))  # type: ignore[arg-type]


def test_complex_table() -> None:
    text = lines(small_table())
    assert text[0] == "SpwID = 3, Date = 2017/04/27,  CalTable = X.G (G Jones), MS name = /data/X.ms"
    assert text[2] == " " * 23 + "|" + "".join(f" Ant = DA4{i}                  |" for i in range(4))
    assert text[3] == "Time       Field    Chn|" + " Amp    Phs  F  Amp    Phs  F|" * 4
    assert text[5] == "08:53:20.0     near   0|" + "1.500   45.0   1.500   45.0   " * 4
    assert text[6].count("F") == 1
    assert text[6][24 + 30 * 2 + 28] == "F", "antenna 2, second polarisation"
    assert text[7].startswith(" " * 23 + "| Ant = DA44"), "the fifth antenna has lines of its own"
    assert text[-2] == "Listed 10 antenna solutions."
    assert {len(text[i]) for i in (1, 2, 3, 4, 6)} == {24 + 30 * 4}


@pytest.mark.parametrize(("kind", "heading"), [("K Jones", "Delay "), ("B TSYS", "Tsys")])
def test_float_table(kind: str, heading: str) -> None:
    text = lines(small_table("Float", kind))
    assert f"|{heading:>10}   F" in text[3]
    assert text[5] == "08:53:20.0     near   0|" + "   2.50000     " * 8


def test_selection_and_pages() -> None:
    table = small_table(nchan=20)
    text = lines(table, fields=[1], antennas=[4, 2], channels={3: list(range(20))}, page_rows=10)
    rows = [line for line in text if line[:2] == "08"]
    assert len(rows) == 20
    assert all("far away" in row for row in rows)
    assert sum(line.startswith("Time") for line in text) == 4
    assert text[2].index("DA44") < text[2].index("DA42")
    unbroken = lines(table, fields=[1], antennas=[4, 2], channels={3: list(range(20))}, page_rows=0)
    assert sum(line.startswith("Time") for line in unbroken) == 1
