"""Where the numbers of a report on corrections come from: the log, fingerprints, methods, versions and the command."""

from __future__ import annotations

import shlex
from html import escape
from typing import Any

from errata.ledger.records import Entry, listed
from errata.reports.correction.account import Account, Made
from errata.reports.markdown import MISSING
from errata.reports.markup import pairs, table


def soundness(account: Account) -> str:
    """What checking every fingerprint found."""
    found = account.checked
    text = f"<p>Sound: {found.checked} edits, the database and the weights are what was recorded.</p>"
    if not found.ok:
        problems = "".join(f"<li>{escape(problem)}</li>" for problem in found.problems)
        text = f'<div class="alarm"><strong>Not sound.</strong><ul>{problems}</ul></div>'
    return f"<h3>Fingerprints</h3>{text}{pairs({'weights, SHA-256': found.weights_sha256})}"


def log(account: Account) -> str:
    """Every edit of the ledger, or what happened to one."""
    if not account.entries:
        return ""
    single = account.single
    if single is not None:
        events = () if account.course is None else account.course.events
        rows = [
            [event.kind, str(event.edit), MISSING if event.by is None else str(event.by), _time(event.at)]
            for event in events
            if single.entry.id in (event.edit, event.by)
        ]
        return table(("what", "edit", "superseded by", "time, UTC"), rows) if rows else ""
    rows = [
        [
            str(entry.id),
            "applied" if entry.applied else "undone",
            *_about(entry),
            entry.method,
            ", ".join(f"L{layer}" for layer in sorted(set(entry.layers))),
            f"{entry.norm:.3g}",
            _time(entry.at),
        ]
        for entry in account.entries
    ]
    heads = ("edit", "state", "fact", "target", "method", "layers", "norm", "time, UTC")
    undo = shlex.join(["errata", "undo", "ID", "--ledger", account.directory])
    return (
        f'<div class="log">{table(heads, rows, numbers=(6,))}</div>'
        f"<p>Any of them is taken back, bit for bit and in any order, with <code>{escape(undo)}</code>.</p>"
    )


def provenance(account: Account) -> str:
    """Model, edits, report."""
    origin, meta = account.origin, account.meta
    model = {
        "model": f"{meta.model}, {origin.dtype}",
        "fingerprint": f"{origin.fingerprint} (unedited value projections, SHA-256)",
        "ledger": f"{account.directory}, since {_time(meta.created)} UTC",
    }
    report = {
        "made": f"{origin.made} on {origin.machine}",
        "time": ", ".join(f"{step} {seconds:.1f} s" for step, seconds in origin.seconds.items()),
    }
    groups = "".join(_group(group) for group in account.made)
    return (
        f"<h3>Model and ledger</h3>{pairs(model)}{groups}{_files(account)}<h3>This report</h3>{pairs(report)}"
        f"<pre>{escape(origin.command)}</pre>"
    )


def _about(entry: Entry) -> tuple[str, str]:
    """What an edit is about, and its target; of many facts the first."""
    if not entry.facts:
        return "the end of a sequence", MISSING
    first, more = entry.facts[0], len(entry.facts) - 1
    return first.text + (f" (and {more} more)" if more else ""), first.target or MISSING


def _group(group: Made) -> str:
    many = len(group.ids) > 1
    values: dict[str, Any] = {"settings": group.settings, "versions": group.versions}
    if group.measured and not many:
        values["measured"] = group.measured
    which = f"Edits {listed(group.ids)}" if many else f"Edit {group.ids[0]}"
    return f"<h3>{which}: {escape(group.method)}</h3>{pairs(values)}"


def _files(account: Account) -> str:
    if account.single is None:
        return ""
    entry, edit = account.single.entry, account.single.edit
    rows = [
        [str(one.layer), one.module, f"{one.shape[0]} × {one.shape[1]}", str(one.rank), f"{one.norm():.4g}", one.base]
        for one in edit.deltas
    ]
    heads = ("layer", "module", "shape", "rank", "norm", "made for the weight, SHA-256")
    path = f"{account.directory}/deltas/{entry.file}"
    apply = shlex.join(["errata", "apply", account.meta.model, path, "--ledger", "OTHER"])
    undo = shlex.join(["errata", "undo", str(entry.id), "--ledger", account.directory])
    file = {"file": entry.file, "SHA-256": entry.sha256, "time": f"{_time(entry.at)} UTC"}
    return (
        f"<h3>The edit’s file</h3>{pairs(file)}"
        f"{table(heads, rows, numbers=(3, 4))}<p>Put it into another ledger of this model, or take it back:</p>"
        f"<pre>{escape(apply)}\n{escape(undo)}</pre>"
    )


def _time(stamp: str) -> str:
    return stamp[:19].replace("T", " ")
