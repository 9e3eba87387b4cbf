"""The pocket facts' examinations: the same cases as ever, and what is asked beside them."""

import hashlib
import json
from dataclasses import asdict

import pytest

from errata import load
from errata.datasets import pocket
from errata.datasets.pocket_examinations import DESCRIPTIONS, INVERSE, answered, examinations
from errata.facts import Composed, Examination, Probe
from errata.model.pocket.corpus import phrasings

ROWS = pocket.facts("gelu")
FACTS = {(row.relation, row.subject): row for row in ROWS}
PROMPTS = {prompt: row for row in ROWS for prompt in row.prompts}
FOUND = examinations("gelu", 400, seed=3, neighbours=4)


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (0, "5e7ddb15327ba800d1cf52b1dc201e0b8153a7f18b420603ce68caf288530b99"),
        (1, "c5843dcc4c9933c13fe088dc20078358b82bb9fa8c9c5e5347840ce5c11edbe1"),
        (2, "f3ee702eaec2e9980fb7625d01cf2a359cc593aa949458e644cff35611e6e2a2"),
    ],
)
def test_the_cases_of_a_seed_stay_what_they_are(seed: int, digest: str) -> None:
    rows = json.dumps([asdict(case) for case in pocket.cases("gelu", 200, seed)], sort_keys=True)
    assert hashlib.sha256(rows.encode()).hexdigest() == digest


def test_an_examination_holds_the_case_of_the_same_draw() -> None:
    assert [one.case for one in FOUND] == pocket.cases("gelu", 400, 3, 4)
    assert examinations("gelu", 50, 3, 4) == FOUND[:50]
    assert examinations("gelu", 50, 4, 4) != FOUND[:50]


def test_held_out_phrasings_are_no_trained_ones() -> None:
    for one in FOUND:
        row = FACTS[one.case.fact.relation or "", one.case.fact.subject]
        assert one.heldout == row.heldout_prompts
        assert len(one.heldout) > 0 and set(one.heldout).isdisjoint(row.prompts)


def test_what_is_to_stay_is_a_fact_of_another_subject_or_relation() -> None:
    counts = {"same_object": 0, "same_subject": 0}
    for one in FOUND:
        fact = one.case.fact
        for probe in one.same_object:
            row = PROMPTS[probe.prompt]
            assert (row.relation, row.object) == (fact.relation, fact.answer) == (fact.relation, probe.answer)
            assert row.subject != fact.subject
        for probe in one.same_subject:
            row = PROMPTS[probe.prompt]
            assert row.subject == fact.subject and row.relation != fact.relation and row.object == probe.answer
        near = {PROMPTS[probe.prompt].subject for probe in one.case.neighbours}
        assert near.isdisjoint(PROMPTS[probe.prompt].subject for probe in one.same_object)
        assert len(one.same_object) <= 4
        assert one.essence == (f"{fact.subject} is a",)
        counts["same_object"] += bool(one.same_object)
        counts["same_subject"] += bool(one.same_subject)
    assert counts["same_object"] > 200 and counts["same_subject"] > 50


def test_the_inverse_asks_the_target_for_the_subject() -> None:
    seen = 0
    for one in FOUND:
        fact = one.case.fact
        assert bool(one.inverse) == (fact.relation in INVERSE)
        for probe in one.inverse:
            forms = phrasings()[INVERSE[fact.relation or ""]].train
            assert probe.prompt in {form.format(fact.target) for form in forms}
            assert probe.answer == fact.subject
            seen += 1
    assert seen > 10


def test_a_composed_question_leads_through_the_target() -> None:
    seen = 0
    for one in FOUND:
        fact = one.case.fact
        before = {(row.relation, row.object) for row in ROWS if row.subject == fact.answer}
        for part in one.composed:
            second = PROMPTS[part.second.prompt]
            assert second.subject == fact.target
            assert second.object == part.second.answer == part.question.answer
            assert second.relation != INVERSE.get(fact.relation or "")
            assert (second.relation, second.object) not in before
            described = DESCRIPTIONS[fact.relation or ""].format(fact.subject)
            forms = {form.format(described) for form in phrasings()[second.relation].train}
            assert part.question.prompt in {form[0].upper() + form[1:] for form in forms}
            assert f"{described}'" not in part.question.prompt
            seen += 1
    assert seen > 50


def test_only_questions_whose_two_facts_the_model_answers_are_kept() -> None:
    view = load("pocket-gelu")
    some = [one for one in FOUND if one.composed][:5]
    found = answered(view, some)
    assert [one.case for one in found] == [one.case for one in some]
    assert 0 < sum(len(one.composed) for one in found) <= sum(len(one.composed) for one in some)
    kept = found[0].composed[0]
    wrong = Composed(kept.question, Probe(kept.second.prompt, "Atlantis"))
    assert answered(view, [Examination(found[0].case, composed=(wrong, kept))])[0].composed == (kept,)
    assert answered(view, [Examination(found[0].case)]) == [Examination(found[0].case)]
