"""The memory bound: what it accepts, and that the tasks keep it, measured by the kernel."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atacal
from atacal import memory
from atacal.cli import run
from atacal.errors import ArgumentError
from atacal.memory import DEFAULT_LIMIT, PROCESS_BYTES, block_bytes, for_data, memory_limit, parse_size, size_text
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import select
from atacal.ms.stream import stream
from atacal.simulate import presets, simulate

MB = 1 << 20


class TestBound:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("500MB", 500 * MB), ("1.5GiB", 3 << 29), ("2g", 2 << 30), ("2048", 2048), (" 1 tb ", 1 << 40), (7, 7)],
    )
    def test_sizes(self, text, size):
        assert parse_size(text) == size

    @given(st.integers(0, 1 << 50))
    def test_what_is_written_can_be_read_and_is_never_less(self, size):
        assert size <= parse_size(size_text(size)) <= size * 1.1 + 1

    @pytest.mark.parametrize("text", ["5 apples", "", "MB", "-1GB", "1e9", "500MBit", "1..5GB"])
    def test_what_is_no_size(self, text):
        with pytest.raises(ArgumentError, match="is not an amount of memory; write it as 500MB"), memory_limit(text):
            pass

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text):
        with contextlib.suppress(ArgumentError):
            assert parse_size(text) >= 0

    def test_too_small_for_anything(self):
        with pytest.raises(ArgumentError, match=r"bound of 100MB is too small.*least that is possible is 288MB"):
            memory_limit("100MB").__enter__()
        with memory_limit("288MB"):
            assert for_data() == memory.LEAST_DATA_BYTES

    def test_it_ends_with_the_block(self):
        with atacal.memory_limit("500MB") as limit:
            assert limit == 500 * MB
            with contextlib.suppress(KeyError), memory_limit("300MB"):
                assert for_data() == 300 * MB - PROCESS_BYTES
                raise KeyError
            assert for_data() == limit - PROCESS_BYTES
        assert for_data() == DEFAULT_LIMIT - PROCESS_BYTES

    def test_blocks_share_what_there_is(self):
        assert block_bytes(800, 10, "x", blocks=5) == 800 // (5 * memory.WORK_COPIES)
        assert block_bytes(1 << 40, 10, "x", blocks=5) == 16 * MB
        with memory_limit("300MB"):
            small = block_bytes(for_data(), 10, "x", blocks=5)
        assert small == (300 * MB - PROCESS_BYTES) // 20

    def test_a_row_that_does_not_fit_names_the_least_bound_that_does(self):
        row = 10 * MB
        with memory_limit("300MB"), pytest.raises(ArgumentError) as refused:
            block_bytes(for_data(), row, "spw 3 of X.ms", blocks=4)
        assert "a single row of spw 3 of X.ms takes 10MB" in str(refused.value)
        assert "bound of 300MB; the least that is possible is 416MB" in str(refused.value)
        with memory_limit("416MB"):
            assert block_bytes(for_data(), row, "spw 3 of X.ms", blocks=4) == row

    def test_a_smaller_bound_makes_smaller_blocks_of_the_same_rows(self, sim_original):
        def rows(limit: str) -> list[int]:
            with MeasurementSet(sim_original) as ms, memory_limit(limit):
                return [block.nrow for block in stream(ms, select(ms), ["DATA", "FLAG"])]

        few, many = rows("1GB"), rows("289MB")
        assert sum(few) == sum(many)
        assert max(many) < max(few)


class TestCommandLine:
    def test_a_bound_that_is_no_size(self, capsys, sim_original):
        assert run(["listobs", str(sim_original), "--memory", "5 apples"]) == 2
        assert "--memory: '5 apples' is not an amount of memory" in capsys.readouterr().err

    def test_a_bound_that_is_too_small(self, capsys, sim_original):
        assert run(["listobs", str(sim_original), "--memory", "1MB"]) == 1
        assert "the least that is possible is 288MB" in capsys.readouterr().err

    @pytest.mark.parametrize("words", [["--memory", "300MB", "listobs"], ["listobs", "--memory", "300MB"]])
    def test_it_holds_inside_a_task(self, words, monkeypatch, capsys, sim_original):
        seen = []
        monkeypatch.setattr("atacal.ms.rows.for_data", lambda: seen.append(for_data()) or for_data())
        assert run([*words, str(sim_original)]) == 0
        assert set(seen) == {300 * MB - PROCESS_BYTES}
        assert for_data() == DEFAULT_LIMIT - PROCESS_BYTES

    def test_every_command_has_it(self, capsys):
        for name in ("calibrate", "flagdata", "applycal", "split", "plotms", "gaincal", "bandpass", "listobs"):
            assert run([name, "--help"]) == 0
            assert "--memory size" in capsys.readouterr().out


# ---------------------------------------------------------------- what the kernel says

BOUND_MB = 400

SIZES = {
    "many rows of many channels": presets.Preset(
        24, 4, 128, 300.0, (("bandpass", 2, 10), ("phase", 1, 5), ("target", 7, 20), ("phase", 1, 5))
    ),
    "few rows of very many channels": presets.Preset(
        12, 1, 8192, 300.0, (("bandpass", 1, 15), ("phase", 1, 5), ("target", 3, 10), ("phase", 1, 5))
    ),
    "very many small rows": presets.Preset(
        16, 2, 4, 300.0, (("bandpass", 2, 50), ("phase", 1, 100), ("target", 6, 300), ("phase", 1, 100))
    ),
}


STEPS = {
    "gaincal int": "gaincal {ms} {out}/int.cal --solint int --calmode p --refant 0 --minsnr 0",
    "bandpass": "bandpass {ms} {out}/b.cal --field 0 --combine scan --gaintable {out}/int.cal",
    "applycal": "applycal {ms} --gaintable {out}/int.cal,{out}/b.cal",
    "flagdata": "flagdata {ms} --mode clip --clipminmax 0,1000 --datacolumn CORRECTED",
    "split": "split {ms} {out}/split.ms --datacolumn corrected",
    "split averaged": "split {ms} {out}/averaged.ms --datacolumn corrected --width 2 --timebin 30s --field 0",
    "statwt": "statwt {ms} --datacolumn corrected --timebin 30s --no-flagbackup",
    "mstransform": "mstransform {ms} {out}/lsrk.ms --datacolumn data --regridms --outframe LSRK --field 0",
    "fixvis": "fixvis {ms} {out}/moved.ms --field 0 --phasecenter 'J2000 16h50m00 -29d40m00'",
    "concat": "concat {ms},{out}/averaged.ms {out}/both.ms",
    "plotms": "plotms {ms} --xaxis time --yaxis amp --plotfile {out}/plot.png",
    "setjy": "setjy {ms} --standard manual --fluxdensity 1,0,0,0 --usescratch",
    "initweights": "initweights {ms} --wtmode weight --dowtsp",
    "listobs": "listobs {ms}",
    "calibrate": "calibrate {ms} --outdir {out}/calibrate --flux-density 1 --minsnr 1",
    "qa2": "qa2 {ms} --tables {out}/calibrate/x.phase_int,{out}/calibrate/x.bandpass --output {out}/qa2.html",
}


def peak_mb(code: str, *words: str) -> float:
    """Largest resident set of a process of its own [MB], which may not fail; pages of files count while mapped."""
    script = dedent(code) + dedent("""
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM"):
                print("\\npeak", int(line.split()[1]) / 1024)
    """)
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout[-500:]} {done.stderr[-2000:]}"
    return float(done.stdout.rpartition("peak")[2])


def peak_of_command(line: str) -> float:
    return peak_mb("import sys; from atacal.cli import run; assert run() == 0", *shlex.split(line))


@pytest.fixture(scope="module")
def compiled(sim_original, tmp_path_factory):
    """All compiled code is on the disk: the compiler takes 100 MB of its own on the first run after installation."""
    folder = tmp_path_factory.mktemp("compiled")
    shutil.copytree(sim_original, folder / "X.ms")  # the session's block is not to be changed
    peak_of_command(f"calibrate {folder / 'X.ms'} --outdir {folder / 'tiny'} --flux-density 1 --quiet")


needs_linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the kernel's high-water mark is Linux's"
)


@needs_linux
@pytest.mark.parametrize("size", SIZES)
def test_the_tasks_keep_the_bound(size, compiled, tmp_path, monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "memory", SIZES[size])
    ms = tmp_path / "x.ms"
    simulate(ms, preset="memory", seed=2)
    peaks = {
        name: peak_of_command(f"--memory {BOUND_MB}MB --quiet {line.format(ms=ms, out=tmp_path)}")
        for name, line in STEPS.items()
    }
    print(json.dumps(peaks))
    assert {name: peak for name, peak in peaks.items() if peak > BOUND_MB} == {}


@needs_linux
def test_a_column_that_is_read_whole_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "memory", SIZES["many rows of many channels"])
    simulate(tmp_path / "x.ms", preset="memory", seed=2)
    code = """
        import sys
        from atacal.ms.measurement_set import MeasurementSet
        with MeasurementSet(sys.argv[1]) as ms:
            {}
    """
    nothing = peak_mb(code.format("pass"), str(tmp_path / "x.ms"))
    whole = peak_mb(code.format("data = ms.table.getcol('DATA')"), str(tmp_path / "x.ms"))
    assert nothing < BOUND_MB / 4
    assert whole > BOUND_MB
