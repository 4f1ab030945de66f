"""Deliveries restored beside CASA: one that CASA has calibrated, and one of ours that CASA restores step by step."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from casacore.tables import table

from atacal.restore import restore
from atacal.restore.block import ASIS
from atacal.restore.calapply import Application, Use, format_calapply
from atacal.restore.manifest import BlockProducts, Manifest, format_manifest

BLOCK = "uid___A002_X1_X1"
MS = f"{BLOCK}.ms"

IMPORT = """
importasdm(asdm=asdm, vis=ms, ocorr_mode="ca", bdfflags=True, process_caldevice=False, asis=asis,
           with_pointing_correction=True, lazy=False)
"""
CALIBRATE = """
import os
flagdata(ms, autocorr=True, flagbackup=False)
flagdata(ms, antenna="DA43", scan="2", spw="2", flagbackup=False)
t, b, p, a = [ms + "." + n + ".tbl" for n in ("tsyscal", "bcal", "gpcal", "gacal")]
common = dict(spw="1,2", minsnr=0, minblperant=2, refant="DA41", field="0")
gencal(ms, caltable=t, caltype="tsys")
bandpass(ms, b, solnorm=True, gaintable=[t], spwmap=[[0, 1, 1, 3]], **common)
gaincal(ms, p, calmode="p", solint="int", gaintable=[t, b], spwmap=[[0, 1, 1, 3], []], **common)
gaincal(ms, a, calmode="a", gaintype="T", gaintable=[t, b, p], spwmap=[[0, 1, 1, 3], [], []], **common)
for field, intent, tables, gainfield, interp, calwt in [
    ("J0538-4405", "CALIBRATE_PHASE#ON_SOURCE", [t, b, p, a], ["", "", "0", "0"],
     ["linear,linear", "linear,linear", "linear", "nearest"], [True, True, False, True]),
    ("Titan", "OBSERVE_TARGET#ON_SOURCE", [t, b, p], ["", "", "0"],
     ["linear,linear", "linear,linear", "linear"], [True, True, False]),
]:
    applycal(ms, field=field, intent=intent, spw="1,2", antenna="*&*", gaintable=tables, gainfield=gainfield,
             spwmap=[[0, 1, 1, 3]] + [[]] * (len(tables) - 1), interp=interp, calwt=calwt,
             applymode="calflagstrict", flagbackup=False)
flagmanager(ms, mode="save", versionname="Pipeline_Final", comment="Final pipeline flags")
result = {"folder": os.getcwd()}
"""
RESTORE = """
import os, re, shutil, tarfile
shutil.rmtree(ms + ".flagversions")
for archive in archives:
    with tarfile.open(archive, "r:gz") as tar:
        tar.extractall(filter="data")
flagmanager(ms, mode="restore", versionname="Pipeline_Final")
text = re.sub(r"/[\\w./-]+/", "", open(calapply).read())
text = text.replace("'PHASE'", "'CALIBRATE_PHASE#ON_SOURCE'").replace("'TARGET,CHECK'", "'OBSERVE_TARGET#ON_SOURCE'")
text = text.replace("antenna='0~6'", "antenna='*&*', applymode='calflagstrict', flagbackup=False")
exec(text)
result = {"folder": os.getcwd(), "calls": text.count("applycal(")}
"""


@pytest.fixture(scope="module")
def delivery() -> ModuleType:
    where = Path(__file__).parents[1] / "restore" / "delivery.py"
    spec = importlib.util.spec_from_file_location("delivery", where)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["delivery"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(ours: Path, casas: Path) -> None:
    """Compare what restoring makes: flags are the same, data and weights within applycal's tolerances."""
    with table(str(ours), ack=False) as a, table(str(casas), ack=False) as b:
        assert a.nrows() == b.nrows() > 0
        assert sorted(a.colnames()) == sorted(b.colnames())
        for spw in (0, 1, 2):
            with a.query(f"DATA_DESC_ID=={spw}") as x, b.query(f"DATA_DESC_ID=={spw}") as y:
                for name in ("DATA", "FLAG", "FLAG_ROW", "SIGMA", "TIME", "ANTENNA1", "ANTENNA2"):
                    np.testing.assert_array_equal(x.getcol(name), y.getcol(name), err_msg=f"{name} of spw {spw}")
                np.testing.assert_allclose(x.getcol("WEIGHT"), y.getcol("WEIGHT"), rtol=2e-6)
                flag = x.getcol("FLAG")
                theirs = y.getcol("CORRECTED_DATA")
                wrong = np.abs(x.getcol("CORRECTED_DATA") - theirs) > 5e-6 * np.abs(theirs)
                assert not np.any(wrong & ~flag)
                if spw:
                    good = ~flag
                    assert good.sum() > 200
                    changed = np.abs(theirs - y.getcol("DATA")) > 1e-3 * np.abs(theirs)
                    assert np.any(changed & good)


def test_a_delivery_that_casa_has_calibrated(casa, delivery, tmp_path):
    member = tmp_path / f"member.{delivery.OUS}"
    for part in ("raw", "calibration", "script"):
        (member / part).mkdir(parents=True)
    asdm = delivery.asdm_writer().write_asdm(
        member / "raw" / f"{BLOCK}.asdm.sdm", nant=7, nchan=(4, 8), integrations=3, seed=1, signal=3000.0,
        scan_intents=("CALIBRATE_PHASE CALIBRATE_WVR", "OBSERVE_TARGET CALIBRATE_WVR"),
    )  # fmt: skip
    folder = Path(casa(IMPORT + CALIBRATE, asdm=asdm, ms=MS, asis=ASIS)["folder"])
    tables = [f"{MS}.{n}.tbl" for n in ("tsyscal", "bcal", "gpcal", "gacal")]
    uses = [
        Use(f"/working/{tables[0]}", "", "linear,linear", (0, 1, 1, 3)),
        Use(f"/working/{tables[1]}", "", "linear,linear"),
        Use(f"/working/{tables[2]}", "0", "linear", calwt=False),
        Use(f"/working/{tables[3]}", "0", "nearest"),
    ]
    calls = [
        Application(MS, tuple(uses), "J0538-4405", "PHASE", "1,2", "0~6"),
        Application(MS, tuple(uses[:3]), "Titan", "TARGET,CHECK", "1,2", "0~6"),
    ]
    calibration = member / "calibration"
    (calibration / f"{MS}.calapply.txt").write_text(format_calapply(calls, MS))
    delivery.pack(calibration / f"{delivery.OUS}.session_1.caltables.tgz", [folder / t for t in tables])
    delivery.pack_flags(folder / MS, calibration / f"{MS}.flagversions.tgz")
    manifest = Manifest(
        delivery.OUS, (BlockProducts(BLOCK, "session_1", f"{MS}.flagversions.tgz", f"{MS}.calapply.txt"),),
        {"session_1": f"{delivery.OUS}.session_1.caltables.tgz"},
    )  # fmt: skip
    (member / "script" / "x.hifa_cal.pipeline_manifest.xml").write_text(format_manifest(manifest))
    result = restore(str(member))
    assert result.blocks[0].notes == []
    assert_same(Path(result.blocks[0].ms), folder / MS)


def test_casa_restores_ours_step_by_step(casa, delivery, tmp_path):
    made = delivery.make_delivery(tmp_path, [BLOCK])
    calibration = made.member / "calibration"
    done = casa(
        IMPORT + RESTORE, asdm=made.member / "raw" / f"{BLOCK}.asdm.sdm", ms=MS, asis=ASIS,
        archives=[str(p) for p in sorted(calibration.glob("*.tgz"))], calapply=calibration / f"{MS}.calapply.txt",
    )  # fmt: skip
    assert done["calls"] == 2
    result = restore(str(made.member))
    assert delivery.differences(made.original / MS, Path(result.blocks[0].ms)) == []
    assert_same(Path(result.blocks[0].ms), Path(done["folder"]) / MS)
    shutil.rmtree(tmp_path / "casa")
