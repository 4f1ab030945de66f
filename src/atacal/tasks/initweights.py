"""initweights: set weights anew."""

from __future__ import annotations

from typing import Any

from atacal.tasks._solving import one_of, only_default


def initweights(
    vis: str,
    wtmode: str = "nyq",
    tsystable: str = "",
    gainfield: str = "",
    interp: str = "",
    spwmap: list[Any] | None = None,
    dowtsp: bool = False,
) -> None:
    """Set the weights of a MeasurementSet anew.

    Parameters
    ----------
    vis : str
        Name of the MeasurementSet.
    wtmode : {'nyq', 'sigma', 'weight', 'ones', 'delwtsp', 'delsigsp'}
        ``nyq``: WEIGHT = 2 bandwidth x exposure (half of it for autocorrelations) and SIGMA = 1/sqrt(WEIGHT);
        ``sigma``: WEIGHT = 1/SIGMA^2; ``weight``: WEIGHT_SPECTRUM from WEIGHT; ``ones``: all 1; ``delwtsp`` and
        ``delsigsp``: remove WEIGHT_SPECTRUM or SIGMA_SPECTRUM.
    tsystable, gainfield, interp, spwmap
        CASA's, for its Tsys modes; only their defaults are possible.
    dowtsp : bool
        Add WEIGHT_SPECTRUM. An existing one is always set along.

    Raises
    ------
    ArgumentError, NoSuchTable, WriteError
    """
    one_of("wtmode", wtmode, ("nyq", "sigma", "weight", "ones", "delwtsp", "delsigsp"))
    why = "it belongs to the Tsys modes, which are not available"
    for name, value, default in (("tsystable", tsystable, ""), ("gainfield", gainfield, ""), ("interp", interp, "")):
        only_default(name, value, default, why)
    only_default("spwmap", spwmap or [], [], why)

    from atacal.ms.columns import remove_column
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.weights import initialise_weights

    with MeasurementSet(vis, writable=True) as ms:
        if wtmode in ("delwtsp", "delsigsp"):
            column = "WEIGHT_SPECTRUM" if wtmode == "delwtsp" else "SIGMA_SPECTRUM"
            if column in ms.columns():
                remove_column(ms, column)
            return
        initialise_weights(ms, select(ms, Selection()), wtmode, spectrum=dowtsp or wtmode == "weight")
