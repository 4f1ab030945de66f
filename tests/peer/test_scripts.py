"""Scripts in the form of ALMA's generator, run by atacal and by CASA: translated for both by atacal's translator.

CASA has casatasks, casatools and casalog under its shell's names; what it lacks there (plotms; fixsyscaltimes, for
which these blocks give no work; tsysspwmap, for which every spw has its own Tsys) is stood in for. aU and es are left
out.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import sys
from dataclasses import dataclass
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


def new(place: Path, fluxcal: str) -> Both:
    """Make a block, twice."""
    (place / "ours").mkdir(parents=True)
    ms = place / "ours" / "X.ms"
    simulate(ms, raw=True, seed=5, nant=7, fluxcal=fluxcal)
    shutil.copytree(place / "ours", place / "casas")
    return Both(place / "ours", place / "casas", generator.block_of(ms))


@pytest.fixture(scope="module")
def quasar(casa_once, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A block whose flux calibrator is a quasar, after the standard script."""
    both = new(tmp_path_factory.mktemp("quasar"), "quasar")
    both.run(casa_once, "standard", list(range(20)))
    return both


@pytest.fixture(scope="module")
def solar(casa_once, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A block whose flux calibrator is a moon, after the script for a resolved body."""
    both = new(tmp_path_factory.mktemp("solar"), "sso")
    both.run(casa_once, "solar", list(range(20)))
    return both


@pytest.fixture(scope="module")
def narrow(quasar: Both, casa_once, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The first block's spws, after the steps of a script that maps spws."""
    place = tmp_path_factory.mktemp("narrow")
    for name, source in (("ours", quasar.ours), ("casas", quasar.casas)):
        (place / name).mkdir()
        for part in ("X.ms.split", "X.ms.split.flagversions"):
            shutil.copytree(source / part, place / name / part)
    both = Both(place / "ours", place / "casas", quasar.block)
    both.run(casa_once, "narrow", list(range(11, 20)))
    return both


@pytest.fixture(params=["quasar", "solar", "narrow"])
def both(request: pytest.FixtureRequest) -> Both:
    """Each of the three cases."""
    case: Both = request.getfixturevalue(request.param)
    return case


def fluxes(folder: Path) -> dict[tuple[str, str], float]:
    """Read what fluxscale has written into its log: (field, spw) -> flux density [Jy]."""
    text = (folder / "X.ms.split.fluxscale").read_text()
    found = re.findall(r"Flux density for (\S+) in SpW=(\d+) \(freq=.*?\)(?: \(ref SpW=\d+\))? is: (\S+) \+/-", text)
    return {(name, spw): float(flux) for name, spw, flux in found}


def test_fluxes_are_casas(both):
    ours, casas = fluxes(both.ours), fluxes(both.casas)
    assert len(ours) == 8
    assert ours.keys() == casas.keys()
    for key, flux in ours.items():
        assert flux == pytest.approx(casas[key], rel=2e-3)


def column(path: Path, name: str) -> np.ndarray:
    with table(str(path), ack=False) as tab, tab.query("ANTENNA1!=ANTENNA2") as part:
        return np.asarray(part.getcol(name))


@pytest.mark.parametrize("name", ["X.ms.split", "X.ms.split.cal"])
def test_flags_are_casas(both, name):
    ours, casas = (column(folder / name, "FLAG") for folder in (both.ours, both.casas))
    assert ours.shape == casas.shape
    assert (ours != casas).mean() < 1e-4


def test_calibrated_data_are_casas(both):
    """Amplitudes within CASA's solve tolerance; phases as far as the radiometers' coefficients agree."""
    data, flags = {}, {}
    for folder in (both.ours, both.casas):
        data[folder] = column(folder / "X.ms.split.cal", "DATA")
        flags[folder] = column(folder / "X.ms.split.cal", "FLAG")
    good = ~(flags[both.ours] | flags[both.casas])
    field = column(both.ours / "X.ms.split.cal", "FIELD_ID")
    for number in np.unique(field):
        rows = good & (field == number)[:, None, None]
        ours, casas = data[both.ours][rows], data[both.casas][rows]
        scale = np.abs(casas).mean()
        assert np.sqrt(np.mean(np.abs(ours - casas) ** 2)) < 0.01 * scale, f"field {number}"


def test_weights_are_casas(both):
    ours, casas = (column(folder / "X.ms.split.cal", "WEIGHT") for folder in (both.ours, both.casas))
    np.testing.assert_allclose(ours, casas, rtol=0.01)
