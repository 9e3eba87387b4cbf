"""The report of a correction as one HTML page that needs nothing outside itself."""

from __future__ import annotations

from html import escape
from pathlib import Path

from errata.ledger.disk import write_durably
from errata.reports.markup import document, footer, numbered, pairs, table
from errata.reports.passages import KINDS, answers, located, probabilities
from errata.reports.record import Record


def write(record: Record, path: Path) -> None:
    """Write the page of a record to a file, whole or not at all."""
    write_durably(path, render(record).encode())


def render(record: Record) -> str:
    """The page of a record."""
    sections = [
        ("Where the fact sits", located(record.attribution)),
        ("What the correction changed", _changed(record)),
        ("Taken back", _undone(record)),
        ("How it was made", _provenance(record)),
    ]
    title = f"Erratum: {record.fact.text} {record.fact.target or ''}"
    return document(title, f"{_head(record)}{numbered(sections)}{footer(record.origin.made)}")


def _head(record: Record) -> str:
    prompt, found = record.comparison.prompt, record.comparison
    before, target = escape(prompt.before.answer), escape(prompt.after.expected)
    if found.took:
        title = f"{escape(record.fact.text)} <del>{before}</del> <ins>{target}</ins>"
        lede = f"The model said “{before}”. One edit of {_layers(record)} made it say “{target}”"
    else:
        title = f"{escape(record.fact.text)} {escape(prompt.after.answer)}"
        lede = f"The model said “{before}”. One edit of {_layers(record)} was to make it say “{target}” and did not"
    undone = f"taking it back {'gave' if record.hashes.restored else 'did not give'} every bit back"
    asked = [change for change in found.changes if change.kind != "neighbour"]
    near = found.of("neighbour")
    tiles = [
        (f"{sum(c.after.right for c in asked)} of {len(asked)}", f"phrasings say “{target}” after the edit"),
        (f"{sum(c.unchanged for c in near)} of {len(near)}", "neighbours keep their answer"),
        (f"{len(record.attribution.neurons)}", "neurons selected by their score for the old answer"),
        ("identical" if record.hashes.restored else "different", "weights after the edit was undone"),
    ]
    cards = "".join(f"<div><dt>{text}</dt><dd>{escape(value)}</dd></div>" for value, text in tiles)
    return (
        f'<p class="over">Erratum · {escape(record.origin.model)}</p><h1>{title}</h1>'
        f'<p class="lede">{lede}; {undone}.</p><dl class="tiles">{cards}</dl>'
    )


def _changed(record: Record) -> str:
    fact, found = record.fact, record.comparison
    better, worse = len(found.better), len(found.worse)
    return (
        f"<p>Every prompt was asked before and after the edit, by free greedy generation: {better} got better, "
        f"{worse} got worse, the rest stayed. Phrasings should give the new answer; neighbours, other subjects of the "
        "same relation, should give what they gave before.</p>"
        f"{probabilities(record.shifts, found.prompt.before.answer, fact.target or '')}"
        + "".join(answers(title, found.of(kind), kind) for kind, title in KINDS.items() if found.of(kind))
    )


def _undone(record: Record) -> str:
    hashes = record.hashes
    rows = [["before the edit", hashes.before], ["with the edit", hashes.edited], ["after undoing it", hashes.undone]]
    verdict = (
        "The first and the last are equal: every parameter has its bits back."
        if hashes.restored
        else "The first and the last differ: the weights were not restored."
    )
    cells = [[escape(when), f"<code>{escape(value)}</code>"] for when, value in rows]
    return f"<p>SHA-256 over every parameter of the model. {verdict}</p>{table(('weights', 'sha256'), cells, raw=True)}"


def _provenance(record: Record) -> str:
    origin, edit, found = record.origin, record.edit, record.attribution
    where = {
        "model": f"{origin.model}, {origin.dtype}",
        "fingerprint": origin.fingerprint,
        "made": f"{origin.made} on {origin.machine}",
        **dict(edit.versions),
        "time": ", ".join(f"{step} {seconds:.1f} s" for step, seconds in origin.seconds.items()),
    }
    return (
        f'<div class="columns"><div><h3>Located with {escape(found.method)}</h3>{pairs(found.settings)}</div>'
        f"<div><h3>Edited with {escape(edit.method)}</h3>{pairs(edit.settings)}</div></div>"
        f"<h3>Measured while editing</h3>{pairs({**edit.measured, 'norm of the change': round(edit.norm(), 4)})}"
        f"<h3>Model and machine</h3>{pairs(where)}"
        f"<h3>Make it again</h3><pre>{escape(origin.command)}</pre>"
    )


def _layers(record: Record) -> str:
    layers = sorted({delta.layer for delta in record.edit.deltas})
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {', '.join(map(str, layers))}"
