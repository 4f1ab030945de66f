"""Stage tsyscal: system temperatures, and which of them calibrate which spw and field."""

from __future__ import annotations

import os

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.caltables.tsys_map import map_tsys_spws
from atacal.ms._tables import opened
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.setups import by_setup
from atacal.pipeline.stage import stage
from atacal.recipe.roles import Roles
from atacal.recipe.tsys_fields import tsys_fields


@stage("h_tsyscal", "System temperatures")
def h_tsyscal(block: Block, chantol: int = 1) -> None:
    """Make a table of system temperatures and choose what it is applied to.

    Parameters
    ----------
    chantol : int
        By how many Tsys channels a science spw may reach out of its Tsys spw.
    """
    if not _rows(block):
        text = "there are no system temperatures: fluxes depend on the flux calibrator being seen through the same air"
        block.out.say("warning", text, "check whether SysCal.xml is in the ASDM")
        block.out.score(0.0, "unmapped_spws", len(block.facts.science_spws), "spws", "no Tsys", f"{block.name}: {text}")
        block.out.summary = "no system temperatures"
        return
    name = block.caltable("tsyscal")
    block.do("gencal", vis=block.name, caltable=name, caltype="tsys")
    block.out.tables.append(name)
    table = read_caltable(block.path(name))
    facts, meta = block.facts, block.facts.metadata
    found = map_tsys_spws(table, meta, float(chantol))
    mapped = [s for s in facts.science_spws if found.spwmap[s] in table.solutions]
    unmapped = [s for s in facts.science_spws if s not in mapped]
    share = 1 - len(unmapped) / len(facts.science_spws)
    words = f"spws {', '.join(map(str, unmapped))} have no Tsys" if unmapped else "all science spws have a Tsys spw"
    block.out.score(share, "unmapped_spws", len(unmapped), "spws", "Tsys mapping", f"{block.name}: {words}")
    if unmapped:
        block.out.say("warning", words, "they are calibrated without; chantol widens the search")
    fields: dict[int, int] = {}
    for group in by_setup(facts, mapped):  # what was observed in other bands has its own
        chosen = _fields(block, table, group, [found.spwmap[s] for s in group])
        _register(block, name, chosen, found.spwmap, group)
        fields |= chosen
    names = meta.field_names()
    block.set("tsys", {"table": name, "spwmap": {str(s): int(found.spwmap[s]) for s in mapped}})
    block.out.decisions |= {
        "spwmap": {str(s): int(found.spwmap[s]) for s in mapped},
        "unmapped_spws": unmapped,
        "field_map": {names[f]: names[m] for f, m in fields.items()},
    }
    block.out.summary = "; ".join(f"{s} from {found.spwmap[s]}" for s in mapped) or "no spw has a Tsys"


def _rows(block: Block) -> int:
    path = block.vis / "SYSCAL"
    if not path.is_dir():
        return 0
    with opened(os.fspath(path)) as tab:
        return int(tab.nrows())


def _fields(block: Block, table: CalTable, spws: list[int], needed: list[int]) -> dict[int, int]:
    """Choose the field whose system temperatures each field takes that was observed in some spws."""
    facts = block.facts
    amplitude = tuple(facts.fields("AMPLITUDE"))
    roles = Roles(
        bandpass=tuple(facts.fields("BANDPASS", "DIFFGAINREF", "DIFFGAINSRC")), flux=amplitude,
        phase=tuple(facts.fields("PHASE")), check=tuple(facts.fields("CHECK")), target=tuple(facts.fields("TARGET")),
    )  # fmt: skip
    found, notes = tsys_fields(table, facts.metadata, roles, sorted(set(needed)))
    for note in notes:
        block.out.say("attention", note)
    there = {f for s in facts.science_scans() if set(s.spws) & set(spws) for f in s.fields}
    return {f: source for f, source in found.items() if f in there}


def _register(block: Block, name: str, fields: dict[int, int], spwmap: list[int], mapped: list[int]) -> None:
    groups: dict[int, list[int]] = {}
    for field, source in fields.items():
        groups.setdefault(source, []).append(field)
    block.register(
        *(
            Applied(
                "tsys", name, gainfield=str(source), interp="linear,linear", spwmap=tuple(map(int, spwmap)),
                field=",".join(map(str, sorted(of))), spw=",".join(map(str, mapped)),
            )
            for source, of in sorted(groups.items())
        )
    )  # fmt: skip
