"""Knowledge neurons: the equation by finite differences, the growing pass against the plain one, completeness."""

import pytest
import torch

from errata import Fact, localizer
from errata.errors import InputError
from errata.localizers._paths import growing_pass, plain_pass
from errata.localizers._quadrature import quadrature
from errata.model.hooks import change_input, count_hooks
from errata.model.prefix import keeps_keys
from errata.model.scoring import OBJECTIVES
from errata.model.tokens import encode
from tests.tiny import ARCHITECTURES, tiny

PROMPTS = ["The capital of France is", "The mother tongue of Dante is", "Ada", "Ada Lovelace was born in"]


def job(view, prompt, target=" Paris"):
    tokens = encode(view.tokenizer, prompt, target)
    return torch.tensor([tokens.prompt]), torch.tensor([tokens.target[0]])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("rule", ["gauss-legendre", "riemann-right"])
def test_growing_pass_equals_the_plain_one(architecture, rule):
    view = tiny(architecture)
    assert keeps_keys(view)
    for prompt in PROMPTS:
        ids, target = job(view, prompt)
        fast = growing_pass(view, ids, target, quadrature(rule, 5), OBJECTIVES["probability"])
        plain = plain_pass(view, ids, target, quadrature(rule, 5), OBJECTIVES["probability"])
        scale = plain.scores.abs().max()
        assert scale > 0
        assert (fast.scores - plain.scores).abs().max() / scale < 1e-5
        assert (fast.change - plain.change).abs().max() / plain.change.abs().max().clamp_min(1e-6) < 1e-4
    assert count_hooks(view.model) == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_prompts_in_a_batch_score_as_alone(architecture):
    view = tiny(architecture)
    encoded = [job(view, prompt) for prompt in PROMPTS]
    length = min(len(ids[0]) for ids, _ in encoded if len(ids[0]) > 2)
    rows = torch.cat([ids[:, :length] for ids, _ in encoded if len(ids[0]) >= length])
    targets = torch.arange(5, 5 + len(rows))
    rule, value = quadrature("gauss-legendre", 4), OBJECTIVES["log_probability"]
    together = growing_pass(view, rows, targets, rule, value)
    for i in range(len(rows)):
        alone = growing_pass(view, rows[i : i + 1], targets[i : i + 1], rule, value)
        assert torch.allclose(together.scores[i], alone.scores[0], atol=1e-6, rtol=1e-4)
        assert torch.allclose(together.change[i], alone.change[0], atol=1e-6, rtol=1e-4)


def test_scores_are_the_path_integral_by_finite_differences():
    """∂P/∂w_i along the path, by central differences in float64, for every neuron of one layer."""
    view = tiny("gpt2", dtype=torch.float64)  # Llama's norm works in float32, too coarse for differences
    ids, target = job(view, "The capital of France is")
    nodes, weights = quadrature("gauss-legendre", 3)
    found = growing_pass(view, ids, target, (nodes, weights), OBJECTIVES["probability"])
    layer, step = 1, 1e-4

    def probability(change):
        with torch.no_grad(), change_input(view.projection(layer), change):
            return view.model(input_ids=ids, use_cache=False).logits[0, -1].softmax(-1)[target[0]]

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
        assert found.scores[0, layer, neuron] == pytest.approx(total, rel=1e-3, abs=1e-7)


# Behind a ReLU the path has kinks; behind a post-norm, which undoes any scaling, all of it happens next to α = 0.
ROUGH = {"opt": 0.05, "gemma3": 1.5, "olmo2": 1.5}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_add_up_to_the_change(architecture):
    view = tiny(architecture)
    fact = Fact("France", "The capital of {} is", answer="Paris")
    fine = localizer("knowledge_neurons", steps=40).attribute(view, [fact])[0]
    assert fine.gap <= ROUGH.get(architecture, 1e-3) * float(fine.change.abs().max())
    assert float((fine.scores.double().sum(-1) - fine.change.double()).abs().max()) == pytest.approx(fine.gap, rel=1e-4)


def test_the_gap_shrinks_with_gauss_legendre():
    view = tiny("gpt2")
    fact = Fact("France", "The capital of {} is", answer="Paris")
    gaps = [localizer("knowledge_neurons", steps=m).attribute(view, [fact])[0].gap for m in (1, 2, 6)]
    riemann = localizer("knowledge_neurons", rule="riemann-right").attribute(view, [fact])[0].gap
    assert gaps[0] > gaps[2]
    assert gaps[2] < riemann


def test_several_answer_tokens_add_up():
    view = tiny("gpt2")
    fact = Fact("France", "The capital of {} is", answer="Paris Rome Madrid")
    tokens = encode(view.tokenizer, fact.text, "Paris Rome Madrid")
    assert len(tokens.target) > 1
    whole = localizer("knowledge_neurons").attribute(view, [fact])[0]
    rule, value = quadrature("gauss-legendre", 20), OBJECTIVES["probability"]
    parts = sum(
        plain_pass(view, torch.tensor([tokens.ids[:at]]), torch.tensor([tokens.ids[at]]), rule, value).scores[0]
        for at in range(tokens.n_prompt, len(tokens.ids))
    )
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


def test_unknown_method_and_setting_name_the_choices():
    with pytest.raises(InputError, match="Did you mean 'knowledge_neurons'"):
        localizer("knowledge_neuron")
    with pytest.raises(InputError, match="threshold"):
        localizer("knowledge_neurons", treshold=0.1)
