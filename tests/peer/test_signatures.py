"""The tasks take CASA's parameters: the same names, in the same order, with the same defaults."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

import atacal.tasks
from atacal.tasks import task_names

pytestmark = pytest.mark.peer

NOT_IN_CASATASKS = {"plotms", "plotcal", "fixsyscaltimes", "tsysspwmap"}
"""Tasks that CASA has in other packages, or had once."""
PARTIAL = {"plotbandpass"}
"""Tasks that leave out some of CASA's parameters."""
OWN_DEFAULTS = {("plotbandpass", "interactive")}
"""Pictures are files here: there is no window to wait at."""


@pytest.fixture(scope="module")
def casa_signatures(casa_once) -> dict[str, list[list[Any]]]:
    """For each task, CASA's [name, default] pairs in order."""
    script = """
import inspect
result = {}
for name in names:
    task = getattr(casatasks, name, None)
    if task is not None:
        result[name] = [[p.name, p.default] for p in inspect.signature(task).parameters.values()]
"""
    return casa_once(script, names=list(task_names()))


def same(ours: Any, casas: Any) -> bool:
    """Whether two defaults mean the same: for nothing CASA writes '' or [] or [''] or {}, and we None as well."""
    ours, casas = json.loads(json.dumps(ours)), json.loads(json.dumps(casas))
    nothing: tuple[Any, ...] = (None, "", [], [""], {})
    if ours in nothing and casas in nothing:
        return True
    ours, casas = (v[0] if isinstance(v, list) and len(v) == 1 else v for v in (ours, casas))
    if isinstance(ours, bool) or isinstance(casas, bool):
        return ours is casas
    return bool(ours == casas)


@pytest.mark.parametrize("name", [n for n in task_names() if n not in NOT_IN_CASATASKS])
def test_parameters_are_casas(name, casa_signatures):
    ours = inspect.signature(getattr(atacal.tasks, name)).parameters
    casas = dict(casa_signatures[name])
    common = [p for p in casas if p in ours]
    assert list(ours)[: len(common)] == common, "CASA's parameters come first, in CASA's order"
    if name not in PARTIAL:
        assert common == list(casas), "none is missing"
    differing = {
        p: (ours[p].default, casas[p])
        for p in common
        if ours[p].default is not inspect.Parameter.empty
        and not same(ours[p].default, casas[p])
        and (name, p) not in OWN_DEFAULTS
    }
    assert differing == {}, "defaults"
