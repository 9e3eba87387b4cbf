"""`models`, `inspect`, `ask` and `locate`: what they print is what the Python names give."""

from pathlib import Path

import pytest
import torch

import errata
from errata.model.writing import generate, top_tokens
from errata.neurons import NeuronSet
from tests.cli.conftest import Run
from tests.tiny import D_FF, D_MODEL, LAYERS, tiny

FACT = ["--subject", "France", "--prompt", "The capital of {} is"]


def test_models_lists_the_embedded_ones(run: Run) -> None:
    rows = run("models", "--json").json["models"]
    assert [row["name"] for row in rows] == ["pocket-gelu", "pocket-swiglu"]
    for row in rows:
        assert row["facts"] >= 2500 and row["relations"] >= 24
        assert row["bytes"] <= 16e6 and Path(row["path"]).is_dir()
    text = run("models").out
    assert "pocket-gelu" in text and "hub id" in text


def test_inspect_finds_the_memories_and_tests_them(run: Run, folder: Path) -> None:
    found = run("inspect", folder, "--json").json
    view = tiny("gpt2")
    assert [(row["layer"], row["d_ff"], row["d_model"]) for row in found["layers"]] == [
        (layer, D_FF, D_MODEL) for layer in range(LAYERS)
    ]
    assert {(row["orientation"], row["gated"]) for row in found["layers"]} == {("[d_ff, d_model]", False)}
    assert found["max_error"] < 1e-5
    assert found["fingerprint"] == view.model_fingerprint()
    assert found["weights_sha256"] == view.weights_sha256()
    assert found["parameters"] == sum(p.numel() for p in view.model.parameters())
    text = run("inspect", folder).out
    assert "transformer.h.2.mlp.c_proj" in text and "[d_ff, d_model]" in text and "self-test" in text


def test_inspect_in_another_dtype(run: Run, folder: Path) -> None:
    assert run("inspect", folder, "--dtype", "bfloat16", "--json").json["dtype"] == "bfloat16"


@pytest.mark.parametrize("model", ["pocket-gelu"])
def test_ask_gives_the_greedy_answer_and_the_next_tokens(run: Run, model: str) -> None:
    prompt = "The mother tongue of Danielle Darrieux is"
    view = errata.load(model)
    found = run("ask", model, prompt, "--json").json
    assert found["text"] == generate(view, [prompt], 24)[0]
    tokens = top_tokens(view, prompt)
    assert [row["token"] for row in found["next_tokens"]] == [token for token, _ in tokens]
    assert [row["probability"] for row in found["next_tokens"]] == pytest.approx([p for _, p in tokens])
    shown = run("ask", model, prompt).out
    assert shown.startswith(prompt + found["text"].rstrip())
    assert all(repr(row["token"]) in shown for row in found["next_tokens"])


def test_ask_refuses_an_empty_prompt(run: Run, folder: Path) -> None:
    result = run("ask", folder, "  ")
    assert result.code == 2 and "prompt is empty" in result.err


@pytest.mark.parametrize("rule", ["gauss-legendre", "riemann-right"])
def test_locate_gives_sums_that_match_the_change_within_the_gap(
    run: Run, folder: Path, rule: str, tmp_path: Path
) -> None:
    chosen = tmp_path / "neurons.json"
    options = [*FACT, "--answer", "Paris", "--rule", rule, "--steps", "6", "--threshold", "0.4", "--save", chosen]
    found = run("locate", folder, *options, "--json").json
    fact = errata.Fact("France", "The capital of {} is", answer="Paris")
    method = errata.localizer("knowledge_neurons", rule=rule, steps=6, threshold=0.4)
    expected = method.attribute(tiny("gpt2"), [fact])[0]
    assert found["settings"]["steps"] == 6 and found["method"] == "knowledge_neurons"
    assert found["prompt"] == "The capital of France is" and found["answer"] == "Paris"
    scores = torch.tensor(found["scores"], dtype=torch.float64)
    assert torch.allclose(scores.float(), expected.scores, atol=1e-6)
    for row, layer in zip(scores, found["layers"], strict=True):
        assert abs(float(row.sum()) - layer["change"]) <= layer["gap"]
        assert abs(layer["sum"] - layer["change"]) <= layer["gap"] <= found["gap"]
    assert [tuple(neuron[:2]) for neuron in found["neurons"]] == list(expected.neurons)
    assert all(found["scores"][layer][index] == score for layer, index, score in found["neurons"])
    assert NeuronSet.load(chosen).members == expected.neurons.members


def test_locate_shows_every_layer(run: Run, folder: Path) -> None:
    result = run("locate", folder, *FACT, "--answer", "Paris", "--steps", "4")
    assert result.code == 0
    assert "The capital of France is Paris" in result.out and "completeness gap" in result.out
    assert result.out.count("L0·N") + result.out.count("L1·N") + result.out.count("L2·N") == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--steps", "0"], "0 path points"),
        (["--rule", "simpson"], "no quadrature rule 'simpson'"),
        (["--method", "knowledge_neuron"], "did you mean 'knowledge_neurons'?"),
        (["--set", "stepps=3"], "did you mean 'steps'?"),
        (["--set", "steps"], "write KEY=VALUE"),
        (["--set", "steps=many"], "the same kind of value"),
        (["--set", "steps.x=1"], "has no parts"),
    ],
)
def test_locate_refuses_settings_that_do_not_exist(run: Run, folder: Path, options: list[str], sentence: str) -> None:
    result = run("locate", folder, *FACT, "--answer", "Paris", *options)
    assert result.code == 2 and result.out == "" and sentence in result.err


OTHER = ["--phrasing", "{}'s capital is", "--phrasing", "The tower of {} is in"]


def test_locate_keeps_what_phrasings_share(run: Run, folder: Path) -> None:
    quick = ["--answer", "Paris", "--set", "localizer.steps=4", "--method", "kn_refined", "--set", "share=0.5"]
    found = run("locate", folder, *FACT, *OTHER, *quick, "--json").json
    prompts = ("The capital of {} is", "{}'s capital is", "The tower of {} is in")
    facts = [errata.Fact("France", prompt, answer="Paris") for prompt in prompts]
    inner = errata.localizer("knowledge_neurons", steps=4)
    expected = errata.localizer("kn_refined", localizer=inner, share=0.5).attribute(tiny("gpt2"), facts)[0]
    assert found["prompt"] == "The capital of France is" and found["settings"]["phrasings"] == 3
    assert found["gap"] is None and [set(layer) for layer in found["layers"]] == [{"layer", "sum"}] * LAYERS
    assert [tuple(neuron[:2]) for neuron in found["neurons"]] == list(expected.neurons)
    text = run("locate", folder, *FACT, *OTHER, *quick)
    assert text.code == 0 and f"{len(expected.neurons)} neurons kept" in text.out
    assert "completeness gap" not in text.out and "change" not in text.out


def test_phrasings_share_the_answer_to_the_first(run: Run, folder: Path) -> None:
    quick = ["--method", "kn_refined", "--set", "localizer.steps=2", "--json"]
    found = run("locate", folder, *FACT, *OTHER, *quick).json
    assert found["answer"] == run("locate", folder, *FACT, "--steps", "2", "--json").json["answer"]
    assert found["settings"]["phrasings"] == 3


def test_phrasings_change_nothing_for_a_method_that_takes_each_by_itself(run: Run, folder: Path) -> None:
    quick = ["--answer", "Paris", "--steps", "4", "--json"]
    alone, beside = run("locate", folder, *FACT, *quick).json, run("locate", folder, *FACT, *OTHER, *quick).json
    assert torch.allclose(torch.tensor(alone["scores"]), torch.tensor(beside["scores"]), atol=1e-6)
    assert alone["prompt"] == beside["prompt"]


@pytest.mark.parametrize("method", ["land", "fact_code"])
def test_locate_without_a_detector_says_how_to_train_one(run: Run, folder: Path, method: str) -> None:
    result = run("locate", folder, *FACT, "--answer", "Paris", "--method", method)
    assert result.code == 2 and f"errata train {method}" in result.err


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("ensemble", ["share=0.1"]),
        ("ensemble", ["path=all"]),
        ("ensemble", ["weights=neurons", "pooled=true"]),
        ("activation", ["positions=subject"]),
        ("gradient_activation", ["product=false"]),
        ("value_vectors", ["per_token=5"]),
        ("causal_trace", ["draws=1"]),
        ("causal_trace", ["draws=1", "algorithm=patching"]),
        ("random", ["localizer=activation", "seed=3"]),
        ("all_in_layers", ["layers=[0, 2]"]),
    ],
)
def test_locate_takes_every_localizer(run: Run, folder: Path, method: str, settings: list[str]) -> None:
    options = [word for pair in settings for word in ("--set", pair)]
    asked = ["locate", folder, *FACT, "--answer", "Paris", "--target", "Rome", "--method", method, *options]
    found = run(*asked, "--json").json
    assert found["method"] == method and len(found["neurons"]) > 0
    assert found["answer"] == ("Rome" if method == "ensemble" else "Paris")
    complete = method == "ensemble" or (method == "causal_trace" and "algorithm=patching" not in settings)
    assert (found["gap"] is not None) == complete
    page = run(*asked)
    assert page.code == 0 and f"{len(found['neurons'])} neurons kept" in page.out
    assert ("completeness gap" in page.out) == complete


def test_locate_says_that_the_ensemble_needs_a_target(run: Run, folder: Path) -> None:
    result = run("locate", folder, *FACT, "--answer", "Paris", "--method", "ensemble")
    assert result.code == 2 and "no target" in result.err
