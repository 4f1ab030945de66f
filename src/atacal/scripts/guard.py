"""What a script may change: files in its own folder, nothing else.

Three fences, one behind the other. An audit hook sees what Python does (remove, rename, open for writing, run a
command) and refuses it with an error that says what and where; shell commands are read before they run
(`atacal.scripts.shell`); and where the kernel has Landlock it stops everything else, casacore's files included.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from atacal.errors import AtacalError
from atacal.scripts import landlock
from atacal.scripts.shell import plan_of, text_of

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/stdout", "/dev/stderr")
_DEVICE_FOLDERS = ("/dev/pts", "/dev/shm", "/dev/fd", "/proc/self/fd")


COMPILED = ("apply", "images", "ms", "solve")
"""Rooms with compiled loops; their caches are beside them."""


class Refused(AtacalError, PermissionError):
    """A script would change something outside of its folder, or run a command that cannot be checked."""


class Guard:
    """The folders in which a script may change files.

    Parameters
    ----------
    root : str
        The script's folder: everything in it may be changed.
    others : sequence of str
        Folders that the run itself needs: for temporary files, caches.
    allow_shell : bool
        Run commands that cannot be checked too.
    """

    def __init__(self, root: str, others: Sequence[str] = (), *, allow_shell: bool = False) -> None:
        self.root = os.path.realpath(root)
        self._others = tuple(os.path.realpath(o) for o in others)
        self._allow_shell = allow_shell
        self.refused: list[str] = []
        self.kernel = False

    def install(self) -> None:
        """Put the hook in place; it cannot be taken away again in this process."""
        sys.addaudithook(self._audit)

    def restrict_kernel(self) -> bool:
        """Let the kernel guard the folders too, if it can."""
        self.kernel = landlock.restrict([self.root, *self._others, *_DEVICE_FOLDERS], DEVICES)
        return self.kernel

    def require_inside(self, path: str | bytes | os.PathLike[str], what: str, *, follow: bool = True) -> None:
        """Raise unless a path may be changed.

        Parameters
        ----------
        path : path
            Relative ones to the current folder.
        what : str
            What would be done, for the message: ``delete``.
        follow : bool
            Whether a link at the path's end is followed.

        Raises
        ------
        Refused
        """
        text = os.fsdecode(os.fspath(path))
        real = _real(text, follow)
        if self._may_change(real):
            return
        through = f" (which is {real})" if real != os.path.abspath(text) else ""
        self._refuse(
            f"the script would {what} {text}{through}, outside of the folder it may change, {self.root}; "
            "--root names another folder"
        )

    def check_command(self, command: str | bytes | Sequence[Any], folder: str | None = None) -> None:
        """Raise unless a shell command changes only what may be changed.

        Raises
        ------
        Refused
        """
        words: Any = command
        words = os.fsdecode(words) if isinstance(words, (str, bytes)) else [os.fsdecode(os.fspath(c)) for c in words]
        plan = plan_of(words, folder)
        if plan.unclear:
            if not self._allow_shell:
                self._refuse(
                    f"what the command `{text_of(words)}` does cannot be checked ({plan.unclear}); --allow-shell runs "
                    "such commands"
                )
            return
        for change in plan.changes:
            follow = change.how != "delete"
            self.require_inside(change.path, f"{change.how} (by `{text_of(words)}`)", follow=follow)
            if change.how == "delete" and os.path.realpath(change.path) == self.root:
                self._refuse(f"`{text_of(words)}` would remove the folder {self.root} itself")

    def _may_change(self, real: str) -> bool:
        if any(_beneath(real, folder) for folder in (self.root, *self._others)):
            return True
        return real in DEVICES or any(_beneath(real, f) for f in _DEVICE_FOLDERS) or real.startswith("/proc/")

    def _refuse(self, message: str) -> None:
        self.refused.append(message)
        raise Refused(message)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        check = _CHECKS.get(event)
        if check is not None:
            check(self, args)


def _beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _real(path: str, follow: bool) -> str:
    """Resolve a path; without ``follow`` its last part is taken as it is."""
    if follow or os.path.basename(path) in ("", ".", ".."):
        return os.path.realpath(path)
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(os.path.dirname(path) or "."), name) if name else os.path.realpath(folder)


def _at(path: Any, dir_fd: Any) -> str | None:
    """Make a path of what an audit event has: a name, maybe relative to an open folder; None for a descriptor."""
    if isinstance(path, int) or path is None:
        return None
    text = os.fsdecode(os.fspath(path))
    if isinstance(dir_fd, int) and dir_fd >= 0 and not os.path.isabs(text):
        try:
            return os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), text)
        except OSError:
            return text
    return text


def _one(what: str, *, follow: bool, fd_at: int | None = None) -> Callable[[Guard, tuple[Any, ...]], None]:
    def check(guard: Guard, args: tuple[Any, ...]) -> None:
        path = _at(args[0], args[fd_at] if fd_at is not None and len(args) > fd_at else None)
        if path is not None:
            guard.require_inside(path, what, follow=follow)

    return check


def _opened(guard: Guard, args: tuple[Any, ...]) -> None:
    path, _, flags = args
    if isinstance(flags, int) and flags & _WRITING and (text := _at(path, None)) is not None:
        guard.require_inside(text, "write")


def _renamed(guard: Guard, args: tuple[Any, ...]) -> None:
    for index, what in ((0, "move away"), (1, "replace")):
        path = _at(args[index], args[index + 2] if len(args) > index + 2 else None)
        if path is not None:
            guard.require_inside(path, what, follow=False)


def _linked(guard: Guard, args: tuple[Any, ...]) -> None:
    # a second name for a file elsewhere would let it be changed from here
    for index, what in ((0, "link to"), (1, "make")):
        path = _at(args[index], args[index + 2] if len(args) > index + 2 else None)
        if path is not None:
            guard.require_inside(path, what, follow=index == 0)


def _symlinked(guard: Guard, args: tuple[Any, ...]) -> None:
    path = _at(args[1], args[2] if len(args) > 2 else None)
    if path is not None:
        guard.require_inside(path, "make", follow=False)


def _popen(guard: Guard, args: tuple[Any, ...]) -> None:
    executable, words, folder, _ = args
    guard.check_command(words if words else [executable], os.fsdecode(folder) if folder else None)


def _system(guard: Guard, args: tuple[Any, ...]) -> None:
    guard.check_command(args[0])


def _executed(guard: Guard, args: tuple[Any, ...]) -> None:
    guard.check_command(list(args[1]) or [args[0]])


_CHECKS: dict[str, Callable[[Guard, tuple[Any, ...]], None]] = {
    "open": _opened, "os.rename": _renamed, "os.link": _linked, "os.symlink": _symlinked,
    "os.remove": _one("delete", follow=False, fd_at=1), "os.rmdir": _one("delete", follow=False, fd_at=1),
    "os.mkdir": _one("make", follow=False, fd_at=2),
    "os.truncate": _one("cut short", follow=True), "os.chmod": _one("change", follow=True, fd_at=2),
    "os.chown": _one("change", follow=True, fd_at=3), "os.utime": _one("change", follow=True, fd_at=3),
    "os.setxattr": _one("change", follow=True), "os.removexattr": _one("change", follow=True),
    "shutil.rmtree": _one("delete", follow=False, fd_at=1), "subprocess.Popen": _popen, "os.system": _system,
    "os.exec": _executed, "os.posix_spawn": _executed,
}  # fmt: skip


def cache_folders() -> Iterable[str]:
    """Folders of caches that the run writes: numba's beside the kernels, matplotlib's, astropy's, atacal's."""
    from pathlib import Path

    import atacal

    package = Path(atacal.__file__).parent
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    yield from (str(package / room / "__pycache__") for room in COMPILED)
    yield from (str(home / name) for name in ("matplotlib", "atacal", "numba", "fissix", "astropy"))
    yield str(Path.home() / ".astropy" / "cache")
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield os.environ["NUMBA_CACHE_DIR"]
