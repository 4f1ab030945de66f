"""``flux.csv``: the calibrators' flux densities, which the pipeline finds and people correct.

Columns: ms, field (id), spw (id), I, Q, U, V [Jy], spix, uvmin, uvmax [m; 0: no limit], comment. Only the flux
calibrator's entries set the scale; the others are there to compare with.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atacal.errors import CatalogueError, PipelineError, ServiceError
from atacal.flux.ephemeris import body_of
from atacal.pipeline.facts import Facts
from atacal.pipeline.files import write_bytes
from atacal.recipe.flux_model import observatory_spectrum

FLUX_FILE = "flux.csv"
SOURCE_TABLE = "ASDM's Source table"
"""In comments: where a flux density comes from that can be months old."""
_COLUMNS = ("ms", "field", "spw", "I", "Q", "U", "V", "spix", "uvmin", "uvmax", "comment")
Found = tuple[str, str, float | None]
"""Level and text of a message, and a score if there is one."""


@dataclass(frozen=True)
class FluxEntry:
    """A line of flux.csv: flux densities [Jy] of a field in an spw."""

    ms: str
    field: int
    spw: int
    I: float  # noqa: E741  (Stokes)
    Q: float = 0.0
    U: float = 0.0
    V: float = 0.0
    spix: float = 0.0
    uvmin: float = 0.0
    uvmax: float = 0.0
    comment: str = ""


def write_flux_file(path: Path, entries: Sequence[FluxEntry]) -> None:
    """Write entries."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for e in entries:
        numbers = (f"{v:.8g}" for v in (e.I, e.Q, e.U, e.V, e.spix, e.uvmin, e.uvmax))
        writer.writerow([e.ms, e.field, e.spw, *numbers, e.comment])
    write_bytes(path, text.getvalue().encode())


def read_flux_file(path: Path) -> list[FluxEntry]:
    """Read entries.

    Raises
    ------
    PipelineError
        Names the line and the value that cannot be read.
    """
    out = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} cannot be read: {error}") from error
    rows = [(n, line) for n, line in enumerate(lines, start=1) if line.strip() and not line.lstrip().startswith("#")]
    for number, line in rows:
        cells = next(csv.reader([line]))
        if [c.strip().lower() for c in cells[:3]] == ["ms", "field", "spw"]:
            continue
        if len(cells) < 4:
            raise PipelineError(
                f"{path}, line {number}: {line!r} has {len(cells)} columns; it needs {', '.join(_COLUMNS)}"
            )
        values = {}
        for name, cell in zip(_COLUMNS[1:10], cells[1:10], strict=False):
            try:
                values[name] = (int if name in ("field", "spw") else float)(cell or 0)
            except ValueError as error:
                raise PipelineError(f"{path}, line {number}: {name} = {cell!r} is no number") from error
        if not values["I"] > 0:
            raise PipelineError(f"{path}, line {number}: I = {values['I']:g}; it must be above 0")
        out.append(FluxEntry(cells[0].strip(), comment=",".join(cells[10:]).strip(), **values))  # type: ignore[arg-type]
    return out


def source_fluxes(vis: Path, facts: Facts, dbservice: bool) -> tuple[list[FluxEntry], str, list[Found]]:
    """Find the flux densities of a block's calibrators.

    Parameters
    ----------
    vis : Path
    facts : Facts
    dbservice : bool
        Ask ALMA's service first.

    Returns
    -------
    entries : list of FluxEntry
        Of every calibrator that something is known of, in each science spw.
    origin : str
        ``service``, that of the ASDM's Source table, or ``none``.
    messages : list of (level, text, score or None)
    """
    entries: list[FluxEntry] = []
    messages: list[Found] = []
    origins = set()
    for field in facts.fields("AMPLITUDE", "BANDPASS", "PHASE", "CHECK"):
        name = facts.metadata.fields[field].name
        if body_of(name):
            continue
        found, origin, said = _field_fluxes(vis, facts, field, dbservice)
        messages += said
        entries += found
        if found:
            origins.add(origin)
    return entries, " and ".join(sorted(origins)) or "none", messages


def _field_fluxes(vis: Path, facts: Facts, field: int, dbservice: bool) -> tuple[list[FluxEntry], str, list[Found]]:
    name, ms = facts.metadata.fields[field].name, os.path.basename(vis)
    said: list[Found] = []
    if dbservice:
        try:
            return *_service(ms, facts, field), said
        except (ServiceError, CatalogueError) as error:
            said.append(("warning", f"{name}: {error}", 0.3))
    spectrum = observatory_spectrum(vis, name)
    if not spectrum:
        return [], "", said
    freqs, values, _ = np.array(spectrum).T
    out = []
    for spw in facts.spws:
        flux = float(np.exp(np.interp(np.log(spw.centre_freq_hz), np.log(freqs), np.log(values))))
        out.append(FluxEntry(ms, field, spw.id, flux, comment=f"# {name}, {SOURCE_TABLE}"))
    return out, SOURCE_TABLE, said


def _service(ms: str, facts: Facts, field: int) -> tuple[list[FluxEntry], str]:
    from atacal.flux.alma_flux import estimate
    from atacal.flux.dates import day_of_mjd
    from atacal.flux.lookup import Lookup

    one = facts.metadata.fields[field]
    at = tuple(np.degrees(one.phase_dir_rad))
    source, _ = Lookup().source(one.name, at_deg=(float(at[0]), float(at[1])))
    day = day_of_mjd(facts.scans[0].start_s / 86400.0)
    out = []
    for spw in facts.spws:
        e = estimate(source, day, spw.centre_freq_hz)
        text = f"# {one.name}, ALMA's service, age {e.mean_age_d:.0f} d, error {e.flux_error_jy:.3g} Jy"
        out.append(FluxEntry(ms, field, spw.id, e.flux_jy, spix=e.spectral_index, comment=text))
    return out, "service"


def known_fluxes(path: Path, context_entries: Sequence[dict[str, object]]) -> list[FluxEntry]:
    """Return the entries of flux.csv; without the file those that the import found.

    Raises
    ------
    PipelineError
    """
    if path.is_file():
        return read_flux_file(path)
    return [FluxEntry(**e) for e in context_entries]  # type: ignore[arg-type]
