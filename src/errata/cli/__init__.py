"""The command `errata`: a thin layer over the Python names."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from errata.cli import (
    ask,
    bulk,
    compare,
    data,
    demo,
    doctor,
    edit,
    evaluate,
    export,
    grid,
    history,
    incoming,
    inspection,
    layers,
    leaderboard,
    locate,
    models,
    output,
    push,
    report,
    reproduce,
    serve,
    stats,
    train,
    undoing,
    verify,
)
from errata.errors import ErrataError

INTERRUPTED = 130
LOOK, CORRECT, KEEP, SHIP, MEASURE = (
    "Look into a model",
    "Correct it",
    "Keep the corrections",
    "Ship them",
    "Measure methods",
)


def build() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="errata",
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    app.callback()(_start)
    for panel, commands in {
        "Start here": {"demo": demo.demo, "models": models.models, "doctor": doctor.doctor},
        LOOK: {
            "inspect": inspection.inspect,
            "ask": ask.ask,
            "locate": locate.locate,
            "stats": stats.stats,
            "layers": layers.layers,
        },
        CORRECT: {"edit": edit.edit, "apply": edit.apply, "serve": serve.serve},
        KEEP: {
            "log": history.log,
            "show": history.show,
            "undo": undoing.undo,
            "redo": undoing.redo,
            "diff": history.diff,
            "verify": verify.verify,
            "report": report.report,
        },
        SHIP: {"import": incoming.take_in, "push": push.push},
    }.items():
        for name, command in commands.items():
            app.command(name, rich_help_panel=panel)(command)
    app.add_typer(bulk.group(), name="bulk", rich_help_panel=LOOK)
    app.add_typer(data.group(), name="data", rich_help_panel=LOOK)
    app.add_typer(train.group(), name="train", rich_help_panel=LOOK)
    app.add_typer(export.group(), name="export", rich_help_panel=SHIP)
    app.command("compare", rich_help_panel=MEASURE)(compare.compare)
    app.command("evaluate", rich_help_panel=MEASURE)(evaluate.evaluate)
    app.command("leaderboard", rich_help_panel=MEASURE)(leaderboard.leaderboard)
    app.command("grid", rich_help_panel=MEASURE)(grid.grid)
    app.add_typer(reproduce.group(), name="reproduce", rich_help_panel=MEASURE)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 not done or not sound, 2 bad input, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        code = build()(args=given or ["--help"], prog_name="errata", standalone_mode=False)
    except ErrataError as error:
        output.fail(str(error), as_json)
        return error.exit_code
    except OSError as error:
        output.fail(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.", as_json)
        return 2
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.Abort:
        code = 1
    except Exception as error:
        # What Typer finds wrong with the arguments; the class lives elsewhere in every version, the method does not.
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        output.fail(f"{explain()} See errata --help.", as_json)
        return 2
    if code == INTERRUPTED:
        output.fail("Interrupted; nothing is left half done.", as_json)
    return code if isinstance(code, int) else 0


def _print_version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"errata {version('errata-lm')}")
        raise typer.Exit
    return wanted


def _start(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Find the neurons that carry a fact in a language model, correct it in the weights, and undo it bit for bit.

    Example: errata demo
    """
