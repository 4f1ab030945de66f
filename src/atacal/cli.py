"""The command line: ``atacal TASK --parameter value``.

Every task of `atacal.tasks` is a command, with options made from its signature and its docstring; ``calibrate``,
``demo``, ``simulate`` and ``flux`` stand beside them. ``atacal --help`` reads the sources without importing them, so
that it is quick.
"""

from __future__ import annotations

import difflib
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

from atacal import __version__, progress, results
from atacal._cli_catalogue import catalogue, grouped
from atacal._cli_command import SHARED, TaskCommand, memory_option
from atacal.errors import AtacalError

FAILED, BAD_USAGE, INTERRUPTED, TERMINATED = 1, 2, 130, 143
"""Exit codes."""


class AtacalGroup(click.Group):
    """All commands, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the help page."""
        return [entry.name for _, entries in grouped() for entry in entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        entry = catalogue().get(cmd_name)
        return TaskCommand(cmd_name, entry.load(), _run) if entry else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones there are."""
        if args[0] not in catalogue() and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], catalogue(), n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "`atacal --help` lists them"
            raise click.UsageError(f"there is no task {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups."""
        width = max((len(name) for name in catalogue()), default=0)
        for title, entries in grouped():
            with formatter.section(title):
                formatter.write_dl([(f"{entry.name:<{width}}", entry.summary()) for entry in entries])


def _group() -> AtacalGroup:
    return AtacalGroup(
        "atacal",
        params=[click.Option([*names, key], is_flag=True, help=text) for key, (names, text) in SHARED.items()]
        + [
            memory_option(),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_version,
                help="print the version",
            ),
        ],
        help=(
            "Calibrate ALMA interferometer data: CASA's tasks, tables and answers, without CASA.\n\n"
            "`atacal TASK --help` explains a task. Parameters have CASA's names; files can go first without a name:\n\n"
            "\b\n"
            "  atacal gaincal X.ms phase.cal --field 0 --solint int --refant DV01 --calmode p\n"
            "  atacal applycal X.ms --gaintable phase.cal,flux.cal --no-flagbackup"
        ),
        callback=lambda **switches: None,
        context_settings={"help_option_names": ["--help", "-h"]},
        subcommand_metavar="TASK [--parameter value ...]",
        options_metavar="[options]",
    )


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"atacal {__version__}")
        ctx.exit()


class _LogHandler(logging.Handler):
    """Log lines on standard error, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        progress.write(prefix + self.format(record))


def _set_up_logging(switches: dict[str, bool]) -> None:
    logger = logging.getLogger("atacal")
    logger.handlers = [_LogHandler()]
    logger.propagate = False
    level = logging.WARNING if switches["quiet"] else logging.DEBUG if switches["verbose"] else logging.INFO
    logger.setLevel(level)
    progress.set_quiet(switches["quiet"])


def _run(function: Callable[..., Any], arguments: dict[str, Any], switches: dict[str, bool]) -> int:
    """Run a task, print what it gives back, and return the exit code (a result may have one: ``exit_code``)."""
    switches = _with_global(switches)
    _set_up_logging(switches)
    token = results.json_on_stdout.set(switches["json"])
    try:
        result = function(**arguments)
    finally:
        results.json_on_stdout.reset(token)
    if switches["json"]:
        click.echo(results.as_json(result))
    elif result is not None and (text := results.as_text(result)):
        click.echo(text)
    return int(getattr(result, "exit_code", 0))


def _with_global(switches: dict[str, bool]) -> dict[str, bool]:
    """Join a command's switches with those given before its name."""
    given = click.get_current_context().find_root().params
    return {key: bool(given.get(key)) or switches.get(key, False) for key in SHARED}


def _sigterm(signum: int, frame: object) -> None:
    """End as on Ctrl-C, so that half-written files are cleared away."""
    sys.exit(TERMINATED)


def _report(error: BaseException, debug: bool) -> int:
    """Tell the user what went wrong and choose the exit code."""
    if isinstance(error, click.UsageError):
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"atacal: error: {error.format_message()}", err=True)
        return BAD_USAGE
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        click.echo("atacal: interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, AtacalError) and not debug:
        click.echo(f"atacal: error: {' '.join(str(error).split())}", err=True)
        return FAILED
    if isinstance(error, (OSError, MemoryError)) and not debug:
        click.echo(f"atacal: error: {error or type(error).__name__} (--debug shows where)", err=True)
        return FAILED
    traceback.print_exception(error)
    if not isinstance(error, AtacalError):
        click.echo(
            f"atacal: error: unexpected {type(error).__name__}: {error}; please report it with the lines above",
            err=True,
        )
    return FAILED


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    args : sequence of str, optional
        The words after ``atacal``; by default those of this process.

    Returns
    -------
    int
        Exit code: 0, or 1 for a failure, 2 for bad usage, 130 for an interrupt.
    """
    words = list(sys.argv[1:] if args is None else args)
    try:
        code = _group().main(words, prog_name="atacal", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # the reader of a pipe has seen enough (`atacal listobs X.ms | head`)
        sys.stderr.close()
        return FAILED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, "--debug" in words)


def main() -> None:
    """Entry point of the ``atacal`` command."""
    signal.signal(signal.SIGTERM, _sigterm)
    sys.exit(run())
