"""``pipeline_aquareport.xml``: project, scores by stage and by topic, in the form of ALMA's quality assurance.

Elements and attributes are those of the pipeline's report (h/tasks/exportdata/aqua.py and
hifa/tasks/exportdata/almaifaqua.py); each ``Metric`` has ``Unit`` and ``Reason`` beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from atacal.pipeline.export.fluxes import Flux, derived_fluxes, known_fluxes
from atacal.pipeline.export.kept import Kept, Result
from atacal.pipeline.export.xml_text import UNDEFINED, xml_text
from atacal.pipeline.topics import TOPICS, topic_of, topic_scores

_TWELVE_METRES = 11.0


def aqua_report(kept: Kept) -> str:
    """Write a run's report.

    Parameters
    ----------
    kept : Kept

    Returns
    -------
    str
        XML. Date and processing time are Undefined: the report of the same data is the same text.
    """
    root = Element("PipelineAquaReport")
    root.append(_project(kept))
    root.append(_summary(kept))
    SubElement(root, "QaPerStage").extend(_stages(kept, kept.results))
    root.append(_topics(kept))
    return xml_text(root)


def _project(kept: Kept) -> Element:
    summary, structure = (kept.project.get(c, {}) for c in ("ProjectSummary", "ProjectStructure"))
    projects = dict.fromkeys(kept.description(n).get("project", "") for n in kept.blocks)
    code = summary.get("proposal_code") or ", ".join(p for p in projects if p)
    blocks = ", ".join(sorted(n.removesuffix(".ms") for n in kept.blocks))
    root = Element("ProjectStructure")
    for tag, text in (
        ("ProposalCode", code), ("ProcessingRequestEntityId", structure.get("ppr_file")),
        ("ProcessingProcedure", kept.recipe), ("OusEntityId", structure.get("ous_entity_id")),
        ("OusPartId", structure.get("ous_part_id")), ("OusStatusEntityId", structure.get("ousstatus_entity_id")),
        ("ExecBlockId", blocks),
    ):  # fmt: skip
        SubElement(root, tag).text = str(text or UNDEFINED)
    return root


def _summary(kept: Kept) -> Element:
    scores = [r["score"] for r in kept.results if r["score"] is not None]
    root = Element("QaSummary")
    for tag, text in (
        ("ReportDate", UNDEFINED), ("ProcessingTime", UNDEFINED), ("CasaVersion", UNDEFINED),
        ("PipelineVersion", f"atacal {kept.versions['atacal']}"), ("FinalScore", _number(min(scores, default=None))),
    ):  # fmt: skip
        SubElement(root, tag).text = text
    return root


def _stages(kept: Kept, results: Iterable[Result]) -> list[Element]:
    out = []
    for result in results:
        stage = Element("Stage", Number=str(result["number"]), Name=result["task"], Score=_number(result["score"]))
        for name, outcome in kept.outcomes(result):
            stage.extend(_metric(kept, name, score) for score in outcome["scores"])
        out.append(stage)
    return out


def _metric(kept: Kept, name: str, score: Mapping[str, Any]) -> Element:
    attributes = {
        "Name": score["metric"], "Value": _number(score["measured"]), "Unit": score["unit"],
        "QaScore": _number(score["value"]), "Reason": score["long"],
    }  # fmt: skip
    if name:
        attributes |= {"Asdm": name.removesuffix(".ms"), "Session": kept.context(name, "session", UNDEFINED)}
    where = {word.capitalize(): text for word, text in sorted(score["where"].items())}
    return Element("Metric", attributes | where)


def _topics(kept: Kept) -> Element:
    root = Element("QaPerTopic")
    scores = topic_scores(kept.results)
    for topic in TOPICS:
        mine = [r for r in kept.results if topic_of(r["task"]) == topic]
        element = SubElement(root, topic, Score=_number(scores[topic]))
        element.extend(_stages(kept, mine))
        if topic == "Dataset":
            _add_fluxes(element, "hifa_importdata", UNDEFINED, known_fluxes(kept))
        elif topic == "Calibration":
            done = [r for r in mine if r["task"] == "hifa_gfluxscale"]
            _add_fluxes(element, "hifa_gfluxscale", _number(done[-1]["score"] if done else None), derived_fluxes(kept))
        elif topic == "Imaging":
            _add_sensitivities(element, kept, [r for r in mine if r["task"] == "hif_makeimages"])
    return root


def _add_fluxes(topic: Element, origin: str, score: str, fluxes: Sequence[Flux]) -> None:
    if not fluxes:
        return
    group = SubElement(topic, "FluxMeasurements", Origin=origin, Score=score)
    for flux in fluxes:
        SubElement(
            group, "FluxMeasurement", SpwName=flux.spw_name, MsSpwId=str(flux.spw), FluxJy=f"{flux.flux_jy:.6f}",
            ErrorJy=f"{flux.error_jy:.6f}" if flux.error_jy else "", Asdm=flux.block.removesuffix(".ms"),
            Field=flux.field, FrequencyGHz=f"{flux.freq_hz / 1e9:.6f}",
        )  # fmt: skip


def _add_sensitivities(topic: Element, kept: Kept, results: Sequence[Result]) -> None:
    """Add what is reached in each image: the noise that was measured in it."""
    images = [(r, [i for i in r["run"]["decisions"].get("images", []) if "failed" not in i]) for r in results]
    group = SubElement(topic, "ImageSensitivity") if any(made for _, made in images) else topic
    for result, made in images:
        if not made:
            continue
        one = SubElement(
            group, "ImageSensitivities", Origin=result["task"], Number=str(result["number"]),
            Score=_number(result["score"]),
        )  # fmt: skip
        for image in made:
            width = _number(_width_hz(kept, image["spw"]))
            cell = _number(image["cell_arcsec"])
            SubElement(
                one, "Sensitivity", Array="7m" if image["dish_m"] < _TWELVE_METRES else "12m", BandwidthHz=width,
                EffectiveBandwidthHz=width, BeamMajArcsec=_number(image["beam_major_arcsec"]),
                BeamMinArcsec=_number(image["beam_minor_arcsec"]), BeamPosAngDeg=_number(image["beam_pa_deg"]),
                BwMode="mfs", CellXArcsec=cell, CellYArcsec=cell, Field=image["source"],
                Robust=_number(image["robust"]), UVTaper="", SensitivityJyPerBeam=_number(image["rms_jy"]),
                MsSpwId=image["spw"],
            )  # fmt: skip


def _width_hz(kept: Kept, spws: str) -> float | None:
    about: dict[str, Any] = next((kept.description(name).get("science_spws", {}) for name in kept.blocks), {})
    widths = [about[s]["width_hz"] for s in spws.split(",") if s in about]
    return float(sum(widths)) if widths else None


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.6g}"
