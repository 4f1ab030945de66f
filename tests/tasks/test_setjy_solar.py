from __future__ import annotations

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ModelError
from atacal.flux.solar_system import STANDARD, TRUE_DISC, planet
from atacal.ms.disc import jinc
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.tasks import setjy

SEEN = [("Uranus", 56300.25), ("Titan", 57000.5)]


def seen_by_solves(path):
    """The model, in the order of the blocks: (row, chan, corr) each, and its UVW."""
    with MeasurementSet(path) as ms:
        model = SkyModel.of(ms)
        out = []
        for block in stream(ms, select(ms, Selection()), ["UVW"], prefetch=False):
            vis = model.block(block)
            out.append((np.broadcast_to(vis, (block.nrow, *vis.shape[1:])).copy(), block.data["UVW"].copy()))
        return out


def test_visibilities_are_those_of_the_disc(solar_ms):
    path = solar_ms([("Titan", 57000.5)], [345.0])
    answer = setjy(str(path), standard=STANDARD)
    (vis, uvw), freq = seen_by_solves(path)[0], 345e9 + 31.25e6 * (np.arange(8) - 3.5)
    seen = planet("Titan", 57000.5)
    flux = seen.flux_jy(freq - 15.625e6, freq + 15.625e6, "ALMA")
    assert answer["0"]["0"]["fluxd"] == pytest.approx([flux[0], 0, 0, 0])
    assert answer["0"]["fieldName"] == "Titan"
    # a disc that is nearly round
    x = np.pi * np.hypot(uvw[:, 0], uvw[:, 1])[:, None] * freq / 299792458.0 * seen.disc.major_rad
    np.testing.assert_allclose(vis[..., 0], flux * jinc(x), atol=1e-3 * flux.max())
    assert np.abs(vis).min() < 0.1 * flux.max() < 0.9 * flux.max() < np.abs(vis).max()


@pytest.mark.parametrize("scalebychan", [True, False])
@pytest.mark.parametrize("useephemdir", [True, False])
@pytest.mark.parametrize("standard", [STANDARD, TRUE_DISC])
def test_a_virtual_model_is_the_column(solar_ms, scalebychan, useephemdir, standard):
    given = {"standard": standard, "scalebychan": scalebychan, "useephemdir": useephemdir}
    one, other = solar_ms(SEEN, [97.5, 233.0], "one.ms"), solar_ms(SEEN, [97.5, 233.0], "other.ms")
    answers = setjy(str(one), usescratch=True, **given), setjy(str(other), usescratch=False, **given)
    for number in ("0", "1"):
        for spw in ("0", "1"):
            np.testing.assert_array_equal(answers[0][number][spw]["fluxd"], answers[1][number][spw]["fluxd"])
    for (column, _), (virtual, _) in zip(seen_by_solves(one), seen_by_solves(other), strict=True):
        np.testing.assert_allclose(column, virtual, atol=3e-7 * np.abs(column).max())
    with MeasurementSet(other) as ms:
        assert "MODEL_DATA" not in ms.columns()


def test_the_true_disc_differs_where_it_should(solar_ms, caplog):
    path = solar_ms([("Jupiter", 57000.5)], [97.5])
    with caplog.at_level("WARNING", "atacal"):
        casas = setjy(str(path), standard=STANDARD)["0"]["0"]["fluxd"][0]
    ratio = planet("Jupiter", 57000.5, as_casa=False).solid_angle_sr / planet("Jupiter", 57000.5).solid_angle_sr
    assert setjy(str(path), standard=TRUE_DISC)["0"]["0"]["fluxd"][0] / casas == pytest.approx(ratio, rel=1e-6)
    assert "Jupiter is" in caplog.text


def test_a_field_that_points_elsewhere_is_mentioned(named_ms, caplog):
    path = named_ms([("Titan", 57000.5, (1.0, 0.2))], [97.5])
    with caplog.at_level("WARNING", "atacal"):
        setjy(str(path), standard=STANDARD)
    assert "arcmin from where Titan was" in caplog.text


@pytest.mark.parametrize(
    ("fields", "ghz", "message"),
    [
        ([("Titan", 40000.0, (1.0, 0.2))], 97.5, "no ephemeris of Titan for 1968-05-24"),
        ([("J0000", 57000.0, (1.0, 0.2))], 97.5, "field 0, J0000, is none of the solar-system bodies.*Ceres"),
        ([("Venus", 57000.0, (1.0, 0.2))], 15.0, "spw 0: the model of Venus goes from 30 to 1000 GHz"),
    ],
)
def test_errors_leave_everything(named_ms, fields, ghz, message):
    path = named_ms(fields, [ghz])
    with pytest.raises(ModelError, match=message):
        setjy(str(path), standard=STANDARD)
    with MeasurementSet(path) as ms:
        assert "MODEL_DATA" not in ms.columns()


def test_a_field_with_an_ephemeris_of_its_own_needs_the_column(solar_ms):
    from casacore.tables import makescacoldesc, maketabdesc

    path = solar_ms([("Titan", 57000.5)], [97.5])
    tab = table(str(path / "FIELD"), readonly=False, ack=False)
    tab.addcols(maketabdesc([makescacoldesc("EPHEMERIS_ID", 0)]))
    tab.putcol("EPHEMERIS_ID", np.zeros(1, np.int32))
    tab.putcol("TIME", np.array([57001.5 * 86400]))
    tab.close()
    with pytest.raises(ModelError, match="usescratch=True"):
        setjy(str(path), standard=STANDARD, usescratch=False)
    answer = setjy(str(path), standard=STANDARD)
    low, high = np.array([97.5e9 - 4 * 31.25e6]), np.array([97.5e9 - 3 * 31.25e6])
    assert answer["0"]["0"]["fluxd"][0] == pytest.approx(planet("Titan", 57001.5).flux_jy(low, high, "ALMA")[0])


def test_the_default_standard(named_ms):
    path = named_ms([("3C286", 57000.0, (3.539257626070549, 0.5324850225220917))], [43.0])
    answer = setjy(str(path))
    assert 1.0 < answer["0"]["0"]["fluxd"][0] < 2.0
    for vis, _ in seen_by_solves(path):
        assert vis[0, 0, 0] == pytest.approx(answer["0"]["0"]["fluxd"][0])
        assert np.all(np.diff(vis[0, :, 0].real) < 0)


def test_listmodels_names_everything(caplog):
    with caplog.at_level("INFO", "atacal"):
        assert setjy("", listmodels=True) == {}
    for word in ("3C286", "Stevens-Reynolds 2016", "Titan: 2010-01-01", "casadata", TRUE_DISC):
        assert word in caplog.text
