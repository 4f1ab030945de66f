"""A disk that is full, for real: a small file system in memory, mounted in a name space of our own."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from atacal.errors import DiskFull
from atacal.ms.space import in_words, require_space, reserve

MB = 1 << 20


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


small_disk = pytest.mark.skipif(not _may_mount(), reason="no permission to mount a small file system here")

DRIVER = """
import contextlib, hashlib, os, shutil, subprocess, sys
source, free, prepare, hook, *words = sys.argv[1:]
disk = "/mnt/disk"
os.makedirs(disk, exist_ok=True)
for name in os.listdir(source):
    there = os.path.join(source, name)
    shutil.copytree(there, f"{disk}/{name}") if os.path.isdir(there) else shutil.copy(there, disk)
os.chdir(disk)
from atacal import cli
for line in filter(None, prepare.split(";")):
    assert cli.run(line.split()) == 0, line

def tree():
    out = {}
    for folder, names, files in os.walk(disk):
        for name in files:
            if name not in ("table.lock", "filler"):
                path = os.path.join(folder, name)
                out[path] = hashlib.sha1(open(path, "rb").read()).hexdigest()
    return out

def fill(leave):
    size = max(0, shutil.disk_usage(disk).free - leave)
    with open("/mnt/filler", "ab") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)

before = tree()
if free != "all":
    fill(int(free))
if hook:
    from atacal.ms import _double, space, transaction, add_column, columns
    exec(hook)
code = cli.run(words)
after = tree()
os.path.exists("/mnt/filler") and os.remove("/mnt/filler")
changed = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
print("changed:", *changed)
sys.exit(code)
"""


def run(source: Path, size: int, free: int | str, words: str, *, prepare: str = "", hook: str = ""):
    """Run a command line on a disk of ``size`` with only ``free`` bytes left."""
    inner = ["sh", "-c", f'mount -t tmpfs -o size={size} none /mnt && exec "$@"', "sh", sys.executable, "-c", DRIVER,
             str(source), str(free), prepare, hook, *words.split()]  # fmt: skip
    return subprocess.run(["unshare", "-rm", *inner], capture_output=True, text=True, check=False, timeout=120)


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout.splitlines()[-1] == "changed:", done.stdout
    error = [line for line in done.stderr.splitlines() if line.startswith("atacal: error:")]
    assert len(error) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "room" in error[0] or "free" in error[0], error


@pytest.fixture(scope="module")
def folder(small_original, caltable_original, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("disk")
    shutil.copytree(small_original, path / "X.ms")
    shutil.copytree(caltable_original, path / "X.phase")
    _asdm_writer().write_asdm(path / "A")
    return path


def _asdm_writer() -> ModuleType:
    """Load the writer of tiny ASDMs that stands beside the importer's tests."""
    spec = importlib.util.spec_from_file_location("asdm_writer", Path(__file__).parents[1] / "asdm" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["asdm_writer"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SET = "setjy X.ms --standard manual --fluxdensity 2"
CASES = {
    "flagdata": ("", "flagdata X.ms --antenna 2 --no-flagbackup"),
    "flagdata with backup": ("", "flagdata X.ms --antenna 2"),
    "flagdata of a caltable": ("", "flagdata X.phase --antenna 2 --no-flagbackup"),
    "flagmanager save": ("", "flagmanager X.ms --mode save --versionname a"),
    "flagmanager restore": (
        "flagmanager X.ms --mode save --versionname a;flagdata X.ms --antenna 1 --no-flagbackup",
        "flagmanager X.ms --mode restore --versionname a",
    ),
    "initweights": ("", "initweights X.ms"),
    "initweights, new column": ("initweights X.ms --wtmode delwtsp", "initweights X.ms --dowtsp"),
    "clearcal, new column": ("", "clearcal X.ms"),
    "clearcal, old column": ("clearcal X.ms", "clearcal X.ms"),
    "setjy, virtual": ("", f"{SET} --no-usescratch"),
    "setjy, new column": ("", SET),
    "setjy, old column": (SET, SET),
    "delmod": (f"{SET} --no-usescratch", "delmod X.ms"),
    "gaincal": ("", "gaincal X.ms X.new --refant 0"),
    "gaincal append": ("", "gaincal X.ms X.phase --refant 0 --append"),
    "applycal": ("", "applycal X.ms --gaintable X.phase --no-flagbackup"),
    "gencal": ("", "gencal X.ms X.new --caltype antpos --antenna 1 --parameter 0.001,0,0"),
    "importasdm": ("", "importasdm A --vis B.ms"),
    "split": ("", "split X.ms --outputvis Y.ms --datacolumn data"),
}


@small_disk
@pytest.mark.parametrize("free", [0, 200_000])
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_changed(folder, case, free):
    prepare, words = CASES[case]
    done = run(folder, 40 * MB, free, words, prepare=prepare)
    if done.returncode == 0 and free:  # what is small enough may be done
        return
    assert_refused(done)


@small_disk
@pytest.mark.parametrize("case", CASES)
def test_with_room_it_works(folder, case):
    """So that the refusals above are for want of room and nothing else."""
    prepare, words = CASES[case]
    done = run(folder, 40 * MB, "all", words, prepare=prepare)
    assert done.returncode == 0, done.stderr


@small_disk
@pytest.mark.parametrize("case", ["flagdata", "clearcal, new column", "clearcal, old column", "setjy, new column",
                                  "initweights, new column", "initweights"])  # fmt: skip
@pytest.mark.parametrize("name", ["transaction.make_double", "add_column.ensure_column"])
def test_filled_by_another_after_the_room_was_set_aside(folder, case, name):
    """What was set aside is enough: the run ends well on a full disk."""
    prepare, words = CASES[case]
    hook = f"""
module, name = {name.split(".")[0]}, {name.split(".")[1]!r}
real = getattr(module, name)
def then_fill(*args, **options):
    out = real(*args, **options)
    fill({100_000 if "make_double" not in name else 3_000_000})
    return out
setattr(module, name, then_fill)
"""
    done = run(folder, 40 * MB, "all", words, prepare=prepare, hook=hook)
    assert done.returncode == 0, done.stderr


@small_disk
@pytest.mark.parametrize("case", ["flagdata", "clearcal, new column", "setjy, old column", "initweights, new column"])
def test_filled_by_another_just_before(folder, case):
    """Between the question and the answer: the disk itself refuses, and nothing has been changed."""
    prepare, words = CASES[case]
    hook = """
def fill_after(real):
    def asked(*args):
        real(*args)
        fill(50_000)
    return asked
if "flagdata" in words or "setjy" in words:
    _double.require_space = fill_after(space.require_space)
else:
    add_column.require_space = fill_after(space.require_space)
"""
    done = run(folder, 40 * MB, "all", words, prepare=prepare, hook=hook)
    assert_refused(done)


def test_the_message_says_how_much_and_where(tmp_path):
    with pytest.raises(DiskFull) as error:
        require_space(tmp_path / "not" / "yet" / "there", 10**18, "the column X of Y.ms")
    for part in ("the column X of Y.ms", "1000000000.0 GB", str(tmp_path), "free"):
        assert part in str(error.value)
    require_space(tmp_path, 1, "nothing much")


def test_reserving_leaves_the_size_alone(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    reserve(file, 3 * MB, "f")
    assert file.read_bytes() == b"abc"
    assert file.stat().st_blocks * 512 >= 3 * MB
    with pytest.raises(DiskFull, match="room for f"):
        reserve(file, 1 << 60, "f")
    assert file.read_bytes() == b"abc"


@pytest.mark.parametrize(("nbytes", "text"), [(1, "0 kB"), (999_000, "999 kB"), (1_500_000, "1.5 MB"), (2e9, "2.0 GB")])
def test_sizes_for_people(nbytes, text):
    assert in_words(int(nbytes)) == text
