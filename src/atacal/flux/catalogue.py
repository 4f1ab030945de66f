"""A catalogue of measured flux densities, and the source in it that a name or a position means."""

from __future__ import annotations

import datetime
import difflib
from dataclasses import dataclass

from atacal.errors import UnknownSource
from atacal.flux.source_names import Box, alias, boxes, far_from, of_equinox, position, separation_arcsec, spelled

TOLERANCE_ARCSEC = 10.0
"""How near a source must be to a position to be the one that is meant."""

_LEAST_JY, _MOST_JY = 1e-6, 1e6
_LEAST_RELATIVE = 1e-6


@dataclass(frozen=True)
class Measurement:
    """A measured flux density.

    Attributes
    ----------
    date : datetime.date
        Of the observation, UTC.
    freq_hz, flux_jy : float
    error_jy : float, optional
        None if the catalogue has none.
    """

    date: datetime.date
    freq_hz: float
    flux_jy: float
    error_jy: float | None = None


def why_useless(m: Measurement) -> str:
    """Say why a measurement cannot be used, "" if it can: it must be of a flux density that is more than its error."""
    if not _LEAST_JY <= m.flux_jy <= _MOST_JY:
        return f"the flux density {m.flux_jy:g} Jy is not between {_LEAST_JY:g} and {_MOST_JY:g} Jy"
    if m.error_jy is not None and not _LEAST_RELATIVE <= m.error_jy / m.flux_jy < 1:
        return f"the error {m.error_jy:g} Jy of {m.flux_jy:g} Jy is not between {_LEAST_RELATIVE:g} of it and all of it"
    return ""


@dataclass(frozen=True)
class CatalogueSource:
    """A source of a catalogue.

    Attributes
    ----------
    names : tuple of str
        The first is the one that it is called.
    position_deg : tuple of 2 floats, optional
        J2000 right ascension and declination.
    measurements : tuple of Measurement
    """

    names: tuple[str, ...]
    position_deg: tuple[float, float] | None
    measurements: tuple[Measurement, ...]

    @property
    def name(self) -> str:
        return self.names[0]

    def is_called(self, name: str) -> bool:
        """Whether this is one of its names, however it is spelled, or the common name of one of them."""
        mine = {spelled(n) for n in self.names} | {alias(n) for n in self.names}
        return bool((mine & {spelled(name), alias(name)}) - {None})

    def lies_in(self, box: Box, *, slack: float = 0.0) -> bool:
        """Whether it is in a part of the sky: by its position, else by its names that are made of one."""
        if self.position_deg is not None:
            return not far_from(box, *self.position_deg) and box.has(
                *of_equinox(*self.position_deg, box.equinox), slack=slack
            )
        mine = [b for n in self.names for b in boxes(n) if b.equinox == "J2000"]
        return any(_overlap(b, box, slack) for b in mine)


def _overlap(name: Box, wanted: Box, slack: float) -> bool:
    """Whether a name (J2000) and a box can mean the same place."""
    if far_from(wanted, name.ra_deg, name.dec_deg):
        return False
    ra, dec = of_equinox(name.ra_deg, name.dec_deg, wanted.equinox)
    tilt = 1.0 if wanted.equinox == "J2000" else 1.5  # a box of J2000 lies askew in B1950
    wider = Box(
        wanted.equinox, wanted.ra_deg, wanted.dec_deg,
        wanted.half_ra_deg + tilt * name.half_ra_deg * (wanted.equinox != "J2000"),
        wanted.half_dec_deg + tilt * name.half_dec_deg * (wanted.equinox != "J2000"),
    )  # fmt: skip
    return wider.has(ra, dec, slack=slack)


@dataclass(frozen=True)
class Catalogue:
    """Sources with their measured flux densities.

    Attributes
    ----------
    origin : str
        Where they are from, for messages.
    sources : tuple of CatalogueSource
    """

    origin: str
    sources: tuple[CatalogueSource, ...]

    def find(self, who: str, *, tolerance_arcsec: float = TOLERANCE_ARCSEC, adjacent: bool = False) -> CatalogueSource:
        """Return the source that a name or a position means.

        Names count however they are spelled; common names (3C 279) and names of B1950 are those of the source at that
        place; so are names with fewer digits. A name without a letter can be of J2000 or B1950.

        Parameters
        ----------
        who : str
            A name, or a position of J2000.
        tolerance_arcsec : float
            For a position.
        adjacent : bool
            A name made of a position may be a unit of its last digits beside it.

        Raises
        ------
        UnknownSource
            If there is none, or more than one.
        """
        at = position(who)
        if at is not None:
            return self.nearest(at, tolerance_arcsec=tolerance_arcsec)
        found = [s for s in self.sources if s.is_called(who)] or [s for s in self.sources if s.is_called(f"J{who}")]
        places = boxes(who)
        if not found:
            found = [s for s in self.sources if any(s.lies_in(b) for b in places)]
        if not found and adjacent:
            found = [s for s in self.sources if any(s.lies_in(b, slack=1.0) for b in places)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownSource(f"{self.origin}: {who!r} can be {_listed(found)}; give one of these names")
        raise UnknownSource(f"{self.origin} has no source {who!r}; {self._instead(who)}")

    def nearest(self, at_deg: tuple[float, float], *, tolerance_arcsec: float = TOLERANCE_ARCSEC) -> CatalogueSource:
        """Return the source at a position (J2000) [deg].

        Raises
        ------
        UnknownSource
            If none is as near as the tolerance.
        """
        where = f"{at_deg[0]:.6f} deg, {at_deg[1]:+.6f} deg"
        placed = [(separation_arcsec(at_deg, s.position_deg), s) for s in self.sources if s.position_deg is not None]
        if not placed:
            raise UnknownSource(f"{self.origin} has no positions, so none can be looked up ({where}); give a name")
        apart, source = min(placed, key=lambda pair: pair[0])
        if apart > tolerance_arcsec:
            raise UnknownSource(
                f"{self.origin} has no source within {tolerance_arcsec:g} arcsec of {where}; the nearest, "
                f"{source.name}, is {_angle(apart)} away"
            )
        return source

    def _instead(self, who: str) -> str:
        if not self.sources:
            return "it is empty"
        names = {spelled(n): n for s in self.sources for n in s.names}
        near = difflib.get_close_matches(spelled(who), names, n=3, cutoff=0.7)
        if near:
            return f"did you mean {' or '.join(names[n] for n in near)}?"
        return f"it has {_listed(list(self.sources))}"


def _angle(arcsec: float) -> str:
    return f"{arcsec:.1f} arcsec" if arcsec < 60 else f"{arcsec / 3600:.3g} deg"


def _listed(sources: list[CatalogueSource]) -> str:
    names = [s.name for s in sources[:5]]
    return ", ".join(names) + (f" and {len(sources) - 5} more" if len(sources) > 5 else "")
