"""A click command from a task's signature and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import click

from atacal import _cli_docstring
from atacal._cli_values import FALSE, TRUE, BadValue, Kind, Param, kind_of
from atacal.errors import ArgumentError
from atacal.memory import DEFAULT_LIMIT, memory_limit, parse_size

PATHS = frozenset({"vis", "ms", "path", "caltable", "fluxtable", "outputvis", "concatvis", "xmlfile", "out", "output"})
"""Leading parameters of these names may be given without their option's name, in the order of the signature."""

SHARED = {
    "json": (("--json",), "print the result as JSON"),
    "quiet": (("--quiet", "-q"), "print warnings and errors only, no progress bars"),
    "verbose": (("--verbose", "-v"), "print details as well"),
    "debug": (("--debug",), "show the traceback of an error"),
}
"""Switches of every command (but where a task has a parameter of that name): name -> (option names, help)."""

MEMORY = ("--memory",), "bound on the memory of the whole process, as 500MB or 2GB [default: 1GB]"
"""The other option of every command: option names, help."""


def params_of(function: Callable[..., Any]) -> list[Param]:
    """Describe a task's parameters, in the order of its signature.

    Parameters
    ----------
    function : callable
        With type hints, and a numpydoc docstring with an entry for each parameter.

    Returns
    -------
    list of Param
    """
    documented = _cli_docstring.parse(function.__doc__).parameters()
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # a name that is imported for type checkers only: the defaults must do
        signature = inspect.signature(function)
    out = []
    for p in signature.parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        section = documented.get(p.name)
        annotation = None if isinstance(p.annotation, str) or p.annotation is p.empty else p.annotation
        kind = kind_of(annotation, p.default) if annotation is not None else kind_of(Any, p.default)
        text, typed = (section.text, section.kind) if section else ("", "")
        out.append(Param(p.name, kind, p.default, text, typed))
    return out


def positional(params: Sequence[Param]) -> list[Param]:
    """Take the parameters that may be given by position: the first, and those after it that name a file."""
    count = 1
    while count < len(params) and params[count].name in PATHS:
        count += 1
    return list(params[:count])


def takes_all_words(by_position: Sequence[Param]) -> bool:
    """Whether every word without a name belongs to the one parameter that can go without: it takes a list."""
    return len(by_position) == 1 and by_position[0].kind.takes_list


def option_names(param: Param) -> list[str]:
    """Spell a parameter as options: CASA's name, and with hyphens where it has underscores."""
    name = param.name.rstrip("_")
    return list(dict.fromkeys([f"--{name.replace('_', '-')}", f"--{name}"]))


class TaskCommand(click.Command):
    """A command whose options are the parameters of a task.

    Parameters
    ----------
    name : str
    function : callable
        The task.
    run : callable
        Called as ``run(function, arguments, switches)``, with the values read and the shared switches given.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        run: Callable[[Callable[..., Any], dict[str, Any], dict[str, bool]], Any],
    ) -> None:
        self.function, self.run = function, run
        self.task_params = params_of(function)
        self.by_position = positional(self.task_params)
        self.all_words = takes_all_words(self.by_position)
        doc = _cli_docstring.parse(function.__doc__)
        taken = {p.name for p in self.task_params}
        self.shared = [key for key in SHARED if key not in taken]
        words = click.Argument(
            ["words"], nargs=-1, metavar=" ".join(f"[{p.name}{' ...' * self.all_words}]" for p in self.by_position)
        )
        switches = [
            click.Option([*SHARED[key][0], f"shared_{key}"], is_flag=True, help=SHARED[key][1]) for key in self.shared
        ]
        super().__init__(
            name,
            params=[words, *(_option(p) for p in self.task_params), memory_option(), *switches],
            help=_plain(f"{doc.summary}\n\n{doc.body}"),
            short_help=doc.summary.rstrip("."),
            options_metavar="[--parameter value ...]",
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; a switch needs no value: ``--append``, ``--no-append``, ``--append false``."""
        return super().parse_args(ctx, self._spelled_out(args))

    def _spelled_out(self, args: list[str]) -> list[str]:
        """Give each switch its value, so that click sees options with values only."""
        switches: set[str] = set()
        can_be_no: dict[str, str] = {}
        for param in self.task_params:
            names = option_names(param)
            switches.update(names if param.kind.is_bool else ())
            if bool in param.kind.scalars:
                can_be_no.update({f"--no-{name[2:]}": name for name in names})
        out: list[str] = []
        left = list(args)
        while left:
            word = left.pop(0)
            if word == "--":
                return [*out, word, *left]
            if word in can_be_no:
                word = f"{can_be_no[word]}=false"
            elif word in switches:
                follows = left[0].lower() if left else ""
                word = f"{word}={left.pop(0) if follows in TRUE | FALSE else 'true'}"
            out.append(word)
        return out

    def invoke(self, ctx: click.Context) -> Any:
        """Read the values and run the task."""
        given = {p.name: ctx.params[p.name] for p in self.task_params if ctx.params.get(p.name)}
        words: tuple[str, ...] = ctx.params["words"]
        groups = [words] if self.all_words and words else [(word,) for word in words]
        if len(groups) > len(self.by_position):
            names = ", ".join(p.name for p in self.by_position)
            extra = words[len(self.by_position)]
            raise click.UsageError(
                f"{extra!r} is one word too many: only {names} can go without a name; the rest as --parameter value",
                ctx,
            )
        for param, group in zip(self.by_position, groups, strict=False):
            if param.name in given:
                raise click.UsageError(f"{param.name} is given twice: {group[0]!r} and {given[param.name][0]!r}", ctx)
            given[param.name] = group
        arguments = {}
        for param in self.task_params:
            if param.name in given:
                try:
                    arguments[param.name] = param.value(given[param.name])
                except BadValue as error:
                    raise click.UsageError(f"{option_names(param)[0]}: {error}", ctx) from error
            elif param.required:
                raise click.UsageError(f"{option_names(param)[0]} is missing", ctx)
        switches = {key: bool(ctx.params[f"shared_{key}"]) for key in self.shared}
        with memory_limit(ctx.params["shared_memory"] or ctx.find_root().params.get("shared_memory") or DEFAULT_LIMIT):
            return self.run(self.function, arguments, switches)


def memory_option() -> click.Option:
    """Make the option that bounds the memory."""
    return click.Option([*MEMORY[0], "shared_memory"], metavar="size", help=MEMORY[1], callback=_size)


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else parse_size(value)
    except ArgumentError as error:
        raise click.UsageError(f"--memory: {error}", ctx) from error


def _option(param: Param) -> click.Option:
    text = _plain(param.help).split("\n\n", 1)[0]
    default = "required" if param.required else f"default: {_shown(param)}"
    return click.Option(
        [*option_names(param), param.name],
        multiple=True,
        metavar=_metavar(param.kind),
        help=f"{text} [{default}]".strip(),
    )


def _metavar(kind: Kind) -> str:
    if kind.choices:
        return "|".join(str(c) for c in kind.choices)
    if kind.is_bool:
        return "true|false"
    names = {int: "int", float: "float", str: "text", bool: "true|false", complex: "complex"}
    scalars = [names[t] for t in (bool, int, float, complex, str) if t in kind.scalars]
    if {"int", "float"} <= set(scalars):
        scalars.remove("int")
    return "|".join(scalars + (["list"] if kind.takes_list else []) + (["dict"] if kind.mapping else []))


def _shown(param: Param) -> str:
    """Write a default for the help page."""
    default = param.default
    return f"'{default}'" if isinstance(default, str) else str(default)


def _plain(text: str) -> str:
    """Strip the docstring's markup where it would only disturb on a terminal."""
    return text.replace("``", "").replace("`", "").strip()
