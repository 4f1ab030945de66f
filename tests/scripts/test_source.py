"""Which CASA a script asks for, and what its steps are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from atacal.errors import ArgumentError
from atacal.scripts.casa_version import CasaVersion, VersionTool
from atacal.scripts.source import NoSuchScript, read_script, script_from
from atacal.scripts.steps import find_steps, parse_steps, ranges, unused_calls

ASKED = [
    ("if re.search('^5.1.1', casadef.casa_version) == None:\n sys.exit('no')\n", "5.1.1"),
    ("if re.search('^4.1', casadef.casa_version) == None:\n sys.exit('no')\nprint 1\n", "4.1.0"),
    ("if casadef.casa_version >= '4.6.0' or casadef.casa_version < '4.2.0':\n    sys.exit('no')\n", "4.2.0"),
    (
        "if re.search('^5.6.1', '.'.join([str(i) for i in cu.version().tolist()[:-1]])) == None:\n sys.exit('no')\n",
        "5.6.1",
    ),
    (
        "if re.search('^6.2.1', '.'.join([str(i) for i in casalith.version()[:-1]])) == None:\n sys.exit('no')\n",
        "6.2.1",
    ),
    (
        "if (re.search('^4.2', casadef.casa_version) or re.search('^4.3', casadef.casa_version)) == None:\n exit()\n",
        "4.2.0",
    ),
    ("if casalith.compare_version('<',[6,1,1,15]):\n    print('old')\n", "6.1.1"),
    (
        "v = casadef.casa_version\nif v < '4.3.0':\n  sys.exit()\nif casadef.subversion_revision < '20': exit()\n",
        "4.3.0",
    ),
    ("if casadef.casa_version != '4.2.2':\n  raise Exception('no')\n", "4.2.2"),
    ("if casa['build']['version'][:3] <= '4.4':\n  sys.exit('no')\n", "4.5.0"),
]


@pytest.mark.parametrize(("text", "version"), ASKED)
def test_the_version_asked_for_is_found(text, version):
    script = script_from(text, Path("/s.py"))
    assert script.version_asked
    assert str(script.casa_version) == version


def test_without_a_check_a_version_of_its_python():
    assert str(script_from("print 1\n", Path("/s.py")).casa_version) == "5.6.1"
    assert str(script_from("print(1)\n", Path("/s.py")).casa_version) == "6.7.0"
    assert str(script_from("print 1\n", Path("/s.py"), casa_version="4.7").casa_version) == "4.7.0"


def test_versions():
    version = CasaVersion.parse("6.5.4-9")
    assert VersionTool(version).version().tolist() == [6, 5, 4, 9]
    assert VersionTool(version).version_string() == "6.5.4.9"
    assert version.compare("<", [6, 6])
    assert not version.compare(">=", [6, 5, 4, 10])
    with pytest.raises(ArgumentError, match="no version of CASA"):
        CasaVersion.parse("new")


def test_no_script():
    with pytest.raises(NoSuchScript, match="there is no script 'nowhere\\.py'"):
        read_script("nowhere.py")


STEPS = """step_title = {0: 'one', 13: 'two'}
mystep = 0
if(mystep in thesteps):
  x = 1
mystep = 13
if mystep in thesteps:
  pass
mystep = 13
if (mystep in thesteps):
  pass
if 3 in mysteps:
  pass
if mystep == 2:
  pass
"""


def test_steps_are_found():
    found = find_steps(ast.parse(STEPS))
    assert found.numbers == [0, 13, 3]
    assert (found.steps[0].title, found.steps[0].first_line, found.steps[0].last_line) == ("one", 3, 4)
    assert found.at_line(4).number == 0
    assert found.at_line(1) is None


def test_what_a_step_is_does_not_depend_on_comments():
    first = find_steps(ast.parse(STEPS))
    same = find_steps(ast.parse(STEPS.replace("  x = 1", "  # set it\n  x  =  1")))
    other = find_steps(ast.parse(STEPS.replace("x = 1", "x = 2")))
    assert first.digests() == same.digests()
    assert first.rest == same.rest
    assert {n for n, d in other.digests().items() if first.digests()[n] != d} == {0}


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("0-7,13", [*range(8), 13]),
        ("15-", [15, 16, 17, 18, 19]),
        ("-1", [0, 1]),
        ("3", [3]),
        ("[2, 3]", [2, 3]),
        ("0~2", [0, 1, 2]),
    ],
)
def test_step_ranges(text, steps):
    assert parse_steps(text, range(20)) == steps


@pytest.mark.parametrize("text", ["20", "a", "", "1--2", "25-30"])
def test_step_ranges_that_are_none(text):
    with pytest.raises(ArgumentError, match="steps="):
        parse_steps(text, range(20))


def test_ranges():
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


def test_calls_whose_result_is_not_used():
    tree = ast.parse("a()\nb = c()\nif d(): e(f())\n")
    assert unused_calls(tree) == {(1, 0), (3, 8)}
