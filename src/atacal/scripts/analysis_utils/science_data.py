"""analysisUtils' class ``stuffForScienceDataReduction``: the helpers of ALMA's generated scripts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")


class stuffForScienceDataReduction:
    """What scripts call as ``es``; the generator of scripts itself is not here."""

    def checkCalTable(self, calTableName: str, msName: str = "", interactive: bool = True, **other: Any) -> None:
        """Draw a calibration table into ``CALTABLE.plots`` and log its statistics.

        Parameters
        ----------
        calTableName : str
        msName : str
            For the weather and the water; by default the table's own MeasurementSet.
        interactive, other
            Have no effect: pictures go to files.

        Raises
        ------
        CaltableError, NoSuchTable, InvalidTable, WriteError
        """
        from atacal.scripts.analysis_utils.check_table import check_table

        check_table(calTableName, msName)

    def fixForCSV2555(self, msName: str) -> None:
        """Make the SOURCE_IDs of FIELD and SOURCE agree.

        Raises
        ------
        InvalidTable, NoSuchTable, TableLocked, WriteError
        """
        from atacal.ms.source_ids import repair_source_ids
        from atacal.ms.transaction import transaction

        with transaction(msName, "fixForCSV2555", subtables=("FIELD", "SOURCE")) as inside:
            found = repair_source_ids(inside)
        for name in found.elsewhere:
            log.warning("%s: SOURCE has directions of %s that no field has; all right if it moves", msName, name)
        changed = found.fields + found.sources
        log.info("fixForCSV2555: %s", f"{changed} SOURCE_IDs changed" if changed else "no issue found")

    def getCalWeightStats(self, msName: str, **other: Any) -> dict[int, dict[str, Any]]:
        """Log and return the weights of each spw, antenna by antenna.

        Returns
        -------
        dict of spw -> dict
            ``median``, and ``antennas``: name -> mean weight.

        Raises
        ------
        NoSuchTable, InvalidTable, TableLocked, EmptySelection
        """
        from atacal.scripts.analysis_utils.weights import weight_statistics

        return weight_statistics(msName)

    def fluxscale2(
        self,
        caltable: str,
        removeOutliers: bool = True,
        msName: str = "",
        writeToFile: bool = False,
        preavg: float = 0.0,
        reference: str | int = "",
        **other: Any,
    ) -> dict[int, dict[str | int, Any]]:
        """Derive flux densities antenna by antenna, as a check of fluxscale.

        Parameters
        ----------
        caltable : str
            Amplitude gains of the reference and the other fields.
        removeOutliers : bool
            Leave out antennas more than three sigma (of the median deviation) from the median.
        msName : str
            The MeasurementSet whose intents tell the reference (CALIBRATE_FLUX, CALIBRATE_AMPLI).
        writeToFile : bool
            Write ``CALTABLE.fluxscale2`` (text).
        preavg : float
            Average amplitudes over this time first [s].
        reference : str or int
            Field id or name, in place of the intents'.
        other
            Has no effect.

        Returns
        -------
        dict of field id -> dict
            ``fieldName``, and by spw id a dict of ``fluxd``, ``fluxdErr``, ``median`` [Jy], ``frequency`` [Hz],
            ``numSol``, ``numRejected`` and ``antennas`` (name -> [Jy] of each polarisation).

        Raises
        ------
        ArgumentError, CaltableError, NoSuchTable, InvalidTable
        """
        from atacal.caltables.disk import read_caltable
        from atacal.flux.antenna_ratios import antenna_fluxes

        table = read_caltable(caltable)
        ids = _reference(table, msName, reference)
        found = antenna_fluxes(table, ids, remove_outliers=removeOutliers, average_s=float(preavg))
        out: dict[int, dict[str | int, Any]] = {}
        lines = [f"# flux densities from {Path(caltable).name}, antenna by antenna; reference {_names(table, ids)}"]
        for one in found:
            antennas: dict[str, list[float]] = {}
            for antenna, value in zip(one.antenna, one.values_jy, strict=True):
                antennas.setdefault(table.antennas[antenna].name, []).append(float(value))
            out.setdefault(one.field, {"fieldName": one.name})[one.spw] = {
                "fluxd": one.flux_jy, "fluxdErr": one.error_jy, "median": one.median_jy, "frequency": one.freq_hz,
                "numSol": int(one.kept.sum()), "numRejected": int((~one.kept).sum()), "antennas": antennas,
            }  # fmt: skip
            lines.append(
                f"Flux density for {one.name} in SpW={one.spw} (freq={one.freq_hz:.6g} Hz) is: {one.flux_jy:.6f} +/- "
                f"{one.error_jy:.6f} Jy (median {one.median_jy:.6f}, {int(one.kept.sum())} of {len(one.kept)} used)"
            )
        for line in lines:
            log.info("fluxscale2: %s", line)
        if writeToFile:
            _write_text(Path(f"{Path(caltable)}.fluxscale2"), lines)
        return out

    def generateFluxFile(self, msNames: str | list[str], outfile: str = "allFluxes.txt") -> None:
        """Collect the flux densities of ``X.fluxscale`` files: a line for each calibrator, spw and MeasurementSet.

        Parameters
        ----------
        msNames : str or list of str
        outfile : str
            Columns: field name, spw, frequency [GHz], flux density and weighted mean over the MeasurementSets [Jy],
            time (UTC), MeasurementSet; ``-`` where there is none.

        Raises
        ------
        ArgumentError, NoSuchTable, InvalidTable, WriteError
        """
        from atacal.scripts.analysis_utils.flux_files import collect_fluxes

        _write_text(Path(outfile), collect_fluxes([msNames] if isinstance(msNames, str) else sorted(msNames)))


def _write_text(path: Path, lines: list[str]) -> None:
    from atacal.errors import WriteError

    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _reference(table: Any, ms_name: str, reference: str | int) -> list[int]:
    """Return the ids of the reference fields: as named, else by intent."""
    from atacal.ms.measurement_set import MeasurementSet

    text = str(reference).strip()
    if text:
        names = [f.id for f in table.fields if f.name == text]
        if not names and not text.isdigit():
            raise ArgumentError(f"reference={reference!r}: {table.name} has {', '.join(f.name for f in table.fields)}")
        return names or [int(text)]
    if not ms_name:
        raise ArgumentError("fluxscale2: give msName, whose intents tell the reference, or reference")
    there = {int(f) for s in table.solutions.values() for f in s.field}
    with MeasurementSet(ms_name) as ms:
        states, fields = ms.metadata.state_intents, ms.metadata.fields
        pairs = {(int(f), int(s)) for f, s in zip(ms.runs.field, ms.runs.state, strict=True)}
    wanted = ("CALIBRATE_FLUX", "CALIBRATE_AMPLI")
    named = {fields[f].name for f, s in pairs if 0 <= s < len(states) and any(w in states[s] for w in wanted)}
    found = sorted(f.id for f in table.fields if f.name in named and f.id in there)
    if not found:
        raise ArgumentError(
            f"fluxscale2: no field of {ms_name} with CALIBRATE_FLUX or CALIBRATE_AMPLI has solutions in {table.name}; "
            f"give reference, one of {', '.join(table.fields[f].name for f in sorted(there))}"
        )
    return found


def _names(table: Any, ids: list[int]) -> str:
    return ", ".join(table.fields[i].name for i in ids if 0 <= i < len(table.fields))
