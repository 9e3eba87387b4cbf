"""`errata verify`: whether a ledger and its model's weights are what was recorded."""

from __future__ import annotations

import typer

from errata.cli import options, output


def verify(
    model: options.OptionalModel = None,
    ledger: options.LedgerDir = options.CORRECTIONS,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Recompute every fingerprint: the edits' files, the database, the weights; exit code 1 if anything is wrong.

    Example: errata verify --ledger corrections
    """
    from errata.desk.opening import view_for
    from errata.errors import CorruptionError
    from errata.ledger import Ledger, Report

    try:
        report = Ledger.verify_at(ledger, view_for(ledger, model, dtype, device))
    except CorruptionError as error:  # too damaged to say which model it is for
        report = Report((str(error),), (), 0, "")
    if as_json:
        found = {"ok": report.ok, "problems": list(report.problems), "edits": list(report.edits)}
        output.print_json({**found, "entries": report.checked, "weights_sha256": report.weights_sha256 or None})
    elif report.ok:
        page = output.paper()
        page.print(f"[green]Sound:[/] {report.checked} edits, the database and the weights are what was recorded.")
        page.print(f"weights sha256 {report.weights_sha256}", style="dim", soft_wrap=True)
    else:
        for problem in report.problems:
            output.paper().print(f"✗ {problem}", style="red", markup=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)
