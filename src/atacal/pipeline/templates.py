"""Flag templates: lists of flag commands that people fill in, one file for each block and purpose."""

from __future__ import annotations

from pathlib import Path

from atacal.pipeline.block import Block
from atacal.pipeline.files import write_bytes

_KINDS = {
    "flagtemplate": "science data",
    "flagtsystemplate": "system temperatures",
    "flagtargetstemplate": "targets",
}
_TEXT = """# User flagging commands file for {what}
#
# Write one command in a line, as for flagdata's list mode; lines with # in front are not read. For example:
# mode='manual' antenna='DV02;DV03&DA51' spw='22,24:150~175' reason='QA2:why'
# The stage that reads this file, and those after it, are done again when the file has changed.
#
"""


def template_path(folder: Path, stem: str, kind: str = "flagtemplate") -> Path:
    """Return where the template of a block is: ``uid___A002_X1_X2.flagtemplate.txt``."""
    return folder / f"{stem}.{kind}.txt"


def write_templates(block: Block) -> None:
    """Write the block's templates, without commands, where there are none."""
    for kind, what in _KINDS.items():
        path = template_path(block.folder, block.stem, kind)
        if not path.exists():
            write_bytes(path, _TEXT.format(what=what).encode())


def read_template(path: Path) -> list[str]:
    """Read the commands of a template; none if there is no file."""
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
