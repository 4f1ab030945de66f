"""concat against CASA's: every column of every table, for blocks that differ in antennas, windows and fields."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

SCRIPT = """
concat(**arguments)
result = {}
"""
DAY_S = 86400.0


def another_day(path, *, moved=2, renamed=4, shifts_rad=(2e-9, 3e-6)):
    """Change a block as if observed again: a day later, antennas in the opposite order, one moved, one replaced."""
    from casacore.tables import table

    tab = table(str(path), readonly=False, ack=False)
    with table(f"{path}/ANTENNA", readonly=False, ack=False) as antennas:
        count = antennas.nrows()
        for column in antennas.colnames():
            for i, value in enumerate([antennas.getcell(column, i) for i in range(count)][::-1]):
                antennas.putcell(column, i, value)
        antennas.putcell("STATION", moved, "M2")
        antennas.putcell("POSITION", moved, antennas.getcell("POSITION", moved) + 30.0)
        antennas.putcell("NAME", renamed, "NEW")
    new = np.arange(count, dtype=np.int32)[::-1]
    for name in ("FEED", "POINTING", "SYSCAL", "WEATHER"):
        with table(f"{path}/{name}", readonly=False, ack=False) as sub:
            ids = sub.getcol("ANTENNA_ID")
            sub.putcol("ANTENNA_ID", np.where(ids >= 0, new[ids], ids).astype(np.int32))
            if name != "FEED":
                sub.putcol("TIME", sub.getcol("TIME") + DAY_S)
    with table(f"{path}/OBSERVATION", readonly=False, ack=False) as sub:
        sub.putcol("TIME_RANGE", sub.getcol("TIME_RANGE") + DAY_S)
    with table(f"{path}/FIELD", readonly=False, ack=False) as sub:
        for i, shift in enumerate(shifts_rad):
            for column in ("DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR"):
                sub.putcell(column, i, sub.getcell(column, i) + np.array([[0, shift]]))
    for column in ("TIME", "TIME_CENTROID"):
        tab.putcol(column, tab.getcol(column) + DAY_S)
    first, second = new[tab.getcol("ANTENNA1")], new[tab.getcol("ANTENNA2")]
    tab.putcol("ANTENNA1", np.minimum(first, second))
    tab.putcol("ANTENNA2", np.maximum(first, second))
    tab.close()
    return path


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """Two blocks of a day each, and a part of the first with the other windows."""
    from atacal.simulate import simulate
    from atacal.tasks import clearcal, split

    place = tmp_path_factory.mktemp("blocks")
    simulate(place / "raw.ms", preset="tiny", raw=True, seed=3)
    raw = str(place / "raw.ms")
    split(raw, str(place / "one.ms"), spw="13,15,17,0", scan="1~8", datacolumn="data")
    split(raw, str(place / "rest.ms"), spw="19,13", scan="5~8", datacolumn="data")
    split(raw, str(place / "two.ms"), spw="0,17,19,15", field="3,0,4", scan="3~10", datacolumn="data")
    another_day(place / "two.ms")
    shutil.rmtree(raw)
    shutil.copytree(place / "two.ms", place / "calibrated.ms")
    clearcal(str(place / "calibrated.ms"))
    return place


def cells(tab, column):
    return [tab.getcell(column, i) if tab.iscelldefined(column, i) else None for i in range(tab.nrows())]


def compare(casa, ours, *, but=()):
    from casacore.tables import table

    one, two = table(str(casa), ack=False), table(str(ours), ack=False)
    assert one.nrows() == two.nrows()
    assert set(one.colnames()) == set(two.colnames())
    np.testing.assert_array_equal(two.getcol("DATA_DESC_ID"), one.getcol("DATA_DESC_ID"))
    for ddid in np.unique(one.getcol("DATA_DESC_ID")):
        a, b = one.query(f"DATA_DESC_ID=={ddid}"), two.query(f"DATA_DESC_ID=={ddid}")
        for column in set(one.colnames()) - {"FLAG_CATEGORY"}:
            np.testing.assert_array_equal(b.getcol(column), a.getcol(column), err_msg=column)
    names = {p.name for p in casa.iterdir() if p.is_dir()}
    assert names == {p.name for p in ours.iterdir() if p.is_dir()}
    for name in names - {"HISTORY", "FEED"}:
        one, two = table(str(casa / name), ack=False), table(str(ours / name), ack=False)
        assert one.nrows() == two.nrows(), name
        for column in one.colnames():
            if (name, column) in but:
                continue
            for x, y in zip(cells(one, column), cells(two, column), strict=True):
                same = np.size(x) == 0 and y is None
                assert same or np.array_equal(x, y), (name, column, x, y)


CASES = {
    "two days": (["two.ms", "one.ms"], {}),
    "sorted": (["one.ms", "two.ms", "rest.ms"], {"timesort": True}),
    "tolerances": (["one.ms", "two.ms"], {"dirtol": "1arcsec", "freqtol": "3GHz", "copypointing": False}),
    "names and weights": (["one.ms", "two.ms"], {"dirtol": "1deg", "respectname": True, "visweightscale": [1.0, 2.0]}),
    "parts of a block": (["one.ms", "rest.ms"], {}),
    "calibrated": (["one.ms", "calibrated.ms"], {}),
}
# CASA takes source ids of new fields from the wrong rows, and leaves SYSCAL the old windows
WRONG_IN_CASA = {("FIELD", "SOURCE_ID"), ("SYSCAL", "SPECTRAL_WINDOW_ID"), ("SPECTRAL_WINDOW", "ASSOC_SPW_ID")}


@pytest.mark.parametrize("name", CASES)
def test_every_table(casa, blocks, tmp_path, name):
    from atacal.tasks import concat

    vis, how = CASES[name]
    arguments = {"vis": [str(blocks / v) for v in vis], **how}
    theirs, ours = tmp_path / "casa.ms", tmp_path / "ours.ms"
    casa(SCRIPT, arguments=arguments | {"concatvis": str(theirs)})
    concat(**arguments, concatvis=str(ours))
    compare(theirs, ours, but=WRONG_IN_CASA)


def test_appending_to_one_that_exists(casa, blocks, tmp_path):
    from atacal.tasks import concat

    for name in ("casa.ms", "ours.ms"):
        shutil.copytree(blocks / "one.ms", tmp_path / name)
    vis = [str(blocks / v) for v in ("rest.ms", "two.ms")]
    casa(SCRIPT, arguments={"vis": vis, "concatvis": str(tmp_path / "casa.ms")})
    concat(vis=vis, concatvis=str(tmp_path / "ours.ms"))
    compare(tmp_path / "casa.ms", tmp_path / "ours.ms", but=WRONG_IN_CASA)


def test_feeds_of_all_antennas_and_windows(blocks, tmp_path):
    """CASA's FEED repeats rows when the antennas have another order; it has to have one for each antenna and window."""
    from casacore.tables import table

    from atacal.tasks import concat

    concat(vis=[str(blocks / "one.ms"), str(blocks / "two.ms")], concatvis=str(tmp_path / "ours.ms"))
    with table(str(tmp_path / "ours.ms" / "FEED"), ack=False) as tab:
        pairs = set(zip(tab.getcol("ANTENNA_ID"), tab.getcol("SPECTRAL_WINDOW_ID"), strict=True))
        assert len(pairs) == tab.nrows() == 8 * 4 + 6 + 2 * 4


def with_ephemeris(path, field, first_mjd):
    """Let a field follow an ephemeris of 20 rows, half an hour apart."""
    from casacore.tables import makescacoldesc, maketabdesc, table

    step, count = 0.02, 20
    with table(f"{path}/FIELD", readonly=False, ack=False) as tab:
        tab.addcols(maketabdesc([makescacoldesc("EPHEMERIS_ID", 0)]))
        tab.putcol("EPHEMERIS_ID", np.where(np.arange(tab.nrows()) == field, 0, -1).astype(np.int32))
        tab.putcell("TIME", field, (first_mjd + step) * DAY_S)
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            tab.putcell(column, field, np.zeros((1, 2)))
    units = {"MJD": "d", "RA": "deg", "DEC": "deg", "Rho": "AU", "RadVel": "AU/d", "diskLong": "deg", "diskLat": "deg"}
    description = maketabdesc([makescacoldesc(k, 0.0, keywords={"UNIT": u}) for k, u in units.items()])
    with table(f"{path}/FIELD/EPHEM0_Titan_{first_mjd:g}.tab", description, nrow=count, ack=False) as tab:
        mjd = first_mjd + step * np.arange(count)
        columns = {"MJD": mjd, "RA": 250 + 0.05 * (mjd - 60000), "DEC": -20 + 0.02 * (mjd - 60000), "Rho": 9 + 0 * mjd}
        for column, values in columns.items():
            tab.putcol(column, values)
        epochs = {
            k: {"m0": {"value": v, "unit": "d"}, "type": "epoch", "refer": "TDB"}
            for k, v in (("earliest", mjd[0]), ("latest", mjd[-1]))
        }
        tab.putkeywords({
            "VS_CREATE": "2024/01/01/00:00", "VS_DATE": "2024/01/01/00:00", "VS_VERSION": "0001.0001",
            "VS_TYPE": "Table of comet/planetary positions", "MJD0": mjd[0] - step, "dMJD": step, "NAME": "Titan",
            "GeoLong": 0.0, "GeoLat": 0.0, "GeoDist": 0.0, "obsloc": "GEOCENTRIC", "posrefsys": "ICRF/J2000.0",
            **epochs,
        })  # fmt: skip
        tab.putinfo({"type": "IERS", "subType": "Solar System", "readme": ""})


@pytest.mark.parametrize(("later_d", "how"), [(0.04, {}), (1.0, {}), (1.0, {"forcesingleephemfield": "J1517-2422"})])
def test_ephemerides(casa, blocks, tmp_path, later_d, how):
    """One field where the first's ephemeris covers the other's data, or is made to; else two."""
    from casacore.tables import table

    from atacal.tasks import concat

    with table(str(blocks / "one.ms"), ack=False) as tab:
        first = float(np.floor(tab.getcol("TIME").min() / DAY_S / 0.02) * 0.02 - 0.1)
    vis = []
    for name, days in (("first.ms", 0.0), ("second.ms", later_d)):
        vis.append(str(tmp_path / name))
        shutil.copytree(blocks / "one.ms", vis[-1])
        for sub in ("", "/OBSERVATION"):
            with table(vis[-1] + sub, readonly=False, ack=False) as tab:
                for column in ("TIME_RANGE",) if sub else ("TIME", "TIME_CENTROID"):
                    tab.putcol(column, tab.getcol(column) + days * DAY_S)
        with_ephemeris(vis[-1], 0, first + days)
    casa(SCRIPT, arguments={"vis": vis, "concatvis": str(tmp_path / "casa.ms"), **how})
    concat(vis=vis, concatvis=str(tmp_path / "ours.ms"), **how)
    compare(tmp_path / "casa.ms", tmp_path / "ours.ms", but=WRONG_IN_CASA)
    tables = [sorted(p.name for p in (tmp_path / ms / "FIELD").glob("EPHEM*")) for ms in ("casa.ms", "ours.ms")]
    assert tables[0] == tables[1]
    assert len(tables[0]) == (2 if later_d == 1.0 and not how else 1)
    for name in tables[0]:
        one, two = (table(str(tmp_path / ms / "FIELD" / name), ack=False) for ms in ("casa.ms", "ours.ms"))
        for column in one.colnames():
            np.testing.assert_allclose(two.getcol(column), one.getcol(column), rtol=0, atol=1e-9)
