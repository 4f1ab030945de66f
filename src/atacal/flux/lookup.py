"""Where measured flux densities come from: a catalogue file, else ALMA's public catalogue."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from atacal.errors import UnknownSource
from atacal.flux.alma_catalogue import MAX_AGE_DAYS, fetch, require_known
from atacal.flux.catalogue import TOLERANCE_ARCSEC, Catalogue, CatalogueSource
from atacal.flux.catalogue_file import read_catalogue
from atacal.flux.source_names import alias, position

CATALOGUE_VARIABLE = "ATACAL_FLUX_CATALOGUE"
"""Environment variable that names a catalogue file."""


@dataclass
class Lookup:
    """Finds sources with their measured flux densities.

    Attributes
    ----------
    catalogue : str
        A catalogue file. Empty: the environment variable ATACAL_FLUX_CATALOGUE, else ALMA's public catalogue.
    server : str
        The public catalogue's address; see `fetch`.
    refresh : bool
    max_age_days, timeout_s : float
    """

    catalogue: str = ""
    server: str = ""
    refresh: bool = False
    max_age_days: float = MAX_AGE_DAYS
    timeout_s: float = 30.0
    _read: Catalogue | None = field(default=None, repr=False)
    _fetched: dict[str, Catalogue] = field(default_factory=dict, repr=False)

    def local(self) -> Catalogue | None:
        """Return the catalogue that a file has, read once; None if there is no file to take.

        Raises
        ------
        CatalogueError, NoSuchTable
        """
        file = self.catalogue or os.environ.get(CATALOGUE_VARIABLE, "")
        if file and self._read is None:
            self._read = read_catalogue(file)
        return self._read

    def source(
        self,
        who: str,
        *,
        at_deg: tuple[float, float] | None = None,
        tolerance_arcsec: float = TOLERANCE_ARCSEC,
        adjacent: bool = False,
    ) -> tuple[CatalogueSource, str]:
        """Return a source, and where it was found.

        Parameters
        ----------
        who : str
            A name, or a position of J2000.
        at_deg : tuple of 2 floats, optional
            Where the source is (J2000): found by its position if the catalogue does not know the name.
        tolerance_arcsec : float
        adjacent : bool
            See `Catalogue.find`.

        Raises
        ------
        UnknownSource, CatalogueError, NoSuchTable, ServiceError
        """
        local = self.local()
        if local is not None:
            return find_at(local, who, at_deg, tolerance_arcsec=tolerance_arcsec, adjacent=adjacent), local.origin
        names = [who]
        at = position(who)
        if at is not None:
            names = [name_of(at)]
        elif (common := alias(who)) is not None:
            names.append(common)
        for name in names:
            found = self._ask(name)
            if found.sources:
                return find_at(found, who, at_deg, tolerance_arcsec=tolerance_arcsec, adjacent=adjacent), found.origin
        if at_deg is not None and (found := self._ask(name_of(at_deg))).sources:
            return found.nearest(at_deg, tolerance_arcsec=tolerance_arcsec), found.origin
        require_known(found, names[-1])
        raise AssertionError

    def _ask(self, name: str) -> Catalogue:
        if name not in self._fetched:
            self._fetched[name] = fetch(
                name, server=self.server, refresh=self.refresh, max_age_days=self.max_age_days, timeout_s=self.timeout_s
            )
        return self._fetched[name]


def find_at(
    catalogue: Catalogue,
    who: str,
    at_deg: tuple[float, float] | None = None,
    *,
    tolerance_arcsec: float = TOLERANCE_ARCSEC,
    adjacent: bool = False,
) -> CatalogueSource:
    """Return a catalogue's source of a name, or at a field's position (J2000) [deg] if it does not know the name.

    Raises
    ------
    UnknownSource
    """
    try:
        return catalogue.find(who, tolerance_arcsec=tolerance_arcsec, adjacent=adjacent)
    except UnknownSource:
        if at_deg is None:
            raise
        try:
            return catalogue.nearest(at_deg, tolerance_arcsec=tolerance_arcsec)
        except UnknownSource as error:
            raise UnknownSource(
                f"{catalogue.origin} has no source {who!r}, nor one at its position: {error}"
            ) from error


def name_of(at_deg: tuple[float, float]) -> str:
    """Return the J2000 name of a position: J0538-4405 (cut off, not rounded)."""
    ra_min, dec_min = int(at_deg[0] * 4 + 1e-9), int(abs(at_deg[1]) * 60 + 1e-9)
    sign = "-" if at_deg[1] < 0 else "+"
    return f"J{ra_min // 60:02d}{ra_min % 60:02d}{sign}{dec_min // 60:02d}{dec_min % 60:02d}"
