"""Work on blocks by several threads, results in order, a bounded number of them at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

WORKERS = max(1, len(os.sched_getaffinity(0)))
"""Threads to share work among: the cores that this process may use."""

IN_FLIGHT = WORKERS + 2
"""Results of `in_order` that exist at a time: those in the making or waiting, the one that is begun while the caller
asks for the next, and the one that the caller still has."""

A = TypeVar("A")
B = TypeVar("B")


def in_order(
    work: Callable[[A], B], items: Iterable[A], *, ahead: int = WORKERS, workers: int = WORKERS
) -> Iterator[B]:
    """Yield ``work(item)`` for each item, in the items' order, done by threads ahead of the caller.

    Parameters
    ----------
    work : callable
        It must be safe to run in several threads.
    items : iterable
    ahead : int
        How many results may be waiting or in the making.
    workers : int
        Threads.

    Yields
    ------
    result
        An error in ``work`` comes out where its result is waited for.
    """
    waiting: deque[Future[B]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="atacal")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_shares(work: Callable[[int, int], B], count: int, *, shares: int = WORKERS) -> list[B]:
    """Share numbers 0 to ``count`` - 1 among threads: ``work(first, last)`` for stretches of them.

    It is for compiled code that lets go of Python's lock. (numba's own threads wait for work in busy loops and take the
    time of those that read meanwhile.)

    Parameters
    ----------
    work : callable
    count : int
    shares : int
        Stretches to make.

    Returns
    -------
    list
        What the calls return, in order.
    """
    edges = sorted({count * k // shares for k in range(shares + 1)})
    parts = list(pairwise(edges))
    if len(parts) < 2:
        return [work(*part) for part in parts]
    return list(_team().map(lambda part: work(*part), parts))


@cache
def _team() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="atacal-share")
