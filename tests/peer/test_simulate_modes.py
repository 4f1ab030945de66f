"""Switched blocks in CASA's hands: phases of one setup and the differential gain calibrate the other."""

from __future__ import annotations

import shutil

import pytest

from atacal.simulate import read_truth, simulate

SCRIPT = """
import numpy as np
flagdata(vis=vis, mode="manual", autocorr=True, spw=",".join(map(str, science)), flagbackup=False)
flagdata(vis=vis, mode="manual", intent="*POINTING*,*SIDEBAND_RATIO*,*ATMOSPHERE*", flagbackup=False)
gencal(vis=vis, caltable="antpos", caltype="antpos", antenna=antpos["antenna"], parameter=antpos["parameter"])
gencal(vis=vis, caltable="tsys", caltype="tsys")
wvrgcal(vis=vis, caltable="wvr", spw=science, toffset=0)
for field, of in tsysfields:
    applycal(
        vis=vis, field=field, spw=",".join(map(str, science)), gaintable=["tsys", "wvr", "antpos"],
        gainfield=[of, "", ""], interp=["linear,linear", "nearest", ""], spwmap=[tsysmap, [], []], calwt=True,
        flagbackup=False,
    )
split(vis=vis, outputvis="split.ms", datacolumn="corrected", spw=",".join(map(str, science)), keepflags=False)
low, high, strict = "0~3", "4~7", {"refant": refant, "refantmode": "strict", "calmode": "p"}
gaincal(vis="split.ms", caltable="p0", field=bandpasscal, solint="int", **strict)
bandpass(vis="split.ms", caltable="b", field=bandpasscal, solint="inf", combine="scan", refant=refant, solnorm=True,
         gaintable=["p0"])
gaincal(vis="split.ms", caltable="low", field=f"{diffgain},{phase}", spw=low, solint="inf", gaintable=["b"], **strict)
to_low = [0, 1, 2, 3, 0, 1, 2, 3]
gaincal(vis="split.ms", caltable="offset", field=diffgain, spw=high, solint="inf", combine="scan",
        gaintable=["b", "low"], gainfield=["", diffgain], spwmap=[[], to_low], interp=["", "linearPD"], **strict)

def coherence(tables, fields, maps, interp):
    applycal(vis="split.ms", field=check, spw=high, gaintable=tables, gainfield=fields, spwmap=maps, interp=interp,
             calwt=False, flagbackup=False)
    tb = casatools.table()
    tb.open("split.ms")
    part = tb.query(f"FIELD_ID=={checkid} && DATA_DESC_ID>=4 && ANTENNA1!=ANTENNA2")
    vis = np.concatenate([part.getcell("CORRECTED_DATA", i).mean(axis=1) for i in range(part.nrows())])
    part.close()
    tb.close()
    return float(abs(vis.mean()) / abs(vis).mean()), float(np.degrees(np.angle(vis.mean())))

result = {
    "all": coherence(["b", "low", "offset"], ["", phase, ""], [[], to_low, []], ["", "linearPD", "nearest"]),
    "no_offset": coherence(["b", "low"], ["", phase], [[], to_low], ["", "linearPD"]),
}
"""


@pytest.mark.parametrize(("mode", "least"), [("bwsw", 0.7), ("b2b", 0.6)])
def test_the_check_source_is_in_phase_once_the_setups_are_tied_together(casa_once, tmp_path, mode, least):
    original = tmp_path / "X.ms"
    simulate(original, raw=True, mode=mode, seed=3, faults="none", nchan=60 if mode == "bwsw" else None)
    truth, copy = read_truth(original), tmp_path / "copy.ms"
    shutil.copytree(original, copy)
    raw, names = truth.raw, {s.role: s.name for s in truth.sources}
    tsysmap = [raw["tsys_spw_of"].get(str(s), s) for s in range(len(truth.spws))]
    said = casa_once(
        SCRIPT, vis=str(copy), science=raw["setups"]["reference"] + raw["setups"]["signal"], antpos=raw["antpos"],
        tsysfields=[(names[role], names[of]) for role, of in raw["tsys_fields"].items()], tsysmap=tsysmap,
        refant=truth.refant, bandpasscal=names["bandpass"], diffgain=names["diffgain"], phase=names["phase"],
        check=names["check"], checkid=truth.roles["check"][0],
    )  # fmt: skip
    coherent, phase_deg = said["all"]
    assert coherent > least
    assert abs(phase_deg) < 15
    assert said["no_offset"][0] < 0.4
