"""A table that another process holds, or that may not be written: a named error, soon, and nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import TableLocked, WriteError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.transaction import WORKPLACE, transaction
from atacal.tasks import flagdata, flagmanager

SOON_S = 30.0  # far more than it takes, far less than for ever

WRITING = {
    "flagdata": "flagdata X.ms --antenna 1",
    "flagdata of a caltable": "flagdata X.phase --antenna 1",
    "flagmanager restore": "flagmanager X.ms --mode restore --versionname main_flags",
    "initweights": "initweights X.ms",
    "clearcal": "clearcal X.ms",
    "delmod": "delmod X.ms",
    "delmod scr": "delmod X.ms --scr",
    "setjy": "setjy X.ms --standard manual --fluxdensity 2",
    "setjy, virtual": "setjy X.ms --standard manual --fluxdensity 2 --no-usescratch",
    "applycal": "applycal X.ms --gaintable X.phase --no-flagbackup",
    "gaincal append": "gaincal X.ms X.phase --refant 0 --append",
}
READING = {
    "listobs": "listobs X.ms",
    "flagdata summary": "flagdata X.ms --mode summary",
    "flagmanager list": "flagmanager X.ms",
    "gaincal": "gaincal X.ms {out}/new.cal --refant 0",
    "bandpass": "bandpass X.ms {out}/new.cal --refant 0",
    "split": "split X.ms --outputvis {out}/Y.ms --datacolumn data",
    "listcal": "listcal X.ms --caltable X.phase",
}
HOLDER = """
import sys
from casacore.tables import table
path, option = sys.argv[1:]
held = table(path, readonly=False, ack=False, lockoptions=option)
if option == "user":
    held.lock(write=True)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path, option: str = "user") -> Iterator[None]:
    """Have another process hold a table."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), option], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def here(small, caltable, tmp_path, monkeypatch) -> Path:
    """A folder with X.ms, one version of its flags, and X.phase."""
    flagmanager(str(small), mode="save", versionname="main_flags")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("option", ["user", "permanent"])
@pytest.mark.parametrize("case", WRITING)
def test_writing_to_a_held_table(here, tree, atacal, case, option):
    words = WRITING[case].split()
    target = next(w for w in words[::-1] if (w in ("X.ms", "X.phase") and (w == "X.ms") == (words[0] == "applycal"))
                  or (w == words[1] and words[0] not in ("gaincal", "applycal")))  # fmt: skip
    before = tree(here)
    with held(here / target, option):
        done = atacal(*words, timeout=SOON_S)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("atacal: error:")
    assert f"{target} is locked by another process" in done.stderr
    assert tree(here) == before


@pytest.mark.parametrize("sub", ["SOURCE", "HISTORY"])
def test_a_held_subtable(here, tree, atacal, sub):
    before = tree(here)
    with held(here / "X.ms" / sub):
        done = atacal("setjy", "X.ms", "--standard", "manual", "--fluxdensity", "2", "--no-usescratch", timeout=SOON_S)
    assert done.returncode == 1, done.stderr
    assert f"X.ms/{sub} is locked by another process" in done.stderr
    assert tree(here) == before


@pytest.mark.parametrize("case", READING)
def test_reading_a_held_table_does_not_wait(here, tree, atacal, case):
    (here / "out").mkdir()
    before = tree(here / "X.ms")
    with held(here / "X.ms"):
        done = atacal(*READING[case].format(out="out").split(), timeout=SOON_S)
    assert done.returncode == 0, done.stderr
    assert tree(here / "X.ms") == before


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt && mount -o remount,ro /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


READ_ONLY = """
mount -t tmpfs none /mnt && cp -r "$1"/X.* /mnt && cd /mnt && mount -o remount,ro /mnt || exit 99
shift
exec "$@"
"""


def _on_read_only_disk(here: Path, words: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "-rm", "sh", "-c", READ_ONLY, "sh", str(here), sys.executable, "-m", "atacal", *words.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * SOON_S)


@pytest.mark.skipif(not _may_mount(), reason="no permission to mount a file system here")
class TestReadOnlyDisk:
    @pytest.mark.parametrize(
        "words",
        [*WRITING.values(), "flagmanager X.ms --mode save --versionname b", "gaincal X.ms Y.cal --refant 0",
         "split X.ms --outputvis Y.ms --datacolumn data"],
    )  # fmt: skip
    def test_writing(self, here, words):
        done = _on_read_only_disk(here, words)
        assert done.returncode == 1, done.stderr
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        assert errors == [done.stderr.splitlines()[-1]]
        assert any(why in errors[0] for why in ("cannot be written", "cannot be saved", "no permission")), errors
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("case", READING)
    def test_reading(self, here, case):
        (here / "out").mkdir()
        done = _on_read_only_disk(here, READING[case].format(out=here / "out"))
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_no_permission(small, failing, tree):
    before = tree(small)
    small.chmod(0o555)
    try:
        assert "no permission" in failing("flagdata", small, "--antenna", "1", "--no-flagbackup")
    finally:
        small.chmod(0o755)
    assert tree(small) == before


def test_a_second_run_of_ours_is_told_so(small, tree):
    before = tree(small)
    with (
        transaction(small, "setjy", columns=("FLAG",)),
        pytest.raises(TableLocked, match=r"another run of atacal \(setjy, process \d+\)"),
    ):
        flagdata(str(small), flagbackup=False)
    assert tree(small) == before
    flagdata(str(small), flagbackup=False)
    assert tree(small) != before


def test_another_process_writes_meanwhile(small):
    """Nothing of ours is written then: it would undo what the other wrote."""

    def flag(path: Path, row0: int) -> None:
        with MeasurementSet(path, writable=True) as ms:
            shape = np.asarray(ms.table.getcell("FLAG", 0)).shape
            ms.write("FLAG", [(row0, 3)], np.ones((3, *shape), bool))

    def both() -> None:
        with transaction(small, "flagdata", columns=("FLAG",)) as inside:
            flag(small, 0)
            flag(inside, 3)

    with pytest.raises(TableLocked, match=r"another process changed table\.f"):
        both()
    with MeasurementSet(small) as ms:
        assert ms.table.getcol("FLAG", 0, 3).all()
        assert not ms.table.getcol("FLAG", 3, 3).all()
    assert not list(small.glob(f"{WORKPLACE}*"))


def test_a_column_that_was_not_announced(small):
    with (
        pytest.raises(WriteError, match="had not announced"),
        transaction(small, "flagdata", columns=("FLAG",)) as inside,
        MeasurementSet(inside, writable=True) as ms,
    ):
        ms.write("WEIGHT", [(0, 1)], np.full((1, 2), 3, np.float32))


def test_a_column_written_in_place(small):
    with (
        transaction(small, "applycal", columns=("FLAG",), in_place=("WEIGHT",)) as inside,
        MeasurementSet(inside, writable=True) as ms,
    ):
        ms.write("WEIGHT", [(0, 1)], np.full((1, 2), 3, np.float32))
    with MeasurementSet(small) as ms:
        assert ms.table.getcell("WEIGHT", 0).tolist() == [3, 3]


def test_without_hard_links(small, monkeypatch):
    """Columns are removed and written all the same where the file system has no hard links."""

    def none(*args: object, **options: object) -> None:
        raise OSError(1, "Operation not permitted")

    from atacal.tasks import delmod, setjy

    monkeypatch.setattr(os, "link", none)
    with MeasurementSet(small) as ms:
        data = ms.table.getcol("DATA")
    setjy(str(small), standard="manual", fluxdensity=[2, 0, 0, 0], usescratch=True)
    flagdata(str(small), antenna="1", flagbackup=False)
    with MeasurementSet(small) as ms:
        assert ms.has("MODEL_DATA")
    delmod(str(small), scr=True)
    with MeasurementSet(small) as ms:
        assert "MODEL_DATA" not in ms.columns()
        np.testing.assert_array_equal(ms.table.getcol("DATA"), data)
    assert not [p for p in small.iterdir() if p.is_symlink()]


def test_a_table_with_links_of_its_own(small, tmp_path):
    """A table reached through a link, and one of whose files lies elsewhere."""
    from atacal.ms._tables import opened

    with opened(small) as tab:
        number = next(m["SEQNR"] for m in tab.getdminfo().values() if "FLAG" in m["COLUMNS"])
    (tmp_path / "elsewhere").mkdir()
    file = small / f"table.f{number}_TSM1"
    file.rename(tmp_path / "elsewhere" / file.name)
    file.symlink_to(tmp_path / "elsewhere" / file.name)
    link = tmp_path / "link.ms"
    link.symlink_to(small)
    flagdata(str(link), flagbackup=False)
    with MeasurementSet(small) as ms:
        assert ms.table.getcol("FLAG").all()
