"""XML as the pipeline's reports are laid out."""

from __future__ import annotations

import re
from xml.etree import ElementTree

UNDEFINED = "Undefined"
"""The pipeline's word for what is not known."""
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(root: ElementTree.Element) -> str:
    """Write a document, indented; characters that XML has no way to write become ``?``."""
    for element in root.iter():
        element.text = _FORBIDDEN.sub("?", element.text) if element.text else element.text
        for name, value in element.attrib.items():
            element.set(name, _FORBIDDEN.sub("?", value))
    ElementTree.indent(root)
    return '<?xml version="1.0" ?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
