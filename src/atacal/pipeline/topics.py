"""Stages by topic, as the pipeline's pages and reports group them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TOPICS = ("Dataset", "Flagging", "Calibration", "Imaging", "Miscellaneous")
_OF_WORD = {
    "importdata": "Dataset", "wvrgcalflag": "Calibration", "makeim": "Imaging", "checkproductsize": "Imaging",
    "exportdata": "Miscellaneous", "flag": "Flagging", "refant": "Miscellaneous",
}  # fmt: skip
"""Parts of stages' names, the first that fits; everything else is calibration."""


def topic_of(task: str) -> str:
    """Return the topic of a stage."""
    return next((topic for word, topic in _OF_WORD.items() if word in task), "Calibration")


def topic_scores(results: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the lowest score of each topic; None without any."""
    found: dict[str, list[float]] = {topic: [] for topic in TOPICS}
    for result in results:
        if result["score"] is not None:
            found[topic_of(result["task"])].append(float(result["score"]))
    return {topic: min(scores) if scores else None for topic, scores in found.items()}
