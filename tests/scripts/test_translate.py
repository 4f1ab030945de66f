"""Python 2 in Python 3: the same answers, on the same lines."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.scripts import py2, py2_modules
from atacal.scripts._layout import SHELL_CALL, lines_in_code, tidy
from atacal.scripts.semantics import with_python2_meaning
from atacal.scripts.source import script_from
from atacal.scripts.translate import ScriptSyntaxError, decoded, translate


def run(source: str, **names: Any) -> dict[str, Any]:
    """Run a Python 2 source and return its variables."""
    tree = with_python2_meaning(ast.parse(translate(source)))
    variables: dict[str, Any] = py2.BUILTINS | py2.OPERATORS | names
    exec(compile(tree, "script", "exec"), variables)
    return variables


# what each expression is in Python 2.7 (its interpreter's answers)
ANSWERS = [
    ("7/2", 3),
    ("-7/2", -4),
    ("7/2.0", 3.5),
    ("7//2", 3),
    ("True/2", 0),
    ("1/2*4.0", 0.0),
    ("10/3/2", 1),
    ("range(3)+[5]", [0, 1, 2, 5]),
    ("map(None, [1, 2], [3])", [(1, 3), (2, None)]),
    ("zip('ab', [1, 2])", [("a", 1), ("b", 2)]),
    ("filter(None, 'a b')", "a b"),
    ("filter(lambda c: c > 1, (1, 2, 3))", (2, 3)),
    ("{1: 2}.keys() + [3]", [1, 3]),
    ("{1: 2}.items()", [(1, 2)]),
    ("list({1: 2}.iteritems())", [(1, 2)]),
    ("{1: 2}.has_key(1)", True),
    ("sorted([3, None, 'a', 1.5])", [None, 1.5, 3, "a"]),
    ("sorted([2, 1, 3], lambda a, b: cmp(b, a))", [3, 2, 1]),
    ("None < 0", True),
    ("'a' > 1", True),
    ("[1, 'a'] < [1, 2]", False),
    ("1 <> 2", True),
    ("`1`+`'a'`", "1'a'"),
    ("0777", 511),
    ("0777L", 511),
    ("10L", 10),
    ("0xFFL", 255),
    (r"ur'\d'", r"\d"),
    ("u'a' 'b'", "ab"),
    ("round(2.5)", 3.0),
    ("round(-0.5)", -1.0),
    ("round(2.675, 2)", 2.67),
    ("reduce(lambda a, b: a + b, [1, 2, 3])", 6),
    ("cmp(3, 2)", 1),
    ("isinstance('a', basestring)", True),
    ("isinstance(3, (int, long))", True),
    ("unicode(3)", "3"),
    ("apply(max, [1, 2])", 2),
    ("(lambda (a, b), c: a/b + c)((7, 2), 1)", 4),
    ("[x for x in 1, 2]", [1, 2]),
    ("iter([4]).next()", 4),
    ("max([None, 2])", 2),
]


@pytest.mark.parametrize(("expression", "answer"), ANSWERS)
def test_expressions_have_python2s_values(expression, answer):
    value = run(f"x = {expression}\n")["x"]
    assert value == answer
    assert type(value) is type(answer)


def test_division_of_arrays_and_in_place():
    out = run(
        "a = n.array([7, 8])\nb = a\na /= 2\nc = n.array([7.0]) / 2\nd = n.int64(7) / n.int32(2)\ni = 7\ni /= 2\n"
        "l = [9]\nl[0] /= 2\n",
        n=np,
    )
    np.testing.assert_array_equal(out["a"], [3, 4])
    assert out["b"] is out["a"]
    assert (out["c"][0], out["d"], out["i"], out["l"]) == (3.5, 3, 3, [4])


def test_true_division_where_it_is_asked_for():
    assert run("from __future__ import division\nx = 7/2\ny = 7\ny /= 2\n")["x"] == 3.5


def test_print_statements(capsys):
    run("import sys\nprint 'a', 1\nprint 'b',\nprint\nprint >>sys.stderr, 'c'\nprint ('%s') % 3\nprint ('d', 4)\n")
    told = capsys.readouterr()
    assert told.out == "a 1\nb \n3\n('d', 4)\n"
    assert told.err == "c\n"


def test_exceptions():
    out = run(
        "try:\n  raise ValueError, 'bad'\nexcept (KeyError, ValueError), e:\n  pass\n"
        "try:\n  raise ValueError('a', 'b')\nexcept ValueError, (x, y):\n  pass\n"
        "try:\n  raise 'string', 3\nexcept TypeError, t:\n  pass\n"
    )
    assert str(out["e"]) == "bad"  # still there after its clause
    assert (out["x"], out["y"]) == ("a", "b")
    assert str(out["t"]) == "string"


def test_tuples_as_parameters_and_exec():
    out = run("def f(a, (b, c)=(5, 2)):\n  'doc'\n  return a + b/c\nx = f(1)\ny = f(1, (9, 2))\nexec 'z = 3'\n")
    assert (out["x"], out["y"], out["f"].__doc__) == (3, 5, "doc")


def test_indentation_by_tabs_and_spaces():
    assert run("if 1:\n        a = 1\n\tb = '''x\n\ty'''\n")["b"] == "x\n\ty"


def test_shell_lines_and_strings():
    source = "!ls *.ms\nx = '''\n!rm -rf .\n'''\nif 1:\n  !pwd\n"
    assert translate(source) == f"{SHELL_CALL}('ls *.ms')\nx = '''\n!rm -rf .\n'''\nif 1:\n  {SHELL_CALL}('pwd')\n"


def test_python2s_modules():
    string, types = py2_modules.module("string"), py2_modules.module("types")
    assert string.join(["a", "b"]) == "a b"
    assert string.letters.startswith("abc")
    assert types.ListType is list
    assert py2_modules.module("ConfigParser").__name__ == "configparser"
    assert py2_modules.module("commands").getoutput("echo a") == "a"
    assert py2_modules.module("subprocess").Popen(["echo", "a"], stdout=-1).communicate()[0] == "a\n"
    assert py2_modules.module("json") is None


def test_errors_name_the_line():
    with pytest.raises(ScriptSyntaxError, match=r"s\.py, line 2: neither Python 2 nor Python 3 can read `x = = 2`"):
        translate("print 1\nx = = 2\n", "s.py")


def test_any_bytes_can_be_read():
    assert decoded(b"# \xe9\n") == "# \xe9\n"
    assert decoded(b"# -*- coding: latin-1 -*-\n# \xe9\n").endswith("\xe9\n")


def test_which_python(tmp_path):
    def decided(text: str) -> int:
        return script_from(text, Path("/s.py")).python

    assert decided("print 'a'\n") == 2
    assert decided("print('a')\n") == 3
    assert decided("import re\nif re.search('^5.1.1', casadef.casa_version) == None:\n sys.exit('no')\n") == 2
    assert decided("if casalith.compare_version('<', [6, 1]):\n sys.exit('no')\n") == 3
    assert decided("for k in d.iteritems(): pass\n") == 2
    assert decided("from casatasks import gaincal\nprint(f'{1}')\n") == 3
    assert script_from("print('a')\n", Path("/s.py"), python=2).python == 2


PIECES = [
    "print 'a', mark()",
    "mark()",
    "print >>out, mark(), 'b'",
    "x = [mark(),\n  2]",
    "if 1:\n\tmark()\n        # by eight\n        mark()",
    "try:\n  raise ValueError, 'x'\nexcept ValueError, e:\n  mark()",
    "try:\n  raise KeyError(1, 2)\nexcept KeyError, (p, q):\n  mark()",
    "def f(a, (b, c)):\n  '''doc\n  string'''\n  return mark()\nf(1, (2, 3))",
    "y = mark() / 2",
    "s = '''print\n  !no\n\tx'''\nmark()",
    "z = 1 + \\\n  mark()",
    "# print",
    "",
    "for i in 1, 2:\n  mark()",
    "print 'long', \\\n  mark()",
    "d = {}\nif d.has_key(mark()): pass",
    "w = `mark()`",
    "print",
    "exec 'v = 1'",
    "if mark() <> 0: mark()",
    "@apply\ndef g():\n  return mark()",
    "u = ur'a', 0777L, mark()",
    "class C:\n  v = mark()",
    "k = (lambda (a, b): mark())((1, 2))",
    "print ('%d'\n  % mark())",
    "print('''a\nb'''), mark()",
]
"""Statements of Python 2; each call of mark() must come from the line it stands on."""


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12), st.booleans())
def test_every_statement_stays_on_its_line(pieces, closed):
    source = "\n".join(pieces) + ("\n" if closed else "")
    found: list[int] = []

    def mark() -> int:
        # the line of the call itself, within its statement
        frame = sys._getframe(1)
        positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        found.append(positions[0] or frame.f_lineno)
        return 3

    class Out:
        def write(self, text: str) -> None:
            """Take it."""

    run(source, mark=mark, out=Out(), print=lambda *a, **k: None)
    lines = source.split("\n")
    assert all("mark()" in lines[n - 1] for n in found)
    assert set(found) == {i + 1 for i, line in enumerate(lines) if "mark()" in line}


@given(st.text(alphabet="ab'\"\\#\n\t !ur(", max_size=60))
def test_tidying_keeps_the_number_of_lines(text):
    assert tidy(text).count("\n") == text.count("\n")
    assert len(lines_in_code(text)) == text.count("\n") + 1
