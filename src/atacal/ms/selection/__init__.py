"""The MSSelection grammar: what users write to pick fields, spws, channels, antennas, scans, times, ..."""

from atacal.ms.selection.antenna import parse_antenna, parse_antenna_list
from atacal.ms.selection.corr import parse_correlation
from atacal.ms.selection.field import parse_field
from atacal.ms.selection.intent import parse_intent
from atacal.ms.selection.observation import parse_array, parse_observation
from atacal.ms.selection.scan import parse_scan
from atacal.ms.selection.select import Selection, select
from atacal.ms.selection.spw import SpwSelection, parse_spw
from atacal.ms.selection.timerange import TimeReference, parse_timerange
from atacal.ms.selection.uvrange import parse_uvrange

__all__ = [
    "Selection",
    "SpwSelection",
    "TimeReference",
    "parse_antenna",
    "parse_antenna_list",
    "parse_array",
    "parse_correlation",
    "parse_field",
    "parse_intent",
    "parse_observation",
    "parse_scan",
    "parse_spw",
    "parse_timerange",
    "parse_uvrange",
    "select",
]
