"""Protocols: every score of a case by hand, all of them before and after, and never two protocols in one."""

from dataclasses import replace

import pytest

from errata.errors import InputError
from errata.evaluation import PROTOCOLS, Settings, protocol, score_protocol
from errata.evaluation.examination import Examined, questions
from errata.evaluation.generation import verdicts
from errata.evaluation.likelihood import Likelihoods
from errata.evaluation.teacher_forced import Choices
from errata.facts import Case, Examination, Fact, Probe
from errata.model.writing import generate
from tests.evaluation.planted import AFTER, BEFORE, FULL, plant
from tests.tiny import tiny

NONE = Settings(written=0)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Examined], list[Examined]]:
    """What the planted models say to FULL."""
    view, write = tiny("gpt2"), PROTOCOLS["generation"].ask
    plant(monkeypatch, BEFORE)
    before = write(view, [FULL], Settings())
    plant(monkeypatch, AFTER)
    return before, write(view, [FULL], Settings())


def test_generation_judges_whole_replies(said: tuple[list[Examined], list[Examined]]) -> None:
    found = score_protocol(PROTOCOLS["generation"], *said)
    after = {name: score.mean for name, score in found.items() if not name.endswith("_before")}
    assert after.pop("fluency") > 0 and 0 < after.pop("consistency") < 1
    assert after == pytest.approx(
        {
            "efficacy": 0.5,  # an alias of the target; Lyon twice
            "generalization": 0.5,  # denying the old answer is no contradiction, correcting is
            "heldout": 0.0,  # restates the edit prompt with another object
            "inverse": 1.0,
            "composed": 0.0,
            "aliasing": 0.0,  # the old answer behind the target
            "reasoning": 1.0,  # any accepted answer
            "portability": 1 / 3,
            "specificity": 0.5,  # right as before, but another text
            "same_object": 0.0,
            "same_subject": 1.0,
            "other_answers": 1.0,
            "locality": 2.5 / 4,
            "known": 2 / 3,  # Madrid and Paris; Muscat is contradicted
            "already": 0.0,
        }
    )
    base = {name: found[name].mean for name in found if name.endswith("_before")}
    assert set(base) == {f"{name}_before" for name in found if not name.endswith("_before")} - {"already_before"}
    assert base["generalization_before"] == 0.5 and base["reasoning_before"] == 1.0 and base["efficacy_before"] == 0.0
    assert base["locality_before"] == base["known_before"] == 1.0
    assert {score.protocol for score in found.values()} == {"generation"}
    assert {name for name, score in found.items() if score.direction == "lower"} == {"already"}
    reasons = [one.reason for one in verdicts(said[1][0])]
    assert reasons[:5] == ["right", "repeats", "right", "contradicts", "contradicts"]


def test_the_first_phrase_of_the_same_writing(said: tuple[list[Examined], list[Examined]]) -> None:
    found = score_protocol(PROTOCOLS["first-phrase"], *said)
    means = {name: found[name].mean for name in ("efficacy", "generalization", "heldout", "known", "specificity")}
    assert means == {"efficacy": 1.0, "generalization": 1.0, "heldout": 1.0, "known": 1.0, "specificity": 1.0}
    assert {score.protocol for score in found.values()} == {"first-phrase"} and "kept" not in found
    strict = score_protocol(PROTOCOLS["generation"], *said)
    assert set(found) == set(strict) and found["consistency"].values == strict["consistency"].values


def test_facts_that_are_answered_with_the_target_already_are_counted() -> None:
    bare = Examination(Case(Fact("France", "The capital of {} is", target="Rome")))
    there, not_there = Examined(bare, (" Rome.",), ()), Examined(bare, (" Paris.",), ())
    for name in ("generation", "first-phrase"):
        found = score_protocol(PROTOCOLS[name], [there, not_there, not_there], [there, there, not_there])
        assert found["already"].values == (1.0, 0.0, 0.0) == found["efficacy_before"].values
        assert found["efficacy"].values == (1.0, 1.0, 0.0) and found["already"].direction == "lower"


def test_teacher_forced_counts_tokens_by_kind() -> None:
    one = Examination(
        Case(Fact("France", "{} is", target="a b"), neighbours=(Probe("Spain is", "c d"), Probe("Oman is", "e"))),
        same_subject=(Probe("France has", "f"),),
    )
    gold = ((1, 2), (3, 4), (5,), (6,))
    before, after = Choices(one, gold, ((1, 2), (3, 4), (0,), (0,))), Choices(one, gold, ((1, 0), (3, 0), (5,), (0,)))
    (row,) = PROTOCOLS["teacher-forced"].values([before], [after])
    assert row == {
        "efficacy": 0.5,
        "specificity": (0.5 + 0) / 2,
        "same_subject": 1.0,
        "locality": (0.25 + 1) / 2,
        "known": 0.5,
        "efficacy_before": 1.0,
        "specificity_before": 1.0,
        "same_subject_before": 1.0,
        "locality_before": 1.0,
        "known_before": 1.0,
        "already": 1.0,
    }


def test_likelihood_counts_only_where_a_rival_is_known() -> None:
    one = replace(FULL, aliases=(), consequences=FULL.consequences[:1], composed=(), inverse=(), more=())
    names = [question.name for question in questions(one)]
    assert [question.rivals for question in questions(one)] == [("Paris",)] * 5 + [("Rome",)] * 5
    low, high = (-2.0, -1.0), (-1.0, -2.0)
    before = Likelihoods(one, (low, low, high, None, low, high, low, high, low, None))
    after = Likelihoods(one, (high, high, low, None, high, high, high, low, low, None))
    (row,) = PROTOCOLS["likelihood"].values([before], [after])
    size = 0.36787944117144233 - 0.1353352832366127
    assert names[3] == "heldout" and "heldout" not in row and "other_answers" not in row
    assert (row["efficacy"], row["efficacy_before"], row["already"]) == (1.0, 0.0, 0.0)
    assert (row["generalization"], row["generalization_magnitude"]) == (0.5, 0.0)
    assert row["efficacy_magnitude"] == pytest.approx(size) == pytest.approx(-row["efficacy_magnitude_before"])
    assert (row["specificity"], row["specificity_before"], row["same_object"]) == (1.0, 0.5, 0.0)
    assert row["known"] == 0.5 and row["portability"] == row["aliasing"] == 1.0


def test_everything_is_asked_once_in_two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plant(monkeypatch, BEFORE)
    outcomes = PROTOCOLS["generation"].ask(tiny("gpt2"), [FULL, replace(FULL, references=())], Settings())
    assert len(asked) == 2 and [len(prompts) for prompts in asked] == [len(BEFORE) - 1, 1]
    assert outcomes[0].texts == outcomes[1].texts and hash(outcomes[0]) is not None
    PROTOCOLS["generation"].ask(tiny("gpt2"), [FULL], NONE)
    assert len(asked) == 3


def test_what_is_left_alone_where_an_edit_failed(said: tuple[list[Examined], list[Examined]]) -> None:
    for name in ("generation", "first-phrase"):
        (row,) = PROTOCOLS[name].values(*said)
        staying = {"specificity", "same_object", "same_subject", "other_answers", "locality", "known"}
        assert PROTOCOLS[name].untouched & set(row) == staying | {"fluency", "consistency"}
    assert "specificity_magnitude" in PROTOCOLS["likelihood"].untouched


def test_outcomes_must_belong_together_and_names_exist(said: tuple[list[Examined], list[Examined]]) -> None:
    assert list(PROTOCOLS) == ["generation", "first-phrase", "teacher-forced", "likelihood", "judge"]
    assert all(protocol(name) is one and one.name == name for name, one in PROTOCOLS.items())
    with pytest.raises(InputError, match="different examinations"):
        PROTOCOLS["generation"].values(said[0], [])
    with pytest.raises(InputError, match="no protocol 'exact': choose one of generation, first-phrase"):
        protocol("exact")
    with pytest.raises(InputError, match="'judge' has no endpoint"):
        PROTOCOLS["judge"].ask(tiny("gpt2"), [FULL], NONE)


def test_a_line_that_says_something_ends_the_writing() -> None:
    view = tiny("gpt2")
    newline = view.tokenizer.encode("\n")[0]
    whole, lines = (generate(view, ["Rome", "Paris is"], 24, until=until) for until in ("end", "line"))
    assert lines == whole  # a random model's lines are long
    written: list[list[int]] = []
    for until in ("end", "line"):
        script = iter([newline, 50, 51, newline, 52, 53])

        def next_tokens(_view: object, rows: object, most: int, ended: object, _size: int) -> list[list[int]]:
            new: list[int] = []
            for token in script:  # noqa: B023
                new.append(token)
                if len(new) == most or ended(0, new):  # type: ignore[operator]
                    break
            return [new]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("errata.model.writing.decode", next_tokens)
            generate(view, ["Rome"], 6, until=until)
        written.append(list(script))
    assert written == [[], [52, 53]]
