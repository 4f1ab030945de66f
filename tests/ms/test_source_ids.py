"""SOURCE_IDs that do not agree are put right."""

from __future__ import annotations

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import InvalidTable
from atacal.ms.source_ids import repair_source_ids
from atacal.scripts.analysis_utils import stuffForScienceDataReduction


def ids(ms):
    out = []
    for sub in ("FIELD", "SOURCE"):
        with table(str(ms / sub), ack=False) as tab:
            out.append((list(tab.getcol("NAME")), list(tab.getcol("SOURCE_ID"))))
    return out


def test_numbers_follow_the_fields(sim_ms):
    before = ids(sim_ms)
    es = stuffForScienceDataReduction()
    es.fixForCSV2555(str(sim_ms))
    assert ids(sim_ms) == before  # simulated blocks agree
    with table(str(sim_ms / "SOURCE"), readonly=False, ack=False) as tab:
        tab.putcol("SOURCE_ID", tab.getcol("SOURCE_ID")[::-1] + 3)
    with table(str(sim_ms / "FIELD"), readonly=False, ack=False) as tab:
        tab.putcol("SOURCE_ID", np.zeros(tab.nrows(), np.int32))
    es.fixForCSV2555(str(sim_ms))
    fields, sources = ids(sim_ms)
    assert fields == (before[0][0], list(range(len(before[0][0]))))
    of_name = dict(zip(*fields, strict=True))
    assert [of_name[n] for n in sources[0]] == sources[1]


def test_a_source_that_moves_keeps_one_number(sim_ms):
    with table(str(sim_ms / "SOURCE"), readonly=False, ack=False) as tab:
        place = tab.getcell("DIRECTION", 0)
        name = tab.getcell("NAME", 0)
        tab.addrows(1)
        last = tab.nrows() - 1
        for column in tab.colnames():
            if tab.iscelldefined(column, 0):
                tab.putcell(column, last, tab.getcell(column, 0))
        tab.putcell("DIRECTION", last, place + 1e-4)
        tab.putcell("SOURCE_ID", last, 77)
    with table(str(sim_ms / "FIELD"), ack=False) as tab:
        centre = np.ravel(tab.getcell("PHASE_DIR", list(tab.getcol("NAME")).index(name)))
    assert np.allclose(centre, place, atol=1e-9)
    found = repair_source_ids(sim_ms)
    assert found.sources == 1
    assert found.elsewhere == (name,)


def test_a_field_without_a_source_is_an_error(sim_ms):
    with table(str(sim_ms / "FIELD"), readonly=False, ack=False) as tab:
        tab.putcell("NAME", 1, "nobody")
    with pytest.raises(InvalidTable, match="nobody"):
        repair_source_ids(sim_ms)
