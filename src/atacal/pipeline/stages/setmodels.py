"""Stage setmodels (setjy in Cycle 4): the models of the calibrators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atacal.errors import ModelError
from atacal.flux.ephemeris import body_of
from atacal.flux.solar_system import STANDARD
from atacal.pipeline.block import Block
from atacal.pipeline.flux_file import FLUX_FILE, SOURCE_TABLE, FluxEntry, known_fluxes
from atacal.pipeline.stage import stage

_REFERENCE, _TRANSFER = "AMPLITUDE", "BANDPASS"


def _files(block: Block, given: Mapping[str, Any]) -> dict[str, Path]:
    return {"flux.csv": block.folder / (given["reffile"] or FLUX_FILE)}


@stage("hif_setmodels", "Models of the calibrators", files=_files, needed=True)
def hif_setmodels(
    block: Block,
    reference: str = "",
    refintent: str = _REFERENCE,
    transfer: str = "",
    transintent: str = _TRANSFER,
    reffile: str = "",
    normfluxes: bool | None = None,
    scalebychan: bool = True,
) -> None:
    """Give the flux calibrator its model, and the bandpass calibrator what is known of it.

    Solar-system bodies get their discs, others the flux densities of ``flux.csv``.

    Parameters
    ----------
    reference, transfer : str
        Field names or ids in place of those that the intents give.
    refintent, transintent : str
    reffile : str
        Another file than flux.csv in the run directory.
    normfluxes : bool, optional
        Scale the transfer fields' flux densities to 1 Jy at the lowest frequency, keeping their spectra. True in
        today's recipe by default.
    scalebychan : bool
        A model for each channel, not each spw.
    """
    normalise = (not block.cycle4) if normfluxes is None else normfluxes
    _set_all(block, refintent, reference, reffile, scalebychan, normalise=False, required=True)
    references = _chosen(block, refintent, reference)
    others = [f for f in _chosen(block, transintent, transfer) if f not in references]
    _set_all(block, transintent, "", reffile, scalebychan, normalise=normalise, required=False, only=others)
    _finish(block)


@stage("hif_setjy", "Models of the calibrators", files=_files, needed=True)
def hif_setjy(
    block: Block, field: str = "", intent: str = _REFERENCE, spw: str = "", model: str = "", reffile: str = "",
    normfluxes: bool = False, reffreq: str = "1GHz", fluxdensity: float = -1, spix: float = 0.0,
    scalebychan: bool = True, standard: str = STANDARD,
) -> None:  # fmt: skip
    """Give calibrators their models, as the Cycle 4 pipeline does; see `hif_setmodels`."""
    _set_all(block, intent, field, reffile, scalebychan, normalise=normfluxes, required=True)
    _finish(block)


def _chosen(block: Block, intent: str, fields: str) -> list[int]:
    """Return field ids by names or ids, else by intents."""
    if not fields:
        return block.facts.fields(*intent.split(","))
    names = block.facts.metadata.field_names()
    words = [w.strip() for w in fields.split(",") if w.strip()]
    unknown = [w for w in words if w not in names and not (w.isdigit() and int(w) < len(names))]
    if unknown:
        raise ModelError(f"{block.name} has no field {', '.join(unknown)}; it has {', '.join(names)}")
    return [int(w) if w.isdigit() else names.index(w) for w in words]


def _set_all(
    block: Block, intent: str, fields: str, reffile: str, scalebychan: bool, *, normalise: bool, required: bool,
    only: list[int] | None = None,
) -> None:  # fmt: skip
    chosen = _chosen(block, intent, fields) if only is None else only
    if not chosen and required:
        _without_reference(block, intent)
    entries = known_fluxes(block.folder / (reffile or FLUX_FILE), block.get("source_fluxes", []))
    models, shown = list(block.get("models", [])), dict(block.out.decisions.get("models", {}))
    for field in chosen:
        name = block.facts.metadata.fields[field].name
        body = body_of(name)
        if body:
            calls = [_disc(block, field, scalebychan)]
            said: dict[str, Any] = {"body": body, "standard": STANDARD}
        else:
            known = [e for e in entries if e.field == field and e.ms in (block.name, "all", "")]
            calls, said = _points(block, field, known, scalebychan, normalise, required)
        results = [block.do("setjy", vis=block.name, **call) for call in calls]
        said["flux_jy"] = _fluxes(results, field)
        models += calls
        shown[name] = said
    block.set("models", models)
    block.out.decisions["models"] = shown
    block.out.models_changed = bool(models)


def _without_reference(block: Block, intent: str) -> None:
    text = f"no scan has the intent {intent}: the flux scale is not known, gains are relative to 1 Jy"
    block.out.say(
        "warning",
        text,
        "give the flux density of the bandpass calibrator: hif_setmodels(reference='NAME'), with a line in flux.csv",
    )
    block.out.score(0.0, "flux_calibrators", 0, "", "no flux calibrator", f"{block.name}: {text}")


def _disc(block: Block, field: int, scalebychan: bool) -> dict[str, Any]:
    return {
        "field": str(field), "spw": _spws(block, field), "scan": _scans(block, field), "selectdata": True,
        "standard": STANDARD, "scalebychan": scalebychan, "usescratch": False,
    }  # fmt: skip


def _points(
    block: Block, field: int, known: list[FluxEntry], scalebychan: bool, normalise: bool, required: bool
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return setjy's arguments spw by spw."""
    name = block.facts.metadata.fields[field].name
    of_spw = {e.spw: e for e in known}
    missing = [s for s in block.facts.science_spws if s not in of_spw and f"{s}" in _spws(block, field).split(",")]
    if missing and required:
        words = ", ".join(map(str, missing))
        block.out.say(
            "warning",
            f"{name}: no flux density of spw {words} in {FLUX_FILE}: 1 Jy is taken",
            f"add lines to {FLUX_FILE} and run again",
        )
        block.out.score(
            0.3,
            "flux_known",
            len(missing),
            "spws",
            "flux density unknown",
            f"{name}: spws {words} have no flux density",
            field=name,
        )
    old = [s for s, e in of_spw.items() if SOURCE_TABLE in e.comment]
    if old and required:
        text = f"{name}: the flux density is that of the {SOURCE_TABLE}, which can be months old"
        block.out.say("attention", text, f"put a measured one into {FLUX_FILE} and run again")
        block.out.score(0.3, "flux_origin", len(old), "spws", "old flux density", text, field=name)
    scale = 1.0
    if normalise and of_spw:
        lowest = min(of_spw.values(), key=lambda e: block.facts.metadata.spws[e.spw].centre_freq_hz)
        scale = lowest.I
    calls = []
    for spw in map(int, _spws(block, field).split(",")):
        entry = of_spw.get(spw) or FluxEntry(block.name, field, spw, scale)
        calls.append(
            {
                "field": str(field), "spw": str(spw), "standard": "manual", "scalebychan": scalebychan,
                "fluxdensity": [v / scale for v in (entry.I, entry.Q, entry.U, entry.V)], "spix": entry.spix,
                "reffreq": f"{block.facts.metadata.spws[spw].centre_freq_hz:.0f}Hz", "usescratch": False,
            }
        )  # fmt: skip
    return calls, {"entries": [vars(e) for e in known], "scaled_by": scale, "missing_spws": missing}


def _spws(block: Block, field: int) -> str:
    there = {s for scan in block.facts.science_scans() if field in scan.fields for s in scan.spws}
    return ",".join(str(s) for s in block.facts.science_spws if s in there)


def _scans(block: Block, field: int) -> str:
    return ",".join(str(s.number) for s in block.facts.science_scans() if field in s.fields)


def _fluxes(results: list[Any], field: int) -> dict[str, float]:
    """Read Stokes I from what setjy returns."""
    out: dict[str, float] = {}
    for result in results:
        for spw, value in result.get(str(field), {}).items():
            if isinstance(value, Mapping) and "fluxd" in value:
                out[str(spw)] = float(value["fluxd"][0])
    return out


def _finish(block: Block) -> None:
    models = block.out.decisions.get("models", {})
    expected = sum(len(m["flux_jy"]) for m in models.values())
    if models and not any(s.value == 0 for s in block.out.scores):
        block.out.score(
            1.0, "models", expected, "", "models set", f"{block.name}: {expected} flux densities of {', '.join(models)}"
        )
    parts = [
        f"{name} {m.get('body', 'flux.csv')} {next(iter(m['flux_jy'].values()), 0):.3g} Jy"
        for name, m in models.items()
    ]
    block.out.summary = "; ".join(parts) or "no flux calibrator"
