"""How far an exported correction is from the ledger's, by the way it is loaded and by dtype, and what truncation costs.

    python benchmarks/export.py

Writes results/export.json. On both embedded models, in float32 and bfloat16, FACTS facts are corrected by ROME one
after the other and exported. Against the ledger's model: the largest difference of a logit and the share of positions
with the same next token, over the edits' prompts, paraphrases and neighbours; the share of the edited layers' entries
whose bits differ; for PEFT's merge_adapter and unmerge_adapter the same against the unedited model. Then MANY facts are
corrected by one edit of MEMIT on the first and truncated at falling rank limits, as `--truncate` does it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

import errata
from errata.datasets.pocket import cases
from errata.evaluation import probe, score
from errata.export import merged, peft_adapter
from errata.export.adapter_file import WEIGHTS
from errata.export.factors import by_layer, compress
from errata.facts import Case
from errata.methods import versions
from errata.model.load import DTYPES
from errata.model.view import ModelView

OUT = Path(__file__).parent / "results" / "export.json"
MODELS = ("pocket-gelu", "pocket-swiglu")
SEED, FACTS, MANY, NEIGHBOURS = 11, 5, 40, 2
DTYPES_MEASURED = ("float32", "bfloat16")
LIMITS = (32, 16, 8, 1)


def texts(found: Sequence[Case]) -> list[str]:
    """Every prompt of the cases."""
    return [
        prompt
        for case in found
        for prompt in (case.fact.text, *case.paraphrases, *(neighbour.prompt for neighbour in case.neighbours))
    ]


@torch.no_grad()
def logits(model: nn.Module, view: ModelView, prompts: Sequence[str]) -> list[Tensor]:
    """`[tokens, vocabulary]` float32 of every prompt by itself, so that no padding takes part."""
    rows = [view.tokenizer(prompt, return_tensors="pt") for prompt in prompts]
    return [model(input_ids=row["input_ids"], attention_mask=row["attention_mask"]).logits[0].float() for row in rows]


def beside(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> dict[str, float]:
    """The largest difference of a logit, and the share of positions with the same most probable token."""
    same = torch.cat([a.argmax(-1) == b.argmax(-1) for a, b in zip(found, wanted, strict=True)])
    furthest = max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))
    return {"furthest": furthest, "same_token": float(same.double().mean())}


def differing(model: nn.Module, weights: dict[str, Tensor]) -> float:
    """Share of the entries of these weights that are others in a model."""
    found = dict(model.named_parameters())
    unequal = sum(int((found[name] != weight).sum()) for name, weight in weights.items())
    return unequal / sum(weight.numel() for weight in weights.values())


def fresh(name: str, dtype: str) -> PreTrainedModel:
    """The unedited model."""
    folder = errata.pocket(name.removeprefix("pocket-"))
    return AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[dtype]).eval()


def loaded(name: str, dtype: str, folder: Path) -> dict[str, Any]:
    """One model in one dtype: every way of loading beside the ledger's model."""
    view = errata.load(name, dtype=dtype)
    found = cases(name.removeprefix("pocket-"), FACTS, SEED, NEIGHBOURS)
    prompts = texts(found)
    unedited = logits(view.model, view, prompts)
    with errata.Ledger.open(folder / "book", view) as ledger:
        for case in found:
            ledger.apply(errata.editor("rome").edit(view, [case.fact], ledger.history()))
        manifest = peft_adapter.write(view, ledger, folder / "adapter", cases=[Case(case.fact) for case in found])
        merged.write(view, ledger, folder / "merged", cases=())
        wanted = logits(view.model, view, prompts)
        names = {f"{view.structure.projections[layer.layer].name}.weight" for layer in manifest.layers}
        weights = {n: p.detach().clone() for n, p in view.model.named_parameters() if n in names}
    base = {n: p.detach().clone() for n, p in fresh(name, dtype).named_parameters() if n in names}

    adapter = PeftModel.from_pretrained(fresh(name, dtype), str(folder / "adapter")).eval()
    ways = {"adapter": beside(logits(adapter, view, prompts), wanted)}
    united = adapter.merge_and_unload()
    ways["merge_and_unload"] = {**beside(logits(united, view, prompts), wanted), "entries": differing(united, weights)}
    whole = AutoModelForCausalLM.from_pretrained(folder / "merged").eval()
    ways["merged"] = {**beside(logits(whole, view, prompts), wanted), "entries": differing(whole, weights)}
    adapter = PeftModel.from_pretrained(fresh(name, dtype), str(folder / "adapter")).eval()
    adapter.merge_adapter()
    adapter.unmerge_adapter()
    back = adapter.unload()
    ways["unmerged"] = {**beside(logits(back, view, prompts), unedited), "entries": differing(back, base)}
    return {
        "model": name,
        "dtype": dtype,
        "prompts": len(prompts),
        "rank": manifest.r,
        "edited": beside(unedited, wanted),
        "largest_logit": max(float(row.abs().max()) for row in wanted),
        "bytes": (folder / "adapter" / WEIGHTS).stat().st_size,
        "efficacy": manifest.scores["after"]["efficacy"]["mean"],
        "ways": ways,
    }


def truncated(name: str) -> dict[str, Any]:
    """One model with many facts in one edit: scores and lost energy, whole and at every rank limit."""
    view = errata.load(name)
    found = cases(name.removeprefix("pocket-"), MANY, SEED, NEIGHBOURS)
    edit = errata.editor("memit").edit(view, [case.fact for case in found])
    before = probe(view, found)
    rows: list[dict[str, Any]] = []
    for limit in (None, *LIMITS):
        layers = [compress(own, limit) for own in by_layer([edit]).values()]
        with view.applied(view.delta(layer.layer, layer.left, layer.right) for layer in layers):
            scores = score(before, probe(view, found))
        rows.append(
            {
                "limit": limit,
                "rank": max(layer.rank for layer in layers),
                "lost": max(layer.lost for layer in layers),
                "scores": {name: [row.mean, *row.interval, row.n] for name, row in scores.items()},
            }
        )
    return {"model": name, "facts": MANY, "layers": len(layers), "rows": rows}


def main() -> None:
    """Measure part by part and write the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/export.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "facts": FACTS,
        "neighbours": NEIGHBOURS,
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "loaded": [],
        "truncated": [],
    }
    for name in MODELS:
        for dtype in DTYPES_MEASURED:
            with tempfile.TemporaryDirectory() as folder:
                result["loaded"].append(loaded(name, dtype, Path(folder)))
            options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(json.dumps(result["loaded"][-1]), flush=True)
    result["truncated"].append(truncated(MODELS[0]))
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["truncated"][-1]), flush=True)


if __name__ == "__main__":
    main()
