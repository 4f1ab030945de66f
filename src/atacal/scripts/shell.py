"""What a shell command would write or delete, told before it runs.

Commands that ALMA's scripts use (``rm -rf X.ms``, ``mv``, ``tar xzf``, ``df | awk``) are known with the files that they
change; everything else is refused, because it cannot be checked.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atacal.scripts._shell_words import NotReadable, Simple, Word, simple_commands

READ_ONLY = frozenset({
    "ls", "cat", "grep", "egrep", "fgrep", "wc", "head", "tail", "cut", "du", "df", "echo", "printf", "pwd",
    "date", "basename", "dirname", "which", "hostname", "uname", "true", "false", "test", "[", "sleep", "tr", "diff",
    "cmp", "md5sum", "sha256sum", "stat", "whoami", "id", "readlink", "realpath", "zcat", "nproc", "free", "uptime",
    "printenv", "fc-list", "column", "paste", "seq", "expr", "sync", "arch",
})  # fmt: skip
"""Programs that change no files, whatever their arguments (but for the shell's redirections)."""


@dataclass(frozen=True)
class Change:
    """A file that a command changes: ``delete`` (the name itself, a link is not followed) or ``write``."""

    how: str
    path: str


@dataclass(frozen=True)
class Plan:
    """What a command would do.

    Attributes
    ----------
    changes : tuple of Change
        Files it deletes or writes, absolute.
    unclear : str
        Why that cannot be told; empty where it can.
    """

    changes: tuple[Change, ...] = ()
    unclear: str = ""


def plan_of(command: str | Sequence[str], folder: str | None = None, environ: Mapping[str, str] | None = None) -> Plan:
    """Tell what a command would change.

    Parameters
    ----------
    command : str or sequence of str
        For ``sh -c``, or the words of one program.
    folder : str, optional
        Where it would run; by default the current one.
    environ : mapping, optional
        The variables; by default those of this process.

    Returns
    -------
    Plan

    Examples
    --------
    >>> plan_of("rm -rf X.ms", "/data").changes
    (Change(how='delete', path='/data/X.ms'),)
    >>> plan_of("python other.py").unclear
    'python is not among the commands that can be checked'
    """
    here = os.getcwd() if folder is None else folder
    try:
        if isinstance(command, str):
            commands = simple_commands(command, environ)
        else:
            words = [Word(str(w)) for w in command]
            inner = _inner_shell(words)
            if inner is not None:
                return plan_of(inner, here, environ)
            commands = [Simple(words)]
        changes: list[Change] = []
        for one in commands:
            changes += [Change("write", p) for w in one.written for p in w.paths(here)]
            if one.name == "cd":
                here = _new_folder(one, here)
            elif one.words:
                changes += _changes(one, here)
    except NotReadable as why:
        return Plan(unclear=str(why))
    return Plan(tuple(changes))


def _inner_shell(words: Sequence[Word]) -> str | None:
    """Return the command of ``sh -c command``."""
    if len(words) >= 3 and os.path.basename(words[0].text) in ("sh", "bash", "dash") and words[1].text == "-c":
        return words[2].text
    return None


def _new_folder(one: Simple, here: str) -> str:
    if len(one.words) != 2 or one.words[1].pattern or one.words[1].text.startswith("-"):
        raise NotReadable("`cd` to somewhere unknown")
    return os.path.normpath(os.path.join(here, one.words[1].text))


def _changes(one: Simple, here: str) -> list[Change]:
    name = one.name
    if name in READ_ONLY:
        return []
    if name not in _KNOWN:
        raise NotReadable(f"{name} is not among the commands that can be checked")
    return _KNOWN[name](one.words[1:], here)


def _split(words: Sequence[Word], with_value: str = "") -> tuple[list[str], list[Word]]:
    """Separate options from files; ``with_value`` are the letters of short options that take a word."""
    options: list[str] = []
    files: list[Word] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word.text == "--":
            files += left
            break
        if word.text.startswith("-") and len(word.text) > 1:
            options.append(word.text)
            if not word.text.startswith("--") and word.text[-1] in with_value and left:
                options[-1] += "=" + left.pop(0).text
        else:
            files.append(word)
    return options, files


def _has(options: Sequence[str], letters: str, *long: str) -> bool:
    """Whether one of some short options, or of some long ones, is given."""
    return any(
        (o.split("=")[0] in long if o.startswith("--") else any(c in letters for c in o.split("=")[0][1:]))
        for o in options
    )


def _deleted(words: Sequence[Word], here: str) -> list[Change]:
    # with a slash at its end a link is followed
    return [Change("write" if p.endswith("/") else "delete", p) for w in _split(words)[1] for p in w.paths(here)]


def _written(words: Sequence[Word], here: str) -> list[Change]:
    return [Change("write", p) for w in _split(words)[1] for p in w.paths(here)]


def _mode_then_files(words: Sequence[Word], here: str) -> list[Change]:
    return _written([w for w in words if not w.text.startswith("-")][1:], here)


def _into(files: Sequence[Word], options: Sequence[str], here: str) -> tuple[list[str], str]:
    """Separate what is moved or copied from where to."""
    for option in options:
        if option.startswith(("-t=", "--target-directory")):
            target = option.split("=", 1)[1]
            return [p for w in files for p in w.paths(here)], os.path.join(here, target)
    if len(files) < 2:
        raise NotReadable("a destination is missing")
    return [p for w in files[:-1] for p in w.paths(here)], os.path.join(here, files[-1].text)


def _landing(sources: Sequence[str], target: str) -> list[str]:
    """Name the files that appear at a destination."""
    if os.path.isdir(target) or os.path.basename(target) in ("", ".", ".."):
        return [os.path.join(target, os.path.basename(s.rstrip("/"))) for s in sources]
    return [target]


def _mv(words: Sequence[Word], here: str) -> list[Change]:
    options, files = _split(words, "tS")
    sources, target = _into(files, options, here)
    return [Change("delete", s) for s in sources] + [Change("delete", p) for p in _landing(sources, target)]


def _cp(words: Sequence[Word], here: str) -> list[Change]:
    options, files = _split(words, "tS")
    sources, target = _into(files, options, here)
    linked = [Change("write", s) for s in sources] if _has(options, "l", "--link") else []
    return linked + [Change("write", p) for p in _landing(sources, target)]


def _ln(words: Sequence[Word], here: str) -> list[Change]:
    options, files = _split(words, "tS")
    if len(files) == 1:
        files = [*files, Word(".")]
    sources, target = _into(files, options, here)
    hard = [] if _has(options, "s", "--symbolic") else [Change("write", s) for s in sources]
    return hard + [Change("delete", p) for p in _landing(sources, target)]


def _tar(words: Sequence[Word], here: str) -> list[Change]:
    texts = [w.text for w in words]
    if texts and re.fullmatch(r"[A-Za-z]+", texts[0]):  # tar xzf: the old way to write options
        texts[0] = "-" + texts[0]
    folder, archive, mode = here, "", ""
    left = list(texts)
    while left:
        word = left.pop(0)
        if word.startswith("--"):
            key, _, value = word.partition("=")
            if key in ("--extract", "--get", "--create", "--list", "--append", "--update"):
                mode = {"--extract": "x", "--get": "x", "--create": "c", "--list": "t"}.get(key, "r")
            elif key in ("--directory", "--file"):
                value = value or (left.pop(0) if left else "")
                folder, archive = (os.path.join(here, value), archive) if key == "--directory" else (folder, value)
            elif key not in ("--gzip", "--bzip2", "--xz", "--verbose", "--strip-components", "--no-same-owner"):
                raise NotReadable(f"tar {key}")
        elif word.startswith("-") and len(word) > 1:
            for letter in word[1:]:
                if letter in "xctru":
                    mode = letter
                elif letter in "fC":
                    value = left.pop(0) if left else ""
                    folder, archive = (os.path.join(here, value), archive) if letter == "C" else (folder, value)
                elif letter not in "zjJvpmkho":
                    raise NotReadable(f"tar -{letter}")
    if mode == "x":  # tar itself keeps out of other folders: no leading slash, no `..`
        return [Change("write", folder)]
    if mode == "t":
        return []
    if mode and archive:
        return [Change("write", os.path.join(here, archive))]
    raise NotReadable("tar without x, c or t")


def _zipped(words: Sequence[Word], here: str) -> list[Change]:
    options, files = _split(words, "S")
    if _has(options, "tl", "--test", "--list"):
        return []
    return [Change("write", os.path.join(os.path.dirname(p), "")) for w in files for p in w.paths(here)]


def _unzip(words: Sequence[Word], here: str) -> list[Change]:
    options, _ = _split(words, "d")
    folder = next((o.split("=", 1)[1] for o in options if o.startswith("-d=")), ".")
    return [Change("write", os.path.join(here, folder))]


def _find(words: Sequence[Word], here: str) -> list[Change]:
    doing = [w.text for w in words if re.match(r"-(delete|exec|ok|fprint|fls)", w.text)]
    if doing:
        raise NotReadable(f"find {doing[0]}")
    return []


def _sed(words: Sequence[Word], here: str) -> list[Change]:
    options, files = _split(words, "ef")
    scripts = [o for o in options if o.startswith("-e=")] or [w.text for w in files[:1]]
    if any(o.startswith(("-f", "--file")) for o in options) or any(
        re.search(r"(^|[;\n}/\d])\s*[eEwW]\b", s) for s in scripts
    ):
        raise NotReadable("sed with commands that may write")
    if _has(options, "i", "--in-place"):
        return [Change("write", p) for w in (files if "-e=" in "".join(options) else files[1:]) for p in w.paths(here)]
    return []


def _awk(words: Sequence[Word], here: str) -> list[Change]:
    options, files = _split(words, "Fv")
    program = files[0].text if files else ""
    if any(o.startswith(("-f", "-i", "--")) for o in options) or re.search(
        r"system\s*\(|>|\|\s*\"|\|&|getline", program
    ):
        raise NotReadable("awk with a program that may write")
    return []


def _uniq(words: Sequence[Word], here: str) -> list[Change]:
    return [Change("write", p) for w in _split(words, "fsw")[1][1:] for p in w.paths(here)]


def _sort(words: Sequence[Word], here: str) -> list[Change]:
    options, _ = _split(words, "okt")
    out = [o.split("=", 1)[1] for o in options if o.startswith(("-o=", "--output="))]
    if any(o.startswith(("-o", "--output")) for o in options) and not out:
        raise NotReadable("sort -o")
    return [Change("write", os.path.join(here, p)) for p in out]


_KNOWN: dict[str, Callable[[Sequence[Word], str], list[Change]]] = {
    "rm": _deleted, "rmdir": _deleted, "unlink": _deleted, "mkdir": _written, "touch": _written, "tee": _written,
    "chmod": _mode_then_files, "mv": _mv, "cp": _cp, "ln": _ln, "tar": _tar, "gunzip": _zipped, "gzip": _zipped,
    "bunzip2": _zipped, "bzip2": _zipped, "xz": _zipped, "unxz": _zipped, "unzip": _unzip, "find": _find, "sed": _sed,
    "awk": _awk, "gawk": _awk, "mawk": _awk, "sort": _sort, "uniq": _uniq,
}  # fmt: skip


def text_of(command: str | bytes | Sequence[str | bytes]) -> str:
    """Write a command for people."""
    if isinstance(command, bytes):
        return os.fsdecode(command)
    if isinstance(command, str):
        return command
    return shlex.join(os.fsdecode(c) if isinstance(c, bytes) else str(c) for c in command)
