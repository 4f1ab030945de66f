"""Names of radio sources: how they are spelled, which are the same source, and the positions that names are made of."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

NICKNAMES = {
    "3C48": "J0137+3309", "3C84": "J0319+4130", "3C111": "J0418+3801", "3C120": "J0433+0521", "3C138": "J0521+1638",
    "3C147": "J0542+4951", "3C273": "J1229+0203", "3C274": "J1230+1223", "3C279": "J1256-0547", "3C286": "J1331+3030",
    "3C295": "J1411+5212", "3C345": "J1642+3948", "3C371": "J1806+6949", "3C380": "J1829+4844", "3C446": "J2225-0457",
    "3C454.3": "J2253+1608", "4C01.28": "J1058+0133", "4C06.69": "J2148+0657", "4C09.57": "J1751+0939",
    "4C11.69": "J2232+1143", "4C28.07": "J0237+2848", "4C29.45": "J1159+2914", "4C38.41": "J1635+3808",
    "4C39.25": "J0927+3902", "4C71.07": "J0841+7053", "APLIB": "J1517-2422", "BLLAC": "J2202+4216",
    "CENA": "J1325-4301", "CTA26": "J0339-0146", "CTA102": "J2232+1143", "M87": "J1230+1223", "MRK421": "J1104+3812",
    "MRK501": "J1653+3945", "NGC1275": "J0319+4130", "NRAO140": "J0336+3218", "NRAO150": "J0359+5057",
    "NRAO530": "J1733-1304", "OJ287": "J0854+2006", "OT081": "J1751+0939", "OV236": "J1924-2914",
}  # fmt: skip
"""Common names of calibrators, spelled as by `spelled`, and the J2000 names that ALMA's catalogue has for them."""

_PREFIX = re.compile(r"^(QSO|PKS|ICRF|IVS)(?=[JB]?\d)")
_SHORT = re.compile(r"([JB]?)(\d{2})(\d{2})([+-])(\d{2})(\d{1,2})")
_LONG = re.compile(r"J(\d{2})(\d{2})(\d{2}(?:\.\d+)?)([+-])(\d{2})(\d{2})(\d{2}(?:\.\d+)?)")
_POSITION = re.compile(r"(?:J2000\s+|ICRS\s+)?([\dhmsdeg:.]+)\s*[,\s]\s*([+-]?[\ddmseg:.'\"]+)", re.IGNORECASE)


def spelled(name: str) -> str:
    """Spell a name in one way: capitals, no blanks or underscores, plain minus signs, no ``QSO``, ``PKS``, ``ICRF``."""
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", text).upper()
    return _PREFIX.sub("", re.sub(r"[\s_*]+", "", text))


def alias(name: str) -> str | None:
    """Return the J2000 name of a source with a common name (`NICKNAMES`): 3C 279, BL Lac."""
    text = spelled(name)
    return NICKNAMES.get(text) or NICKNAMES.get(text.replace("-", ""))


@dataclass(frozen=True)
class Box:
    """The part of the sky that a name made of a position can mean: centre and half widths [deg]."""

    equinox: str
    ra_deg: float
    dec_deg: float
    half_ra_deg: float
    half_dec_deg: float

    def has(self, ra_deg: float, dec_deg: float, *, slack: float = 0.0) -> bool:
        """Whether a position of the box's equinox lies in it; slack is in widths of the box."""
        apart = abs((ra_deg - self.ra_deg + 180.0) % 360.0 - 180.0)
        return (
            apart <= self.half_ra_deg * (1 + 2 * slack) + 1e-9
            and abs(dec_deg - self.dec_deg) <= self.half_dec_deg * (1 + 2 * slack) + 1e-9
        )


def boxes(name: str) -> list[Box]:
    """Return what a name made of a position can mean: J0538-4405, B0537-441, 0537-441, J053850.3-440508.

    Digits are cut off, not rounded (the IAU's rule). Three digits after the sign are degrees and a tenth, four degrees
    and minutes. Without a letter a name is of J2000 or of B1950.

    Returns
    -------
    list of Box
        Empty if the name is made of something else.
    """
    text = spelled(name)
    if found := _LONG.fullmatch(text):
        hh, mm, ss, sign, dd, dm, ds = found.groups()
        ra, dec = 15 * (int(hh) + int(mm) / 60 + float(ss) / 3600), int(dd) + int(dm) / 60 + float(ds) / 3600
        if int(hh) > 23 or int(mm) > 59 or float(ss) >= 60 or int(dm) > 59 or float(ds) >= 60 or dec > 90:
            return []
        return [_box("J2000", ra, dec, sign, 15 * _last_digit(ss) / 3600, _last_digit(ds) / 3600)]
    if found := _SHORT.fullmatch(text):
        letter, hh, mm, sign, dd, rest = found.groups()
        minutes = len(rest) == 2
        if int(hh) > 23 or int(mm) > 59 or int(dd) > 90 or (minutes and int(rest) > 59):
            return []
        ra, dec = 15 * (int(hh) + int(mm) / 60), int(dd) + int(rest) / (60 if minutes else 10)
        equinoxes = {"J": ["J2000"], "B": ["B1950"], "": ["J2000", "B1950"]}[letter]
        return [_box(e, ra, dec, sign, 0.25, 1 / 60 if minutes else 0.1) for e in equinoxes]
    return []


def _last_digit(number: str) -> float:
    return float(10 ** -len(number.partition(".")[2]))


def _box(equinox: str, ra: float, dec: float, sign: str, width_ra: float, width_dec: float) -> Box:
    centre = dec + width_dec / 2
    return Box(equinox, ra + width_ra / 2, -centre if sign == "-" else centre, width_ra / 2, width_dec / 2)


def position(text: str) -> tuple[float, float] | None:
    """Read a position (J2000): ``05:38:50.4 -44:05:08.9``, ``05h38m50.4s -44d05m08.9s``, ``84.71deg -44.086deg``.

    Returns
    -------
    tuple of 2 floats, optional
        Right ascension and declination [deg]; None if the text is no position. Numbers without a unit are degrees.
    """
    found = _POSITION.fullmatch(text.strip())
    if found is None:
        return None
    ra, dec = _angle(found[1], hours=True), _angle(found[2], hours=False)
    if ra is None or dec is None or not 0 <= ra < 360 or abs(dec) > 90:
        return None
    return ra, dec


def _angle(text: str, *, hours: bool) -> float | None:
    """Read one coordinate [deg]: degrees, or three parts (with points between them, CASA's ``-44.05.08.9``)."""
    written = text.lower().strip()
    sign = -1.0 if written.startswith("-") else 1.0
    written = written.lstrip("+-").removesuffix("deg")
    casa = re.fullmatch(r"(\d+)\.(\d+)\.(\d+(?:\.\d*)?)", written)
    parts = list(casa.groups()) if casa else [p for p in re.split(r"[hmsd:'\"]", written) if p]
    try:
        values = [float(p) for p in parts]
    except ValueError:
        return None
    if not 1 <= len(values) <= 3 or any(v >= 60 for v in values[1:]):
        return None
    if hours and len(values) == 1 and "h" in written:
        return None
    whole = sum(v / 60**k for k, v in enumerate(values))
    return sign * whole * (15 if hours and len(values) > 1 else 1)


def separation_arcsec(a_deg: tuple[float, float], b_deg: tuple[float, float]) -> float:
    """Return the angle between two positions (ra, dec) [arcsec]."""
    (ra0, dec0), (ra1, dec1) = np.radians(a_deg), np.radians(b_deg)
    half = np.sin((dec1 - dec0) / 2) ** 2 + np.cos(dec0) * np.cos(dec1) * np.sin((ra1 - ra0) / 2) ** 2
    return float(np.degrees(2 * np.arcsin(np.sqrt(min(1.0, half)))) * 3600)


@lru_cache(maxsize=4096)
def of_equinox(ra_deg: float, dec_deg: float, equinox: str, *, back: bool = False) -> tuple[float, float]:
    """Return a position of J2000 in another equinox, "J2000" or "B1950" [deg]; back: from that one to J2000."""
    if equinox == "J2000":
        return ra_deg, dec_deg
    from astropy.coordinates import FK4, FK5, SkyCoord

    here, other = FK5(equinox="J2000"), FK4(equinox="B1950")
    there = SkyCoord(ra_deg, dec_deg, unit="deg", frame=other if back else here).transform_to(here if back else other)
    return float(there.ra.deg), float(there.dec.deg)


def far_from(box: Box, ra_deg: float, dec_deg: float) -> bool:
    """Whether a position of J2000 is far outside a box; quicker than to transform it."""
    centre = of_equinox(box.ra_deg, max(-90.0, min(90.0, box.dec_deg)), box.equinox, back=True)
    size = box.half_ra_deg * np.cos(np.radians(centre[1])) + box.half_dec_deg
    return separation_arcsec(centre, (ra_deg, dec_deg)) > 3600 * (1.0 + 4 * size)
