from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError, TableExists, WriteError
from atacal.ms.create import MSWriter, NewTable, weights_and_sigmas
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw


def writer(path, **more):
    width = np.full(4, 1e6)
    freq = 1e11 + 1e6 * np.arange(4)
    given = {
        "antennas": [Antenna(k, f"A{k}", "P", (1.0 + k, 2.0, 3.0), 7.0, "ALT-AZ", False) for k in range(2)],
        "fields": [Field(0, "src", "c", 0, (1.0, -0.5), "ICRS", 5e9)],
        "spws": [Spw(0, "w", freq, width, width, width, freq[0], 4e6, "TOPO", 2, 3, 0)],
        "pols": [Polarization(0, (9, 12), ((0, 0), (1, 1)))],
        "ddids": [DataDescription(0, 0, 0)],
        "states": ["CALIBRATE_BANDPASS#ON_SOURCE"],
        "observations": [Observation(0, "ALMA", "me", "p", (5e9, 5e9 + 1))],
    }
    return MSWriter(path, **(given | more))


def rows(**more):
    data = np.arange(8, dtype=np.complex64).reshape(1, 4, 2)
    return {"ddid": 0, "time": [5e9], "antenna1": 0, "antenna2": 1, "data": data} | more


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "x.ms"
    with writer(path) as new:
        new.append(**rows(weight=4.0, uvw=[[1.0, 2.0, 3.0]], interval=2.0, scan=7))
        new.append(**rows(time=[5e9 + 2], flag=np.ones((1, 4, 2), bool)))
        assert not path.exists()
    with MeasurementSet(path) as ms:
        md = ms.metadata
        assert md.antenna_names() == ["A0", "A1"]
        assert md.fields[0].frame == "ICRS"
        assert md.fields[0].phase_dir_rad == (1.0, -0.5)
        assert (md.spws[0].frame, md.spws[0].net_sideband, md.spws[0].bbc_no) == ("TOPO", 2, 3)
        assert md.pols[0].corrs == ("XX", "YY")
        assert md.state_intents == ("CALIBRATE_BANDPASS#ON_SOURCE",)
        assert md.telescope == "ALMA"
        assert ms.runs.scan.tolist() == [7, 1]
        assert ms.runs.exposure.tolist() == [2.0, 1.0]
        np.testing.assert_array_equal(ms.table.getcell("SIGMA", 0), [0.5, 0.5])
        np.testing.assert_array_equal(ms.table.getcell("DATA", 1), np.arange(8).reshape(4, 2))
        assert ms.table.getcol("FLAG_ROW").tolist() == [False, True]
        assert ms.table.getcolkeyword("UVW", "MEASINFO")["Ref"] == "J2000"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_nothing(tmp_path):
    def stop():
        raise RuntimeError("stop")

    def write():
        with writer(tmp_path / "x.ms") as new:
            new.append(**rows())
            stop()

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_not_touched(tmp_path):
    (tmp_path / "x.ms").mkdir()
    with pytest.raises(TableExists, match=r"x\.ms"):
        writer(tmp_path / "x.ms")


def test_no_folder(tmp_path):
    with pytest.raises(WriteError, match="no folder"):
        NewTable(tmp_path / "nowhere" / "x.ms")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((1, 3, 2), np.complex64)}, "DATA has the shape"),
        ({"ddid": 3}, "no data description 3"),
        ({"uvw": np.zeros((2, 3))}, "uvw has the shape"),
        ({"antenna1": [0, 1, 0]}, "ANTENNA1 has the shape"),
        ({"data": None}, "DATA was announced"),
        ({"model_data": np.zeros((1, 4, 2), np.complex64)}, "MODEL_DATA was not announced"),
        ({"weight": np.zeros((1, 5))}, "weight has the shape"),
    ],
)
def test_wrong_rows(tmp_path, change, message):
    with pytest.raises(ArgumentError, match=message), writer(tmp_path / "x.ms") as new:
        new.append(**rows(**change))


def test_wrong_column(tmp_path):
    with pytest.raises(ArgumentError, match="RAW"):
        writer(tmp_path / "x.ms", columns=("RAW",))


def test_weights_follow_from_sigmas():
    weight, sigma = weights_and_sigmas(None, [0.5, 0.0], 2, 2)
    np.testing.assert_array_equal(weight, [[4, 4], [0, 0]])
    np.testing.assert_array_equal(sigma, [[0.5, 0.5], [0, 0]])
