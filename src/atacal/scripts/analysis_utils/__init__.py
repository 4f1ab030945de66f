"""The part of ALMA's ``analysisUtils`` (``aU``) that its generated scripts call, and its ``es`` class."""

from atacal.scripts.analysis_utils.almaflux import getALMAFlux, getALMAFluxForMS
from atacal.scripts.analysis_utils.facts import getBaselineLengths, getBaselineStats, getScienceSpws
from atacal.scripts.analysis_utils.mosaic import (
    estimateSynthesizedBeam,
    getRADecForField,
    getRADecForFields,
    pickCellSize,
    plotmosaic,
)
from atacal.scripts.analysis_utils.radiometers import plotWVRSolutions
from atacal.scripts.analysis_utils.science_data import stuffForScienceDataReduction
from atacal.scripts.analysis_utils.spectra import plotbandpass

__all__ = [
    "estimateSynthesizedBeam",
    "getALMAFlux",
    "getALMAFluxForMS",
    "getBaselineLengths",
    "getBaselineStats",
    "getRADecForField",
    "getRADecForFields",
    "getScienceSpws",
    "pickCellSize",
    "plotWVRSolutions",
    "plotbandpass",
    "plotmosaic",
    "stuffForScienceDataReduction",
]
