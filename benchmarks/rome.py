"""R-ROME on facts of both pocket models, one by one, scored by free greedy generation.

python benchmarks/rome.py [--facts 100] [--seed 0]      writes benchmarks/results/rome.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import errata
from errata.datasets.pocket import cases
from errata.evaluation import probe, score
from errata.methods import settings_of, versions

RESULTS = Path(__file__).parent / "results"
TUNING = {"count": 40, "seed": 1}  # the cases on which ROME's settings were chosen: no result uses them


def run(kind: str, count: int, seed: int) -> dict[str, object]:
    """Edit each case on the unedited model and score it."""
    view = errata.load(f"pocket-{kind}")
    rome = errata.editor("rome", seed=seed)
    tuned = {case.fact.subject for case in cases(kind, **TUNING)}
    chosen = [case for case in cases(kind, count + TUNING["count"], seed) if case.fact.subject not in tuned][:count]
    before = probe(view, chosen)
    after, seconds = [], []
    for number, case in enumerate(chosen):
        started = time.perf_counter()
        edit = rome.edit(view, [case.fact])
        seconds.append(time.perf_counter() - started)
        with view.applied(edit.deltas):
            after += probe(view, [case])
        print(f"\r{kind}: {number + 1}/{count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    scores = score(before, after)
    return {
        **{name: scores[name].mean for name in ("efficacy", "paraphrase", "neighbours")},
        "scores": scores.to_dict(),
        "settings": settings_of(rome),
        "median_seconds_per_edit": sorted(seconds)[len(seconds) // 2],
        "fingerprint": view.model_fingerprint(),
    }


def main() -> None:
    """Run both models and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=["gelu", "swiglu"])
    parser.add_argument("--out", type=Path, default=RESULTS / "rome.json")
    options = parser.parse_args()
    result: dict[str, object] = {
        "command": f"python benchmarks/rome.py --facts {options.facts} --seed {options.seed}",
        "protocol": "generation",
        "facts": options.facts,
        "seed": options.seed,
        "versions": versions(),
    }
    for kind in options.models:
        result[f"pocket-{kind}"] = found = run(kind, options.facts, options.seed)
        print(kind, {name: found[name] for name in ("efficacy", "paraphrase", "neighbours")})
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
