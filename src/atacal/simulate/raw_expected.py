"""How far a perfect fluxscale of a raw block comes from its truth: by drifts of the gains and errors of the Tsys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.raw_air import Measured, system_temperature
from atacal.simulate.raw_layout import RawWindow, science_windows
from atacal.simulate.raw_rows import RawBlock

_TSYS_ROLE = {
    "bandpass": "bandpass", "flux": "flux", "phase": "target", "check": "target", "target": "target",
    "diffgain": "diffgain",
}  # fmt: skip


def tsys_roles(mode: str) -> dict[str, str]:
    """Tell whose system temperatures a field takes, by role; the phase calibrator of another band has its own."""
    roles = _TSYS_ROLE | ({"phase": "phase"} if mode == "b2b" else {})
    return {k: v for k, v in roles.items() if mode != "standard" or k != "diffgain"}


_BRIEF = ("late", "flagged", "shadowing", "phase_jump", "dead_wvr", "noisy_wvr", "position_error")
"""Faults that leave an antenna's amplitudes, or are told of in its truth."""


def expected_flux_ratio(block: RawBlock, measured: Measured, tsys_of: dict[str, str]) -> dict[str, list[float | None]]:
    """Return measured over true flux density that the block itself implies, by field and science window.

    The median over antennas of |g|^2 times the Tsys that was applied over the true one, divided by that of the flux
    calibrator; without integrations in which the antenna was late or in a shadow.
    None where one of the two was not observed in a window.
    """
    out: dict[str, list[float | None]] = {s.name: [] for s in block.sources}
    roles = [s.role for s in block.sources]
    if "flux" not in roles:
        return {}
    names = block.instrument.array.names
    faulty = {n for f in block.instrument.faults if f.kind not in _BRIEF for n in f.antennas}
    usable = [i for i, n in enumerate(names) if n not in faulty]
    if len(usable) < 3:  # the median over all antennas is then the better one
        usable = list(range(len(names)))
    for w in science_windows(block.windows):
        tdm = next(o for o in block.windows if o.kind == "tdm" and o.chain == w.chain)
        power = [_power(block, measured, w, tdm, field, tsys_of) for field in range(len(roles))]
        reference = power[roles.index("flux")]
        for source, mine in zip(block.sources, power, strict=True):
            ratio = (mine / reference)[usable]
            out[source.name].append(float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else None)
    return out


def _power(
    block: RawBlock, measured: Measured, w: RawWindow, tdm: RawWindow, field: int, tsys_of: dict[str, str]
) -> NDArray[np.float64]:
    """Return the mean power gain of each antenna that is left after Tsys, float64 (antenna,)."""
    ins, air = block.instrument, block.air
    total, count = np.zeros(ins.array.nant), np.zeros(ins.array.nant)
    role = tsys_of[block.sources[field].role]
    mine = np.flatnonzero(
        (measured.spw == tdm.id) & [block.sources[block.subscans[k].field].role == role for k in measured.subscan]
    )
    times = np.unique(measured.time_mjd_s[mine])
    spectra = np.array([measured.tsys_k[mine[measured.time_mjd_s[mine] == t]] for t in times])
    for k, s in enumerate(block.subscans):
        if s.purpose != "science" or s.field != field or s.setup not in ("", w.setup):
            continue
        true = system_temperature(ins.trx_k[tdm.id], air.sky_k[tdm.id][k], air.tau[tdm.id], float(air.airmass[k]))
        at = float(np.interp(s.time_mjd_s.mean(), times, np.arange(len(times))))
        low = min(int(at), max(len(times) - 2, 0))
        high = min(low + 1, len(times) - 1)
        applied = spectra[low] + (spectra[high] - spectra[low]) * (at - low)
        ratio = np.median(applied / true, axis=1)  # (antenna, receptor)
        here = ins.subscan == k
        good = (ins.shadow[here] == 1) & (ins.source_share[here] == 1)
        power = (np.abs(ins.gain[w.id][here]) ** 2 * ratio).mean(axis=2)
        total += np.where(good, power, 0).sum(axis=0)
        count += good.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(total / count, np.float64)
