"""Which layer to edit, by measurement: the same few facts edited at every candidate, each alone, and scored.

    mean = (efficacy + paraphrase + neighbours) / 3       by free generation, over the scores that the cases allow

The layer where a method edits best is not the one that tracing points to (Hase et al. 2023), so it is tried out. The
recommended candidate has the best mean; of equal ones the one that spares most neighbours, then the earlier one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from errata.errors import EditError, InputError
from errata.evaluation.metrics import score
from errata.evaluation.probes import probe
from errata.facts import Case
from errata.methods import Editor
from errata.model.view import ModelView
from errata.scores import Scores

SMALL = 12  # layers up to which all are tried
LONGEST = 5  # layers of a window

Settings = dict[str, int | tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class LayerScore:
    """What one candidate reached: `settings` are the editor's that differ, `failed` says why there are no scores."""

    settings: Settings
    scores: Scores | None
    seconds: float
    failed: str | None = None

    @property
    def means(self) -> dict[str, float]:
        """Every score's mean, and `mean`, theirs; empty where the edits failed."""
        if self.scores is None:
            return {}
        found = {name: each.mean for name, each in self.scores.items()}
        return {**found, "mean": sum(found.values()) / len(found)}


def candidates(editor: Editor, n_layers: int, layers: Sequence[int] | None = None) -> list[Settings]:
    """The settings to try: one layer each for a method with `layer`, windows of neighbours for one with `layers`.

    Without `layers`, all layers of a model of up to 12, of a larger one every second in the first two thirds. Windows
    end at these layers and hold one to five (in a larger model one, three or five). Raises InputError for a method that
    edits no layer of choice, and for a layer that does not exist.
    """
    names = {entry.name for entry in fields(editor)}
    if not names & {"layer", "layers"}:
        raise InputError(f"{editor.name} has no setting for the layer it edits: there is nothing to choose.")
    wrong = [layer for layer in layers or () if not 0 <= layer < n_layers]
    if wrong:
        raise InputError(f"Layer {wrong[0]} does not exist: the model has layers 0 to {n_layers - 1}.")
    small = n_layers <= SMALL
    ends = list(layers or (range(n_layers) if small else range(0, -(-2 * n_layers // 3), 2)))
    if "layer" in names:
        return [{"layer": end} for end in ends]
    lengths = range(1, LONGEST + 1) if small else range(1, LONGEST + 1, 2)
    return [{"layers": tuple(range(end - n + 1, end + 1))} for end in ends for n in lengths if n <= end + 1]


def compare_layers(
    view: ModelView,
    cases: Sequence[Case],
    editor: Editor,
    tried: Sequence[Settings],
    report: Callable[[], None] = lambda: None,
) -> Iterator[LayerScore]:
    """Score every candidate on all cases; the model is left as it was. `report` is called after every edit."""
    before = probe(view, cases)
    for settings in tried:
        own: Any = replace(editor, **settings)
        started = time.perf_counter()
        after, failed = [], None
        for case in cases:
            try:
                edit = own.edit(view, [case.fact])
            except EditError as error:
                failed = str(error)
                break
            with view.applied(edit.deltas):
                after += probe(view, [case])
            report()
        scores = None if failed else score(before, after)
        yield LayerScore(settings, scores, time.perf_counter() - started, failed)


def recommended(found: Sequence[LayerScore]) -> LayerScore | None:
    """The candidate to use; None where every one failed."""
    scored = [each for each in found if each.scores is not None]
    return min(scored, key=_order, default=None)


def _order(found: LayerScore) -> tuple[float, float, tuple[int, ...]]:
    (layers,) = found.settings.values()
    means = found.means
    return -means["mean"], -means.get("neighbours", 0.0), layers if isinstance(layers, tuple) else (layers,)
