"""Weights that cannot be read: facts are located through the modules, and edits are refused with the way out."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, PreTrainedModel

from errata import Fact, Ledger, ModelView, editor, localizer
from errata.errors import ErrataError, InputError, UnsupportedModelError
from errata.model import placement
from errata.model.load import load
from errata.neurons import Attribution
from tests.tiny import D_FF, D_MODEL, LAYERS, tiny, tiny_model, tiny_tokenizer

ROOT = Path(__file__).parents[2]
FACTS = [
    Fact("France", "The capital of {} is", answer="Paris", target="Rome"),
    Fact("Danielle Darrieux", "The mother tongue of {} is", answer="French", target="German"),
]


class PackedLinear(nn.Linear):
    """A linear map that stores int8 codes and a scale a row, and unpacks them when it runs."""

    def __init__(self, linear: nn.Linear, cuts: bool = False) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.cuts = cuts
        scale = linear.weight.detach().abs().amax(dim=1, keepdim=True) / 127
        codes = (linear.weight.detach() / scale).round().to(torch.int8)
        self.weight = nn.Parameter(codes.flatten(), requires_grad=False)
        self.scale = nn.Parameter(scale, requires_grad=False)
        self.bias = linear.bias

    def unpacked(self) -> Tensor:
        return self.weight.view(self.out_features, self.in_features).to(self.scale.dtype) * self.scale

    def forward(self, input: Tensor) -> Tensor:
        out = functional.linear(input, self.unpacked(), self.bias)
        return out.detach() if self.cuts else out


def swap(model: PreTrainedModel, unpack: bool = False, cuts: bool = False) -> PreTrainedModel:
    """Quantise every linear map inside the blocks; with `unpack`, store the quantised weights as floating point."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and "layers" in name:
            packed = PackedLinear(module, cuts)
            if unpack:
                module.weight = nn.Parameter(packed.unpacked())
            else:
                parent, _, own = name.rpartition(".")
                setattr(model.get_submodule(parent), own, packed)
    return model


def attributed(view: ModelView, **settings: Any) -> list[Attribution]:
    return localizer("knowledge_neurons", **settings).attribute(view, FACTS)


# Of float32, in sums whose order differs from processor to processor: 9 · 2⁻²³ was seen.
ROUNDING = 16 * torch.finfo(torch.float32).eps


def largest_difference(found: list[Attribution], expected: list[Attribution]) -> float:
    pairs = list(zip(found, expected, strict=True))
    return max(float((one.scores - other.scores).abs().max() / other.scores.abs().max()) for one, other in pairs)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gemma3"])
def test_packed_weights_give_the_scores_of_the_same_weights_unpacked(architecture: str) -> None:
    packed, plain = (ModelView(swap(tiny_model(architecture), unpack), tiny_tokenizer()) for unpack in (False, True))
    assert not packed.editable
    assert plain.editable
    assert packed.dtype == torch.float32
    assert max(packed.self_test()) < 1e-5
    for settings in ({}, {"tolerance": 1e-3}, {"algorithm": "plain"}):
        found, expected = attributed(packed, **settings), attributed(plain, **settings)
        assert largest_difference(found, expected) < 1e-5
        assert [set(one.neurons) for one in found] == [set(other.neurons) for other in expected]
        assert all(torch.allclose(one.gaps, other.gaps, atol=1e-6) for one, other in zip(found, expected, strict=True))


def test_the_way_back_through_a_packed_module_is_its_transposed_weight() -> None:
    view = ModelView(swap(tiny_model("gpt_neox")), tiny_tokenizer())
    slopes = torch.randn(5, D_MODEL, generator=torch.Generator().manual_seed(0))
    for layer in range(LAYERS):
        module = view.projection(layer)
        assert isinstance(module, PackedLinear)
        assert torch.allclose(view.pull_back(layer, slopes), slopes @ module.unpacked(), atol=1e-6)


def edits(view: ModelView, place: Path) -> list[Any]:
    zero = torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff)
    return [
        lambda: editor("rome").edit(view, FACTS[:1]),
        lambda: editor("neuron_values", localizer=localizer("knowledge_neurons")).edit(view, FACTS),
        lambda: Ledger.open(place / "ledger", view),
        lambda: view.delta(0, *zero),
        lambda: view.write(0, torch.zeros(view.d_model, view.d_ff)),
        lambda: view.applied([]).__enter__(),
        view.model_fingerprint,
    ]


def test_edits_of_packed_weights_are_refused_with_the_way_out(tmp_path: Path) -> None:
    view = ModelView(swap(tiny_model("llama")), tiny_tokenizer())
    for edit in edits(view, tmp_path):
        with pytest.raises(UnsupportedModelError, match=r"down_proj stores .*int8.*packed.*without quantisation"):
            edit()
    assert list(tmp_path.iterdir()) == []


def test_one_packed_layer_is_enough_to_refuse(tmp_path: Path) -> None:
    model = tiny_model("llama")
    mlp = model.get_submodule("model.layers.1.mlp")
    mlp.down_proj = PackedLinear(mlp.down_proj)
    view = ModelView(model, tiny_tokenizer())
    assert max(view.self_test()) < 1e-5
    with pytest.raises(UnsupportedModelError, match=r"layers\.1\.mlp\.down_proj stores"):
        editor("rome").edit(view, FACTS[:1])


def test_a_module_that_cuts_the_graph_is_refused_by_name() -> None:
    view = ModelView(swap(tiny_model("llama"), cuts=True), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match=r"No gradient comes back through model\.layers\.\d.*weights alone"):
        attributed(view)
    with pytest.raises(UnsupportedModelError, match="No gradient comes back through PackedLinear"):
        view.pull_back(0, torch.zeros(1, D_MODEL))


def test_weights_that_nothing_loads_are_refused() -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(tiny_model("llama").config)
    with pytest.raises(UnsupportedModelError, match="nothing would load it: load the model's weights"):
        _ = ModelView(model, tiny_tokenizer()).device


STACKS = {"llama": ("model", "layers"), "gpt2": ("transformer", "h")}


def spread(architecture: str, on_disk: tuple[int, ...], folder: Path) -> PreTrainedModel:
    """A saved model whose layers are in memory, or on disk."""
    pytest.importorskip("accelerate", reason="device_map needs accelerate, which is an extra")
    tiny_model(architecture).save_pretrained(folder / "model")
    base, layers = STACKS[architecture]
    rest = [name for name, _ in tiny_model(architecture).get_submodule(base).named_children() if name != layers]
    places = dict.fromkeys([*(f"{base}.{name}" for name in rest), "lm_head"], "cpu")
    places |= {f"{base}.{layers}.{layer}": "disk" if layer in on_disk else "cpu" for layer in range(LAYERS)}
    return AutoModelForCausalLM.from_pretrained(
        folder / "model", device_map=places if on_disk else {"": "cpu"}, offload_folder=folder / "offloaded"
    )


@pytest.mark.parametrize("architecture", STACKS)
@pytest.mark.parametrize("on_disk", [(), (1,), (0, 1, 2)], ids=["memory", "one on disk", "all on disk"])
def test_offloaded_layers_are_scored_as_if_they_were_there(
    architecture: str, on_disk: tuple[int, ...], tmp_path: Path
) -> None:
    model = spread(architecture, on_disk, tmp_path)
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert sum(parameter.is_meta for parameter in model.parameters()) == len(on_disk) * len(flags_in(model)) // LAYERS
    view = ModelView(model, tiny_tokenizer())
    assert view.device == torch.device("cpu")
    assert view.editable == (not on_disk)
    assert max(view.self_test()) < 1e-5
    assert largest_difference(attributed(view), attributed(tiny(architecture))) < ROUNDING
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == flags


def flags_in(model: PreTrainedModel) -> list[str]:
    return [name for name, _ in model.named_parameters() if re.search(r"\.(layers|h)\.\d+\.", name)]


def test_an_edit_of_offloaded_weights_is_refused(tmp_path: Path) -> None:
    view = ModelView(spread("llama", (1,), tmp_path), tiny_tokenizer())
    for edit in edits(view, tmp_path):
        with pytest.raises(UnsupportedModelError, match=r"layers\.1.*\(offloaded\).*load it whole on its device"):
            edit()


def test_auto_needs_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"'auto' needs accelerate: pip install 'errata-lm\[large\]'"):
        load("pocket-gelu", device="auto")


def test_auto_finds_a_place_for_every_layer() -> None:
    pytest.importorskip("accelerate", reason="device_map needs accelerate, which is an extra")
    view, there = load("pocket-gelu", device="auto"), load("pocket-gelu")
    assert [view.layer_fingerprint(layer) for layer in range(view.n_layers)] == [
        there.layer_fingerprint(layer) for layer in range(there.n_layers)
    ]


def quantised_example() -> str:
    page = (ROOT / "docs/large-models.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```py\n(# quantised\.py\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    return block


def test_the_documentations_quantised_example_runs_and_adds_up() -> None:
    pytest.importorskip("torchao", reason="the example quantises with torchao, which the tests do not install")
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(quantised_example(), "quantised.py", "exec"), names)
    found = names["found"]
    assert found.gap < 0.02 * float(found.change.abs().max())
    with pytest.raises(UnsupportedModelError, match=r"packed \(quantised\)"):
        editor("rome").edit(names["view"], FACTS[:1])


def test_torchao_weights_give_the_scores_of_the_same_weights_unpacked() -> None:
    quantization: Any = pytest.importorskip("torchao.quantization", reason="the tests do not install torchao")
    packed, plain = tiny_model("llama"), tiny_model("llama")
    quantization.quantize_(packed, quantization.Int8WeightOnlyConfig())
    for name, module in packed.named_modules():
        if isinstance(module, nn.Linear):
            weight: Any = module.weight
            plain.get_submodule(name).weight = nn.Parameter(weight.dequantize().clone())
    found, expected = (attributed(ModelView(model, tiny_tokenizer())) for model in (packed, plain))
    assert largest_difference(found, expected) < 1e-5


def test_torchao_activations_are_refused() -> None:
    quantization: Any = pytest.importorskip("torchao.quantization", reason="the tests do not install torchao")
    model = tiny_model("llama")
    quantization.quantize_(model, quantization.Int8DynamicActivationInt8WeightConfig())
    with pytest.raises(ErrataError, match="No gradient comes back"):
        attributed(ModelView(model, tiny_tokenizer()))


def test_sizes_of_a_packed_model_are_those_of_its_maps() -> None:
    view = ModelView(swap(tiny_model("llama")), tiny_tokenizer())
    assert (view.n_layers, view.d_model, view.d_ff, view.neurons) == (LAYERS, D_MODEL, D_FF, range(D_FF))
