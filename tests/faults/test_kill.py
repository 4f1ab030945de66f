"""SIGKILL at the worst moments: a MeasurementSet is as it was, or as it should be; nothing between."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal import cli
from atacal.errors import WriteError
from atacal.flags.backup import list_versions, versions_folder
from atacal.ms import transaction
from atacal.ms._tables import opened
from atacal.ms.history import write_history
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.transaction import WORKPLACE
from atacal.tasks import clearcal, flagcmd, flagdata, flagmanager, setjy


def _die(*args: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _set_trap(point: str) -> None:
    """Have this process killed at a point of its work."""
    write, replace = MeasurementSet.write, os.replace

    def write_and_die(self: MeasurementSet, *args: object) -> None:
        write(self, *args)  # type: ignore[arg-type]
        self.table.flush()  # the worst: what was written is on the disk
        _die()

    def replace_and_die(source: object, target: object) -> None:
        replace(source, target)  # type: ignore[type-var]
        if WORKPLACE in str(source) and WORKPLACE not in str(target):
            _die()

    if point == "write":
        MeasurementSet.write = write_and_die  # type: ignore[method-assign,assignment]
    elif point == "end":
        transaction._commit = _die
    elif point == "before renaming":
        transaction._carry_out = _die
    elif point == "while renaming":
        os.replace = replace_and_die  # type: ignore[assignment]


def in_a_child(work: Callable[[], object]) -> int:
    """Run something in a copy of this process; return its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(point: str, *words: str | Path) -> None:
    def work() -> None:
        _set_trap(point)
        cli.run([str(w) for w in words])

    assert in_a_child(work) == -signal.SIGKILL


def with_model_column(path: Path) -> None:
    setjy(str(path), standard="manual", fluxdensity=[2, 0, 0, 0], usescratch=True)


def with_virtual_model(path: Path) -> None:
    setjy(str(path), field="0", standard="manual", fluxdensity=[2, 0, 0, 0], usescratch=False)


def with_corrected_data(path: Path) -> None:
    clearcal(str(path), addmodel=True)
    with MeasurementSet(path, writable=True) as ms:
        ms.write("CORRECTED_DATA", [(0, 5)], np.full((5, 8, 2), 7, np.complex64))


def with_version(path: Path) -> None:
    flagmanager(str(path), mode="save", versionname="first")
    flagdata(str(path), antenna="1", flagbackup=False)
    flagdata(str(path), antenna="2", spw="0:1~2", flagbackup=False)


def with_list(path: Path) -> None:
    path.with_name("list.txt").write_text("mode='manual' antenna='2'\nmode='quack' quackinterval=5.0\n")


def with_commands(path: Path) -> None:
    lines = ["antenna='2' reason='a'", "scan='1' spw='0:1~2'"]
    flagcmd(str(path), inpmode="list", inpfile=lines, action="list", savepars=True)


def nothing(path: Path) -> None:
    pass


CASES = {
    "flagdata manual": (nothing, "flagdata X.ms --antenna 2 --no-flagbackup"),
    "flagdata clip": (nothing, "flagdata X.ms --mode clip --clipminmax 0,0.5 --no-flagbackup"),
    "flagdata extend": (with_version, "flagdata X.ms --mode extend --growfreq 5 --no-flagbackup"),
    "flagdata unflag": (with_version, "flagdata X.ms --mode unflag --no-flagbackup"),
    "flagdata list": (with_list, "flagdata X.ms --mode list --inpfile list.txt --no-flagbackup"),
    "flagdata savepars": (nothing, "flagdata X.ms --scan 3 --savepars --no-flagbackup"),
    "flagcmd": (with_commands, "flagcmd X.ms --no-flagbackup"),
    "flagcmd list": (with_list, "flagcmd X.ms --inpmode list --inpfile list.txt --savepars --no-flagbackup"),
    "flagcmd clear": (with_commands, "flagcmd X.ms --action clear --clearall"),
    "flagmanager restore": (with_version, "flagmanager X.ms --mode restore --versionname first"),
    "initweights": (nothing, "initweights X.ms --wtmode ones"),
    "initweights delwtsp": (nothing, "initweights X.ms --wtmode delwtsp"),
    "clearcal, new column": (nothing, "clearcal X.ms --addmodel"),
    "clearcal, old column": (with_corrected_data, "clearcal X.ms"),
    "clearcal of a field": (with_corrected_data, "clearcal X.ms --field 0"),
    "clearcal, virtual": (with_virtual_model, "clearcal X.ms"),
    "delmod scr": (with_model_column, "delmod X.ms --scr"),
    "delmod otf": (with_virtual_model, "delmod X.ms"),
    "statwt": (nothing, "statwt X.ms --datacolumn data --no-flagbackup"),
    "fixplanets": (nothing, "fixplanets X.ms --field 0 --fixuvw --direction 'J2000 15h00m00 -20d00m00'"),
    "fixvis": (nothing, "fixvis X.ms --no-reuse"),
    "vishead": (nothing, "vishead X.ms --mode put --hdkey observer --hdvalue someone"),
    "setjy, virtual": (with_virtual_model, "setjy X.ms --field 1 --standard manual --fluxdensity 3 --no-usescratch"),
    "setjy, new column": (with_virtual_model, "setjy X.ms --field 1 --standard manual --fluxdensity 3"),
    "setjy, old column": (with_model_column, "setjy X.ms --field 1 --standard manual --fluxdensity 3"),
}
WITHOUT_MAIN_COLUMNS = (
    "flagcmd clear", "flagmanager restore", "initweights delwtsp", "delmod scr", "delmod otf", "setjy, virtual",
    "vishead",
)  # fmt: skip


IN_PLACE = ("clearcal of a field", "setjy, old column")
"""Rows of large columns: what is written there is put back by the next run."""


def all_values(path: Path) -> dict[str, object]:
    """Read every cell of the main table and the models."""
    out: dict[str, object] = {}
    with opened(path) as tab:
        for column in tab.colnames():
            if column != "FLAG_CATEGORY":
                out[column] = tab.getcol(column)
        for sub in ("SOURCE", "FLAG_CMD"):
            with opened(path / sub) as small:
                out[sub] = [str(small[i]) for i in range(small.nrows())] + [str(small.getkeywords())]
        with opened(path / "HISTORY") as history:
            # the copies lie in different folders, with different log lines about their paths
            out["HISTORY"] = [m for m in history.getcol("MESSAGE") if not m.startswith("vis ")]
    return out


def assert_same_values(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        if isinstance(values, np.ndarray):
            np.testing.assert_array_equal(values, other[name], err_msg=name)
        else:
            assert values == other[name], name


def assert_writable(path: Path) -> None:
    """What casacore notes in lock files fits the tables, too."""
    with opened(path / "HISTORY") as history:
        nrow = history.nrows()
    for _ in range(2):
        write_history(path, "test", ["one", "two"])
    with opened(path / "HISTORY", writable=True) as history:
        assert history.nrows() == nrow + 4
        assert history.getcol("MESSAGE")[-2:] == ["one", "two"]
    with opened(path, writable=True) as tab:
        for column in tab.colnames():
            if column != "FLAG_CATEGORY":
                tab.getcol(column)


@pytest.mark.parametrize("point", ["write", "end"])
@pytest.mark.parametrize("case", CASES)
def test_killed_before_the_end_all_is_as_it_was(small, tree, caplog, monkeypatch, case, point):
    prepare, words = CASES[case]
    if point == "write" and case in WITHOUT_MAIN_COLUMNS:
        pytest.skip("writes no column of the main table through MeasurementSet")
    prepare(small)
    before = tree(small)
    monkeypatch.chdir(small.parent)
    killed(point, *shlex.split(words))
    if case in IN_PLACE:
        assert tree(small) != before
    else:
        assert tree(small) == before
    assert (small / WORKPLACE).is_dir()
    with caplog.at_level(logging.WARNING, "atacal"):
        MeasurementSet(small).close()
    assert f"an earlier {words.split()[0]} was killed; {small} is as it was before" in caplog.text
    assert not list(small.glob(f"{WORKPLACE}*"))
    assert tree(small) == before
    assert_writable(small)


@pytest.mark.parametrize("point", ["before renaming", "while renaming"])
@pytest.mark.parametrize("case", CASES)
def test_killed_at_the_very_end_the_next_run_completes_it(
    small, small_original, tmp_path, caplog, monkeypatch, case, point
):
    prepare, words = CASES[case]
    prepare(small)
    (tmp_path / "other").mkdir()
    reference = Path(shutil.copytree(small, tmp_path / "other" / "X.ms"))
    for extra in (*tmp_path.glob("list.txt"), *tmp_path.glob("*.flagversions")):
        shutil.copytree(extra, reference.parent / extra.name) if extra.is_dir() else shutil.copy(
            extra, reference.parent
        )
    monkeypatch.chdir(reference.parent)
    assert cli.run(shlex.split(words)) == 0
    logging.getLogger("atacal").propagate = True  # the command line has taken it over
    monkeypatch.chdir(small.parent)
    killed(point, *shlex.split(words))
    with caplog.at_level(logging.WARNING, "atacal"):
        MeasurementSet(small).close()
    assert f"an earlier {words.split()[0]} was killed at its very end; its changes are now complete" in caplog.text
    assert not list(small.glob(f"{WORKPLACE}*"))
    assert_same_values(all_values(small), all_values(reference))
    assert_writable(small)


def test_an_error_while_renaming(small, monkeypatch, caplog):
    """What was begun the next run completes."""
    real, calls = os.replace, []

    def fail(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) > 1:
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WriteError, match="Input/output error"):
        flagdata(str(small), flagbackup=False)
    monkeypatch.setattr(os, "replace", real)
    with caplog.at_level(logging.WARNING, "atacal"), MeasurementSet(small) as ms:
        assert ms.table.getcol("FLAG").all()
        assert ms.table.getcol("FLAG_ROW").all()
    assert "its changes are now complete" in caplog.text
    assert_writable(small)


class TestRowsInPlace:
    """A few rows of a large column are not worth a copy of all of it."""

    @pytest.fixture
    def killed_setjy(self, small):
        """A block whose MODEL_DATA is partly of a killed run; what it was before."""
        with_model_column(small)
        with MeasurementSet(small) as ms:
            before = ms.table.getcol("MODEL_DATA")
        killed("end", "setjy", small, "--field", "1", "--standard", "manual", "--fluxdensity", "3")
        with table(str(small), ack=False) as tab:
            assert not np.array_equal(tab.getcol("MODEL_DATA"), before)
        return small, before

    def test_an_error_puts_them_back(self, small, tree, monkeypatch):
        from atacal.ms import history

        with_model_column(small)
        before = tree(small)

        def fail(*args: object) -> None:
            raise RuntimeError("no")

        monkeypatch.setattr(history, "write_history", fail)
        with pytest.raises(WriteError, match="it is unchanged"):
            setjy(str(small), field="1", standard="manual", fluxdensity=[3, 0, 0, 0])
        assert tree(small) == before

    def test_killed_while_putting_them_back(self, killed_setjy):
        path, before = killed_setjy

        def work() -> None:
            def put_and_die(self: object, *args: object) -> None:
                real(self, *args)
                self.flush()  # type: ignore[attr-defined]
                _die()

            real = table.putcol
            table.putcol = put_and_die
            MeasurementSet(path).close()

        assert in_a_child(work) == -signal.SIGKILL
        with MeasurementSet(path) as ms:
            np.testing.assert_array_equal(ms.table.getcol("MODEL_DATA"), before)

    def test_not_over_what_another_program_wrote(self, killed_setjy, caplog):
        path, _ = killed_setjy
        with table(str(path), readonly=False, ack=False) as tab:
            tab.putcol("MODEL_DATA", np.full(np.shape(tab.getcol("MODEL_DATA")), 9, np.complex64))
        with caplog.at_level(logging.WARNING, "atacal"), MeasurementSet(path) as ms:
            assert (ms.table.getcol("MODEL_DATA") == 9).all()
        assert "another program has changed" in caplog.text
        assert "run setjy again" in caplog.text
        assert not (path / WORKPLACE).exists()


@pytest.mark.parametrize("point", ["end", "while renaming"])
def test_flags_of_a_caltable(caltable, tree, caplog, point):
    before = tree(caltable)
    killed(point, "flagdata", caltable, "--no-flagbackup")
    if point == "end":
        assert tree(caltable) == before
    with caplog.at_level(logging.WARNING, "atacal"), opened(caltable) as tab:
        assert tab.getcol("FLAG").all() == (point != "end")
    assert "an earlier flagdata was killed" in caplog.text


def test_killed_at_any_time_flags_are_old_or_new(sim_ms):
    """Without a hand in the code: kill after delays that cover the whole run."""
    with MeasurementSet(sim_ms) as ms:
        old = [np.asarray(ms.table.getcol(c)).copy() for c in ("FLAG", "FLAG_ROW")]
    command = [sys.executable, "-m", "atacal", "flagdata", str(sim_ms), "--no-flagbackup", "--quiet"]
    start = time.monotonic()
    subprocess.run([*command, "--action", "calculate"], check=True)
    length = time.monotonic() - start
    for part in np.linspace(0.6, 1.3, 8):
        flagdata(str(sim_ms), mode="unflag", flagbackup=False)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(part * length)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with MeasurementSet(sim_ms) as ms:
            flag, row = (np.asarray(ms.table.getcol(c)) for c in ("FLAG", "FLAG_ROW"))
        assert flag.all() == flag.any()
        assert flag.shape == old[0].shape
        assert (row == flag[0, 0, 0]).all()


def test_interrupted_by_the_keyboard(small, tree, monkeypatch):
    from atacal.ms import measurement_set

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    before = tree(small)
    monkeypatch.setattr(measurement_set.MeasurementSet, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        flagdata(str(small), flagbackup=False)
    assert tree(small) == before
    assert not list(small.glob(f"{WORKPLACE}*"))


class TestVersions:
    """Saving, deleting and renaming versions: at no moment a version is lost."""

    @pytest.mark.parametrize("function", ["rename", "replace"])
    @pytest.mark.parametrize(
        "words",
        [
            "--mode save --versionname first",
            "--mode save --versionname second",
            "--mode rename --oldname first --versionname third",
            "--mode delete --versionname other",
        ],
    )
    @pytest.mark.parametrize("count", [1, 2, 3])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_killed(self, small, tree, function, words, count, when):
        for name in ("other", "first"):
            flagmanager(str(small), mode="save", versionname=name, comment=name)
        before, kept = tree(small), tree(versions_folder(small) / "flags.first")
        real, calls = getattr(Path, function), []

        def counted(*args: Path) -> None:
            calls.append(args)
            if len(calls) == count and when == "before":
                _die()
            real(*args)
            if len(calls) == count:
                _die()

        def work() -> None:
            setattr(Path, function, counted)
            cli.run(["flagmanager", str(small), *words.split()])

        in_a_child(work)
        assert tree(small) == before
        for _ in range(2):  # as it was left, and after it was tidied
            there = [v.name for v in list_versions(small)]
            found = [n for n in there if tree(versions_folder(small) / f"flags.{n}") == kept]
            assert any(n.startswith(("first", "third")) for n in found), there
            flagmanager(str(small), mode="save", versionname="again")
        assert not list(versions_folder(small).glob(".flags.*"))
