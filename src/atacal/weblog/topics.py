"""Topics, and which stages belong to them."""

from __future__ import annotations

TOPICS: dict[str, tuple[str, ...]] = {
    "Data sets": ("hifa_importdata", "h_init"),
    "Calibration": (
        "hif_refant", "h_tsyscal", "hifa_antpos", "hifa_wvrgcalflag", "hif_setmodels", "hif_setjy", "hifa_bandpass",
        "hifa_spwphaseup", "hifa_gfluxscale", "hifa_timegaincal", "hif_applycal", "hifa_renorm", "hifa_diffgaincal",
    ),
    "Flagging": (
        "hifa_flagdata", "hifa_fluxcalflag", "hif_rawflagchans", "hifa_tsysflag", "hifa_tsysflagcontamination",
        "hif_lowgainflag", "hif_gainflag", "hifa_bandpassflag", "hifa_gfluxscaleflag", "hifa_targetflag",
    ),
    "Imaging": ("hif_makeimlist", "hif_makeimages"),
    "Export": ("hifa_exportdata", "hif_exportdata", "h_exportdata"),
}  # fmt: skip
OTHER = "Other"
SUBJECTS: dict[str, tuple[str, ...]] = {
    "System temperatures": ("h_tsyscal", "hifa_tsysflag", "hifa_tsysflagcontamination"),
    "Antenna positions": ("hifa_antpos",),
    "Water vapour radiometers": ("hifa_wvrgcalflag",),
    "Bandpass": ("hifa_bandpassflag", "hifa_bandpass"),
    "Phases": ("hifa_spwphaseup", "hifa_diffgaincal", "hifa_timegaincal"),
    "Flux": ("hifa_fluxcalflag", "hif_setmodels", "hif_setjy", "hifa_gfluxscaleflag", "hifa_gfluxscale"),
    "Calibrated data": ("hifa_targetflag", "hif_applycal"),
    "Images": ("hif_makeimlist", "hif_makeimages"),
}
"""What people look for by its name, and the stages that show it."""


def topic_of(task: str) -> str:
    """Return the topic of a stage."""
    return next((topic for topic, tasks in TOPICS.items() if task in tasks), OTHER)
