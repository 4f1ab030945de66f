"""Flag commands as stretches of time of antennas, for pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atacal.flags.entries import Entry

ALL_ANTENNAS = "All"


def bars_of(entries: Sequence[Entry], within_mjd_s: tuple[float, float]) -> Iterator[tuple[str, str, float, float]]:
    """Yield (antenna, reason, begin, end) of every antenna and time range of every command, times in [MJD s].

    A command without antennas is one of ``All``, without times one of the whole of ``within_mjd_s``. Several reasons
    (joined by ',') belong to the time ranges one by one if there are as many of them; otherwise they are together
    'Miscellaneous', as in CASA.

    Raises
    ------
    SelectionError
    """
    from atacal.ms.selection import TimeReference, parse_timerange

    reference = TimeReference(within_mjd_s[0], 0.0)
    for entry in entries:
        text = str(entry.words.get("timerange", "")).strip()
        windows = parse_timerange(text, reference) if text else []
        spans = [(max(w.low, within_mjd_s[0] - 1.0), min(w.high, within_mjd_s[1] + 1.0)) for w in windows]
        spans = spans or [within_mjd_s]
        reasons = entry.reason.split(",")
        if len(reasons) == 1:
            reasons *= len(spans)
        elif len(reasons) != len(spans):
            reasons = ["Miscellaneous"] * len(spans)
        antennas = str(entry.words.get("antenna", "")).split(",")
        for antenna in antennas:
            name = antenna.strip().removesuffix("&&*").removesuffix("&&&") or ALL_ANTENNAS
            for reason, (begin, end) in zip(reasons, spans, strict=True):
                yield name, reason.strip() or "Unknown", begin, end
