"""The tool ``casalog``: the log file of a script, into which atacal's tasks report as well."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from pathlib import Path

from atacal import __version__
from atacal.errors import ToolError, WriteError
from atacal.results import LISTING
from atacal.scripts.tools._tool import Tool

PRIORITIES = ("DEBUG2", "DEBUG1", "DEBUG", "INFO5", "INFO4", "INFO3", "INFO2", "INFO1", "INFO", "WARN", "SEVERE")
"""CASA's words for how much a message matters, the least first."""

_TASKS = os.path.join("atacal", "tasks", "")


class _File:
    """The one log file of this process, and what of the messages goes into it."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.least = "INFO"
        self.console = False
        self.origin = ""
        self.dropped: list[str] = []
        self.lock = threading.Lock()

    def name(self) -> Path:
        if self.path is None:
            self.path = Path(time.strftime("casa-%Y%m%d-%H%M%S.log", time.gmtime())).absolute()
        return self.path

    def write(self, message: str, priority: str, origin: str) -> None:
        """Add a message: a line with the time [UTC], the priority and the origin; further lines marked with a ``+``."""
        if PRIORITIES.index(priority) < PRIORITIES.index(self.least) or any(d in message for d in self.dropped):
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        first, *rest = message.split("\n") or [""]
        lines = [f"{stamp}\t{priority}\t{origin}\t{first}"]
        lines += [f"{stamp}\t{priority}\t{origin}+\t{line}" for line in rest]
        text = "\n".join(lines) + "\n"
        with self.lock:
            try:
                with self.name().open("a", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                raise WriteError(f"the log {self.name()} cannot be written: {error.strerror}") from error
        if self.console or (priority in ("WARN", "SEVERE") and not _others()):
            print(text, end="", file=sys.stderr)


_file = _File()


class _Handler(logging.Handler):
    """Brings what atacal's tasks report into the log file."""

    def emit(self, record: logging.LogRecord) -> None:
        task = _task_at_work()
        priority = "SEVERE" if record.levelno >= logging.ERROR else "WARN" if record.levelno >= logging.WARNING else (
            "INFO" if record.levelno >= LISTING else "DEBUG"
        )  # fmt: skip
        message = record.getMessage()
        if task and message.startswith(f"{task}: "):
            message = message[len(task) + 2 :]
        if task == "fluxscale":  # these lines come from CASA's C++: another origin, and a blank that readers count on
            _file.write(f" {message}", priority, "fluxscale::::")
            return
        _file.write(message, priority, _place(task) if task else _file.origin or "::casa")


def _task_at_work() -> str:
    """Name the task that a script called: the outermost one of the call stack."""
    found, frame = "", sys._getframe()
    while frame is not None:
        name = frame.f_code.co_filename
        if _TASKS in name and frame.f_code.co_name == Path(name).stem:
            found = frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return found


_handler = _Handler()


def _others() -> bool:
    return any(h is not _handler for h in logging.getLogger("atacal").handlers)


def _listen() -> None:
    """Put the handler on atacal's logger; what other handlers let through stays as it is."""
    logger = logging.getLogger("atacal")
    if _handler in logger.handlers:
        return
    if logger.getEffectiveLevel() > LISTING:
        for handler in logger.handlers:
            handler.setLevel(max(handler.level, logger.getEffectiveLevel()))
        logger.setLevel(LISTING)
    logger.addHandler(_handler)


class LogSink(Tool, tool="casalog"):
    """CASA's log (``casatools.logsink``): all instances write into one file.

    From the first use on, everything that atacal's tasks report goes into the log as well, in CASA's form:
    time [UTC], priority, origin and message, separated by tabs.

    Examples
    --------
    >>> casalog = LogSink()
    >>> before = casalog.logfile()
    >>> casalog.setlogfile("X.ms.wvrgcal")  # doctest: +SKIP
    """

    def __init__(self, filename: str = "") -> None:
        if filename:
            self.setlogfile(filename)

    def setlogfile(self, filename: str = "casapy.log") -> bool:
        """Write into this file from now on (at its end, if it exists)."""
        path = Path(filename).expanduser().absolute()
        if not path.parent.is_dir():
            raise WriteError(f"casalog.setlogfile: there is no folder {path.parent}")
        _file.path = path
        path.touch()
        _listen()
        return True

    def logfile(self) -> str:
        """Return the name of the log file, absolute."""
        _listen()
        return str(_file.name())

    def post(self, message: object, priority: str = "INFO", origin: str = "") -> bool:
        """Add a message to the log.

        Parameters
        ----------
        message : str
        priority : str
            DEBUG2, DEBUG1, DEBUG, INFO5 to INFO1, INFO, WARN or SEVERE (ERROR is taken as SEVERE).
        origin : str
            Who says it; by default what `origin` was given.
        """
        _listen()
        _file.write(str(message), _priority(priority), _said_by(origin) if origin else _file.origin or "::casa")
        return True

    def postLocally(self, message: object, priority: str = "INFO", origin: str = "") -> bool:
        """Add a message to the log."""
        return self.post(message, priority, origin)

    def origin(self, fromwhere: str = "") -> bool:
        """Say who the following messages are from."""
        _file.origin = _place(fromwhere) if fromwhere else ""
        return True

    def getOrigin(self) -> str:
        """Return who messages are from."""
        return _file.origin.split("::")[0]

    def processorOrigin(self, fromwhere: str = "") -> bool:
        """Accepted: there is one process."""
        return True

    def filter(self, level: str = "DEBUG2") -> bool:
        """Let only messages of this priority or above into the log."""
        _file.least = _priority(level)
        return True

    def filterMsg(self, msgList: str | list[str] = ()) -> bool:  # type: ignore[assignment]
        """Keep messages that contain one of these texts out of the log."""
        _file.dropped += [msgList] if isinstance(msgList, str) else list(msgList)
        return True

    def clearFilterMsgList(self) -> bool:
        """Undo `filterMsg`."""
        _file.dropped.clear()
        return True

    def showconsole(self, onconsole: bool = False) -> bool:
        """Show the messages on standard error, too."""
        _file.console = bool(onconsole)
        return True

    def setglobal(self, isglobal: bool = True) -> bool:
        """Accepted: the log is global."""
        return True

    def version(self) -> str:
        """Return atacal's version, in words."""
        return f"atacal {__version__}"

    def id(self) -> str:
        """Return a name of this process."""
        return f"atacal-{os.getpid()}"

    def localId(self) -> str:
        """Return a name of this process."""
        return self.id()

    def ompGetNumThreads(self) -> int:
        """Return the number of processors."""
        return os.cpu_count() or 1

    def ompSetNumThreads(self, numThreads: int = 1) -> bool:
        """Accepted; set ATACAL_THREADS for atacal's threads."""
        return True

    def getNumCPUs(self, use_aipsrc: bool = True) -> int:
        """Return the number of processors."""
        return os.cpu_count() or 1


def _priority(word: str) -> str:
    name = {"ERROR": "SEVERE", "WARNING": "WARN", "INFO0": "INFO", "NORMAL": "INFO"}.get(word.upper(), word.upper())
    if name not in PRIORITIES:
        raise ToolError(f"casalog: priority {word!r}: it is one of {', '.join(PRIORITIES)}")
    return name


def _place(origin: str) -> str:
    return origin if "::" in origin else f"{origin}::::casa"


def _said_by(origin: str) -> str:
    """Return what CASA writes of the origin that `LogSink.post` is given."""
    task = _file.origin.split("::")[0] or origin
    return origin if "::" in origin else f"{task}::{origin}::casa"
