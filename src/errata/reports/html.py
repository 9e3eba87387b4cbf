"""The report of a correction as one HTML page that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from errata.evaluation.compare import Change, Kind
from errata.reports.figures import before_after, heat_map
from errata.reports.markup import document, plain, table
from errata.reports.record import Record
from errata.reports.tables import label, layer_numbers, strongest

NEURONS = 10


def write(record: Record, path: Path) -> None:
    """Write the page of a record to a file, whole or not at all."""
    page = render(record)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)


def render(record: Record) -> str:
    """The page of a record."""
    sections = [
        ("Where the fact sits", _located(record)),
        ("What the correction changed", _changed(record)),
        ("Taken back", _undone(record)),
        ("How it was made", _provenance(record)),
    ]
    body = "".join(
        f'<section><h2><span class="number">{number}</span>{title}</h2>{text}</section>'
        for number, (title, text) in enumerate(sections, start=1)
    )
    title = f"Erratum: {record.fact.text} {record.fact.target or ''}"
    return document(title, f"{_head(record)}{body}{_foot(record)}")


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


def _located(record: Record) -> str:
    found = record.attribution
    rows = [
        [label(neuron), f"{score:+.2g}", "yes" if neuron in found.neurons else "no"]
        for neuron, score in strongest(found.scores, NEURONS)
    ]
    head, line = ("layer", "sum"), ""
    lede = f"Each neuron’s score for “{escape(found.answer)}”, by {_words(found.method)}."
    if found.gap is not None:
        head, line = ("layer", "sum", "f(x) − f(0)", "gap"), ", with f(x) − f(0) as a line across it"
        lede = (
            f"Each neuron’s share of the {_words(found.objective)} of “{escape(found.answer)}”, by "
            f"{_words(found.method)}. The scores of a layer add up to what its neurons together contribute, "
            f"f(x) − f(0); what is missing is the completeness gap, at most {found.gap:.1e} here."
        )
    return (
        f"<p>{lede}</p>"
        f"<figure>{heat_map(found)}<figcaption>Each cell shows the strongest of a run of neighbouring neurons; the "
        f"strongest neurons are named. At the side the sum of every layer{line}.</figcaption></figure>"
        '<div class="columns"><div><h3>Strongest neurons</h3>'
        f"{table(('neuron', 'score', 'chosen'), rows, numbers=(1,))}</div><div><h3>Layers</h3>"
        f"{table(head, layer_numbers(found), numbers=(1, 2, 3))}</div></div>"
    )


def _changed(record: Record) -> str:
    fact, found = record.fact, record.comparison
    old, new = escape(found.prompt.before.answer), escape(fact.target or "")
    better, worse = len(found.better), len(found.worse)
    key = (
        f'<span class="old"><i class="full"></i>“{old}”</span><span class="new"><i class="full"></i>“{new}”</span>'
        '<span class="kept"><i class="full"></i>a neighbour’s own answer</span>'
        '<span><i></i>before</span><span><i class="full"></i>after</span>'
    )
    return (
        f"<p>Every prompt was asked before and after the edit, by free greedy generation: {better} got better, "
        f"{worse} got worse, the rest stayed. Phrasings should give the new answer; neighbours, other subjects of the "
        "same relation, should give what they gave before.</p>"
        f'<figure><div class="key">{key}</div>{before_after(record.shifts)}</figure>'
        + "".join(_answers(title, found.of(kind), kind) for kind, title in _KINDS.items() if found.of(kind))
    )


_KINDS: Mapping[Kind, str] = {"prompt": "The prompt", "paraphrase": "Other phrasings", "neighbour": "Neighbours"}


def _answers(title: str, changes: Sequence[Change], kind: Kind) -> str:
    marks = {"better": "better", "same": "unchanged" if kind == "neighbour" else "same", "worse": "worse"}
    rows = [
        [
            escape(change.before.prompt),
            escape(change.before.answer) or "–",
            escape(change.after.answer) or "–",
            f'<span class="{change.verdict}">{marks[change.verdict]}</span>',
        ]
        for change in changes
    ]
    return f'<h3>{title}</h3><div class="answers">{table(("prompt", "before", "after", ""), rows, raw=True)}</div>'


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
        f'<div class="columns"><div><h3>Located with {escape(found.method)}</h3>{_pairs(found.settings)}</div>'
        f"<div><h3>Edited with {escape(edit.method)}</h3>{_pairs(edit.settings)}</div></div>"
        f"<h3>Measured while editing</h3>{_pairs({**edit.measured, 'norm of the change': round(edit.norm(), 4)})}"
        f"<h3>Model and machine</h3>{_pairs(where)}"
        f"<h3>Make it again</h3><pre>{escape(origin.command)}</pre>"
    )


def _foot(record: Record) -> str:
    return (
        f"<footer>Made by Errata on {escape(record.origin.made)}. This page holds its figures and loads nothing."
        "</footer>"
    )


def _pairs(values: Mapping[str, Any]) -> str:
    rows = [[name, plain(value)] for name, value in values.items()]
    return f'<div class="pairs">{table(("", ""), rows)}</div>'


def _words(name: str) -> str:
    return escape(name.replace("_", "-") if name == "log_probability" else name.replace("_", " "))


def _layers(record: Record) -> str:
    layers = sorted({delta.layer for delta in record.edit.deltas})
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {', '.join(map(str, layers))}"
