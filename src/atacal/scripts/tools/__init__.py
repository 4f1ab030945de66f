"""CASA's tools that scripts use (``tb``, ``ms``, ``msmd``, ``qa``, ``casalog`` ...), over atacal's own rooms."""
