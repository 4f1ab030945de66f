"""How much memory a run may take: one bound for the whole process, divided by those who hold data.

Whoever reads data asks `for_data` for the bytes that are left for them, and makes its blocks so small that all it holds
at a time fits: blocks that wait, blocks that threads work on, what work on a block needs besides, sums. Nobody may hold
something that grows with the MeasurementSet but the table of runs (`atacal.ms.rows`) and the solutions of a table.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from atacal.errors import ArgumentError

DEFAULT_LIMIT = 1 << 30
"""Bound without `memory_limit` [bytes]."""

PROCESS_BYTES = 256 << 20
"""What the interpreter, the libraries and compiled code take without any data [bytes], measured (docs/benchmark.md)."""

LEAST_DATA_BYTES = 32 << 20
"""With less than this for data a run would do little but call functions [bytes]."""

WORK_COPIES = 4
"""How many times its own size a block takes while it is worked on: itself, and what is derived from it."""

_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_limit: ContextVar[int] = ContextVar("atacal_memory_limit", default=DEFAULT_LIMIT)


@contextmanager
def memory_limit(size: int | str) -> Iterator[int]:
    """Bound the memory of what is called inside.

    Parameters
    ----------
    size : int or str
        For the whole process, at its peak [bytes], or as text: ``500MB``, ``1.5GB``; every prefix counts in 1024s.
        Interpreter and libraries take about 250 MB of it. What the caller holds itself is not counted.

    Yields
    ------
    int
        The bound [bytes].

    Raises
    ------
    ArgumentError
        If it cannot be read as a size, or is too small for any run.

    Examples
    --------
    >>> import atacal
    >>> with atacal.memory_limit("500MB"):  # doctest: +SKIP
    ...     applycal("X.ms", gaintable=["X.phase"])
    """
    limit = parse_size(size)
    least = PROCESS_BYTES + LEAST_DATA_BYTES
    if limit < least:
        raise ArgumentError(
            f"a memory bound of {size_text(limit)} is too small: the interpreter and its libraries take about "
            f"{size_text(PROCESS_BYTES)}; the least that is possible is {size_text(least)}"
        )
    if limit < DEFAULT_LIMIT:
        _free_blocks_at_once()
    token = _limit.set(limit)
    try:
        yield limit
    finally:
        _limit.reset(token)


def is_bounded() -> bool:
    """Whether the bound is tighter than it is by itself."""
    return _limit.get() < DEFAULT_LIMIT


def current_limit() -> int:
    """Return the bound on the process's memory [bytes]."""
    return _limit.get()


def for_data() -> int:
    """Return what all data that a run holds at a time may take together [bytes].

    Whoever holds data asks here first, so here the C library learns what to do with memory that is freed.
    """
    if not is_bounded():
        _keep_freed_memory()
    return _limit.get() - PROCESS_BYTES


def block_bytes(memory: int, one_row: int, what: str, *, blocks: int, cap: int = 16 << 20) -> int:
    """Return how large blocks may be.

    Parameters
    ----------
    memory : int
        What they may take together [bytes].
    one_row : int
        Bytes of the smallest block that there can be.
    what : str
        What is read, for the message: ``spw 3 of X.ms``.
    blocks : int
        How many there are at a time.
    cap : int
        Larger ones are not quicker: large against a tile and a Python call, small enough for memory to be used again
        at once [bytes].

    Raises
    ------
    ArgumentError
        If not even one row fits.
    """
    share = memory // (WORK_COPIES * blocks)
    if one_row > share:
        raise too_small(WORK_COPIES * blocks * one_row - memory, f"a single row of {what} takes {size_text(one_row)}")
    return min(cap, share)


def too_small(missing: int, why: str) -> ArgumentError:
    """Return the error for a bound to which some bytes are missing."""
    limit = _limit.get()
    return ArgumentError(
        f"{why}: that does not fit into the memory bound of {size_text(limit)}; "
        f"the least that is possible is {size_text(limit + missing)} (--memory, or atacal.memory_limit)"
    )


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _PERTURB, _ARENA_MAX = -1, -3, -6, -8
"""Options of mallopt in the C library's <malloc.h>."""


@cache
def _keep_freed_memory() -> None:
    """Have the C library keep freed arrays for the next ones, in one pool for all threads, for the rest of the process.

    Left to itself it gives large arrays back to the system, and a pool to each thread. Blocks are made and freed all
    the time; a page that comes back from the system is filled with zeros first, which took a tenth to a fifth of the
    time of a solve (measured: 25,000 pages in a bandpass solve, 500 with this).
    """
    for option, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, DEFAULT_LIMIT), (_TRIM_THRESHOLD, DEFAULT_LIMIT)):
        _set_malloc(option, value)


@cache
def _free_blocks_at_once() -> None:
    """Have the C library return each array of 1 MB or more to the system when it is freed, for the rest of the process.

    To keep them is quicker, but they break up over a run of many steps: calibrate then holds about 100 MB that nothing
    uses (measured).
    """
    for option, value in ((_MMAP_THRESHOLD, 1 << 20), (_TRIM_THRESHOLD, 1 << 20)):
        _set_malloc(option, value)


def same_bytes() -> None:
    """Have the C library fill new memory with one byte, for the rest of the process.

    casacore writes the unused ends of its buffers to its files; with this they are the same whenever a table is made.
    """
    _set_malloc(_PERTURB, 165)


def _set_malloc(option: int, value: int) -> None:
    """Set an option of the C library's memory; where it has none, there is nothing to do."""
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(option, value)


def give_back() -> None:
    """Return memory that nothing uses any more to the system, between the steps of a run.

    Figures are held by themselves until Python looks for cycles, and the C library keeps what was freed.
    """
    import ctypes

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def parse_size(size: int | str) -> int:
    """Read a number of bytes: ``500MB``, ``1GiB``, ``2g``, ``1000000``; every prefix counts in 1024s.

    Raises
    ------
    ArgumentError
    """
    match = _SIZE.fullmatch(str(size))
    if not match:
        raise ArgumentError(f"{size!r} is not an amount of memory; write it as 500MB, 1.5GB or a number of bytes")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def size_text(size: int) -> str:
    """Write a number of bytes as `parse_size` reads it, rounded up: ``288MB``."""
    unit, name = next(((u, n) for u, n in ((1 << 20, "MB"), (1 << 10, "KB")) if size >= 10 * u), (1, ""))
    return f"{-(-size // unit)}{name}"
