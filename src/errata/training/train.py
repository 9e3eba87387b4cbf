"""Train a detector on the neurons of nine tenths of the facts; the other tenth chooses where its answer ends."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from errata.datasets.pararel import PhrasedFact
from errata.deltas import fingerprint
from errata.detectors import fact_code, land
from errata.detectors.fitting import Loss, Schedule, fit
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained
from errata.detectors.weights import Weights
from errata.errors import InputError
from errata.methods import versions
from errata.model.view import ModelView
from errata.training.recipe import FactCodeRecipe, LandRecipe

TENTH = 10


def train(
    view: ModelView,
    facts: Sequence[PhrasedFact],
    strengths: Strengths,
    recipe: LandRecipe | FactCodeRecipe,
    seed: int = 0,
    checkpoint: Path | None = None,
    silent: bool = False,
) -> Trained:
    """A detector of the recipe's kind from the facts' phrasings, whose strengths stand in order.

    Raises InputError for fewer than ten facts, or where strengths and facts do not match.
    """
    phrasings = len(facts[0].prompts) if facts else 0
    if len(facts) < TENTH or len(strengths) != phrasings * len(facts) or phrasings < 2:
        raise InputError(
            f"Expected at least {TENTH} facts with two or more phrasings and one row for each, found {len(facts)} "
            f"facts of {phrasings} and {len(strengths)} rows."
        )
    order = list(range(len(facts)))
    random.Random(seed).shuffle(order)
    held = sorted(order[: len(facts) // TENTH])
    kept = sorted(order[len(facts) // TENTH :])
    own, other = (_rows(strengths, chosen, phrasings) for chosen in (kept, held))
    kind = land.KIND if isinstance(recipe, LandRecipe) else fact_code.KIND
    begin = Weights.random(view.n_layers, view.d_ff, recipe.rank, torch.Generator().manual_seed(seed))
    provenance = {
        "model": view.name,
        "facts": len(facts),
        "facts_sha256": facts_sha256(facts),
        "phrasings": phrasings,
        "seed": seed,
        "recipe": asdict(recipe),
        "versions": versions(),
    }
    model = view.model_fingerprint()
    learnt_from = [fingerprint(tensor) for tensor in (strengths.starts, strengths.neurons, strengths.values)]
    described = json.dumps([kind, provenance, model, learnt_from], sort_keys=True)
    job = hashlib.sha256(described.encode()).hexdigest()
    course = _Course(begin, [facts[at] for at in kept], own, phrasings, seed, checkpoint, job, silent)
    if isinstance(recipe, LandRecipe):
        weights, losses, answer, memory = _train_land(course, other, recipe)
    else:
        weights, losses, answer, memory = _train_fact_code(course, recipe)
    return Trained(
        kind=kind,
        weights=weights,
        fingerprint=model,
        threshold=recipe.threshold if isinstance(recipe, LandRecipe) else 0.0,
        answer=answer,
        memory=memory,
        provenance={**provenance, "losses": [round(loss, 6) for loss in losses]},
    )


@dataclass(frozen=True, eq=False)
class _Course:
    """What both kinds of training begin with: the facts to learn from and their strengths, `phrasings` rows each."""

    begin: Weights
    facts: Sequence[PhrasedFact]
    strengths: Strengths
    phrasings: int
    seed: int
    checkpoint: Path | None
    job: str
    silent: bool

    def fit(
        self, title: str, steps: int, learning_rate: float, loss: Loss, schedule: Schedule = lambda _: 1.0
    ) -> tuple[Weights, list[float]]:
        """The weights these steps lead to, and the losses on the way."""
        return fit(
            self.begin,
            steps,
            learning_rate,
            loss,
            schedule=schedule,
            checkpoint=self.checkpoint,
            job=self.job,
            title=title,
            silent=self.silent,
        )


# Weights, losses on the way, how the output is read, and the codes that are known.
_Learned = tuple[Weights, list[float], dict[str, Any], Tensor | None]


def _train_land(course: _Course, held: Strengths, recipe: LandRecipe) -> _Learned:
    phrasings = course.phrasings
    sets = course.strengths.above(recipe.threshold)
    groups = [(fact.relation, fact.object) for fact in course.facts]
    wanted = land.targets(sets, phrasings, groups, recipe.counter_examples, course.seed)
    generator = torch.Generator().manual_seed(course.seed)
    a_pass = math.ceil(len(sets) / recipe.batch)
    order = torch.cat([torch.randperm(len(sets), generator=generator) for _ in range(recipe.epochs)])

    def loss(weights: Weights, step: int) -> Float[Tensor, ""]:
        epoch, at = divmod(step, a_pass)
        rows = order[epoch * len(sets) :][: len(sets)][at * recipe.batch : (at + 1) * recipe.batch]
        return land.loss(weights, sets.rows(rows), wanted.rows(rows // phrasings))

    weights, losses = course.fit("training land", recipe.epochs * a_pass, recipe.learning_rate, loss)
    inputs = held.above(recipe.threshold)
    size = recipe.ratio * len(inputs.neurons) / len(inputs)
    with torch.no_grad():
        least = land.threshold_for(land.outputs(_stored(weights), inputs), size)
    return weights, losses, {"threshold": least}, None


def _train_fact_code(course: _Course, recipe: FactCodeRecipe) -> _Learned:
    facts, phrasings = course.facts, course.phrasings
    relations = [fact.relation for fact in facts]
    layers = fact_code.layer_weights(course.strengths, phrasings, relations)
    rows = fact_code.inputs(course.strengths, layers)
    wanted = fact_code.targets(rows, phrasings, relations)
    course = replace(course, begin=Weights(course.begin.encode, torch.zeros_like(course.begin.decode)))
    number: dict[tuple[str, str], int] = {}
    objects = torch.tensor([number.setdefault((fact.relation, fact.object), len(number)) for fact in facts])

    def loss(weights: Weights, step: int) -> Float[Tensor, ""]:
        generator = torch.Generator().manual_seed(course.seed * recipe.steps + step)
        chosen = torch.randperm(len(facts), generator=generator)[: recipe.batch]
        pairs = torch.rand(len(chosen), phrasings, generator=generator).argsort(1)[:, :2]
        both = (chosen[:, None] * phrasings + pairs).flatten()
        return fact_code.loss(
            weights, rows.rows(both), wanted.rows(chosen), objects[chosen], recipe.contrast, recipe.temperature
        )

    weights, losses = course.fit(
        "training fact_code", recipe.steps, recipe.learning_rate, loss, lambda step: _one_cycle(step / recipe.steps)
    )
    with torch.no_grad():
        memory = fact_code.memory(_stored(weights), rows, phrasings)
    answer = {"size": recipe.size, "layers": [float(weight) for weight in layers], "sharpness": recipe.sharpness}
    return weights, losses, answer, memory


def _one_cycle(way: float) -> float:
    """Rising over the first tenth, then half a cosine down to zero."""
    return way * 10 if way < 0.1 else (1 + math.cos(math.pi * (way - 0.1) / 0.9)) / 2


def _stored(weights: Weights) -> Weights:
    """The weights as a file will hold them."""
    return Weights(weights.encode.half().float(), weights.decode.half().float())


def _rows(strengths: Strengths, facts: Sequence[int], phrasings: int) -> Strengths:
    return strengths.rows([fact * phrasings + at for fact in facts for at in range(phrasings)])


def facts_sha256(facts: Sequence[PhrasedFact]) -> str:
    """SHA-256 over facts and their phrasings, in order."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(json.dumps(asdict(fact), sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()
