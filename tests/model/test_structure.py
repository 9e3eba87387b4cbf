"""Structure: the right value projection in every architecture, and a reason wherever there is none."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BambaConfig,
    FalconMambaConfig,
    Gemma3Config,
    GraniteMoeConfig,
    HrmTextConfig,
    MixtralConfig,
    OlmoeConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
    Zamba2Config,
)
from transformers.pytorch_utils import Conv1D

from errata.errors import UnsupportedModelError
from errata.model.structure import find, linear_shape
from errata.model.view import ModelView
from tests.tiny import ARCHITECTURES, D_FF, D_MODEL, LAYERS, tiny, tiny_model, tiny_tokenizer

# stack, value projection, d_ff, gated, transposed
EXPECTED = {
    "gpt2": ("transformer.h", "mlp.c_proj", D_FF, False, True),
    "gptj": ("transformer.h", "mlp.fc_out", D_FF, False, False),
    "gpt_neox": ("gpt_neox.layers", "mlp.dense_4h_to_h", D_FF, False, False),
    "opt": ("model.decoder.layers", "fc2", D_FF, False, False),
    "bloom": ("transformer.h", "mlp.dense_4h_to_h", 4 * D_MODEL, False, False),
    "llama": ("model.layers", "mlp.down_proj", D_FF, True, False),
    "mistral": ("model.layers", "mlp.down_proj", D_FF, True, False),
    "qwen3": ("model.layers", "mlp.down_proj", D_FF, True, False),
    "gemma3": ("model.layers", "mlp.down_proj", D_FF, True, False),
    "phi3": ("model.layers", "mlp.down_proj", D_FF, True, False),
    "olmo2": ("model.layers", "mlp.down_proj", D_FF, True, False),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_value_projection_is_found(architecture: str) -> None:
    stack, inside, d_ff, gated, transposed = EXPECTED[architecture]
    model = tiny_model(architecture)
    found = find(model)
    assert found.stack == stack
    assert found.blocks == tuple(model.get_submodule(stack))
    assert len(found.projections) == LAYERS
    for layer, projection in enumerate(found.projections):
        assert projection.layer == layer
        assert projection.name == f"{stack}.{layer}.{inside}"
        assert projection.module is model.get_submodule(projection.name)
        assert (projection.d_model, projection.d_ff) == (D_MODEL, d_ff)
        assert (projection.gated, projection.transposed) == (gated, transposed)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_memory_recalls_what_the_model_computes(architecture: str) -> None:
    view = tiny(architecture)
    assert view.weight(0).shape == (view.d_model, view.d_ff)
    assert max(view.self_test()) < 1e-5


def test_shapes_of_linear_maps() -> None:
    assert linear_shape(nn.Linear(3, 5)) == (3, 5)
    assert linear_shape(Conv1D(5, 3)) == (3, 5)
    assert linear_shape(nn.Conv1d(3, 5, 1)) is None
    assert linear_shape(nn.Embedding(3, 5)) is None


SMALL: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": D_MODEL,
    "intermediate_size": D_FF,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": None,
}
EXPERTS: dict[str, Any] = {**SMALL, "moe_intermediate_size": 24, "num_experts": 4, "num_experts_per_tok": 2}


def build(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(
    "config",
    [
        MixtralConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2),
        GraniteMoeConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2),
        OlmoeConfig(**EXPERTS),
        Qwen3MoeConfig(**EXPERTS),
        # A shared expert beside the routed ones is an ordinary feed-forward network, but not the layer's memory.
        Qwen2MoeConfig(**EXPERTS, shared_expert_intermediate_size=24),
    ],
    ids=lambda config: config.model_type,
)
def test_a_mixture_of_experts_is_refused_by_what_it_is(config: PreTrainedConfig) -> None:
    with pytest.raises(UnsupportedModelError, match=r"layers\.0 is a mixture of experts.*Use a dense model"):
        find(build(config))


def test_listed_experts_are_a_mixture_too() -> None:
    model = tiny_model("llama")
    for block in model.get_submodule("model.layers"):
        block.mlp = nn.ModuleDict({"experts": nn.ModuleList([block.mlp, block.mlp])})
    with pytest.raises(UnsupportedModelError, match="mixture of experts"):
        find(model)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (FalconMambaConfig(**SMALL), "no feed-forward value projection"),
        (
            Zamba2Config(**SMALL, layer_types=["mamba", "hybrid"], num_mem_blocks=1, mamba_headdim=16, n_mamba_heads=4),
            "no feed-forward value projection",
        ),
        (HrmTextConfig(**SMALL), "several stacks of the same blocks"),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_a_model_without_a_memory_in_each_layer_is_refused(config: PreTrainedConfig, said: str) -> None:
    with pytest.raises(UnsupportedModelError, match=said):
        find(build(config))


def test_a_hybrid_with_a_memory_in_each_layer_is_right() -> None:
    hybrid = BambaConfig(**SMALL, attn_layer_indices=[1], mamba_n_heads=4, mamba_d_head=16, mamba_n_groups=1)
    names = [projection.name for projection in find(build(hybrid)).projections]
    assert names == ["model.layers.0.feed_forward.down_proj", "model.layers.1.feed_forward.down_proj"]


def test_the_stack_is_the_text_decoders_not_a_larger_image_encoder() -> None:
    image = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {**SMALL, "head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]}
    found = find(build(Gemma3Config(text_config=text, vision_config=image)))
    assert found.stack == "model.language_model.layers"
    assert found.projections[0].name.endswith("layers.0.mlp.down_proj")


def with_adapters(architecture: str = "llama", rank: int = 8) -> PreTrainedModel:
    model = tiny_model(architecture)
    for block in model.get_submodule("model.layers"):
        block.adapter = nn.Sequential(nn.Linear(D_MODEL, rank), nn.Linear(rank, D_MODEL))
    return model


def test_a_choice_is_left_to_the_caller() -> None:
    model = with_adapters()
    with pytest.raises(UnsupportedModelError, match=r"2 candidates.*mlp\.down_proj, adapter\.1.*example 'mlp\.down_pr"):
        find(model)
    assert [p.name for p in find(model, "mlp.down_proj").projections] == [
        f"model.layers.{layer}.mlp.down_proj" for layer in range(LAYERS)
    ]
    chosen = ModelView(model, tiny_tokenizer(), value_projection="adapter.1")
    assert chosen.d_ff == 8
    assert not chosen.structure.projections[0].gated


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnsupportedModelError, match=r"no linear map 'mlp\.fc2': .* may be one of .*mlp\.down_proj"):
        find(tiny_model("llama"), "mlp.fc2")


def test_a_named_projection_that_takes_no_part_is_noticed() -> None:
    view = ModelView(with_adapters(), tiny_tokenizer(), value_projection="adapter.1")
    with pytest.raises(UnsupportedModelError, match="took no part in a forward pass"):
        view.self_test()


def test_shared_weights_are_refused() -> None:
    model = tiny_model("llama")
    layers = model.get_submodule("model.layers")
    layers[1].mlp.down_proj.weight = layers[0].mlp.down_proj.weight
    with pytest.raises(UnsupportedModelError, match="share one value projection"):
        find(model)


def test_packed_weights_are_found_by_their_module() -> None:
    model = tiny_model("llama")
    packed = nn.Parameter(torch.zeros(D_MODEL * D_FF // 2, 1, dtype=torch.uint8), requires_grad=False)
    model.get_submodule("model.layers.0.mlp.down_proj").weight = packed
    assert find(model).projections[0].module.weight is packed
    assert (find(model).projections[0].d_model, find(model).projections[0].d_ff) == (D_MODEL, D_FF)


def test_layers_of_different_width_are_refused_where_one_width_is_asked_for() -> None:
    model = tiny_model("llama")
    wide = model.get_submodule("model.layers.1.mlp")
    wide.gate_proj, wide.up_proj = nn.Linear(D_MODEL, 80), nn.Linear(D_MODEL, 80)
    wide.down_proj = nn.Linear(80, D_MODEL)
    with pytest.raises(UnsupportedModelError, match=r"different width \(\[64, 80\]\)"):
        _ = ModelView(model, tiny_tokenizer()).d_ff


class Bare(PreTrainedModel):
    config_class = PreTrainedConfig


def test_a_model_without_blocks_or_width_is_refused() -> None:
    config = PreTrainedConfig(hidden_size=4)
    with pytest.raises(UnsupportedModelError, match="Bare has no stack of blocks"):
        find(Bare(config))
    with pytest.raises(UnsupportedModelError, match="names no single hidden_size"):
        find(Bare(PreTrainedConfig()))
