"""Scores of derived flux densities: are they there, how precise are they, do the spws agree.

Source: ALMA's pipeline, qa/scorecalculator.py (score_missing_derived_fluxes, score_derived_fluxes_snr,
score_gfluxscale_k_spw; Cycle 4 and PL2026) and hifa/tasks/fluxscale/qa.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from atacal.heuristics.scores import linear_score

WIDE_HZ = 1.0e9
"""The spw that the others are compared with is at least as wide."""


def score_derived(expected: int, found: int) -> float:
    """Return the score of missing flux densities: the fraction that was found, 0 where none was expected."""
    return found / expected if expected > 0 else 0.0


def score_flux_snr(snr: float, recipe: str = "today") -> float:
    """Return the score of a flux density's signal to noise.

    Parameters
    ----------
    snr : float
        The flux density over its error.
    recipe : {'today', 'cycle4'}
        From 0.66 at 5 to 1 at 26.25 (today), or from 0 at 5 to 1 at 20 (cycle4).
    """
    if recipe == "cycle4":
        return linear_score(snr, 5.0, 0.0, 20.0, 1.0)
    return linear_score(snr, 5.0, 0.66, 26.25, 1.0)


def spw_ratios(
    derived_jy: Mapping[int, float],
    snr: Mapping[int, float],
    catalogue_jy: Mapping[int, float],
    bandwidth_hz: Mapping[int, float],
) -> tuple[int, dict[int, float]]:
    r"""Compare the spws' flux densities with a catalogue's, relative to the best spw.

    Parameters
    ----------
    derived_jy, snr, catalogue_jy, bandwidth_hz : mapping of spw -> float

    Returns
    -------
    best : int
        The spw with the highest signal to noise of those 1 GHz wide or wider, else of all; -1 if there is none.
    k : dict of spw -> float

    Notes
    -----
    .. math:: k_{spw} = \frac{S / S_{cat}}{(S / S_{cat})_{best}}
    """
    spws = sorted(s for s in derived_jy if derived_jy[s] > 0 and catalogue_jy.get(s, 0.0) > 0)
    if not spws:
        return -1, {}
    wide = [s for s in spws if bandwidth_hz.get(s, 0.0) >= WIDE_HZ] or spws
    best = max(wide, key=lambda s: (snr.get(s, 0.0), -s))
    reference = derived_jy[best] / catalogue_jy[best]
    return best, {s: derived_jy[s] / catalogue_jy[s] / reference for s in spws}


def score_spw_ratio(k: float) -> float:
    """Return the score of an spw's ratio: 1 within 10 % of 1, 0.75 within 20 %, else 0.5."""
    away = abs(1.0 - k)
    if away < 0.1:
        return 1.0
    return 0.75 if away < 0.2 else 0.5
