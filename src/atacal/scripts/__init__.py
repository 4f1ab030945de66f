"""ALMA's own reduction scripts, run as they are: CASA's shell names, Python 2 translated, a guarded process."""
