"""When a raw block observes what: scans with their subscans and intents, one after the other."""

from __future__ import annotations

import numpy as np

from atacal.simulate.raw_layout import GAP_S, SHORT_S, SLEW_S, START_MJD_S, Purpose, RawSize, RawSubscan, Setup

_SCIENCE = {
    "bandpass": "CALIBRATE_BANDPASS#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "flux": "CALIBRATE_FLUX#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "phase": "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "check": "OBSERVE_CHECK_SOURCE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "diffgain": "CALIBRATE_DIFFGAIN#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "target": "OBSERVE_TARGET#ON_SOURCE",
}


class _Clock:
    """Lays scans out in time."""

    def __init__(self, roles: tuple[str, ...], *, wvr: bool) -> None:
        self.roles, self.wvr, self.time, self.scan = roles, wvr, START_MJD_S, 0
        self.subscans: list[RawSubscan] = []

    def run(
        self,
        purpose: Purpose,
        role: str,
        parts: list[tuple[str, str, float, int]],
        integration_s: float,
        setup: Setup = "",
    ) -> None:
        """Add a scan of (intents, load, amplitude, integrations)."""
        self.scan += 1
        field = self.roles.index(role)
        for k, (intents, load, amplitude, count) in enumerate(parts, start=1):
            if not self.wvr:
                intents = ",".join(i for i in intents.split(",") if not i.startswith("CALIBRATE_WVR"))
            mid = np.round(self.time + (np.arange(count) + 0.5) * integration_s, 6)
            end = self.time + count * integration_s
            self.subscans.append(
                RawSubscan(
                    self.scan,
                    k,
                    field,
                    role,
                    purpose,
                    intents,
                    load,
                    amplitude,
                    self.time,
                    end,
                    mid,
                    integration_s,
                    self.wvr,
                    setup,
                )
            )
            self.time = end + GAP_S
        self.time += SLEW_S - GAP_S

    def pointing(self, role: str) -> None:
        """Look at a source, then beside it on four sides."""
        intents = "CALIBRATE_POINTING#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE"
        self.run("pointing", role, [(intents, "source", a, 3) for a in (1.0, 0.72, 0.70, 0.74, 0.71)], SHORT_S)

    def atmosphere(self, role: str, setup: Setup = "") -> None:
        """Look at the sky and at two loads."""
        loads = (("OFF_SOURCE", "sky"), ("AMBIENT", "ambient"), ("HOT", "hot"))
        self.run(
            "atmosphere", role,
            [(f"CALIBRATE_ATMOSPHERE#{word},CALIBRATE_WVR#{word}", load, 0.0, 3) for word, load in loads],
            SHORT_S, setup,
        )  # fmt: skip

    def science(self, role: str, visit: tuple[int, int], integration_s: float, setup: Setup = "") -> None:
        """Observe a field."""
        intents = _SCIENCE[role]
        if (role, setup) == ("diffgain", "reference"):
            intents = intents.replace("ON_SOURCE", "REFERENCE")
        self.run("science", role, [(intents, "source", 1.0, visit[1])] * visit[0], integration_s, setup)


def raw_schedule(size: RawSize, roles: tuple[str, ...]) -> tuple[RawSubscan, ...]:
    """Lay a raw block out: pointing, sideband ratio, Tsys, bandpass, flux, then phase and target in turn.

    Switched blocks observe the phase calibrator in the reference setup and the target in the signal setup; the
    differential gain calibrator in both by turns, before and after the target; the bandpass in both (and the flux
    calibrator, unless that is another band's).
    """
    clock = _Clock(roles, wvr=size.wvr)
    first = next(role for role in ("bandpass", "flux", "phase") if role in roles)
    clock.pointing(first)
    off = "CALIBRATE_SIDEBAND_RATIO#OFF_SOURCE,CALIBRATE_WVR#OFF_SOURCE"
    band: Setup = "reference" if size.mode == "b2b" else ""
    clock.run("sideband", first, [(off, "sky", 0.0, 4)], SHORT_S, band)
    if size.mode == "standard":
        _standard(clock, size)
    else:
        _switched(clock, size)
    return tuple(clock.subscans)


def _standard(clock: _Clock, size: RawSize) -> None:
    roles, t = clock.roles, size.integration_s
    for role, visit in (("bandpass", size.bandpass), ("flux", size.flux)):
        if role in roles:
            clock.atmosphere(role)
            clock.science(role, visit, t)
    clock.pointing("phase")
    for loop in range(size.loops):
        if loop % size.tsys_every == 0:
            clock.atmosphere("target")
        clock.science("phase", size.phase, t)
        if loop in (0, size.loops - 1) and "check" in roles:
            clock.science("check", size.check, t)
        clock.science("target", size.target, t)
    clock.science("phase", size.phase, t)


def _switched(clock: _Clock, size: RawSize) -> None:
    roles, t, b2b = clock.roles, size.integration_s, size.mode == "b2b"
    both: tuple[Setup, ...] = ("signal", "reference")

    def atmosphere(role: str, *setups: Setup) -> None:
        """Each band has its own; the windows of one band share theirs."""
        for setup in setups if b2b else ("",):
            clock.atmosphere(role, setup)

    def diffgain() -> None:
        turns: tuple[Setup, ...] = ("reference", "signal", "reference", "signal", "reference")
        for setup in turns:
            clock.science("diffgain", size.phase, t, setup)

    flux_setups: tuple[Setup, ...] = ("signal",) if b2b else both
    for role, visit, setups in (("bandpass", size.bandpass, both), ("flux", size.flux, flux_setups)):
        if role in roles:
            atmosphere(role, *setups)
            for setup in setups:
                clock.science(role, visit, t, setup)
    atmosphere("diffgain", *both)
    diffgain()
    clock.pointing("phase")
    for loop in range(size.loops):
        if loop % size.tsys_every == 0:
            atmosphere("target", "signal")
            if b2b:
                atmosphere("phase", "reference")
        clock.science("phase", size.phase, t, "reference")
        if loop in (0, size.loops - 1) and "check" in roles:
            clock.science("check", size.check, t, "signal")
        clock.science("target", size.target, t, "signal")
    clock.science("phase", size.phase, t, "reference")
    diffgain()
