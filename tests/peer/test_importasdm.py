"""importasdm against CASA's: every column of every table, cell by cell."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.tasks import importasdm

HERE = Path(__file__).parent
CASES = {
    "int16, two basebands, WVR": ({}, {"bdfflags": True}),
    "full polarisation, int32": ({"npol": 4, "cross_type": "INT32_TYPE", "nant": 4}, {"bdfflags": True}),
    "both corrections": ({"corrections": ("AP_UNCORRECTED", "AP_CORRECTED")}, {}),
    "corrected only": ({"corrections": ("AP_UNCORRECTED", "AP_CORRECTED")}, {"wvr_corrected_data": "both"}),
    "zero lags": ({"zero_lags": True}, {"bdfflags": True}),
    "autocorrelations": ({"mode": "AUTO_ONLY", "wvr": False}, {"bdfflags": True}),
    "full autocorrelations": ({"mode": "AUTO_ONLY", "npol": 4}, {"bdfflags": True}),
    "cross only, float, one pol": ({"mode": "CROSS_ONLY", "npol": 1, "cross_type": "FLOAT32_TYPE"}, {"bdfflags": True}),
    "one baseband, binary pointing": ({"one_baseband": True, "pointing": "bin"}, {"bdfflags": True}),
    "flags per spw, WVR twice": (
        {"one_baseband": True, "flag_axes": "BAL ANT BAB SPW POL", "repeat_wvr": True},
        {"bdfflags": True, "with_pointing_correction": True},
    ),
    "slices": ({"data_size": 400_000_000, "integrations": 5}, {"bdfflags": True}),
    "a scan": ({}, {"scans": "2", "tbuff": 1.5}),
    "all times": ({}, {"ignore_time": True}),
    "auto out": ({}, {"ocorr_mode": "ao"}),
    "cross out": ({}, {"ocorr_mode": "co"}),
    "EVLA": ({"telescope": "EVLA", "flags": False, "pointing": "bin"}, {}),
    "ephemeris": ({"ephemeris": 1, "field_time": False}, {"convert_ephem2geo": False}),
    "geocentric ephemeris": ({"ephemeris": 1}, {}),
}
TOLERANCES = {
    "UVW": 1e-7,
    ("POINTING", "DIRECTION"): 1e-15,  # numpy's sines differ from the C library's in the last digit
    "RA": 1e-12,
    "DEC": 1e-12,
    # casacore interpolates the earth's motion from any date within 0.04 days that the process asked for before: the
    # same call gives up to 7e-7 m/s (4e-13 AU/d) more or less
    "RadVel": 1e-12,
    ("SOURCE", "DIRECTION"): 1e-12,
}
EPHEMERIS_UVW_M = 5e-3  # CASA makes UVW of these fields anew, for one direction
NOT_COMPARED = {("SYSPOWER", "TIME")}  # CASA takes midpoints of SysPower.xml (and only there) for starts
TIMES_OF_MAKING = {"VS_CREATE", "VS_DATE"}


@pytest.fixture(scope="module")
def writer():
    spec = importlib.util.spec_from_file_location("asdm_writer", HERE.parent / "asdm" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["asdm_writer"] = module
    spec.loader.exec_module(module)
    return module.write_asdm


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in TIMES_OF_MAKING}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return "a table" if isinstance(value, str) and value.startswith("Table:") else value


def cell(tab, column, row):
    if not tab.iscelldefined(column, row):
        return None
    value = tab.getcell(column, row)
    if isinstance(value, dict):
        return tuple(value["shape"]), tuple(value["array"])
    return ((len(value),), tuple(value)) if isinstance(value, list) else value


def same(a, b, tolerance):
    if a is None or b is None or isinstance(a, (tuple, str)):
        return a == b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind in "fc":
        return bool(np.all((np.abs(a - b) <= tolerance) | (a == b)))
    return bool(np.array_equal(a, b))


def differences(ours, casas, tolerances):
    """Compare a table: keywords, columns and their descriptions, all cells."""
    name, found = ours.name, []
    with table(str(ours), ack=False) as a, table(str(casas), ack=False) as b:
        if plain(a.getkeywords()) != pytest.approx(plain(b.getkeywords())) or list(a.getkeywords()) != list(
            b.getkeywords()
        ):
            found.append(f"{name}: keywords")
        if a.info() != b.info():
            found.append(f"{name}: info")
        if a.colnames() != b.colnames() or a.nrows() != b.nrows():
            return [*found, f"{name}: columns {a.colnames()} {b.colnames()}, rows {a.nrows()} {b.nrows()}"]
        da, db = a.getdesc(), b.getdesc()
        for c in a.colnames():
            for key in ("valueType", "ndim", "option", "comment", "shape", "maxlen"):
                if plain(da[c].get(key)) != plain(db[c].get(key)):
                    found.append(f"{name} {c}: {key}")
            if plain(a.getcolkeywords(c)) != plain(b.getcolkeywords(c)):
                found.append(f"{name} {c}: keywords")
            if (name, c) in NOT_COMPARED:
                continue
            tolerance = tolerances.get((name, c), tolerances.get(c, 0))
            if "ndim" in da[c]:
                bad = [r for r in range(a.nrows()) if not same(cell(a, c, r), cell(b, c, r), tolerance)]
            else:
                va, vb = a.getcol(c), b.getcol(c)
                bad = [r for r in range(a.nrows()) if not same(va[r], vb[r], tolerance)]
            if bad:
                found.append(f"{name} {c}: {len(bad)} rows, first {bad[0]}: {cell(a, c, bad[0])} {cell(b, c, bad[0])}")
    return found


def compare(ours, casas, tolerances=TOLERANCES, leave_out=()):
    """Return all differences between two MeasurementSets; HISTORY tells its own story."""
    names = [{p.parent.relative_to(ms) for p in ms.rglob("table.dat")} for ms in (ours, casas)]
    found = [f"only in one: {n}" for n in sorted(map(str, names[0] ^ names[1]))]
    for n in sorted(names[0] & names[1]):
        if n.name != "HISTORY" and n.name not in leave_out:
            found += differences(ours / n, casas / n, tolerances)
    return found


def both(casa, asdm, folder, **options):
    """Import with both; return the two MeasurementSets and text files."""
    paths = [folder / f"{who}.ms" for who in ("ours", "casas")]
    texts = [folder / f"{who}.txt" for who in ("ours", "casas")]
    extra = {"outfile": [str(texts[0]), str(texts[0]) + "2"]} if options.get("wvr_corrected_data") == "both" else {}
    importasdm(str(asdm), str(paths[0]), savecmds=True, **({"outfile": str(texts[0])} | extra), **options)
    listed = [str(texts[1]), str(texts[1]) + "2"] if extra else str(texts[1])
    casa(
        f"importasdm(asdm=asdm, vis=vis, savecmds=True, outfile={listed!r}, **{options!r})\nresult = dict()",
        asdm=asdm, vis=paths[1],
    )  # fmt: skip
    assert texts[0].read_text() == texts[1].read_text()
    return paths


@pytest.mark.parametrize("case", CASES)
def test_small_asdms(casa, writer, tmp_path, case):
    make, options = CASES[case]
    asdm = writer(tmp_path / "asdm", **make)
    ours, casas = both(casa, asdm, tmp_path, asis="*", **options)
    tolerances = dict(TOLERANCES)
    if make.get("ephemeris"):
        tolerances["UVW"] = EPHEMERIS_UVW_M
    assert compare(ours, casas, tolerances) == []
    if options.get("wvr_corrected_data") == "both":
        others = [p.with_name(f"{p.stem}-wvr-corrected.ms") for p in (ours, casas)]
        # CASA gives the second MeasurementSet no flag commands
        assert compare(*others, tolerances, leave_out=("FLAG_CMD",)) == []
    versions = [p.with_name(p.name + ".flagversions") / "flags.Original" for p in (ours, casas)]
    with table(str(versions[0]), ack=False) as a, table(str(versions[1]), ack=False) as b:
        assert a.nrows() == b.nrows()


def test_the_tables_of_a_real_alma_block(casa, tmp_path, real_data):
    asdm = tmp_path / "asdm"
    shutil.copytree(real_data("uid___A002_X36a70f_X318", "asdm_X318_metadata.tgz"), asdm, copy_function=shutil.copyfile)
    asdm.chmod(0o755)
    text = (asdm / "ASDM.xml").read_text()
    for missing in ("SysCal", "CalAtmosphere", "Pointing"):  # tables that are not in the set
        head, _, rest = text.partition(f"<Name>{missing}</Name>")
        text = head + f"<Name>{missing}</Name>" + rest.replace(rest.split("<NumberRows>")[1].split("<")[0], "0", 1)
    (asdm / "ASDM.xml").write_text(text)
    (asdm / "ASDMBinary").mkdir(exist_ok=True)
    ours, casas = both(casa, asdm, tmp_path, asis="*", flagbackup=False)
    assert compare(ours, casas) == []


def test_a_real_evla_scan(casa, tmp_path, real_data):
    asdm = real_data("16A-459_TEST_1hr_000.57633.66130137732.scan7.cut1", "evla_sdm_bdf.tgz")
    ours, casas = both(casa, asdm, tmp_path, asis="Antenna Main CalDevice Flag", process_syspower=False)
    assert compare(ours, casas) == []
