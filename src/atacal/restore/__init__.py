"""Restore a delivered ALMA directory: raw data, tables, flag versions and ``calapply.txt`` applied again."""
