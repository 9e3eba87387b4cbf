"""What a KNE edit holds beside the model, against the size of its ensemble, at the shape of GPT-2 with random weights.

    python benchmarks/kne_memory.py

Writes results/kne-memory.json: for ensembles from a hundredth of a percent of the neurons to all of them, and for FT-M,
the most memory of an edit beyond what was held, how much of that is ΔW with its gradient and Adam's two moments (four
numbers of four bytes a parameter), and seconds a step; each in a process of its own. The neurons are drawn at random:
where they are does not matter to what they take.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from _shapes import build

import errata
from errata.datasets.pocket import cases
from errata.facts import Fact
from errata.methods import Localizer, versions
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet
from errata.reproduce.peak import peak_in_process

OUT = Path(__file__).parent / "results" / "kne-memory.json"
SEED, STEPS = 3, 5
SHARES = (0.0001, 0.001, 0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Drawn(Localizer):
    """A share of all neurons, at random."""

    share: float = 0.01

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """The same neurons for every fact."""
        scores = torch.rand(view.n_layers, view.d_ff, generator=torch.Generator().manual_seed(SEED))
        chosen = NeuronSet.top(scores, max(1, round(self.share * scores.numel())))
        return [Attribution(scores, None, chosen, self.name, "none", "")] * len(facts)


def row(shape: str, share: float | None) -> dict[str, Any]:
    """One edit of a fresh model: KNE on a share of its neurons, or FT-M."""
    own = build(shape, SEED)
    view = ModelView(own.model, errata.load("pocket-swiglu").tokenizer, name=shape)
    (case,) = cases("swiglu", 1, SEED)
    if share is None:
        editor = errata.editor("ft_m", steps=STEPS)
    else:
        editor = errata.editor("ensemble", preset="paper", stop=1.0, steps=STEPS, localizer=Drawn(share))
    replace(editor, steps=1).edit(view, [case.fact])  # what is set up once
    seconds: list[float] = []

    def edit() -> None:
        began = time.perf_counter()
        found.append(editor.edit(view, [case.fact]))
        seconds.append(time.perf_counter() - began)

    found: list[Any] = []
    peak = peak_in_process(edit)
    columns = int(found[0].measured.get("neurons") or view.d_ff)
    return {
        "editor": editor.name,
        "share": share,
        "columns": columns,
        "learning_bytes": 16 * columns * view.d_model,
        "peak_bytes": peak,
        "model_bytes": sum(one.numel() * one.element_size() for one in view.model.parameters()),
        "seconds_per_step": seconds[0] / STEPS,
    }


def main() -> None:
    """Measure row by row and write the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="gpt2-124m")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/kne_memory.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "shape": options.shape,
        "steps": STEPS,
        "rows": [],
    }
    for share in (*SHARES, None):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            result["rows"].append(pool.submit(row, options.shape, share).result())
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(result["rows"][-1]), flush=True)


if __name__ == "__main__":
    main()
