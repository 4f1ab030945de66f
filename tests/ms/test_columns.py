from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from atacal.errors import ArgumentError, MissingColumn, WriteError
from atacal.ms.columns import ensure_column, remove_column, tile_maker, tile_shape
from atacal.ms.measurement_set import MeasurementSet


def test_corrected_data_begins_as_a_copy_of_data(make_ms, read):
    path = make_ms()
    with MeasurementSet(path, writable=True) as ms:
        assert ensure_column(ms, "CORRECTED_DATA")
        assert not ensure_column(ms, "CORRECTED_DATA")
    for spw in (0, 1):
        where = f"DATA_DESC_ID=={spw}"
        np.testing.assert_array_equal(read(path, "CORRECTED_DATA", where), read(path, "DATA", where))


def test_model_data_begins_as_one_jansky(make_ms, read):
    path = make_ms(corr_types=(9, 10, 11, 12))
    with MeasurementSet(path, writable=True) as ms:
        ensure_column(ms, "MODEL_DATA")
    assert np.unique(read(path, "MODEL_DATA", "DATA_DESC_ID==0").reshape(-1, 4), axis=0).tolist() == [[1, 0, 0, 1]]


def test_spectra_begin_as_the_rows_weights(make_ms, read):
    path = make_ms()
    with MeasurementSet(path, writable=True) as ms:
        ensure_column(ms, "WEIGHT_SPECTRUM")
        ensure_column(ms, "SIGMA_SPECTRUM")
    where = "DATA_DESC_ID==1"
    for spectrum, column in (("WEIGHT_SPECTRUM", "WEIGHT"), ("SIGMA_SPECTRUM", "SIGMA")):
        values, rows = read(path, spectrum, where), read(path, column, where)
        np.testing.assert_array_equal(values, np.repeat(rows[:, None], 8, axis=1))


def test_an_existing_column_is_left_alone(make_ms, read):
    path = make_ms()
    with MeasurementSet(path, writable=True) as ms:
        ensure_column(ms, "MODEL_DATA")
        ms.write("MODEL_DATA", [(0, 6)], np.full((6, 16, 2), 7, np.complex64))
        ensure_column(ms, "MODEL_DATA")
    assert read(path, "MODEL_DATA", "DATA_DESC_ID==0")[0, 0, 0] == 7


def test_killed_before_the_end_nothing_has_changed(make_ms):
    path = make_ms()
    script = (
        "import os, signal\nfrom atacal.ms.measurement_set import MeasurementSet\n"
        "from atacal.ms.columns import ensure_column\n"
        f"ms = MeasurementSet({str(path)!r}, writable=True)\nensure_column(ms, 'CORRECTED_DATA')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    with MeasurementSet(path, writable=True) as ms:
        assert "CORRECTED_DATA" not in ms.columns()
        assert ensure_column(ms, "CORRECTED_DATA")


def test_remove(make_ms):
    with MeasurementSet(make_ms(), writable=True) as ms:
        ensure_column(ms, "MODEL_DATA")
        remove_column(ms, "MODEL_DATA")
        assert "MODEL_DATA" not in ms.columns()
        with pytest.raises(MissingColumn, match="MODEL_DATA"):
            remove_column(ms, "MODEL_DATA")


def test_errors(make_ms):
    path = make_ms()
    with MeasurementSet(path) as ms, pytest.raises(WriteError, match="reading only"):
        ensure_column(ms, "MODEL_DATA")
    with MeasurementSet(path, writable=True) as ms:
        with pytest.raises(ArgumentError, match="NONSENSE"):
            ensure_column(ms, "NONSENSE")
        with pytest.raises(MissingColumn, match="FLOAT_DATA"):
            ensure_column(ms, "CORRECTED_DATA", like="FLOAT_DATA")


@pytest.mark.parametrize("shape", [(2, 128), (4, 3840), (1, 4), (2, 1)])
def test_tiles_are_about_a_megabyte(shape):
    corr, chan, rows = tile_shape(*shape)
    assert corr == shape[0]
    assert 1 <= chan <= shape[1]
    assert rows >= 128
    assert corr * chan * rows * 8 <= 1 << 20


@pytest.mark.parametrize("kind", ["complex", "float", "boolean"])
@pytest.mark.parametrize("cell", [(128, 2), (3840, 4), (8192, 2), (4, 1), (1, 2), (63, 1), (960, 2)])
def test_tiles_of_one_shape_hold_whole_cells(cell, kind):
    rows, *inside = tile_maker(kind)(cell)
    assert tuple(inside) == cell
    assert 4 <= rows <= 8192
    assert rows * cell[0] * cell[1] * {"complex": 8, "float": 4, "boolean": 1 / 8}[kind] <= 1 << 20
    assert kind != "boolean" or rows * cell[0] * cell[1] % 8 == 0


def test_very_large_cells_are_divided():
    rows, chan, corr = tile_maker("complex")((20000, 4))
    assert rows >= 4
    assert chan < 20000
    assert corr == 4
