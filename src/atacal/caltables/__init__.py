"""A calibration table: CASA's format on disk, interpolation, the library that is applied on the fly."""
