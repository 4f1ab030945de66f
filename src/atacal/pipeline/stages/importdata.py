"""Stage importdata: raw data into the run directory, what is in them, and the files that people edit."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, PipelineError, TableExists
from atacal.flags.backup import list_versions, versions_folder
from atacal.ms.clone import clone
from atacal.ms.measurement_set import MeasurementSet
from atacal.pipeline.block import Block, Whole
from atacal.pipeline.facts import Facts, facts_of
from atacal.pipeline.files import read_json, write_json
from atacal.pipeline.flux_file import FLUX_FILE, FluxEntry, source_fluxes, write_flux_file
from atacal.pipeline.overview import describe_block
from atacal.pipeline.stage import stage
from atacal.pipeline.state import restore, version_name
from atacal.pipeline.templates import write_templates
from atacal.pipeline.workplace import at_work
from atacal.recipe.apriori import ASIS
from atacal.recipe.raw import is_asdm, is_raw

_ENDINGS = (".asdm.sdm", ".asdm", ".sdm", ".ms")
_LONGEST_GAP_S = 3600.0
_MISSING = {"PHASE": 0.7, "BANDPASS": 0.7, "AMPLITUDE": 0.7}
"""What a missing intent takes from the score (pipeline, scorecalculator.py)."""


IN_PLACE = "in place"
_IMPORTED = ".imported"
"""Names of the MeasurementSets that the run has made, written before each is begun: what else is there is not ours."""


def _inputs(whole: Whole, given: Mapping[str, Any]) -> dict[str, Path]:
    paths = [Path(v) for v in _listed(given["vis"])]
    return {p.name: p for p in paths if not _is_in(whole.folder, p)}  # what is calibrated where it is changes


def _is_in(folder: Path, path: Path) -> bool:
    """Whether an input is the run's own MeasurementSet."""
    return path.resolve().parent == folder.resolve() and not is_asdm(path)


@stage("hifa_importdata", "Import", scope="run", files=_inputs, needed=True)
def hifa_importdata(
    whole: Whole,
    vis: Sequence[str] | str = (),
    session: Sequence[str] | str = (),
    asis: str = ASIS,
    process_caldevice: bool = False,
    overwrite: bool = False,
    nocopy: bool = False,
    bdfflags: bool = True,
    lazy: bool = False,
    dbservice: bool = False,
    ocorr_mode: str = "ca",
    createmms: str | bool = "false",
    minparang: float = 0.0,
    datacolumns: Mapping[str, str] | None = None,
) -> None:
    """Bring ASDMs or raw MeasurementSets into the run directory.

    ASDMs are imported as ALMA's pipeline does it; a MeasurementSet is cloned (its visibilities are shared with the
    original, which stays as it is), unless it lies in the run directory: then it is calibrated where it is.
    ``flux.csv`` and empty flag templates are written where there are none.

    Parameters
    ----------
    vis : list of str
        ASDMs or MeasurementSets of one observing unit set.
    session : list of str
        The session of each; ``session_1`` for all by default.
    asis, process_caldevice, bdfflags, ocorr_mode
        As importasdm's.
    overwrite : bool
        Replace MeasurementSets in the run directory that the run has not made.
    nocopy, lazy, createmms, minparang, datacolumns
        Accepted; they mean nothing here.
    dbservice : bool
        Ask ALMA's service for the calibrators' flux densities, for ``flux.csv``; the flux densities of the ASDM's
        Source table where it has none or does not answer.
    """
    paths = [Path(os.path.normpath(v)) for v in _listed(vis)]
    names = _names(paths)
    sessions = _sessions(_listed(session), len(paths))
    options = {"asis": asis, "bdfflags": bdfflags, "ocorr_mode": ocorr_mode, "process_caldevice": process_caldevice}
    _claim(whole.folder, paths, names, overwrite)
    done = whole.map(
        import_one, [(os.fspath(p), os.fspath(whole.folder / n), options) for p, n in zip(paths, names, strict=True)]
    )
    for path, name, one_session, how in zip(paths, names, sessions, done, strict=True):
        block = whole.new_block(name)
        block.set("session", one_session)
        block.set("input", {"name": path.name, "how": how})
        block.out.decisions |= {"session": one_session, "input": path.name, "how": how}
        if how == "imported":
            block.out.calls.append(f"importasdm(asdm={path.name!r}, vis={name!r}, {_spelled(options)})")
        _describe(block)
        describe_block(block)
        write_templates(block)
    _fluxes(whole, dbservice)
    _score(whole)
    many = f"{len(names)} execution blocks" if len(names) > 1 else names[0]
    whole.out.summary = f"{many}: {', '.join(dict.fromkeys(whole_bands(whole)))}"


def _claim(folder: Path, paths: Sequence[Path], names: Sequence[str], overwrite: bool) -> None:
    """Write down what is made here; raise if it would take the place of something that the run has not made."""
    file = folder / _IMPORTED
    ours: list[str] = read_json(file) if file.exists() else []
    new = [n for p, n in zip(paths, names, strict=True) if not _is_in(folder, p)]
    others = [n for n in new if (folder / n).exists() and n not in ours]
    if others and not overwrite:
        raise TableExists(
            f"{', '.join(others)} in {folder} was not made by this run, and would be replaced; move it away, name it "
            "as the input (it is calibrated where it is then), or choose overwrite=True"
        )
    write_json(file, sorted({*ours, *new}))


def import_one(path: str, target: str, options: Mapping[str, Any]) -> str:
    """Bring one block to its place; return how: ``imported``, ``cloned`` or ``in place``."""
    with at_work(Path(target).parent):
        return _import(path, Path(target).name, options)


def _import(path: str, target: str, options: Mapping[str, Any]) -> str:
    from atacal.ms._tables import opened
    from atacal.tasks import fixsyscaltimes, importasdm, initweights

    here = _is_in(Path(target).parent, Path(path))
    for left in (Path(target), versions_folder(target)) if not here else ():
        if left.exists():
            shutil.rmtree(left)
    if here:
        _as_it_came(path)
        how = IN_PLACE
    elif is_asdm(path):
        importasdm(asdm=path, vis=target, lazy=False, **options)
        how = "imported"
    else:
        clone(path, target)
        how = "cloned"  # whether the visibilities are shared depends on the disk, and results must not
    # applycal changes them, and `state.restore` brings them back to this: solves done again are the same to the bit
    initweights(vis=target, wtmode="sigma")
    syscal = Path(target) / "SYSCAL"
    if syscal.is_dir():
        with opened(os.fspath(syscal)) as tab:
            rows = tab.nrows()
        if rows:
            fixsyscaltimes(vis=target)
    return how


def _as_it_came(vis: str) -> None:
    """Bring the flags of a block that is calibrated where it is back to those that it came with."""
    first = version_name(1)
    known = any(v.name == first for v in list_versions(vis))
    restore(Path(vis), first if known else "", None)


def _names(paths: Sequence[Path]) -> list[str]:
    if not paths:
        raise ArgumentError("hifa_importdata: vis is empty; it must name ASDMs or MeasurementSets")
    out = []
    for path in paths:
        if not path.is_dir():
            raise PipelineError(f"{path}: there is no such ASDM or MeasurementSet")
        if not is_asdm(path) and not (path / "ANTENNA").is_dir():
            raise PipelineError(f"{path} is neither an ASDM (no ASDM.xml) nor a MeasurementSet (no ANTENNA table)")
        out.append(f"{block_name(path)}.ms")
    twice = sorted({n for n in out if out.count(n) > 1})
    if twice:
        raise ArgumentError(f"hifa_importdata: several inputs would become {', '.join(twice)}; give each another name")
    return out


def block_name(path: str | Path) -> str:
    """Return the name of the block that an input is of: without its folder and its ending."""
    name = Path(os.path.normpath(path)).name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _sessions(given: list[str], count: int) -> list[str]:
    if not given:
        return ["session_1"] * count
    if len(given) != count:
        raise ArgumentError(
            f"hifa_importdata: {len(given)} sessions are given for {count} blocks; it must be one for each"
        )
    return given


def _describe(block: Block) -> None:
    """Put what the block holds into its decisions, and save its flags as they are."""
    with MeasurementSet(block.vis) as ms:
        facts = block.__dict__["facts"] = facts_of(ms)
        raw = is_raw(ms)
        model = ms.has("MODEL_DATA")
    block.out.flags_changed = block.out.models_changed = True  # so that there is something to go back to
    block.set("raw", raw)
    if not facts.science_spws:
        raise PipelineError(f"{block.name}: no spectral window with spectra has data on calibrators or targets")
    block.out.decisions |= description(facts) | {"raw": raw, "model_column": model}
    if not raw:
        block.out.say(
            "attention", "the data are not as the importer leaves them: system temperatures or radiometers are missing"
        )
    if model:
        block.out.say("attention", "there is a MODEL_DATA column: an earlier calibration has left it")
        block.out.score(0.9, "model_column", None, "", "MODEL_DATA is there", f"{block.name} has a MODEL_DATA column")


def description(facts: Facts) -> dict[str, Any]:
    """Return what a block holds, as plain values."""
    meta = facts.metadata
    scans = facts.science_scans()
    return {
        "telescope": meta.telescope,
        "project": meta.observations[0].project if meta.observations else "",
        "observer": meta.observations[0].observer if meta.observations else "",
        "antennas": meta.antenna_names(),
        "dish_diameters_m": sorted({a.dish_diameter_m for a in meta.antennas}),
        "mode": facts.mode,
        "start_mjd_s": min(s.start_s for s in facts.scans),
        "end_mjd_s": max(s.end_s for s in facts.scans),
        "on_target_s": sum(s.end_s - s.start_s for s in facts.science_scans("TARGET")),
        "integration_s": float(np.median([s.integration_s for s in scans])),
        "fields": {
            meta.fields[f].name: {
                "id": f, "intents": sorted(facts.intents_of(f)), "ra_rad": meta.fields[f].phase_dir_rad[0],
                "dec_rad": meta.fields[f].phase_dir_rad[1],
            }
            for f in facts.fields()
        },
        "science_spws": {
            str(s.id): {
                "name": s.name, "centre_hz": s.centre_freq_hz, "width_hz": float(np.abs(s.chan_width_hz).sum()),
                "nchan": s.nchan, "baseband": s.bbc_no, "sideband": s.net_sideband, "npol": facts.npol(s.id),
            }
            for s in facts.spws
        },
        "scans": [
            {"scan": s.number, "start_mjd_s": s.start_s, "end_mjd_s": s.end_s, "fields": list(s.fields),
             "spws": list(s.spws), "intents": sorted(s.intents)}
            for s in facts.scans
        ],
    }  # fmt: skip


def _fluxes(whole: Whole, dbservice: bool) -> None:
    """Collect the calibrators' flux densities, and write flux.csv unless there is one."""
    entries: list[FluxEntry] = []
    for block in whole.blocks:
        found, origin, messages = source_fluxes(block.vis, block.facts, dbservice)
        entries += found
        block.out.decisions["flux_origin"] = origin
        for level, text, value in messages:
            block.out.say(level, text)  # type: ignore[arg-type]
            if value is not None:
                block.out.score(value, "flux_origin", None, "", "flux densities", text)
    whole.set("source_fluxes", [vars(e) for e in entries])
    path = whole.folder / FLUX_FILE
    if not path.exists():
        write_flux_file(path, entries)
    whole.out.decisions["flux_file"] = FLUX_FILE


def _score(whole: Whole) -> None:
    share = len(whole.blocks)
    for block in whole.blocks:
        missing = [intent for intent in _MISSING if not block.facts.has(intent)]
        value = max(0.0, 1 - sum(_MISSING[i] for i in missing) / share)
        text = (
            f"{block.name} has no scan of intent {', '.join(missing)}"
            if missing
            else f"{block.name} has all calibrators"
        )
        block.out.score(
            value, "missing_intents", len(missing), "", "missing intents" if missing else "all intents", text
        )
        if missing:
            block.out.say("warning", text, "check whether the block is whole; the stages say what they do without")
        block.set("mode", block.facts.mode)
        if block.facts.mode and block.cycle4:
            block.out.say(
                "warning",
                f"{block.name} is a switched block: Cycle 4 knew no differential gains and cannot calibrate it",
                "take today's recipe",
            )
        if block.facts.mode:
            words = {"BWSW": "bandwidth switching", "B2B": "band to band"}[block.facts.mode]
            block.out.score(
                0.0 if block.facts.mode == "BWSW" else 0.9, "mode", None, "", words, f"{block.name}: {words}"
            )
    by_session: dict[str, list[Block]] = {}
    for block in whole.blocks:
        by_session.setdefault(block.get("session"), []).append(block)
    for name, blocks in by_session.items():
        times = sorted((b.facts.scans[0].start_s, b.facts.scans[-1].end_s) for b in blocks)
        gap = max((b[0] - a[1] for a, b in itertools.pairwise(times)), default=0.0)
        if gap > _LONGEST_GAP_S:
            whole.out.score(0.5, "session_gap", gap, "s", "gap in a session", f"{name} has a gap of {gap / 3600:.1f} h")


def whole_bands(whole: Whole) -> list[str]:
    """Say how large each block is."""
    return [
        f"{len(b.facts.metadata.antennas)} antennas, spws {b.facts.spw_list}, {len(b.facts.science_scans())} scans"
        for b in whole.blocks
    ]


def _spelled(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in options.items())


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, (str, os.PathLike)) else list(value or [])
