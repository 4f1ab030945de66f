"""The documentation's links lead somewhere, and its command lines are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atacal._cli_catalogue import catalogue
from atacal._cli_command import option_names, params_of

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def command_lines() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [line.strip() for line in text.split("\n") if re.match(r" +atacal \w+ ", line)]


@pytest.mark.parametrize("line", command_lines())
def test_commands_of_the_readme(line):
    _, name, *words = line.split()
    known = {o for p in params_of(catalogue()[name].load()) for o in (*option_names(p), f"--no-{p.name}")}
    assert [w for w in words if w.startswith("--") and w not in known] == []


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "index.md" and f"({p.name})" not in index] == []


def test_the_architecture_names_every_room():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [f.parent.name for f in (ROOT / "src" / "atacal").glob("*/__init__.py")]
    assert [room for room in rooms if f"      {room}/" not in text] == []
