"""Progress bars for loops over data: on a terminal, and nowhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")

_lock = threading.Lock()
_quiet = False
_display: Progress | None = None
_open_bars = 0


def set_quiet(quiet: bool) -> None:
    """Switch progress bars off (or on again) for this process."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether somebody asked for quiet."""
    return _quiet


def enabled() -> bool:
    """Whether bars are drawn: standard error is a terminal and nobody asked for quiet."""
    return not _quiet and sys.stderr is not None and sys.stderr.isatty()


def track(
    iterable: Iterable[T], total: float | None = None, label: str = "", *, size: Callable[[T], float] | None = None
) -> Iterator[T]:
    """Yield the items of an iterable and draw a bar of how far the loop is.

    Parameters
    ----------
    iterable : iterable
        Items, for example the blocks of `atacal.ms.stream.stream`.
    total : float, optional
        Number of items, or the sum of their sizes where ``size`` is given; by default ``len(iterable)`` if it has one.
    label : str
        What is being done, in a few words.
    size : callable, optional
        Size of an item in the unit of ``total``: ``lambda block: block.nrow``.

    Yields
    ------
    object
        The items, unchanged. A bar advances when the next item is asked for.

    Examples
    --------
    >>> list(track([1, 2, 3], label="counting"))
    [1, 2, 3]
    """
    if not enabled():
        yield from iterable
        return
    if total is None and isinstance(iterable, Sized) and size is None:
        total = len(iterable)
    display, bar = _open(label, total)
    try:
        for item in iterable:
            yield item
            display.advance(bar, 1.0 if size is None else size(item))
    finally:
        _close(display, bar)


def write(line: str) -> None:
    """Print a line to standard error, above the bars if there are any."""
    with _lock:
        display = _display
    if display is None:
        print(line, file=sys.stderr, flush=True)
    else:
        display.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _open(label: str, total: float | None) -> tuple[Progress, TaskID]:
    """Add a bar to the one display that a terminal can have, and start the display if there is none."""
    global _display, _open_bars
    with _lock:
        if _display is None:
            _display = _new_display()
            _display.start()
        _open_bars += 1
        return _display, _display.add_task(label, total=total)


def _close(display: Progress, bar: TaskID) -> None:
    global _display, _open_bars
    with _lock:
        display.remove_task(bar)
        _open_bars -= 1
        if _open_bars == 0:
            display.stop()
            _display = None


def _new_display() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=Console(stderr=True), transient=True)
