"""Reading numpydoc docstrings: the command line's help and the task pages come from them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Section:
    """One entry of a numpydoc section: ``names : type`` and the indented text below it."""

    names: tuple[str, ...]
    kind: str
    text: str


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts.

    Attributes
    ----------
    summary : str
        First paragraph, on one line.
    body : str
        What stands between the summary and the first section.
    entries : dict of title -> list of Section
        Sections that list names: Parameters, Returns, Raises...
    texts : dict of title -> str
        The other sections: Notes, Examples, References...
    """

    summary: str
    body: str
    entries: dict[str, list[Section]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, Section]:
        """Entry of the Parameters section by parameter name."""
        listed = self.entries.get("Parameters", []) + self.entries.get("Other Parameters", [])
        return {name: section for section in listed for name in section.names}


_LISTS = {"Parameters", "Other Parameters", "Returns", "Yields", "Raises", "Warns", "Attributes"}
_RULE = re.compile(r"^-{3,}\s*$")


def parse(docstring: str | None) -> Docstring:
    r"""Take a numpydoc docstring apart.

    Parameters
    ----------
    docstring : str or None

    Returns
    -------
    Docstring

    Examples
    --------
    >>> parse("Solve.\n\nParameters\n----------\nvis : str\n    The data.").parameters()["vis"].text
    'The data.'
    """
    lines = inspect.cleandoc(docstring or "").split("\n")
    titles = [i for i in range(len(lines) - 1) if lines[i].strip() and _RULE.match(lines[i + 1])]
    head = "\n".join(lines[: titles[0]] if titles else lines)
    summary, _, body = head.partition("\n\n")
    entries: dict[str, list[Section]] = {}
    texts: dict[str, str] = {}
    for i, end in zip(titles, [*titles, len(lines)][1:], strict=True):
        title, content = lines[i].strip(), lines[i + 2 : end]
        if title in _LISTS:
            entries[title] = _entries(content)
        else:
            texts[title] = "\n".join(content).strip("\n")
    return Docstring(" ".join(summary.split()), body.strip("\n"), entries, texts)


def _entries(lines: list[str]) -> list[Section]:
    out: list[Section] = []
    head: str | None = None
    text: list[str] = []
    for line in [*lines, "end"]:
        if line and not line.startswith(" "):
            if head is not None:
                names, _, kind = head.partition(":")
                found = tuple(n.strip().lstrip("*") for n in names.split(","))
                out.append(Section(found, kind.strip(), inspect.cleandoc("\n".join(text)).strip("\n")))
            head, text = line, []
        else:
            text.append(line)
    return out
