"""The stage antpos: corrections from a file, by hand, from what a service has answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, ServiceError
from atacal.pipeline.block import Block
from atacal.pipeline.stages.antpos import hifa_antpos
from atacal.pipeline.workplace import at_work

NAMES = "name,antenna,xoff,yoff,zoff,comment\n"


@pytest.fixture
def block(begun_copy) -> Iterator[Block]:
    (vis,) = begun_copy.glob("*.ms")
    with at_work(begun_copy):
        yield Block(begun_copy, vis.name, 9, "hifa_antpos", "today", {})


def offsets(block: Block) -> dict[str, list[float]]:
    (entry,) = block.library.entries
    table = read_caltable(block.path(entry.gaintable))
    param = table.solutions[0].param[0, :, 0]
    return {a.name: param[a.id].tolist() for a in table.antennas if np.any(param[a.id])}


def test_a_file(block):
    a, b, c = block.facts.metadata.antenna_names()[:3]
    rows = f"{block.name},{a},0.001,-0.002,0.003,why\n{block.stem},{b},0,0,0,\nother.ms,{c},9,9,9,\n"
    (block.folder / "antennapos.csv").write_text(NAMES + rows)
    hifa_antpos(block)
    assert offsets(block) == {a: pytest.approx([0.001, -0.002, 0.003])}
    assert block.library.entries[0].term == "antpos"
    (row,) = block.out.decisions["corrections"]
    assert (row["antenna"], row["total_mm"]) == (a, pytest.approx(np.sqrt(14), abs=1e-4))
    highest = max(s.chan_freq_hz.max() for s in block.facts.spws)
    assert row["wavelengths"] == pytest.approx(np.sqrt(14) * 1e-3 * highest / 299792458.0, abs=1e-4)
    assert block.out.decisions["beyond"] == [a]
    assert [s.value for s in block.out.scores] == [0.9]
    assert len(block.out.charts) == 1


def test_the_columns_that_newer_pipelines_write(block):
    a = block.facts.metadata.antenna_names()[0]
    text = f"ms,antenna,xoffset,yoffset,zoffset,comment\n{block.name},{a},0.0,0.01,0.0,none\n"
    (block.folder / "mine.csv").write_text(text)
    hifa_antpos(block, antposfile="mine.csv")
    assert offsets(block) == {a: pytest.approx([0.0, 0.01, 0.0])}


@pytest.mark.parametrize("text", [None, f"{NAMES}other.ms,DA41,1,1,1,\n"])
def test_no_corrections(block, text):
    if text is not None:
        (block.folder / "antennapos.csv").write_text(text)
    hifa_antpos(block)
    assert block.library.entries == []
    assert block.out.tables == []
    assert [s.value for s in block.out.scores] == [1.0]
    assert "antennapos.csv" in block.out.messages[0].text


def test_by_hand(block):
    a, b = block.facts.metadata.antenna_names()[1:3]
    hifa_antpos(block, hm_antpos="manual", antenna=f"{a},{b}", offsets=[1e-3, 0, 0, 0, 0, 2e-3])
    assert offsets(block) == {a: pytest.approx([1e-3, 0, 0]), b: pytest.approx([0, 0, 2e-3])}


def test_what_the_service_has_answered_is_taken_again(block):
    meta = block.facts.metadata
    one = meta.antennas[2]
    moved = [p + d for p, d in zip(one.position_m, (0.0, 2e-3, 0.0), strict=True)]
    data = {"data": {one.name: moved}, "metadata": {"product_code": "antposalma"}}
    (block.folder / f"{block.stem}.antennapos.json").write_text(json.dumps(data))
    hifa_antpos(block, hm_antpos="online")
    assert offsets(block) == {one.name: pytest.approx([0.0, 2e-3, 0.0], abs=1e-6)}


def test_a_service_that_does_not_answer(block, monkeypatch):
    monkeypatch.setenv("ATACAL_ANTPOS_SERVICE", "http://127.0.0.1:9/")
    monkeypatch.setattr("atacal.pipeline.stages.antpos._RETRIES", 0)
    with pytest.raises(ServiceError, match="no antenna positions"):
        hifa_antpos(block, hm_antpos="online")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hm_antpos": "guess"}, "hm_antpos"),
        ({"search": "first"}, "search"),
        ({"antposfile": "nowhere.csv"}, "nowhere.csv"),
        ({"hm_antpos": "manual", "antenna": "DA41", "offsets": [1.0]}, "need 3"),
        ({"hm_antpos": "manual", "antenna": "XX99", "offsets": [1.0, 0, 0]}, "XX99"),
    ],
)
def test_impossible_arguments(block, given, words):
    with pytest.raises(ArgumentError, match=words):
        hifa_antpos(block, **given)
