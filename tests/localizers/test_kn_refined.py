"""KN-refined: how the share is found, and that phrasings of a fact get the neurons they share."""

import pytest
import torch

from errata import Fact, localizer
from errata.errors import InputError
from errata.localizers.kn_refined import refine, shares_of
from errata.neurons import NeuronSet
from tests.tiny import D_FF, LAYERS, tiny

INNER = localizer("knowledge_neurons", steps=2, threshold=0.1)
PROMPTS = ("The capital of {} is", "{}'s capital is", "The tower of {} is in")


def phrasings(subject: str, answer: str) -> list[Fact]:
    return [Fact(subject, prompt, answer=answer) for prompt in PROMPTS]


def kept(tenths: list[int], fixed: float | None = None) -> tuple[float, int]:
    """p and the number of neurons it keeps, for neurons that so many of ten phrasings find."""
    shares = torch.tensor([tenths]).float() / 10
    share = refine(shares, fixed)
    return round(share, 3), int((shares >= share).sum())


def test_two_to_five_neurons_stay_with_the_share_it_begins_with() -> None:
    assert kept([10, 9, 7, 6, 6, 1]) == (0.7, 3)
    assert kept([7, 7, 0]) == (0.7, 2)
    assert kept([9] * 5 + [6]) == (0.7, 5)


def test_too_many_neurons_raise_the_share() -> None:
    assert kept([10, 10, 9, 8, 8, 8, 7, 7]) == (0.85, 3)
    assert kept([8] * 4 + [7] * 4) == (0.75, 4)


def test_too_few_neurons_lower_it() -> None:
    assert kept([10, 5, 4, 1]) == (0.5, 2)
    assert kept([3, 2, 1]) == (0.2, 2)
    assert kept([3, 3, 3, 3, 3, 3, 3]) == (0.3, 7)  # six more at once: as near as it gets


def test_a_step_that_would_leave_fewer_than_two_is_not_taken() -> None:
    assert kept([10] + [8] * 7) == (0.8, 8)
    assert kept([10] * 9) == (1.0, 9)


def test_where_nothing_is_shared_the_lowest_share_is_taken_and_nothing_more_stays() -> None:
    assert kept([1, 0, 0]) == (0.05, 1)
    assert kept([0, 0]) == (0.05, 0)


def test_a_fixed_share_stays() -> None:
    assert kept([10, 9, 7, 6, 6, 6, 6, 6, 6], 0.6) == (0.6, 9)
    assert kept([5], 0.7) == (0.7, 0)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="share of the phrasings"):
        localizer("kn_refined", localizer=INNER, share=share).attribute(tiny("gpt2"), phrasings("France", "Paris"))


def test_shares_count_the_sets() -> None:
    sets = [NeuronSet(2, 3, frozenset(members)) for members in ([(0, 1), (1, 2)], [(0, 1)], [], [(0, 1), (0, 0)])]
    assert torch.equal(shares_of(sets), torch.tensor([[0.25, 0.75, 0], [0, 0, 0.25]]))


def test_phrasings_of_a_fact_get_the_neurons_they_share() -> None:
    view = tiny("gpt2")
    one, other = phrasings("France", "Paris"), phrasings("Italy", "Rome")
    mixed = [fact for pair in zip(one, other, strict=True) for fact in pair]
    found = localizer("kn_refined", localizer=INNER, share=0.6).attribute(view, mixed)
    single = [attribution.neurons for attribution in INNER.attribute(view, mixed)]
    for start in (0, 1):
        a, b, c = single[start::2]
        shared = (a & b) | (a & c) | (b & c)  # two of three
        assert 0 < len(shared) < max(map(len, (a, b, c)))
        assert [set(attribution.neurons) for attribution in found[start::2]] == [set(shared)] * 3
        assert [attribution.settings["phrasings"] for attribution in found[start::2]] == [3] * 3
    assert {attribution.gap for attribution in found} == {None}
    assert found[0].scores.shape == (LAYERS, D_FF) and not torch.equal(found[0].scores, found[1].scores)


def test_one_phrasing_alone_keeps_its_own_neurons() -> None:
    view, fact = tiny("gpt2"), phrasings("France", "Paris")[:1]
    found = localizer("kn_refined", localizer=INNER).attribute(view, fact)[0]
    assert set(found.neurons) == set(INNER.attribute(view, fact)[0].neurons)
    assert localizer("kn_refined", localizer=INNER).attribute(view, []) == []
