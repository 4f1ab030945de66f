"""Accumulate visibilities, solve for antenna gains; pure functions of arrays."""
