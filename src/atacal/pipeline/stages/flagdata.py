"""Stage flagdata: what is known to be bad before anything is looked at, agent by agent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atacal.atmosphere.observed import mean_airmass, observed_air
from atacal.atmosphere.transmission import transmission
from atacal.flags.entries import Entry
from atacal.flags.record import read_table
from atacal.heuristics.scores import score_agents
from atacal.ms.metadata import Spw
from atacal.pipeline.block import Block
from atacal.pipeline.facts import Facts
from atacal.pipeline.files import write_bytes
from atacal.pipeline.results import FlagCause
from atacal.pipeline.stage import stage
from atacal.pipeline.templates import read_template, template_path
from atacal.recipe.apriori import widened_command
from atacal.recipe.channels import ranges
from atacal.recipe.raw import online_buffer_s

_INTENTS = ("POINTING", "FOCUS", "ATMOSPHERE", "SIDEBAND")
_TDM_CELLS, _TDM_WIDTH_HZ = 256, 1.8e9
_FULL_BASEBAND_HZ, _USED_BASEBAND_HZ = 1.875e9, 1.875e9
_COMPACT_CHANNELS = (62, 124, 248)
_FROM_EDGE_HZ = {62.5e6: 5e6, 125e6: 10e6, 250e6: 20e6, 500e6: 40e6, 1000e6: 62.5e6}
"""ACA: width of an spw, and how near to the baseband's edge its channels may not be (flagdeteralma.py)."""
_BASEBAND_HZ = 2e9
_OPAQUE_SHARE = 0.6
_SCORED = ("online", "shadow", "qa0", "qa2", "template")


def _files(block: Block, given: Mapping[str, Any]) -> dict[str, Path]:
    name = given["filetemplate"]
    return {"flag template": block.folder / name if name else template_path(block.folder, block.stem)}


@stage("hifa_flagdata", "A-priori flags", files=_files, needed=True)
def hifa_flagdata(
    block: Block,
    autocorr: bool = True,
    shadow: bool = True,
    tolerance: float = 0.0,
    scan: bool = True,
    scannumber: str = "",
    intents: str = ",".join(f"*{i}*" for i in _INTENTS),
    edgespw: bool = True,
    fracspw: float = 0.03125,
    fracspwfps: float = 0.048387,
    online: bool = True,
    partialpol: bool = True,
    lowtrans: bool = True,
    mintransrepspw: float = 0.05,
    mintransnonrepspws: float = 0.1,
    fileonline: str = "",
    template: bool = True,
    filetemplate: str = "",
    hm_tbuff: str = "halfint",
    tbuff: float = 0.0,
    qa0: bool = True,
    qa2: bool = True,
    flagbackup: bool = False,
) -> None:
    """Flag by intents, QA0, QA2, online flags, template, incomplete polarisations, shadows, scans, edges, opaque air.

    Parameters
    ----------
    autocorr, shadow, scan, edgespw, online, partialpol, lowtrans, template, qa0, qa2 : bool
        Which agents are run; the last of Cycle 4's recipe has neither partialpol nor lowtrans.
    tolerance : float
        Of shadowing [m].
    scannumber, intents : str
        Scans that are flagged.
    fracspw, fracspwfps : float
        Share of the channels at each edge of TDM spws, and of the compact array's with 62, 124 or 248 channels.
    mintransrepspw, mintransnonrepspws : float
        Least transmission of the air in the representative and in other spws.
    fileonline, filetemplate : str
        Other files than ``X.flagonline.txt`` (written here from FLAG_CMD) and ``X.flagtemplate.txt``.
    hm_tbuff : {'halfint', 'manual'}
    tbuff : float
        With manual: by how much online flags are widened [s].
    flagbackup : bool
        Flags before a stage are kept in any case.
    """
    facts = block.facts
    kinds = _online(block, hm_tbuff, tbuff) if online or qa0 or qa2 else {}
    causes: dict[str, list[str]] = {}
    if scan and intents:
        causes["intents"] = [f"mode='manual' intent='{i}'" for i in _there(facts, intents)]
    for kind, wanted in (("qa0", qa0), ("qa2", qa2), ("online", online)):
        causes[kind] = kinds.get(kind, []) if wanted else []
    path = block.folder / filetemplate if filetemplate else template_path(block.folder, block.stem)
    causes["template"] = read_template(path) if template else []
    if partialpol and not block.cycle4:
        causes["partialpol"] = _partial(facts)
    causes["autocorr"] = ["mode='manual' autocorr=True"] if autocorr else []
    causes["shadow"] = [f"mode='shadow' tolerance={tolerance}"] if shadow else []
    if scan and scannumber:
        causes["scans"] = [f"mode='manual' scan='{scannumber}'"]
    edges = _edges(facts, fracspw, fracspwfps) if edgespw else {}
    causes["edgespw"] = [f"mode='manual' spw='{s}:{c}'" for s, c in edges.items()]
    opaque: dict[str, Any] = {}
    if lowtrans and not block.cycle4:
        opaque = _opaque(block, mintransrepspw, mintransnonrepspws)
        causes["lowtrans"] = [f"mode='manual' spw='{s}'" for s, o in opaque["spws"].items() if o["flagged"]]
    found = block.flag(causes, before="before")
    block.out.decisions |= {"edge_channels": {str(s): c for s, c in edges.items()}, "low_transmission": opaque}
    _score(block, found, opaque)


def _there(facts: Facts, intents: str) -> list[str]:
    text = " ".join(facts.metadata.state_intents)
    return [i for i in intents.split(",") if i.strip("*") in text]


def _online(block: Block, hm_tbuff: str, tbuff: float) -> dict[str, list[str]]:
    """Write the online flags to a file, and return their commands by kind."""
    if not (block.vis / "FLAG_CMD").is_dir():
        return {}
    entries = [e for e in read_table(str(block.vis), use_applied=True) if "timerange" in e.words]
    pad = _buffer_s(block, hm_tbuff, tbuff)
    block.out.decisions["online_buffer_s"] = pad
    out: dict[str, list[str]] = {"qa0": [], "qa2": [], "online": []}
    for entry in entries:
        out[_kind(entry)].append(widened_command(entry, pad, block.facts.spw_list))
    lines = [line for kind in out.values() for line in kind]
    write_bytes(block.folder / f"{block.stem}.flagonline.txt", "".join(f"{x}\n" for x in lines).encode())
    return out


def _kind(entry: Entry) -> str:
    reason = str(entry.notes.get("reason", "")).lower()
    return next((kind for kind in ("qa0", "qa2") if kind in reason), "online")


def _buffer_s(block: Block, hm_tbuff: str, tbuff: float) -> list[float]:
    """Return by how much online flags are widened [s], before and after."""
    if hm_tbuff == "manual":
        return [tbuff, tbuff]
    there = [i for i in ("BANDPASS", "PHASE", "TARGET", "AMPLITUDE") if block.facts.has(i)]
    return online_buffer_s(block.facts.metadata, max(block.facts.integration_s(i) for i in there))


def _partial(facts: Facts) -> list[str]:
    several = [s for s in facts.science_spws if facts.npol(s) > 1]
    if not several:
        return []
    spws = ",".join(map(str, several))
    return [
        f"mode='extend' spw='{spws}' scan='{facts.scan_list()}' extendpols=True growtime=100.0 growfreq=100.0 "
        "growaround=False flagneartime=False flagnearfreq=False ntime='scan'"
    ]


def _edges(facts: Facts, fracspw: float, fracspwfps: float) -> dict[int, str]:
    """Return the channels at the edges of each spw that are flagged."""
    out = {}
    for spw in facts.spws:
        bad = _edge_mask(spw, facts, fracspw, fracspwfps)
        if bad.any():
            out[spw.id] = ranges(bad)
    return out


def _edge_mask(spw: Spw, facts: Facts, fracspw: float, fracspwfps: float) -> np.ndarray:
    bad = np.zeros(spw.nchan, bool)
    width = float(np.abs(spw.chan_width_hz).sum())
    narrow_fdm = any(math.isclose(width, w, rel_tol=0.05) for w in _FROM_EDGE_HZ)
    if spw.nchan in _COMPACT_CHANNELS:
        n = round(fracspwfps * spw.nchan)
    elif spw.nchan * facts.npol(spw.id) <= _TDM_CELLS and width > _TDM_WIDTH_HZ:  # FDM spws can have as few channels
        n = round(fracspw * spw.nchan)
    else:
        n = 0
        if width > _FULL_BASEBAND_HZ * 1.001:
            bad |= np.abs(spw.chan_freq_hz - spw.centre_freq_hz) > _USED_BASEBAND_HZ / 2
        elif facts.seven_metres and narrow_fdm:
            bad |= _near_edge(spw, width, facts)
    if n:
        bad[:n] = bad[spw.nchan - n :] = True
    return bad


def _near_edge(spw: Spw, width: float, facts: Facts) -> np.ndarray:
    """Return the channels too near to the edge of the baseband, whose middle is that of its widest spw."""
    limit = min(_FROM_EDGE_HZ.items(), key=lambda item: abs(item[0] - width))[1]
    same = [s for s in facts.metadata.spws if s.bbc_no == spw.bbc_no and s.freq_group == spw.freq_group and s.nchan > 1]
    widest = max(same, key=lambda s: (s.total_bandwidth_hz, -s.id), default=spw)
    if widest.total_bandwidth_hz < 0.9 * _BASEBAND_HZ:
        return np.zeros(spw.nchan, bool)
    return np.abs(spw.chan_freq_hz - widest.centre_freq_hz) > _BASEBAND_HZ / 2 - limit


def _opaque(block: Block, representative: float, others: float) -> dict[str, Any]:
    """Say which spws the air hides: more than 60 % of (channel, scan) below the limit of transmission."""
    facts, out = block.facts, {}
    pwv_mm, measured = observed_air(block.vis).water_mm(facts.scans[0].start_s, facts.scans[-1].end_s)
    scans = facts.science_scans("TARGET") or facts.science_scans()
    mass = [
        mean_airmass(
            np.array([(s.start_s + s.end_s) / 2]), [facts.metadata.fields[s.fields[0]]], facts.metadata.antennas
        )
        for s in scans
    ]
    first = facts.science_spws[0]
    for spw in facts.spws:
        limit = representative if spw.id == first else others
        seen = np.array([transmission(spw.chan_freq_hz, pwv_mm, airmass=m) for m in mass])
        share = float((seen < limit).mean())
        out[str(spw.id)] = {
            "share_below": share,
            "limit": limit,
            "median": float(np.median(seen)),
            "flagged": share >= _OPAQUE_SHARE,
        }
    return {"pwv_mm": pwv_mm, "measured": measured, "spws": out}


def _score(block: Block, found: list[FlagCause], opaque: dict[str, Any]) -> None:
    total = next((f.total for f in found), 0)
    share = {f.cause: f.newly / total if total else 0.0 for f in found}
    scored = sum(share.get(c, 0.0) for c in _SCORED)
    block.out.score(
        score_agents(min(1.0, scored), block.recipe), "flagged_by_agents", scored, "share", "flagged a priori",
        f"{block.name}: {100 * scored:.1f} % of the science data flagged by {', '.join(_SCORED)}",
    )  # fmt: skip
    for spw, one in (opaque.get("spws") or {}).items():
        if one["flagged"]:
            value = 0.33 if one["limit"] == min(o["limit"] for o in opaque["spws"].values()) else 0.9
            text = f"{block.name}: spw {spw} is opaque: transmission {one['median']:.3f}"
            block.out.score(value, "transmission", one["median"], "", "opaque air", text, spw=spw)
            block.out.say("warning", text, "the spw was flagged; mintransrepspw and mintransnonrepspws are the limits")
    shown = [f"{c} {100 * s:.1f} %" for c, s in share.items() if s > 0.0005]
    block.out.summary = ", ".join(shown) or "nothing flagged"
