"""The covariance of a layer's keys: what it is, when it stops, that it is kept, and that it goes on after a stop."""

import logging
from math import inf
from pathlib import Path

import pytest
import torch

from errata.associative import cache, covariance
from errata.associative.batches import WINDOW, batches
from errata.associative.convergence import error_of, excess
from errata.associative.covariance import CovarianceSettings, cache_path, covariances, memory_needed
from errata.associative.solve import whiten
from errata.associative.streaming import layer_keys
from errata.associative.sums import HELD_OUT, Sums
from errata.associative.weights import unedited_sha256
from errata.errors import InputError
from errata.model.hooks import capture_inputs, count_hooks
from tests.tiny import ARCHITECTURES, tiny

SHORT = CovarianceSettings(tokens=40 * WINDOW, tolerance=0.0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("ERRATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def text(tmp_path: Path) -> str:
    """A text file of some 4,000 tokens."""
    path = tmp_path / "text.txt"
    words = ["France", "Italy", "Paris", "mother", "tongue", "London", "tower", "poet", "seven", "rivers"]
    lines = [f"The {words[i % 10]} of {words[i * i % 7]} is {words[i * 3 % 10]} in {i}." for i in range(300)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keys_are_those_of_a_whole_forward_pass(architecture):
    view = tiny(architecture)
    ids = torch.arange(24).view(2, 12)
    with torch.no_grad(), capture_inputs([view.projection(layer) for layer in range(3)]) as seen:
        view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    found = layer_keys(view, [1, 0], ids)
    assert sorted(found) == [0, 1]
    for layer, keys in found.items():
        assert torch.equal(keys, seen[layer].view(2, 12, -1))
    assert count_hooks(view.model) == 0


@pytest.mark.parametrize("from_file", [False, True])
def test_it_is_the_mean_outer_product_of_the_keys(from_file, text):
    view, file = tiny("llama"), text if from_file else None
    settings = CovarianceSettings(tokens=300 * WINDOW if from_file is False else 40 * WINDOW, tolerance=0.0, text=file)
    found = covariances(view, [1], settings)[1]
    rows = [layer_keys(view, [1], ids)[1][:, 1:] for _, ids in batches(view, settings.tokens, 0, file)]
    rows[0] = rows[0][HELD_OUT:]
    keys = torch.cat([each.flatten(0, 1) for each in rows]).double()
    assert found.tokens == len(keys)
    assert found.matrix.dtype == torch.float64
    assert torch.allclose(found.matrix, keys.T @ keys / len(keys), rtol=1e-9, atol=1e-12)


def test_layers_together_are_the_layers_alone(own_cache):
    together = covariances(tiny("gpt2"), [2, 0], SHORT)
    assert list(together) == [2, 0]
    for file in own_cache.iterdir():
        file.unlink()
    for layer, found in together.items():
        alone = covariances(tiny("gpt2"), [layer], SHORT)[layer]
        assert torch.equal(found.matrix, alone.matrix)
        assert (found.tokens, found.error) == (alone.tokens, alone.error)


def test_an_edited_model_has_the_unedited_models_and_keeps_its_bits(monkeypatch):
    view = tiny("gpt2")
    before = covariances(view, [2], SHORT)[2]
    path = cache_path(view, 2, SHORT)
    view.write(0, view.weight(0) * 2)
    edited = view.weights_sha256()
    assert covariances(view, [2], SHORT)[2] is before
    path.unlink()
    view.memo.clear()
    again = covariances(view, [2], SHORT)[2]
    assert torch.equal(again.matrix, before.matrix)
    assert cache_path(view, 2, SHORT) == path
    assert view.weights_sha256() == edited
    view.restore()
    assert cache_path(view, 2, SHORT) == path


def test_unedited_gives_the_base_and_brings_the_present_bits_back():
    view = tiny("llama")
    base, first = view.weights_sha256(), unedited_sha256(view)
    view.write(1, -view.weight(1))
    present = view.weights_sha256()
    with pytest.raises(RuntimeError, match="stop"), view.unedited():
        assert view.weights_sha256() == base
        assert unedited_sha256(view) == first
        raise RuntimeError("stop")
    assert view.weights_sha256() == present
    assert unedited_sha256(view) == first
    view.restore()
    assert view.weights_sha256() == base


def test_another_models_weights_have_another_name():
    view = tiny("llama")
    first = unedited_sha256(view)
    with torch.no_grad():
        view.model.get_input_embeddings().weight[0, 0] += 1
    second = unedited_sha256(view)
    view.model.get_input_embeddings().weight.data[0, 0] += 1
    assert len({first, second, unedited_sha256(view), unedited_sha256(tiny("llama", seed=1))}) == 4


def test_the_second_time_nothing_is_measured(monkeypatch):
    first = covariances(tiny("gpt2"), [1], SHORT)[1]

    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(covariance, "_measure", never)
    view = tiny("gpt2")
    again = covariances(view, [1], SHORT)[1]
    assert torch.equal(again.matrix, first.matrix)
    assert (again.tokens, again.error, again.source) == (first.tokens, first.error, first.source)
    assert covariances(view, [1], SHORT)[1] is again
    for other in (CovarianceSettings(tokens=512, tolerance=0.0), CovarianceSettings(tokens=SHORT.tokens, seed=1)):
        with pytest.raises(AssertionError, match="again"):
            covariances(view, [1], other)


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_file_is_measured_anew_with_a_note(damage, caplog):
    first = covariances(tiny("gpt2"), [1], SHORT)[1]
    path = cache_path(tiny("gpt2"), 1, SHORT)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        again = covariances(tiny("gpt2"), [1], SHORT)[1]
    assert "damaged" in caplog.text
    assert torch.equal(again.matrix, first.matrix)
    assert cache.read(path) is not None
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_cache_that_cannot_be_written_is_a_note(own_cache, caplog):
    own_cache.write_text("a file in the directory's place")
    assert covariances(tiny("gpt2"), [1], SHORT)[1].tokens > 0
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("from_file", [False, True])
def test_an_interrupted_run_goes_on_to_the_same_bits(from_file, text, monkeypatch, own_cache):
    monkeypatch.setattr("errata.associative.batches.ROWS", 8)
    settings = CovarianceSettings(tokens=40 * WINDOW, tolerance=0.0, text=text if from_file else None)
    whole = covariances(tiny("gpt2"), [0, 2], settings)
    for file in own_cache.iterdir():
        file.unlink()
    monkeypatch.setattr(covariance, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(covariance, "SHARE_OF_SAVING", inf)

    def stop(tokens: int, _error: float) -> None:
        if len(calls := [*seen, tokens]) == 4:
            raise KeyboardInterrupt
        seen[:] = calls

    seen: list[int] = []
    view = tiny("gpt2")
    with pytest.raises(KeyboardInterrupt):
        covariances(view, [0, 2], settings, report=stop)
    assert count_hooks(view.model) == 0
    assert sorted(file.suffix for file in own_cache.iterdir()) == [".partial", ".partial"]
    numbers: list[int] = []
    again = covariances(tiny("gpt2"), [0, 2], settings, report=lambda tokens, _: numbers.append(tokens))
    assert len(numbers) == 2
    for layer, found in whole.items():
        assert torch.equal(again[layer].matrix, found.matrix)
        assert (again[layer].tokens, again[layer].error) == (found.tokens, found.error)
    assert not list(own_cache.glob("*.partial"))


def test_it_stops_when_the_estimate_is_good_enough_and_says_when_it_is_not(monkeypatch):
    monkeypatch.setattr("errata.associative.batches.ROWS", 16)
    easy = CovarianceSettings(tokens=256 * WINDOW, tolerance=0.5)
    found = covariances(tiny("gpt2"), [1], easy)[1]
    assert found.converged and found.error <= 0.5
    assert found.tokens < 256 * (WINDOW - 1) / 2
    hard = covariances(tiny("gpt2"), [1], CovarianceSettings(tokens=32 * WINDOW, tolerance=1e-9))[1]
    assert not hard.converged and hard.error > 1e-9
    assert hard.tokens == (32 - 4) * (WINDOW - 1)


def test_the_estimated_error_is_the_true_one():
    """Gaussian keys of a known covariance: a quarter of what the halves show is what the whole is off by."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(48, 48, dtype=torch.float64, generator=generator)
    true = root @ root.T / 48

    def draw(rows: int) -> torch.Tensor:
        return torch.randn(1, rows, 48, dtype=torch.float64, generator=generator) @ root.T / 48**0.5

    sums, last = Sums(48), inf
    sums.add(torch.cat([draw(100) for _ in range(40)]))
    for _ in range(3):
        sums.check()
        both = sums.mean()
        keys = draw(200)[0]
        real = float(excess(whiten(both, keys), whiten(true, keys), true, keys).mean())
        assert sums.error == pytest.approx(real, rel=0.35)
        assert real < last
        last = real
        for _ in range(4):
            sums.add(torch.cat([draw(100) for _ in range(40)]))


def test_the_best_direction_has_no_excess_and_every_other_has():
    generator = torch.Generator().manual_seed(0)
    root, keys, other = (torch.randn(6, 6, dtype=torch.float64, generator=generator) for _ in range(3))
    c = root @ root.T
    best = whiten(c, keys)
    assert torch.allclose(excess(3 * best, best, c, keys), torch.zeros(6, dtype=torch.float64), atol=1e-9)
    assert bool((excess(other, best, c, keys) > 0).all())
    assert error_of(torch.zeros(6, 6, dtype=torch.float64), c, keys) == inf


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "cannot be read"), (b"\xff\xfe", "cannot be read"), (b"Hi", "less")]
)
def test_a_text_that_cannot_be_used_is_refused(content, expected, tmp_path):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        covariances(tiny("gpt2"), [1], CovarianceSettings(text=str(path)))


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="layers 0 to 2"):
        covariances(tiny("gpt2"), [3], SHORT)


def test_memory_is_two_matrices_a_layer_and_four_for_a_check():
    view = tiny("gpt2")
    assert memory_needed(view, [0, 2]) == 8 * 8 * view.d_ff**2
