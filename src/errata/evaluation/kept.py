"""The prompts that tested an edit, kept with it: who asks again later asks the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from errata.deltas import Edit
from errata.facts import Case, Fact, Probe

PROBES = "probes"


def keep(edit: Edit, cases: Sequence[Case]) -> Edit:
    """The edit with its cases' paraphrases and neighbours among what was measured; cases without any are left out."""
    rows = [
        {
            "prompt": case.fact.text,
            "paraphrases": list(case.paraphrases),
            "neighbours": [[probe.prompt, probe.answer] for probe in case.neighbours],
        }
        for case in cases
        if case.paraphrases or case.neighbours
    ]
    return replace(edit, measured={**edit.measured, PROBES: rows}) if rows else edit


def kept(edit: Edit, fact: Fact) -> Case | None:
    """The case of one of an edit's facts as `keep` kept it; None where nothing, or nothing readable, was kept."""
    try:
        for row in cast(Sequence[Mapping[str, Any]], edit.measured.get(PROBES, ())):
            if row["prompt"] == fact.text:
                near = tuple(Probe(str(prompt), str(answer)) for prompt, answer in row["neighbours"])
                return Case(fact, tuple(map(str, row["paraphrases"])), near)
    except (KeyError, TypeError, ValueError):
        return None
    return None


def measured_alone(edit: Edit) -> dict[str, Any]:
    """What was measured while editing, without the prompts kept beside it."""
    return {name: value for name, value in edit.measured.items() if name != PROBES}
