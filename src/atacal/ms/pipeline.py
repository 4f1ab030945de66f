"""Work on blocks by several threads, results in order, a bounded number of them at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WORKERS = max(1, len(os.sched_getaffinity(0)))
"""Threads to share work among: the cores that this process may use."""

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
