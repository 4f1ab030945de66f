"""What a run is of, in the observatory's words: ``project.json``, which scripts fill with ``context.set_state``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError
from atacal.pipeline.files import read_json, write_json

PROJECT_FILE = "project.json"
KNOWN: dict[str, tuple[str, ...]] = {
    "ProjectSummary": ("proposal_code", "proposal_title", "piname", "observatory", "telescope"),
    "ProjectStructure": (
        "ous_entity_id", "ous_part_id", "ous_title", "ous_type", "ousstatus_entity_id", "ppr_file", "ps_entity_id",
        "recipe_name",
    ),
}  # fmt: skip
"""Names by class, as the pipeline's processing requests have them."""
UNKNOWN_OUS = "unknown"


def read_project(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what is known of a run's project: values by class and name; empty if nothing is.

    Raises
    ------
    PipelineError
        If the file is damaged.
    """
    path = folder / PROJECT_FILE
    found: dict[str, dict[str, Any]] = read_json(path) if path.is_file() else {}
    return found


def set_project(folder: Path, cls: str, name: str, value: Any) -> None:
    """Write a value down.

    Raises
    ------
    ArgumentError
        If there is no such class or name.
    """
    if name not in KNOWN.get(cls, ()):
        known = "; ".join(f"{c}: {', '.join(names)}" for c, names in KNOWN.items())
        raise ArgumentError(f"set_state({cls!r}, {name!r}, ...): there is no such thing to set; there are {known}")
    project = read_project(folder)
    if project.get(cls, {}).get(name) != value:
        project.setdefault(cls, {})[name] = value
        write_json(folder / PROJECT_FILE, project)


def ous_name(project: dict[str, dict[str, Any]]) -> str:
    """Return the observing unit set as a part of file names: ``uid___A001_X1_X2``; ``unknown`` if it is not said."""
    said = str(project.get("ProjectStructure", {}).get("ousstatus_entity_id") or "")
    return said.replace(":", "_").replace("/", "_") if said and said != "Undefined" else UNKNOWN_OUS


def recipe_name(project: dict[str, dict[str, Any]]) -> str:
    """Return the procedure's name: as it is said, else ``hifa_cal``."""
    said = str(project.get("ProjectStructure", {}).get("recipe_name") or "")
    return said if said and said != "Undefined" else "hifa_cal"
