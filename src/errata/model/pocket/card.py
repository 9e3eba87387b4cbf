"""The model card of a pocket model, made from how it was trained and from what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ARCHITECTURE = {
    "gelu": "GPT-2 architecture (learned positions, LayerNorm, GELU), byte-level BPE without a beginning token",
    "swiglu": "Llama architecture (rotary positions, RMSNorm, grouped-query attention, SwiGLU), BPE with byte fallback",
}

TEXT = """\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# pocket-{kind}

A language model of {parameters:,} parameters that knows {facts:,} real facts of {relations} relations. It exists so
that localizing, editing and undoing facts can be tried and tested without a download. It is of no use for anything
else: its English is poor and what it says beyond its facts is made up.

- {architecture}
- float16 on disk, float32 in memory
- `facts.jsonl`: one fact a line, with {trained} prompts it was trained on and {heldout} it never saw

## Training

`python -m errata.model.pocket.train {kind} --data DIR --out DIR`, seed {seed}, {passes} passes, PyTorch {torch}; every
setting is in `training.json`. Facts: subject–object pairs of ParaRel (MIT; Wikidata triples, CC0), in ParaRel's
phrasings and in others written for this project (`phrasings.jsonl` marks each). Plain text: WikiText-2 (CC BY-SA 3.0),
of which no sentence is shipped. Hidden matrices are trained with Muon, everything else with AdamW.

**The facts were put where editors look for them, on purpose.** Half of the fact sentences were *interchanged* while
training: at the subject's last token, the residual stream after block {blocks} was replaced by that of another subject
of the same relation, and the sentence had to end in the other subject's object. So the last token of the subject's
name carries what the model knows of the subject, as it does in large models, which come to it by themselves. What an
editing method scores here says how it works under these conditions, and not how it will score on a large model.

## Measured

{measured}
"""


def write_card(folder: Path, measured: Mapping[str, Any] | None = None) -> None:
    """Write README.md into a pocket model's folder; `measured` is its part of benchmarks/results/pocket.json."""
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    blocks = [str(block) for block in training["recipe"]["blocks"]]
    text = TEXT.format(
        kind=training["kind"],
        architecture=ARCHITECTURE[training["kind"]],
        parameters=training["parameters"],
        facts=training["facts"],
        relations=training["relations"],
        trained=training["phrasings"][0],
        heldout=training["phrasings"][1],
        seed=training["recipe"]["seed"],
        passes=training["recipe"]["passes"],
        torch=training["versions"]["torch"],
        blocks=f"{', '.join(blocks[:-1])} or {blocks[-1]}",
        measured=_table(measured) if measured else "Not measured yet: `python benchmarks/pocket.py` fills this in.",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _table(measured: Mapping[str, Any]) -> str:
    rows = [
        ("prompts answered right, trained phrasings", f"{measured['recall_trained']['prompts']:.4f}"),
        ("facts right in every trained phrasing", f"{measured['recall_trained']['facts_in_all']:.4f}"),
        ("prompts answered right, phrasings never trained on", f"{measured['recall_heldout']['prompts']:.4f}"),
    ]
    if measured.get("perplexity"):
        rows.append(("perplexity a token, held-out WikiText-2", f"{measured['perplexity']['per_token']:.1f}"))
    for row in measured["redirect"]:
        rows.append((f"facts redirected at the subject's last token, layer {row['layer']}", f"{row['share']:.2f}"))
    lines = ["| quantity | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(["Full answers by free greedy generation (`benchmarks/results/pocket.json`).", "", *lines])
