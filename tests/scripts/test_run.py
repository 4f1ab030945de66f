"""Scripts run in a process of their own: steps, resuming, what is refused, exit codes, ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atacal.errors import ArgumentError
from atacal.scripts import run
from atacal.scripts.landlock import OLDEST, version

HEAD = """thesteps = []
step_title = {0: 'first', 1: 'second', 2: 'third', 3: 'fourth'}
try:
  print 'List of steps to be executed ...', mysteps
  thesteps = mysteps
except:
  print 'global variable mysteps not set.'
if (thesteps==[]):
  thesteps = range(0,len(step_title))
"""


def steps(*bodies: str) -> str:
    """Write a script in the generator's form."""
    out = HEAD
    for number, body in enumerate(bodies):
        indented = "\n".join(f"  {line}" for line in body.split("\n"))
        out += f"\nmystep = {number}\nif(mystep in thesteps):\n  print 'Step', mystep\n{indented}\n"
    return out


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to run in, inside of another."""
    inside = tmp_path / "w"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside


def test_steps_failure_and_resuming(folder):
    script = Path("s.py")
    ran = "open('ran', 'a').write('%d' % mystep)"
    script.write_text(steps(ran, f"{ran}\nvalue = 7/2", f"{ran}\nraise ValueError, 'no luck'", ran))
    first = run("s.py")
    assert first.exit_code == 1
    assert first.error == "s.py, line 26, step 2 (third): ValueError: no luck"
    assert [(s["number"], s["status"]) for s in first.steps] == [(0, "done"), (1, "done"), (2, "failed")]
    assert Path("ran").read_text() == "012"
    # the step that failed may be mended
    script.write_text(script.read_text().replace("raise ValueError, 'no luck'", "x = 1"))
    second = run("s.py", resume=True)
    assert (second.exit_code, [s["number"] for s in second.steps]) == (0, [2, 3])
    assert Path("ran").read_text() == "01223"
    third = run("s.py", resume=True)
    assert (third.exit_code, third.steps) == (0, [])
    # what is done was done by other code
    script.write_text(script.read_text().replace("value = 7/2", "value = 8/2"))
    with pytest.raises(ArgumentError, match="step 1 is not what was run"):
        run("s.py", resume=True)
    record = json.loads(Path("s.run.json").read_text())
    assert sorted(record["done"]) == ["0", "1", "2", "3"]


def test_chosen_steps_and_a_name_that_a_left_out_step_assigns(folder):
    Path("s.py").write_text(steps("a = 1", "b = 2", "print b"))
    result = run("s.py", steps="0,2")
    assert [s["number"] for s in result.steps] == [0, 2]
    assert "NameError: name 'b' is not defined; step 1 (line 19) assigns it, and was not run" in result.error


def test_resuming_keeps_what_the_run_was_given(folder):
    Path("s.py").write_text(
        steps("pass", "open('told', 'w').write('%r %r %s' % (applyonly, A, casadef.casa_version))\nfail()")
    )
    assert run("s.py", applyonly=True, variables=["A=3"], casa_version="4.5.3").exit_code == 1
    Path("told").unlink()
    assert run("s.py", resume=True).exit_code == 1
    assert Path("told").read_text() == "True 3 4.5.3"


def test_resuming_needs_something_to_resume(folder):
    Path("s.py").write_text(steps("pass"))
    with pytest.raises(ArgumentError, match="there is nothing to resume"):
        run("s.py", resume=True)
    Path("t.py").write_text("print 1\n")
    with pytest.raises(ArgumentError, match=r"t\.py has no steps"):
        run("t.py", resume=True)


ATTEMPTS = [
    "os.remove('../keep')",
    "os.unlink(os.path.abspath('../keep'))",
    "shutil.rmtree('../folder')",
    "os.rename('../keep', 'a')",
    "os.rename('mine', '../keep')",
    "open('../keep', 'w')",
    "open('../new', 'a')",
    "os.mkdir('../new')",
    "os.rmdir('../folder/empty')",
    "os.system('rm -rf ../keep')",
    "os.system('rm -rf %s/../keep' % os.getcwd())",
    "os.system('cd ..; rm keep')",
    "os.system('echo a > ../keep')",
    "os.system('mv mine ../keep')",
    "os.system('cp mine ../keep')",
    "os.system('ln ../keep hard')",
    "os.popen('rm ../keep').read()",
    "os.system('rm -rf $(ls ..)')",
    "os.system('python -c 1')",
    "os.link('../keep', 'hard')",
    "subprocess.call(['rm', '../keep'])",
    "subprocess.Popen('rm ../keep', shell=True)",
    "subprocess.check_output('rm ../keep', shell=True)",
    "os.symlink('mine', '../link')",
    "os.truncate('../keep', 0)",
    "os.chmod('../keep', 0)",
    "shutil.move('mine', '../keep')",
    "shutil.copy('mine', '../keep')",
    "open('linked', 'w')",
    "os.remove('linkedfolder/x')",
    "shutil.rmtree('linkedfolder/')",
    "os.system('rm -rf linkedfolder/*')",
    "os.system('rm -rf linkedfolder/')",
    "os.system('touch linked')",
    "os.remove(os.path.expanduser('~') + '/.no_such_file')",
    "listobs('X.ms', listfile='../keep')",
    "gaincal('X.ms', '../new')",
    "os.execv('/bin/rm', ['rm', '../keep'])",
    "os.system('rm -rf .')",
    "os.system('rm -rf ../w')",
    "shutil.rmtree('../w/../folder')",
]


def test_nothing_outside_of_the_folder_is_changed(folder):
    """Each attempt is refused, with the script going on after `except`."""
    outside = folder.parent
    (outside / "keep").write_text("kept")
    (outside / "folder" / "empty").mkdir(parents=True)
    (outside / "folder" / "x").write_text("x")
    (folder / "mine").write_text("mine")
    (folder / "linked").symlink_to("../keep")
    (folder / "linkedfolder").symlink_to("../folder")
    lines = ["import os, shutil, subprocess", "told = []"]
    for i, attempt in enumerate(ATTEMPTS):
        lines += ["try:", f"  {attempt}", f"  told.append('{i} was not refused')", "except Exception, e:", "  pass"]
    lines += [
        "if told: sys.exit(repr(told))",
        "os.remove('linked')",
        "os.system('rm -rf linkedfolder mine')",
        "open('done', 'w')",
    ]
    Path("s.py").write_text("\n".join(lines) + "\n")
    before = sorted(str(p.relative_to(outside)) for p in outside.rglob("*") if "w" not in p.relative_to(outside).parts)
    result = run("s.py")
    assert result.error == ""
    assert len(result.refused) >= len(ATTEMPTS)
    assert result.exit_code == 3
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith("casa-")) == ["done", "s.py"]
    after = sorted(str(p.relative_to(outside)) for p in outside.rglob("*") if "w" not in p.relative_to(outside).parts)
    assert after == before
    assert (outside / "keep").read_text() == "kept"


@pytest.mark.skipif(version() < OLDEST, reason="the kernel has no Landlock")
def test_the_kernel_guards_what_python_does_not_see(folder):
    Path("s.py").write_text(
        "import ctypes, os\nfd = ctypes.CDLL(None).creat(b'../made', 420)\nif fd >= 0: sys.exit('made it')\n"
        "fd = ctypes.CDLL(None).creat(b'inside', 420)\nif fd < 0: sys.exit('not inside either')\n"
        "print os.system('sh -c \"touch ../made\"')\n"
    )
    result = run("s.py", allow_shell=True)
    assert result.error == ""
    assert result.kernel_guard
    assert Path("inside").exists()
    assert not (folder.parent / "made").exists()


def test_a_wider_root(folder):
    Path("s.py").write_text("open('../new', 'w').write('a')\nos.mkdir('../calibrated')\n")
    assert run("s.py", root="..").exit_code == 0
    assert (folder.parent / "new").read_text() == "a"


def test_a_script_for_pi_may_change_the_delivery(tmp_path):
    script = tmp_path / "member" / "script" / "member.uid.scriptForPI.py"
    script.parent.mkdir(parents=True)
    script.write_text("os.mkdir('../calibrated')\nos.chdir('../calibrated')\nopen('a', 'w')\nopen('../../b', 'w')\n")
    result = run(str(script), cwd=str(script.parent))
    assert "outside of the folder it may change" in result.error
    assert (tmp_path / "member" / "calibrated" / "a").exists()


def test_exit_codes_and_variables(folder):
    Path("s.py").write_text(
        "if 'SPACESAVING' not in globals(): sys.exit(4)\nprint SPACESAVING + 1, applyonly, NAME\nsys.exit('enough')\n"
    )
    assert run("s.py").exit_code == 4
    result = run("s.py", variables=["SPACESAVING=1", "NAME=a b"], applyonly=True)
    assert (result.exit_code, result.error) == (1, "s.py ended itself: enough")


def test_modules_of_the_shell_are_those_of_python_2(folder):
    """As they are when the script imports them."""
    Path("s.py").write_text(
        "print string.upper('x'), string.join(['a', 'b'], '+')\nopen('out', 'w').write(os.getcwdu())\n"
    )
    assert run("s.py").error == ""
    assert Path("out").read_text() == str(folder)


def test_what_is_not_supported_is_left_out_or_stops(folder):
    Path("s.py").write_text("deconvolve(vis='a')\nfor i in [1, 2]: aU.noSuchPlot(i)\nx = imstat('a')\n")
    result = run("s.py")
    assert result.error == "s.py, line 3: imstat() is not supported, and the script uses its result"
    assert [(o["line"], o["call"]) for o in result.left_out] == [
        (1, "deconvolve()"),
        (2, "aU.noSuchPlot()"),
        (2, "aU.noSuchPlot()"),
    ]
    assert run("s.py", skip_unsupported=True).exit_code == 3


@pytest.mark.parametrize(("casa", "written"), [("5.1.1", "False"), ("6.5.4", "")])
def test_data_without_flag_commands(folder, sim_original, casa, written):
    """CASA 6 raises; a script for an older one went on, with nothing to flag."""
    shutil.copytree(sim_original, "X.ms")
    Path("s.py").write_text("x = flagcmd('X.ms', inpmode='table', useapplied=True)\nopen('out', 'w').write(repr(x))\n")
    result = run("s.py", casa_version=casa)
    assert result.exit_code == (0 if written else 1)
    assert ("no such flag command" in result.error) != bool(written)
    assert (Path("out").read_text() if written else "") == written


def test_scripts_run_by_scripts(folder):
    """With the CASA and the Python that each is for, in the same variables."""
    Path("outer.py").write_text(
        "print('a', 7/2)\nx = 7\nexecfile('inner.py', globals())\nopen('out', 'w').write('%r %r' % (y, 7/2))\n"
    )
    Path("inner.py").write_text(
        "if re.search('^4.7', casadef.casa_version) == None:\n sys.exit('no')\ny = x/2\nprint 'inner'\n"
    )
    assert run("outer.py").error == ""
    assert Path("out").read_text() == "3 3.5"


def test_a_dry_run_touches_nothing(folder, capfd):
    Path("s.py").write_text(
        steps(
            "if os.path.exists('X.ms') == False:\n  importasdm('X')\n"
            "  if not os.path.exists('X.ms.flagversions'): thesteps = []",
            "os.system('rm -rf X.cal')\ngaincal(vis='X.ms', caltable='X.cal')\n"
            "d = fluxscale('X.ms', 'X.cal', 'X.flux', '0')",
            "f = open('log', 'w')\nf.write('a')\nfor l in open('log2').readlines(): setjy('X.ms')\n"
            "shutil.rmtree('Y')\nprint d['freq'], tb.nrows()",
        )
    )
    result = run("s.py", dry_run=True)
    assert (result.exit_code, result.error) == (0, "")
    assert [(c["step"], c["call"].split("(")[0]) for c in result.calls] == [
        (0, "importasdm"),
        (1, "$ rm -rf X.cal"),
        (1, "gaincal"),
        (1, "fluxscale"),
        (2, "open"),
        (2, "shutil.rmtree"),
        (2, "tb.nrows"),
    ]
    assert (result.calls[0]["makes"], result.calls[0]["missing"]) == (["X.ms", "X.ms.flagversions"], ["X"])
    assert result.calls[2]["missing"] == []
    assert "<unknown: fluxscale()['freq']>" in capfd.readouterr().out
    assert sorted(p.name for p in folder.iterdir()) == ["s.py"]


def started(folder: Path, text: str, *options: str) -> subprocess.Popen:
    """Start a script from the command line and wait until it says that it is running."""
    (folder / "s.py").write_text(text)
    code = "import sys; from atacal.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", "s.py", *options],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if (folder / "running").exists():
            return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the script did not start")


def running(folder: Path) -> list[int]:
    """Processes that still work on a script in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            if os.readlink(place / "cwd") == str(folder) and (
                b"atacal.scripts.worker" in words or words[0] == b"sleep"
            ):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def ended(folder: Path) -> bool:
    """Wait until no process of a run is left."""
    return any(not running(folder) or time.sleep(0.1) for _ in range(100))


@pytest.mark.parametrize("command", ["time.sleep(60)", "os.system('sleep 60')"])
def test_ctrl_c_ends_everything(folder, command):
    process = started(folder, f"open('running', 'w')\n{command}\n")
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in out
    assert ended(folder)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_killed_run_leaves_no_process(folder, number, code):
    process = started(folder, "open('running', 'w')\nos.system('sleep 60')\n")
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert ended(folder)


def test_a_process_that_dies_is_told(folder):
    Path("s.py").write_text("os.kill(os.getpid(), 11)\n")
    result = run("s.py")
    assert result.exit_code == 1
    assert "SIGSEGV" in result.error


def test_the_caches_of_all_compiled_loops_may_be_written():
    import atacal
    from atacal.scripts.guard import COMPILED, cache_folders

    package = Path(atacal.__file__).parent
    rooms = {p.relative_to(package).parts[0] for p in package.rglob("*.py") if "cache=True" in p.read_text()}
    assert rooms - {"scripts"} == set(COMPILED)
    assert {str(package / room / "__pycache__") for room in COMPILED} <= set(cache_folders())
