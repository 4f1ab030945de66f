"""Flux standards, fluxscale."""
