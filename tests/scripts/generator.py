"""Writes reduction scripts in the form of ALMA's script generator (Python 2, steps 0 to 19), for simulated blocks.

Three kinds: ``standard`` (the flux calibrator is a quasar, CASA 5.1.1), ``solar`` (a body that the array resolves,
CASA 4.1) and ``narrow`` (phases from wide spws for the others, CASA 4.6, without a version check).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("standard", "solar", "narrow")

TITLES = (
    "Import of the ASDM", "Fix of SYSCAL table times", "listobs", "A priori flagging",
    "Generation and time averaging of the WVR cal table", "Generation of the Tsys cal table",
    "Generation of the antenna position cal table", "Application of the WVR, Tsys and antpos cal tables",
    "Split out science SPWs and time average", "Listobs, and save original flags", "Initial flagging",
    "Putting a model for the flux calibrator(s)", "Save flags before bandpass cal", "Bandpass calibration",
    "Save flags before gain cal", "Gain calibration", "Save flags before applycal",
    "Application of the bandpass and gain cal tables", "Split out corrected column", "Save flags after applycal",
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """What the generator looks up in an execution block."""

    uid: str
    fields: tuple[str, ...]
    bandpass: int
    flux: int
    phase: int
    check: int
    target: int
    science: tuple[int, ...]
    channels: tuple[int, ...]
    tsys: tuple[int, ...]
    tsys_field: tuple[int, ...]
    wvr_spw: int
    nspw: int
    refant: str
    antpos: tuple[str, tuple[float, ...]]
    flux_jy: float
    spix: float
    reffreq: str
    close: tuple[str, ...]
    bad: tuple[dict[str, str], ...] = ()

    @property
    def ms(self) -> str:
        """The MeasurementSet's name."""
        return f"{self.uid}.ms"


def block_of(ms: Path) -> Block:
    """Read what a block of ``atacal simulate --raw`` is from the truth beside it."""
    truth = json.loads(Path(f"{ms}.truth.json").read_text())
    raw, roles = truth["raw"], {k: v[0] for k, v in truth["roles"].items()}
    fields = tuple(f["name"] for f in truth["fields"])
    flux = truth["fields"][roles["flux"]]
    role_of = {number: role for role, number in roles.items()}
    tsys_field = tuple(roles[raw["tsys_fields"][role_of[n]]] for n in range(len(fields)))
    component = flux["components"][0] if flux["components"] else {"flux_jy": 1.0, "spix": 0.0}
    refant = truth["refant"]
    dead = {f["antenna"] for f in truth["faults"] if f["kind"] == "dead_polarization"}
    close = [refant] + [a for a in truth["antennas"] if a != refant and a not in dead]
    close += [a for a in truth["antennas"] if a not in close]
    return Block(
        uid=ms.name.removesuffix(".ms"), fields=fields, **roles, science=tuple(raw["science_spws"]),
        channels=tuple(truth["spws"][s]["nchan"] for s in raw["science_spws"]), tsys=tuple(raw["tsys_spws"]),
        tsys_field=tsys_field, wvr_spw=raw["wvr_spw"], nspw=max(i for i, s in enumerate(truth["spws"]) if
        not s["name"].startswith("WVR#Ant")), refant=refant,
        antpos=(raw["antpos"]["antenna"], tuple(raw["antpos"]["parameter"])), flux_jy=component["flux_jy"],
        spix=component["spix"], bad=_bad(truth), reffreq=f"{flux['ref_freq_hz'] / 1e9}GHz", close=tuple(close[:6]),
    )  # fmt: skip


def _bad(truth: dict[str, Any]) -> tuple[dict[str, str], ...]:
    """List the flags that a data reducer would set: dead polarisations, phase jumps."""
    out = []
    for fault in truth["faults"]:
        if fault["kind"] == "dead_polarization":
            out.append({"antenna": fault["antenna"], "correlation": f"{fault['polarization']}{fault['polarization']}"})
        elif fault["kind"] == "phase_jump":
            out.append({"antenna": fault["antenna"], "scan": str(fault["scan"])})
    return tuple(out)


class _Writer:
    """Lines of a script; calls spread over lines as the generator does."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, text: str = "", depth: int = 1) -> None:
        self.lines += [("  " * depth + line).rstrip() if line else "" for line in text.split("\n")]

    def call(self, name: str, depth: int = 1, assign: str = "", **arguments: Any) -> None:
        """Write ``name(a = 'x',\\n    b = T)``; a value that begins with = is code."""
        words = [
            f"{k} = {v[1:] if isinstance(v, str) and v.startswith('=') else repr(v)}" for k, v in arguments.items()
        ]
        self.add(f"{assign}{name}(" + ",\n  ".join(words) + ")\n\n", depth)

    def step(self, number: int) -> None:
        self.add(
            f"\n# {TITLES[number]}\nmystep = {number}\nif(mystep in thesteps):\n"
            "  casalog.post('Step '+str(mystep)+' '+step_title[mystep],'INFO')\n"
            "  print 'Step ', mystep, step_title[mystep]\n",
            0,
        )

    def remove(self, *names: str) -> None:
        for name in names:
            self.add(f"os.system('rm -rf {name}')")
        self.add()


def script_for(block: Block, kind: str = "standard", *, casa: str = "") -> str:
    """Write the script of a block.

    Parameters
    ----------
    block : Block
    kind : {'standard', 'solar', 'narrow'}
    casa : str
        The CASA it asks for, if not the kind's own.

    Returns
    -------
    str
        Python 2.
    """
    out = _Writer()
    version = casa or {"standard": "5.1.1", "solar": "4.1", "narrow": "4.6.0"}[kind]
    _head(out, kind, version)
    _apriori(out, block, kind)
    _split_and_flag(out, block, kind)
    _model(out, block, kind)
    _bandpass(out, block, kind)
    if kind == "solar":
        _gains_solar(out, block, version < "4.3")
    else:
        {"standard": _gains, "narrow": _gains_narrow}[kind](out, block)
    _apply(out, block, kind)
    return "\n".join(out.lines) + "\n"


def _head(out: _Writer, kind: str, version: str) -> None:
    titles = ",\n              ".join(f"{n}: {title!r}" for n, title in enumerate(TITLES))
    out.add(
        f"""# ALMA Data Reduction Script

# Calibration of a simulated block

thesteps = []
step_title = {{{titles}}}

if 'applyonly' not in globals(): applyonly = False
try:
  print 'List of steps to be executed ...', mysteps
  thesteps = mysteps
except:
  print 'global variable mysteps not set.'
if (thesteps==[]):
  thesteps = range(0,len(step_title))
  print 'Executing all steps: ', thesteps

import re

import os
""",
        0,
    )
    if kind == "standard":
        out.add("import casadef\n", 0)
    out.add("if applyonly != True: es = aU.stuffForScienceDataReduction() \n\n", 0)
    comment = "#" if kind == "narrow" else ""
    out.add(
        f"{comment}if re.search('^{version}', casadef.casa_version) == None:\n"
        f"{comment} sys.exit('ERROR: THIS SCRIPT IS FOR CASA {version}')\n\n",
        0,
    )


def _apriori(out: _Writer, b: Block, kind: str) -> None:
    science = ",".join(map(str, b.science))
    yes, no = ("=T", "=F") if kind == "solar" else (True, False)
    out.step(0)
    out.add(
        f"""if os.path.exists('{b.ms}') == False:
  importasdm('{b.uid}', asis='Antenna Station Receiver Source CalAtmosphere CalWVR CorrelatorMode SBSummary', \\
    bdfflags=True, lazy=False, process_caldevice=False)
  if not os.path.exists('{b.ms}.flagversions'):
    print 'ERROR in importasdm. Output MS is probably not useful. Will stop here.'
    thesteps = []
if applyonly != True: es.fixForCSV2555('{b.ms}')
"""
    )
    out.step(1)
    out.add(f"from recipes.almahelpers import fixsyscaltimes\nfixsyscaltimes(vis = '{b.ms}')\n")
    out.add('print "# A priori calibration"\n', 0)
    out.step(2)
    out.remove(f"{b.ms}.listobs")
    out.call("listobs", vis=b.ms, listfile=f"{b.ms}.listobs")
    out.step(3)
    out.call("flagdata", vis=b.ms, mode="manual", spw=f"{b.wvr_spw + 1}~{b.nspw}", autocorr=yes, flagbackup=no)
    intents = "*POINTING*,*SIDEBAND_RATIO*,*ATMOSPHERE*"
    out.call("flagdata", vis=b.ms, mode="manual", intent=intents, flagbackup=no)
    table = {"vis": b.ms, "inpmode": "table", "useapplied": True}
    out.call("flagcmd", **table, action="plot", plotfile=f"{b.ms}.flagcmd.png")
    out.call("flagcmd", **table, action="apply")
    out.step(4)
    out.remove(f"{b.ms}.wvr", f"{b.ms}.wvrgcal")
    out.add(f"mylogfile = casalog.logfile()\ncasalog.setlogfile('{b.ms}.wvrgcal')\n")
    tie = [f"{b.fields[b.target]},{b.fields[b.phase]}"]
    out.call(
        "wvrgcal", vis=b.ms, caltable=f"{b.ms}.wvr", spw=list(b.science), toffset=0, tie=tie,
        statsource=b.fields[b.target], smooth="6.048s",
    )  # fmt: skip
    out.add("casalog.setlogfile(mylogfile)\n")
    out.add(
        f"if applyonly != True: aU.plotWVRSolutions(caltable='{b.ms}.wvr', spw='{b.science[0]}', "
        f"antenna='{b.refant}',\n  yrange=[-199,199],subplot=22, interactive=False,\n  "
        f"figfile='{b.ms}.wvr.plots/{b.ms}.wvr') \n"
    )
    out.step(5)
    out.remove(f"{b.ms}.tsys")
    out.call("gencal", vis=b.ms, caltable=f"{b.ms}.tsys", caltype="tsys")
    edges = ",".join(f"{s}:0~3;124~127" for s in b.tsys)
    out.call("flagdata", vis=f"{b.ms}.tsys", mode="manual", spw=edges, flagbackup=no)
    out.add(
        f"if applyonly != True: aU.plotbandpass(caltable='{b.ms}.tsys', overlay='time', \n"
        "  xaxis='freq', yaxis='amp', subplot=22, buildpdf=False, interactive=False,\n"
        "  showatm=True,pwv='auto',chanrange='92.1875%',showfdm=True, showBasebandNumber=True, showimage=False, \n"
        f"  field='', figfile='{b.ms}.tsys.plots.overlayTime/{b.ms}.tsys') \n\n"
    )
    _check(out, f"{b.ms}.tsys", b.ms)
    out.step(6)
    antennas, offsets = b.antpos
    out.remove(f"{b.ms}.antpos")
    out.call(
        "gencal", vis=b.ms, caltable=f"{b.ms}.antpos", caltype="antpos", antenna=antennas,
        parameter=f"=[{','.join(f'{o:.5e}' for o in offsets)}]",
    )  # fmt: skip
    out.step(7)
    out.add(
        "from recipes.almahelpers import tsysspwmap\n"
        f"tsysmap = tsysspwmap(vis = '{b.ms}', tsystable = '{b.ms}.tsys', tsysChanTol = 1)\n\n"
    )
    for field in range(len(b.fields)):
        out.call(
            "applycal", vis=b.ms, field=str(field), spw=science,
            gaintable=[f"{b.ms}.tsys", f"{b.ms}.wvr", f"{b.ms}.antpos"], gainfield=[str(b.tsys_field[field]), "", ""],
            interp="linear,linear", spwmap="=[tsysmap,[],[]]", calwt=yes, flagbackup=no,
        )  # fmt: skip
    out.add(f"if applyonly != True: es.getCalWeightStats('{b.ms}') \n")


def _split_and_flag(out: _Writer, b: Block, kind: str) -> None:
    split, no = f"{b.ms}.split", "=F" if kind == "solar" else False
    out.step(8)
    out.remove(split, f"{split}.flagversions")
    science = ",".join(map(str, b.science))
    out.call("split", vis=b.ms, outputvis=split, datacolumn="corrected", spw=science, keepflags=True)
    out.add('print "# Calibration"\n', 0)
    out.step(9)
    out.remove(f"{split}.listobs")
    out.call("listobs", vis=split, listfile=f"{split}.listobs")
    if kind == "solar":
        out.add(f"tb.open('{split}/POINTING', nomodify = False)\na = tb.rownumbers()\ntb.removerows(a)\ntb.close()\n")
    out.add(
        f"if not os.path.exists('{split}.flagversions/Original.flags'):\n  flagmanager(vis = '{split}',\n"
        "    mode = 'save',\n    versionname = 'Original')\n"
    )
    out.step(10)
    out.call("flagdata", vis=split, mode="shadow", flagbackup=no)
    edges = [f"{i}:0~{n // 16 - 1};{n - n // 16}~{n - 1}" for i, n in enumerate(b.channels)]
    out.call("flagdata", vis=split, mode="manual", spw=",".join(edges), flagbackup=no)
    for one in b.bad:
        out.call("flagdata", vis=split, mode="manual", **one, flagbackup=no)


def _model(out: _Writer, b: Block, kind: str) -> None:
    split = f"{b.ms}.split"
    out.step(11)
    if kind == "solar":
        spws = ",".join(str(i) for i in range(len(b.science)))
        out.call("delmod", vis=split, field=str(b.flux))
        out.call("setjy", vis=split, field=str(b.flux), spw=spws, standard="Butler-JPL-Horizons 2012")
        out.add(
            f"os.system('rm -rf {split}.setjy.field*.png') \nfor i in ['{b.flux}']:\n  plotms(vis = '{split}',\n"
            "    xaxis = 'uvdist',\n    yaxis = 'amp',\n    ydatacolumn = 'model',\n    field = i,\n"
            f"    spw = '{spws}',\n    avgchannel = '9999',\n    coloraxis = 'spw',\n"
            f"    plotfile = '{split}.setjy.field'+i+'.png')\n"
        )
    else:
        out.call(
            "setjy", vis=split, standard="manual", field=b.fields[b.flux], fluxdensity=[b.flux_jy, 0, 0, 0],
            spix=b.spix, reffreq=b.reffreq,
        )  # fmt: skip
    _save(out, 12, split, "BeforeBandpassCalibration")


def _save(out: _Writer, step: int, vis: str, version: str) -> None:
    out.step(step)
    out.call("flagmanager", vis=vis, mode="save", versionname=version)


def _check(out: _Writer, table: str, vis: str) -> None:
    out.add(f"if applyonly != True: es.checkCalTable('{table}', msName='{vis}', interactive=False) \n")


def _solve(out: _Writer, b: Block, table: str, name: str = "gaincal", **arguments: Any) -> None:
    split = f"{b.ms}.split"
    append = arguments.pop("appended", False)
    if not append:
        out.remove(f"{split}.{table}")
    out.call(name, vis=split, caltable=f"{split}.{table}", refant=b.refant, **arguments)
    if not arguments.get("append"):
        _check(out, f"{split}.{table}", split)


def _bandpass(out: _Writer, b: Block, kind: str) -> None:
    split = f"{b.ms}.split"
    out.step(13)
    middle = ",".join(f"{i}:{round(n * 0.4)}~{round(n * 0.6)}" for i, n in enumerate(b.channels))
    first = str(b.bandpass)
    _solve(out, b, "ap_pre_bandpass", field=first, spw=middle, solint="int", calmode="p")
    _solve(
        out, b, "bandpass", "bandpass", field=first, solint="inf", combine="scan", solnorm=kind != "narrow",
        bandtype="B", gaintable=f"{split}.ap_pre_bandpass",
    )  # fmt: skip
    _save(out, 14, split, "BeforeGainCalibration")


def _calibrators(b: Block) -> str:
    return ",".join(str(f) for f in sorted({b.bandpass, b.flux, b.phase}))


def _fluxscale(out: _Writer, b: Block, source: str, target: str, assign: str = "", **more: Any) -> None:
    split = f"{b.ms}.split"
    out.remove(f"{split}.{target}", f"{split}.fluxscale")
    out.add(f"mylogfile = casalog.logfile()\ncasalog.setlogfile('{split}.fluxscale')\n")
    out.call(
        "fluxscale", assign=assign, vis=split, caltable=f"{split}.{source}", fluxtable=f"{split}.{target}",
        reference=str(b.flux), **more,
    )  # fmt: skip
    out.add("casalog.setlogfile(mylogfile)\n")
    out.add(
        f"if applyonly != True: es.fluxscale2(caltable = '{split}.{source}', removeOutliers=True, msName='{b.ms}', "
        "writeToFile=True, preavg=10000)\n"
    )


def _gains(out: _Writer, b: Block) -> None:
    split, fields = f"{b.ms}.split", _calibrators(b)
    out.step(15)
    both = [f"{split}.bandpass", f"{split}.phase_int"]
    one = {"field": fields, "gaintable": f"{split}.bandpass", "gaintype": "G", "calmode": "p"}
    _solve(out, b, "phase_int", solint="int", **one)
    _solve(out, b, "ampli_inf", field=fields, solint="inf", gaintype="T", calmode="a", gaintable=both)
    _fluxscale(out, b, "ampli_inf", "flux_inf", "fluxscaleDict = ")
    _solve(out, b, "phase_inf", solint="inf", **one)
    _save(out, 16, split, "BeforeApplycal")


def _gains_solar(out: _Writer, b: Block, old: bool) -> None:
    split, fields = f"{b.ms}.split", _calibrators(b)
    out.step(15)
    others = [f for f in (b.bandpass, b.phase) if f != b.flux]
    for field in others:
        out.add(f"delmod('{split}',field='{field}')\n")
    one = {"gaintable": f"{split}.bandpass", "gaintype": "G", "calmode": "p"}
    short = {"solint": "int", "selectdata": "=T", **one}
    _solve(out, b, "phase_short_int", field=str(b.flux), antenna=",".join(b.close) + "&", **short)
    _solve(out, b, "phase_short_int", appended=True, field=",".join(map(str, others)), append="=T", **short)
    _check(out, f"{split}.phase_short_int", split)
    both = [f"{split}.bandpass", f"{split}.phase_short_int"]
    _solve(out, b, "ampli_short_inf", field=fields, solint="inf", gaintype="T", calmode="a", gaintable=both)
    _fluxscale(out, b, "ampli_short_inf", "flux_short_inf")
    names = [b.fields[f] for f in others]
    # CASA 4.1's lines have no frequency; setjy took any flux density that was given
    inner = r"\(ref SpW=[0-9]+\)" if old else r"\(.*?\)"
    pattern = rf"in SpW=[0-9]+(?: {inner})? is: [0-9]+\.[0-9]+"
    manual = "" if old else "\n        standard = 'manual',"
    out.add(
        f"""f = open('{split}.fluxscale')
fc = f.readlines()
f.close()

for phaseCalName in {names!r}:
  for i in range(len(fc)):
    if fc[i].find('Flux density for '+phaseCalName) != -1 and re.search('{pattern}', fc[i]) != None:
      line = (re.search('{pattern}', fc[i])).group(0)
      spwId = (line.split('='))[1].split()[0]
      flux = float((line.split(':'))[1].split()[0])
      setjy(vis = '{split}',
        field = phaseCalName.replace(';','*;').split(';')[0],
        spw = spwId,{manual}
        fluxdensity = [flux,0,0,0])
"""
    )
    _solve(out, b, "phase_int", field=fields, solint="int", **one)
    both = [f"{split}.bandpass", f"{split}.phase_int"]
    _solve(out, b, "flux_inf", field=fields, solint="inf", gaintype="T", calmode="a", gaintable=both)
    _solve(out, b, "phase_inf", field=fields, solint="inf", **one)
    _save(out, 16, split, "BeforeApplycal")


def wide_for(b: Block) -> list[int]:
    """Map each science spw to the wide one whose phases it takes: the last two take those of the first two."""
    n = len(b.science)
    return [i if i < n - 2 else i - (n - 2) for i in range(n)]


def _gains_narrow(out: _Writer, b: Block) -> None:
    split, fields, wide = f"{b.ms}.split", _calibrators(b), wide_for(b)
    out.step(15)
    first = [f"{split}.bandpass", f"{split}.phasediff_inf"]
    phases = {"gaintype": "G", "calmode": "p"}
    _solve(
        out, b, "phasediff_inf", field=str(b.bandpass), solint="inf", combine="scan", gaintable=f"{split}.bandpass",
        **phases,
    )  # fmt: skip
    _solve(out, b, "phase_int", field=fields, solint="int", gaintable=first, **phases)
    out.add(f"calspwmap = {{{b.flux}: {wide}, {b.phase}: {wide}}}\n")
    _solve(
        out, b, "ampli_inf", field=fields, solint="inf", gaintype="T", calmode="a",
        gaintable=[*first, f"{split}.phase_int"], spwmap=[[], [], wide],
    )  # fmt: skip
    _fluxscale(
        out, b, "ampli_inf", "flux_inf", "fluxscaleDict = ", refspwmap=list(range(len(b.science))), incremental=True
    )
    _solve(out, b, "phase_inf", field=fields, solint="inf", gaintable=first, **phases)
    _save(out, 16, split, "BeforeApplycal")


def _apply(out: _Writer, b: Block, kind: str) -> None:
    split, final = f"{b.ms}.split", f"{b.ms}.split.cal"
    yes, no = ("=T", "=F") if kind == "solar" else (True, False)
    out.step(17)
    flag = {"calwt": yes, "flagbackup": no}
    rest = f"{b.phase},{b.check}~{b.target}"
    own = sorted({b.bandpass, b.flux})
    if kind == "narrow":
        wide = wide_for(b)
        out.add(f"calspwmap = {{{b.flux}: {wide}, {b.phase}: {wide}}}\n")
        tables = [f"{split}.{t}" for t in ("bandpass", "phasediff_inf", "phase_int", "ampli_inf")]
        for field in own:
            out.call(
                "applycal", vis=split, field=str(field), gaintable=tables,
                gainfield=["", "", str(field), str(field)], interp="=[]",
                spwmap=f"=[[], [], calspwmap[{b.flux}], []]", **flag,
            )  # fmt: skip
        tables = [f"{split}.{t}" for t in ("bandpass", "phasediff_inf", "phase_inf", "ampli_inf", "flux_inf")]
        p = str(b.phase)
        out.call(
            "applycal", vis=split, field=rest, gaintable=tables, gainfield=["", "", p, p, p],
            interp=["", "nearest", "linearPD", "", ""], spwmap=f"=[[], [], calspwmap[{b.phase}], [], []]", **flag,
        )  # fmt: skip
    else:
        out.add(f"for i in {[str(f) for f in own]!r}: # {','.join(b.fields[f] for f in own)}")
        tables = [f"{split}.{t}" for t in ("bandpass", "phase_int", "flux_inf")]
        out.call(
            "applycal", 2, vis=split, field="=str(i)", gaintable=tables, gainfield="=['', i, i]",
            interp="linear,linear", **flag,
        )  # fmt: skip
        tables = [f"{split}.{t}" for t in ("bandpass", "phase_inf", "flux_inf")]
        out.call(
            "applycal", vis=split, field=rest, gaintable=tables, gainfield=["", str(b.phase), str(b.phase)],
            interp="linear,linear", **flag,
        )  # fmt: skip
    out.step(18)
    out.remove(final, f"{final}.flagversions")
    out.add(
        "listOfIntents = ['CALIBRATE_BANDPASS#ON_SOURCE',\n 'CALIBRATE_FLUX#ON_SOURCE',\n"
        " 'CALIBRATE_PHASE#ON_SOURCE',\n 'CALIBRATE_WVR#ON_SOURCE',\n 'OBSERVE_TARGET#ON_SOURCE']\n"
    )
    out.call(
        "split", vis=split, outputvis=final, datacolumn="corrected", intent="=','.join(listOfIntents)", keepflags=True
    )
    _save(out, 19, final, "AfterApplycal")
