"""The pipeline: stages, the context that lasts between them, the run directory, export."""
