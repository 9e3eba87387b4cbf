"""The page on the command line, made from the commands themselves: help, options, example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from errata.cli import build
from errata.reports.markdown import table
from pages.docstrings import escaped

EXAMPLE = "Example: "
# A command of Typer, of whichever library stands behind it.
Command = Any


def application() -> Command:
    """The command `errata`."""
    return typer.main.get_command(build())


def commands(group: Command, words: str = "errata") -> Iterator[tuple[str, Command]]:
    """Every command below a group that does something by itself, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def pages() -> dict[str, str]:
    """The page, by its place in the site."""
    return {"cli.md": page()}


def page() -> str:
    """Every command with its options, in the panels of `errata --help`."""
    group = application()
    panels: dict[str, list[str]] = {}
    for name, command in group.commands.items():
        own = commands(command, f"errata {name}") if hasattr(command, "commands") else [(f"errata {name}", command)]
        panels.setdefault(command.rich_help_panel, []).extend(_section(words, one) for words, one in own)
    blocks = [
        "# Command line",
        "Made from the commands themselves; `errata COMMAND --help` prints the same. Every command takes `--help`, "
        "prints results on standard output and everything else on standard error, and ends with 0 (done), 1 (not done, "
        "or not sound), 2 (bad input) or 130 (interrupted). [Errors](errors.md) says what to do about each.",
        "A command about one model takes it as its first argument; beside files, or a page to write, it is `--model`.",
        "`errata --version` prints the version; `errata --install-completion` completes words in your shell.",
    ]
    for panel, sections in panels.items():
        blocks += [f"## {panel}", *sections]
    return "\n\n".join(blocks) + "\n"


def parts(command: Command) -> tuple[list[str], str]:
    """The paragraphs of a command's help, and its example."""
    *text, example = (command.help or "").split("\n\n")
    if not example.startswith(EXAMPLE):
        raise ValueError(f"The help of {command.name} ends in no example: write '{EXAMPLE}errata {command.name} …'.")
    return [" ".join(part.split()) for part in text], " ".join(example.removeprefix(EXAMPLE).split())


def _section(words: str, command: Command) -> str:
    text, example = parts(command)
    rows = [(_name(one), escaped(one.help or ""), _default(one)) for one in command.params if not one.hidden]
    options = table(("argument or option", "what", "default"), rows, 3)
    return "\n\n".join([f"### {words}", *map(escaped, text), f"```sh\n{example}\n```", options])


def _name(one: Any) -> str:
    metavar = one.metavar or ""
    if one.param_type_name == "argument":
        return f"`{metavar or one.name.upper()}`"
    names = ", ".join([*one.opts, *one.secondary_opts])
    return f"`{names}{f' {metavar}' if metavar else ''}`"


def _default(one: Any) -> str:
    if one.required:
        return "needed"
    if one.default in (None, False, ()) or callable(one.default):
        return ""
    return f"`{one.default}`"
