"""Where the faults that every raw block has by default should be found."""

from __future__ import annotations

from dataclasses import replace

from atacal.simulate.fault import Fault
from atacal.simulate.fault_site import Site
from atacal.simulate.raw_layout import windows_of

_STAGES = {
    "dead_polarization": "bandpassflag", "low_gain": "lowgainflag", "dead_wvr": "wvrgcalflag", "late": "flagdata",
    "shadowing": "flagdata", "flagged": "importdata", "phase_jump": "",
}  # fmt: skip


def described(fault: Fault, site: Site) -> Fault:
    """Return a standard fault with its stage and with what a perfect stage flags.

    A low gain calibrates away; lowgainflag flags it where it sees it, in the scans of the bandpass calibrator. Of a
    phase jump the scan is lost in which it happens: no stage looks for it.
    """
    one, scans = [fault.antenna_id], [fault.scan] if fault.scan >= 0 else []
    must, may = site.select(one, scans=scans), site.select(one)
    if fault.kind == "phase_jump":
        may = must
    elif fault.kind == "dead_polarization":
        must = site.select(one, receptors=fault.receptors)
    elif fault.kind == "dead_wvr":
        must = may = site.select(one, spws=())
    elif fault.kind == "low_gain":
        bandpass = sorted({s.scan for s in site.subscans if s.purpose == "science" and s.role == "bandpass"})
        must = site.select(one, scans=bandpass)
    elif fault.kind == "late":
        first = next(s for s in site.subscans if s.scan == fault.scan)
        must = may = site.select(one, start=first.start_mjd_s, end=first.start_mjd_s + first.integration_s)
    elif fault.kind in ("flagged", "shadowing"):
        there = next(s for s in site.subscans if s.scan == fault.scan)
        spws = [w.id for w in windows_of(there, site.windows)]
        must = may = site.select(one, spws=spws, start=fault.start_mjd_s, end=fault.end_mjd_s)
    return replace(
        fault, antennas=(fault.antenna,), stage=_STAGES[fault.kind], selections=(must,),
        table="wvr" if fault.kind == "dead_wvr" else "ms", tolerated=(may,) if may != must else (),
        scans=tuple(scans), fields=site.fields(scans) if scans else (),
    )  # fmt: skip
