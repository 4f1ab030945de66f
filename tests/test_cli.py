"""The command line: words become a task's arguments, errors become one line and an exit code."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal import cli, results
from atacal._cli_catalogue import GROUPS, catalogue, grouped
from atacal._cli_command import params_of
from atacal._cli_docstring import parse
from atacal._cli_values import BadValue, Param, kind_of
from atacal.errors import ArgumentError, AtacalError
from atacal.tasks import task_names

COMMANDS = sorted(catalogue())


def solve(
    vis: str,
    caltable: str = "",
    field: str = "",
    solint: str | float = "inf",
    append: bool = False,
    gaintable: str | Sequence[str] = (),
    interp: str | Sequence[str] = (),
    spwmap: Sequence[int] | Sequence[Sequence[int]] = (),
    calwt: bool | Sequence[bool] = True,
    minsnr: float = 3.0,
    fluxdensity: float | Sequence[float] = 1.0,
    calmode: Literal["p", "a", "ap"] = "ap",
    flux_ratio: float | None = None,
    reference: dict | str = "",
) -> dict:
    """Solve for something.

    More about it.

    Parameters
    ----------
    vis : str
        The data.
    caltable : str
        The ``table`` to make.
    minsnr : float
        Smallest signal-to-noise ratio.

        A second paragraph.
    """
    return dict(locals())


@dataclass
class FakeEntry:
    name: str
    function: object

    def load(self):
        return self.function

    def summary(self):
        return "A fake"


@pytest.fixture
def add_task(monkeypatch):
    """Make a function a command."""

    def add(function, name="solve"):
        monkeypatch.setitem(catalogue(), name, FakeEntry(name, function))

    return add


@pytest.fixture
def arguments(add_task, capsys):
    """Run `solve` with words, and give back the arguments it received where they differ from the defaults."""
    add_task(solve)
    defaults = {p.name: p.default for p in inspect.signature(solve).parameters.values()}

    def call(*words: str) -> dict:
        code = cli.run(["solve", "--json", *words])
        out, err = capsys.readouterr()
        assert code == 0, err
        got = json.loads(out)
        return {k: v for k, v in got.items() if v != results.plain(defaults[k])}

    return call


@pytest.fixture
def failure(capsys):
    """Run a command line that must fail; give back its exit code and what it said on standard error."""

    def call(*words: str) -> tuple[int, str]:
        code = cli.run(list(words))
        out, err = capsys.readouterr()
        assert out == ""
        return code, err

    return call


class TestWords:
    def test_first_files_need_no_name(self, arguments):
        assert arguments("X.ms", "x.cal") == {"vis": "X.ms", "caltable": "x.cal"}
        assert arguments("--caltable", "x.cal", "X.ms") == {"vis": "X.ms", "caltable": "x.cal"}
        assert arguments("--vis", "X.ms") == {"vis": "X.ms"}

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("--gaintable a.cal,b.cal", {"gaintable": ["a.cal", "b.cal"]}),
            ("--gaintable a.cal --gaintable b.cal", {"gaintable": ["a.cal", "b.cal"]}),
            ("--gaintable [a.cal,b.cal]", {"gaintable": ["a.cal", "b.cal"]}),
            ("--gaintable ['a.cal','b.cal']", {"gaintable": ["a.cal", "b.cal"]}),
            ("--gaintable a.cal", {"gaintable": "a.cal"}),
            ("--interp nearest,linearflag", {"interp": "nearest,linearflag"}),
            ("--interp nearest,linearflag --interp linear", {"interp": ["nearest,linearflag", "linear"]}),
            ("--field 0,1", {"field": "0,1"}),
            ("--spwmap [0,0,2]", {"spwmap": [0, 0, 2]}),
            ("--spwmap 0,0,2", {"spwmap": [0, 0, 2]}),
            ("--spwmap [[0,0],[]]", {"spwmap": [[0, 0], []]}),
            ("--spwmap [0,0] --spwmap []", {"spwmap": [[0, 0], []]}),
            ("--append", {"append": True}),
            ("--append true", {"append": True}),
            ("--append=yes", {"append": True}),
            ("--no-append", {}),
            ("--append false", {}),
            ("--no-calwt", {"calwt": False}),
            ("--calwt true,false", {"calwt": [True, False]}),
            ("--minsnr 5", {"minsnr": 5.0}),
            ("--fluxdensity -1", {"fluxdensity": -1.0}),
            ("--fluxdensity 14.8,0,0,0", {"fluxdensity": [14.8, 0.0, 0.0, 0.0]}),
            ("--solint 10", {"solint": "10"}),
            ("--solint int", {"solint": "int"}),
            ("--calmode p", {"calmode": "p"}),
            ("--flux-ratio 2", {"flux_ratio": 2.0}),
            ("--flux_ratio 2", {"flux_ratio": 2.0}),
            ("--flux_ratio None", {}),
            ("--reference {'a':1}", {"reference": {"a": 1}}),
        ],
    )
    def test_values(self, arguments, words, expected):
        assert arguments("X.ms", *words.split()) == {"vis": "X.ms", **expected}

    def test_a_switch_does_not_eat_the_next_file(self, arguments):
        assert arguments("--append", "X.ms") == {"append": True, "vis": "X.ms"}

    def test_all_words_go_to_the_only_parameter_without_a_name_if_it_takes_a_list(self, add_task, capsys):
        def whole(vis: list[str] | str, outdir: str = "") -> dict:
            """Do all.

            Parameters
            ----------
            vis : list of str
                The data.
            outdir : str
                Where.
            """
            return {"vis": vis, "outdir": outdir}

        add_task(whole, "whole")
        for words, expected in [
            ("X.ms", "X.ms"), ("X.ms Y.ms Z", ["X.ms", "Y.ms", "Z"]), ("X.ms,Y.ms", ["X.ms", "Y.ms"]),
            ("--vis X.ms --vis Y.ms", ["X.ms", "Y.ms"]),
        ]:  # fmt: skip
            assert cli.run(["whole", *words.split(), "--outdir", "R", "--json"]) == 0
            assert json.loads(capsys.readouterr().out) == {"vis": expected, "outdir": "R"}
        assert cli.run(["whole", "X.ms", "--vis", "Y.ms"]) == 2
        assert "vis is given twice: 'X.ms' and 'Y.ms'" in capsys.readouterr().err

    def test_after_two_dashes_all_is_positional(self, arguments):
        assert arguments("--", "--append") == {"vis": "--append"}

    def test_an_empty_text_is_a_value(self, arguments):
        assert arguments("X.ms", "--solint", "") == {"vis": "X.ms", "solint": ""}

    @given(st.lists(st.integers(-1000, 1000), min_size=1))
    def test_lists_of_integers_survive(self, numbers):
        param = Param("spwmap", kind_of(Sequence[int]), ())
        assert param.value([str(numbers)]) == numbers
        assert param.value([",".join(map(str, numbers)) + ","]) == numbers

    @pytest.mark.parametrize(
        ("word", "value"),
        [("0,0,2", [0, 0, 2]), ("[0,-1]", [0, -1]), ("[[0,0],[1]]", [[0, 0], [1]]), ("[]", []), ("a,b", ["a", "b"])],
    )
    def test_lists_of_anything(self, word, value):
        assert Param("spwmap", kind_of(list[Any] | None), None).value([word]) == value

    @given(st.floats(allow_nan=False))
    def test_numbers_survive(self, number):
        assert Param("x", kind_of(float), 0.0).value([repr(number)]) == number

    @given(st.text())
    def test_texts_survive(self, text):
        assert Param("field", kind_of(str), "").value([text]) == text

    @given(st.text())
    def test_any_word_is_read_or_refused(self, text):
        for annotation in (int, bool, list[float], dict, int | str | None, list[list[int]]):
            with contextlib.suppress(BadValue):  # any other error would be a traceback
                Param("x", kind_of(annotation), None).value([text])


class TestBadUsage:
    @pytest.fixture(autouse=True)
    def _task(self, add_task):
        add_task(solve)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("solve X.ms --feild 0", "--field"),
            ("solv X.ms", "did you mean solve"),
            ("xyzzy", "`atacal --help` lists them"),
            ("solve", "--vis is missing"),
            ("solve X.ms --calmode q", "'q' is not one of p, a, ap"),
            ("solve X.ms --minsnr high", "--minsnr: 'high' is not a number"),
            ("solve X.ms --minsnr 3 --minsnr 4", "given 2 times"),
            ("solve X.ms --memory", "--memory"),
            ("--memory 5apples solve X.ms", "--memory: '5apples' is not an amount of memory; write it as 500MB"),
            ("solve X.ms a b", "'b' is one word too many"),
            ("solve X.ms --vis Y.ms", "vis is given twice"),
            ("solve X.ms --append=maybe", "'maybe' is not true or false"),
            ("solve X.ms --spwmap [0,0", "is not a list"),
            ("solve X.ms --reference {a", "is not a Python literal"),
            ("solve X.ms --minsnr", "--minsnr"),
        ],
    )
    def test_is_said_and_exits_2(self, failure, words, said):
        code, err = failure(*words.split())
        assert code == 2
        assert said in err
        assert "atacal: error: " in err
        assert "Traceback" not in err


class TestErrors:
    def raising(self, error: BaseException):
        def solve(vis: str = "") -> None:
            raise error

        return solve

    def test_a_named_error_is_one_line(self, add_task, failure):
        add_task(self.raising(ArgumentError("solint='x' is no time\n  give seconds")))
        assert failure("solve") == (1, "atacal: error: solint='x' is no time give seconds\n")

    @pytest.mark.parametrize("words", [("solve", "--debug"), ("--debug", "solve")])
    def test_debug_shows_the_traceback(self, add_task, failure, words):
        add_task(self.raising(AtacalError("no")))
        code, err = failure(*words)
        assert code == 1
        assert "Traceback" in err
        assert "AtacalError: no" in err

    def test_a_full_disk_is_one_line(self, add_task, failure):
        add_task(self.raising(OSError(28, "No space left on device", "x.cal")))
        code, err = failure("solve")
        assert code == 1
        assert err.count("\n") == 1
        assert "No space left on device" in err

    def test_a_bug_shows_where_it_is(self, add_task, failure):
        add_task(self.raising(ZeroDivisionError("oops")))
        code, err = failure("solve")
        assert code == 1
        assert "Traceback" in err
        assert err.endswith(
            "atacal: error: unexpected ZeroDivisionError: oops; please report it with the lines above\n"
        )

    def test_ctrl_c(self, add_task, failure):
        add_task(self.raising(KeyboardInterrupt()))
        code, err = failure("solve")
        assert code == 130
        assert err.strip() == "atacal: interrupted"

    def test_a_terminated_run_clears_away_what_it_was_writing(self, tmp_path):
        script = f"""
import os, signal, sys
from dataclasses import dataclass
from atacal import cli
from atacal._cli_catalogue import catalogue
def solve(vis: str = "") -> None:
    place = {str(tmp_path / "half.tmp")!r}
    open(place, "w").close()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    finally:
        os.remove(place)
class Entry:
    name = "solve"
    def load(self): return solve
catalogue()["solve"] = Entry()
sys.argv = ["atacal", "solve"]
cli.main()
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 128 + signal.SIGTERM, done.stderr
        assert list(tmp_path.iterdir()) == []


class TestOutput:
    def test_logging_goes_to_standard_error(self, add_task, capsys):
        def solve(vis: str = "") -> dict:
            log = logging.getLogger("atacal")
            log.debug("detail")
            log.info("found %d", 3)
            log.warning("careful")
            return {"n": 3}

        add_task(solve)
        said = {}
        for words in ([], ["--quiet"], ["--verbose"]):
            assert cli.run(["solve", *words]) == 0
            out, said[" ".join(words)] = capsys.readouterr()
            assert out == "n  3\n"
        assert said == {
            "": "found 3\nwarning: careful\n",
            "--quiet": "warning: careful\n",
            "--verbose": "detail\nfound 3\nwarning: careful\n",
        }

    def test_a_task_may_have_a_parameter_called_verbose(self, add_task, capsys):
        def solve(vis: str = "", verbose: bool = True) -> dict:
            return {"verbose": verbose}

        add_task(solve)
        assert cli.run(["solve", "--no-verbose"]) == 0
        assert capsys.readouterr().out == "verbose  no\n"

    def test_json_is_json(self):
        np = pytest.importorskip("numpy")
        value = {"a": np.arange(2), 3: np.float32(1.5), "c": 1 + 2j, "p": Path("x"), "nan": float("nan"), "s": {2, 1}}
        expected = {"a": [0, 1], "3": 1.5, "c": [1.0, 2.0], "p": "x", "nan": None, "s": [1, 2]}
        assert json.loads(results.as_json(value)) == expected

    def test_records_are_a_table(self):
        fields = {"0": {"name": "3C286", "flux": 14.8}, "1": {"name": "1445+099", "flux": 2.484}}
        lines = results.as_text({"n": 2, "fields": fields}).split("\n")
        assert lines == ["n  2", "fields", "     name       flux", "  0  3C286      14.8", "  1  1445+099  2.484"]

    def test_nothing_is_printed_for_none(self, add_task, capsys):
        def solve(vis: str = "") -> None:
            """Do it."""

        add_task(solve)
        assert cli.run(["solve"]) == 0
        assert capsys.readouterr() == ("", "")

    def test_nothing_is_printed_for_an_empty_result(self, add_task, capsys):
        def solve(vis: str = "") -> dict:
            """Do it."""
            return {}

        add_task(solve)
        assert cli.run(["solve"]) == 0
        assert capsys.readouterr() == ("", "")
        assert cli.run(["solve", "--json"]) == 0
        assert capsys.readouterr().out == "{}\n"

    def test_a_dictionary_that_prints_itself(self):
        class Listing(dict):
            def __str__(self) -> str:
                return "a page"

        assert results.as_text(Listing(n=2)) == "a page"
        assert results.plain(Listing(n=2)) == {"n": 2}

    def test_the_result_of_a_class_that_prints_itself(self):
        @dataclass
        class Report:
            n: int

            def __str__(self) -> str:
                return f"{self.n} things"

        assert results.as_text(Report(2)) == "2 things"
        assert results.plain(Report(2)) == {"n": 2}


class TestHelp:
    def test_lists_every_command_in_its_group(self, capsys):
        assert cli.run(["--help"]) == 0
        text = capsys.readouterr().out
        listed = [line.split()[0] for line in text.split("\n") if line.startswith("  ") and line.split()]
        assert set(COMMANDS) <= set(listed)
        for title, _ in grouped():
            assert f"\n{title}:\n" in text

    def test_every_task_has_a_group(self):
        assert set(task_names()) <= {name for names in GROUPS.values() for name in names}

    def test_without_words_it_is_the_help(self, capsys):
        assert cli.run([]) == 0
        assert "Usage: atacal" in capsys.readouterr().out

    def test_explains_the_parameters(self, add_task, capsys):
        add_task(solve)
        assert cli.run(["solve", "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "Smallest signal-to-noise ratio. [default: 3.0]" in text
        assert "--vis text The data. [required]" in text
        assert "The table to make." in text
        assert "second paragraph" not in text

    @pytest.mark.parametrize("name", COMMANDS)
    def test_of_every_command(self, name, capsys):
        assert cli.run([name, "--help"]) == 0
        text = capsys.readouterr().out
        for param in params_of(catalogue()[name].load()):
            assert re.search(rf"^  --{param.name.replace('_', '-')}[ ,]", text, re.MULTILINE)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_parameter_is_documented_and_typed(self, name):
        function = catalogue()[name].load()
        assert catalogue()[name].summary()
        assert len(catalogue()[name].summary()) <= 100
        documented = parse(function.__doc__).parameters()
        parameters = inspect.signature(function).parameters
        assert [p for p in parameters if not (documented.get(p) and documented[p].text)] == []
        assert [p.name for p in parameters.values() if p.annotation is p.empty] == []
        assert [p for p in documented if p not in parameters] == []

    def test_version(self, capsys):
        assert cli.run(["--version"]) == 0
        assert capsys.readouterr().out.startswith("atacal 0.")


def test_a_missing_measurement_set_is_one_clear_line(failure, tmp_path):
    if "listobs" not in task_names():
        pytest.fail("the task listobs is not there")
    code, err = failure("listobs", str(tmp_path / "none.ms"))
    assert code == 1
    assert err.startswith("atacal: error: ")
    assert "none.ms" in err
    assert err.count("\n") == 1


def test_the_generated_pages_are_current():
    tool = Path(__file__).parents[1] / "tools" / "make_docs.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
