"""What the pocket models know, how well they generalise, and where their facts can be redirected.

    python benchmarks/pocket.py [--data DIR]      writes results/pocket.json and ../docs/figures/pocket-*.png

`redirect` is, layer by layer, the share of facts whose answer becomes another object of the relation when a value
optimised for it is added to the value projection's output at the subject's last token. `trace` is the mean indirect
effect of Meng et al. 2022 (ROME, §2): the subject's embeddings are disturbed, and one position's state behind one
layer is restored. Perplexity needs the WikiText file under DIR/text; without it, it is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import torch

import errata
from errata.associative.values import ValueSettings, optimise_values
from errata.datasets.pocket import cases, facts
from errata.localizers._asked import rows_of
from errata.localizers._corrupted import disturbance, state_effects
from errata.methods import versions
from errata.model.phrases import says
from errata.model.pocket.card import write_card
from errata.model.pocket.corpus import PocketFact, plain_text
from errata.model.scoring import OBJECTIVES, target_log_probs
from errata.model.tokens import Tokens, encode
from errata.model.writing import generate

HERE = Path(__file__).parent
PLACES = ("first subject token", "middle subject tokens", "last subject token", "tokens behind it", "last token")


def recall(view: errata.ModelView, rows: list[PocketFact], heldout: bool) -> dict[str, float]:
    """Share of prompts, and of facts in all their prompts, whose full answer is generated."""
    prompts = [row.heldout_prompts if heldout else row.prompts for row in rows]
    texts = iter(generate(view, [p for group in prompts for p in group], max_new_tokens=8))
    right = [[says(next(texts), row.object) for _ in group] for row, group in zip(rows, prompts, strict=True)]
    flat = [hit for group in right for hit in group]
    return {"prompts": sum(flat) / len(flat), "facts_in_all": sum(map(all, right)) / len(right)}


def perplexity(view: errata.ModelView, path: Path) -> dict[str, float] | None:
    """Perplexity a token on the last fifth of WikiText-2's test split, which no training step saw."""
    if not path.exists():
        return None
    lines = plain_text(path)
    encoded = (encode(view.tokenizer, line).ids for line in lines[len(lines) * 4 // 5 :])
    rows = [Tokens(ids, n_prompt=1) for ids in encoded if 1 < len(ids) <= 256]
    log_p = torch.cat(target_log_probs(view, rows))
    return {"per_token": float(torch.exp(-log_p.mean())), "tokens": len(log_p)}


def redirect(view: errata.ModelView, kind: str, count: int, seed: int) -> list[dict[str, float]]:
    """Per layer: share of facts redirected by a value at the subject's last token, and their mean NLL."""
    chosen = [case.fact for case in cases(kind, count, seed)]
    settings = ValueSettings(steps=80, lr=0.5, weight_decay=0.0, kl_factor=0.0, clamp=None, stop=0.01)
    found = []
    for layer in range(view.n_layers):
        values = optimise_values(view, layer, chosen, [fact.target or "" for fact in chosen], [""], settings)
        found.append({"layer": layer, "share": sum(values.greedy) / len(chosen), "nll": sum(values.nll) / len(chosen)})
    return found


def trace(view: errata.ModelView, kind: str, count: int, seed: int) -> list[list[float]]:
    """Mean indirect effect on the answer's first token, `[place][layer]`, in probability."""
    generator = torch.Generator().manual_seed(seed)
    sums = torch.zeros(len(PLACES), view.n_layers)
    counts = torch.zeros(len(PLACES), 1)
    for case in cases(kind, count, seed):
        for place, effects in trace_fact(view, case.fact, generator):
            sums[place] += effects
            counts[place] += 1
    return (sums / counts.clamp_min(1)).tolist()


def trace_fact(
    view: errata.ModelView, fact: errata.Fact, generator: torch.Generator, draws: int = 5
) -> list[tuple[int, torch.Tensor]]:
    """For each position from the subject on: its place, and the effect of restoring it behind each layer."""
    row = rows_of(view, [fact], [fact.answer or ""])[0].first
    effects = state_effects(view, row, disturbance(view, row, 3.0, draws, generator), OBJECTIVES["probability"])
    first, last, end = row.subject[0], row.subject[-1], row.at[0]

    def place(spot: int) -> int:
        if spot > last:
            return 4 if spot == end else 3
        return 2 if spot == last else int(spot > first)

    return [(place(spot), effects[spot]) for spot in range(first, end + 1)]


def draw(kind: str, effects: list[list[float]], redirected: list[dict[str, float]], path: Path) -> None:
    """The causal trace as a heat map, the redirect share as a line beside it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(1.7, 1), layout="constrained")
    image = left.imshow(effects, aspect="auto", cmap="Purples", vmin=0)
    left.set_yticks(range(len(PLACES)), PLACES)
    left.set_xlabel("layer whose output is restored")
    left.set_title(f"pocket-{kind}: indirect effect on the answer's probability")
    figure.colorbar(image, ax=left)
    right.plot([row["layer"] for row in redirected], [row["share"] for row in redirected], marker="o", color="#4a2d8f")
    right.set_ylim(-0.03, 1.03)
    right.set_xlabel("layer")
    right.set_title("share redirected there")
    right.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def measure(kind: str, options: argparse.Namespace) -> dict[str, object]:
    """Everything about one model."""
    view, rows = errata.load(f"pocket-{kind}"), facts(kind)
    folder = errata.pocket(kind)
    found: dict[str, object] = {
        "facts": len(rows),
        "relations": len({row.relation for row in rows}),
        "phrasings": [min(len(row.prompts) for row in rows), min(len(row.heldout_prompts) for row in rows)],
        "parameters": sum(p.numel() for p in view.model.parameters()),
        "safetensors_bytes": (folder / "model.safetensors").stat().st_size,
        "fingerprint": view.model_fingerprint(),
    }
    found["perplexity"] = perplexity(view, options.data / "text/wikitext-2_test.txt.gz")
    print(f"{kind}: recall", file=sys.stderr)
    found["recall_trained"] = recall(view, rows, heldout=False)
    found["recall_heldout"] = recall(view, rows, heldout=True)
    print(f"{kind}: redirect and trace", file=sys.stderr)
    redirected = redirect(view, kind, options.facts, options.seed)
    effects = trace(view, kind, options.facts, options.seed)
    found["redirect"] = redirected
    found["trace"] = {"places": PLACES, "effect": effects}
    write_card(folder, found)
    draw(kind, effects, redirected, HERE.parent / f"docs/figures/pocket-{kind}.png")
    return found


def main() -> None:
    """Measure both models and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=50, help="facts for redirect and trace")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data")
    parser.add_argument("--models", nargs="+", default=["gelu", "swiglu"])
    options = parser.parse_args()
    path = HERE / "results/pocket.json"
    for kind in options.models:
        found = {
            "command": f"python benchmarks/pocket.py --models {kind} --facts {options.facts} --seed {options.seed}",
            "protocol": "generation",
            "seed": options.seed,
            "versions": versions(),
            **measure(kind, options),
        }
        # A model measured alone replaces its own part of the file only.
        result = json.loads(path.read_text()) if path.exists() else {}
        text = json.dumps({**result, f"pocket-{kind}": found}, indent=2)
        print(text)
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()
