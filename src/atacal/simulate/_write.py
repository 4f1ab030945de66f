"""Writing a synthetic block's MeasurementSet."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from atacal.ms.columns import cube_description, tile_shape
from atacal.simulate.array import DISH_M
from atacal.simulate.instrument import Instrument
from atacal.simulate.presets import INTENTS, ROLES
from atacal.simulate.sky import Source
from atacal.simulate.visibilities import CORR_RECEPTORS, Recording, Rows

_CORR_TYPES = {"XX": 9, "XY": 10, "YX": 11, "YY": 12}


class BlockWriter:
    """Appends rows to a new MeasurementSet."""

    def __init__(self, path: str, sources: tuple[Source, ...], instrument: Instrument, recording: Recording) -> None:
        from casacore.tables import default_ms, makearrcoldesc, maketabdesc, required_ms_desc

        ncorr, nchan = len(recording.corrs), instrument.windows[0].nchan
        required = required_ms_desc()
        required.pop("FLAG", None)
        managers: dict[str, Any] = {}
        extra: list[Any] = [
            makearrcoldesc("WEIGHT", 0.0, ndim=1, valuetype="float"),
            makearrcoldesc("SIGMA", 0.0, ndim=1, valuetype="float"),
        ]
        required.pop("WEIGHT")
        required.pop("SIGMA")
        for i, (column, size) in enumerate(
            (("DATA", 8), ("FLAG", 1 / 8), *((("WEIGHT_SPECTRUM", 4),) if recording.weight_spectrum else ()))
        ):
            d, m = cube_description(column, tile_shape(ncorr, nchan, size))
            extra.append(d)
            managers[f"*{i + 1}"] = m
        self.table = default_ms(path, {**required, **maketabdesc(extra)}, managers)
        self.path, self.sources, self.instrument, self.recording = path, sources, instrument, recording
        self._subtables()

    def _fill(self, name: str, nrow: int, columns: dict[str, Any]) -> None:
        from casacore.tables import default_ms_subtable, table

        place = os.path.join(self.path, name)
        if not os.path.isdir(place):
            default_ms_subtable(name, place)
            self.table.putkeyword(name, f"Table: {place}")
        with table(place, readonly=False, ack=False) as tab:
            tab.addrows(nrow)
            for column, values in columns.items():
                for i in range(nrow):
                    tab.putcell(column, i, values[i] if isinstance(values, (list, np.ndarray, tuple)) else values)

    def _subtables(self) -> None:
        ins, rec = self.instrument, self.recording
        nant, w = ins.array.nant, ins.windows
        t0, t1 = float(ins.time_mjd_s[0]), float(ins.time_mjd_s[-1])
        self._fill(
            "ANTENNA",
            nant,
            {
                "NAME": list(ins.array.names),
                "STATION": list(ins.array.pads),
                "TYPE": "GROUND-BASED",
                "MOUNT": "ALT-AZ",
                "POSITION": ins.array.itrf_m,
                "OFFSET": np.zeros((nant, 3)),
                "DISH_DIAMETER": DISH_M,
                "FLAG_ROW": False,
            },
        )
        self._fill(
            "FEED",
            nant,
            {
                "ANTENNA_ID": list(range(nant)),
                "FEED_ID": 0,
                "SPECTRAL_WINDOW_ID": -1,
                "TIME": t0,
                "INTERVAL": 1e9,
                "NUM_RECEPTORS": 2,
                "BEAM_ID": 0,
                "BEAM_OFFSET": [np.zeros((2, 2))] * nant,
                "POLARIZATION_TYPE": [["X", "Y"]] * nant,
                "POL_RESPONSE": [np.eye(2, dtype=np.complex64)] * nant,
                "POSITION": np.zeros((nant, 3)),
                "RECEPTOR_ANGLE": [np.zeros(2)] * nant,
            },
        )
        direction = [np.array([[s.ra_rad, s.dec_rad]]) for s in self.sources]
        n = len(self.sources)
        self._fill(
            "FIELD",
            n,
            {
                "NAME": [s.name for s in self.sources],
                "CODE": "none",
                "TIME": t0,
                "NUM_POLY": 0,
                "DELAY_DIR": direction,
                "PHASE_DIR": direction,
                "REFERENCE_DIR": direction,
                "SOURCE_ID": list(range(n)),
                "FLAG_ROW": False,
            },
        )
        self._fill(
            "SOURCE",
            n * len(w),
            {
                "SOURCE_ID": [i for i in range(n) for _ in w],
                "TIME": t0,
                "INTERVAL": 1e9,
                "SPECTRAL_WINDOW_ID": [x.id for _ in range(n) for x in w],
                "NUM_LINES": 0,
                "NAME": [s.name for s in self.sources for _ in w],
                "CALIBRATION_GROUP": 0,
                "CODE": "none",
                "DIRECTION": [d[0] for d in direction for _ in w],
                "PROPER_MOTION": [np.zeros(2)] * (n * len(w)),
            },
        )
        self._fill(
            "SPECTRAL_WINDOW",
            len(w),
            {
                "NAME": [x.name for x in w],
                "NUM_CHAN": [x.nchan for x in w],
                "REF_FREQUENCY": [float(x.chan_freq_hz[0]) for x in w],
                "CHAN_FREQ": [x.chan_freq_hz for x in w],
                "CHAN_WIDTH": [np.full(x.nchan, x.chan_width_hz) for x in w],
                "EFFECTIVE_BW": [np.full(x.nchan, abs(x.chan_width_hz)) for x in w],
                "RESOLUTION": [np.full(x.nchan, abs(x.chan_width_hz)) for x in w],
                "TOTAL_BANDWIDTH": [abs(x.chan_width_hz) * x.nchan for x in w],
                "NET_SIDEBAND": [x.net_sideband for x in w],
                "MEAS_FREQ_REF": 5,
                "FREQ_GROUP": 0,
                "FREQ_GROUP_NAME": "",
                "IF_CONV_CHAIN": 0,
                "FLAG_ROW": False,
            },
        )
        products = [CORR_RECEPTORS[c] for c in rec.corrs]
        self._fill(
            "POLARIZATION",
            1,
            {
                "NUM_CORR": len(rec.corrs),
                "CORR_TYPE": [np.array([_CORR_TYPES[c] for c in rec.corrs], np.int32)],
                "CORR_PRODUCT": [np.array(products, np.int32)],
                "FLAG_ROW": False,
            },
        )
        self._fill(
            "DATA_DESCRIPTION",
            len(w),
            {"SPECTRAL_WINDOW_ID": [x.id for x in w], "POLARIZATION_ID": 0, "FLAG_ROW": False},
        )
        self._fill(
            "STATE",
            len(ROLES),
            {
                "OBS_MODE": [INTENTS[r] for r in ROLES],
                "SIG": True,
                "REF": False,
                "CAL": 0.0,
                "LOAD": 0.0,
                "SUB_SCAN": 1,
                "FLAG_ROW": False,
            },
        )
        self._fill(
            "OBSERVATION",
            1,
            {
                "TELESCOPE_NAME": "ALMA",
                "OBSERVER": "atacal",
                "PROJECT": "simulated",
                "TIME_RANGE": [np.array([t0, t1])],
                "RELEASE_DATE": 0.0,
                "SCHEDULE_TYPE": "ALMA",
                "LOG": [[""]],
                "SCHEDULE": [[""]],
                "FLAG_ROW": False,
            },
        )
        self._fill(
            "PROCESSOR",
            1,
            {"TYPE": "CORRELATOR", "SUB_TYPE": "ALMA_CORRELATOR_MODE", "TYPE_ID": -1, "MODE_ID": -1, "FLAG_ROW": False},
        )

    def append(self, rows: Rows) -> None:
        n, tab = len(rows.time_mjd_s), self.table
        at = tab.nrows()
        tab.addrows(n)
        dt = self.recording.integration_s
        zeros = np.zeros(n, np.int32)
        columns = {
            "TIME": rows.time_mjd_s,
            "TIME_CENTROID": rows.time_mjd_s,
            "INTERVAL": np.full(n, dt),
            "EXPOSURE": np.full(n, dt),
            "ANTENNA1": rows.antenna1,
            "ANTENNA2": rows.antenna2,
            "UVW": rows.uvw_m,
            "DATA_DESC_ID": zeros + rows.spw,
            "FIELD_ID": zeros + rows.subscan.field,
            "SCAN_NUMBER": zeros + rows.subscan.scan,
            "STATE_ID": zeros + ROLES.index(rows.subscan.role),
            "FEED1": zeros,
            "FEED2": zeros,
            "ARRAY_ID": zeros,
            "OBSERVATION_ID": zeros,
            "PROCESSOR_ID": zeros,
            "DATA": rows.vis,
            "FLAG": rows.flag,
            "FLAG_ROW": rows.flag.all(axis=(1, 2)),
            "WEIGHT": rows.weight,
            "SIGMA": rows.sigma,
        }
        if self.recording.weight_spectrum:
            columns["WEIGHT_SPECTRUM"] = np.repeat(rows.weight[:, None], rows.vis.shape[1], axis=1)
        for name, values in columns.items():
            tab.putcol(name, values, at, n)

    def close(self) -> None:
        self.table.close()
