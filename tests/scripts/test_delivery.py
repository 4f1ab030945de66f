"""A script in the form of scriptForPI.py: folders of a delivery, shell pipelines, the calibration script run inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from atacal.scripts import run

FOR_PI = """
import os
import sys
import glob

applyonly = True
savingslevel = 0
if globals().has_key("SPACESAVING"):
    print 'SPACESAVING =', SPACESAVING
    savingslevel = SPACESAVING

if (os.path.basename(os.getcwd()) != 'script'):
    sys.exit('ERROR: not in the folder script')

scripts = glob.glob('uid*.ms.scriptForCalibration.py')
pipe = os.popen('grep "phasing" '+scripts[0]+' | wc -l')
if int((pipe.readline()).rstrip('\\n')) > 0:
    sys.exit('no')
pipe.close()
os.chdir('../raw')
pipe = os.popen("df -P -m $PWD | awk '/[0-9]%/{print $(NF-2)}'")
free = int((pipe.readline()).rstrip('\\n'))
pipe = os.popen("du -sm ../../* | cut -f1")
used = int((pipe.readline()).rstrip('\\n'))
print 'Found ', free, ' MB, need ', used*(11.+1*3.)
os.chdir('../script')

os.mkdir('../calibrated')
os.chdir('../calibrated')
for name in [s.replace('.ms.scriptForCalibration.py', '') for s in scripts]:
    os.mkdir(name+'.calibration')
    os.chdir(name+'.calibration')
    if not os.path.exists('../../raw/'+name+'.asdm.sdm'):
        sys.exit('ERROR: cannot find raw/'+name+'.asdm.sdm')
    os.system('ln -sf ../../raw/'+name+'.asdm.sdm '+name)
    execfile('../../script/'+name+'.ms.scriptForCalibration.py')
    if not os.path.exists(name+'.ms.split.cal'):
        print 'ERROR: '+name+'.ms.split.cal was not created.'
    else:
        os.system('mv '+name+'.ms.split.cal ..')
        if (savingslevel>=1):
            os.system('rm -rf '+name+'.ms.split')
    os.chdir('..')
os.system('cp -R ../calibration/*.txt .; ln -sf ../calibration products')
os.system('tar xzf ../calibration/more.tgz')
print 'Done.'
"""

CALIBRATION = """
import re
if re.search('^4.7', casadef.casa_version) == None:
 sys.exit('ERROR: FOR CASA 4.7')
if applyonly != True: sys.exit('not applyonly')
mystep = 0
thesteps = [0]
if(mystep in thesteps):
  for end in ['', '.cal']:
    os.mkdir('uid___A1.ms.split'+end)
    open('uid___A1.ms.split'+end+'/table.dat', 'w').write(casadef.casa_version)
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """The folder of a delivery's member."""
    import tarfile

    member = tmp_path / "member.uid___A1_X1"
    for name in ("script", "raw/uid___A1.asdm.sdm", "calibration"):
        (member / name).mkdir(parents=True)
    (member / "script" / "member.uid___A1_X1.scriptForPI.py").write_text(FOR_PI)
    (member / "script" / "uid___A1.ms.scriptForCalibration.py").write_text(CALIBRATION)
    (member / "calibration" / "a.flagtemplate.txt").write_text("mode='manual'\n")
    with tarfile.open(member / "calibration" / "more.tgz", "w:gz") as tar:
        tar.add(member / "calibration" / "a.flagtemplate.txt", "unpacked.txt")
    return member


def test_a_delivery_is_restored_by_its_script(delivery, tmp_path, capfd):
    script = delivery / "script" / "member.uid___A1_X1.scriptForPI.py"
    result = run(str(script), cwd=str(delivery / "script"), variables=["SPACESAVING=1"])
    assert (result.exit_code, result.error, result.refused) == (0, "", [])
    made = delivery / "calibrated"
    assert sorted(p.name for p in made.iterdir()) == [
        "a.flagtemplate.txt", "products", "uid___A1.calibration", "uid___A1.ms.split.cal", "unpacked.txt",
    ]  # fmt: skip
    assert (made / "uid___A1.ms.split.cal" / "table.dat").read_text() == "4.7.0"
    assert [p.name for p in (made / "uid___A1.calibration").iterdir()] == ["uid___A1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [delivery.name]
    assert "SPACESAVING = 1" in capfd.readouterr().out


def test_its_dry_run_says_what_it_would_do(delivery):
    script = delivery / "script" / "member.uid___A1_X1.scriptForPI.py"
    result = run(str(script), cwd=str(delivery / "script"), dry_run=True)
    assert result.error == ""
    assert [c["call"] for c in result.calls if c["call"].startswith(("$ mv", "$ ln", "os.mkdir"))] == [
        "os.mkdir('../calibrated')",
        "os.mkdir('uid___A1.calibration')",
        "$ ln -sf ../../raw/uid___A1.asdm.sdm uid___A1",
        "os.mkdir('uid___A1.ms.split')",
        "os.mkdir('uid___A1.ms.split.cal')",
        "$ mv uid___A1.ms.split.cal ..",
    ]
    assert not (delivery / "calibrated").exists()
