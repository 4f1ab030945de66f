"""Applying a calibration library to data: compiled kernels and the pass over a MeasurementSet."""
