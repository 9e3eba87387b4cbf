"""Passages that the pages on corrections share: where a fact sits, and the answers before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from errata.evaluation.compare import Change, Kind
from errata.neurons import Attribution
from errata.reports.figures import before_after, heat_map
from errata.reports.markup import table
from errata.reports.record import Shift
from errata.reports.tables import label, layer_numbers, strongest

NEURONS = 10
KINDS: Mapping[Kind, str] = {"prompt": "The prompt", "paraphrase": "Other phrasings", "neighbour": "Neighbours"}


def located(found: Attribution) -> str:
    """The heat map of an attribution, its strongest neurons and the layers' sums."""
    rows = [
        [label(neuron), f"{score:+.2g}", "yes" if neuron in found.neurons else "no"]
        for neuron, score in strongest(found.scores, NEURONS)
    ]
    head, line = ("layer", "sum"), ""
    lede = f"Each neuron’s score for “{escape(found.answer)}”, by {words(found.method)}."
    if found.gap is not None:
        head, line = ("layer", "sum", "f(x) − f(0)", "gap"), ", with f(x) − f(0) as a line across it"
        lede = (
            f"Each neuron’s share of the {words(found.objective)} of “{escape(found.answer)}”, by "
            f"{words(found.method)}. The scores of a layer add up to what its neurons together contribute, "
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


def probabilities(shifts: Sequence[Shift], old: str, new: str) -> str:
    """The figure of every prompt's probabilities before and after, with its key."""
    key = (
        f'<span class="old"><i class="full"></i>“{escape(old)}”</span>'
        f'<span class="new"><i class="full"></i>“{escape(new)}”</span>'
        '<span class="kept"><i class="full"></i>a neighbour’s own answer</span>'
        '<span><i></i>before</span><span><i class="full"></i>after</span>'
    )
    return f'<figure><div class="key">{key}</div>{before_after(shifts)}</figure>'


def answers(title: str, changes: Sequence[Change], kind: Kind) -> str:
    """A table of prompts of one kind with their answers before and after."""
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


def words(name: str) -> str:
    """A method's or objective's name as words."""
    return escape(name.replace("_", "-") if name == "log_probability" else name.replace("_", " "))
