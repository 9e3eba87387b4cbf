"""R-ROME: W′k* = v*, purity, and edits that take hold."""

import pytest
import torch

from errata import Fact, editor
from errata.associative.keys import subject_keys
from errata.associative.sampling import sample_contexts
from errata.associative.values import ValueSettings, optimise_values
from errata.errors import InputError
from errata.model.scoring import target_log_probs
from errata.model.tokens import encode_fact
from tests.tiny import ARCHITECTURES, tiny

FACT = Fact("Ada Lovelace", "{} was born in", target="Paris", answer="London")
FACTS = [
    FACT,
    Fact("France", "The capital of {} is", target="Rome"),
    Fact("Dante", "The mother tongue of {} is", "Paris"),
]
SMALL = {"context_lengths": (3, 5), "covariance_tokens": 2048, "values": ValueSettings(steps=20, lr=0.3)}


@pytest.mark.parametrize("use_covariance", [True, False])
def test_the_edited_memory_returns_the_value_at_the_key(use_covariance):
    """W′k* − Wk* = δ*, with k* the mean over contexts, in both forms of u."""
    view = tiny("llama")
    rome = editor("rome", layer=1, use_covariance=use_covariance, **SMALL)
    edit = rome.edit(view, [FACT])
    contexts = sample_contexts(view, rome.context_lengths, rome.seed)
    rows = [encode_fact(view.tokenizer, FACT, prefix=context) for context in contexts]
    key = subject_keys(view, [1], rows)[1].mean(0)
    delta = optimise_values(view, 1, [FACT], ["Paris"], contexts, SMALL["values"]).delta[0]
    with view.applied(edit.deltas):
        moved = view.weight(1) @ key
    assert torch.allclose(moved - view.weight(1) @ key, delta, atol=1e-4 * float(delta.norm()))
    assert edit.deltas[0].rank == 1


def test_several_facts_are_all_written_by_one_edit():
    """The last fact's constraint holds exactly; each update was made on the memory the ones before it left."""
    view = tiny("llama")
    rome = editor("rome", layer=1, **SMALL)
    edit = rome.edit(view, FACTS)
    (update,) = edit.deltas
    assert update.rank == 3
    contexts = sample_contexts(view, rome.context_lengths, rome.seed)
    keys = [
        subject_keys(view, [1], [encode_fact(view.tokenizer, fact, prefix=c) for c in contexts])[1].mean(0)
        for fact in FACTS
    ]
    deltas = optimise_values(view, 1, FACTS, [fact.target for fact in FACTS], contexts, SMALL["values"]).delta
    for i in range(3):
        partial = update.left[:, : i + 1] @ update.right[: i + 1]
        assert torch.allclose(partial @ keys[i], deltas[i], atol=1e-4 * float(deltas[i].norm()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_target_becomes_likelier_and_the_model_is_untouched(architecture):
    view = tiny(architecture)
    before = view.weights_sha256()
    edit = editor("rome", layer=1, **SMALL).edit(view, [FACT])
    assert view.weights_sha256() == before
    row = encode_fact(view.tokenizer, FACT, "Paris")
    without = float(target_log_probs(view, [row])[0].sum())
    with view.applied(edit.deltas):
        gain = float(target_log_probs(view, [row])[0].sum()) - without
    # A norm behind the projection bounds what any value can do in a random model.
    assert gain > (0.0 if architecture in ("gemma3", "olmo2") else 0.5)
    assert view.weights_sha256() == before


def test_the_same_seed_gives_the_same_bytes():
    first = editor("rome", layer=1, **SMALL).edit(tiny("gpt2"), [FACT]).to_bytes()
    assert editor("rome", layer=1, **SMALL).edit(tiny("gpt2"), [FACT]).to_bytes() == first


def test_bad_input_is_refused():
    view = tiny("gpt2")
    with pytest.raises(InputError, match="no target"):
        editor("rome").edit(view, [Fact("France", "The capital of {} is")])
    with pytest.raises(InputError, match="layers 0 to 2"):
        editor("rome", layer=9).edit(view, [FACT])
    with pytest.raises(InputError, match="no facts"):
        editor("rome").edit(view, [])
