"""How much sampled text a covariance needs: tokens against the error in ROME's direction, on both pocket models.

python benchmarks/covariance.py [--most 524288] [--models gelu swiglu]      writes benchmarks/results/covariance.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

import errata
from errata.associative.batches import batches, beginning
from errata.associative.convergence import RIDGE, excess
from errata.associative.covariance import CovarianceSettings, covariances
from errata.associative.keys import subject_keys
from errata.associative.solve import whiten
from errata.associative.streaming import layer_keys
from errata.associative.sums import Sums
from errata.datasets.pocket import cases
from errata.methods import versions
from errata.model.tokens import encode_fact
from errata.model.view import ModelView

RESULTS = Path(__file__).parent / "results"
FACTS = {"count": 40, "seed": 1}  # the cases on which settings are chosen: no result uses them
LAYERS = (1, 4)  # ROME's own, a fifth of the depth, and a late one
SMALL = (1024, 2048, 4096)
CURVE, REFERENCE = 0, 1  # seeds: the reference shares no text with the curve


def measure(view: ModelView, kind: str, most: int) -> dict[str, object]:
    """The curve of every layer up to a quarter of `most` tokens, against `most` others."""
    reference = {layer: Sums(view.d_ff) for layer in LAYERS}
    points: dict[int, dict[str, object]] = {tokens: point(view, tokens) for tokens in SMALL}
    curve = {layer: Sums(view.d_ff) for layer in LAYERS}
    points |= dict(walk(view, curve, most // 4, CURVE))
    for _ in walk(view, reference, most, REFERENCE):
        pass
    facts = [case.fact for case in cases(kind, **FACTS)]
    rows = [encode_fact(view.tokenizer, fact) for fact in facts]
    found: dict[str, object] = {}
    for layer in LAYERS:
        keys, true = subject_keys(view, layer, rows).double().cpu(), reference[layer].mean()
        found[str(layer)] = [row(tokens, made, layer, true, keys) for tokens, made in sorted(points.items())]
    return {
        "d_ff": view.d_ff,
        "default": at_default(view),
        "reference_tokens": most,
        "fingerprint": view.model_fingerprint(),
        "layers": found,
    }


def at_default(view: ModelView) -> dict[str, object]:
    """What the default settings give for ROME's own layer, measured anew, and what they cost on one core."""
    with TemporaryDirectory() as folder:
        os.environ["ERRATA_CACHE"] = folder
        started, worked = time.perf_counter(), time.process_time()
        found = covariances(view, LAYERS[:1])[LAYERS[0]]
    return {
        "layer": LAYERS[0],
        "keys": found.tokens,
        "error": found.error,
        "converged": found.converged,
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(time.process_time() - worked, 1),
    }


def point(view: ModelView, tokens: int) -> dict[str, object]:
    """C of every layer from few tokens."""
    return list(walk(view, {layer: Sums(view.d_ff) for layer in LAYERS}, tokens, CURVE))[-1][1]


def walk(view: ModelView, sums: dict[int, Sums], tokens: int, seed: int) -> Iterator[tuple[int, dict]]:
    """Add batch after batch; at every doubling: tokens, and C and error so far."""
    counted = 0
    for _, ids in batches(view, tokens, seed, None):
        for layer, keys in layer_keys(view, LAYERS, ids).items():
            sums[layer].add(keys[:, beginning(view) :])
        counted += ids.numel()
        if sums[LAYERS[0]].due:
            for each in sums.values():
                each.check()
            yield (
                counted,
                {
                    "mean": {layer: each.mean() for layer, each in sums.items()},
                    "error": {layer: each.error for layer, each in sums.items()},
                },
            )
        print(f"\r{view.name}: seed {seed}, {counted} of {tokens} tokens", end="", file=sys.stderr, flush=True)


def row(tokens: int, made: dict, layer: int, true: Tensor, keys: Tensor) -> dict[str, float]:
    """What the estimate says of its error, and what it is for the facts' keys."""
    u, best = whiten(made["mean"][layer], keys, RIDGE), whiten(true, keys, RIDGE)
    return {
        "tokens": tokens,
        "estimated": made["error"][layer],
        "true": float(excess(u, best, true, keys).mean()),
        "one_minus_cosine": float((1 - torch.cosine_similarity(u, best)).mean()),
    }


def main() -> None:
    """Run the models and write, or complete, the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1 << 19)
    parser.add_argument("--models", nargs="+", default=["gelu", "swiglu"])
    parser.add_argument("--out", type=Path, default=RESULTS / "covariance.json")
    options = parser.parse_args()
    default = CovarianceSettings()
    result: dict[str, object] = {
        "command": f"python benchmarks/covariance.py --most {options.most}",
        "facts": FACTS,
        "default": {"tokens": default.tokens, "tolerance": default.tolerance},
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }
    for kind in options.models:
        result[f"pocket-{kind}"] = measure(errata.load(f"pocket-{kind}"), kind, options.most)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
