"""atacal: calibrate ALMA interferometer data without CASA.

The tasks live in :mod:`atacal.tasks` under CASA's names; this module imports nothing heavy, so that
``import atacal`` is quick.
"""

from atacal.memory import memory_limit

__all__ = ["__version__", "memory_limit"]

__version__ = "0.1.0.dev0"
