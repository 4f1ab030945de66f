"""Whole runs: the standard calibration of a block, and the demonstration."""

from atacal.recipe.calibrate import calibrate
from atacal.recipe.demo import demo

__all__ = ["calibrate", "demo"]
