"""CASA's task interface: one file a task, under CASA's names."""
