"""Evaluate edits on the cases that test them, leaving the model as it was."""

from __future__ import annotations

from collections.abc import Sequence

from errata.deltas import Edit
from errata.errors import InputError
from errata.evaluation.metrics import score
from errata.evaluation.probes import CaseOutcome, probe
from errata.facts import Case
from errata.model.view import ModelView
from errata.scores import Scores


def evaluate(view: ModelView, cases: Sequence[Case], edits: Edit | Sequence[Edit]) -> Scores:
    """Efficacy, paraphrase and neighbours of edits that are not applied yet.

    One edit is tested on all cases together; a sequence holds one edit a case, and each is tested alone.
    Raises InputError when their numbers differ.
    """
    before = probe(view, cases)
    if isinstance(edits, Edit):
        return score(before, _probe_with(view, cases, edits))
    if len(edits) != len(cases):
        raise InputError(f"There are {len(edits)} edits for {len(cases)} cases: give one for all, or one for each.")
    after = [_probe_with(view, [case], edit)[0] for case, edit in zip(cases, edits, strict=True)]
    return score(before, after)


def _probe_with(view: ModelView, cases: Sequence[Case], edit: Edit) -> list[CaseOutcome]:
    with view.applied(edit.deltas):
        return probe(view, cases)
