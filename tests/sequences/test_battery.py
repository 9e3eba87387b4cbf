"""The embedded models' batteries: the right number, nothing edited among what should stay."""

import pytest

from errata.datasets import pocket
from errata.errors import InputError
from errata.methods import editor
from errata.model.load import load
from errata.sequences import Scratch, pocket_battery, run


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_what_should_stay_is_not_edited(kind: str) -> None:
    tuned = frozenset(case.fact.subject for case in pocket.cases(kind, 40, 1))
    found = pocket_battery(kind, 300, 0, known=100, leave_out=tuned)
    assert found == pocket_battery(kind, 300, 0, known=100, leave_out=tuned)
    edited = {case.fact.subject for case in found.cases}
    assert len(edited) == 300 and not edited & tuned
    assert {len(case.paraphrases) for case in found.cases} == {2} == {len(case.neighbours) for case in found.cases}
    subject = {prompt: row.subject for row in pocket.facts(kind) for prompt in row.prompts}
    near = {probe.prompt for case in found.cases for probe in case.neighbours}
    assert len({subject[probe.prompt] for probe in found.known} - edited) == 100
    assert not near & {probe.prompt for probe in found.known}
    plain = pocket.cases(kind, 340, 0, 2)
    assert [case.fact for case in found.cases] == [case.fact for case in plain if case.fact.subject not in tuned][:300]


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(InputError, match="subjects to edit, not 5000"):
        pocket_battery("gelu", 5000)
    with pytest.raises(InputError, match="known facts, not 2300"):
        pocket_battery("gelu", 200, known=2300)


def test_a_short_sequence_on_an_embedded_model() -> None:
    view = load("pocket-gelu")
    unedited = view.weights_sha256()
    words = pocket_battery("gelu", 2, known=20)
    rome = editor("rome", context_lengths=(2,), use_covariance=False)
    with Scratch(view) as book:
        rows = list(run(view, rome, words, 1, book, 1))
    assert [row.done for row in rows] == [1, 2]
    assert rows[-1].all["efficacy"].mean == 1.0
    assert rows[-1].known is not None and rows[-1].known.n == 20
    assert rows[-1].layers[0].directions >= 1 and rows[-1].layers[0].cosine_max is not None
    assert view.weights_sha256() == unedited
