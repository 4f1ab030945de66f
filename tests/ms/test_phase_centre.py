from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError, InvalidTable, TableExists
from atacal.ms.metadata import Field
from atacal.ms.phase_centre import angle_rad, axes, read_direction
from atacal.tasks import fixplanets, fixvis

ARCSEC = np.pi / 648000


def test_a_point_source_moves_to_the_centre(make_ms, read):
    """The visibilities of a point off the centre are flat once the phase centre is there."""
    source = (float(1.0 + 40 * ARCSEC / np.cos(0.5)), float(0.5 - 25 * ARCSEC))

    def change(rows):
        rows["uvw"] = rows["uvw"] * 3
        freq = 1.0e11 + 2e9 * rows["ddid"] + 1e6 * np.arange(rows["data"].shape[1])
        lmn = axes((1.0, 0.5)) @ axes(source)[2] - np.array([0, 0, 1])
        phase = 2j * np.pi * (rows["uvw"] @ lmn)[:, None] * freq / 299792458.0
        rows["data"] = np.repeat(np.exp(phase)[..., None], 2, axis=2).astype(np.complex64)

    path = make_ms(change=change)
    before = read(path, "UVW", "True")
    there = f"J2000 {source[0]!r}rad {source[1]!r}rad"
    fixvis(str(path), field="f0", phasecenter=there)
    np.testing.assert_allclose(read(path, "DATA", "DATA_DESC_ID==1 && FIELD_ID==0"), 1, atol=1e-5)
    np.testing.assert_allclose(read(path / "FIELD", "PHASE_DIR")[0, 0], source, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(read(path, "UVW", "True"), axis=1), np.linalg.norm(before, axis=1))
    fixvis(str(path), field="f0", phasecenter="J2000 1.0rad 0.5rad")  # and back
    np.testing.assert_allclose(read(path, "UVW", "True"), before, atol=1e-10)


def test_copies_leave_the_input(make_ms, read, tmp_path):
    path = make_ms(columns=("DATA", "CORRECTED_DATA"))
    old = read(path, "DATA", "DATA_DESC_ID==0")
    out = tmp_path / "out.ms"
    fixvis(str(path), str(out), phasecenter="10arcsec 0arcsec", datacolumn="corrected")
    np.testing.assert_array_equal(read(path, "DATA", "DATA_DESC_ID==0"), old)
    np.testing.assert_array_equal(read(out, "DATA", "DATA_DESC_ID==0"), old)
    assert (
        read(out, "CORRECTED_DATA", "True && DATA_DESC_ID==0") != read(path, "CORRECTED_DATA", "DATA_DESC_ID==0")
    ).any()
    with pytest.raises(TableExists):
        fixvis(str(path), str(out))


def test_uvw_made_anew_turn_with_the_sky(make_ms, read):
    path = make_ms()
    fixvis(str(path), reuse=False)
    uvw, first, second = (read(path, c, "DATA_DESC_ID==0") for c in ("UVW", "ANTENNA1", "ANTENNA2"))
    position = read(path / "ANTENNA", "POSITION")
    length = np.linalg.norm(position[first] - position[second], axis=1)
    np.testing.assert_allclose(np.linalg.norm(uvw, axis=1), length, rtol=3e-4)  # aberration
    closure = uvw[0] + uvw[3] - uvw[1]  # 0-1, 1-2, 0-2
    np.testing.assert_allclose(closure, 0, atol=1e-9)


def test_given_directions(make_ms, read):
    path = make_ms()
    fixplanets(str(path), field="f1", direction="J2000 04h00m00 +20d00m00", fixuvw=True)
    expected = [np.pi / 3, np.pi / 9]
    for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
        np.testing.assert_allclose(read(path / "FIELD", column)[1, 0], expected)
    np.testing.assert_allclose(read(path / "SOURCE", "DIRECTION")[1], expected)
    np.testing.assert_allclose(read(path / "SOURCE", "DIRECTION")[0], [1.0, 0.5])
    with pytest.raises(InvalidTable, match="POINTING"):
        fixplanets(str(path), field="f1")


def test_a_planet_gets_a_direction_in_j2000(make_ms, read):
    from casacore.tables import makescacoldesc, maketabdesc, table

    path = make_ms()
    with table(f"{path}/FIELD", readonly=False, ack=False) as tab:
        for column, name in (
            ("PHASE_DIR", "PhaseDir_Ref"),
            ("DELAY_DIR", "DelayDir_Ref"),
            ("REFERENCE_DIR", "RefDir_Ref"),
        ):
            tab.addcols(maketabdesc([makescacoldesc(name, 0)]))
            tab.putcol(name, np.array([0, 34], np.int32))
            info = {"type": "direction", "VarRefCol": name, "TabRefTypes": ["J2000", "MARS"]}
            tab.putcolkeyword(column, "MEASINFO", info | {"TabRefCodes": np.array([0, 34], np.uint32)})
    fixplanets(str(path), field="f1", direction="J2000 04h00m00 +20d00m00", fixuvw=True)
    for name in ("PhaseDir_Ref", "DelayDir_Ref", "RefDir_Ref"):
        assert read(path / "FIELD", name).tolist() == [0, 0]
    np.testing.assert_allclose(read(path / "FIELD", "PHASE_DIR")[1, 0], [np.pi / 3, np.pi / 9])
    # in a FIELD of one frame there is no way to say so
    other = make_ms("other.ms")
    with table(f"{other}/FIELD", readonly=False, ack=False) as tab:
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            tab.putcolkeyword(column, "MEASINFO", {"type": "direction", "Ref": "MARS"})
    with pytest.raises(ArgumentError, match="MARS"):
        fixplanets(str(other), field="f1", direction="J2000 04h00m00 +20d00m00")


@given(st.floats(0, 23.99), st.floats(-89, 89))
def test_sexagesimal_angles(hours, degrees):
    for value, text, turn, how in (
        (hours, "{}{}h{:02}m{:011.8f}", np.pi / 12, {}), (hours, "{}{}:{:02}:{:011.8f}", np.pi / 12, {"hours": True}),
        (degrees, "{}{}d{:02}m{:011.8f}s", np.pi / 180, {}), (degrees, "{}{}.{:02}.{:011.8f}", np.pi / 180, {}),
    ):  # fmt: skip
        size = abs(value)
        minutes = (size - int(size)) * 60
        written = text.format("-" if value < 0 else "", int(size), int(minutes), (minutes - int(minutes)) * 60)
        assert angle_rad(written, **how) == pytest.approx(value * turn, abs=1e-10)


def test_offsets():
    field = Field(0, "f", "", 0, (1.0, 0.5), "J2000", 5e9)
    np.testing.assert_allclose(read_direction("5arcsec -3arcsec", field), (
        1.0 + 5 * ARCSEC / np.cos(0.5 - 3 * ARCSEC), 0.5 - 3 * ARCSEC))  # fmt: skip
    np.testing.assert_allclose(read_direction("0.5s 0arcsec", field), (1.0 + 7.5 * ARCSEC, 0.5))


def test_what_cannot_be_done(make_ms):
    path = str(make_ms())
    for wrong in (
        {"phasecenter": "GALACTIC 1deg 2deg"}, {"phasecenter": "J2000 here there"}, {"refcode": "B1950"},
        {"distances": ["3m"]}, {"phasecenter": "1arcsec 2arcsec", "datacolumn": "float"},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            fixvis(path, **wrong)
    for wrong in ({"refant": "X"}, {"reftime": "noon"}, {"direction": "ephem.tab"}, {"reftime": "2001/01/01/00:00:00"}):
        with pytest.raises(ArgumentError):
            fixplanets(**({"vis": path, "field": "0"} | wrong))
