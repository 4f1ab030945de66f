"""``X.ms.calapply.txt``: the calls of applycal that calibrate a block, as ALMA's pipeline writes them.

A line is a call with literal arguments: ``applycal(vis='X.ms', field='3C279', intent='BANDPASS', spw='17,19',
antenna='0~41', gaintable=[...], gainfield=[...], spwmap=[[...], []], interp=[...], calwt=[...])``. Where there is one
table only, what is said for each table is no list. The text comes from elsewhere: it is read, never run.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atacal.errors import RestoreError

SELECTIONS = ("timerange", "uvrange", "scan", "observation", "msselect")
"""Selections of applycal that the pipeline does not use, and people who edit the file may."""
_LARGEST_BYTES = 20_000_000
_PER_TABLE: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "gainfield": ("", lambda v: isinstance(v, str), "a text"),
    "interp": ("linear", lambda v: isinstance(v, str), "a text"),
    "spwmap": ((), lambda v: _is_map(v), "a list of spws"),
    "calwt": (True, lambda v: isinstance(v, bool), "True or False"),
}
"""What is said for each table: applycal's default, whether a value is of the kind, the kind in words."""


@dataclass(frozen=True)
class Use:
    """A calibration table and how it is applied.

    Attributes
    ----------
    gaintable : str
        Its path where the pipeline ran, or its name.
    gainfield, interp : str
    spwmap : tuple of int
    calwt : bool
    """

    gaintable: str
    gainfield: str = ""
    interp: str = "linear"
    spwmap: tuple[int, ...] = ()
    calwt: bool = True

    @property
    def table(self) -> str:
        """The table's name, without the folder that it was in."""
        return Path(self.gaintable.rstrip("/")).name


@dataclass(frozen=True)
class Application:
    """One call of applycal.

    Attributes
    ----------
    vis : str
    uses : tuple of Use
    field, intent, spw, antenna : str
        What it calibrates. Intents are the pipeline's (``PHASE``, ``TARGET,CHECK``) or a selection of CASA's.
    applymode : str
        The pipeline, which does not write it, applies with calflagstrict.
    parang : bool or None
        None where the line does not say.
    selection : dict
        Other selections, by name.
    """

    vis: str
    uses: tuple[Use, ...]
    field: str = ""
    intent: str = ""
    spw: str = ""
    antenna: str = ""
    applymode: str = "calflagstrict"
    parang: bool | None = None
    selection: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def needs_parang(self) -> bool:
        """Whether the parallactic angle is corrected: as the line says, else if a table is of hifa_polcal."""
        return any(".hifa_polcal." in u.table for u in self.uses) if self.parang is None else self.parang


def read_calapply(path: str | Path) -> list[Application]:
    """Read a file of applycal calls.

    Raises
    ------
    RestoreError
        If the file cannot be read, or a line is no call of applycal with literal arguments that it knows.
    """
    try:
        if Path(path).stat().st_size > _LARGEST_BYTES:
            raise RestoreError(
                f"{path} has more than {_LARGEST_BYTES // 1_000_000} MB: this is no list of applycal calls"
            )
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RestoreError(f"{path} cannot be read: {error}") from error
    return parse_calapply(text, str(path))


def parse_calapply(text: str, name: str = "calapply.txt") -> list[Application]:
    """Read applycal calls.

    Parameters
    ----------
    text : str
    name : str
        Of the file, for messages.

    Returns
    -------
    list of Application
        In the order of the text, in which they are applied.

    Raises
    ------
    RestoreError
    """
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise RestoreError(f"{name}{f', line {line}' if line else ''}: no list of applycal calls: {error}") from error
    found = [_application(s, f"{name}, line {s.lineno}") for s in statements]
    if not found:
        raise RestoreError(f"{name} has no applycal call")
    return found


def _application(statement: ast.stmt, where: str) -> Application:
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "applycal"):
        raise RestoreError(f"{where}: this is no call of applycal")
    if call.args:
        raise RestoreError(f"{where}: applycal has an argument without a name")
    given: dict[str, Any] = {}
    for keyword in call.keywords:
        name = keyword.arg
        if name is None:
            raise RestoreError(f"{where}: applycal has arguments that are not written out (**)")
        try:
            given[name] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise RestoreError(
                f"{where}: {name}={ast.unparse(keyword.value)[:80]}: only plain values are read"
            ) from None
    given.pop("flagbackup", None)
    texts = {name: given.pop(name) for name in ("vis", "field", "intent", "spw", "antenna") if name in given}
    selection = {name: given.pop(name) for name in SELECTIONS if name in given}
    applymode, parang = given.pop("applymode", "calflagstrict"), given.pop("parang", None)
    for name, value in [*texts.items(), *selection.items(), ("applymode", applymode)]:
        if not isinstance(value, str):
            raise RestoreError(f"{where}: {name}={value!r} is no text")
    if parang not in (None, True, False):
        raise RestoreError(f"{where}: parang={parang!r} is neither True nor False")
    uses = _uses(given, where)
    if given:
        raise RestoreError(
            f"{where}: applycal's parameters {', '.join(sorted(given))} are not known here, and leaving them out would "
            "calibrate in another way than the delivery"
        )
    if not texts.get("vis"):
        raise RestoreError(f"{where}: applycal has no vis")
    return Application(
        **texts, uses=uses, applymode=applymode, parang=parang, selection={k: v for k, v in selection.items() if v}
    )


def _uses(given: dict[str, Any], where: str) -> tuple[Use, ...]:
    """Take what is said for each table out of the arguments."""
    tables = given.pop("gaintable", [])
    tables = [tables] if isinstance(tables, str) else tables
    if (
        not isinstance(tables, (list, tuple))
        or not tables
        or not all(isinstance(t, str) and t.strip("/") for t in tables)
    ):
        raise RestoreError(f"{where}: gaintable={tables!r}: it names no calibration tables")
    columns: dict[str, list[Any]] = {}
    for name, (default, is_kind, kind) in _PER_TABLE.items():
        values = given.pop(name, [])
        if is_kind(values) and (name != "spwmap" or values):
            if name == "spwmap" and len(tables) > 1:
                raise RestoreError(f"{where}: spwmap={values!r} is one list for {len(tables)} tables")
            values = [values] * len(tables)
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        values = values or [default] * len(tables)
        if len(values) != len(tables):
            raise RestoreError(f"{where}: {name} has {len(values)} values for {len(tables)} tables")
        wrong = [v for v in values if not is_kind(v)]
        if wrong:
            raise RestoreError(f"{where}: {name} has {wrong[0]!r}, which is not {kind}")
        columns[name] = values
    return tuple(
        Use(table, gainfield, interp, tuple(spwmap), calwt)
        for table, gainfield, interp, spwmap, calwt in zip(
            tables, columns["gainfield"], columns["interp"], columns["spwmap"], columns["calwt"], strict=True
        )
    )


def _is_map(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, int) and not isinstance(v, bool) for v in value)


def format_calapply(applications: Sequence[Application], ms_name: str) -> str:
    """Write calls of applycal in the pipeline's form.

    Parameters
    ----------
    applications : sequence of Application
        applymode is not written, as the pipeline does not; parang and other selections are where they are given.
    ms_name : str
        Name of the MeasurementSet, for the heading.
    """
    return f"# Apply file for {ms_name}\n" + "".join(_line(a) + "\n" for a in applications)


def _line(application: Application) -> str:
    words = {name: getattr(application, name) for name in ("vis", "field", "intent", "spw", "antenna")}
    columns: dict[str, list[Any]] = {
        "gaintable": [u.gaintable for u in application.uses],
        "gainfield": [u.gainfield for u in application.uses],
        "spwmap": [list(u.spwmap) for u in application.uses],
        "interp": [u.interp for u in application.uses],
        "calwt": [u.calwt for u in application.uses],
    }
    words |= {name: values[0] if len(values) == 1 else values for name, values in columns.items()}
    words |= application.selection
    if application.parang is not None:
        words["parang"] = application.parang
    return f"applycal({', '.join(f'{name}={value!r}' for name, value in words.items())})"
