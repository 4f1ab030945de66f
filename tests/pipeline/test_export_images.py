"""Which images are delivered, and what they are called."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from atacal.errors import ArgumentError
from atacal.pipeline.export.aqua import aqua_report
from atacal.pipeline.export.fits_images import INTENTS, find_images, is_calibrator, product_name
from atacal.pipeline.export.kept import Kept
from atacal.pipeline.files import write_json
from atacal.pipeline.stages.makeimlist import KINDS


def test_intents_are_spelled_as_the_stage_does():
    assert INTENTS == KINDS


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("X.s21.0_J1517_bp.spw13.mfs.I.image.fits", "X.0_J1517_bp.spw13.mfs.I.fits"),
        ("X.s21.0_J1517_bp.spw13.mfs.I.image.pbcor.fits", "X.0_J1517_bp.spw13.mfs.I.pbcor.fits"),
        ("X.s21.0_J1517_bp.spw13.mfs.I.mask.fits", "X.0_J1517_bp.spw13.mfs.I.mask.fits"),
        ("uid___A001_X1.s18_0.J1337_ph.spw17.mfs.I.iter1.image.fits", "uid___A001_X1.J1337_ph.spw17.mfs.I.fits"),
    ],
)
def test_names_lose_stage_and_iteration(name, product):
    assert product_name(name) == product


@pytest.fixture
def images(tmp_path) -> Path:
    for stage, source in (("21", "0_A_bp"), ("21", "2_B_ph"), ("23", "3_C_chk"), ("25", "2_B_ph"), ("25", "4_D_sci")):
        for kind in ("image", "residual", "psf", "pb", "mask"):
            (tmp_path / f"X.s{stage}.{source}.spw1.mfs.I.{kind}.fits").write_text(f"{stage} {source} {kind}")
    return tmp_path


def test_the_latest_of_each_image_is_chosen_with_mask_and_primary_beam(images):
    found = find_images(images)
    assert sorted(found) == sorted(
        f"X.{source}.spw1.mfs.I{kind}.fits"
        for source in ("0_A_bp", "2_B_ph", "3_C_chk", "4_D_sci")
        for kind in ("", ".mask", ".pb")
    )
    assert found["X.2_B_ph.spw1.mfs.I.fits"].read_text() == "25 2_B_ph image"
    assert [is_calibrator(name) for name in sorted(found)] == [True] * 9 + [False] * 3


def test_images_are_chosen_by_intent_and_by_name(images):
    of_intent = {name.split(".")[1] for name in find_images(images, intents="*PHASE*,CHECK")}
    assert of_intent == {"2_B_ph", "3_C_chk", "4_D_sci"}
    named = {name.split(".")[1] for name in find_images(images, calibrators=["X.s21.0_A_bp"])}
    assert named == {"0_A_bp", "4_D_sci"}
    with pytest.raises(ArgumentError, match="SKY is no intent"):
        find_images(images, intents="SKY")
    with pytest.raises(ArgumentError, match="there is no image Y"):
        find_images(images, targets=["Y"])
    assert find_images(images / "none") == {}


def test_the_aqua_report_has_the_noise_of_each_image(begun_copy):
    """With the numbers of a stage that has made an image."""
    image = {
        "source": "J1", "intent": "PHASE", "spw": "13,15", "dish_m": 12.0, "cell_arcsec": 0.1, "robust": 0.5,
        "beam_major_arcsec": 0.6, "beam_minor_arcsec": 0.4, "beam_pa_deg": -20.0, "rms_jy": 2.5e-4,
    }  # fmt: skip
    failed = {"source": "J2", "spw": "13", "failed": "no data"}
    outcome = {"summary": "", "scores": [], "messages": [], "sets": {}, "decisions": {"images": [image, failed]}}
    result = {"number": 6, "task": "hif_makeimages", "score": 0.9, "title": "x", "blocks": {}, "run": outcome}
    folder = begun_copy / "stages" / "06-hif_makeimages"
    folder.mkdir()
    write_json(folder / "result.json", result)
    kept = Kept(begun_copy, 7)
    (one,) = ElementTree.fromstring(aqua_report(kept)).findall(".//ImageSensitivity/ImageSensitivities/Sensitivity")
    widths = [kept.description(kept.blocks[0])["science_spws"][s]["width_hz"] for s in ("13", "15")]
    assert float(one.get("BandwidthHz", "")) == pytest.approx(sum(widths))
    assert (one.get("Field"), one.get("MsSpwId"), one.get("Array")) == ("J1", "13,15", "12m")
    assert float(one.get("SensitivityJyPerBeam", "")) == 2.5e-4
