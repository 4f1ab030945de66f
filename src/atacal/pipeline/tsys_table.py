"""A stage's own copy of the table of system temperatures, with more flagged: what came before stays as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.disk import read_caltable, write_caltable
from atacal.caltables.table import CalTable
from atacal.heuristics.tsys_shapes import TsysSpectra
from atacal.ms.selection.timerange import time_text
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import CalLibrary
from atacal.pipeline.view_data import tsys_spectra
from atacal.recipe.channels import ranges

_BESIDE_S = 1.0


@dataclass(eq=False)
class TsysCopy:
    """The table of a stage, in memory, and where its spectra come from.

    Attributes
    ----------
    name : str
        Relative to the run directory.
    table : CalTable
    slots : dict of int -> int64 (time, antenna)
        By spw, the slots of the table of `spectra`.
    """

    name: str
    table: CalTable
    slots: dict[int, NDArray[np.int64]]

    def spectra(self, spw: int) -> TsysSpectra:
        """Return the spectra of an spw as they are in the table now."""
        made, self.slots[spw] = tsys_spectra(self.table, spw)
        return made


def copy_tsys(block: Block, caltable: str, commands: Sequence[str] = ()) -> TsysCopy | None:
    """Copy the registered table of system temperatures under this stage's name; flag the copy by commands.

    Parameters
    ----------
    block : Block
    caltable : str
        Another table than the registered one, relative to the run directory.
    commands : sequence of str
        Of flagdata.

    Returns
    -------
    TsysCopy or None
        None where there are no system temperatures.
    """
    known = block.get("tsys")
    source = caltable or (known["table"] if known else "")
    if not source:
        return None
    name = block.caltable("tsyscal")
    write_caltable(block.path(name), read_caltable(block.path(source)), overwrite=True)
    block.out.calls.append(f"# {name} is a copy of {source}")
    block.out.tables.append(name)
    if commands:
        _flag(block, name, commands)
    return TsysCopy(name, read_caltable(block.path(name)), {})


def register_copy(block: Block, copy: TsysCopy, source: str) -> None:
    """Let the copy be applied wherever its original was."""
    known = block.get("tsys")
    before = source or known["table"]
    entries = [replace(e, gaintable=copy.name) if e.gaintable == before else e for e in block.library.entries]
    block.set("applied", CalLibrary(entries).plain())
    block.set("tsys", {**(known or {}), "table": copy.name})


def flag_copy(block: Block, copy: TsysCopy, flags: Mapping[int, NDArray[np.bool_]], why: str) -> list[str]:
    """Flag spectra of the copy on the disk, by commands that say the same.

    Parameters
    ----------
    block : Block
    copy : TsysCopy
        Its table in memory is read again.
    flags : mapping of int -> bool (time, antenna, chan, pol)
        By spw; both polarisations of a spectrum have the same flags.
    why : str
        The commands' reason.

    Returns
    -------
    list of str
        The commands.
    """
    names = block.facts.metadata.antenna_names()
    commands: list[str] = []
    for spw, flag in sorted(flags.items()):
        commands += tsys_commands(copy, spw, flag, names, why)
    if commands:
        _flag(block, copy.name, commands)
        copy.table = read_caltable(block.path(copy.name))
    return commands


def _flag(block: Block, name: str, commands: Sequence[str]) -> None:
    """Flag a table; a command that stands alone would look at pairs of antennas, as in CASA, so a summary follows."""
    block.do("flagdata", vis=name, mode="list", inpfile=[*commands, "mode='summary'"], flagbackup=False)


def tsys_commands(copy: TsysCopy, spw: int, flag: NDArray[np.bool_], names: Sequence[str], why: str) -> list[str]:
    """Return commands that flag spectra of a table: one for each pattern of channels, antennas and times.

    Parameters
    ----------
    copy : TsysCopy
    spw : int
    flag : bool (time, antenna, chan, pol)
    names : sequence of str
        Of the antennas.
    why : str

    Returns
    -------
    list of str
    """
    slot, times = copy.slots[spw], copy.table.solutions[spw].time
    there = slot >= 0
    channels: NDArray[np.bool_] = np.asarray(flag.any(axis=3))
    hit: NDArray[np.bool_] = np.asarray(channels.any(axis=2)) & there
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for antenna in np.flatnonzero(hit.any(axis=0)).tolist():
        masks: dict[str, list[int]] = {}
        for t in np.flatnonzero(hit[:, antenna]).tolist():
            masks.setdefault(_channels(channels[t, antenna]), []).append(t)
        for text, found in masks.items():
            # flags of all measurements of an antenna need no times
            always = len(found) == there[:, antenna].sum()
            groups.setdefault((text, () if always else tuple(found)), []).append(antenna)
    everyone = set(np.flatnonzero(there.any(axis=0)).tolist())
    out = []
    for (text, at), antennas in sorted(groups.items()):
        words = f"mode='manual' spw='{spw}{text}'"
        if set(antennas) != everyone:
            words += f" antenna='{','.join(names[a] for a in antennas)}'"
        if at:
            words += f" timerange='{_spans(slot, times, at)}'"
        out.append(f"{words} reason='{why}'")
    return out


def _channels(mask: NDArray[np.bool_]) -> str:
    return "" if mask.all() else f":{ranges(mask)}"


def _spans(slot: NDArray[np.int64], times: NDArray[np.float64], at: Iterable[int]) -> str:
    """Return the time ranges of some measurements of the array."""
    spans = []
    for t in at:
        here = times[slot[t][slot[t] >= 0]]
        spans.append(f"{time_text(here.min() - _BESIDE_S)}~{time_text(here.max() + _BESIDE_S)}")
    return ",".join(spans)
