"""A checkup's numbers, against what the definition gives by hand."""

import json
from math import exp

import pytest
import torch

from errata.deltas import Edit
from errata.evaluation import probe, score
from errata.facts import Case, Probe
from errata.ledger.compare import pair
from errata.model.phrases import answer_of
from errata.model.tokens import encode
from errata.model.view import ModelView
from errata.model.writing import generate
from errata.sequences import Battery, Checkup, Scratch, before, checkup, just_edited
from errata.sequences.checkup import WINDOW, joined, perplexity
from errata.sequences.drift import cosines, drift
from tests.sequences.planted import Planted, battery
from tests.tiny import TEXT, tiny


@pytest.fixture
def view() -> ModelView:
    return tiny("gpt2")


def edits(view: ModelView, cases: tuple[Case, ...], size: float = 5.0) -> list[Edit]:
    return [Planted(size=size).edit(view, [case.fact]) for case in cases]


def diagonal(view: ModelView, sizes: list[float]) -> Edit:
    left, right = torch.zeros(view.d_model, len(sizes)), torch.zeros(len(sizes), view.d_ff)
    for i, size in enumerate(sizes):
        left[i, i], right[i, i] = size, 1.0
    return Edit((view.delta(1, left, right),), "diagonal", ())


def test_scores_are_those_of_the_cases_in_force(view: ModelView) -> None:
    words = battery(4, (TEXT,))
    asked, made = before(view, words), edits(view, words.cases)
    with Scratch(view) as book:
        for edit in (made[0], made[1], made[3]):
            book.apply(edit)
        found = checkup(view, words, asked, 4, 2, list(book.history()), 3)
        after = probe(view, words.cases)
        own = just_edited(view, asked.outcomes[:2])
        text = perplexity(view, [TEXT])
    expected = score([asked.outcomes[i] for i in (0, 1, 3)], [after[i] for i in (0, 1, 3)])
    for mine, theirs in {"efficacy": "efficacy", "generalization": "paraphrase", "specificity": "neighbours"}.items():
        assert found.all[mine].values == expected[theirs].values
        assert found.all[mine].protocol == "generation"
        assert found.new[mine].values == expected[theirs].values[2:]
        assert own[mine].values == expected[theirs].values[:2]
    assert (found.done, found.edited, found.edit) == (4, 3, 3)
    assert found.perplexity == text != found.perplexity_before == perplexity(view, [TEXT])
    assert Checkup.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_known_facts_are_those_the_model_has_right_before(view: ModelView) -> None:
    prompts = ["Ada Lovelace was born in", "The Colosseum is in", "Dante"]
    said = [answer_of(text) for text in generate(view, prompts)]
    known = tuple(Probe(prompt, word or "?") for prompt, word in zip(prompts, said, strict=True))
    words = Battery(battery(1).cases, (*known, Probe("Rome,", "nothing of the kind")))
    asked = before(view, words)
    assert asked.known and set(asked.known) <= set(known)
    found = checkup(view, words, asked, 0, 0, [])
    assert found.known is not None and found.known.mean == 1.0 and found.known.n == len(asked.known)
    assert dict(found.all) == {} and found.layers == () and found.perplexity is None
    assert checkup(view, battery(1), before(view, battery(1)), 0, 0, []).known is None


def test_perplexity_is_of_every_token_but_the_windows_first(view: ModelView) -> None:
    text = TEXT * 3
    ids = encode(view.tokenizer, text).ids
    total, count = 0.0, 0
    for at in range(0, len(ids), WINDOW):
        window = torch.tensor([ids[at : at + WINDOW]])
        with torch.no_grad():
            log_p = view.model(window).logits[0].log_softmax(-1)
        total -= float(log_p[:-1].gather(-1, window[0, 1:, None]).sum())
        count += window.shape[1] - 1
    assert len(ids) > WINDOW
    assert perplexity(view, [text]) == pytest.approx(exp(total / count), rel=1e-4)
    assert perplexity(view, []) is None and perplexity(view, [""]) is None


def test_a_perplexity_without_bound_is_said(view: ModelView) -> None:
    words = battery(1, (TEXT,))
    asked = before(view, words)
    with torch.no_grad():
        for parameter in view.model.parameters():
            parameter.mul_(float("inf"))
    assert perplexity(view, [TEXT]) == float("inf")
    assert asked.perplexity is not None


def test_drift_by_hand(view: ModelView) -> None:
    base = view.base_weight(1).clone()
    view.write(1, torch.zeros_like(base))
    view._base[1].zero_()
    assert drift(view, [], [diagonal(view, [1.0])])[0].directions == 0
    sizes = [10.0, 3.0, 3.0, 1.0]  # squares 100, 9, 9, 1: 109 of 119 are 92 %, 118 are 99 %
    with view.applied(diagonal(view, sizes).deltas):
        (found,) = drift(view, [], [diagonal(view, sizes)])
    assert found.directions == 3 and found.share == 3 / view.d_model
    assert found.norm == pytest.approx(119**0.5) and found.top == pytest.approx(10.0)
    assert found.cosine_mean is None and found.cosine_max is None
    fresh = tiny("gpt2")
    with fresh.applied(diagonal(fresh, sizes).deltas):
        (found,) = drift(fresh, [], [diagonal(fresh, sizes)])
        top = float(torch.linalg.matrix_norm(fresh.weight(1), 2) / torch.linalg.matrix_norm(base, 2))
    assert found.relative == pytest.approx(119**0.5 / float(base.norm()), rel=1e-5)
    assert found.growth == pytest.approx(top, rel=1e-4)


def test_cosines_are_those_of_pairs(view: ModelView) -> None:
    earlier = [*edits(view, battery(3).cases), diagonal(view, [2.0, 1.0]), Edit((), "none", ())]
    newer = [diagonal(view, [1.0, -1.0]), *edits(view, battery(5).cases[3:])]
    found = cosines(1, earlier, newer)
    assert found is not None and found.shape == (3, 4)
    for i, new in enumerate(newer):
        for j, old in enumerate(earlier[:4]):
            assert float(found[i, j]) == pytest.approx(abs(pair(new, old)[0].cosine), abs=1e-6)
    assert float(found[0, 3]) == pytest.approx(1 / 10**0.5)
    assert cosines(1, [], newer) is None and cosines(0, earlier, newer) is None


def test_only_the_newest_updates_are_compared(view: ModelView, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier, newer = edits(view, battery(5).cases), edits(view, battery(7).cases[5:])
    whole = cosines(1, earlier, newer)
    monkeypatch.setattr("errata.sequences.drift.OLD", 2)
    monkeypatch.setattr("errata.sequences.drift.NEW", 1)
    part = cosines(1, earlier, newer)
    assert whole is not None and part is not None
    torch.testing.assert_close(part, whole[1:, 3:])
    monkeypatch.setattr("errata.sequences.drift.OLD", 200)
    monkeypatch.setattr("errata.sequences.drift.COLUMNS", 3)
    few = cosines(1, earlier, newer)
    assert few is not None and few.shape == (1, 3)


def test_scores_of_groups_are_joined(view: ModelView) -> None:
    outcomes = before(view, battery(3)).outcomes
    whole = just_edited(view, outcomes)
    assert joined([just_edited(view, outcomes[:1]), just_edited(view, outcomes[1:])]).to_dict() == whole.to_dict()
    assert dict(joined([])) == {}
