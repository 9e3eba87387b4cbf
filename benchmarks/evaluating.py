"""Evaluating many cases at once, against asking them prompt by prompt and record by record with `generate`.

    python benchmarks/evaluating.py

Writes results/evaluating.json: seconds to have the model answer 200 cases with 25 prompts each, in turn, in the
protocol generation (greedy, at most 50 new tokens, to the first line's end); the last way is slow and timed once:

    errata     all prompts of all cases together: flattened, each once, sorted by length, ended rows dropped
    record     the 25 prompts of a case as one batch of transformers' `generate`
    prompt     every prompt by itself, as the evaluations of the published editors ask

The answers of all three are compared. A row of `generate` cannot end with a line, so its text is cut there.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import errata
from errata.datasets.pocket_examinations import examinations
from errata.evaluation.examination import questions
from errata.evaluation.probes import answers
from errata.methods import versions
from errata.model.phrases import line_of
from errata.model.tokens import encode, pad, pad_id
from errata.model.view import ModelView

OUT = Path(__file__).parent / "results" / "evaluating.json"
CASES, PROMPTS, TOKENS, SEED, NEIGHBOURS = 200, 25, 50, 3, 12
Records = list[list[str]]


def records(kind: str) -> Records:
    """The prompts of the first cases that have enough of them."""
    found = (
        [question.prompt for question in questions(one)] for one in examinations(kind, 4 * CASES, SEED, NEIGHBOURS)
    )
    return [rows[:PROMPTS] for rows in found if len(rows) >= PROMPTS][:CASES]


@torch.no_grad()
def generated(view: ModelView, prompts: Sequence[str]) -> list[str]:
    """The first lines that `generate` writes behind some prompts, in one padded batch."""
    rows = [encode(view.tokenizer, prompt).ids for prompt in prompts]
    batch = pad(rows, pad_id(view.tokenizer), "left")
    out = view.model.generate(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        max_new_tokens=TOKENS,
        do_sample=False,
        pad_token_id=pad_id(view.tokenizer),
    )
    texts = view.tokenizer.batch_decode(out[:, batch.ids.shape[1] :], skip_special_tokens=True)
    return [line_of(text) for text in texts]


def by_prompt(view: ModelView, found: Records) -> list[str]:
    """Every prompt by itself."""
    return [text for rows in found for prompt in rows for text in generated(view, [prompt])]


def by_record(view: ModelView, found: Records) -> list[str]:
    """The prompts of each case together."""
    return [text for rows in found for text in generated(view, rows)]


def at_once(view: ModelView, found: Records) -> list[str]:
    """All prompts of all cases."""
    texts = answers(view, [prompt for rows in found for prompt in rows], TOKENS, until="line")
    return [line_of(text) for text in texts]


WAYS: dict[str, Callable[[ModelView, Records], list[str]]] = {
    "errata": at_once,
    "record": by_record,
    "prompt": by_prompt,
}
QUICK = {name: way for name, way in WAYS.items() if name != "prompt"}


def measured(kind: str, rounds: int) -> dict[str, Any]:
    """Median seconds of each way, and in how many answers it differs from prompt by prompt."""
    view, found = errata.load(f"pocket-{kind}"), records(kind)
    for way in WAYS.values():
        way(view, found[:2])
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    said: dict[str, list[str]] = {}
    for turn in range(rounds):
        for name, way in WAYS.items() if turn == 0 else QUICK.items():
            began = time.perf_counter()
            said[name] = way(view, found)
            seconds[name].append(round(time.perf_counter() - began, 2))
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    prompts = [prompt for rows in found for prompt in rows]
    return {
        "model": f"pocket-{kind}",
        "cases": len(found),
        "prompts": len(prompts),
        "distinct": len(set(prompts)),
        "seconds": seconds,
        "ratio": {name: round(medians["errata"] / medians[name], 4) for name in ("record", "prompt")},
        "other_answers": {
            name: sum(a != b for a, b in zip(own, said["prompt"], strict=True)) for name, own in said.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["gelu", "swiglu"])
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    result = {
        "command": "python benchmarks/evaluating.py",
        "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seed": SEED,
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "rows": [measured(kind, given.rounds) for kind in given.models],
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
