"""ModelView: one orientation for all, weights that come back bit for bit, and deltas rounded once."""

from collections.abc import Callable

import jaxtyping
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from errata import WeightDelta
from errata.deltas import fingerprint
from errata.errors import EditError, UnsupportedModelError
from errata.model.hooks import count_hooks
from errata.model.rounding import fold
from errata.model.view import ModelView
from tests.tiny import ARCHITECTURES, D_MODEL, LAYERS, tiny, tiny_model, tiny_tokenizer

BOTH_WAYS = ("gpt2", "llama")  # Wᵀ and W
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def delta(view: ModelView, layer: int, seed: int = 0, size: float = 1.0) -> WeightDelta:
    generator = torch.Generator().manual_seed(seed)
    left = size * torch.randn(view.d_model, 2, generator=generator)
    return view.delta(layer, left, torch.randn(2, view.d_ff, generator=generator))


def logits(view: ModelView) -> Tensor:
    ids = torch.tensor([view.tokenizer("The capital of France is")["input_ids"]])
    with torch.no_grad():
        return view.model(input_ids=ids).logits


def test_the_factory_of_the_tests_is_deterministic(tiny: Callable[..., ModelView]) -> None:
    assert tiny("gpt2").weights_sha256() == tiny("gpt2").weights_sha256()
    assert tiny("gpt2").weights_sha256() != tiny("gpt2", seed=1).weights_sha256()


def test_shapes_are_checked_at_run_time() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        tiny("gpt2").write(0, torch.zeros(3))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_weight_is_a_view_in_one_orientation(architecture: str) -> None:
    view = tiny(architecture)
    assert view.n_layers == LAYERS
    assert view.weight(0).shape == (D_MODEL, view.d_ff)
    assert view.weight(0).data_ptr() == view.parameter(0).data_ptr()
    assert not view.weight(0).requires_grad
    assert view.dtype == torch.float32
    assert view.device == torch.device("cpu")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_applied_delta_changes_the_value_as_it_says(architecture: str) -> None:
    view = tiny(architecture)
    some = delta(view, 1)
    before, plain = view.weight(1).clone(), logits(view)
    with view.applied([some]):
        assert torch.allclose(view.weight(1), before + some.dense())
        assert max(view.self_test()) < 1e-5
        assert not torch.allclose(logits(view), plain)
    assert torch.equal(view.weight(1), before)
    assert torch.equal(logits(view), plain)
    assert count_hooks(view.model) == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("architecture", BOTH_WAYS)
def test_applied_deltas_leave_no_bit_changed(architecture: str, dtype: torch.dtype) -> None:
    view = tiny(architecture, dtype=dtype)
    before = view.weights_sha256()
    with view.applied([delta(view, 0), delta(view, 2), delta(view, 0, 1)]):
        inside = view.weights_sha256()
        with view.applied([delta(view, 0, 2), delta(view, 1, 3)]):
            assert view.weights_sha256() != inside
            assert view.layer_fingerprint(0) == fingerprint(tiny(architecture, dtype=dtype).parameter(0))
        assert view.weights_sha256() == inside
    assert view.weights_sha256() == before != inside
    assert torch.equal(view.base_weight(0), view.weight(0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_applied_deltas_leave_no_bit_changed_when_the_body_raises(dtype: torch.dtype) -> None:
    view = tiny("gpt2", dtype=dtype)
    before = view.weights_sha256()
    with pytest.raises(ZeroDivisionError), view.applied([delta(view, 0)]), view.applied([delta(view, 0, 1)]):
        raise ZeroDivisionError
    assert view.weights_sha256() == before


def test_a_foreign_delta_is_refused_before_anything_is_written() -> None:
    view, other = tiny("gpt2"), tiny("bloom")
    before = view.weights_sha256()
    far = WeightDelta(LAYERS, "far", torch.ones(D_MODEL, 1), torch.ones(1, view.d_ff), "")
    for foreign in (delta(other, 0), far):
        with pytest.raises(EditError, match="made for another model"), view.applied([delta(view, 0), foreign]):
            pytest.fail("the body must not run")
        assert view.weights_sha256() == before


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("architecture", BOTH_WAYS)
def test_what_is_written_is_taken_back_bit_for_bit(architecture: str, dtype: torch.dtype) -> None:
    view = tiny(architecture, dtype=dtype)
    before, names = view.weights_sha256(), view.model_fingerprint()
    base = view.weight(1).clone()
    for number in range(3):
        view.write(1, view.weight(1) * 1.1 + number)
    view.write(2, torch.zeros_like(view.weight(2)))
    assert view.model_fingerprint() == names
    assert torch.equal(view.base_weight(1), base)
    assert view.weights_sha256() != before
    view.restore([1, 0])
    assert torch.equal(view.weight(1), base)
    assert not view.weight(2).any()
    view.restore()
    view.restore()
    assert view.weights_sha256() == before


def test_what_is_applied_inside_a_written_layer_returns_to_what_was_written() -> None:
    view = tiny("llama")
    base = view.weight(0).clone()
    view.write(0, 2 * base)
    with view.applied([delta(view, 0)]):
        pass
    assert torch.equal(view.weight(0), 2 * base)
    view.restore()
    assert torch.equal(view.weight(0), base)


def test_a_weight_of_another_shape_is_not_written() -> None:
    view = tiny("gpt2")
    with pytest.raises(EditError, match=r"Layer 0 holds \(32, 64\), not \(64, 32\)"):
        view.write(0, view.weight(0).T)


def test_small_deltas_are_summed_before_they_are_rounded() -> None:
    view = tiny("llama", dtype=torch.bfloat16)
    small = [delta(view, 0, seed, size=1e-4) for seed in range(200)]
    with view.applied(small):
        found = view.weight(0).clone()
    exact = view.weight(0).double() + torch.stack([some.dense().double() for some in small]).sum(0)
    assert torch.equal(found, fold(view.weight(0), small))
    assert float((found.double() - exact).abs().max()) <= float(exact.abs().max()) * 2**-8
    one_by_one = view.weight(0).clone()
    for some in small:
        one_by_one = fold(one_by_one, [some])
    assert (found.double() - exact).norm() < (one_by_one.double() - exact).norm()


def test_entries_no_delta_touches_keep_their_bits() -> None:
    view = tiny("gpt2", dtype=torch.bfloat16)
    base = view.weight(0).clone()
    base[0, 0] = -0.0
    column = torch.zeros(1, view.d_ff)
    column[0, 3] = 1.0
    folded = fold(base, [view.delta(0, torch.ones(view.d_model, 1), column)])
    kept = torch.ones(view.d_ff, dtype=torch.bool)
    kept[3] = False
    assert torch.equal(folded[:, kept].view(torch.int16), base[:, kept].view(torch.int16))
    assert not torch.equal(folded[:, 3], base[:, 3])


def test_nothing_folds_to_the_base() -> None:
    base = torch.randn(3, 4).bfloat16()
    assert torch.equal(fold(base, []), base)


def test_fingerprints_name_the_model() -> None:
    assert tiny("llama").model_fingerprint() == tiny("llama").model_fingerprint()
    assert tiny("llama").model_fingerprint() != tiny("llama", seed=1).model_fingerprint()
    assert tiny("llama").model_fingerprint() != tiny("llama", dtype=torch.bfloat16).model_fingerprint()


def test_a_delta_is_stamped_with_its_layer_and_the_unedited_weight() -> None:
    view = tiny("gpt2")
    base = fingerprint(view.parameter(1))
    view.write(1, 2 * view.weight(1))
    some = delta(view, 1)
    assert (some.layer, some.module, some.base) == (1, "transformer.h.1.mlp.c_proj", base)


def test_a_tokenizer_without_offsets_is_refused() -> None:
    class Slow(PreTrainedTokenizerFast):
        is_fast = False

    slow = Slow(tokenizer_object=tiny_tokenizer().backend_tokenizer)
    with pytest.raises(UnsupportedModelError, match="no character offsets"):
        ModelView(tiny_model("gpt2"), slow)


def test_the_name_is_what_is_given_or_the_class() -> None:
    model = tiny_model("gpt2")
    assert ModelView(model, tiny_tokenizer(), name="mine").name == "mine"
    assert ModelView(model, tiny_tokenizer()).name == "GPT2LMHeadModel"
