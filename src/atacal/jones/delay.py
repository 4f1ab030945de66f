"""K: a delay a receptor.

g(nu) = exp(2 pi i tau (nu - nu_ref)), tau in ns and nu in GHz, nu_ref the middle channel (number n // 2) of the
table's spw. Tables older than CASA 5.3 pivot at the spw's REF_FREQUENCY instead. Delays never change weights.
"""

from __future__ import annotations

import numpy as np

from atacal.jones.base import Factor, Parameters, Term, both_receptors

NS_PER_S = 1e9


def delay_factor(par: Parameters) -> Factor:
    """Return exp(2 pi i tau (nu - nu_ref)) for every channel of the data."""
    tau_s = both_receptors(par.amplitude) / NS_PER_S  # (time, antenna, 1, receptor)
    ok = both_receptors(par.ok)
    offset = (par.freq_hz - par.ref_freq_hz)[:, None]
    value = np.where(ok, np.exp(2j * np.pi * tau_s * offset), 1.0)
    return value, np.broadcast_to(ok, value.shape)


K = Term("K Jones", per_channel=False, factor=delay_factor)
