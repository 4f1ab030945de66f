"""Scripts in the form of ALMA's generator, from step 0 to 19, on simulated blocks."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from atacal.scripts import run, tools
from atacal.simulate import simulate

pytestmark = pytest.mark.skipif(not hasattr(tools, "casalog"), reason="scripts need the tool casalog")


def _generator() -> ModuleType:
    path = Path(__file__).with_name("generator.py")
    spec = importlib.util.spec_from_file_location("script_generator", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


generator = _generator()


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a block Q.ms (flux calibrator a quasar) and one S.ms (a moon)."""
    place = tmp_path_factory.mktemp("blocks")
    for name, fluxcal in (("Q.ms", "quasar"), ("S.ms", "sso")):
        simulate(place / name, raw=True, seed=1, fluxcal=fluxcal)
    return place


@pytest.mark.parametrize(("kind", "name"), [("standard", "Q.ms"), ("solar", "S.ms"), ("narrow", "Q.ms")])
def test_a_script_runs_unchanged_from_step_0_to_19(blocks, tmp_path, kind, name):
    shutil.copytree(blocks / name, tmp_path / name)
    block = generator.block_of(blocks / name)
    script = tmp_path / f"{name}.scriptForCalibration.py"
    script.write_text(generator.script_for(block, kind))
    result = run(str(script), cwd=str(tmp_path), applyonly=True)
    assert (result.exit_code, result.error, result.left_out, result.refused) == (0, "", [], [])
    assert [s["number"] for s in result.steps if s["status"] == "done"] == list(range(20))
    assert (tmp_path / f"{name}.split.cal").is_dir()
    truth = json.loads(Path(f"{blocks / name}.truth.json").read_text())
    text = (tmp_path / f"{name}.split.fluxscale").read_text()
    found = re.findall(r"Flux density for (\S+) in SpW=(\d+) .*?is: (\S+) \+/- (\S+)", text)
    assert len(found) == 8
    for field, spw, flux, error in found:
        true = truth["flux_jy"][field][block.science[int(spw)]] * truth["raw"]["expected_flux_ratio"][field][int(spw)]
        assert float(flux) == pytest.approx(true, rel=0.02, abs=3 * float(error))


def test_what_was_recorded_goes_where_the_script_sends_the_log(blocks, tmp_path):
    shutil.copytree(blocks / "Q.ms", tmp_path / "Q.ms")
    script = tmp_path / "s.py"
    script.write_text(generator.script_for(generator.block_of(blocks / "Q.ms")))
    result = run(str(script), cwd=str(tmp_path), steps="4", applyonly=True)
    assert result.error == ""
    told = (tmp_path / "Q.ms.wvrgcal").read_text()
    assert "##### Begin Task: wvrgcal" in told
    assert "wvrgcal" in told.split("Begin Task: wvrgcal", 1)[1]
    log = Path(result.log).read_text()
    assert "Step 4 Generation and time averaging of the WVR cal table" in log
    assert "Begin Task" not in log
