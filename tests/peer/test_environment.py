"""The peer environment itself: the CASA we compare with, and the data both sides start from."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.peer


def test_casa_is_the_pinned_release(casa):
    answer = casa("result = {'version': casatasks.version_string(), 'array': np.arange(2), 'complex': 1 + 2j}")
    assert answer["version"].startswith("6.7.0")
    assert answer["array"] == [0, 1]
    assert answer["complex"] == [1.0, 2.0]


def test_ngc5921_is_the_same_for_both(casa, ngc5921):
    from atacal.ms.measurement_set import MeasurementSet

    script = """
tb = casatools.table()
tb.open(vis)
result = {"rows": tb.nrows()}
tb.close()
tb.open(vis + "/ANTENNA")
result["antennas"] = tb.getcol("NAME").tolist()
tb.close()
"""
    answer = casa(script, vis=ngc5921)
    with MeasurementSet(ngc5921) as ms:
        assert ms.metadata.antenna_names() == answer["antennas"]
        assert ms.runs.nrow.sum() == answer["rows"] == 22653
