"""Calibration tables: CASA's come back unchanged, and CASA's own tasks read ours as they read their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.caltables.disk import append_caltable, read_caltable, write_caltable
from atacal.tasks import listcal

KINDS = ("G", "T", "K", "B", "B20", "antpos", "amp", "F", "inc")

MAKE = """
import os, shutil
shutil.copytree(original, "n.ms")
ms = "n.ms"
setjy(vis=ms, field="0", standard="manual", fluxdensity=[14.76, 0, 0, 0], usescratch=False)
gaincal(vis=ms, caltable="n.K", field="0", gaintype="K", refant="15", solint="inf")
bandpass(vis=ms, caltable="n.B", field="0", refant="15", solint="inf", combine="scan")
bandpass(vis=ms, caltable="n.B20", field="0", refant="15", solint="inf,20ch", combine="scan")
common = dict(vis=ms, field="0,1", refant="15", gaintable=["n.B"], spw="0:6~56")
gaincal(caltable="n.G", gaintype="G", solint="inf", calmode="ap", **common)
gaincal(caltable="n.T", gaintype="T", solint="int", calmode="p", **common)
gencal(vis=ms, caltable="n.antpos", caltype="antpos", antenna="1,3", parameter=[0.01, 0.02, 0.03, -0.01, 0, 0.02])
gencal(vis=ms, caltable="n.amp", caltype="amp", antenna="2", parameter=[2.0])
fluxscale(vis=ms, caltable="n.G", fluxtable="n.F", reference="0", transfer="1")
fluxscale(vis=ms, caltable="n.G", fluxtable="n.inc", reference="0", transfer="1", incremental=True)
result = {"folder": os.getcwd()}
"""


@pytest.fixture(scope="module")
def made(casa_once: Callable[..., dict[str, Any]], ngc5921_original: Path) -> Path:
    """A folder with n.ms and CASA's tables n.G, n.B ... solved from it."""
    return Path(casa_once(MAKE, original=ngc5921_original)["folder"])


def contents(path: Path) -> dict[str, Any]:
    """Everything in a table and its subtables, cell by cell; dataManagerGroup, a name without meaning, left out."""
    from casacore.tables import table

    everything: dict[str, Any] = {}
    for sub in ("", "OBSERVATION", "ANTENNA", "FIELD", "SPECTRAL_WINDOW", "HISTORY"):
        tab = table(str(path / sub), ack=False)
        keywords = {k: "a table" if str(v).startswith("Table: ") else v for k, v in tab.getkeywords().items()}
        everything[sub] = (tab.nrows(), tab.info(), list(keywords.items()), tab.colnames())
        for column in tab.colnames():
            description = {k: v for k, v in tab.getcoldesc(column).items() if k != "dataManagerGroup"}
            everything[sub, column] = repr(description)
            for row in range(tab.nrows()):
                cell = tab.getcell(column, row) if tab.iscelldefined(column, row) else None
                everything[sub, column, row] = (
                    (cell.dtype, cell.shape, cell.tobytes()) if isinstance(cell, np.ndarray) else repr(cell)
                )
        tab.close()
    return everything


def rewrite(made: Path, kind: str, target: Path) -> None:
    """Write CASA's solutions as new ones of ours: small tables from the MS, rows in our own order."""
    table = read_caltable(made / f"n.{kind}")
    fresh = {spw: replace(sol, row=None) for spw, sol in table.solutions.items()}
    write_caltable(target, replace(table, solutions=fresh, subtables_from=made / "n.ms", casa_version=""))


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_of_casas_tables(made: Path, tmp_path: Path, kind: str) -> None:
    write_caltable(tmp_path / "back", read_caltable(made / f"n.{kind}"))
    assert contents(tmp_path / "back") == contents(made / f"n.{kind}")


@pytest.mark.parametrize("kind", ["G", "T", "K", "B", "B20"])
def test_new_tables_are_as_casa_writes_them(made: Path, tmp_path: Path, kind: str) -> None:
    """From the MS and the solutions alone: all but the version keyword."""
    rewrite(made, kind, tmp_path / "new")
    new, casas = contents(tmp_path / "new"), contents(made / f"n.{kind}")
    assert {k for k in casas if new[k] != casas[k]} == {""}
    assert [pair for pair in new[""][2] if pair not in casas[""][2]] == [new[""][2][4]]
    assert new[""][2][4][0] == "CASA_Version"


def test_casas_tasks_read_ours(made: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    for kind in ("G", "T", "K", "B", "B20"):
        rewrite(made, kind, tmp_path / f"o.{kind}")
    script = """
import os, shutil
tb = casatools.table()
def corrected(ms, tables):
    shutil.copytree(original, ms)
    applycal(vis=ms, gaintable=tables, field="0,1", interp=["linear", "linear", "nearest", "nearest"], calwt=True,
             flagbackup=False)
    tb.open(ms)
    columns = [tb.getcol(c) for c in ("CORRECTED_DATA", "FLAG", "WEIGHT")]
    tb.close()
    return columns
kinds = ("G", "T", "K", "B")
theirs = corrected("a.ms", [made + "/n." + k for k in kinds])
ours = corrected("b.ms", [mine + "/o." + k for k in kinds])
fluxes = []
for name in (made + "/n.G", mine + "/o.G"):
    flux = fluxscale(vis=made + "/n.ms", caltable=name, fluxtable=os.path.basename(name) + ".F", reference="0",
                     transfer="1")
    fluxes.append(flux["1"]["0"])
    listcal(vis=made + "/n.ms", caltable=name, listfile=os.path.basename(name) + ".txt")
plotbandpass(mine + "/o.B", figfile="bandpass.png", interactive=False, showatm=False)
bandpass(vis=made + "/n.ms", caltable="again.B", field="0", refant="15", combine="scan", gaintable=[mine + "/o.G"])
gaincal(vis=made + "/n.ms", caltable=mine + "/o.G", field="1", refant="15", gaintable=[made + "/n.B"], spw="0:6~56",
        append=True)
result = {
    "same": [bool(np.array_equal(a, b)) for a, b in zip(theirs, ours)],
    "changed": bool(np.any(theirs[0] != 1)),
    "fluxes": fluxes,
    "listed": [open(f).read() for f in ("n.G.txt", "o.G.txt")],
    "plots": [f for f in os.listdir(".") if f.endswith(".png")],
    "solved": os.path.isdir("again.B"),
}
"""
    result = casa(script, made=made, mine=tmp_path, original=made / "n.ms")
    assert result["same"] == [True, True, True]
    assert result["fluxes"][0] == result["fluxes"][1]
    body = [text.split("\n", 1)[1] for text in result["listed"]]
    assert body[0] == body[1]
    assert len(body[0]) > 1000
    assert result["plots"]
    assert result["solved"]
    assert read_caltable(tmp_path / "o.G").solutions[0].nslot == 9, "CASA has appended 4 solutions to our 5"


def test_append_as_casa(made: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    script = """
common = dict(vis=made + "/n.ms", refant="15", gaintable=[made + "/n.B"], spw="0:6~56")
for name, field in (("one", "1"), ("two", "0")):
    gaincal(caltable=folder + "/" + name, field=field, **common)
    gaincal(caltable=folder + "/both", field=field, append=(name == "two"), **common)
result = {}
"""
    casa(script, made=made, folder=tmp_path)
    shutil.copytree(tmp_path / "one", tmp_path / "ours")
    append_caltable(tmp_path / "ours", read_caltable(tmp_path / "two"))
    assert contents(tmp_path / "ours") == contents(tmp_path / "both")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("G", {}),
        ("T", {}),
        ("K", {}),
        ("B20", {}),
        ("B", {"antenna": "5,3,7", "spw": "0:3~9", "pagerows": 0}),
        ("G", {"antenna": "3,7", "field": "1445*", "pagerows": 7}),
    ],
)
def test_listcal(
    made: Path, casa: Callable[..., dict[str, Any]], tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    """The same text, but for the number of solutions at the end: CASA counts columns that are not there."""
    vis, table = str(made / "n.ms"), str(made / f"n.{kind}")
    script = 'listcal(vis=vis, caltable=caltable, listfile="text", **options); result = {"text": open("text").read()}'
    theirs = casa(script, vis=vis, caltable=table, options=options)["text"]
    listcal(vis, table, listfile=str(tmp_path / "text"), **options)
    ours = (tmp_path / "text").read_text()
    assert ours.splitlines()[:-2] == theirs.splitlines()[:-2]
    assert len(ours.splitlines()) > 10
