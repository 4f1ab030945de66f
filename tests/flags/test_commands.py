"""Reading flag commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.flags.commands import Command, make_command
from atacal.flags.entries import commands_of, read_entries
from atacal.flags.lines import parse_line


def read_commands(*what: Any, **options: Any) -> list[Command]:
    return commands_of(read_entries(*what, **options))


TEXT = st.text("abcdefgXYZ0123456789,;:~*&<>.-/ ", max_size=20).map(str.strip)


@given(antenna=TEXT, spw=TEXT, limits=st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_a_command_written_out_reads_back(antenna: str, spw: str, limits: tuple[float, float]) -> None:
    command = make_command({"mode": "clip", "antenna": antenna, "spw": spw, "clipminmax": list(limits)})
    assert make_command(parse_line(str(command)), strict=True) == command


def test_a_line_has_casas_types() -> None:
    line = "mode='clip' clipminmax=[0.0, 1.5] clipoutside=false spw=0 reason=\"two words\""
    assert parse_line(line) == {
        "mode": "clip", "clipminmax": [0.0, 1.5], "clipoutside": False, "spw": 0, "reason": "two words",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["antenna", "antenna='DA41", "clipminmax=[0,1", "colour='red'", "mode='rflag'"])
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(ArgumentError, match="flag command 0"):
        read_commands([line])


def test_files_reasons_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "flags.txt"
    file.write_text("# comment\n\nscan='1' reason='bad'\nscan='2'\nmode='shadow' reason='dark'\n")
    assert len(read_commands(str(file))) == 3
    assert [c.mode for c in read_commands(str(file), reason=["bad", "dark"])] == ["manual", "shadow"]
    with pytest.raises(ArgumentError, match="rain"):
        read_commands(str(file), reason="rain")


@pytest.mark.parametrize(
    ("tbuff", "expected"),
    [(0.5, "2013/11/15/10:25:29.500~2013/11/15/10:25:33.500"),
     ([1.0, 2.0], "2013/11/15/10:25:29.000~2013/11/15/10:25:35.000")],
)  # fmt: skip
def test_tbuff_widens_times(tbuff: float | list[float], expected: str) -> None:
    (command,) = read_commands(["timerange='2013/11/15/10:25:30~2013/11/15/10:25:33'"], tbuff=tbuff)
    assert command.selection.timerange == expected


@pytest.mark.parametrize(
    "values",
    [{"mode": "tfcrop"}, {"mode": "quack", "quackmode": "middle"}, {"mode": "quack", "quackinterval": 0.0},
     {"mode": "clip", "clipminmax": [1.0]}, {"mode": "clip", "channelavg": True}],
)  # fmt: skip
def test_values_that_cannot_be(values: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        make_command(values)
