"""The scripts of a run: what does it again, what restores it, and the calls of tasks that it has made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atacal.pipeline.export.kept import Kept
from atacal.pipeline.stage import find_stage
from atacal.results import plain


def pipeline_script(kept: Kept, last: tuple[str, Mapping[str, Any]], cycle4: bool) -> str:
    """Write ``casa_pipescript.py``: the stages with the parameters that are not at their defaults.

    Parameters
    ----------
    kept : Kept
    last : (str, dict)
        The stage that exports, and its parameters.
    cycle4 : bool
        Whether the run has followed the rules of Cycle 4.
    """
    lines = ["__rethrow_casa_exceptions = True", f"context = h_init({'recipe=' + repr('cycle4') if cycle4 else ''})"]
    for cls, values in sorted(kept.project.items()):
        lines += [f"context.set_state({cls!r}, {name!r}, {value!r})" for name, value in sorted(values.items())]
    stages = [(r["task"], r["asked"]["parameters"]) for r in kept.results] + [last]
    calls = [f"    {_call(task, parameters)}" for task, parameters in stages]
    return "\n".join([*lines, "try:", *calls, "finally:", "    h_save()", ""])


def _call(task: str, parameters: Mapping[str, Any]) -> str:
    defaults = plain(find_stage(task).parameters)
    given = plain(parameters)
    said = {name: value for name, value in given.items() if value != defaults.get(name, value)}
    if task == "hifa_importdata":
        said = {"vis": given["vis"]} | {k: v for k, v in said.items() if k != "vis" and v != []}
    return f"{task}({', '.join(f'{name}={value!r}' for name, value in said.items())})"


def restore_script(blocks: Sequence[str], sessions: Sequence[str], ocorr_mode: str) -> str:
    """Write ``casa_piperestorescript.py``, as the pipeline does.

    Parameters
    ----------
    blocks, sessions : sequence of str
        The blocks' names without ``.ms``, and the session of each.
    ocorr_mode : str
        What was imported.
    """
    call = f"hifa_restoredata(vis={list(blocks)!r}, session={list(sessions)!r}, ocorr_mode={ocorr_mode!r})"
    return f"__rethrow_casa_exceptions = True\nh_init()\ntry:\n    {call}\nfinally:\n    h_save()\n"


def commands_log(kept: Kept) -> str:
    """Write ``casa_commands.log``: the calls of tasks of each stage, in order."""
    lines = ["# The calls of tasks that the run has made, in order; paths are relative to the run directory."]
    for result in kept.results:
        lines += ["", f"# stage {result['number']}: {_call(result['task'], result['asked']['parameters'])}"]
        lines += [f"# {result['title']}"]
        for name, outcome in kept.outcomes(result):
            if outcome["calls"] and len(kept.blocks) > 1:
                lines.append(f"# {name or 'all blocks'}")
            lines += outcome["calls"]
    return "\n".join([*lines, ""])
