"""Manifests, archives, and where the pieces of a delivery are found."""

from __future__ import annotations

import shutil
import tarfile

import pytest

from atacal.errors import RestoreError
from atacal.restore.archives import contents, unpack
from atacal.restore.delivery import open_delivery
from atacal.restore.manifest import BlockProducts, Manifest, format_manifest, read_manifest
from atacal.restore.products import Products, block_name, find_raw, raw_data

MANIFEST = Manifest(
    "uid___A001_X1_X2",
    (
        BlockProducts("uid___A002_X1_X1", "session_1", "a.ms.flagversions.tgz", "a.ms.calapply.txt", {"apply": "True"}),
        BlockProducts("uid___A002_X1_X2", "session_2"),
    ),
    {"session_1": "s1.caltables.tgz"},
    "X.auxproducts.tgz", "4.7.2", "40896",
)  # fmt: skip


def test_a_manifest_that_is_written_is_read(tmp_path):
    (tmp_path / "m.xml").write_text(format_manifest(MANIFEST))
    assert read_manifest(tmp_path / "m.xml") == MANIFEST
    assert [b.renormalized for b in MANIFEST.blocks] == [True, False]


@pytest.mark.parametrize("text", ["", "<piperesults>", "<html/>", "<piperesults name='x'/>"])
def test_what_is_no_manifest(tmp_path, text):
    (tmp_path / "m.xml").write_text(text)
    with pytest.raises(RestoreError, match=r"m\.xml"):
        read_manifest(tmp_path / "m.xml")


def test_a_block_without_a_name(tmp_path):
    (tmp_path / "m.xml").write_text("<piperesults><ous><session name='s'><asdm/></session></ous></piperesults>")
    with pytest.raises(RestoreError, match="'s' has no name"):
        read_manifest(tmp_path / "m.xml")


def archive(path, delivery, names, mode="w:gz", kind=None):
    with tarfile.open(path, mode) as tar:
        for name in names:
            if kind is None:
                delivery.add_text(tar, name, name)
            else:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "/etc/passwd"
                tar.addfile(info)
    return path


def test_unpacking_takes_what_is_asked_for(tmp_path, delivery):
    packed = archive(tmp_path / "a.tgz", delivery, ["x/1", "x/2", "./y/1", "z"])
    assert contents(packed) == ["x", "y", "z"]
    (tmp_path / "out").mkdir()
    unpack(packed, tmp_path / "out", {"x", "y"})
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*/*")) == [
        "x/1",
        "x/2",
        "y/1",
    ]
    with pytest.raises(RestoreError, match=r"a\.tgz has no w"):
        unpack(packed, tmp_path / "out", {"w"})


def test_unpacking_what_is_deep_in_an_archive(tmp_path, delivery):
    packed = archive(tmp_path / "a.tar", delivery, ["P/member.x/raw/B.asdm.sdm/ASDM.xml", "P/README"], "w")
    unpack(packed, tmp_path, below="B.asdm.sdm")
    assert (tmp_path / "B.asdm.sdm" / "ASDM.xml").is_file()
    assert not (tmp_path / "P").exists()
    with pytest.raises(RestoreError, match=r"a\.tar has no C\.asdm\.sdm"):
        unpack(packed, tmp_path, below="C.asdm.sdm")


@pytest.mark.parametrize("name", ["../out.txt", "x/../../out.txt", "/tmp/out.txt"])
def test_names_that_lead_out(tmp_path, delivery, name):
    (tmp_path / "in").mkdir()
    packed = archive(tmp_path / "a.tgz", delivery, ["x/1", name])
    with pytest.raises(RestoreError, match=r"was not unpacked.*leads out"):
        unpack(packed, tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(tmp_path, delivery, kind):
    packed = archive(tmp_path / "a.tgz", delivery, ["x"], kind=kind)
    with pytest.raises(RestoreError, match="neither a file nor a folder"):
        unpack(packed, tmp_path)
    assert not (tmp_path / "x").is_symlink()


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"no archive at all"])
def test_damaged_archives(tmp_path, delivery, damage):
    packed = archive(tmp_path / "a.tgz", delivery, [f"x/{n:03}" for n in range(200)])
    packed.write_bytes(damage(packed.read_bytes()))
    for use in (contents, lambda p: unpack(p, tmp_path)):
        with pytest.raises(RestoreError, match=r"a\.tgz is no tar archive, or it is damaged"):
            use(packed)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("file", "block"),
    [
        ("uid___A002_Xb62a5b_X6aa4.asdm.sdm", "uid___A002_Xb62a5b_X6aa4"),
        ("2016.1.01435.S_uid___A002_Xba0af7_X6409.asdm.sdm.tar", "uid___A002_Xba0af7_X6409"),
        ("uid___A002_Xba0af7_X6409.ms.calapply.txt", "uid___A002_Xba0af7_X6409"),
        ("member.uid___A001_X1_X2.uid___A002_X1_X3.ms", "uid___A002_X1_X3"),
        ("tiny.asdm", "tiny"),
    ],
)
def test_names_of_blocks(file, block):
    assert block_name(file) == block


def test_raw_data_that_are_unpacked_go_before_archives(tmp_path):
    (tmp_path / "P_uid___A002_X1_X1.asdm.sdm.tar").write_bytes(b"")
    assert find_raw("uid___A002_X1_X1", tmp_path).packed
    (tmp_path / "uid___A002_X1_X1.asdm.sdm").mkdir()
    (tmp_path / "uid___A002_X1_X1.asdm.sdm" / "ASDM.xml").write_text("")
    assert not find_raw("uid___A002_X1_X1", tmp_path).packed
    assert list(raw_data(tmp_path / "none")) == []


TABLE = "uid___A002_X1_X1.ms.b.tbl"


def products(tmp_path, delivery, archives):
    (tmp_path / "uid___A002_X1_X1.ms.calapply.txt").write_text(f"applycal(vis='X.ms', gaintable=['{TABLE}'])")
    for name in archives:
        archive(tmp_path / name, delivery, [f"{TABLE}/table.dat"])
    return Products([tmp_path])


@pytest.mark.parametrize("ending", ["tgz", "tar.gz"])
def test_without_a_manifest_the_session_is_in_the_archives_name(tmp_path, delivery, ending):
    names = [f"uid___A001_X1_X2.session_{k}.caltables.{ending}" for k in (1, 2)]
    found = products(tmp_path, delivery, names)
    assert found.blocks() == ["uid___A002_X1_X1"]
    assert found.tables("uid___A002_X1_X1", [TABLE], "session_2")[TABLE].name == names[1]
    with pytest.raises(RestoreError, match=f"{TABLE} is in .*session_1.* and in .*session_2"):
        found.tables("uid___A002_X1_X1", [TABLE])


def test_tables_that_are_unpacked_already_and_other_archives(tmp_path, delivery):
    found = products(tmp_path, delivery, ["x.session_1.auxcaltables.tgz"])
    with pytest.raises(RestoreError, match=rf"uid___A002_X1_X1: calibration tables {TABLE}.*no \*.caltables.tgz"):
        found.tables("uid___A002_X1_X1", [TABLE])
    (tmp_path / TABLE).mkdir()
    (tmp_path / TABLE / "table.dat").write_text("")
    assert found.tables("uid___A002_X1_X1", [TABLE]) == {TABLE: tmp_path / TABLE}


def test_of_several_manifests_the_calibrations(tmp_path):
    for name in ("member.x.hifa_image.pipeline_manifest.xml", "member.x.hifa_cal.pipeline_manifest.xml"):
        (tmp_path / name).write_text(format_manifest(MANIFEST))
    found = Products([tmp_path])
    assert found.manifest_path is not None
    assert found.manifest_path.name == "member.x.hifa_cal.pipeline_manifest.xml"
    assert found.blocks() == ["uid___A002_X1_X1"]


def test_folders_that_are_no_delivery(tmp_path):
    with pytest.raises(RestoreError, match="there is no such folder"):
        open_delivery(tmp_path / "none")
    (tmp_path / "group" / "member" / "calibration").mkdir(parents=True)
    with pytest.raises(RestoreError, match=r"is no member directory.*try .*group/member"):
        open_delivery(tmp_path)
    with pytest.raises(RestoreError, match="nothing says how to calibrate"):
        open_delivery(tmp_path / "group" / "member")
    shutil.rmtree(tmp_path / "group")
    with pytest.raises(RestoreError, match="it is empty"):
        open_delivery(tmp_path)
