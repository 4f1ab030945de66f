"""Synthetic execution blocks with known truth, for the demo, the tests and the benchmark."""

from atacal.simulate.block import simulate
from atacal.simulate.raw_truth import true_factors, true_tsys
from atacal.simulate.truth import Truth, read_truth

__all__ = ["Truth", "read_truth", "simulate", "true_factors", "true_tsys"]
