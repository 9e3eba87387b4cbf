"""KNE's attribution: its identity with the weights' own gradients, completeness, the quantile, settings."""

import math
from typing import Any

import pytest
import torch

from errata import Fact, localizer
from errata.errors import InputError
from errata.localizers._asked import rows_of
from errata.localizers._quadrature import quadrature
from errata.model.hooks import count_hooks
from errata.model.scoring import target_log_probs
from errata.model.tokens import encode
from errata.model.view import ModelView
from errata.neurons import NeuronSet
from tests.tiny import ARCHITECTURES, D_FF, LAYERS, tiny

FACT = Fact("France", "The capital of {} is", target="Rome Madrid", answer="Paris")
GATED = frozenset({"llama", "mistral", "qwen3", "gemma3", "phi3", "olmo2"})


def weight_scores(view: ModelView, fact: Fact, layers: list[int], points: int, with_keys: bool = False) -> torch.Tensor:
    """W ∘ Σ_i w_i ∂P/∂W at α_i W by autograd of the weights themselves, summed over each neuron's weights."""
    row = encode(view.tokenizer, fact.text, fact.target or "")
    ids, nodes = torch.tensor([row.ids[:-1]]), quadrature("gauss-legendre", points)
    scores = torch.zeros(view.n_layers, view.d_ff, dtype=torch.float64)
    projections = [view.structure.projections[layer] for layer in layers]
    makers = [module for p in projections for module in p.key_maps] if with_keys else []
    parameters = [view.parameter(layer) for layer in layers] + [module.get_parameter("weight") for module in makers]
    kept = [parameter.detach().clone() for parameter in parameters]
    try:
        for alpha, weight in zip(*(part.tolist() for part in nodes), strict=True):
            with torch.no_grad():
                for parameter, own in zip(parameters, kept, strict=True):
                    parameter.copy_(alpha * own)
            log_p = view.model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(-1)
            p = sum(log_p[row.n_prompt - 1 + j, token].exp() for j, token in enumerate(row.target))
            gradients = torch.autograd.grad(torch.as_tensor(p), parameters)
            products = [weight * (own * g).double() for own, g in zip(kept, gradients, strict=True)]
            for layer, projection in zip(layers, projections, strict=True):
                product = products.pop(0)
                scores[layer] += product.sum(1 if projection.transposed else 0)
            for layer, projection in zip(layers, projections, strict=True):
                for _ in projection.key_maps if with_keys else ():
                    product = products.pop(0)
                    rows = product.T if projection.transposed else product
                    scores[layer] += rows.sum(1).view(-1, view.d_ff).sum(0)
    finally:
        with torch.no_grad():
            for parameter, own in zip(parameters, kept, strict=True):
                parameter.copy_(own)
    return scores


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found.double() - expected).abs().max()) < 1e-4 * float(expected.abs().max())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("weights", ["values", "neurons"])
def test_activations_give_what_the_weights_own_gradients_give(architecture: str, weights: str) -> None:
    view, with_keys = tiny(architecture), weights == "neurons"
    quick: dict[str, Any] = {"steps": 3, "tolerance": math.inf, "weights": weights}
    found = localizer("ensemble", **quick).attribute(view, [FACT])[0]
    for layer in range(LAYERS):
        assert close(found.scores[layer], weight_scores(view, FACT, [layer], 3, with_keys)[layer])
    together = localizer("ensemble", path="all", **quick).attribute(view, [FACT])[0]
    assert close(together.scores, weight_scores(view, FACT, list(range(LAYERS)), 3, with_keys))


def probability(view: ModelView, answer: str) -> float:
    """Σ_j P(y_j | x, y_<j), by the function that evaluation asks."""
    return float(target_log_probs(view, [encode(view.tokenizer, FACT.text, answer)])[0].double().exp().sum())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("weights", ["values", "neurons"])
def test_scores_of_a_layer_add_up_to_what_its_weights_do(architecture: str, weights: str) -> None:
    view = tiny(architecture)
    found = localizer("ensemble", weights=weights).attribute(view, [FACT])[0]
    assert found.change is not None and found.gap is not None
    whole, largest = probability(view, "Rome Madrid"), float(found.change.abs().max())
    for layer in range(LAYERS):
        with view.applied([view.delta(layer, -view.weight(layer).float(), torch.eye(view.d_ff))]):
            without = probability(view, "Rome Madrid")
        assert float(found.change[layer]) == pytest.approx(whole - without, abs=2e-6)
        assert float(found.scores[layer].double().sum()) == pytest.approx(whole - without, abs=0.0101 * largest + 2e-6)
    assert found.gap <= 0.0101 * largest
    assert found.neurons.gap == pytest.approx(found.gap)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_of_all_layers_together_add_up_to_what_they_do_together(architecture: str) -> None:
    view = tiny(architecture)
    found = localizer("ensemble", path="all").attribute(view, [FACT])[0]
    with view.applied([view.delta(at, -view.weight(at).float(), torch.eye(view.d_ff)) for at in range(LAYERS)]):
        without = probability(view, "Rome Madrid")
    change = probability(view, "Rome Madrid") - without
    assert found.total == pytest.approx(change, abs=2e-6)
    assert found.change is None and found.gaps is None and found.gap is not None
    assert float(found.scores.double().sum()) == pytest.approx(change, abs=0.0101 * abs(change) + 2e-6)
    assert found.gap <= 0.0101 * abs(change) + 1e-6


def test_tokens_are_attributed_behind_the_gold_prefix_and_add_up() -> None:
    view = tiny("gpt2")
    settings: dict[str, Any] = {"steps": 6, "tolerance": math.inf}
    tokens = encode(view.tokenizer, FACT.text, "Rome Madrid")
    assert len(tokens.target) > 1
    row = rows_of(view, [FACT], ["Rome Madrid"])[0]
    assert row.ids == tokens.ids[:-1] and row.targets == tokens.target
    assert row.at == tuple(range(tokens.n_prompt - 1, len(tokens.ids) - 1))
    assert row.first.ids == tokens.prompt and row.first.targets == tokens.target[:1]
    found = localizer("ensemble", **settings).attribute(view, [FACT])[0]
    assert close(found.scores, sum((weight_scores(view, FACT, [at], 6) for at in range(LAYERS)), torch.zeros(())))


def test_the_ensemble_is_one_quantile_over_all_layers() -> None:
    found = localizer("ensemble", share=0.1).attribute(tiny("llama"), [FACT])[0]
    assert len(found.neurons) == round(0.1 * LAYERS * D_FF)
    limit = float(found.scores.flatten().sort(descending=True).values[len(found.neurons)])
    assert set(found.neurons) == {(at, i) for at, i in (found.scores > limit).nonzero().tolist()}
    assert len(localizer("ensemble", share=1e-9).attribute(tiny("llama"), [FACT])[0].neurons) == 1


def test_the_ensemble_of_some_layers_is_as_large() -> None:
    view = tiny("llama")
    whole = localizer("ensemble", share=0.1).attribute(view, [FACT])[0]
    found = localizer("ensemble", share=0.1, layers=(0, 2)).attribute(view, [FACT])[0]
    assert len(found.neurons) == len(whole.neurons) and {layer for layer, _ in found.neurons} <= {0, 2}
    assert torch.equal(found.scores, whole.scores)


def test_the_old_answer_is_attributed_where_that_is_asked() -> None:
    view = tiny("gpt2")
    old = localizer("ensemble", attributed="answer").attribute(view, [FACT])[0]
    new = localizer("ensemble").attribute(view, [Fact("France", FACT.prompt, target="Paris")])[0]
    assert (old.answer, new.answer) == ("Paris", "Paris")
    assert torch.equal(old.scores, new.scores)
    own = localizer("ensemble", attributed="answer").attribute(view, [Fact("France", FACT.prompt)])[0]
    assert own.answer not in ("", "Paris")
    with pytest.raises(InputError, match="no target"):
        localizer("ensemble").attribute(view, [Fact("France", FACT.prompt, answer="Paris")])


def test_pooled_facts_share_the_ensemble_of_their_sum() -> None:
    view = tiny("gpt2")
    facts = [FACT, Fact("Italy", FACT.prompt, target="Madrid")]
    single = localizer("ensemble").attribute(view, facts)
    pooled = localizer("ensemble", pooled=True).attribute(view, facts)
    total = single[0].scores + single[1].scores
    assert [one.answer for one in pooled] == ["Rome Madrid", "Madrid"]
    for one in pooled:
        assert torch.allclose(one.scores, total)
        assert one.change is not None and single[0].change is not None and single[1].change is not None
        assert torch.allclose(one.change, single[0].change + single[1].change)
        assert set(one.neurons) == set(NeuronSet.top(one.scores, round(0.03 * LAYERS * D_FF)))


def test_facts_and_passes_do_not_depend_on_each_other() -> None:
    view = tiny("qwen3")
    facts = [FACT, Fact("Italy", "The capital city of {} is", target="Madrid")]
    both = localizer("ensemble").attribute(view, facts)
    alone = localizer("ensemble", copies=4).attribute(view, facts[1:])[0]
    assert torch.allclose(both[1].scores, alone.scores, atol=1e-5 * float(alone.scores.abs().max()))
    assert torch.equal(both[0].scores, localizer("ensemble").attribute(view, facts)[0].scores)
    assert localizer("ensemble").attribute(view, []) == []


@pytest.mark.parametrize("weights", ["values", "neurons"])
def test_the_model_is_left_as_it_was(weights: str) -> None:
    view = tiny("gemma3")
    view.model.train()
    before = view.weights_sha256()
    localizer("ensemble", steps=2, tolerance=math.inf, weights=weights).attribute(view, [FACT])
    assert view.weights_sha256() == before and view.model.training and count_hooks(view.model) == 0
    assert all(p.requires_grad and p.grad is None for p in view.model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_models_are_scored_in_float32(dtype: torch.dtype) -> None:
    exact = localizer("ensemble").attribute(tiny("llama"), [FACT])[0]
    found = localizer("ensemble").attribute(tiny("llama", dtype=dtype), [FACT])[0]
    assert found.scores.dtype == torch.float32
    assert float((found.scores - exact.scores).abs().max()) < 0.1 * float(exact.scores.abs().max())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_maps_that_make_the_keys_are_found(architecture: str) -> None:
    for projection in tiny(architecture).structure.projections:
        widths = [max(map(int, module.get_parameter("weight").shape)) for module in projection.key_maps]
        fused = architecture == "phi3"
        assert len(widths) == (2 if architecture in GATED and not fused else 1)
        assert sum(widths) == (2 if architecture in GATED else 1) * projection.d_ff


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"share": 0.0}, "share 0.0 is outside"),
        ({"share": 1.5}, "share 1.5 is outside"),
        ({"layers": ()}, "are not layers of the model"),
        ({"layers": (9,)}, "are not layers of the model"),
        ({"path": "some"}, "choose layer or all"),
        ({"weights": "keys"}, "choose values or neurons"),
        ({"attributed": "both"}, "choose target or answer"),
        ({"rule": "simpson"}, "no quadrature rule"),
        ({"tolerance": 0.0}, "not above 0"),
        ({"tolerance": 0.1, "rule": "riemann-right"}, "gauss-legendre"),
        ({"copies": 0}, "at least 1"),
        ({"objective": "margin"}, "no objective"),
        ({"steps": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        localizer("ensemble", **wrong).attribute(tiny("gpt2"), [FACT])
