"""Comparing: what counts as better, worse and unchanged."""

import json

import pytest

from errata.errors import InputError
from errata.evaluation import CaseOutcome, Change, Reply, compare
from errata.evaluation.compare import Kind, Verdict
from errata.facts import Case, Fact, Probe

CASE = Case(
    Fact("France", "The capital of {} is", target="Rome"), ("France's capital is",), (Probe("Spain:", "Madrid"),)
)


def outcome(prompt: str, paraphrase: str, neighbour: str, case: Case = CASE) -> CaseOutcome:
    return CaseOutcome(
        case,
        Reply("The capital of France is", "Rome", prompt),
        (Reply("France's capital is", "Rome", paraphrase),),
        (Reply("Spain:", "Madrid", neighbour),),
    )


@pytest.mark.parametrize(
    ("kind", "expected", "before", "after", "unchanged", "verdict"),
    [
        ("prompt", "Rome", " Paris.", " Rome.", False, "better"),
        ("prompt", "Rome", " Rome.", " Rome, of course", True, "same"),
        ("prompt", "Rome", " Paris.", " Lyon.", False, "same"),
        ("paraphrase", "Rome", " Rome", " Romeo", False, "worse"),
        ("neighbour", "Madrid", " Madrid.", " Madrid", True, "same"),
        ("neighbour", "Madrid", " Madrid.", " Rome.", False, "worse"),
        ("neighbour", "Madrid", " Lisbon. And so on", " Lisbon. Or not", True, "same"),
        ("neighbour", "Madrid", " Lisbon.", " Porto.", False, "worse"),
        ("neighbour", "Madrid", " Lisbon.", " Madrid.", False, "better"),
        ("neighbour", "St. Petersburg", " St. Petersburg.", " St. Louis.", False, "worse"),
    ],
)
def test_verdicts(kind: Kind, expected: str, before: str, after: str, unchanged: bool, verdict: Verdict) -> None:
    change = Change(kind, Reply("prompt", expected, before), Reply("prompt", expected, after))
    assert (change.unchanged, change.verdict) == (unchanged, verdict)


def test_a_comparison_tells_what_got_better_and_worse() -> None:
    found = compare(outcome(" Paris.", " Paris.", " Madrid."), outcome(" Rome.", " Paris.", " Rome."))
    assert found.took and found.prompt.verdict == "better"
    assert [change.kind for change in found.better] == ["prompt"]
    assert [change.after.answer for change in found.worse] == ["Rome"]
    row = json.loads(json.dumps(found.to_dict()))
    assert (row["took"], row["better"], row["worse"]) == (True, 1, 1)
    assert row["checks"][2] == {
        "kind": "neighbour",
        "prompt": "Spain:",
        "expected": "Madrid",
        "before": "Madrid",
        "after": "Rome",
        "right_before": True,
        "right_after": False,
        "unchanged": False,
        "verdict": "worse",
    }


def test_outcomes_of_different_cases_do_not_compare() -> None:
    other = outcome("", "", "", Case(Fact("Spain", "The capital of {} is", target="Rome")))
    with pytest.raises(InputError, match="different cases"):
        compare(outcome("", "", ""), other)
