"""Knowledge neurons: the equation by finite differences, completeness, answers, settings."""

import math

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from errata import Fact, ModelView, load, localizer
from errata.errors import InputError, TokenError, UnsupportedModelError
from errata.localizers._paths import path_scores
from errata.localizers._plain import plain_scores
from errata.localizers._quadrature import quadrature
from errata.model.hooks import change_input, count_hooks
from errata.model.scoring import OBJECTIVES
from errata.model.tokens import encode
from errata.model.writing import generate
from tests.tiny import ARCHITECTURES, randomize, tiny

PROBABILITY = OBJECTIVES["probability"]


def test_scores_are_the_path_integral_by_finite_differences():
    """∂P/∂w_i along the path, by central differences in float64, for every seventh neuron of one layer."""
    view = tiny("gpt2", dtype=torch.float64)  # Llama's norm works in float32, too coarse for differences
    tokens = encode(view.tokenizer, "The capital of France is", "Paris")
    ids, target = torch.tensor([tokens.prompt]), tokens.target[0]
    nodes, weights = quadrature("gauss-legendre", 3)
    found = path_scores(view, [tokens.prompt], [target], (nodes, weights), PROBABILITY)
    assert found.scores.dtype == torch.float64
    layer, step = 1, 1e-4

    def probability(change):
        with torch.no_grad(), change_input(view.projection(layer), change):
            return view.model(input_ids=ids, use_cache=False).logits[0, -1].softmax(-1)[target]

    kept = {}
    probability(lambda x: kept.setdefault("k", x[0, -1].clone()) is None or x)
    key = kept["k"]
    for neuron in range(0, view.d_ff, 7):
        total = 0.0
        for alpha, weight in zip(nodes, weights, strict=True):
            ends = []
            for sign in (1, -1):

                def at(x, alpha=alpha, sign=sign, neuron=neuron):
                    x = x.clone()
                    x[0, -1] = alpha * key
                    x[0, -1, neuron] += sign * step
                    return x

                ends.append(probability(at))
            total += float(weight * key[neuron] * (ends[0] - ends[1]) / (2 * step))
        assert found.scores[0, layer, neuron] == pytest.approx(total, rel=1e-5, abs=1e-10)


# Behind a ReLU the path has kinks; behind a post-norm, which undoes any scaling, all of it happens next to α = 0.
ROUGH = {"opt": 0.05, "gemma3": 1.5, "olmo2": 1.5}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_add_up_to_the_change(architecture):
    view = tiny(architecture)
    fact = Fact("France", "The capital of {} is", answer="Paris")
    fine = localizer("knowledge_neurons", steps=40, tolerance=math.inf).attribute(view, [fact])[0]
    assert fine.gap <= ROUGH.get(architecture, 1e-3) * float(fine.change.abs().max())
    assert float((fine.scores.double().sum(-1) - fine.change.double()).abs().max()) == pytest.approx(fine.gap, rel=1e-4)


def test_the_gap_shrinks_with_gauss_legendre():
    view = tiny("gpt2")
    fact = Fact("France", "The capital of {} is", answer="Paris")
    gaps = [
        localizer("knowledge_neurons", steps=m, tolerance=math.inf).attribute(view, [fact])[0].gap for m in (1, 2, 6)
    ]
    riemann = localizer("knowledge_neurons", rule="riemann-right").attribute(view, [fact])[0].gap
    assert gaps[0] > gaps[2]
    assert gaps[2] < riemann


def test_several_answer_tokens_add_up():
    view = tiny("gpt2")
    fact = Fact("France", "The capital of {} is", answer="Paris Rome Madrid")
    tokens = encode(view.tokenizer, fact.text, "Paris Rome Madrid")
    assert len(tokens.target) > 1
    whole = localizer("knowledge_neurons", steps=20).attribute(view, [fact])[0]
    rows = [tokens.ids[:end] for end in range(tokens.n_prompt, len(tokens.ids))]
    rule = quadrature("gauss-legendre", 20)
    parts = plain_scores(view, rows, tokens.target, rule, PROBABILITY).scores.sum(0)
    assert torch.allclose(whole.scores, parts, atol=1e-6 * float(parts.abs().max()) + 1e-9, rtol=1e-3)


def test_the_models_own_answer_is_attributed_when_none_is_given():
    view = tiny("llama")
    fact = Fact("France", "The capital of {} is")
    own = localizer("knowledge_neurons").attribute(view, [fact])[0]
    assert own.answer
    said = localizer("knowledge_neurons").attribute(view, [Fact("France", "The capital of {} is", answer=own.answer)])
    assert torch.equal(own.scores, said[0].scores)


def test_the_threshold_is_a_share_of_the_highest_score():
    view = tiny("gpt2")
    fact = Fact("France", "The capital of {} is", answer="Paris")
    found = localizer("knowledge_neurons", threshold=0.5).attribute(view, [fact])[0]
    expected = {tuple(n) for n in (found.scores >= 0.5 * found.scores.max()).nonzero().tolist()}
    assert set(found.neurons) == expected
    assert found.neurons.gap == pytest.approx(found.gap)
    with pytest.raises(InputError, match="threshold"):
        localizer("knowledge_neurons", threshold=0.0).attribute(view, [fact])


def test_the_model_is_left_as_it_was():
    view = tiny("gemma3")
    view.model.train()
    before = view.weights_sha256()
    localizer("knowledge_neurons", steps=2).attribute(view, [Fact("France", "The capital of {} is", answer="Paris")])
    assert view.weights_sha256() == before
    assert view.model.training
    assert all(p.requires_grad for p in view.model.parameters())
    assert count_hooks(view.model) == 0


@pytest.mark.parametrize("architecture", ["gpt2", "opt"])
def test_a_model_in_training_mode_is_scored_without_dropout(architecture):
    view, fact = tiny(architecture), Fact("France", "The capital of {} is", answer="Paris")
    calm = localizer("knowledge_neurons").attribute(view, [fact])[0]
    view.model.train()
    assert torch.equal(localizer("knowledge_neurons").attribute(view, [fact])[0].scores, calm.scores)


def test_no_facts_have_no_attributions():
    assert localizer("knowledge_neurons").attribute(tiny("gpt2"), []) == []


def test_unknown_method_and_setting_name_the_choices():
    with pytest.raises(InputError, match="did you mean 'knowledge_neurons'"):
        localizer("knowledge_neuron")
    with pytest.raises(InputError, match="threshold"):
        localizer("knowledge_neurons", treshold=0.1)


def test_settings_that_cannot_be_used_are_refused():
    view, fact = tiny("gpt2"), Fact("France", "The capital of {} is", answer="Paris")
    for wrong in (
        {"tolerance": 0.0},
        {"tolerance": 0.1, "rule": "riemann-right"},
        {"tolerance": 0.1, "algorithm": "plain"},
        {"algorithm": "fast"},
        {"rule": "simpson"},
    ):
        with pytest.raises(InputError):
            localizer("knowledge_neurons", **wrong).attribute(view, [fact])


def test_a_tolerance_is_met_behind_a_post_norm():
    view = tiny("gemma3")
    fact = Fact("France", "The capital of {} is", answer="Paris")
    plain = localizer("knowledge_neurons", tolerance=math.inf).attribute(view, [fact])[0]
    fine = localizer("knowledge_neurons").attribute(view, [fact])[0]
    assert fine.settings["tolerance"] == 0.01
    largest = float(fine.change.abs().max())
    assert plain.gap > 0.5 * largest
    assert fine.gap <= 0.01 * largest
    assert torch.allclose(plain.change, fine.change, atol=1e-6)


WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "capital",
    "of",
    "france",
    "italy",
    "is",
    "paris",
    "rome",
    ".",
]


@pytest.fixture
def bert(tmp_path):
    """A tiny encoder that fills masks."""
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4
    )
    tokenizer = BertTokenizerFast(vocab=str(tmp_path / "vocab.txt"))
    return ModelView(randomize(BertForMaskedLM(config)).eval(), tokenizer, name="tiny-bert")


def test_an_encoder_is_attributed_at_its_mask(bert):
    facts = [
        Fact("France", "The capital of {} is", answer="Paris"),
        Fact("Italy", "[MASK] is the capital of {} .", answer="Rome"),
    ]
    fast = localizer("knowledge_neurons", rule="riemann-right").attribute(bert, facts)
    plain = localizer("knowledge_neurons", rule="riemann-right", algorithm="plain").attribute(bert, facts)
    for one, other in zip(fast, plain, strict=True):
        assert float(other.scores.abs().max()) > 0
        assert float((one.scores - other.scores).abs().max()) < 1e-5 * float(other.scores.abs().max())
        assert torch.allclose(one.change, other.change, atol=1e-6)
    ids = bert.tokenizer("[MASK] is the capital of Italy .", return_tensors="pt")["input_ids"]
    rome = WORDS.index("rome")
    logits = bert.model(input_ids=ids).logits[0, 1]
    with change_input(bert.projection(2), lambda x: x * (torch.arange(ids.shape[1]) != 1)[:, None]):
        without = bert.model(input_ids=ids).logits[0, 1]
    expected = logits.softmax(-1)[rome] - without.softmax(-1)[rome]
    assert fast[1].change[2] == pytest.approx(float(expected), abs=1e-6)


def test_an_encoder_needs_an_answer_of_one_token(bert):
    with pytest.raises(InputError, match="say which answer"):
        localizer("knowledge_neurons").attribute(bert, [Fact("France", "The capital of {} is")])
    with pytest.raises(TokenError, match="one token"):
        localizer("knowledge_neurons").attribute(bert, [Fact("France", "The capital of {} is", answer="Paris Rome")])
    with pytest.raises(InputError, match="2 masks"):
        localizer("knowledge_neurons").attribute(bert, [Fact("France", "[MASK] {} [MASK]", answer="Paris")])


def test_an_encoder_is_loaded_from_its_folder_and_writes_no_text(bert, tmp_path):
    folder = tmp_path / "saved"
    bert.model.save_pretrained(folder)
    bert.tokenizer.save_pretrained(folder)
    view = load(str(folder))
    assert type(view.model) is BertForMaskedLM
    fact = Fact("France", "The capital of {} is", answer="Paris")
    found, expected = (localizer("knowledge_neurons").attribute(each, [fact])[0] for each in (view, bert))
    assert torch.equal(found.scores, expected.scores)
    with pytest.raises(UnsupportedModelError, match="writes no text"):
        generate(view, ["The capital of France is"])
