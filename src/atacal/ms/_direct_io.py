"""Files that several threads read and write at once, at places they name, without Python's lock.

Large files pass the kernel's page cache by (``O_DIRECT``) where their contents are not in it, when they are written and
when they are read once: giving out pages for gigabytes can cost more than the disk does (measured in
docs/benchmark.md). What the cache has already is read and written there. It is used as well for what it takes much
faster than the disk, and where direct access is refused or slow.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import DiskFull, InvalidTable, WriteError
from atacal.ms.space import reserve

_ALIGN = 4096
_BOUNCE_BYTES = 2 << 20
DIRECT_FROM = 256 << 20
"""Files from this size on pass the cache by [bytes]: smaller ones are likely to be read again soon."""
_MIN_DIRECT = 16 * _ALIGN  # two at least, so that a whole block lies inside
_TRIAL_BYTES = 64 << 20
_SLOW = 150e6
"""A thread whose direct access is slower than this gives it up: the cache takes what comes, reads ahead [bytes/s]."""

_bounce = threading.local()


class _Pace:
    """Which way the next piece is written: past the cache, or into it where that has been much quicker of late.

    A disk that several threads wait for makes writes past the cache slow. Those into it take the processor instead, and
    much of it when the kernel has no pages at hand, so they have to be twice as quick.
    """

    _GAIN, _LAST, _TRIAL = 2.0, 0.2, 16  # weight of the last piece; every so many pieces the other way is tried

    def __init__(self) -> None:
        self._seconds_per_byte = {True: 0.0, False: 0.0}
        self._pieces = 0

    def past_cache(self) -> bool:
        """Say whether the next piece should go past the cache."""
        self._pieces += 1
        past = self._seconds_per_byte[True] <= self._GAIN * self._seconds_per_byte[False]
        return past if self._pieces % self._TRIAL else not past

    def took(self, past: bool, seconds_per_byte: float) -> None:
        """Say what a piece took; roughly, threads overtake each other here."""
        before = self._seconds_per_byte[past] or seconds_per_byte
        self._seconds_per_byte[past] = before + self._LAST * (seconds_per_byte - before)


_pace = _Pace()


class SharedFile:
    """An open file with positional reads and writes.

    Parameters
    ----------
    path : path
    writable : bool
    size : int, optional
        Make a new file (or cut an old one) of this length, with room on the disk for all of it [bytes].
    large : bool
        It is part of something large: it passes the cache by even where it is not large itself.
    once : bool
        What is read will hardly be read again soon: take it from the cache if it is there, but do not put it there.

    Raises
    ------
    DiskFull
        If there is no room.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        writable: bool = False,
        size: int | None = None,
        large: bool = False,
        once: bool = False,
    ) -> None:
        self.path = Path(path)
        flags = os.O_RDWR if writable else os.O_RDONLY
        self._fd = os.open(self.path, flags | (os.O_CREAT | os.O_TRUNC if size is not None else 0), 0o666)
        self._direct_fd, self._direct_tried = -1, False
        self._direct_bytes, self._direct_seconds = 0, 0.0
        self._flags, self._once, self._large = flags, once, large
        self._cached: NDArray[np.bool_] | None = None
        self._lock = threading.Lock()
        try:
            if size:
                reserve(self.path, size, self.path.name)
                os.ftruncate(self._fd, size)
            self._size = os.fstat(self._fd).st_size
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        for fd in (self._fd, self._direct_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._direct_fd = -1

    def resize(self, size: int) -> None:
        """Cut the file, or fill it up with zeros [bytes]."""
        os.ftruncate(self._fd, size)

    def read(self, offset: int, out: NDArray, *, growing: bool = False) -> None:
        """Fill a C-contiguous array with the bytes from ``offset`` on; ``growing``: with zeros beyond the end.

        Raises
        ------
        InvalidTable
            If the file ends before.
        """
        view = out.reshape(-1).view(np.uint8).data
        done = self._read_once(offset, view) if self._once else 0
        while done < len(view):
            count = os.preadv(self._fd, [view[done:]], offset + done)
            if not count and growing:
                view[done:] = bytes(len(view) - done)
                return
            if not count:
                raise InvalidTable(f"{self.path} is damaged: it ends before byte {offset + len(view)}")
            done += count

    def view(self, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> NDArray:
        """Return part of the file as an array that is read where it is looked at; it goes when the array goes.

        Raises
        ------
        InvalidTable
            If the file is too short.
        """
        count = int(np.prod(shape))
        end = offset + count * dtype.itemsize
        if os.fstat(self._fd).st_size < end:
            raise InvalidTable(f"{self.path} is damaged: it ends before byte {end}")
        begin = offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        pages = mmap.mmap(self._fd, end - begin, prot=mmap.PROT_READ, offset=begin)
        return np.frombuffer(pages, dtype, count, offset - begin).reshape(shape)

    def _read_once(self, offset: int, view: memoryview) -> int:
        """Read past the cache what is not in it; return how many bytes came."""
        direct = self._direct(offset + len(view), len(view))
        if direct < 0:
            return 0
        buffer, done = _bounce_buffer(), 0
        while done < len(view):
            begin = (offset + done) // _ALIGN * _ALIGN
            skip = offset + done - begin
            length = min(_BOUNCE_BYTES, -(-(len(view) - done + skip) // _ALIGN) * _ALIGN)
            wanted = min(length - skip, len(view) - done)
            if self._is_cached(offset + done, wanted):
                count = os.preadv(self._fd, [view[done : done + wanted]], offset + done)
            else:
                begun = time.perf_counter()
                count = min(os.preadv(direct, [buffer[:length]], begin) - skip, wanted)
                _copy(buffer[skip : skip + max(count, 0)], view[done : done + max(count, 0)])
                self._count(count, begun)
            if count <= 0:
                break
            done += count
        return done

    def _is_cached(self, offset: int, length: int) -> bool:
        with self._lock:
            if self._cached is None:
                self._cached = _pages_in_cache(self._fd, self._size)
        pages = self._cached[offset // mmap.PAGESIZE : (offset + length - 1) // mmap.PAGESIZE + 1]
        return bool(len(pages)) and bool(pages.all())

    def write(self, offset: int, values: NDArray) -> None:
        """Write a C-contiguous array at ``offset`` [bytes].

        Raises
        ------
        DiskFull, WriteError
        """
        data = values.reshape(-1).view(np.uint8).data
        try:
            direct = self._direct(offset + len(data), len(data))
            if direct < 0:
                _write(self._fd, offset, data)
                return
            begin = -(-offset // _ALIGN) * _ALIGN
            end = (offset + len(data)) // _ALIGN * _ALIGN
            _write(self._fd, offset, data[: begin - offset])
            for at in range(begin, end, _BOUNCE_BYTES):
                self._write_piece(direct, at, data[at - offset : min(at + _BOUNCE_BYTES, end) - offset])
            _write(self._fd, end, data[end - offset :])
        except OSError as error:
            kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else WriteError
            raise kind(f"{self.path} cannot be written: {error.strerror}") from error

    def _write_piece(self, direct: int, offset: int, piece: memoryview) -> None:
        """Write some whole blocks of the disk, past the cache or into it."""
        if self._is_cached(offset, len(piece)):
            _write(self._fd, offset, piece)
            return
        past, begun = _pace.past_cache(), time.perf_counter()
        if past:
            buffer = _bounce_buffer()[: len(piece)]
            _copy(piece, buffer)
            _write(direct, offset, buffer)
        else:
            _write(self._fd, offset, piece)
        _pace.took(past, (time.perf_counter() - begun) / len(piece))

    def _direct(self, end: int, length: int) -> int:
        """Return the descriptor for direct access up to ``end``, -1 if it is not worth while or not possible."""
        if not (self._large or max(end, self._size) >= DIRECT_FROM) or length < _MIN_DIRECT:
            return -1
        with self._lock:
            if not self._direct_tried:
                self._direct_tried = True
                with suppress(OSError, AttributeError):  # a file system or an operating system without it
                    self._direct_fd = os.open(self.path, self._flags | os.O_DIRECT)
        slow = self._direct_bytes > _TRIAL_BYTES and self._direct_bytes < _SLOW * self._direct_seconds
        return -1 if slow else self._direct_fd

    def _count(self, length: int, begun: float) -> None:
        """Measure how fast direct access is; roughly, threads overtake each other here."""
        self._direct_seconds += time.perf_counter() - begun
        self._direct_bytes += length


def _write(fd: int, offset: int, view: memoryview) -> None:
    done = 0
    while done < len(view):
        done += os.pwrite(fd, view[done:], offset + done)


def _copy(source: memoryview, target: memoryview) -> None:
    """Copy bytes without Python's lock, which an assignment of memoryviews would hold."""
    np.copyto(np.frombuffer(target, np.uint8), np.frombuffer(source, np.uint8))


def _pages_in_cache(fd: int, size: int) -> NDArray[np.bool_]:
    """Return which pages of a file the kernel has in memory; all, where it does not tell."""
    npage = -(-size // mmap.PAGESIZE)
    pages = np.ones(npage, np.uint8)
    mincore = getattr(ctypes.CDLL(None, use_errno=True), "mincore", None)
    if size and mincore is not None:
        with mmap.mmap(fd, size, prot=mmap.PROT_READ) as mapped:
            whole = np.frombuffer(mapped, np.uint8)
            mincore(ctypes.c_void_p(whole.ctypes.data), ctypes.c_size_t(size), ctypes.c_void_p(pages.ctypes.data))
            del whole
    return (pages & 1).astype(bool)


def _bounce_buffer() -> memoryview:
    """Return this thread's buffer, which lies in memory as the kernel wants it."""
    buffer: memoryview | None = getattr(_bounce, "buffer", None)
    if buffer is None:
        buffer = _bounce.buffer = memoryview(mmap.mmap(-1, _BOUNCE_BYTES))
    return buffer
