from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError, NoSuchTable
from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import concat, split


def halves(path, tmp_path, **how):
    out = [str(tmp_path / f"{name}.ms") for name in ("first", "second")]
    split(str(path), out[0], datacolumn="data", field="f0", **how)
    split(str(path), out[1], datacolumn="data", field="f1", **how)
    return out


def test_the_parts_of_a_block_make_the_block(make_ms, read, tmp_path):
    whole = tmp_path / "whole.ms"
    split(str(make_ms()), str(whole), datacolumn="data")
    first, second = halves(whole, tmp_path)
    concat(vis=[second, first], concatvis=str(tmp_path / "out.ms"))
    with MeasurementSet(whole) as one, MeasurementSet(tmp_path / "out.ms") as two:
        assert two.metadata.field_names() == one.metadata.field_names()
        assert [s.name for s in two.metadata.spws] == ["w0", "w1"]
        assert len(two.metadata.observations) == 1
    for ddid in (0, 1):
        for column in ("TIME", "ANTENNA1", "FIELD_ID", "SCAN_NUMBER", "UVW", "DATA", "FLAG", "WEIGHT", "SIGMA"):
            where = f"DATA_DESC_ID=={ddid}"
            np.testing.assert_array_equal(read(tmp_path / "out.ms", column, where), read(whole, column, where))
    assert "taskname=concat" in [str(m) for m in read(tmp_path / "out.ms" / "HISTORY", "MESSAGE")]


def test_antennas_in_the_other_order_and_channels_backwards(make_ms, read, tmp_path):
    from casacore.tables import table

    first = make_ms("first.ms", corr_types=(9, 10, 11, 12))
    second = make_ms("second.ms", corr_types=(9, 10, 11, 12))
    with table(f"{second}/ANTENNA", readonly=False, ack=False) as tab:
        for column in ("NAME", "STATION", "POSITION"):
            for i, value in enumerate([tab.getcell(column, i) for i in range(4)][::-1]):
                tab.putcell(column, i, value)
    with table(f"{second}/SPECTRAL_WINDOW", readonly=False, ack=False) as tab:
        tab.putcell("CHAN_FREQ", 1, tab.getcell("CHAN_FREQ", 1)[::-1])
    with table(str(second), readonly=False, ack=False) as tab:
        tab.putcol("TIME", tab.getcol("TIME") + 100)
    concat(vis=[str(first), str(second)], concatvis=str(tmp_path / "out.ms"), visweightscale=[1, 4])
    for ddid in (0, 1):
        old, new = (read(second, "DATA", f"DATA_DESC_ID=={ddid}"), read(
            tmp_path / "out.ms", "DATA", f"DATA_DESC_ID=={ddid} && TIME>{5.0e9 + 99}"))  # fmt: skip
        turned = old[:, :: -1 if ddid else 1, [0, 2, 1, 3]].conj()
        np.testing.assert_array_equal(new, turned)
    swap, later = [0, 2, 1, 3], f"TIME>{5.0e9 + 99}"
    np.testing.assert_array_equal(read(tmp_path / "out.ms", "UVW", later), -read(second, "UVW", "True"))
    np.testing.assert_array_equal(read(tmp_path / "out.ms", "ANTENNA1", later), 3 - read(second, "ANTENNA2", "True"))
    np.testing.assert_allclose(read(tmp_path / "out.ms", "WEIGHT", later), 4 * read(second, "WEIGHT", "True")[:, swap])
    np.testing.assert_allclose(read(tmp_path / "out.ms", "SIGMA", later), read(second, "SIGMA", "True")[:, swap] / 2)


def test_scans_of_another_observation_get_other_numbers(make_ms, read, tmp_path):
    from casacore.tables import table

    first, second = make_ms("first.ms"), make_ms("second.ms")
    with table(f"{second}/OBSERVATION", readonly=False, ack=False) as tab:
        tab.putcell("PROJECT", 0, "other")
    concat(vis=[str(first), str(second)], concatvis=str(tmp_path / "out.ms"), timesort=True)
    scans, obs = read(tmp_path / "out.ms", "SCAN_NUMBER", "True"), read(tmp_path / "out.ms", "OBSERVATION_ID", "True")
    assert set(scans[obs == 0]) & set(scans[obs == 1]) == set()
    assert len(set(scans)) == 2 * len(set(read(first, "SCAN_NUMBER", "True")))
    times = read(tmp_path / "out.ms", "TIME", "True")
    assert (np.diff(times) >= 0).all()


def test_scratch_columns_of_one(make_ms, read, tmp_path):
    first, second = make_ms("first.ms"), make_ms("second.ms", columns=("DATA", "CORRECTED_DATA", "MODEL_DATA"))
    concat(vis=[str(first), str(second)], concatvis=str(tmp_path / "out.ms"))
    rows = len(read(first, "TIME", "True"))
    at = f"DATA_DESC_ID==1 && ROWID()<{rows}"
    corrected = read(tmp_path / "out.ms", "CORRECTED_DATA", at)
    np.testing.assert_array_equal(corrected, read(first, "DATA", "DATA_DESC_ID==1"))
    assert (read(tmp_path / "out.ms", "MODEL_DATA", at) == 1).all()


def test_appending_leaves_what_is_there_when_it_fails(make_ms, read, tmp_path):
    from casacore.tables import table

    first, second = make_ms("first.ms"), make_ms("second.ms")
    with table(f"{second}/FIELD", readonly=False, ack=False) as tab:
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            tab.putcolkeyword(column, "MEASINFO", {"type": "direction", "Ref": "ICRS"})
    with pytest.raises(ArgumentError, match=r"ICRS.*J2000"):
        concat(vis=[str(second)], concatvis=str(first))
    assert len(read(first, "TIME", "True")) == 6 * 2 * 6
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name or "concatenated" in p.name] == []


def test_virtual_models_stay_with_the_first(make_ms, tmp_path):
    from atacal.ms.models import SkyModel
    from atacal.tasks import setjy

    first, second = make_ms("first.ms"), make_ms("second.ms")
    for path, flux in ((first, 3.0), (second, 5.0)):
        setjy(str(path), field="f0", standard="manual", fluxdensity=[flux, 0, 0, 0], usescratch=False)
    concat(vis=[str(first), str(second)], concatvis=str(tmp_path / "out.ms"))
    with MeasurementSet(tmp_path / "out.ms") as ms:
        model = SkyModel.of(ms)
        assert model.virtual_fields == [0]
        assert "MODEL_DATA" not in ms.columns()


def test_what_cannot_be_joined(make_ms, tmp_path):
    first = str(make_ms("first.ms"))
    with pytest.raises(NoSuchTable, match=r"nothing\.ms"):
        concat(vis=[first, str(tmp_path / "nothing.ms")], concatvis="out.ms")
    for wrong in (
        {"vis": []}, {"concatvis": ""}, {"visweightscale": [1, 2]}, {"visweightscale": [-1]}, {"freqtol": "3 apples"},
        {"forcesingleephemfield": "Uranus"},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            concat(**({"vis": [first], "concatvis": str(tmp_path / "out.ms")} | wrong))
    assert not (tmp_path / "out.ms").exists()
