"""Six real tables of the Submillimeter Array, written by CASA 6.4 and 6.5: read, written back, listed, applied, drawn.

CASA reads them beside a MeasurementSet; theirs is not at hand, so one with their antennas, fields and spws is made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.caltables.disk import read_caltable, write_caltable
from atacal.caltables.table import CalTable
from atacal.errors import CaltableError
from atacal.ms.create import MSWriter
from atacal.ms.metadata import DataDescription, Observation, Polarization
from atacal.tasks import applycal, listcal, plotbandpass, plotcal

from .test_caltables import contents

TABLES = {
    "sma.ms.amp.gcal": "G Jones",
    "sma.ms.bcal": "B Jones",
    "sma.ms.dcal": "K Jones",
    "sma.ms.dterms.pcal": "D Jones",
    "sma.ms.pha.gcal": "G Jones",
    "sma.ms.tcal": "T Jones",
}
APPLIED = {
    "sma.ms.amp.gcal": {"interp": ["linear"]},
    "sma.ms.bcal": {"interp": ["nearest,linear"]},
    "sma.ms.dcal": {},
    "sma.ms.pha.gcal": {"interp": ["nearest"], "spwmap": [[0] * 6 + [6] * 6]},
    "sma.ms.tcal": {"interp": ["linear"]},
}

SCRIPT = """
import os, shutil
tb = casatools.table()
for name, options in applied.items():
    for whose, table in (("theirs", tables + "/" + name), ("back", back + "/" + name)):
        copy = f"{whose}.{name}.ms"
        shutil.copytree(folder + "/" + name + ".ms", copy)
        applycal(copy, gaintable=[table], flagbackup=False, **options)
for name in listed:
    listcal(vis=folder + "/" + name + ".ms", caltable=back + "/" + name, listfile=name + ".txt")
plotbandpass(back + "/sma.ms.bcal", figfile="b.png", interactive=False, showatm=False, antenna="Ant1", spw="0",
             vis=folder + "/sma.ms.bcal.ms")
result = {"folder": os.getcwd(), "plots": [f for f in os.listdir(".") if f.endswith(".png")]}
"""


@pytest.fixture(scope="module")
def real_tables(real_data: Callable[[str, str], Path]) -> Path:
    return real_data("sma_caltables", "sma_caltables.tgz")


def matching_ms(path: Path, table: CalTable, seed: int = 1) -> None:
    """Make a MeasurementSet with a table's antennas, fields and spws: one integration between any two solutions."""
    rng = np.random.default_rng(seed)
    nant, spws = len(table.antennas), table.spws
    ant1, ant2 = np.triu_indices(nant, 1)
    solutions = table.solutions[min(table.solutions)]
    times = np.sort(np.concatenate([solutions.time, solutions.time + 7.0, solutions.time[:1] - 20]))[:40]
    with MSWriter(
        path,
        antennas=table.antennas,
        fields=table.fields,
        spws=spws,
        pols=[Polarization(0, (5, 8), ((0, 0), (1, 1)))],
        ddids=[DataDescription(s.id, s.id, 0) for s in spws],
        states=["CALIBRATE_PHASE#ON_SOURCE"],
        observations=[Observation(0, "SMA", "atacal", "peer", (times[0] - 10, times[-1] + 10))],
    ) as new:
        for time in times:
            field = int(solutions.field[np.argmin(np.abs(solutions.time - time))])
            for spw in spws:
                shape = (len(ant1), spw.nchan, 2)
                data = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
                new.append(
                    ddid=spw.id, time=np.full(len(ant1), time), antenna1=ant1, antenna2=ant2, data=data, field=field,
                    weight=np.ones((len(ant1), 2), np.float32), interval=5.0,
                )  # fmt: skip


@pytest.fixture(scope="module")
def setting(casa_once, real_tables, tmp_path_factory) -> tuple[Path, Path, dict[str, Any]]:
    """Folders of the MeasurementSets and of the tables that we wrote back, and what CASA made of them."""
    folder, back = tmp_path_factory.mktemp("sma"), tmp_path_factory.mktemp("back")
    for name in TABLES:
        table = read_caltable(real_tables / name)
        matching_ms(folder / f"{name}.ms", table)
        write_caltable(back / name, table)
    listed = [name for name in TABLES if TABLES[name] != "D Jones"]
    made = casa_once(SCRIPT, folder=folder, tables=real_tables, back=back, applied=APPLIED, listed=listed)
    return folder, back, made


@pytest.mark.parametrize("name", TABLES)
def test_round_trip(real_tables, tmp_path, name):
    table = read_caltable(real_tables / name)
    assert table.kind == TABLES[name]
    write_caltable(tmp_path / name, table)
    assert contents(tmp_path / name) == contents(real_tables / name)


def corrected(path: Path) -> list[list[np.ndarray]]:
    columns = ("CORRECTED_DATA", "FLAG", "WEIGHT")
    with open_casacore(str(path), ack=False) as tab:
        return [[tab.getcell(c, i) for i in range(tab.nrows())] for c in columns]


@pytest.mark.parametrize("name", APPLIED)
def test_applied(real_tables, setting, tmp_path, name):
    """CASA with its table, CASA with what we wrote back, and we with its table."""
    folder, _, made = setting
    theirs, back = (corrected(Path(made["folder"]) / f"{whose}.{name}.ms") for whose in ("theirs", "back"))
    for one, other in zip(theirs, back, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    mine = tmp_path / "mine.ms"
    shutil.copytree(folder / f"{name}.ms", mine)
    applycal(str(mine), gaintable=[str(real_tables / name)], flagbackup=False, **APPLIED[name])
    data, flag, weight = corrected(mine)
    changed = 0
    for k in range(len(data)):
        np.testing.assert_array_equal(flag[k], theirs[1][k])
        np.testing.assert_allclose(weight[k], theirs[2][k], rtol=1e-5)
        scale = np.abs(theirs[0][k])
        assert (np.abs(data[k] - theirs[0][k]) <= 5e-6 * scale).all()
        changed += int((~flag[k]).sum())
    assert changed


@pytest.mark.parametrize("name", [n for n in TABLES if TABLES[n] != "D Jones"])
def test_listed(setting, tmp_path, name):
    folder, back, made = setting
    theirs = (Path(made["folder"]) / f"{name}.txt").read_text().splitlines()
    listcal(str(folder / f"{name}.ms"), str(back / name), listfile=str(tmp_path / "text"))
    ours = (tmp_path / "text").read_text().splitlines()
    assert len(ours) == len(theirs) > 10
    different = [(a, b) for a, b in zip(ours[1:-2], theirs[1:-2], strict=True) if a != b]
    # phases that stand on the edge of a tenth of a degree
    assert len(different) <= len(ours) / 1000
    for mine, casas in different:
        pairs = [(a, b) for a, b in zip(mine.split(), casas.split(), strict=True) if a != b]
        assert all(abs(float(a) - float(b)) < 0.11 for a, b in pairs)


def test_casa_draws_what_we_wrote(setting):
    assert setting[2]["plots"]


@pytest.mark.parametrize("name", TABLES)
def test_drawn(real_tables, tmp_path, name):
    plotcal(str(real_tables / name), figfile=str(tmp_path / "cal.png"))
    if TABLES[name] == "B Jones":
        plotbandpass(str(real_tables / name), figfile=str(tmp_path / "band.png"))
    assert any(os.scandir(tmp_path))


def test_d_terms_cannot_be_applied(real_tables, setting, tmp_path):
    mine = tmp_path / "mine.ms"
    shutil.copytree(setting[0] / "sma.ms.dterms.pcal.ms", mine)
    with pytest.raises(CaltableError, match="D Jones"):
        applycal(str(mine), gaintable=[str(real_tables / "sma.ms.dterms.pcal")], flagbackup=False)
