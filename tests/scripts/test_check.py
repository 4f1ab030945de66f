"""--check: what is not supported, and what would be run, without running it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atacal.cli import run as command_line
from atacal.scripts import run
from atacal.scripts.check import check_script
from atacal.scripts.source import script_from


def checked(text, path="/nowhere/s.py", **given):
    return check_script(script_from(text, Path(path), **given))


def told(text, **given):
    """(line, kind, what, whether the run would stop) of each thing that is not supported."""
    return [(i.line, i.kind, i.what, i.stops) for i in checked(text, **given).unsupported]


def test_a_script_that_is_supported():
    result = checked("print 'a'\ngaincal(vis = 'X.ms', caltable = 'a', field = 0, gaintype = 'T')\nx = T\n")
    assert (result.exit_code, result.unsupported, result.calls) == (0, [], 1)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deconvolve(vis='a')", ("task", "deconvolve()", False)),
        ("x = imstat('a')", ("task", "imstat()", True)),
        ("polcal(vis='a')", ("task", "polcal()", True)),
        ("hif_selfcal(pipelinemode='automatic')", ("pipeline", "hif_selfcal()", True)),
        ("hifa_flagdata(flagthis=True)", ("parameter", "hifa_flagdata(flagthis=...)", True)),
        ("aU.noSuchThing('a')", ("utility", "aU.noSuchThing()", False)),
        ("es.noSuchThing('a')", ("utility", "es.noSuchThing()", False)),
        ("es.generateReducScript(['a'])", ("utility", "es.generateReducScript()", True)),
        ("ia.open('a')", ("tool", "ia.open()", True)),
        ("gaincal('a', 'b', gaintype='GSPLINE')", ("value", "gaincal(gaintype='GSPLINE')", True)),
        ("gaincal('a', 'b', colour='red')", ("parameter", "gaincal(colour=...)", True)),
        ("gaincal('a')", ("parameter", "gaincal()", True)),
        ("undefined(3)", ("name", "undefined", True)),
        ("import no_such_module", ("import", "import no_such_module", True)),
        ("os.system('python other.py')", ("command", "`python other.py`", True)),
        ("from casatasks import deconvolve as t; t()", ("task", "t()", False)),
        ("import casatasks; casatasks.uvcontsub(vis='a')", ("task", "casatasks.uvcontsub()", True)),
        ("from deconvolve_cli import deconvolve_cli as t; t(vis='a')", ("task", "t()", False)),
        ("from taskinit import *; im.open('a')", ("tool", "im.open()", True)),
    ],
)
def test_what_is_not_supported_is_named(line, expected):
    assert told(f"print 1\n\n{line}\n") == [(3, *expected)]


def test_supported_under_other_names():
    assert told("from gaincal_cli import gaincal_cli as g\ng('a', 'b')\nprint 1\n") == []
    assert told("import casatasks\ncasatasks.gaincal('a', 'b')\nfrom casatasks import split\nsplit('a', 'b')\n") == []
    assert told("from recipes.almahelpers import tsysspwmap\nx = tsysspwmap(vis='a', tsystable='b')\n") == []
    assert told("import recipes.almahelpers\nrecipes.almahelpers.fixsyscaltimes('a')\n") == []
    assert told("try:\n  import no_such_module\nexcept ImportError:\n  pass\n") == []
    assert told("default(gaincal)\nvis = 'a'\ngaincal()\nprint 1\n") == []
    assert told("if globals().has_key('USEMS'): print USEMS\n") == []
    assert told("from string import join\nimport urllib2, commands\nprint join(['a'])\n") == []


def test_shell_commands_with_what_is_known_of_them():
    result = checked(
        "uid = 'uid___A002_X1'\nfor n in ['a', 'b']:\n  os.system('rm -rf %s.ms.%s' % (uid, n))\n"
        "os.system('rm -rf '+open('f').read()+'.ms')\nf = os.popen('ls | wc -l')\nimport subprocess as s\n"
        "shutil.rmtree(uid+'.ms')\n!pwd\n"
    )
    assert [(c.line, c.command) for c in result.commands] == [
        (3, "rm -rf uid___A002_X1.ms.a"), (3, "rm -rf uid___A002_X1.ms.b"), (4, "rm -rf <...>.ms"), (5, "ls | wc -l"),
        (8, "pwd"),
    ]  # fmt: skip
    assert [(c.line, c.command) for c in result.deletions] == [(7, "shutil.rmtree('uid___A002_X1.ms')")]
    assert result.exit_code == 0


def test_scripts_that_it_runs_are_checked_too(tmp_path):
    (tmp_path / "inner.py").write_text("print 'a'\ndeconvolve(vis=outer)\n")
    result = checked("outer = 'a'\nexecfile('inner.py')\nexecfile(x)\nx = 1\n", path=tmp_path / "s.py")
    assert [(i.file, i.line, i.what) for i in result.unsupported] == [("inner.py", 2, "deconvolve()")]
    assert [(c.command, c.note) for c in result.runs] == [
        ("execfile(inner.py)", ""),
        ("execfile(<...>)", "not looked into"),
    ]


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text("print 'a'\nos.system('rm -rf x')\ndeconvolve(vis='a')\n")
    assert command_line(["run", "s.py", "--check"]) == 1
    text = capsys.readouterr().out
    assert "line    3  deconvolve(): not available" in text
    assert "line    2  rm -rf x" in text
    assert command_line(["run", "s.py", "--check", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["python"], answer["unsupported"][0]["line"]) == (2, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.py"]


def test_what_would_be_refused_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text(
        "os.system('rm -rf here')\nos.system('rm -rf ../other')\nos.system('for f in *; do rm $f; done')\n"
        "os.system('rm -rf ' + open('x').read())\nos.remove('/etc/hosts')\nos.remove('here')\n"
    )
    result = run("s.py", check=True)
    outside = f"would be refused: outside of {tmp_path}"
    notes = [c.note for c in result.commands]
    assert (notes[0], notes[1]) == ("", outside)
    assert notes[2].startswith("refused: ")
    assert "would be" not in notes[2]
    assert "outside" not in notes[3]
    assert [d.note for d in result.deletions] == [outside, ""]


def test_a_script_that_changes_its_folder_may_go_back(tmp_path, monkeypatch):
    """What it deletes by a path from the root is told, not what it deletes by one from where it is then."""
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text("os.chdir('x')\nos.system('rm -rf ../a')\nos.remove('../b')\nos.system('rm -rf /etc/c')\n")
    result = run("s.py", check=True)
    outside = f"would be refused: outside of {tmp_path}"
    assert [c.note for c in result.commands] == ["", outside]
    assert [d.note for d in result.deletions] == [""]
