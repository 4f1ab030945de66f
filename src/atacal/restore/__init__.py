"""Restore a delivered ALMA directory: raw data, calibration tables, flag versions and ``calapply.txt`` applied."""
