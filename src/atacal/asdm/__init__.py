"""Reading an ASDM (ALMA Science Data Model: XML tables and binaries) and making a MeasurementSet of it."""
