"""Scripts in the form of ALMA's generator, run by atacal and by CASA: translated for both by atacal's translator.

CASA has casatasks, casatools and casalog under its shell's names; what it lacks there (plotms; fixsyscaltimes, for
which these blocks give no work; tsysspwmap, for which every spw has its own Tsys) is stood in for. aU and es are left
out.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.scripts import py2, run, tools
from atacal.scripts.source import script_from
from atacal.simulate import simulate

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not hasattr(tools, "casalog"), reason="scripts need the tool casalog"),
]

IN_CASA = """
import glob, os, re, sys, types
almahelpers = types.ModuleType("recipes.almahelpers")
almahelpers.fixsyscaltimes = lambda vis: None
almahelpers.tsysspwmap = lambda vis, tsystable, tsysChanTol=0: list(range(nspw))
casadef = types.ModuleType("casadef")
casadef.casa_version = version
sys.modules |= {"recipes": types.ModuleType("recipes"), "recipes.almahelpers": almahelpers, "casadef": casadef}
helpers = types.ModuleType("py2")
exec(compile(open(runtime).read(), runtime, "exec"), vars(helpers))
names = {k: v for k, v in vars(casatasks).items() if not k.startswith("_")}
names |= {"os": os, "sys": sys, "re": re, "glob": glob, "casadef": casadef, "T": True, "F": False, "applyonly": True}
names |= {"tb": casatools.table(), "plotms": lambda **given: None, "mysteps": steps}
names |= helpers.BUILTINS | helpers.OPERATORS
here = os.getcwd()
os.chdir(folder)
exec(compile(source, "script.py", "exec"), names)
os.chdir(here)
result = {}
"""


def _generator() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts" / "generator.py"
    spec = importlib.util.spec_from_file_location("script_generator", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generator = _generator()


@dataclass
class Both:
    """Folders in which atacal and CASA have run the same steps of a block."""

    ours: Path
    casas: Path
    block: Any
    block_ms: Path

    def run(self, casa_once: Any, kind: str, steps: list[int]) -> None:
        """Run steps of a script in both."""
        text = generator.script_for(self.block, kind, casa={"solar": "4.3"}.get(kind, ""))
        script = script_from(text, self.ours / f"{kind}.py")
        script.path.write_text(text)
        result = run(str(script.path), cwd=str(self.ours), steps=",".join(map(str, steps)), applyonly=True)
        assert (result.exit_code, result.error) == (0, "")
        casa_once(
            IN_CASA, source=ast.unparse(script.tree()), runtime=py2.__file__, version=str(script.casa_version),
            folder=str(self.casas), steps=steps, nspw=self.block.nspw + 1,
        )  # fmt: skip


@pytest.fixture(scope="module")
def apriori(casa_once, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A block in which a moon and a quasar can make the flux scale, after the a-priori steps."""
    place = tmp_path_factory.mktemp("apriori")
    for name in ("ours", "casas"):
        (place / name).mkdir()
    ms = place / "ours" / "X.ms"
    simulate(ms, raw=True, seed=1, fluxcal="sso")
    shutil.copytree(ms, place / "casas" / "X.ms")
    both = Both(place / "ours", place / "casas", generator.block_of(ms), ms)
    both.run(casa_once, "standard", list(range(9)))
    return both


@pytest.fixture(scope="module", params=["standard", "solar", "narrow"])
def both(request: pytest.FixtureRequest, apriori: Both, casa_once, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Each of the three cases, to the end: the bandpass calibrator or the moon makes the flux scale."""
    place = tmp_path_factory.mktemp(request.param)
    for name, source in (("ours", apriori.ours), ("casas", apriori.casas)):
        (place / name).mkdir()
        shutil.copytree(source / "X.ms.split", place / name / "X.ms.split")
    block = apriori.block
    if request.param != "solar":
        block = replace(block, flux=block.bandpass, flux_jy=3.2, spix=-0.35)
    case = Both(place / "ours", place / "casas", block, apriori.block_ms)
    case.run(casa_once, request.param, list(range(9, 20)))
    return case


def fluxes(folder: Path) -> dict[tuple[str, str], float]:
    """Read what fluxscale has written into its log: (field, spw) -> flux density [Jy]."""
    text = (folder / "X.ms.split.fluxscale").read_text()
    found = re.findall(r"Flux density for (\S+) in SpW=(\d+) \(freq=.*?\)(?: \(ref SpW=\d+\))? is: (\S+) \+/-", text)
    return {(name, spw): float(flux) for name, spw, flux in found}


def test_fluxes_are_casas(both):
    ours, casas = fluxes(both.ours), fluxes(both.casas)
    assert len(ours) in (4, 8)
    assert ours.keys() == casas.keys()
    for key, flux in ours.items():
        assert flux == pytest.approx(casas[key], rel=2e-3)


def column(path: Path, name: str) -> np.ndarray:
    with table(str(path), ack=False) as tab, tab.query("ANTENNA1!=ANTENNA2") as part:
        return np.asarray(part.getcol(name))


@pytest.mark.parametrize("name", ["X.ms.split", "X.ms.split.cal"])
def test_flags_are_casas(both, name):
    """Equal, but for an integration of an antenna beside a flagged solution.

    CASA's solutions are up to a microsecond later than the data they come from; after a flagged one that decides, in
    one spw, whether an integration has a solution of its own.
    """
    ours, casas = (column(folder / name, "FLAG") for folder in (both.ours, both.casas))
    assert ours.shape == casas.shape
    differ = (ours != casas).any(axis=(1, 2))
    assert differ.sum() <= 7
    assert not (ours & ~casas).any()


def test_calibrated_data_are_casas(both):
    """Amplitudes as far as the solves agree, phases as far as the radiometers' coefficients do (docs/wvrgcal.md).

    The antenna with the dead radiometer takes its neighbours' phases, by other weights than CASA's.
    """
    cal = [folder / "X.ms.split.cal" for folder in (both.ours, both.casas)]
    (ours, casas), flags = [column(c, "DATA") for c in cal], [column(c, "FLAG") for c in cal]
    field, ends = column(cal[0], "FIELD_ID"), np.column_stack([column(cal[0], c) for c in ("ANTENNA1", "ANTENNA2")])
    truth = json.loads(Path(f"{both.block_ms}.truth.json").read_text())
    (dead,) = [f["antenna_id"] for f in truth["faults"] if f["kind"] == "dead_wvr"]
    good = ~(flags[0] | flags[1]) & (ends != dead).all(axis=1)[:, None, None]
    for number in np.unique(field):
        rows = good & (field == number)[:, None, None]
        ratio = ours[rows] / casas[rows]
        assert np.median(np.abs(ratio)) == pytest.approx(1, abs=2e-3)
        assert np.std(np.abs(ratio)) < 5e-3
        assert np.sqrt(np.mean(np.angle(ratio, deg=True) ** 2)) < 3


def test_weights_are_casas(both):
    good = ~column(both.ours / "X.ms.split.cal", "FLAG").all(axis=1)
    ours, casas = (column(folder / "X.ms.split.cal", "WEIGHT")[good] for folder in (both.ours, both.casas))
    assert np.median(ours / casas) == pytest.approx(1, abs=2e-3)
    assert np.abs(ours / casas - 1).max() < 0.02
