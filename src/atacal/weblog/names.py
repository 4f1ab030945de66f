"""Names of files and anchors, made of names that may hold anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 60


def slug(text: str) -> str:
    """Return a name for a file that is the text where that is harmless, else what is left of it and a digest.

    Examples
    --------
    >>> slug("bandpass_amp_spw17"), slug("../x")
    ('bandpass_amp_spw17', 'x-b29b0c12')
    """
    plain = _ODD.sub("_", text).strip("._-")
    if plain == text and 0 < len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST] or 'x'}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip(
        "._-"
    )


def block_page(blocks: Iterable[str], block: str) -> str:
    """Return the page of a block."""
    return f"block-{list(blocks).index(block) + 1}.html"


def stage_page(number: int, task: str) -> str:
    """Return the page of a stage."""
    return f"stage-{number:02d}-{slug(task)}.html"
