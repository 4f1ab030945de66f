"""Progress bars: on a terminal, and nowhere else."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from atacal import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Make standard error a terminal (in the test itself: pytest puts its own there between set-up and test)."""

    def make() -> Terminal:
        monkeypatch.setenv("TERM", "xterm")
        screen = Terminal()
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    yield make
    assert progress._display is None, "no bar may stay open"
    progress.set_quiet(False)


def test_without_a_terminal_it_is_silent_and_loads_nothing():
    code = "import sys; from atacal.progress import track; assert list(track(range(3), label='x')) == [0, 1, 2]; "
    code += "assert 'rich' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_on_a_terminal_it_draws(terminal):
    screen = terminal()
    assert list(progress.track([1, 2, 3], label="reading blocks")) == [1, 2, 3]
    assert "reading blocks" in screen.getvalue()


def test_quiet_draws_nothing(terminal):
    screen = terminal()
    progress.set_quiet(True)
    assert list(progress.track([1, 2], label="reading blocks")) == [1, 2]
    assert screen.getvalue() == ""


def test_a_bar_advances_by_the_sizes_of_the_items(terminal):
    terminal()
    items = progress.track(iter("abc"), total=60, label="rows", size={"a": 10, "b": 20, "c": 30}.__getitem__)
    next(items)
    next(items)
    display = progress._display
    assert display is not None
    bar = display.tasks[0]
    assert (bar.completed, bar.total) == (10, 60)
    items.close()


def test_loops_may_be_nested(terminal):
    terminal()
    pairs = [(a, b) for a in progress.track("ab", label="outer") for b in progress.track("cd", label="inner")]
    assert pairs == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]


def test_an_error_in_the_loop_closes_the_bar(terminal):
    terminal()

    def broken():
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(progress.track(broken(), total=2, label="x"))


def test_leaving_the_loop_closes_the_bar(terminal):
    terminal()
    items = progress.track([1, 2, 3], label="x")
    next(items)
    items.close()


def test_lines_are_printed_above_the_bar(terminal):
    screen = terminal()
    for _ in progress.track([1], label="x"):
        progress.write("found [3] solutions")
    assert "found [3] solutions" in screen.getvalue()
