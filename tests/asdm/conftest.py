"""A writer of tiny ASDMs: three or four antennas, a radiometer, two scans of two subscans, a few integrations."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

NS = 1_000_000_000
T0 = 4942216800 * NS
STEP = 2 * NS
POLS = {1: ("XX",), 2: ("XX", "YY"), 4: ("XX", "XY", "YX", "YY")}
AUTO_POLS = {1: ("XX",), 2: ("XX", "YY"), 4: ("XX", "XY", "YY")}
OPEN = (1 << 63) - 1 - T0


@dataclass
class Tiny:
    """What a tiny ASDM is like."""

    nant: int = 3
    nchan: tuple[int, ...] = (8, 4)
    npol: int = 2
    cross_type: str = "INT16_TYPE"
    scale: tuple[float, ...] = (1000.0, 32.0)
    corrections: tuple[str, ...] = ("AP_UNCORRECTED",)
    mode: str = "CROSS_AND_AUTO"
    zero_lags: bool = False
    flags: bool = True
    flag_axes: str = "BAL ANT BAB POL"
    one_baseband: bool = False
    order: str = "<"
    wvr: bool = True
    repeat_wvr: bool = False
    integrations: int = 3
    data_size: int | None = None
    telescope: str = "ALMA"
    pointing: str = "xml"
    ephemeris: int = 0
    """Coefficients of the directions; 0: there is no ephemeris."""
    field_time: bool = True
    frame: str = "J2000"
    scan_intents: tuple[str, str] = ("CALIBRATE_PHASE CALIBRATE_WVR", "CALIBRATE_PHASE CALIBRATE_WVR")
    """Two of each scan."""
    signal: float = 0.0
    """What every baseline sees, beside noise of 1000."""
    extra: dict[str, list[list[tuple[str, str]]]] = field(default_factory=dict)
    seed: int = 1


def _array(values, quote=False):
    a = np.asarray(values)
    words = [f'"{v}"' if quote else (repr(float(v)) if a.dtype.kind == "f" else str(v)) for v in a.ravel()]
    return " ".join([str(a.ndim), *map(str, a.shape), *words])


def _ref(uid, kind="Main"):
    return f'<EntityRef entityId="{uid}" partId="X00000000" entityTypeName="{kind}" documentVersion="1"/>'


def _interval(start, end):
    return f"{(start + end) // 2} {end - start}"


class Writer:
    """Writes an ASDM, a table after the other."""

    def __init__(self, path: Path, tiny: Tiny) -> None:
        self.path, self.tiny, self.rng = Path(path), tiny, np.random.default_rng(tiny.seed)
        (self.path / "ASDMBinary").mkdir(parents=True)
        self.count: dict[str, int] = {}

    def table(self, name, rows):
        self.count[name] = len(rows)
        body = "".join("<row>" + "".join(f"<{k}>{v}</{k}>" for k, v in r) + "</row>\n" for r in rows)
        (self.path / f"{name}.xml").write_text(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}Table schemaVersion="3" schemaRevision="1.64">\n'
            f'<Entity entityId="uid://A002/X1/X{len(self.count)}" entityIdEncrypted="na" entityTypeName="{name}Table" '
            f'schemaVersion="1" documentVersion="1"/>\n<ContainerEntity entityId="uid://A002/X1/X0" '
            f'entityIdEncrypted="na" entityTypeName="ASDM" schemaVersion="1" documentVersion="1"/>\n'
            f"{body}</{name}Table>\n"
        )

    def finish(self):
        tables = "".join(
            f'<Table><Name>{n}</Name><NumberRows>{c}</NumberRows><Entity entityId="uid://A002/X1/X{i}" '
            f'entityIdEncrypted="na" entityTypeName="{n}Table" schemaVersion="1" documentVersion="1"/></Table>\n'
            for i, (n, c) in enumerate(self.count.items(), 1)
        )
        (self.path / "ASDM.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<ASDM schemaVersion="3" schemaRevision="1.64">\n'
            '<Entity entityId="uid://A002/X1/X0" entityIdEncrypted="na" entityTypeName="ASDM" schemaVersion="1" '
            f'documentVersion="1"/>\n<TimeOfCreation>2015-06-28T16:00:00.000000000</TimeOfCreation>\n{tables}</ASDM>\n'
        )

    # ---- what does not change with time
    def setup(self):
        t, ants = self.tiny, range(self.tiny.nant)
        nspw = len(t.nchan)
        self.table(
            "Antenna",
            [
                [
                    ("antennaId", f"Antenna_{i}"),
                    ("name", f"DA{41 + i}"),
                    ("antennaMake", "AEM_12"),
                    ("antennaType", "GROUND_BASED"),
                    ("dishDiameter", "12.0"),
                    ("position", _array([0.01 * i, -0.02, 7.5])),
                    ("offset", _array([0.0, 0.0, 0.0])),
                    ("time", T0),
                    ("stationId", f"Station_{i}"),
                ]
                for i in ants
            ],
        )
        pads = [[2225061.9 + 30.0 * i, -5440061.9 + 17.0 * i * i, -2481682.1 - 11.0 * i] for i in range(t.nant + 1)]
        self.table(
            "Station",
            [
                [
                    ("stationId", f"Station_{i}"),
                    ("name", f"A{i:03d}"),
                    ("position", _array(pads[i])),
                    ("type", "WEATHER_STATION" if i == t.nant else "ANTENNA_PAD"),
                ]
                for i in range(t.nant + 1)
            ],
        )
        rows = [
            [
                ("spectralWindowId", "SpectralWindow_0"),
                ("basebandName", "NOBB"),
                ("netSideband", "DSB"),
                ("numChan", 4),
                ("refFreq", 1.833e11),
                ("sidebandProcessingMode", "NONE"),
                ("totBandwidth", 7.5e9),
                ("windowFunction", "UNIFORM"),
                ("chanFreqArray", _array([1.845e11, 1.865e11, 1.888e11, 1.905e11])),
                ("chanWidthArray", _array([1.5e9, 2.5e9, 2e9, 1.5e9])),
                ("effectiveBwArray", _array([1.5e9, 2.5e9, 2e9, 1.5e9])),
                ("resolutionArray", _array([1.5e9, 2.5e9, 2e9, 1.5e9])),
                ("name", "WVR#NOMINAL"),
            ]
        ]
        for k, nchan in enumerate(t.nchan):
            step = -15.625e6 if k % 2 else 15.625e6
            rows.append(
                [
                    ("spectralWindowId", f"SpectralWindow_{k + 2}"),
                    ("basebandName", self.baseband(k)),
                    ("netSideband", "USB"),
                    ("numChan", nchan),
                    ("refFreq", 3.45e11),
                    ("sidebandProcessingMode", "NONE"),
                    ("totBandwidth", abs(step) * nchan),
                    ("windowFunction", "HANNING"),
                    ("chanFreqStart", 3.45e11 + k * 1e9),
                    ("chanFreqStep", step),
                    ("chanWidth", abs(step)),
                    ("effectiveBw", 1.6 * abs(step)),
                    ("resolution", 2 * abs(step)),
                    ("name", f"spw{k}"),
                ]
            )
        unused = list(rows[0])
        unused[0], unused[-1] = ("spectralWindowId", "SpectralWindow_1"), ("name", "WVR#Antenna_0")
        self.table("SpectralWindow", [rows[0], unused, *rows[1:]])
        pols = POLS[t.npol]
        self.table(
            "Polarization",
            [
                [
                    ("polarizationId", "Polarization_0"),
                    ("numCorr", t.npol),
                    ("corrType", _array(pols)),
                    ("corrProduct", _array([[p[0], p[1]] for p in pols])),
                ],
                [
                    ("polarizationId", "Polarization_1"),
                    ("numCorr", 1),
                    ("corrType", "1 1 XX"),
                    ("corrProduct", "2 1 2 X X"),
                ],
            ],
        )
        self.table(
            "DataDescription",
            [
                [
                    ("dataDescriptionId", f"DataDescription_{d}"),
                    ("polOrHoloId", f"Polarization_{int(d == 0)}"),
                    ("spectralWindowId", f"SpectralWindow_{0 if d == 0 else d + 1}"),
                ]
                for d in range(nspw + 1)
            ],
        )
        self.table(
            "Feed",
            [
                [
                    ("feedId", 0),
                    ("timeInterval", f"{T0 + OPEN // 2} {OPEN}"),
                    ("numReceptor", 2),
                    ("beamOffset", _array(np.zeros((2, 2)))),
                    ("focusReference", _array(np.zeros((2, 3)))),
                    ("polarizationTypes", "1 2 X Y"),
                    ("polResponse", "2 2 2 1.0 0.0 0.0 0.5 0.25 0.0 1.0 0.0"),
                    ("receptorAngle", _array([0.1, 1.6])),
                    ("antennaId", f"Antenna_{i}"),
                    ("receiverId", "1 2 0 0"),
                    ("spectralWindowId", f"SpectralWindow_{s}"),
                ]
                for s in (0, *range(2, nspw + 2))
                for i in ants
            ],
        )
        self.sky()
        self.table(
            "SwitchCycle",
            [
                [
                    ("switchCycleId", "SwitchCycle_0"),
                    ("numStep", 1),
                    ("weightArray", "1 1 1.0"),
                    ("dirOffsetArray", "2 1 2 0.0 0.0"),
                    ("freqOffsetArray", "1 1 1.0"),
                    ("stepDurationArray", "1 1 0"),
                ]
            ],
        )
        self.table(
            "State",
            [
                [
                    ("stateId", f"State_{i}"),
                    ("calDeviceName", "NONE"),
                    ("sig", s),
                    ("ref", r),
                    ("onSky", s),
                    ("weight", "1.0"),
                ]
                for i, (s, r) in enumerate([("true", "false"), ("false", "true")])
            ],
        )
        self.table(
            "SBSummary",
            [
                [
                    ("sBSummaryId", "SBSummary_0"),
                    ("sbSummaryUID", _ref("uid://A001/X11/X72")),
                    ("projectUID", _ref("uid://A001/X11/X6e")),
                    ("obsUnitSetUID", _ref("uid://A001/X11/X6f")),
                    ("frequency", 345.0),
                    ("frequencyBand", "UNSPECIFIED"),
                    ("sbType", "OBSERVER"),
                    ("sbDuration", 3600 * NS),
                    ("numObservingMode", 1),
                    ("observingMode", '1 1 "Standard Interferometry"'),
                    ("numberRepeats", 1),
                    ("numScienceGoal", 1),
                    ("scienceGoal", '1 1 "dynamicRange = 1.0"'),
                    ("numWeatherConstraint", 1),
                    ("weatherConstraint", '1 1 "maxPWVC = 5.0 mm"'),
                ]
            ],
        )
        self.table(
            "ExecBlock",
            [
                [
                    ("execBlockId", "ExecBlock_0"),
                    ("startTime", T0),
                    ("endTime", T0 + 100 * NS),
                    ("execBlockNum", 1),
                    ("execBlockUID", _ref("uid://A002/X1/X0")),
                    ("projectUID", _ref("uid://A001/X11/X6e")),
                    ("configName", "C1"),
                    ("telescopeName", t.telescope),
                    ("observerName", "test"),
                    ("numObservingLog", 1),
                    ("observingLog", '1 1 "log of it"'),
                    ("sessionReference", _ref("uid://A001/X0/X1")),
                    ("baseRangeMin", 0.0),
                    ("baseRangeMax", 0.0),
                    ("baseRmsMinor", 0.0),
                    ("baseRmsMajor", 0.0),
                    ("basePa", 0.0),
                    ("aborted", "false"),
                    ("numAntenna", t.nant),
                    ("siteAltitude", 0.0),
                    ("siteLongitude", 0.0),
                    ("siteLatitude", 0.0),
                    ("antennaId", _array([f"Antenna_{i}" for i in ants])),
                    ("sBSummaryId", "SBSummary_0"),
                ]
            ],
        )

    def sky(self):
        t = self.tiny
        rows = []
        for i, (name, lon, lat) in enumerate((("J0538-4405", 1.4784656, -0.7694427), ("Titan", 3.9, -0.3))):
            moving = i == 1 and t.ephemeris
            at = [[0.0, 0.0]] if moving else [[lon, lat]]
            row = [
                ("fieldId", f"Field_{i}"),
                ("fieldName", name),
                ("numPoly", 1),
                ("delayDir", _array(at)),
                ("phaseDir", _array(at)),
                ("referenceDir", _array(at)),
                ("code", "none"),
                ("directionCode", t.frame),
                ("sourceId", i),
            ]
            if t.field_time or not moving:
                row.append(("time", T0 + i * NS))
            if moving:
                row.append(("ephemerisId", 0))
            rows.append(row)
        self.table("Field", rows)
        self.table(
            "Source",
            [
                [
                    ("sourceId", i),
                    ("timeInterval", f"{T0 + OPEN // 2} {OPEN}"),
                    ("code", "none"),
                    ("direction", _array([1.4784656, -0.7694427] if i == 0 else [3.9, -0.3])),
                    ("properMotion", _array([0.0, 0.0])),
                    ("sourceName", "J0538-4405" if i == 0 else "Titan"),
                    ("directionCode", "J2000"),
                    ("numLines", 1),
                    ("transition", '1 1 "CO(3-2)"'),
                    ("restFrequency", _array([3.45796e11])),
                    ("sysVel", _array([1000.0])),
                    ("spectralWindowId", "SpectralWindow_2"),
                ]
                for i in range(2)
            ],
        )

    def baseband(self, k):
        return "BB_1" if self.tiny.one_baseband else f"BB_{k + 1}"

    # ---- binaries
    def bdf(self, uid, header, parts):
        path = self.path / "ASDMBinary" / uid.replace(":", "_").replace("/", "_")
        out = bytearray()
        out += (
            f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="MIME_boundary-1"; type="text/xml"\n'
            f"Content-Description: Correlator\nContent-Location: {uid}\n\n--MIME_boundary-1\n"
            f'Content-Type: text/xml; charset="UTF-8"\nContent-Location: 1/1/1/desc.xml\n\n{header}'
        ).encode()
        for k, (time, interval, kind, data) in enumerate(parts, 1):
            place = "1/1/1/" if kind == "BinaryTotalPowerData" else f"1/1/1/{k}/"
            links = "".join(
                f'<{n} xlink:href="{place}{n}.bin"'
                + (f' type="{self.tiny.cross_type}"' if n == "crossData" else "")
                + "/>\n"
                for n in data
            )
            out += (
                '--MIME_boundary-1\nContent-Type: Multipart/Related; boundary="MIME_boundary-2";type="text/xml"\n'
                "Content-Description: Data and metadata subset\n--MIME_boundary-2\n"
                f'Content-Type: text/xml; charset="UTF-8"\nContent-Location: {place}desc.xml\n\n'
                '<sdmDataSubsetHeader xmlns:xlink="http://www.w3.org/1999/xlink" '
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                f'xsi:type="{kind}" projectPath="{place}">\n'
                f"<schedulePeriodTime>\n<time>{time}</time>\n<interval>{interval}</interval>\n</schedulePeriodTime>\n"
                f'<dataStruct ref="true"/>\n{links}</sdmDataSubsetHeader>\n'
            ).encode()
            for n, values in data.items():
                out += b"--MIME_boundary-2\nContent-Type: binary/octet-stream\n"
                out += f"Content-Location: {place}{n}.bin\n\n".encode()
                out += values.astype(values.dtype.newbyteorder(self.tiny.order)).tobytes() + b"\n"
            out += b"--MIME_boundary-2--\n"
        out += b"--MIME_boundary-1--\n"
        path.write_bytes(out)
        return len(out)

    def header(self, uid, title, start, mode, resolution, processor, structure, ntime):
        dim = f"<numTime>{ntime}</numTime>" if ntime else '<dimensionality axes="TIM">1</dimensionality>'
        order = "Big_Endian" if self.tiny.order == ">" else "Little_Endian"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<sdmDataHeader byteOrder="{order}" schemaVersion="2" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xlink="http://www.w3.org/1999/xlink" '
            'xmlns:xvers="http://aramis.obspm.fr/~alma/xvers" projectPath="1/1/1/" xvers:schemaVersion="0" '
            f'xvers:revision="0.0.96">\n<startTime>{start}</startTime>\n<dataOID xlink:type="locator" '
            f'xlink:href="{uid}" xlink:title="{title}"/>\n{dim}\n<execBlock xlink:href="uid://A002/X1/X0"/>\n'
            f"<numAntenna>{self.tiny.nant}</numAntenna>\n<correlationMode>{mode}</correlationMode>\n"
            f"<spectralResolution>{resolution}</spectralResolution>\n<processorType>{processor}</processorType>\n"
            f"{structure}</sdmDataHeader>\n"
        )

    def correlator(self, uid, start):
        t = self.tiny
        nbl, napc, npol = t.nant * (t.nant - 1) // 2, len(t.corrections), t.npol
        has_cross, has_auto = t.mode != "AUTO_ONLY", t.mode != "CROSS_ONLY"
        autos = AUTO_POLS[npol]
        windows, size_cross, size_auto, size_flags = [], 0, 0, 0
        for k, nchan in enumerate(t.nchan):
            cross = f'crossPolProducts="{" ".join(POLS[npol])}" scaleFactor="{t.scale[k]}" ' if has_cross else ""
            auto = f'sdPolProducts="{" ".join(autos)}" ' if has_auto else ""
            windows.append(
                f'<spectralWindow sw="{k + 1 if t.one_baseband else 1}" swbb="{self.baseband(k)}" {cross}{auto}'
                f'numSpectralPoint="{nchan}" numBin="1" sideband="USB"/>\n'
            )
            size_cross += nbl * napc * nchan * npol * 2
            size_auto += t.nant * nchan * (4 if npol == 4 else npol)
            if k == 0 or not t.one_baseband or "SPW" in t.flag_axes:
                size_flags += nbl * npol * has_cross + t.nant * len(autos) * has_auto
        bases = (
            [f'<baseband name="BB_1">\n{"".join(windows)}</baseband>\n']
            if t.one_baseband
            else [f'<baseband name="{self.baseband(k)}">\n{w}</baseband>\n' for k, w in enumerate(windows)]
        )
        kind = {"CROSS_AND_AUTO": "CrossAndAutoData", "AUTO_ONLY": "AutoData", "CROSS_ONLY": "CrossData"}[t.mode]
        axes = " ".join(a for a in t.flag_axes.split() if not (a == "BAL" and not has_cross))
        parts_of = ""
        if t.flags:
            parts_of += f'<flags size="{size_flags}" axes="{axes}"/>\n'
        if has_cross:
            parts_of += f'<crossData size="{size_cross}" axes="BAL BAB APC SPP POL"/>\n'
        if has_auto:
            parts_of += f'<autoData size="{size_auto}" axes="ANT BAB SPP POL" normalized="false"/>\n'
        if t.zero_lags:
            parts_of += f'<zeroLags size="{t.nant * len(t.nchan) * 2}" axes="ANT BAB POL" correlatorType="FXF"/>\n'
        apc = f' apc="{" ".join(t.corrections)}"' if has_cross else ""
        structure = f'<dataStruct xsi:type="{kind}"{apc}>\n{"".join(bases)}{parts_of}</dataStruct>\n'
        parts = []
        dtype = {"INT16_TYPE": "i2", "INT32_TYPE": "i4", "FLOAT32_TYPE": "f4"}[t.cross_type]
        for n in range(t.integrations):
            data = {}
            if t.flags:
                words = self.rng.choice(np.array([0, 0, 1, 2, 3, 4, 1 << 31], np.uint32), size_flags)
                data["flags"] = words
            if has_cross:
                cross = self.rng.normal(size=size_cross) * 1000
                cross[::2] += t.signal  # the real parts
                data["crossData"] = cross.astype(dtype)
            if has_auto:
                data["autoData"] = self.rng.normal(size=size_auto).astype("f4")
            if t.zero_lags:
                data["zeroLags"] = self.rng.normal(size=t.nant * len(t.nchan) * 2).astype("f4")
            name = {
                "CROSS_AND_AUTO": "BinaryCrossAndAutoData",
                "AUTO_ONLY": "BinaryAutoData",
                "CROSS_ONLY": "BinaryCrossData",
            }
            parts.append((start + n * STEP + STEP // 2, STEP, name[t.mode], data))
        head = self.header(uid, "ALMA Correlator Data", start, t.mode, "FULL_RESOLUTION", "CORRELATOR", structure, 0)
        return self.bdf(uid, head, parts)

    def radiometer(self, uid, start, ntime):
        n = self.tiny.nant
        structure = (
            '<dataStruct xsi:type="TotalPowerData">\n<baseband name="NOBB">\n<spectralWindow sw="1" swbb="NOBB" '
            'sdPolProducts="XX" numSpectralPoint="4" numBin="1" sideband="DSB"/>\n</baseband>\n'
            f'<flags size="{ntime * n}" axes="TIM ANT"/>\n'
            f'<autoData size="{ntime * n * 4}" axes="TIM ANT SPP" normalized="false"/>\n</dataStruct>\n'
        )
        data = {
            "flags": self.rng.choice(np.array([0, 1], np.uint32), ntime * n),
            "autoData": self.rng.normal(200.0, 5.0, ntime * n * 4).astype("f4"),
        }
        head = self.header(
            uid, "ALMA Radiometer Data", start, "AUTO_ONLY", "BASEBAND_WIDE", "RADIOMETER", structure, ntime
        )
        return self.bdf(uid, head, [(start + ntime * NS // 2, ntime * NS, "BinaryTotalPowerData", data)])

    def data(self):
        t, nant = self.tiny, self.tiny.nant
        length = t.integrations * STEP
        main, subscans, scans, number = [], [], [], 0
        for scan in (1, 2):
            begin = T0 + (scan - 1) * 40 * NS
            for sub in (1, 2):
                start = begin + (sub - 1) * (length if t.repeat_wvr else length + 4 * NS)
                for kind in ("correlator", "radiometer")[: 2 if t.wvr else 1]:
                    number += 1
                    uid = f"uid://A002/X1/X{100 + number:x}"
                    if kind == "correlator":
                        size, count, config = self.correlator(uid, start), t.integrations, 0
                    else:
                        count = length // NS
                        first = start - NS if t.repeat_wvr and sub == 2 else start
                        size, config = self.radiometer(uid, first, count), 1
                    main.append(
                        [
                            ("time", start + length // 2),
                            ("numAntenna", nant),
                            ("timeSampling", "INTEGRATION"),
                            ("interval", length),
                            ("numIntegration", count),
                            ("scanNumber", scan),
                            ("subscanNumber", sub),
                            ("dataSize", t.data_size or size),
                            ("dataUID", _ref(uid)),
                            ("configDescriptionId", f"ConfigDescription_{config}"),
                            ("execBlockId", "ExecBlock_0"),
                            ("fieldId", f"Field_{scan - 1}"),
                            ("stateId", _array(["State_0"] * nant)),
                        ]
                    )
                subscans.append(
                    [
                        ("scanNumber", scan),
                        ("subscanNumber", sub),
                        ("startTime", start - NS),
                        ("endTime", start + length + NS),
                        ("fieldName", "J0538-4405" if scan == 1 else "Titan"),
                        ("subscanIntent", "ON_SOURCE" if sub == 1 else "HOT"),
                        ("subscanMode", "NO_SWITCHING"),
                        ("numIntegration", t.integrations),
                        ("numSubintegration", _array([1] * t.integrations)),
                        ("correlatorCalibration", "NONE"),
                        ("execBlockId", "ExecBlock_0"),
                    ]
                )
            scans.append(
                [
                    ("scanNumber", scan),
                    ("startTime", begin - NS),
                    ("endTime", begin + 2 * length + 6 * NS),
                    ("numIntent", 2),
                    ("numSubscan", 2),
                    ("scanIntent", f"1 2 {t.scan_intents[scan - 1]}"),
                    ("calDataType", "1 2 NONE WVR"),
                    ("calibrationOnLine", "1 2 true false"),
                    ("numField", 1),
                    ("fieldName", '1 1 "a field"'),
                    ("sourceName", "J0538-4405"),
                    ("execBlockId", "ExecBlock_0"),
                ]
            )
        self.table("Main", main)
        self.table("Subscan", subscans)
        self.table("Scan", scans)
        dds = [f"DataDescription_{k + 1}" for k in range(len(t.nchan))]
        common = [
            ("numAntenna", nant),
            ("numFeed", 1),
            ("antennaId", _array([f"Antenna_{i}" for i in range(nant)])),
            ("feedId", _array([0] * nant)),
        ]
        self.table(
            "ConfigDescription",
            [
                [
                    *common,
                    ("numDataDescription", len(dds)),
                    ("correlationMode", t.mode),
                    ("configDescriptionId", "ConfigDescription_0"),
                    ("numAtmPhaseCorrection", len(t.corrections)),
                    ("atmPhaseCorrection", _array(t.corrections)),
                    ("processorType", "CORRELATOR"),
                    ("spectralType", "FULL_RESOLUTION"),
                    ("dataDescriptionId", _array(dds)),
                    ("processorId", "Processor_0"),
                    ("switchCycleId", _array(["SwitchCycle_0"] * len(dds))),
                ],
                [
                    *common,
                    ("numDataDescription", 1),
                    ("correlationMode", "AUTO_ONLY"),
                    ("configDescriptionId", "ConfigDescription_1"),
                    ("numAtmPhaseCorrection", 1),
                    ("atmPhaseCorrection", "1 1 AP_UNCORRECTED"),
                    ("processorType", "RADIOMETER"),
                    ("spectralType", "BASEBAND_WIDE"),
                    ("dataDescriptionId", "1 1 DataDescription_0"),
                    ("processorId", "Processor_1"),
                    ("switchCycleId", "1 1 SwitchCycle_0"),
                ],
            ],
        )
        self.table(
            "CorrelatorMode",
            [
                [
                    ("correlatorModeId", "CorrelatorMode_0"),
                    ("numBaseband", 1),
                    ("basebandNames", "1 1 BB_1"),
                    ("basebandConfig", "1 1 0"),
                    ("accumMode", "NORMAL"),
                    ("binMode", 0),
                    ("numAxes", 1),
                    ("axesOrderArray", "1 1 ANT"),
                    ("filterMode", "1 1 FILTER_TDM"),
                    ("correlatorName", "ALMA_ACA"),
                ]
            ],
        )
        self.table(
            "Processor",
            [
                [
                    ("processorId", "Processor_0"),
                    ("modeId", "CorrelatorMode_0"),
                    ("processorType", "CORRELATOR"),
                    ("processorSubType", "ALMA_CORRELATOR_MODE"),
                ],
                [
                    ("processorId", "Processor_1"),
                    ("modeId", "AlmaRadiometer_0"),
                    ("processorType", "RADIOMETER"),
                    ("processorSubType", "ALMA_RADIOMETER"),
                ],
            ],
        )
        self.table(
            "AlmaRadiometer",
            [
                [
                    ("almaRadiometerId", "AlmaRadiometer_0"),
                    ("numAntenna", nant),
                    ("spectralWindowId", "1 1 SpectralWindow_1"),
                ]
            ],
        )

    # ---- what changes with time
    def conditions(self):
        rng, ants = self.rng, range(self.tiny.nant)
        rows = []
        for n in (0, 1):
            for i in ants:
                r = [("timeInterval", f"{T0 + (20 * n + 10) * NS} {24 * NS}"), ("numReceptor", 2), ("numChan", 4)]
                for x in ("tcal", "trx", "tsky", "tsys"):
                    r += [(f"{x}Flag", "true"), (f"{x}Spectrum", _array(rng.uniform(50, 300, (2, 4))))]
                rows.append(
                    [*r, ("antennaId", f"Antenna_{i}"), ("feedId", 0), ("spectralWindowId", "SpectralWindow_2")]
                )
        self.table("SysCal", rows)
        self.table(
            "CalDevice",
            [
                [
                    ("timeInterval", _interval(T0, T0 + 60 * NS)),
                    ("numCalload", 2),
                    ("calLoadNames", "1 2 AMBIENT_LOAD HOT_LOAD"),
                    ("numReceptor", 2),
                    ("calEff", _array(rng.uniform(size=(2, 2)))),
                    ("coupledNoiseCal", _array(rng.uniform(size=(2, 2)))),
                    ("temperatureLoad", _array([293.7, 358.123456789])),
                    ("antennaId", f"Antenna_{i}"),
                    ("feedId", 0),
                    ("spectralWindowId", "SpectralWindow_2"),
                ]
                for i in ants
            ],
        )
        self.table(
            "SysPower",
            [
                [
                    ("timeInterval", _interval(T0 + n * NS, T0 + (n + 1) * NS)),
                    ("numReceptor", 2),
                    ("switchedPowerDifference", _array(rng.uniform(size=2))),
                    ("switchedPowerSum", _array(rng.uniform(size=2))),
                    ("requantizerGain", _array(rng.uniform(size=2))),
                    ("antennaId", "Antenna_1"),
                    ("feedId", 0),
                    ("spectralWindowId", "SpectralWindow_3"),
                ]
                for n in range(3)
            ],
        )
        weather = [
            ("pressure", 55605.066),
            ("relHumidity", 17.04),
            ("temperature", 271.06),
            ("windDirection", 4.1),
            ("windSpeed", 6.76),
            ("windMax", 7.0),
            ("stationId", f"Station_{self.tiny.nant}"),
        ]
        late = [("timeInterval", f"{T0 + 900 * NS} 48000000"), *weather]
        self.table("Weather", [[("timeInterval", f"{T0 + 7 * NS} 48000000"), *weather], late])
        self.table(
            "Flag",
            [
                [
                    ("flagId", "Flag_0"),
                    ("startTime", T0 + 1_500_000_000),
                    ("endTime", T0 + 3_250_000_000),
                    ("reason", "Mount is off source"),
                    ("numAntenna", 1),
                    ("antennaId", "1 1 Antenna_1"),
                    ("spectralWindowId", "1 0"),
                ],
                [
                    ("flagId", "Flag_1"),
                    ("startTime", T0),
                    ("endTime", T0 + 2 * NS),
                    ("reason", "Power levels"),
                    ("numAntenna", 2),
                    ("antennaId", "1 2 Antenna_0 Antenna_2"),
                    ("numSpectralWindow", 2),
                    ("spectralWindowId", "1 2 SpectralWindow_1 SpectralWindow_2"),
                    ("numPolarizationType", 1),
                    ("polarizationType", "1 1 X"),
                ],
            ],
        )
        self.pointing()
        self.table(
            "CalWVR",
            [
                [
                    ("startValidTime", T0),
                    ("endValidTime", T0 + NS),
                    ("wvrMethod", "ATM_MODEL"),
                    ("antennaName", f"DA{41 + i}"),
                    ("numInputAntennas", 1),
                    ("inputAntennaNames", f'1 1 "DA{41 + i}"'),
                    ("numChan", 4),
                    ("chanFreq", _array([1.0, 2.0, 3.0, 4.0])),
                    ("chanWidth", _array([1.0, 2.0, 3.0, 4.0])),
                    ("refTemp", _array(rng.uniform(size=(1, 4)))),
                    ("numPoly", 1),
                    ("pathCoeff", _array(rng.uniform(size=(1, 4, 1)))),
                    ("polyFreqLimits", _array([1.0, 2.0])),
                    ("wetPath", _array([0.06])),
                    ("dryPath", _array([2.9])),
                    ("water", 0.0012345678901234567),
                    ("calDataId", "CalData_1"),
                    ("calReductionId", "CalReduction_1"),
                ]
                for i in ants
            ],
        )

    def pointing(self):
        if not self.tiny.pointing:
            return
        rng, rows = self.rng, []
        for n in range(2):
            for i in range(self.tiny.nant):
                target = rng.uniform(0.2, 1.2, (3, 2)) * [[3.0, 1.0]]
                rows.append(
                    {
                        "antennaId": i,
                        "start": T0 + n * 6 * NS,
                        "duration": 6 * NS,
                        "numSample": 3,
                        "encoder": target + rng.normal(0, 1e-5, (3, 2)),
                        "pointingDirection": target,
                        "target": target,
                        "offset": rng.normal(0, 1e-3, (3, 2)),
                        "overTheTop": bool(i % 2),
                    }
                )
        if self.tiny.pointing == "bin":
            self.pointing_bin(rows)
            return
        self.table(
            "Pointing",
            [
                [
                    ("timeInterval", _interval(r["start"], r["start"] + r["duration"])),
                    ("numSample", 3),
                    ("encoder", _array(r["encoder"])),
                    ("pointingTracking", "true"),
                    ("usePolynomials", "false"),
                    ("timeOrigin", r["start"]),
                    ("numTerm", 1),
                    ("pointingDirection", _array(r["pointingDirection"])),
                    ("target", _array(r["target"])),
                    ("offset", _array(r["offset"])),
                    ("overTheTop", str(r["overTheTop"]).lower()),
                    ("antennaId", f"Antenna_{r['antennaId']}"),
                    ("pointingModelId", 0),
                ]
                for r in rows
            ],
        )

    def pointing_bin(self, rows):
        self.count["Pointing"] = len(rows)
        text = lambda s: struct.pack("<i", len(s)) + s.encode()  # noqa: E731
        two = lambda a: struct.pack("<ii", *a.shape) + a.astype("<f8").tobytes()  # noqa: E731
        names = [
            "antennaId",
            "timeInterval",
            "numSample",
            "encoder",
            "pointingTracking",
            "usePolynomials",
            "timeOrigin",
            "numTerm",
            "pointingDirection",
            "target",
            "offset",
            "pointingModelId",
            "overTheTop",
            "sourceOffset",
            "sourceOffsetReferenceCode",
            "sourceOffsetEquinox",
            "sampledTimeInterval",
            "atmosphericCorrection",
        ]
        uid, home = "uid://A002/X1/X99", "uid://A002/X1/X0"
        (self.path / "Pointing.xml").write_text(
            f'<?xml version="1.0"?>\n<PointingTable schemaVersion="3"><Entity entityId="{uid}" entityIdEncrypted="na" '
            'entityTypeName="PointingTable" schemaVersion="1" documentVersion="1"/><ContainerEntity '
            f'entityId="{home}" entityIdEncrypted="na" entityTypeName="ASDM" schemaVersion="1" documentVersion="1"/>'
            '<BulkStoreRef file_id="Pointing.bin" byteOrder="Little_Endian"/></PointingTable>'
        )
        out = (
            'MIME-Version: 1.0\nContent-Type: Multipart/Related; boundary="MIME_boundary"; type="text/xml"; '
            'start= "<header.xml>"\nContent-Description: Correlator\nalma-uid: uid\n\n--MIME_boundary\n'
            "Content-Type: text/xml; charset=ISO-8859-1\nContent-Transfer-Encoding: 8bit\nContent-ID: <header.xml>\n\n"
            '<?xml version="1.0" encoding="ISO-8859-1"?>\n<PointingTable schemaVersion="3" schemaRevision="1.64">\n'
            f'<Entity entityId="{uid}" entityIdEncrypted="na" entityTypeName="PointingTable" schemaVersion="1" '
            f'documentVersion="1"/>\n<ContainerEntity entityId="{home}" entityIdEncrypted="na" entityTypeName="ASDM" '
            'schemaVersion="1" documentVersion="1"/>\n<BulkStoreRef file_id="uid" byteOrder="Little_Endian"/>\n'
            f"<Attributes>\n{''.join(f'<{n}/>' + chr(10) for n in names)}</Attributes>\n</PointingTable>\n"
            "--MIME_boundary\nContent-Type: binary/octet-stream\nContent-ID: <content.bin>\n\n"
        ).encode()
        for entity in ((uid, "na", "PointingTable", "1", "1"), (home, "na", "ASDM", "1", "1")):
            out += b"".join(map(text, entity))
        out += struct.pack("<i", len(rows))
        for r in rows:
            out += text(f"Antenna_{r['antennaId']}") + struct.pack("<qqi", r["start"], r["duration"], 3)
            out += two(r["encoder"]) + struct.pack("<??qi", True, False, r["start"], 1)
            out += two(r["pointingDirection"]) + two(r["target"]) + two(r["offset"]) + struct.pack("<i", 0)
            out += struct.pack("<??", True, r["overTheTop"]) + struct.pack("<?????", *[False] * 5)
        (self.path / "Pointing.bin").write_bytes(out + b"\n--MIME_boundary--\n")

    def ephemeris(self):
        n = self.tiny.ephemeris
        if not n:
            return
        length, rows = 1200 * NS, []
        for k in range(4):
            start = T0 - 1800 * NS + k * length
            directions = np.zeros((n, 2))
            directions[0] = 3.9 + 1e-4 * k, -0.3 + 5e-5 * k
            directions[1:] = self.rng.normal(0, 1e-9, (n - 1, 2))
            rows.append(
                [
                    ("ephemerisId", 0),
                    ("timeInterval", f"{start + length // 2} {length}"),
                    ("observerLocation", _array([-1.1825, -0.4018, 5000.0])),
                    ("equinoxEquator", 2000.0),
                    ("numPolyDir", n),
                    ("dir", _array(directions)),
                    ("numPolyDist", 1),
                    ("distance", _array([1.35e12 + 1e6 * k])),
                    ("timeOrigin", start),
                    ("origin", "JPL Horizons"),
                    ("numPolyRadVel", 1),
                    ("radVel", _array([1234.5 + k])),
                ]
            )
        self.table("Ephemeris", rows)


def write_asdm(path, **options):
    """Write a tiny ASDM; return its path."""
    writer = Writer(Path(path), Tiny(**options))
    writer.setup()
    writer.data()
    writer.conditions()
    writer.ephemeris()
    for name, rows in writer.tiny.extra.items():
        writer.table(name, rows)
    writer.finish()
    return writer.path


@pytest.fixture
def make_asdm(tmp_path):
    """Write a tiny ASDM in the test's folder."""

    def make(name="tiny_asdm", **options):
        return write_asdm(tmp_path / name, **options)

    return make
