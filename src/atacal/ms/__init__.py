"""A MeasurementSet on disk: open, describe, select, stream blocks of rows, write, create."""
