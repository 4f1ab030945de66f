"""CASA's tools beside ours: the same calls on the same data, values, types and shapes compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table as casacore_table

from atacal.scripts import tools
from atacal.simulate import simulate
from atacal.tasks import fluxscale as our_fluxscale

TOLD = '''
import numpy as np

def told(v):
    """A value and its type as JSON can carry them."""
    if isinstance(v, dict):
        return {"dict": {str(k): told(x) for k, x in v.items()}}
    if isinstance(v, np.ndarray):
        parts = [[x.real, x.imag] if isinstance(x, complex) else x for x in v.ravel().tolist()]
        return {"array": v.dtype.kind.replace("u", "i"), "shape": list(v.shape), "values": parts}
    if isinstance(v, (list, tuple)):
        return {type(v).__name__: [told(x) for x in v]}
    if v is None or isinstance(v, (bool, int, float, str)):
        return {type(v).__name__: v}
    return {"object": True}

def answers(calls, names):
    """The told answer to every call; ``!`` starts a statement."""
    out = []
    for call in calls:
        try:
            if call.startswith("!"):
                exec(call[1:], names)
                out.append({"done": True})
            else:
                out.append(told(eval(call, names)))
        except Exception as error:
            out.append({"error": True})
    return out
'''
CASA = (
    TOLD
    + """
from casatools import table, ms, msmetadata, quanta, measures
names = {"tb": table(), "ms": ms(), "msmd": msmetadata(), "qa": quanta(), "me": measures(), "np": np, "vis": vis}
result = {"answers": answers(calls, names)}
"""
)


def ours(calls: list[str], vis: Path | str) -> list[Any]:
    """Our tools' answers."""
    space: dict[str, Any] = {}
    exec(TOLD, space)
    names = {"np": np, "vis": str(vis)}
    for name in ("tb", "ms", "msmd", "qa", "me"):
        names[name] = getattr(tools, name).create()
    return space["answers"](calls, names)


def differences(ours: Any, casas: Any, rel: float, where: str = "") -> list[str]:
    """Where two told values differ."""
    if isinstance(ours, float) or isinstance(casas, float):
        return [] if ours == pytest.approx(casas, rel=rel, nan_ok=True) else [f"{where}: {ours!r}, CASA {casas!r}"]
    if isinstance(ours, dict) and isinstance(casas, dict) and set(ours) == set(casas):
        return [d for k in ours for d in differences(ours[k], casas[k], rel, f"{where}/{k}")]
    if isinstance(ours, list) and isinstance(casas, list) and len(ours) == len(casas):
        pairs = enumerate(zip(ours, casas, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, rel, f"{where}[{i}]")]
    return [] if ours == casas else [f"{where}: {str(ours)[:200]}, CASA {str(casas)[:200]}"]


def check(casa: Callable[..., dict[str, Any]], text: str, vis: Path | str = "", rel: float = 1e-9) -> None:
    """Compare the answers to the calls, one a line; those that both refuse begin with a ``?``."""
    lines = [line.strip() for line in text.strip().splitlines()]
    calls = [line.removeprefix("?") for line in lines]
    theirs = casa(CASA, calls=calls, vis=str(vis))["answers"]
    found = {
        call: d[:3] for call, a, b in zip(calls, ours(calls, vis), theirs, strict=True) if (d := differences(a, b, rel))
    }
    assert found == {}
    refused = [line for line, answer in zip(lines, theirs, strict=True) if ("error" in answer) != line.startswith("?")]
    assert refused == []


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw block; never write to it."""
    path = tmp_path_factory.mktemp("raw") / "raw.ms"
    simulate(path, raw=True, nant=5, noise=False)
    return path


TB_READ = """
tb.open(vis)
tb.nrows()
tb.colnames()
tb.keywordnames()
tb.getkeyword('MS_VERSION')
?tb.getkeyword('nope')
tb.getcolkeywords('TIME')
tb.info()
tb.isscalarcol('TIME')
tb.isvarcol('DATA')
tb.coldatatype('DATA')
tb.getcol('TIME',5,10,3)
tb.getcol('TIME',tb.nrows()-8,200)
tb.getcol('TIME',tb.nrows()-8,-1,3)
?tb.getcol('TIME',-3,2)
?tb.getcol('TIME',10**7,2)
tb.getcol('ANTENNA1',0,5)
tb.getcol('FLAG_ROW',0,5)
tb.getcol('UVW',0,3)
?tb.getcol('NOPE')
tb.getvarcol('UVW',0,2)
tb.getvarcol('TIME',0,2)
tb.getcell('TIME',0)
?tb.getcell('TIME',-1)
tb.getcell('UVW',2)
tb.getcell('DATA',0)
tb.getcell('FLAG',1)
tb.getcolslice('UVW',[0],[-1],[],0,4)
tb.getcolslice('UVW',[0],[2],[2],0,4)
tb.getcellslice('UVW',0,[1],[2])
tb.getcolshapestring('DATA',0,3)
tb.getcoldesc('UVW')
tb.rownumbers()[:4]
!q=tb.query('ANTENNA1==0 && ANTENNA2==9')
q.nrows()
q.rownumbers()[:5]
q.getcol('ANTENNA2',0,3)
!q=tb.query('ANTENNA1==1', columns='ANTENNA1,TIME', sortlist='TIME DESC')
q.colnames()
q.getcol('TIME',0,3)
!q=tb.selectrows([3,5,7])
q.rownumbers()
?tb.query('NOPE==99')
tb.close()
tb.open(vis+'::ANTENNA')
tb.getcol('NAME')
tb.getcell('NAME',0)
tb.getvarcol('NAME')
tb.getcol('POSITION')
tb.open(vis+'/SPECTRAL_WINDOW')
?tb.getcol('CHAN_FREQ')
tb.getvarcol('CHAN_WIDTH')
tb.open(vis+'/FIELD')
tb.getcol('PHASE_DIR')
tb.getcell('PHASE_DIR',0)
tb.open(vis+'/OBSERVATION')
tb.getcol('SCHEDULE')
tb.getcell('SCHEDULE',0)
?tb.open('nope.ms')
tb.close()
"""


def test_tb_reads(casa, alma_original):
    check(casa, TB_READ, alma_original, rel=1e-12)


TB_WRITE = """
tb.open(vis, nomodify=False)
!f=tb.getcol('FLAG',0,4); f[0,:3,:]=False
tb.putcol('FLAG',f,0,4)
tb.putcell('WEIGHT',3,[1.,2.,3.,4.])
tb.putcol('SCAN_NUMBER',[5,6,7],0,3)
tb.putcol('FLAG_ROW',np.array([True,False,True]),0,3)
tb.putkeyword('MYREC',{'a':1,'b':'x','c':[1,2]})
tb.putkeyword('MYMAT',np.arange(6.).reshape(2,3))
tb.getkeyword('MYMAT')
tb.putcolkeyword('TIME','NEW',['x','y'])
tb.removecolkeyword('TIME','MEASINFO')
tb.removerows([0,1])
tb.putcolslice('UVW',np.ones((2,4)),[0],[1],[1],0,4)
tb.putcellslice('UVW',2,[9.,8.],[1],[2])
tb.close()
tb.open(vis+'/ANTENNA',nomodify=False)
tb.putcol('NAME',['X%02d'%i for i in range(tb.nrows())])
tb.putcol('POSITION',tb.getcol('POSITION')+1)
tb.removerows([2])
tb.addrows(2)
tb.close()
tb.open(vis+'/OBSERVATION',nomodify=False)
tb.putcell('SCHEDULE',0,['a','b','c'])
tb.putcol('LOG',np.array([['p'],['q']]))
tb.close()
tb.open(vis+'/SYSCAL',nomodify=False)
!v={k:x*2 for k,x in tb.getvarcol('TSYS_SPECTRUM',0,4).items()}
tb.putvarcol('TSYS_SPECTRUM',v,0,4)
tb.close()
"""


def test_tb_writes_what_casa_writes(casa, alma_original, tmp_path, fresh_copy):
    calls = [line.strip() for line in TB_WRITE.strip().splitlines()]
    mine = fresh_copy(alma_original).rename(tmp_path / "ours.ms")
    theirs = fresh_copy(alma_original)
    assert ours(calls, mine) == casa(CASA, calls=calls, vis=str(theirs))["answers"]
    for name in ("", "/ANTENNA", "/OBSERVATION", "/SYSCAL"):
        with casacore_table(f"{mine}{name}", ack=False) as a, casacore_table(f"{theirs}{name}", ack=False) as b:
            assert a.nrows() == b.nrows()
            for column in set(a.colnames()) - {"FLAG_CATEGORY"}:
                one, two = a.getvarcol(column), b.getvarcol(column)
                assert all(np.array_equal(one[k], two[k]) for k in two), column
            if not name:
                assert a.getcolkeywords("TIME") == b.getcolkeywords("TIME")
                assert a.getkeyword("MYREC")["b"] == b.getkeyword("MYREC")["b"] == "x"
                assert a.getkeyword("MYMAT").tolist() == b.getkeyword("MYMAT").tolist()


SCAN = "int(msmd.scannumbers()[1])"
MSMD = f"""
msmd.open(vis)
msmd.nspw()
msmd.nspw(False)
msmd.nscans()
msmd.nrows()
msmd.nbaselines(True)
msmd.baselines()
msmd.fieldnames()
msmd.namesforfields([0,1])
msmd.fieldsforname(msmd.fieldnames()[0])
?msmd.fieldsforname('nope')
msmd.intents()
msmd.fieldsforintent('CALIBRATE_PHASE#ON_SOURCE')
msmd.fieldsforintent('*PHASE*',True)
msmd.fieldsforintent('NOPE')
msmd.fieldsforscan({SCAN},True)
?msmd.fieldsforscan(9999)
msmd.fieldsforscans(asmap=True,obsid=0,arrayid=0)
msmd.fieldsforsources(True)
msmd.fieldsforspw(0)
msmd.intentsforfield(0)
msmd.intentsforscan({SCAN})
msmd.intentsforspw(0)
msmd.scannumbers()
msmd.scansforfield(msmd.fieldnames()[0])
msmd.scansforfields()
msmd.scansforintent('*PHASE*')
?msmd.scansforintent('NOPE')
msmd.scansforspws()
msmd.scansforstate(0)
msmd.spwsforscans()
msmd.spwsforfields()
msmd.spwsforintent('*ATMOSPHERE*')
msmd.spwsforbaseband()
msmd.spwsforbaseband(1,'exclude')
msmd.spwsfornames()
msmd.namesforspws([0,1])
msmd.almaspws(chavg=True)
msmd.almaspws(tdm=True)
msmd.almaspws(fdm=True)
msmd.almaspws(wvr=True)
msmd.almaspws(sqld=True)
msmd.almaspws(chavg=True,wvr=True,complement=True)
msmd.wvrspws(True)
msmd.baseband(1)
msmd.bandwidths()
msmd.chanfreqs(1,'GHz')
msmd.chanwidths(1)
msmd.chaneffbws(1,asvel=True)
msmd.chanres(1,'kHz')
msmd.meanfreq(1)
msmd.reffreq(1)
msmd.sideband(1)
?msmd.nchan(99)
msmd.subwindows()
msmd.rxbands()
msmd.spwfordatadesc()
msmd.datadescids(spw=1,pol=0)
msmd.polidfordatadesc()
msmd.ncorrforpol()
msmd.corrtypesforpol(0)
msmd.corrprodsforpol(0)
msmd.antennanames([0,1])
?msmd.antennanames(99)
msmd.antennaids([msmd.antennanames()[2],msmd.antennanames()[0]])
msmd.antennaids('D*')
msmd.antennaids('',maxdiameter='10m')
msmd.antennastations(msmd.antennanames()[1])
msmd.antennadiameter()
msmd.antennaposition(0)
msmd.antennaoffset(1)
msmd.antennasforscan({SCAN})
msmd.observers()
msmd.observatorynames()
msmd.observatoryposition()
msmd.projects()
msmd.schedule(0)
msmd.timerangeforobs(0)
msmd.phasecenter(0)
msmd.refdir(1)
msmd.sourcedirs()
msmd.sourcetimes()
msmd.sourcenames()
msmd.sourceidforfield(0)
msmd.propermotions()
msmd.timesforfield(0)
msmd.timesforintent('*PHASE*')
msmd.timesforscan({SCAN},perspw=True)
msmd.timesforscans([{SCAN}])
msmd.timesforspws([0,2])
msmd.statesforscans()
msmd.exposuretime({SCAN},int(msmd.spwsforscan({SCAN})[-1]))
?msmd.exposuretime(9999,1)
msmd.summary()
msmd.close()
?msmd.nspw()
"""


@pytest.mark.parametrize("data", ["alma_original", "raw"])
def test_msmd(casa, data, request):
    check(casa, MSMD, request.getfixturevalue(data))


def test_effective_exposure(casa, ngc5921_original):
    check(casa, "msmd.open(vis)\nmsmd.effexposuretime()\nmsmd.nrows(flagged=False)", ngc5921_original)


MS = """
ms.open(vis)
ms.nrow()
ms.getscansummary()
ms.getspectralwindowinfo()
ms.getfielddirmeas('DELAY_DIR',1)
ms.metadata().nspw()
ms.selectinit(datadescid=DD)
ms.nrow(True)
ms.range(['scan_number','uvdist','num_chan','chan_freq','corr_names','times','antenna1','u'])
ms.getdata(['time','antenna1','uvw','weight','sigma','flag_row','data_desc_id','field_id'])
!d=ms.getdata(['data','flag','amplitude'])
d['data'][:,:3,::50], d['flag'][:,:3,::50], d['amplitude'][:,:3,::50]
!d=ms.getdata(['data','axis_info','flag','time'],ifraxis=True)
d['axis_info'], d['data'][:,1,:,::5], d['flag'][:,1,:,::5], d['time']
ms.getdata(['corrected_data'])
ms.selecttaql('ANTENNA1==0')
ms.nrow(True)
ms.reset()
ms.selectinit(datadescid=DD)
ms.selectchannel(4,2,3,1)
ms.getdata(['data'])['data'][:,:,::50]
ms.reset()
ms.selectinit(datadescid=DD)
ms.selectpolarization(['I'])
ms.getdata(['data'])['data'][:,:3,::50]
ms.reset()
ms.selectinit(datadescid=DD)
ms.iterinit(maxrows=50)
ms.iterorigin()
ms.iternext()
ms.getdata(['time','antenna1'])
ms.iterend()
ms.reset()
ms.msselect({'field':'0','spw':'DD:2~5'})
ms.nrow(True)
ms.msselectedindices()['channel']
ms.msseltoindex(vis)
ms.msseltoindex(vis=vis,spw='*')
ms.msseltoindex(vis=vis,spw='DD:3~5;8')
?ms.msseltoindex(vis=vis,field='nope')
ms.msseltoindex(vis=vis,baseline='0&1')
ms.msseltoindex(vis=vis,baseline='0')
ms.msseltoindex(vis=vis,scan='1,3')
ms.cvelfreqs(spwids=[DD],outframe='LSRK')
ms.cvelfreqs(spwids=[DD],fieldids=[1],outframe='BARY',mode='channel',start=5,nchan=10,width=2)
ms.cvelfreqs(spwids=DD,outframe='LSRK',obstime='2014/03/01/12:00:00')
ms.close()
"""


@pytest.mark.parametrize(("data", "ddid"), [("alma_original", "1"), ("raw", "13")])
def test_ms(casa, data, ddid, request):
    check(casa, MS.replace("DD", ddid), request.getfixturevalue(data), rel=1e-5)  # CASA averages in single precision


QA = """
qa.quantity(1.5,'GHz')
qa.quantity([1,2,3],'m')
qa.quantity('-12d30m15.5s')
qa.quantity('12:30:15')
qa.quantity('6-May-2014/12:00:00')
?qa.quantity('garbage!!')
qa.convert('1.5GHz','MHz')
qa.convert('12h','deg')
qa.convert('1rad','arcsec')
qa.convert('10deg')
qa.convert('1AU','km')
qa.getvalue('1.5GHz')
qa.getunit('5')
qa.canonical('5Jy')
qa.add('5m','2km')
?qa.add('5m','2s')
qa.mul('5m',2)
qa.div('5km','2m')
qa.pow('7m',2)
qa.sqrt('16m2')
qa.norm('713deg')
qa.sin('30deg')
qa.atan('1')
qa.compare('1m','1s')
qa.le('1m','1m')
?qa.lt('1m','1s')
qa.check('furlongg')
qa.isquantity({'value':1,'unit':'m'})
qa.isangle('5h')
qa.time('56789.123456d')
qa.time('56789.123456d',form='ymd',prec=8)
qa.time('56789.123456d',form=['ymd','day'])
qa.time('56789.123456d',form='dmy')
qa.time('56789.123456d',form='fits',prec=9)
qa.time({'value':4917926159.808,'unit':'s'},form='clean',prec=4)
qa.time('5h30m',form='ymd,time')
qa.angle('30.5123456deg',prec=10)
qa.angle('12.3deg',prec=9,form=['time','fits'])
qa.angle('-12.3deg',form='dig2')
qa.angle('-0.5deg',prec=8)
qa.formxxx('30.5123deg','hms',5)
qa.formxxx('-30.5123deg','rad',prec=5)
qa.totime('2014/05/06/12:00:00')
qa.toangle('5h30m12.6')
qa.splitdate('56789.75d')
qa.tos('5.25GHz',prec=2)
qa.constants('k')
qa.convertfreq('5GHz','cm')
qa.convertdop('1','km/s')
"""


def test_qa(casa):
    check(casa, QA)


ME = """
!a=me.direction('J2000','12h30m00','-30d15m00'); b=me.direction('J2000','12h31m00','-30d16m00')
a
me.epoch('UTC',{'value':4917926159.808,'unit':'s'})
me.direction('SUN')
me.position('ITRF','2225061m','-5440061m','-2481681m')
me.observatory('ALMA')
me.frequency('LSRK','115.27GHz')
me.doppler('RADIO','5km/s')
me.getvalue(me.observatory('ALMA'))
me.gettype(a)
me.dirshow(a)
me.show(me.observatory('ALMA'))
me.separation(a,b)
me.posangle(a,b)
me.shift(a,'20arcmin','30deg')
me.doframe(me.observatory('ALMA'))
me.doframe(me.epoch('UTC','2014/05/06/12:30:00'))
me.doframe(a)
me.measure(a,'AZEL')
me.measure(a,'HADEC')
me.measure(a,'GALACTIC')
me.measure(me.direction('JUPITER'),'J2000')
me.measure(me.epoch('UTC','2014/05/06/12:30:00'),'LAST')
me.measure(me.frequency('LSRK','115.27GHz'),'TOPO')
me.measure(me.radialvelocity('LSRK','5km/s'),'BARY')
me.measure(me.position('WGS84','30deg','40deg','10m'),'ITRF')
me.todoppler('RADIO',me.frequency('LSRK','115GHz'),'115.27GHz')
me.todoppler('OPTICAL',me.radialvelocity('LSRK','5km/s'))
me.tofrequency('LSRK',me.doppler('RADIO','5km/s'),me.frequency('REST','115.27GHz'))
me.toradialvelocity('LSRK',me.doppler('RADIO','5km/s'))
me.torestfrequency(me.frequency('LSRK','115GHz'),me.doppler('RADIO','5km/s'))
"""


def test_me(casa):
    check(casa, ME, rel=1e-8)


def test_readers_of_fluxscales_log_find_the_same(casa, ngc5921_part, tmp_path):
    script = """
import os
casalog = casatasks.casalog
setjy(vis=vis, field="0", standard="manual", fluxdensity=[14.76, 0, 0, 0])
gaincal(vis=vis, caltable="n.g", field="0,1", solint="inf", refant="0", spw="0:6~56")
casalog.setlogfile("n.fluxscale")
fluxscale(vis=vis, caltable="n.g", fluxtable="n.f", reference="0", transfer="1")
result = {"log": open("n.fluxscale").read(), "table": os.path.abspath("n.g")}
"""
    theirs = casa(script, vis=ngc5921_part)
    before = tools.casalog.logfile()
    tools.casalog.setlogfile(str(tmp_path / "n.fluxscale"))
    try:
        our_fluxscale(str(ngc5921_part), theirs["table"], str(tmp_path / "n.f"), reference="0", transfer="1")
    finally:
        tools.casalog.setlogfile(before)
    wanted = re.compile(r"fluxscale::::\t (Flux density for|Found \w+ field)")
    told = [
        [line.split("\t")[1:] for line in text.splitlines() if wanted.search(line)]
        for text in ((tmp_path / "n.fluxscale").read_text(), theirs["log"])
    ]
    assert len(told[0]) == len(told[1]) == 3
    number = re.compile(r"(?<==)\s*[\d.e+]+|[\d.]+(?= \+/-)|(?<=\+/- )[\d.]+")
    for our_line, casas_line in zip(*told, strict=True):
        assert number.sub("#", our_line[-1]).split() == number.sub("#", casas_line[-1]).split()
        assert our_line[:-1] == casas_line[:-1]
        found, known = ([float(x) for x in number.findall(line[-1])] for line in (our_line, casas_line))
        assert found == pytest.approx(known, rel=1e-4)
