"""A new BPOLY table from solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atacal.caltables.bpoly import BPolyTable, Polynomials
from atacal.caltables.bpoly_layout import CAL_DESC, CAL_HISTORY, MAIN, unused
from atacal.ms._tables import opened
from atacal.ms.metadata import FRAMES, Metadata

_UNDEFINED_FRAME = 64


def new_table(metadata: Metadata, solutions: dict[int, Polynomials]) -> BPolyTable:
    """Make a BPOLY table of solutions: for every spw and interval a row an antenna, as CASA orders them.

    Parameters
    ----------
    metadata : Metadata
        Of the MeasurementSet they were solved from.
    solutions : dict of spw -> Polynomials

    Notes
    -----
    Beyond what CASA fills in: OBSERVATION_ID, SCAN_NUMBER (-1 in CASA's tables), FLAG and SOLUTION_OK by receptor,
    TOTAL_SOLUTION_OK, SNR, and the spw's true frame (LSRK in CASA's tables, whatever it is). CASA reads none of them.
    """
    columns: dict[str, list[Any]] = {name: [] for name in MAIN}
    freq_groups = _freq_group_names(metadata)
    for number, (spw, one) in enumerate(sorted(solutions.items())):
        frame = metadata.spws[spw].frame
        code = FRAMES.index(frame) if frame in FRAMES else _UNDEFINED_FRAME
        for slot in range(len(one.time)):
            _add_slot(columns, one, slot, number, code, freq_groups[spw])
    spws = sorted(solutions)
    nothing: list[Any] = [None] * len(spws)
    cal_desc: dict[str, list[Any]] = {
        **{c: [0] * len(spws) for c in ("NUM_SPW", "NUM_RECEPTORS", "N_JONES", "MEAS_FREQ_REF")},
        **{c: list(nothing) for c in ("NUM_CHAN", "CHAN_FREQ", "CHAN_WIDTH", "CHAN_RANGE", "POLARIZATION_TYPE")},
        "SPECTRAL_WINDOW_ID": [np.array([s], np.int32) for s in spws],
        "JONES_TYPE": [""] * len(spws),
        "MS_NAME": [metadata.name] * len(spws),
    }
    return BPolyTable(
        columns, cal_desc, {name: [] for name in CAL_HISTORY}, MAIN, CAL_DESC, CAL_HISTORY,
        antennas=metadata.antennas, fields=metadata.fields, spws=metadata.spws, subtables_from=Path(metadata.path),
        pol_basis=pol_basis(metadata),
    )  # fmt: skip


def _freq_group_names(metadata: Metadata) -> list[str]:
    with opened(f"{metadata.path}/SPECTRAL_WINDOW") as tab:
        there = "FREQ_GROUP_NAME" in tab.colnames()
        return [str(name) for name in tab.getcol("FREQ_GROUP_NAME")] if there else [""] * len(metadata.spws)


def _add_slot(
    columns: dict[str, list[Any]], one: Polynomials, slot: int, desc: int, frame: int, freq_group: str
) -> None:
    nant = one.refant.shape[1]
    good, snr = one.good[slot], one.snr[slot]
    rows = unused(nant) | {
        "TIME": [float(one.time[slot])] * nant,
        "INTERVAL": [float(one.interval[slot])] * nant,
        "ANTENNA1": list(range(nant)),
        "FIELD_ID": [int(one.field[slot])] * nant,
        "SCAN_NUMBER": [int(one.scan[slot])] * nant,
        "OBSERVATION_ID": [int(one.obs[slot])] * nant,
        "CAL_DESC_ID": [desc] * nant,
        "SCALE_FACTOR": [complex(v) for v in one.scale[slot]],
        "VALID_DOMAIN": list(one.domain_hz[slot]),
        "REF_ANT": [np.array(r, np.int32).reshape(1, 1, 1) for r in one.refant[slot]],
        "REF_FREQUENCY": [np.array(d.mean()).reshape(1, 1, 1) for d in one.domain_hz[slot]],
        "MEAS_FREQ_REF": [frame] * nant,
        "FREQ_GROUP_NAME": [freq_group] * nant,
        "TOTAL_SOLUTION_OK": [bool(g.any()) for g in good],
        "SOLUTION_OK": [g.reshape(2, 1, 1, 1) for g in good],
        "FLAG": [~g.reshape(2, 1, 1, 1) for g in good],
        "SNR": [s.astype(np.float32).reshape(2, 1, 1, 1) for s in snr],
    }
    for what, coefficients in (("AMP", one.amplitude[slot]), ("PHASE", one.phase[slot])):
        rows[f"N_POLY_{what}"] = [coefficients.shape[2]] * nant
        rows[f"POLY_COEFF_{what}"] = [c.reshape(-1, 1, 1, 1) for c in coefficients]
    for name, cells in rows.items():
        columns[name] += cells


def pol_basis(metadata: Metadata) -> str:
    """Return ``linear``, ``circular`` or ``unknown``, by the MeasurementSet's correlations."""
    letters = {c[0] for p in metadata.pols for c in p.corrs if c in ("RR", "LL", "XX", "YY")}
    return "unknown" if not letters else "circular" if letters & {"R", "L"} else "linear"
