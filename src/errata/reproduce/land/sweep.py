"""What the detectors' settings do: one setting changed at a time, on the first seed's facts.

For LAND the threshold t, epochs, rank, counter-examples and the size of the answer; for the fact code its parts left
out one by one. Every row has the overlap measures and what an edit as printed does, so that an overlap reached by
answering alike for every fact is seen as that.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from errata.datasets.pararel import PhrasedFact
from errata.detectors import land
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained
from errata.evaluation.overlap import across, overlap
from errata.ledger.disk import write_durably
from errata.model.view import ModelView
from errata.reproduce.land import edits as editing
from errata.reproduce.land.plan import Plan
from errata.reproduce.land.sets import code_sets, land_sets
from errata.reproduce.source import digest
from errata.reproduce.summary import mean
from errata.reproduce.units import read_json
from errata.training.recipe import FactCodeRecipe, LandRecipe
from errata.training.train import held_out, train

LAND_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"epochs": 1},
    {"epochs": 10},
    {"rank": 8},
    {"rank": 256},
    {"counter_examples": 0},
    {"counter_examples": 3},
    {"counter_examples": 10},
    {"threshold": 0.1},
    {"threshold": 0.5},
    {"ratio": 0.6},
    {"ratio": 2.4},
    {"ratio": 4.8},
)
CODE_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"recall": False},
    {"contrast": 0.0},
    {"rank": 16},
    {"size": 10},
    {"size": 40},
)


@dataclass(frozen=True)
class Bench:
    """What every variant is trained and measured on."""

    view: ModelView
    everything: Sequence[PhrasedFact]
    learnt: Sequence[PhrasedFact]
    measured: Sequence[PhrasedFact]
    own: Strengths
    asked: Strengths
    plan: Plan
    seed: int
    key: str


def sweep(bench: Bench, work: Path, silent: bool = False) -> dict[str, Any]:
    """One row a variant, LAND's and then the fact code's; rows that are in `work` are not made again."""
    subjects, kept = editing.prepare(bench.view, bench.measured, bench.everything, bench.plan, bench.seed)
    variants = [("land", change) for change in LAND_CHANGES] + [("fact_code", change) for change in CODE_CHANGES]
    memo: dict[str, Trained] = {}
    rows: list[dict[str, Any]] = []
    for kind, change in tqdm(variants, desc="sweep", unit="variant", disable=silent or None):
        name = digest([bench.key, kind, change])[:16]
        path = work / f"sweep-{name}.json"
        if not path.exists():
            sets = _sets(bench, kind, change, memo)
            write_durably(path, json.dumps(_row(bench, kind, change, sets, subjects, kept)).encode())
        rows.append(read_json(path) or {})
    return {"seed": bench.seed, "rows": rows}


def _row(
    bench: Bench,
    kind: str,
    change: dict[str, Any],
    sets: list[torch.Tensor],
    subjects: Sequence[editing.Subject],
    kept: Sequence[int],
) -> dict[str, Any]:
    groups = [(fact.relation, fact.object) for fact in bench.measured]
    measures, others = overlap(sets), across(sets, groups)
    phrasings = range(len(sets[0]))
    sources = random.Random(bench.seed).sample(phrasings, min(bench.plan.sources, len(phrasings)))
    own = [sets[at] for at in kept]
    done = editing.edits(bench.view, subjects, own, bench.plan, bench.plan.printed, sources, bench.seed)
    return {
        "method": kind,
        "change": change,
        "neurons": measures.n_s,
        "r_so": measures.r_so,
        "empty": measures.empty,
        **{f"cross_{name}": value for name, value in others.items()},
        **{name: mean(done.get(name, [])) for name in ("related", "unrelated", "kept")},
    }


def _sets(bench: Bench, kind: str, change: dict[str, Any], memo: dict[str, Trained]) -> list[torch.Tensor]:
    """The variant's sets; a variant that only reads the output otherwise is not trained anew."""
    base: LandRecipe | FactCodeRecipe = bench.plan.land if kind == land.KIND else bench.plan.fact_code
    recipe = replace(base, **{name: value for name, value in change.items() if name != "recall"})
    learnt = {name: value for name, value in asdict(recipe).items() if name not in ("ratio", "size")}
    key = json.dumps([kind, learnt], sort_keys=True)
    if key not in memo:
        memo[key] = train(bench.view, bench.learnt, bench.own, recipe, bench.seed, silent=True)
    trained = memo[key]
    phrasings = len(bench.measured[0].prompts)
    own = [bench.asked.rows(range(at, at + phrasings)) for at in range(0, len(bench.asked), phrasings)]
    if isinstance(recipe, LandRecipe):
        _, held = held_out(bench.learnt, bench.seed)
        rows = [fact * phrasings + at for fact in held for at in range(phrasings)]
        inputs = bench.own.rows(rows).above(recipe.threshold)
        with torch.no_grad():
            outputs = land.outputs(trained.weights, inputs)
        answer = {"threshold": land.threshold_for(outputs, recipe.ratio * len(inputs.neurons) / len(inputs))}
        return [land_sets(replace(trained, answer=answer), some.above(recipe.threshold)) for some in own]
    answer = {**trained.answer, "size": recipe.size}
    memory = trained.memory if change.get("recall", True) else None
    return [code_sets(replace(trained, answer=answer, memory=memory), some) for some in own]
