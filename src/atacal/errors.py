"""Every error atacal raises on purpose, by name.

A message says what was wrong, with what value, in which file, and what is possible instead.
"""

from __future__ import annotations


class AtacalError(Exception):
    """Anything a user can be told about; the command line prints it without a traceback."""


class ArgumentError(AtacalError, ValueError):
    """A task argument has a value that the task cannot take."""


class MissingLibrary(ArgumentError):
    """What is asked for needs a library that is not installed."""


class NoFlagCommands(ArgumentError):
    """A list of flag commands is empty, or has none of those asked for."""


class NoSuchTable(AtacalError, FileNotFoundError):
    """A MeasurementSet or calibration table is not where it was said to be."""


class InvalidTable(AtacalError):
    """A table is there but is not what it should be, or is damaged."""


class TableLocked(AtacalError):
    """Another process holds a table."""


class TableExists(AtacalError, FileExistsError):
    """An output is already there and may not be replaced."""


class MissingColumn(AtacalError, KeyError):
    """A column that the work needs is not in the table."""

    def __str__(self) -> str:
        return str(self.args[0])


class SelectionError(AtacalError, ValueError):
    """A selection expression cannot be read."""


class EmptySelection(SelectionError):
    """A selection can be read but nothing in the data matches it."""


class CaltableError(AtacalError):
    """A calibration table does not fit what is asked of it."""


class CaltableMismatch(CaltableError):
    """A calibration table lacks the antennas, spws or fields of the data it should calibrate."""


class NoSolutions(AtacalError):
    """A solve found no good solution; no table was written."""


class NoWvrData(AtacalError):
    """A MeasurementSet has no usable water vapour radiometer data."""


class ModelError(AtacalError):
    """A sky model is missing or cannot be evaluated."""


class CatalogueError(AtacalError):
    """A catalogue of measured flux densities cannot be read, or does not have what is asked of it."""


class UnknownSource(CatalogueError, LookupError):
    """A catalogue has no source, or more than one, of a name or at a position."""


class WriteError(AtacalError, OSError):
    """Writing failed (a full disk, no permission); what was there before is unharmed."""


class DiskFull(WriteError):
    """There is not enough room on a disk for what would be written; what was there before is unharmed."""


class AsdmError(AtacalError):
    """An ASDM lacks a table or has one that cannot be read."""


class BdfError(AsdmError):
    """A binary of an ASDM is missing, cut short, or not what its header says."""


class ServiceError(AtacalError, ConnectionError):
    """A service on the network does not answer, or answers with something else."""


class RestoreError(AtacalError):
    """A delivered ALMA directory lacks a piece that restoring needs, or has one that cannot be read."""


class PipelineError(AtacalError):
    """A run of the pipeline cannot go on: its directory, its input or its recipe is not what it should be."""


class WeblogError(AtacalError):
    """A run directory that no weblog can be made of."""


class ToolError(AtacalError, RuntimeError):
    """A method of one of CASA's tools cannot do what a script asks of it."""


class NoSuchMethod(AtacalError, AttributeError):
    """A script calls a method that one of CASA's tools does not have here."""
