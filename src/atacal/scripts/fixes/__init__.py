"""Fixers for fissix: what its own would do by adding lines."""
