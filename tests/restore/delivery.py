"""Makes deliveries as ALMA's archive gives them, of tiny ASDMs that are calibrated here; and looks at what is restored.

What the files are called and what is in them: exportdata of the pipeline (r-xue/pipeline, h/tasks/exportdata) and
scriptForPI.py 1.23 and 2.5, as public repositories have them.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from casacore.tables import table

from atacal.restore.block import ASIS
from atacal.restore.calapply import Application, Use, format_calapply
from atacal.restore.manifest import BlockProducts, Manifest, format_manifest
from atacal.tasks import applycal, bandpass, flagdata, flagmanager, gaincal, gencal, importasdm

OUS = "uid___A001_X1_X2"
BLOCKS = ("uid___A002_X1_X1", "uid___A002_X1_X2")
SCRIPT = """__rethrow_casa_exceptions = True
h_init()
try:
    hif_restoredata (vis={blocks}, session={sessions}, ocorr_mode='ca')
finally:
    h_save()
"""


def asdm_writer() -> ModuleType:
    """Load the writer of tiny ASDMs that stands beside the importer's tests."""
    if "asdm_writer" not in sys.modules:
        where = Path(__file__).parents[1] / "asdm" / "conftest.py"
        spec = importlib.util.spec_from_file_location("asdm_writer", where)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["asdm_writer"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["asdm_writer"]


@dataclass(frozen=True)
class Delivered:
    """A delivery, and the calibrated data that it was made of.

    Attributes
    ----------
    member : Path
    original : Path
        Folder with ``BLOCK.ms``, calibrated, and its tables.
    """

    member: Path
    original: Path

    def blocks(self) -> list[str]:
        return sorted(p.name.removesuffix(".ms") for p in self.original.glob("*.ms"))


def make_delivery(folder: Path, blocks: Iterable[str] = BLOCKS) -> Delivered:
    """Make a delivery of blocks with a session each."""
    member, original = folder / f"member.{OUS}", folder / "original"
    for part in ("raw", "calibration", "script", "product", "qa", "log"):
        (member / part).mkdir(parents=True)
    original.mkdir()
    products, caltables = [], {}
    for k, block in enumerate(blocks):
        session = f"session_{k + 1}"
        asdm = member / "raw" / f"{block}.asdm.sdm"
        asdm_writer().write_asdm(
            asdm, nant=7, nchan=(4, 8), integrations=3, signal=3000.0, seed=k + 1,
            scan_intents=("CALIBRATE_PHASE CALIBRATE_WVR", "OBSERVE_TARGET CALIBRATE_WVR"),
        )  # fmt: skip
        ms = original / f"{block}.ms"
        applications = calibrate(asdm, ms)
        calibration = member / "calibration"
        (calibration / f"{ms.name}.calapply.txt").write_text(format_calapply(applications, ms.name))
        pack_flags(ms, calibration / f"{ms.name}.flagversions.tgz")
        tables = {u.table for a in applications for u in a.uses}
        archive = calibration / f"member.{OUS}.{session}.caltables.tgz"
        pack(archive, [original / name for name in sorted(tables)])
        caltables[session] = f"{OUS}.{session}.caltables.tgz"
        products.append(
            BlockProducts(block, session, f"{ms.name}.flagversions.tgz", f"{ms.name}.calapply.txt", {"apply": "False"})
        )
    manifest = Manifest(OUS, tuple(products), caltables, "", "6.5.4-9", "2023.1.0.124")
    (member / "script" / f"member.{OUS}.hifa_calimage.pipeline_manifest.xml").write_text(format_manifest(manifest))
    sessions = [p.session for p in products]
    text = SCRIPT.format(blocks=[p.name for p in products], sessions=sessions)
    (member / "script" / f"member.{OUS}.hifa_calimage.casa_piperestorescript.py").write_text(text)
    return Delivered(member, original)


def calibrate(asdm: Path, ms: Path) -> list[Application]:
    """Import and calibrate a block as the pipeline does; return its calls of applycal as the pipeline writes them."""
    importasdm(
        str(asdm), str(ms), ocorr_mode="ca", asis=ASIS, bdfflags=True, process_caldevice=False,
        with_pointing_correction=True,
    )  # fmt: skip
    names = {kind: f"{ms.name}.{stage}.tbl" for kind, stage in STAGES.items()}
    path = {kind: str(ms.parent / name) for kind, name in names.items()}
    flagdata(str(ms), autocorr=True, flagbackup=False)
    flagdata(str(ms), antenna="DA43", scan="2", spw="2", flagbackup=False)
    gencal(str(ms), caltable=path["tsys"], caltype="tsys")
    common = {"spw": "1,2", "minsnr": 0.0, "minblperant": 2, "refant": "DA41", "spwmap": [[0, 1, 1, 3]]}
    bandpass(str(ms), path["bandpass"], field="0", solnorm=True, gaintable=[path["tsys"]], **common)
    before = [path["tsys"], path["bandpass"]]
    gaincal(str(ms), path["phase"], field="0", calmode="p", solint="int", gaintable=before, **common)
    before.append(path["phase"])
    gaincal(str(ms), path["amplitude"], field="0", calmode="a", gaintype="T", gaintable=before, **common)
    tsys = Use(f"/lustre/naasc/working/{names['tsys']}", "", "linear,linear", (0, 1, 1, 3), True)
    rest = [
        Use(f"/lustre/naasc/working/{names['bandpass']}", "", "linear,linear", (), True),
        Use(f"/lustre/naasc/working/{names['phase']}", "0", "linear", (), False),
        Use(f"/lustre/naasc/working/{names['amplitude']}", "0", "nearest", (), True),
    ]
    applications = [
        Application(ms.name, (tsys, *rest), "J0538-4405", "PHASE", "1,2", "0~6"),
        Application(ms.name, (tsys, *rest[:2]), "Titan", "TARGET,CHECK", "1,2", "0~6"),
    ]
    for one, intent in zip(applications, ("CALIBRATE_PHASE#ON_SOURCE", "OBSERVE_TARGET#ON_SOURCE"), strict=True):
        applycal(
            str(ms), field=one.field, spw=one.spw, intent=intent, antenna="*&*",
            gaintable=[str(ms.parent / u.table) for u in one.uses], gainfield=[u.gainfield for u in one.uses],
            interp=[u.interp for u in one.uses], spwmap=[list(u.spwmap) for u in one.uses],
            calwt=[u.calwt for u in one.uses], applymode="calflagstrict", flagbackup=False,
        )  # fmt: skip
    flagmanager(str(ms), "save", "Pipeline_Final", comment="Final pipeline flags")
    return applications


STAGES = {
    "tsys": "h_tsyscal.s6_1.tsyscal",
    "bandpass": "hifa_bandpass.s13_1.spw1_2.channel.solintinf.bcal",
    "phase": "hifa_timegaincal.s16_1.spw1_2.solintint.gpcal",
    "amplitude": "hifa_timegaincal.s16_2.spw1_2.solintinf.gacal",
}


def pack(archive: Path, paths: Iterable[Path]) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for path in paths:
            tar.add(path, arcname=path.name)


def pack_flags(ms: Path, archive: Path, name: str = "Pipeline_Final") -> None:
    """Pack a flag version as the pipeline does: the version, and a list that names it alone."""
    folder = f"{ms.name}.flagversions"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(ms.with_name(folder) / f"flags.{name}", arcname=f"{folder}/flags.{name}")
        add_text(tar, f"{folder}/FLAG_VERSION_LIST", f"{name} : Final pipeline flags\n")


def add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text.encode()))


def copy(delivered: Delivered, folder: Path) -> Delivered:
    """Copy a delivery, for a test that changes it."""
    shutil.copytree(delivered.member, folder / delivered.member.name)
    return Delivered(folder / delivered.member.name, delivered.original)


def differences(one: Path, other: Path) -> list[str]:
    """Name the columns of the main table in which two MeasurementSets differ, in any bit."""
    found = []
    with table(str(one), ack=False) as a, table(str(other), ack=False) as b:
        assert a.nrows() == b.nrows() > 0
        if sorted(a.colnames()) != sorted(b.colnames()):
            found.append(f"columns {set(a.colnames()) ^ set(b.colnames())}")
        for name in sorted(set(a.colnames()) & set(b.colnames())):
            for row in range(a.nrows()):
                if a.iscelldefined(name, row) != b.iscelldefined(name, row):
                    found.append(f"{name} (row {row} is undefined in one)")
                    break
                if a.iscelldefined(name, row) and not same(a.getcell(name, row), b.getcell(name, row)):
                    found.append(f"{name} (row {row})")
                    break
    return found


def same(a: object, b: object) -> bool:
    first, second = np.asarray(a), np.asarray(b)
    return first.shape == second.shape and first.dtype == second.dtype and first.tobytes() == second.tobytes()
