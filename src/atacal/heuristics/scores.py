"""Scores between 0 and 1, as ALMA's pipeline gives them: straight lines, error functions, fractions of flagged data.

Plain functions of numbers. A score is red up to 0.33, yellow up to 0.66, blue up to 0.90 and green above; -0.1 says
that the scoring itself failed. The score of a stage is the lowest of its scores.

Sources: ALMA's pipeline, PL2026 ('pl') and Cycle 4 ('cycle4'), qa/scorecalculator.py, qa/utility/scorers.py and
infrastructure/renderer/rendererutils.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Literal

from atacal.errors import ArgumentError

Recipe = Literal["today", "cycle4"]
"""Whose limits: those of the pipeline of today (PL2026), or of Cycle 4."""
Colour = Literal["red", "yellow", "blue", "green"]

FAILED = -0.1
"""The score that says that scoring failed."""
RED, YELLOW, BLUE = 0.33, 0.66, 0.90
"""Upper ends of the colours."""
AGENT_LIMITS: dict[str, tuple[float, float]] = {"cycle4": (0.05, 0.6), "today": (0.24, 0.79)}
"""Fractions flagged by agents that give 1 and 0 (F3)."""


def linear_score(x: float, x1: float, y1: float, x2: float, y2: float) -> float:
    """Return the value at `x` of the straight line through (x1, y1) and (x2, y2), constant outside of x1 and x2.

    Parameters
    ----------
    x : float
        What is scored.
    x1, y1 : float
        A value and its score.
    x2, y2 : float
        Another value and its score; `x2` may be the smaller.

    Returns
    -------
    float
        The score, between `y1` and `y2`.

    Raises
    ------
    ArgumentError
        `x1` and `x2` are the same, or `x` is not a number.

    Examples
    --------
    >>> linear_score(0.275, 0.05, 1.0, 0.5, 0.5)
    0.75
    """
    if math.isnan(x):
        raise ArgumentError("a score cannot be made of a value that is not a number (nan)")
    if x1 == x2:
        raise ArgumentError(f"a score's line needs two different values, not {x1} twice")
    at = (min(max(x, min(x1, x2)), max(x1, x2)) - x1) / (x2 - x1)
    return y1 * (1.0 - at) + y2 * at


def erf_score(x: float, good: float, bad: float, *, lowest: float = 0.0) -> float:
    r"""Return a score that falls softly from 1 at `good` to `lowest` at `bad`.

    Parameters
    ----------
    x : float
        What is scored.
    good, bad : float
        Values with scores near 1 and near `lowest` (three sigmas of the error function from the middle).
    lowest : float
        The floor, in [0, 1).

    Returns
    -------
    float
        The score, between `lowest` and 1.

    Raises
    ------
    ArgumentError
        `good` and `bad` are the same, `lowest` is out of range, or `x` is not a number.

    Notes
    -----
    .. math:: s = m + (1 - m) \tfrac12 [1 + \mathrm{erf}(k x + o)],\quad k = \frac{6/\sqrt2}{good - bad},\quad
              o = \frac{3}{\sqrt2} \left(1 - \frac{2\,good}{good - bad}\right)

    which is 0.99865 at `good` and 0.00135 at `bad` for m = 0 (pipeline, qa/utility/scorers.py).
    """
    if math.isnan(x):
        raise ArgumentError("a score cannot be made of a value that is not a number (nan)")
    if good == bad:
        raise ArgumentError(f"a score needs different values for good and bad, not {good} twice")
    if not 0.0 <= lowest < 1.0:
        raise ArgumentError(f"the lowest score {lowest} is not in [0, 1)")
    slope = 6.0 / math.sqrt(2.0) / (good - bad)
    offset = 3.0 / math.sqrt(2.0) * (1.0 - 2.0 * good / (good - bad))
    return lowest + (1.0 - lowest) * 0.5 * (1.0 + math.erf(x * slope + offset))


def score_newly_flagged(fraction: float) -> float:
    """Return F1, the score of a fraction of data newly flagged: 1 up to 5 %, 0.5 at 50 %, 0 above.

    Parameters
    ----------
    fraction : float
        Newly flagged, of all; in [0, 1].

    Returns
    -------
    float
        The score.

    Raises
    ------
    ArgumentError
        The fraction is not in [0, 1].
    """
    fraction = _fraction(fraction)
    return 0.0 if fraction > 0.5 else linear_score(fraction, 0.05, 1.0, 0.5, 0.5)


def score_total_flagged(fraction: float) -> float:
    """Return F2, one minus the fraction flagged.

    Parameters
    ----------
    fraction : float
        Flagged, of all; in [0, 1].

    Returns
    -------
    float
        The score.

    Raises
    ------
    ArgumentError
        The fraction is not in [0, 1].
    """
    return 1.0 - _fraction(fraction)


def score_agents(fraction: float, recipe: Recipe = "today") -> float:
    """Return F3, the score of a fraction of data flagged by agents before calibration.

    Parameters
    ----------
    fraction : float
        Flagged by the agents together, of all; in [0, 1].
    recipe : {'today', 'cycle4'}
        1 up to 24 % and 0 from 79 % (today), or 1 up to 5 % and 0 from 60 % (cycle4).

    Returns
    -------
    float
        The score.

    Raises
    ------
    ArgumentError
        The fraction is not in [0, 1], or the recipe is not known.
    """
    if recipe not in AGENT_LIMITS:
        raise ArgumentError(f"no recipe {recipe!r}: {', '.join(sorted(AGENT_LIMITS))}")
    good, bad = AGENT_LIMITS[recipe]
    return linear_score(_fraction(fraction), good, 1.0, bad, 0.0)


def score_view(views: int) -> float:
    """Return the score of the views that a stage looked at: 1 if there was any, else 0.

    Parameters
    ----------
    views : int
        How many views were made.

    Returns
    -------
    float
        The score.
    """
    return 1.0 if views > 0 else 0.0


def newly_flagged(counts: Sequence[float]) -> list[float]:
    """Return what each of several agents flagged, from the numbers of flags counted after each of them.

    Parameters
    ----------
    counts : sequence of float
        Flagged before the first agent, and after each agent in turn.

    Returns
    -------
    list of float
        The differences, one fewer than the counts.
    """
    return [after - before for before, after in itertools.pairwise(counts)]


def lowest_score(scores: Iterable[float]) -> float:
    """Return the score of a stage, the lowest of its scores.

    Parameters
    ----------
    scores : iterable of float
        At least one.

    Returns
    -------
    float
        The lowest.

    Raises
    ------
    ArgumentError
        There are none.
    """
    values = list(scores)
    if not values:
        raise ArgumentError("a stage without scores has no lowest one")
    return min(values)


def colour(score: float) -> Colour:
    """Return the colour of a score: red to 0.33, yellow to 0.66, blue to 0.90, green above.

    Parameters
    ----------
    score : float
        At most 1; negative if scoring failed, which is red.

    Returns
    -------
    {'red', 'yellow', 'blue', 'green'}
        The colour.

    Raises
    ------
    ArgumentError
        The score is above 1 or not a number.
    """
    if not score <= 1.0:
        raise ArgumentError(f"a score is at most 1, not {score}")
    if score <= RED:
        return "red"
    if score <= YELLOW:
        return "yellow"
    return "blue" if score <= BLUE else "green"


def bar_percent(score: float) -> float:
    """Return the length of a score's bar on a page: 5 % for 0, 100 % for 1.

    Parameters
    ----------
    score : float
        Negative (scoring failed) counts as 0.

    Returns
    -------
    float
        Percent of the full length.
    """
    return 5.0 + 95.0 * min(max(score, 0.0), 1.0)


def _fraction(value: float) -> float:
    """Return a fraction, or say that it is none; rounding may carry one past an end."""
    if not -1e-9 <= value <= 1.0 + 1e-9:
        raise ArgumentError(f"a fraction of flagged data is in [0, 1], not {value}")
    return min(max(value, 0.0), 1.0)
