"""Processes that must end with a run: a shell's children too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_PDEATHSIG = 1


def die_with_parent(number: int) -> None:
    """Ask the kernel for a signal when the parent of this process ends (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PDEATHSIG, number, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """List the processes that a process has started, and theirs (Linux; elsewhere none)."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # the name, in brackets, may hold blanks: the parent is the second word after it
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(place.name))
    found, left = [], [pid]
    while left:
        left += children.get(left.pop(), [])
        found += [p for p in left if p not in found]
    return found


def kill(pids: list[int]) -> None:
    """End processes at once; those that have ended already do not matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
