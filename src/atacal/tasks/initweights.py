"""initweights: set WEIGHT and SIGMA anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")

MODES = ("nyq", "sigma", "weight", "ones", "delwtsp", "delsigsp")


def initweights(
    vis: str,
    wtmode: str = "nyq",
    tsystable: str = "",
    gainfield: str = "",
    interp: str = "",
    spwmap: Sequence[int] = (),
    dowtsp: bool = False,
) -> None:
    """Set the weights of a whole MeasurementSet anew.

    A WEIGHT_SPECTRUM column that is there already is kept in step with WEIGHT.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    wtmode : str
        nyq: WEIGHT = 2 (bandwidth of a channel) (exposure), half of that for autocorrelations, and
        SIGMA = 1/sqrt(WEIGHT). sigma: WEIGHT = 1/SIGMA^2. weight: WEIGHT_SPECTRUM from WEIGHT (needs dowtsp). ones:
        both 1. delwtsp, delsigsp: remove WEIGHT_SPECTRUM or SIGMA_SPECTRUM.
    tsystable : str
        For modes that are not available; leave it empty.
    gainfield : str
        For modes that are not available; leave it empty.
    interp : str
        For modes that are not available; leave it empty.
    spwmap : list of int
        For modes that are not available; leave it empty.
    dowtsp : bool
        Make a WEIGHT_SPECTRUM column.

    Raises
    ------
    NoSuchTable, TableLocked, ArgumentError, DiskFull, WriteError
    """
    given = dict(locals())
    from atacal.ms.add_column import add_column
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.transaction import transaction
    from atacal.ms.weights import initialise_weights, remove_spectrum

    messages = task_messages("initweights", given)
    if wtmode not in MODES:
        raise ArgumentError(f"initweights: wtmode={wtmode!r}; possible are {', '.join(MODES)}")
    if tsystable or gainfield or interp or len(spwmap):
        raise ArgumentError(
            "initweights: tsystable, gainfield, interp and spwmap belong to modes that are not available"
        )
    if wtmode == "weight" and not dowtsp:
        raise ArgumentError("initweights: wtmode='weight' sets WEIGHT_SPECTRUM, so it needs dowtsp=True")
    spectra = ("WEIGHT_SPECTRUM",) if wtmode == "weight" else ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")
    deleted = {"delwtsp": ("WEIGHT_SPECTRUM",), "delsigsp": ("SIGMA_SPECTRUM",)}.get(wtmode, ())
    columns = () if deleted else spectra if wtmode == "weight" else ("WEIGHT", "SIGMA", *spectra)
    with transaction(
        vis, "initweights", columns=columns, replaced=spectra, removed=deleted, subtables=("HISTORY",)
    ) as inside:
        with MeasurementSet(inside, writable=True) as ms:
            for column in deleted:
                remove_spectrum(ms, column)
            if not deleted:
                if dowtsp or "WEIGHT_SPECTRUM" in ms.columns():
                    add_column(ms, "WEIGHT_SPECTRUM", fill=False)
                rows = initialise_weights(ms, wtmode, spectrum=dowtsp)
                log.info("initweights: weights of %d rows set (%s)", rows, wtmode)
        write_history(inside, "initweights", messages)
