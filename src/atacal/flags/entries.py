"""Entries: flag commands as written, with reason and whatever else FLAG_CMD keeps of each; where lists are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from atacal.errors import ArgumentError
from atacal.flags.commands import MODE_KEYS, Command, make_command, seconds_of
from atacal.flags.lines import buffer_pair, line_text, parse_line, widened

_SAVED_SELECTION = ("field", "spw", "array", "feed", "scan", "antenna", "uvrange", "timerange", "intent", "observation")


@dataclass(frozen=True)
class Entry:
    """A flag command as written.

    Attributes
    ----------
    key : int
        Its row in FLAG_CMD, or its number.
    words : dict
        The command's parameters as given, in their order; in lists the reason is one of them.
    notes : dict
        What CASA keeps beside the command: id, mode, antenna, timerange, time, interval [s], type, reason, level,
        severity, applied.
    where : str
        For messages.
    """

    key: int
    words: dict[str, Any]
    notes: dict[str, Any]
    where: str

    @property
    def reason(self) -> str:
        return str(self.notes["reason"])

    def command(self) -> Command:
        """Check it, and make it ready to run.

        Raises
        ------
        ArgumentError
        """
        return make_command({**self.words, "reason": self.reason}, where=self.where, strict=True)

    def record(self) -> dict[str, Any]:
        """Return it as flagcmd's action extract does."""
        return {**self.notes, "command": line_text(self.words, quoted=False)}

    def padded(self, tbuff: float | Sequence[float]) -> Entry:
        """Widen its time range [s]."""
        times = str(self.words.get("timerange", ""))
        if "~" not in times:
            return self
        times = widened(times, tbuff, self.where)
        return replace(self, words={**self.words, "timerange": times}, notes={**self.notes, "timerange": times})


def entry_of(given: Mapping[str, Any]) -> Entry:
    """Make the entry of one call of flagdata: its selection, the mode's parameters, the mode, as CASA saves them."""
    mode = str(given["mode"]) if given["mode"] not in ("", "manualflag") else "manual"
    make_command({**given, "reason": ""})
    words = {key: _plain(given[key]) for key in _SAVED_SELECTION}
    words |= {key: _plain(given[key]) for key in MODE_KEYS[mode]}
    words |= {"mode": mode, "correlation": str(given["correlation"]).upper()}
    if "ntime" in words:
        words["ntime"] = seconds_of(words["ntime"])
    if "clipminmax" in words:
        words["clipminmax"] = [float(limit) for limit in words["clipminmax"]]
    if "datacolumn" in words:
        words["datacolumn"] = str(words["datacolumn"]).upper()
    words = {key: value for key, value in words.items() if value not in ("", [], {})}
    return Entry(0, words, _notes(0, words), "flagdata")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _notes(number: int, words: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "row": str(number), "id": str(number), "reason": str(words.get("reason", "")), "applied": False, "time": 0.0,
        "interval": 0, "level": 0, "severity": 0, "type": "", "mode": words.get("mode", ""),
        "timerange": words.get("timerange", ""), "antenna": words.get("antenna", ""),
    }  # fmt: skip


def read_entries(
    inpfile: str | os.PathLike[str] | Sequence[str | Mapping[str, Any]],
    reason: str | Sequence[str] = "any",
    tbuff: float | Sequence[float] = 0.0,
) -> list[Entry]:
    """Read a list of commands.

    Parameters
    ----------
    inpfile : str or list
        A file, a list of files, or the commands themselves (a list of strings or dictionaries).
    reason : str or list of str
        Take only commands of these reasons; ``any`` takes all.
    tbuff : float, or one or two in a list
        Seconds by which every ``t0~t1`` time range is widened at its begin and its end.

    Raises
    ------
    ArgumentError
    """
    pad = any(buffer_pair(tbuff or 0.0, "flag commands"))
    lines = list(_lines(inpfile))
    entries = []
    for number, (where, line) in enumerate(lines):
        words = dict(line) if isinstance(line, Mapping) else parse_line(line, where)
        entry = Entry(number, words, _notes(number, words), where)
        entries.append(entry.padded(tbuff) if pad else entry)
    chosen = of_reasons(entries, reason)
    if not chosen:
        wanted = "" if reason == "any" else f" with reason {reason!r}"
        raise ArgumentError(f"no flag command{wanted} among the {len(lines)} lines of {inpfile!r}")
    return [replace(entry, key=i) for i, entry in enumerate(chosen)]


def of_reasons(entries: Iterable[Entry], reason: str | Sequence[str]) -> list[Entry]:
    """Return the entries of some reasons; ``any`` or an empty list: all."""
    if reason == "any" or not (isinstance(reason, str) or reason):
        return list(entries)
    wanted = {reason} if isinstance(reason, str) else set(reason)
    return [entry for entry in entries if entry.reason in wanted]


def commands_of(entries: Sequence[Entry]) -> list[Command]:
    """Check all entries, and make them ready to run.

    Raises
    ------
    ArgumentError
    """
    commands = [entry.command() for entry in entries]
    if len(commands) > 1 and any(c.parameters.get("quackincrement") for c in commands):
        raise ArgumentError("flagdata: quackincrement=True looks at the flags so far: it must run alone, not in a list")
    return commands


def _lines(inpfile: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(inpfile, (list, tuple)):
        if not inpfile or not os.path.isfile(inpfile):
            raise ArgumentError(f"inpfile={inpfile!r} is neither a file nor a list of flag commands")
        inpfile = [os.fspath(inpfile)]
    for i, item in enumerate(inpfile):
        if isinstance(item, (str, os.PathLike)) and os.path.isfile(item):
            yield from _file_lines(os.fspath(item))
        elif isinstance(item, Mapping) or (isinstance(item, str) and _says_something(item)):
            yield f"flag command {i}", item
        elif not isinstance(item, str):
            raise ArgumentError(f"flag command {i}: {item!r} is neither text nor a dictionary")


def _file_lines(path: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path) as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: the flag commands cannot be read: {error}") from error
    for n, line in enumerate(text.splitlines(), 1):
        if _says_something(line):
            yield f"{path} line {n}", line


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
