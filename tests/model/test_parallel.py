"""Tensor parallelism: two processes find what one finds, and refuse what only one can do."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed

from errata import localizer
from errata.errors import InputError, UnsupportedModelError
from errata.model.load import load
from errata.model.parallel import Ranks
from tests.model.ranks import FACTS, found
from tests.tiny import D_FF, LAYERS, tiny

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("ranks.py")
SECONDS = 600

# One that cannot be halved, one that joins the parts of k before W, one with biases, and the documentation's.
MODELS: dict[str, tuple[str, torch.dtype, dict[str, Any]]] = {
    "llama": ("llama", torch.float64, {"intermediate_size": D_FF + 1}),
    "phi3": ("phi3", torch.float64, {}),
    "gpt_neox": ("gpt_neox", torch.float64, {}),
    "my-model": ("llama", torch.float32, {}),
}


def example() -> str:
    """The script in docs/large-models.md that torchrun starts."""
    page = (ROOT / "docs/large-models.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```py\n(# locate\.py\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    return block


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have attributed every model, and run the documentation's example."""
    place = tmp_path_factory.mktemp("parallel")
    for name, (architecture, dtype, settings) in MODELS.items():
        save(place / name, architecture, dtype, **settings)
    (place / "locate.py").write_text(example(), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(SCRIPT), str(place), "locate.py"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return place


def environment() -> dict[str, str]:
    path = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "OMP_NUM_THREADS": "1"}


def save(place: Path, architecture: str, dtype: torch.dtype = torch.float32, **settings: Any) -> None:
    view = tiny(architecture, dtype=dtype, **settings)
    view.model.save_pretrained(place)
    view.tokenizer.save_pretrained(place)


def both(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    first, second = (load_file(folder / f"{name}.{rank}.safetensors") for rank in range(2))
    return first, second


def off(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max() / other.double().abs().max())


@pytest.mark.parametrize("name", MODELS)
def test_the_ranks_scores_side_by_side_are_those_of_one_process(name: str, folder: Path) -> None:
    architecture, dtype, settings = MODELS[name]
    view = tiny(architecture, dtype=dtype, **settings)
    alone, parts = found(view, name == "llama"), both(folder, name)
    assert [part["neurons"].tolist() for part in parts] == [[0, -(-view.d_ff // 2)], [-(-view.d_ff // 2), view.d_ff]]
    assert [part["own"].shape[-1] for part in parts] == [-(-view.d_ff // 2), view.d_ff // 2]
    # Own scores are in the model's precision, attributions in float32; in float32 each way is off by its own rounding.
    exact, bound = (1e-11, 1e-6) if dtype == torch.float64 else (1e-5, 1e-5)
    assert off(torch.cat([part["own"] for part in parts], dim=-1), alone["own"]) < exact
    for part in parts:
        assert off(part["growing"], alone["growing"]) < bound
        assert off(part["plain"], alone["plain"]) < bound
        assert off(part["change"], alone["change"]) < bound
        assert torch.equal(part["members"], alone["members"])
        assert float(part["self_test"].max()) < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_every_rank_has_the_same_attributions_bit_for_bit(name: str, folder: Path) -> None:
    first, second = both(folder, name)
    for key in ("growing", "plain", "change", "gaps", "members"):
        assert torch.equal(first[key], second[key]), key


def test_only_the_ranks_together_add_up_to_the_change(folder: Path) -> None:
    first, second = both(folder, "llama")
    allowed = 2e-3 * first["change"].abs().amax(dim=1, keepdim=True)
    together = first["own"].sum(-1) + second["own"].sum(-1)
    assert bool(((together - first["change"]).abs() <= allowed).all())
    assert bool(((first["own"].sum(-1) - first["change"]).abs() > allowed).any())
    assert float(first["gaps"].max()) <= float(allowed.sum())


def test_edits_are_refused_with_the_way_out(folder: Path) -> None:
    for rank in range(2):
        answers = json.loads((folder / f"refused.{rank}.json").read_text())
        assert len(answers) == 4
        for answer in answers:
            assert re.match(r"UnsupportedModelError: .* divided between 2 processes.*without tensor_parallel", answer)
    assert not (folder / "ledger").exists()


def test_the_documentations_example_finds_what_one_process_finds(folder: Path) -> None:
    (alone,) = localizer("knowledge_neurons").attribute(load(str(folder / "my-model")), FACTS[:1])
    assert json.loads((folder / "france.json").read_text())["neurons"] == [list(neuron) for neuron in alone.neurons]


def test_one_process_holds_every_neuron() -> None:
    view = tiny("llama")
    assert view.neurons == range(D_FF)
    assert view.editable
    scores = torch.randn(LAYERS, D_FF)
    assert view.ranks.whole(scores) is scores
    assert view.ranks.total(scores) is scores
    assert view.ranks.part(scores) is scores
    assert view.ranks.smallest(7) == 7


def test_neurons_of_no_part_are_refused() -> None:
    ranks = Ranks(range(3, 6), 6, distributed.ProcessGroup(0, 2))
    assert torch.equal(ranks.part(torch.arange(6.0)), torch.tensor([3.0, 4.0, 5.0]))
    assert torch.equal(ranks.part(torch.arange(3.0)), torch.arange(3.0))
    with pytest.raises(UnsupportedModelError, match="given 4 neurons where this rank holds 3 of 6"):
        ranks.part(torch.zeros(4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tensor_parallel": 2}, r"needs 2 processes and found 1: start the script with torchrun --nproc-per-node 2"),
        ({"tensor_parallel": 1}, "divides nothing: give 2 processes or more"),
        ({"tensor_parallel": 2, "device": "cpu"}, "Both device='cpu' and tensor_parallel=2 are given"),
    ],
)
def test_processes_that_are_not_there_are_refused_first(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(InputError, match=message):
        load("no/such-model", **options)


@pytest.mark.parametrize(
    ("architecture", "ranks", "message"),
    [
        ("gpt2", 2, r"no plan by which to divide .* \(gpt2\).*device='auto'"),
        ("llama", 4, r"2 key-value heads, which 4 processes cannot share evenly"),
    ],
)
def test_a_model_that_cannot_be_divided_is_refused(
    architecture: str, ranks: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, architecture)
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    with pytest.raises(UnsupportedModelError, match=message):
        load(str(tmp_path), tensor_parallel=ranks)
