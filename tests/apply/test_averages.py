"""Corrected visibilities summed over channels on the fly, against applycal's column."""

from __future__ import annotations

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.apply.averages import corrected_sums
from atacal.caltables.disk import write_caltable
from atacal.caltables.library import Library
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.tasks import applycal, setjy

from ..caltables.test_library import make_table


def gathered(ms, library, selection):
    """All rows of `corrected_sums`, by (spw, time, antennas)."""
    out = {}
    for part in corrected_sums(ms, select(ms, selection), library):
        for k in range(len(part.time)):
            key = (part.spw, part.time[k], int(part.antenna1[k]), int(part.antenna2[k]))
            assert key not in out
            out[key] = (part.corrected[k], part.model[k], part.count[k], part.uvdist_m[k], part.field[k], part.scan[k])
    return out


@pytest.fixture
def tables(sim_ms, tmp_path):
    with MeasurementSet(sim_ms) as ms:
        gain, band = make_table(ms), make_table(ms, "B Jones", slots=[(ms.runs.time[0], 0)], seed=3)
    gain.solutions[0].flag[:, 2, :, 1] = True
    band.solutions[1].flag[:, 3, 5:10] = True
    paths = [str(tmp_path / "x.G"), str(tmp_path / "x.B")]
    write_caltable(paths[0], gain)
    write_caltable(paths[1], band)
    return paths


def test_the_same_as_applying_and_averaging(sim_ms, tables):
    setjy(
        vis=str(sim_ms),
        field="0",
        standard="manual",
        fluxdensity=[2.5, 0, 0, 0],
        spix=-0.7,
        reffreq="100GHz",
        usescratch=False,
    )
    with open_casacore(str(sim_ms), readonly=False, ack=False) as tab:
        tab.putcell("FLAG_ROW", 7, True)
    how = {"gaintable": tables, "interp": ["nearest", "nearest,linearflag"]}
    with MeasurementSet(sim_ms) as ms:
        rows = gathered(ms, Library.build(ms, **how), Selection(field="0"))
        applied_before = ms.has("CORRECTED_DATA")
        spec = {s.id: s.chan_freq_hz for s in ms.metadata.spws}
    assert not applied_before
    applycal(vis=str(sim_ms), flagbackup=False, **how)
    with open_casacore(str(sim_ms), ack=False) as tab:
        chosen = tab.query("FIELD_ID==0 AND ANTENNA1!=ANTENNA2")
        assert chosen.nrows() == len(rows)
        for k in range(0, chosen.nrows(), 7):
            cell = {n: chosen.getcell(n, k) for n in ("CORRECTED_DATA", "FLAG", "FLAG_ROW", "UVW", "TIME")}
            spw, a1, a2 = (int(chosen.getcell(n, k)) for n in ("DATA_DESC_ID", "ANTENNA1", "ANTENNA2"))
            corrected, model, count, uvdist, field, scan = rows[spw, cell["TIME"], a1, a2]
            good = ~cell["FLAG"] & (not cell["FLAG_ROW"])
            np.testing.assert_array_equal(count, good.sum(0))
            np.testing.assert_allclose(corrected, np.where(good, cell["CORRECTED_DATA"], 0).sum(0), rtol=1e-5)
            flux = 2.5 * (spec[spw] / 1e11) ** -0.7
            np.testing.assert_allclose(model, np.where(good, flux[:, None], 0).sum(0), rtol=1e-5)
            assert uvdist == pytest.approx(np.hypot(*cell["UVW"][:2]))
            assert (field, scan) == (0, chosen.getcell("SCAN_NUMBER", k))


def test_nothing_is_written(sim_ms, tables):
    with MeasurementSet(sim_ms) as ms:
        columns, flag = ms.columns(), open_casacore(str(sim_ms), ack=False).getcol("FLAG")
        gathered(ms, Library.build(ms, tables), Selection(spw="0"))
    with open_casacore(str(sim_ms), ack=False) as tab:
        assert set(tab.colnames()) == set(columns)
        np.testing.assert_array_equal(tab.getcol("FLAG"), flag)


def test_an_spw_without_solutions_counts_as_flagged(sim_ms, tables):
    with MeasurementSet(sim_ms) as ms:
        library = Library.build(ms, tables)
        del library.uses[0].table.solutions[1]
        rows = gathered(ms, library, Selection(scan="1"))
    assert {key[0] for key in rows} == {0, 1}
    assert all((row[2] == 0).all() for key, row in rows.items() if key[0] == 1)
    assert np.mean([(row[2] == 0).all() for key, row in rows.items() if key[0] == 0]) < 0.5


def test_without_tables_the_data_are_as_they_are(sim_ms):
    with MeasurementSet(sim_ms) as ms:
        rows = gathered(ms, Library.build(ms), Selection(scan="1", spw="0", antenna="1&2"))
    assert len(rows) > 1
    with open_casacore(str(sim_ms), ack=False) as tab:
        chosen = tab.query("SCAN_NUMBER==1 AND DATA_DESC_ID==0 AND ANTENNA1==1 AND ANTENNA2==2")
        assert chosen.nrows() == len(rows)
        data, flag, time = (chosen.getcol(n) for n in ("DATA", "FLAG", "TIME"))
    for k, when in enumerate(time):
        np.testing.assert_allclose(rows[0, when, 1, 2][0], np.where(flag[k], 0, data[k]).sum(0), rtol=1e-5, atol=1e-6)
