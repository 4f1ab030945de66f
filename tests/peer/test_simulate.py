"""The raw block of `atacal simulate --raw` in CASA's hands: read, flagged, calibrated, and judged by its truth."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.simulate import Truth, read_truth, simulate

C_M_S = 299792458.0

READ = """
import os, shutil
result = {"folder": os.getcwd()}
obs = listobs(vis=vis)
msmd = casatools.msmetadata()
msmd.open(vis)
result["listobs"] = {"records": obs["numrecords"], "fields": [obs[f"field_{i}"]["name"] for i in range(obs["nfields"])]}
result["spws"] = {
    "wvr": msmd.wvrspws(), "tdm": msmd.almaspws(tdm=True), "fdm": msmd.almaspws(fdm=True),
    "average": msmd.almaspws(chavg=True), "sqld": msmd.almaspws(sqld=True),
}
result["intents"] = sorted(msmd.intents())
result["tsys_scans"] = msmd.scansforintent("CALIBRATE_ATMOSPHERE#OFF_SOURCE")
result["basebands"] = [msmd.baseband(i) for i in science]
msmd.done()

setjy(vis=vis, field="Callisto", spw=",".join(map(str, science)), standard="Butler-JPL-Horizons 2012", usescratch=True)
gencal(vis=vis, caltable="antpos", caltype="antpos", antenna=antpos["antenna"], parameter=antpos["parameter"])
spw = str(science[0])
applycal(vis=vis, spw=spw, gaintable=["antpos"], flagbackup=False)
shutil.copytree(vis, "antpos.ms")

shutil.copytree(vis, "shadow.ms")
flagdata(vis="shadow.ms", mode="shadow", flagbackup=False)
shutil.copytree(vis, "online.ms")
flagcmd(vis="online.ms", inpmode="table", useapplied=True, action="apply", flagbackup=False)
"""

CALIBRATE = """
import os
result = {"folder": os.getcwd()}
flagdata(vis=vis, mode="manual", autocorr=True, spw="5~20", flagbackup=False)
flagdata(vis=vis, mode="manual", intent="*POINTING*,*SIDEBAND_RATIO*,*ATMOSPHERE*", flagbackup=False)
flagcmd(vis=vis, inpmode="table", useapplied=True, action="apply", flagbackup=False)
flagdata(vis=vis, mode="shadow", flagbackup=False)
for f in manual:
    flagdata(vis=vis, mode="manual", flagbackup=False, **f)
gencal(vis=vis, caltable="antpos", caltype="antpos", antenna=antpos["antenna"], parameter=antpos["parameter"])
gencal(vis=vis, caltable="tsys", caltype="tsys")
w = wvrgcal(vis=vis, caltable="wvr", spw=science, toffset=0, tie=["IRAS_16293-2422,J1650-2943"])
result["wvr"] = w
for field, tsysfield in tsysfields:
    applycal(
        vis=vis, field=field, spw=",".join(map(str, science)), gaintable=["tsys", "wvr", "antpos"],
        gainfield=[tsysfield, "", ""], interp=["linear,linear", "nearest", ""], calwt=True, flagbackup=False,
    )
split(vis=vis, outputvis="split.ms", datacolumn="corrected", spw=",".join(map(str, science)), keepflags=False)
flagdata(vis="split.ms", mode="manual", spw="*:0~7;120~127", flagbackup=False)
setjy(vis="split.ms", field="Callisto", standard="Butler-JPL-Horizons 2012", usescratch=True)
setjy(vis="split.ms", field="J1517-2422", standard="manual", fluxdensity=[1, 0, 0, 0], usescratch=True)
cals = "J1517-2422,Callisto,J1650-2943"
gaincal(vis="split.ms", caltable="p0", field="J1517-2422", spw="*:50~77", solint="int", refant=refant, calmode="p")
bandpass(vis="split.ms", caltable="b", field="J1517-2422", solint="inf", combine="scan", refant=refant, solnorm=True,
         gaintable=["p0"])
gaincal(vis="split.ms", caltable="p", field=cals, solint="int", refant=refant, calmode="p", gaintable=["b"])
gaincal(vis="split.ms", caltable="a", field=cals, solint="inf", refant=refant, gaintype="T", calmode="a",
        gaintable=["b", "p"])
result["fluxes"] = fluxscale(vis="split.ms", caltable="a", fluxtable="f", reference="Callisto",
                             transfer=["J1517-2422", "J1650-2943"])
"""


@pytest.fixture(scope="module")
def vis(tmp_path_factory) -> Path:
    """The block; never write to it."""
    path = tmp_path_factory.mktemp("raw") / "X.ms"
    simulate(path, raw=True, seed=4, fluxcal="sso", nant=9)
    return path


@pytest.fixture(scope="module")
def seen(casa_once, vis, tmp_path_factory) -> tuple[Truth, dict, Path]:
    """The truth, what CASA read, the folder with its copies: of positions corrected, of flags."""
    truth, copy = read_truth(vis), tmp_path_factory.mktemp("seen") / "X.ms"
    shutil.copytree(vis, copy)
    said = casa_once(READ, vis=str(copy), science=truth.raw["science_spws"], antpos=truth.raw["antpos"])
    return truth, said, Path(said["folder"])


@pytest.fixture(scope="module")
def calibrated(casa_once, vis, tmp_path_factory) -> tuple[Truth, dict, Path]:
    """The truth, what CASA's calibration said, the folder with its tables."""
    truth, copy = read_truth(vis), tmp_path_factory.mktemp("calibrated") / "X.ms"
    shutil.copytree(vis, copy)
    names = {s.role: s.name for s in truth.sources}
    manual = []
    for f in truth.faults:
        if f.kind == "dead_polarization":
            manual.append({"antenna": f.antenna, "correlation": "YY"})
        elif f.kind == "low_gain":
            manual.append({"antenna": f.antenna, "spw": "5~20"})
    said = casa_once(
        CALIBRATE, vis=str(copy), science=truth.raw["science_spws"], antpos=truth.raw["antpos"], refant=truth.refant,
        manual=manual, tsysfields=[(names[role], names[of]) for role, of in truth.raw["tsys_fields"].items()],
    )  # fmt: skip
    return truth, said, Path(said["folder"])


def rows(path: Path, spw: int, *columns: str):
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={spw} && ANTENNA1!=ANTENNA2") as part:
        return [part.getcol(c) for c in columns]


def test_casa_sees_a_raw_alma_block(seen):
    truth, said, _ = seen
    assert said["listobs"]["records"] == truth.nrow
    assert said["listobs"]["fields"] == [s.name for s in truth.sources]
    assert said["spws"]["wvr"][0] == 0
    assert said["spws"]["sqld"] == [1, 2, 3, 4]
    assert said["spws"]["average"] == [1, 2, 3, 4, *range(6, 21, 2)]  # CASA takes any single channel for an average
    assert said["spws"]["tdm"] == list(range(5, 20, 2))
    assert said["spws"]["fdm"] == []
    assert said["basebands"] == [1, 2, 3, 4]
    assert {"CALIBRATE_ATMOSPHERE#HOT", "CALIBRATE_POINTING#ON_SOURCE", "OBSERVE_TARGET#ON_SOURCE"} < set(
        said["intents"]
    )
    expected = {s["scan"] for s in truth.raw["subscans"] if s["purpose"] == "atmosphere"}
    assert set(said["tsys_scans"]) == expected


def test_antenna_offsets_are_undone_by_gencal(seen):
    truth, _, folder = seen
    a, spw = truth.arrays(), truth.raw["science_spws"][0]
    data, corrected, a1, a2, time = rows(
        folder / "antpos.ms", spw, "DATA", "CORRECTED_DATA", "ANTENNA1", "ANTENNA2", "TIME"
    )
    at = np.searchsorted(a["time_mjd_s"], time - 1e-3)
    delay = a["antenna_delay_m"][at, a1] - a["antenna_delay_m"][at, a2]
    expected = np.exp(2j * np.pi * delay[:, None] * a[f"freq_hz_{spw}"] / C_M_S)
    turned = data[..., 0] / corrected[..., 0] / expected
    assert np.degrees(np.abs(np.angle(turned))).max() < 0.05  # apparent and mean positions differ by 20 arcsec
    assert np.degrees(np.abs(np.angle(expected))).max() > 20


def test_the_moon_is_as_bright_and_as_large_as_setjy_says(seen):
    truth, _, folder = seen
    spw = truth.raw["science_spws"][0]
    model, field, uvw = rows(folder / "antpos.ms", spw, "MODEL_DATA", "FIELD_ID", "UVW")
    mine = field == 1
    expected = truth.visibility(1, uvw[mine], truth.arrays()[f"freq_hz_{spw}"])
    total = truth.flux_jy["Callisto"][spw]
    assert np.abs(model[mine][..., 0] - expected).max() < 2e-3 * total
    assert np.abs(expected).min() < 0.7 * total


def test_online_flags_cover_what_was_off_source(seen):
    truth, _, folder = seen
    a, spw = truth.arrays(), truth.raw["science_spws"][0]
    flag, a1, a2, time = rows(folder / "online.ms", spw, "FLAG", "ANTENNA1", "ANTENNA2", "TIME")
    at = np.searchsorted(a["time_mjd_s"], time - 1e-3)
    wanted = np.array([s["purpose"] == "science" for s in truth.raw["subscans"]])[a["subscan"][at]]
    off = (a["source_share"][at, a1] < 1) | (a["source_share"][at, a2] < 1)
    assert (off & wanted).any()
    assert flag[off & wanted].all()
    assert flag[~off & wanted].all(axis=(1, 2)).mean() < 0.1  # those of the correlator


def test_shadows_are_where_casa_finds_them(seen):
    truth, _, folder = seen
    a, spw = truth.arrays(), truth.raw["science_spws"][0]
    flag, a1, a2, time = rows(folder / "shadow.ms", spw, "FLAG", "ANTENNA1", "ANTENNA2", "TIME")
    before = rows(folder / "antpos.ms", spw, "FLAG")[0].all(axis=(1, 2))
    at = np.searchsorted(a["time_mjd_s"], time - 1e-3)
    shadowed = (a["shadow"][at, a1] < 1) | (a["shadow"][at, a2] < 1)
    deep = (a["shadow"][at, a1] < 0.97) | (a["shadow"][at, a2] < 0.97)
    found = flag.all(axis=(1, 2))
    assert deep.any()
    assert found[deep].all()
    assert not found[~shadowed & ~before].any()


def test_wvrgcal_finds_the_water_and_removes_the_phase(calibrated):
    truth, said, folder = calibrated
    a, spw = truth.arrays(), truth.raw["science_spws"][0]
    (dead,) = [f.antenna for f in truth.faults if f.kind == "dead_wvr"]
    bad = dict(zip(said["wvr"]["Name"], said["wvr"]["Flag"], strict=True))
    assert bad[dead]
    good = [i for i, n in enumerate(truth.antennas) if not bad[n]]
    with table(str(folder / "wvr"), ack=False) as tab, tab.query(f"SPECTRAL_WINDOW_ID=={spw}") as part:
        time, antenna, gain = part.getcol("TIME"), part.getcol("ANTENNA1"), part.getcol("CPARAM")[:, 0, 0]
        flag = part.getcol("FLAG")[:, 0, 0]
    when = np.unique(time)
    phase = np.full((len(when), len(truth.antennas)), np.nan)
    phase[np.searchsorted(when, time), antenna] = np.where(flag, np.nan, np.angle(gain))
    wave = C_M_S / truth.spws[spw]["centre_freq_hz"]
    true = np.array([np.interp(when, a["wvr_time_mjd_s"], w) for w in a["water_mm"].T]).T
    true *= truth.raw["path_mm_per_water_mm"] * 1e-3
    science = [s for s in truth.raw["subscans"] if s["purpose"] == "science"]
    before, after = [], []
    for s in science:
        rows_ = np.flatnonzero((when > s["start_mjd_s"] + 3) & (when < s["end_mjd_s"] - 3))
        for i, j in pairwise(good):
            wet = true[rows_, i] - true[rows_, j]
            found = -(phase[rows_, i] - phase[rows_, j]) / (2 * np.pi) * wave
            left = (found - wet + wave / 2) % wave - wave / 2
            if np.isfinite(left).sum() > 5:
                before.append(np.nanstd(wet))
                after.append(np.nanstd(left))
    assert np.sqrt(np.mean(np.square(after))) < 25e-6
    assert np.sqrt(np.mean(np.square(before))) > 50e-6


def test_tsys_table_is_syscal(calibrated):
    truth, _, folder = calibrated
    with table(str(folder / "tsys"), ack=False) as tab:
        spw, spectrum = tab.getcol("SPECTRAL_WINDOW_ID"), tab.getcol("FPARAM")
    with table(f"{truth.ms}/SYSCAL", ack=False) as tab:
        assert tab.nrows() == len(spw)
        np.testing.assert_allclose(np.sort(spectrum.ravel()), np.sort(tab.getcol("TSYS_SPECTRUM").ravel()), rtol=1e-6)


def test_fluxes_come_back(calibrated):
    truth, said, _ = calibrated
    fluxes = {v["fieldName"]: v for v in said["fluxes"].values() if isinstance(v, dict) and "fieldName" in v}
    for name in ("J1517-2422", "J1650-2943"):
        for k, spw in enumerate(truth.raw["science_spws"]):
            found, error = fluxes[name][str(k)]["fluxd"][0], fluxes[name][str(k)]["fluxdErr"][0]
            expected = truth.flux_jy[name][spw] * truth.raw["expected_flux_ratio"][name][k]
            assert found == pytest.approx(expected, abs=max(0.015 * found, 3 * error))
