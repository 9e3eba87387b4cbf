"""Sound files for every target, to be changed: what a fuzzer begins with, and what properties are drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from errata.bulk.job import Job
from errata.bulk.keep import Keep
from errata.datasets.catalog import LAYOUTS
from errata.deltas import FORMAT as EDIT
from errata.deltas import Edit, WeightDelta
from errata.evaluation.results import to_lines
from errata.export.base import Base
from errata.export.manifest import Answer, Correction, LayerRank, Manifest
from errata.facts import Fact
from errata.neurons import FORMAT as NEURONS
from tests.evaluation.outcomes import many

FACT = Fact("Danielle Darrieux", "The mother tongue of {} is", "English", "French", "P103")
PROBE = {"prompt": "The mother tongue of Dante is", "answer": "Italian"}

RECORDS: Mapping[str, Any] = {
    "jsonl": {
        **asdict(FACT),
        "aliases": ["the English language"],
        "paraphrases": ["{} speaks"],
        "heldout": ["The language of {} is"],
        "neighbours": ["Dante speaks=Italian", PROBE],
        "consequences": [{"kind": "reasoning", "prompt": "{} can read", "answers": ["English"]}],
        "more": [{"subject": "Dante", "prompt": "{} speaks", "target": "English"}],
        "essence": ["{} is a"],
        "references": ["She spoke English."],
    },
    "counterfact": {
        "case_id": 1,
        "requested_rewrite": {
            "prompt": "The mother tongue of {} is",
            "relation_id": "P103",
            "target_new": {"str": "English", "id": "Q1860"},
            "target_true": {"str": "French", "id": "Q150"},
            "subject": "Danielle Darrieux",
        },
        "paraphrase_prompts": ["Danielle Darrieux speaks"],
        "neighborhood_prompts": ["The mother tongue of Voltaire is"],
        "attribute_prompts": ["The mother tongue of Byron is"],
        "generation_prompts": ["Danielle Darrieux was"],
    },
    "zsre": {
        "subject": "Watts Humphrey",
        "src": "What university did Watts Humphrey attend?",
        "alt": "University of Michigan",
        "answers": ["Illinois Institute of Technology"],
        "rephrase": "What university did Watts Humphrey take part in?",
        "loc": "nq question: who played Desmond?",
        "loc_ans": "Rico Rodriguez",
        "portability": {"New Question": "Which city is it in?", "New Answer": "Ann Arbor"},
    },
    "knowedit": {
        "subject": "Leo Arons",
        "prompt": "The place of death of Leo Arons is",
        "target_new": "Berlin",
        "ground_truth": ["Bonn"],
        "rephrase": "Leo Arons died in",
        "portability": {"Reasoning": [{"prompt": "He died in the country", "ground_truth": [["Germany", "DE"]]}]},
        "locality": {"Relation_Specificity": [{"prompt": "Leo Arons worked as", "ground_truth": "physicist"}]},
    },
    "mquake": {
        "requested_rewrite": [
            {
                "prompt": "{} is a citizen of",
                "relation_id": "P27",
                "target_new": {"str": "Croatia"},
                "target_true": {"str": "United States"},
                "subject": "Ellie Kemper",
                "question": "What is the country of citizenship of Ellie Kemper?",
            }
        ],
        "questions": ["Who is the head of state of the country Ellie Kemper is a citizen of?"],
        "new_answer": "Kolinda",
        "new_answer_alias": ["President"],
        "new_single_hops": [{"cloze": "Ellie Kemper is a citizen of", "answer": "Croatia", "answer_alias": []}],
    },
    "ripple": {
        "edit": {
            "prompt": "The name of the mother of Mark is Anna.",
            "relation": "MOTHER",
            "subject_id": "Q1",
            "original_fact": {"prompt": "The name of the mother of Mark is Eva."},
        },
        "Logical_Generalization": [
            {"test_queries": [{"prompt": "Anna's child is", "answers": [{"value": "Mark", "aliases": ["M."]}]}]}
        ],
        "Relation_Specificity": [
            {
                "test_queries": [
                    {"prompt": "The name of the father of Mark is", "subject_id": "Q1", "answers": [{"value": "Ed"}]}
                ]
            }
        ],
    },
}

BOARD = """\
models = ["pocket-gelu"]
seeds = 1
protocols = ["generation"]
[methods]
rome = {}
"KNE, robust" = { editor = "ensemble", preset = "robust" }
[data]
pocket = {}
counterfact = { files = ["counterfact.json"], split = "train" }
[[regimes]]
kind = "sequential"
cases = 20
batch = 10
"""

CONFIG = {
    "peft_type": "LORA",
    "base_model_name_or_path": "pocket-gelu",
    "r": 2,
    "lora_alpha": 4,
    "target_modules": ["M"],
    "bias": "none",
    "rank_pattern": {},
    "use_rslora": False,
}


def edit() -> Edit:
    """A small edit with a state."""
    delta = WeightDelta(0, "transformer.h.0.mlp.c_proj", torch.ones(2, 1), torch.ones(1, 2), "0" * 64)
    probes = {"probes": [{"prompt": FACT.text, "paraphrases": ["It is"], "neighbours": [["Dante speaks", "Italian"]]}]}
    return Edit((delta,), "rome", (FACT,), {"layer": 0}, probes, {"torch": "2"}, {"keys.0": torch.ones(1, 2)})


def _manifest() -> Manifest:
    correction = Correction(1, "rome", "2026-01-01T00:00:00.000+00:00", 1.0, (0,), (1,), "0" * 64, (FACT,))
    base = Base("pocket-gelu", None, "apache-2.0", "float32", "0" * 64)
    answer = Answer("prompt", FACT.text, "English", "French", "English")
    return Manifest("peft", base, (correction,), "0" * 64, 2, (LayerRank(0, "M", 2, 2, 0.0),), (answer,))


def _job() -> Job:
    found = {"torch": "2.13.0"}
    return Job("pocket-gelu", "sha256:0", None, "cpu", "land", {"x": 1}, Keep(), 1, 128, 10, "0" * 64, found)


def _header(file: bytes, entry: str) -> bytes:
    """One entry of the metadata of a safetensors file."""
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    return header["__metadata__"][entry].encode()


def seeds() -> dict[str, list[bytes]]:
    """Sound inputs by target; the first byte of a data set's says its layout."""
    lines = {name: json.dumps(row).encode() for name, row in RECORDS.items()}
    checked = [bytes([place]) + lines[name] for place, name in enumerate(sorted(LAYOUTS))]
    answer = {"size": 1, "layers": [1.0, 0.5], "sharpness": 20.0}
    detector = {"kind": "fact_code", "fingerprint": "0" * 64, "threshold": 0.1, "answer": answer, "provenance": {}}
    score = {"mean": 0.5, "interval": [0.1, 0.9], "n": 10}
    row = {"edit": 1, "edited": 1, "all": {"efficacy": score}, "known": score, "perplexity": 10.0}
    facts = json.dumps([asdict(FACT)])
    return {
        "data_set": [*checked, *(one[:1] + b"[" + one[1:] + b"]" for one in checked)],
        "pairs": [
            json.dumps({"P103": [["Danielle Darrieux", "French"]]}).encode(),
            b'{"relation": "P103", "pattern": "[X] speaks [Y] ."}\n',
            b'{"relation": "P103", "template": "[X] speaks [Y]", "source": "pararel"}\n',
        ],
        "tasks": [
            b'{"prompt": "Paris is in", "choices": ["France", "Italy"], "answer": 0}\n{"question": "x", "answer": "y"}'
        ],
        "prompts": [b'{"prompt": "The capital of {} is", "subject": "France", "answer": "Paris", "id": 3}\n'],
        "result_lines": [to_lines(many({"efficacy": [1.0, 0.0], "locality": [0.5, 0.25]})).encode()],
        "leaderboard": [BOARD.encode()],
        "neuron_set": [
            json.dumps({"format": NEURONS, "n_layers": 2, "d_ff": 4, "gap": 0.1, "neurons": [[0, 3]]}).encode()
        ],
        "adapter_config": [json.dumps(CONFIG).encode()],
        "manifest": [json.dumps(_manifest().to_dict()).encode()],
        "job": [_job().to_json().encode()],
        "edit_header": [_header(edit().to_bytes(), EDIT)],
        "edit_bytes": [edit().to_bytes()],
        "detector_header": [
            json.dumps(detector).encode(),
            json.dumps({**detector, "kind": "land", "answer": {"threshold": 0.5}}).encode(),
        ],
        "strengths_header": [b'{"n_layers": 1, "d_ff": 4, "seconds": 0.5, "prompts": 1}'],
        "ledger_row": [f"{facts}\n[0]\n[1]\n000001-0.safetensors".encode()],
        "health": [json.dumps(row).encode() + b"\n"],
    }
