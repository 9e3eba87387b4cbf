"""Growing passes: every way a row may travel gives the numbers of the plain equations, on eleven architectures."""

import math
from dataclasses import replace

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from errata import Fact, ModelView, localizer
from errata.errors import UnsupportedModelError
from errata.localizers._paths import path_scores
from errata.localizers._plain import plain_scores
from errata.localizers._quadrature import quadrature
from errata.model.fused import fused_activations
from errata.model.growth import Way, grow
from errata.model.head import head_logits, head_values
from errata.model.hooks import count_hooks
from errata.model.prefix import attend_to_prefixes, read_prefixes
from errata.model.scoring import OBJECTIVES
from errata.model.ways import prompts_of, way_of
from tests.tiny import ARCHITECTURES, D_MODEL, LAYERS, randomize, tiny, tiny_tokenizer

ROWS = [[5, 9, 11, 40, 2, 7], [5, 9, 11, 40], [8], [5, 9, 11, 3], [5, 9, 11, 40, 2, 7, 100, 23], [17, 3]]
TARGETS = [7, 8, 9, 10, 11, 12]
PROBABILITY, LOG_PROBABILITY = OBJECTIVES["probability"], OBJECTIVES["log_probability"]

# Bloom's and GPT-J's attention cannot be asked to read a shared prefix.
OWN_ATTENTION = {"bloom", "gptj"}
POST_NORM = {"gemma3", "olmo2"}


def furthest(found, expected):
    """The largest difference, relative to each prompt's largest entry."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_way_of_an_architecture(architecture):
    way = way_of(tiny(architecture))
    assert way.cached
    assert way.padded
    assert way.shared == (architecture not in OWN_ATTENTION)
    assert way.behind == (architecture not in POST_NORM,) * LAYERS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("rule", ["gauss-legendre", "riemann-right"])
def test_prompts_of_any_length_score_as_the_plain_equations_say(architecture, rule):
    view = tiny(architecture)
    before = view.weights_sha256()
    fast = path_scores(view, ROWS, TARGETS, quadrature(rule, 4), PROBABILITY)
    plain = plain_scores(view, ROWS, TARGETS, quadrature(rule, 4), PROBABILITY)
    assert furthest(fast.scores, plain.scores) < 1e-5
    assert furthest(fast.change, plain.change) < 1e-5
    assert count_hooks(view.model) == 0
    assert view.weights_sha256() == before


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "mistral", "gemma3", "bloom", "opt"])
@pytest.mark.parametrize(
    "slower",
    [{"shared": False}, {"padded": False}, {"behind": (False,) * LAYERS}, {"cached": False, "padded": False}],
    ids=str,
)
def test_slower_ways_give_the_same(architecture, slower):
    view = tiny(architecture)
    expected = path_scores(view, ROWS, TARGETS, quadrature("riemann-right", 3), LOG_PROBABILITY)
    view.memo.clear()
    view.memo["way"] = replace(way_of(tiny(architecture)), **slower)
    found = path_scores(view, ROWS, TARGETS, quadrature("riemann-right", 3), LOG_PROBABILITY)
    assert furthest(found.scores, expected.scores) < 1e-5
    assert furthest(found.change, expected.change) < 1e-5


def test_a_short_cut_that_does_not_hold_is_not_taken(monkeypatch):
    from errata.model import ways

    view = tiny("llama")

    def ends_wrong(*args):
        return attend_to_prefixes(*args) * 1.5

    monkeypatch.setattr("errata.model.prefix.attend_to_prefixes", ends_wrong)
    assert not ways.way_of(view).shared
    assert ways.way_of(view).cached


LIKE_LLAMA = {
    "vocab_size": 384, "hidden_size": D_MODEL, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "pad_token_id": None,
}  # fmt: skip
SMALL = {"vocab_size": 384, "hidden_size": D_MODEL, "num_hidden_layers": 3, "num_attention_heads": 4}
OTHERS = {
    "Cohere": {**LIKE_LLAMA, "eos_token_id": 0},  # parallel blocks, scaled logits
    "Falcon": {**SMALL, "ffn_hidden_size": 64, "alibi": True},  # adds to an output in place
    "GPTNeo": {
        "vocab_size": 384, "hidden_size": D_MODEL, "intermediate_size": 64, "num_layers": 2, "num_heads": 4,
        "attention_types": [[["global", "local"], 1]], "window_size": 4,
    },
    # capped logits and attention scores, norms behind, windows
    "Gemma2": {
        **LIKE_LLAMA, "head_dim": 8, "sliding_window": 4, "final_logit_softcapping": 2.0, "attn_logit_softcapping": 3.0,
    },
    "Glm4": {**LIKE_LLAMA, "head_dim": 8, "eos_token_id": 0},
    "Granite": {**LIKE_LLAMA, "logits_scaling": 3.0, "residual_multiplier": 0.5},
    # convolutions keep no keys
    "Lfm2": {
        **LIKE_LLAMA, "block_auto_adjust_ff_dim": False, "layer_types": ["conv", "full_attention", "conv"],
        "full_attn_idxs": [1],
    },
    "Mpt": {"vocab_size": 384, "d_model": D_MODEL, "n_layers": 3, "n_heads": 4},  # one bias for all prompts
    "Olmo3": {**LIKE_LLAMA, "sliding_window": 4, "eos_token_id": 0},
    "StableLm": LIKE_LLAMA,
    "Starcoder2": {**LIKE_LLAMA, "sliding_window": 4, "bos_token_id": 0, "eos_token_id": 0},
}  # fmt: skip


def other(name, **settings):
    config = getattr(transformers, f"{name}Config")(**settings)
    return ModelView(randomize(AutoModelForCausalLM.from_config(config)).eval(), tiny_tokenizer(), name=name)


@pytest.mark.parametrize("name", OTHERS)
def test_other_architectures_score_as_the_plain_equations_say(name):
    view = other(name, **OTHERS[name])
    fast = path_scores(view, ROWS, TARGETS, quadrature("riemann-right", 3), PROBABILITY)
    plain = plain_scores(view, ROWS, TARGETS, quadrature("riemann-right", 3), PROBABILITY)
    assert furthest(fast.scores, plain.scores) < 1e-5
    assert furthest(fast.change, plain.change) < 1e-5


def test_what_is_found_out_about_them():
    ways = {name: way_of(other(name, **OTHERS[name])) for name in ("Lfm2", "Mpt", "Gemma2")}
    assert not ways["Lfm2"].cached
    assert ways["Mpt"].common
    assert ways["Gemma2"].shared
    assert not any(ways["Gemma2"].behind)
    capped = other("Gemma2", **OTHERS["Gemma2"])
    path_scores(capped, ROWS[:1], TARGETS[:1], quadrature("gauss-legendre", 2), PROBABILITY)
    assert capped.memo["plain head"] is False


def test_a_model_that_no_growing_pass_suits_gets_the_plain_one(monkeypatch):
    view, fact = tiny("llama"), Fact("France", "The capital of {} is", answer="Paris")
    expected = localizer("knowledge_neurons", algorithm="plain").attribute(view, [fact])[0]
    monkeypatch.setattr("errata.model.ways._agrees", lambda *_args: False)
    assert way_of(view) is None
    found = localizer("knowledge_neurons", tolerance=math.inf).attribute(view, [fact])[0]
    assert torch.equal(found.scores, expected.scores)
    with pytest.raises(UnsupportedModelError, match="plain"):
        path_scores(view, ROWS, TARGETS, quadrature("gauss-legendre", 2), PROBABILITY)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_head_values_and_slopes_are_autograds(architecture):
    view = tiny(architecture)
    states, targets = torch.randn(5, D_MODEL), torch.tensor([3, 1, 4, 1, 5])
    leaf = states.clone().requires_grad_()
    expected = head_logits(view, leaf).log_softmax(-1).gather(-1, targets[:, None])[:, 0].exp()
    expected.sum().backward()
    value, slope = head_values(view, states, targets, PROBABILITY)
    assert torch.allclose(value, expected, rtol=1e-5)
    assert torch.allclose(slope, leaf.grad, atol=1e-6 * float(leaf.grad.abs().max()) + 1e-9)
    alone, none = head_values(view, states, targets, PROBABILITY, with_slopes=False)
    assert torch.allclose(alone, expected, rtol=1e-5)
    assert len(none) == 0


def test_attention_to_shared_prefixes_is_attention():
    """Against scaled_dot_product_attention with every row's own copy: grouped heads, a mask, two prompts."""
    torch.manual_seed(0)
    prompts, groups, heads, kv_heads, length, width = 2, 3, 4, 2, 5, 8
    rows = prompts * groups
    query = torch.randn(rows, heads, 1, width)
    key, value = torch.randn(2, rows, kv_heads, 1, width)
    keys, values = torch.randn(2, prompts, kv_heads, length, width)
    mask = torch.ones(prompts, 1, 1, length + 1, dtype=torch.bool)
    mask[0, :, :, :2] = False
    found = attend_to_prefixes(query, key, value, keys, values, mask, width**-0.5)
    owner = torch.arange(prompts).repeat(groups)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query,
        torch.cat([keys[owner], key], dim=-2).repeat_interleave(2, dim=1),
        torch.cat([values[owner], value], dim=-2).repeat_interleave(2, dim=1),
        attn_mask=mask[owner],
    )
    assert torch.allclose(found, expected.transpose(1, 2), atol=1e-6)
    additive = torch.zeros(prompts, 1, 1, length + 1).masked_fill(~mask, float("-inf"))
    again = attend_to_prefixes(query, key, value, keys, values, additive, width**-0.5)
    assert torch.allclose(again, found, atol=1e-6)


def tokens_read(view, rows):
    """How many tokens go through the model to read these prefixes."""
    seen = []
    handle = view.structure.blocks[0].register_forward_pre_hook(
        lambda _block, args, kwargs: seen.append((args[0] if args else kwargs["hidden_states"]).shape[:2].numel()),
        with_kwargs=True,
    )
    try:
        read_prefixes(view, rows)
    finally:
        handle.remove()
    return sum(seen)


def test_what_prompts_share_goes_through_once():
    view = tiny("llama")
    head = list(range(1, 21))
    assert tokens_read(view, [[*head, 30, 31], [*head, 40, 41]]) == 20 + 2
    assert tokens_read(view, [[*head, 30], [*head, 30], [*head, 40]]) == 20
    # A prompt, and the same with one, two, three tokens of its answer: the longest holds them all.
    assert tokens_read(view, [head[:end] for end in (17, 18, 19, 20)]) == 19
    assert tokens_read(view, [[3, 4, 5], [6, 7, 8]]) == 4
    assert tokens_read(view, [[3], [4]]) == 0


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gpt2", "bloom"])
def test_shared_prefixes_change_no_number(architecture):
    view = tiny(architecture)
    head = [5, 9, 11, 40, 2, 7, 100]
    rows = [[*head, 3], [*head, 3, 8], [*head, 3], [*head, 60], head, head[:4]]
    together = path_scores(view, rows, TARGETS, quadrature("gauss-legendre", 3), LOG_PROBABILITY)
    for i, (row, target) in enumerate(zip(rows, TARGETS, strict=True)):
        alone = path_scores(view, [row], [target], quadrature("gauss-legendre", 3), LOG_PROBABILITY)
        assert furthest(together.scores[i : i + 1], alone.scores) < 1e-5


def test_variants_are_what_their_alphas_say():
    """α = 1 is the prompt itself; its slope is the trunk's."""
    view = tiny("gpt2")
    way = way_of(view)
    prompts = prompts_of(view, ROWS[:1], TARGETS[:1], way)
    ones = [torch.ones(1, 1)] * LAYERS
    grown = grow(view, prompts, ones, LOG_PROBABILITY, way, with_trunk=True)
    for layer in range(LAYERS):
        assert grown.values[layer][0, 0] == pytest.approx(float(grown.value[0]), rel=1e-5)
        assert torch.allclose(grown.slopes[layer][0], grown.trunk[layer], atol=1e-6)
    forward_only = grow(view, prompts, ones, LOG_PROBABILITY, way, with_slopes=False)
    assert torch.allclose(torch.stack(forward_only.values), torch.stack(grown.values), atol=1e-6)


def test_low_precision_stays_near_full_precision():
    full = path_scores(tiny("llama"), ROWS, TARGETS, quadrature("gauss-legendre", 3), LOG_PROBABILITY)
    half = tiny("llama", dtype=torch.bfloat16)
    assert way_of(half) == way_of(tiny("llama"))
    found = path_scores(half, ROWS, TARGETS, quadrature("gauss-legendre", 3), LOG_PROBABILITY)
    assert found.scores.dtype == torch.float32
    for one, other in zip(found.scores, full.scores, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.98


def test_only_tanh_gelu_is_fused_and_only_inside():
    view, other = tiny("gpt2"), tiny("llama")
    activation = view.structure.blocks[0].mlp.act
    with fused_activations(view), fused_activations(other):
        assert "forward" in activation.__dict__
        assert not any("forward" in module.__dict__ for module in other.model.modules())
    assert not any("forward" in module.__dict__ for module in view.model.modules())


def test_whole_rows_need_no_cache():
    view = tiny("opt")
    whole = Way(cached=False, shared=False, padded=False, behind=(True,) * LAYERS)
    prompts = prompts_of(view, [ROWS[0]], [1], whole, at=[2])
    grown = grow(view, prompts, [torch.full((2, 1), 0.5)] * LAYERS, LOG_PROBABILITY, whole)
    shorter = prompts_of(view, [ROWS[0][:3]], [1], whole)
    expected = grow(view, shorter, [torch.full((2, 1), 0.5)] * LAYERS, LOG_PROBABILITY, whole)
    assert torch.allclose(grown.slopes[1], expected.slopes[1], atol=1e-6)
