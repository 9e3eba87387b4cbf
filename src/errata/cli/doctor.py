"""`errata doctor`: whether everything is there that Errata runs on, and how to get what is not."""

from __future__ import annotations

import typer

from errata.cli import options, output

MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]–[/]"}


def doctor(as_json: options.Json = False) -> None:
    """Say what Errata runs on, what is missing and how to get it; exit code 1 if something needed is missing.

    Python, packages and extras, devices, memory, disk, cache, and whether the embedded models are what was published.

    Example: errata doctor
    """
    from dataclasses import asdict

    from errata.doctor import examine, sound

    found = examine()
    well = sound(found)
    if as_json:
        output.print_json({"ok": well, "findings": [asdict(finding) for finding in found]})
    else:
        from rich.markup import escape
        from rich.table import Table

        table = Table("", "", "", "", box=None, pad_edge=False, show_header=False)
        group = ""
        for finding in found:
            cells = ["" if finding.group == group else finding.group, finding.name, finding.found]
            cure = f"\n[yellow]{escape(finding.cure)}[/]" if finding.cure and finding.ok is not True else ""
            table.add_row(MARKS[finding.ok], *map(escape, cells[:2]), escape(cells[2]) + cure)
            group = finding.group
        page = output.paper()
        page.print(table)
        page.print("\nEverything that is needed is there." if well else "\n[red]Something needed is missing.[/]")
    if not well:
        raise typer.Exit(1)
