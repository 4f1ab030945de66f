"""The QA2 report of a manual calibration: its diagnostic pictures and their numbers on one page."""
