"""The kernel's own fence: from a call on, this process and its children write in some folders only.

Landlock (Linux 5.19 and newer for what is needed here) works without privileges and cannot be taken back; it holds for
casacore's files and for shell commands as well, of which Python's audit hooks know nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on all architectures
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38
_WRITE_FILE, _TRUNCATE, _REFER = 1 << 1, 1 << 14, 1 << 13
_TREE = sum(1 << bit for bit in range(4, 13))  # remove directory, file; make character ... symbolic link
_O_PATH = 0o10000000

OLDEST = 2
"""First version of Landlock that lets files move between folders."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("handled_access_fs", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def version() -> int:
    """Return the version of Landlock that the kernel has; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    found = _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(int(found), 0)


def restrict(folders: Iterable[str], files: Iterable[str] = ()) -> bool:
    """Let this process, and those it starts, write, make and delete only in some folders.

    Parameters
    ----------
    folders : iterable of str
        With all that is in them.
    files : iterable of str
        Single files (devices) that may be written.

    Returns
    -------
    bool
        Whether the kernel does it; False where it has no Landlock, or one of before version 2.
    """
    have = version()
    if have < OLDEST:
        return False
    handled = _WRITE_FILE | _TREE | _REFER | (_TRUNCATE if have >= 3 else 0)
    attributes = _Ruleset(handled)
    ruleset = _syscall(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    try:
        for folder in folders:
            _allow(ruleset, folder, handled)
        for file in files:
            _allow(ruleset, file, handled & (_WRITE_FILE | _TRUNCATE))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there: nothing to allow
    try:
        rule = _PathBeneath(access, place)
        _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(place)


def _syscall(number: int, *args: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *args))
