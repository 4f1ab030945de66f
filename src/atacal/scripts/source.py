"""A script as it is run: its text, the Python it is written in, the CASA it wants, its tree."""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from atacal.errors import ArgumentError, AtacalError
from atacal.scripts._layout import tidy
from atacal.scripts.casa_version import DEFAULTS, CasaVersion, wanted_version
from atacal.scripts.semantics import with_python2_meaning
from atacal.scripts.translate import ScriptSyntaxError, decoded, parses_as_python3, translate

_PYTHON2 = re.compile(
    r"\.has_key\(|\braw_input\b|\bxrange\(|\bunicode\(|\bbasestring\b|\.iter(items|keys|values)\(|\bstring\.join\("
    r"|\bimport (commands|urllib2|ConfigParser|StringIO|cPickle|casac)\b|\bfrom (taskinit|tasks|urllib2|casac) import"
    r"|\bcasadef\b"
)
_PYTHON3 = re.compile(
    r"\bfrom (casatasks|casatools|casaplotms|casaviewer)\b|\bimport (casatasks|casatools|casalith)\b|\b[fF]['\"]"
    r"|\bprint\([^\n]*\b(end|sep|file|flush)\s*=|\bnonlocal\b|^\s*async def|:="
)


class NoSuchScript(AtacalError, FileNotFoundError):
    """A script is not where it was said to be."""


@dataclass(frozen=True)
class Script:
    """A script that has been read.

    Attributes
    ----------
    path : Path
        Where it lies, absolute.
    text : str
        As it is written.
    python : int
        2 or 3.
    why_python : str
        What that was decided from.
    translated : str
        Source that Python 3 parses, with the same lines.
    casa_version : CasaVersion
        The CASA that is presented to it.
    version_asked : bool
        Whether the script has a condition on the version.
    """

    path: Path
    text: str
    python: int
    why_python: str
    translated: str
    casa_version: CasaVersion
    version_asked: bool

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogateescape")).hexdigest()

    def plain_tree(self) -> ast.Module:
        """Parse the translated source, with Python 3's meaning."""
        return _parsed(self.translated, self.name)

    def tree(self) -> ast.Module:
        """Parse the translated source, with the meaning that the script's Python gives it."""
        tree = self.plain_tree()
        return with_python2_meaning(tree) if self.python == 2 else tree

    def line(self, number: int) -> str:
        """Return a line of the script, stripped."""
        lines = self.text.split("\n")
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def read_script(path: str | Path, *, python: int | None = None, casa_version: str = "") -> Script:
    """Read a script.

    Parameters
    ----------
    path : str or Path
        The script.
    python : {2, 3}, optional
        The Python it is written in; decided from the script otherwise: Python 2 if Python 3 cannot parse it, or if it
        asks for a CASA before 6.
    casa_version : str
        The CASA to present; otherwise the one it asks for.

    Returns
    -------
    Script

    Raises
    ------
    NoSuchScript, ScriptSyntaxError, ArgumentError
    """
    file = Path(path)
    if not file.is_file():
        raise NoSuchScript(f"there is no script {str(path)!r}")
    text = decoded(file.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    return script_from(text, file.resolve(), python=python, casa_version=casa_version)


def script_from(text: str, path: Path, *, python: int | None = None, casa_version: str = "") -> Script:
    """Make a script of its text; see `read_script`."""
    if python not in (None, 2, 3):
        raise ArgumentError(f"python={python}: scripts are Python 2 or 3")
    as3 = tidy(text)
    parses = parses_as_python3(as3)
    given = CasaVersion.parse(casa_version) if casa_version else None
    if parses:
        asked = wanted_version(_parsed(as3, path.name), 3)
    else:
        translated = translate(text, path.name)
        asked = wanted_version(_parsed(translated, path.name), 2)
    chosen, why = (python, "--python") if python else _decide(text, parses, given or asked)
    if chosen == 3:
        if not parses:
            _parsed(as3, path.name)  # raises, and says where
        source = as3
    else:
        source = translate(text, path.name)
    version = given or asked or CasaVersion.parse(DEFAULTS[chosen][0])
    return Script(path, text, chosen, why, source, version, asked is not None)


def _decide(text: str, parses: bool, version: CasaVersion | None) -> tuple[int, str]:
    """Decide between Python 2 and 3."""
    if not parses:
        return 2, "Python 3 cannot parse it"
    if version is not None:
        return (2 if version.major < 6 else 3), f"it is for CASA {version}"
    three, two = _PYTHON3.search(text), _PYTHON2.search(text)
    if three:
        return 3, f"it has `{three.group().strip()}`"
    if two:
        return 2, f"it has `{two.group().strip()}`"
    return 3, "Python 3 can parse it and nothing in it is of Python 2"


def _parsed(source: str, name: str) -> ast.Module:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source, name)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f"{name}, line {line}" if line else name
            raise ScriptSyntaxError(f"{where}: {getattr(error, 'msg', error)}") from error
