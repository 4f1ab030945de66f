"""Synthetic execution blocks with known truth."""
