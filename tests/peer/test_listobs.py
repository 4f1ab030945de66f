"""listobs against CASA's: the same page to the letter, the same dictionary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.tasks import listobs

SCRIPT = """
result = {"pages": [], "records": []}
for number, arguments in enumerate(calls):
    result["records"].append(listobs(vis, listfile=f"{number}.txt", **arguments))
    with open(f"{number}.txt") as page:
        result["pages"].append(page.read())
"""


def same(mine: Any, theirs: Any, where: str = "") -> None:
    """Compare two dictionaries of facts; times to a tenth of a microsecond."""
    if isinstance(theirs, dict):
        assert set(mine) == set(theirs), where
        for key, value in theirs.items():
            same(mine[key], value, f"{where}/{key}")
    elif isinstance(theirs, list):
        assert np.asarray(mine).tolist() == theirs, where
    elif isinstance(theirs, float):
        assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-12), where
    else:
        assert mine == theirs, where


def compare(
    casa: Callable[..., dict[str, Any]], vis: Path, calls: list[dict[str, Any]], *, records: bool = True
) -> None:
    theirs = casa(SCRIPT, vis=vis, calls=calls)
    for number, arguments in enumerate(calls):
        page = vis.parent / f"ours-{number}.txt"
        record = listobs(vis, listfile=str(page), **arguments)
        assert page.read_text().splitlines() == theirs["pages"][number].splitlines(), arguments
        if records:
            same(record, theirs["records"][number])


def test_vla(casa: Callable[..., dict[str, Any]], ngc5921: Path) -> None:
    compare(
        casa,
        ngc5921,
        [
            {},
            {"listunfl": True},
            {"verbose": False},
            {"field": "0", "spw": "*"},
            {"antenna": "0~2&", "listunfl": True},
            {"scan": "2~4", "timerange": ">09:40:00", "uvrange": "<500m"},
        ],
    )


def test_block(casa: Callable[..., dict[str, Any]], sim_ms: Path) -> None:
    compare(casa, sim_ms, [{}, {"verbose": False}, {"intent": "*PHASE*", "spw": "1"}, {"listunfl": True}])


def test_several_arrays_observations_and_days(casa: Callable[..., dict[str, Any]], ngc5921: Path) -> None:
    """Two observations, two arrays, two days, two fields in a scan, a long field name, mixed integration times."""
    with table(str(ngc5921), readonly=False, ack=False) as tab:
        row = np.arange(tab.nrows())
        later = row >= 15000
        tab.putcol("ARRAY_ID", later.astype(np.int32))
        tab.putcol("OBSERVATION_ID", (row < 3000).astype(np.int32))
        tab.putcol("TIME", tab.getcol("TIME") + 86400.0 * later)
        tab.putcol("FIELD_ID", np.where((row >= 1000) & (row < 2000), 2, tab.getcol("FIELD_ID")).astype(np.int32))
        tab.putcol("INTERVAL", np.where(row < 1000, 6.048, tab.getcol("INTERVAL")))
        # the same within a scan: how CASA averages exposures that differ is not clear
        tab.putcol("EXPOSURE", np.where(tab.getcol("SCAN_NUMBER") == 2, 5.123, tab.getcol("EXPOSURE")))
    with table(f"{ngc5921}/OBSERVATION", readonly=False, ack=False) as tab:
        tab.addrows(1)
        tab.putcell("TELESCOPE_NAME", 1, "EVLA")
        tab.putcell("OBSERVER", 1, "somebody")
        tab.putcell("PROJECT", 1, "some project")
        tab.putcell("TIME_RANGE", 1, np.array([4.30448e9, 4.30449e9]))
    with table(f"{ngc5921}/FIELD", readonly=False, ack=False) as tab:
        tab.putcell("NAME", 1, "a very long name of a field")
    # CASA's dictionary has the names cut as the page has them; ours keeps them whole
    compare(casa, ngc5921, [{}, {"verbose": False}], records=False)
    with table(f"{ngc5921}/FIELD", readonly=False, ack=False) as tab:
        tab.putcell("NAME", 1, "short")
    for page in ngc5921.parent.glob("ours-*.txt"):
        page.unlink()
    for page in (ngc5921.parent / "casa").glob("*.txt"):
        page.unlink()
    compare(casa, ngc5921, [{}])


def test_flags(casa: Callable[..., dict[str, Any]], ngc5921: Path) -> None:
    rng = np.random.default_rng(1)
    with table(str(ngc5921), readonly=False, ack=False) as tab:
        flag = tab.getcol("FLAG")
        flag |= rng.random(flag.shape) < 0.3
        flag[:500] = True
        flag[600:700, :, 0] = True
        tab.putcol("FLAG", flag)
    compare(casa, ngc5921, [{"listunfl": True}])
