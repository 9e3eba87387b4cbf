"""LAND, reproduced: its tables and figure on any model, with controls, and our own detector beside it.

For every seed: split the facts 9 : 1, train both detectors on the first part, and on facts of the second measure how
alike the neurons of a fact's phrasings are and how unlike those of different facts (tables 4 and 7, figure 1, tables 5
and 8), what amplifying and suppressing them does (table 9), and what editing through them does to the fact and to
others (table 10, and over λ). Source: Wu et al. 2025 (LAND). Every seed's numbers are a file in the work directory, so
a run that was stopped goes on.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from errata.datasets.pararel import ParaRel, PhrasedFact
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained
from errata.errors import InputError
from errata.evaluation.overlap import across, between, overlap
from errata.ledger.disk import write_durably
from errata.methods import localizer, versions
from errata.model.identity import identify as identify_model
from errata.model.load import load
from errata.model.view import ModelView
from errata.reproduce.land import edits as editing
from errata.reproduce.land.plan import Plan
from errata.reproduce.land.result import result_of
from errata.reproduce.land.sets import BASELINE, CODE, LAND, METHODS, Sets, all_sets
from errata.reproduce.land.sweep import Bench, sweep
from errata.reproduce.summary import mean
from errata.reproduce.units import read_json
from errata.training.identify import identify
from errata.training.train import facts_sha256, train

BINS = 20
AMPLIFIED = {"amplification": 2.0, "suppression": 0.0}


def reproduce(
    data: ParaRel,
    plan: Plan,
    work: Path,
    command: str,
    workers: int = 1,
    sweeping: bool = False,
    silent: bool = False,
) -> dict[str, Any]:
    """The result: every table with mean and interval over seeds, as plain values.

    Raises InputError for a data set with fewer facts in its second part than `plan.facts`.
    """
    work.mkdir(parents=True, exist_ok=True)
    everything = data.facts
    parts = {seed: parts_of(data, plan, seed) for seed in plan.seeds}
    needed = {fact for train_part, test_part in parts.values() for fact in (*train_part, *test_part)}
    facts = [fact for fact in everything if plan.train_facts is None or fact in needed]
    prompts = [asked for fact in facts for asked in (*fact.facts, *fact.heldout)]
    identified = identify(
        plan.model, prompts, localizer("knowledge_neurons"), work / "identified", workers=workers, silent=silent
    )
    view = load(plan.model)
    weights, digest = identify_model(plan.model).weights, facts_sha256(everything)
    rows = _Rows(facts, identified.strengths)
    seeds: list[dict[str, Any]] = []
    for seed in plan.seeds:
        path = work / f"seed-{seed}-{plan.key(seed, weights, digest)}.json"
        if not path.exists():
            found = _seed(view, everything, parts[seed], rows, plan, seed, work, silent)
            write_durably(path, json.dumps(found, allow_nan=False).encode())
        seeds.append(read_json(path) or {})
    more: dict[str, Any] = {}
    if sweeping:
        learnt, measured = parts[plan.seeds[0]]
        bench = Bench(
            view=view,
            everything=everything,
            learnt=learnt,
            measured=measured,
            own=rows.of(learnt, rows.asked),
            asked=rows.of(measured, rows.asked),
            plan=plan,
            seed=plan.seeds[0],
            key=plan.key(plan.seeds[0], weights, digest),
        )
        more = {"sweep": sweep(bench, work, silent)}
    seconds = {
        "identify": round(identified.seconds, 1),
        "train": round(sum(one["seconds"]["train"] for one in seeds), 1),
        "measure": round(sum(one["seconds"]["measure"] for one in seeds), 1),
    }
    head = {
        "command": command,
        "model": plan.model,
        "weights": weights,
        "versions": versions(),
        "seeds": list(plan.seeds),
        "facts": plan.facts,
        "identified": len(prompts),
        "phrasings": len(facts[0].prompts),
        "settings": {**plan.settings(), "threshold": plan.land.threshold},
        "seconds": seconds,
        "methods": list(METHODS),
    }
    return {**head, **result_of(seeds, plan), **more}


def parts_of(data: ParaRel, plan: Plan, seed: int) -> tuple[list[PhrasedFact], list[PhrasedFact]]:
    """The facts to train on and those to measure on, of which none is in both.

    Raises InputError where there are too few, and for a split in which one is.
    """
    split = data.split(seed)
    if len(split.test) < plan.facts:
        raise InputError(
            f"{plan.facts} held-out facts are wanted and the data set's second part has {len(split.test)}: give "
            "--facts a smaller number, or more data."
        )
    draw = random.Random(seed)
    test = sorted(draw.sample(range(len(split.test)), plan.facts))
    trained = list(range(len(split.train)))
    if plan.train_facts is not None and plan.train_facts < len(trained):
        trained = sorted(draw.sample(trained, plan.train_facts))
    learnt, measured = [split.train[at] for at in trained], [split.test[at] for at in test]
    seen = {(fact.relation, fact.subject) for fact in learnt}
    if any((fact.relation, fact.subject) in seen for fact in measured):
        raise InputError("A fact of the test part is in training too: the split of this data set is not sound.")
    return learnt, measured


class _Rows:
    """Where each fact's phrasings stand in the identified strengths."""

    def __init__(self, facts: Sequence[PhrasedFact], strengths: Strengths) -> None:
        counts = {(len(fact.prompts), len(fact.heldout_prompts)) for fact in facts}
        if len(counts) != 1:
            raise InputError(f"Facts with different numbers of phrasings ({sorted(counts)}) cannot be compared.")
        self.strengths = strengths
        self.asked, heldout = counts.pop()
        self.each = self.asked + heldout
        self.place = {fact: at for at, fact in enumerate(facts)}

    def of(self, facts: Sequence[PhrasedFact], count: int | None = None) -> Strengths:
        """The facts' rows in order: their phrasings, by default those that are only tested with as well."""
        wanted = range(self.each if count is None else count)
        return self.strengths.rows([self.place[fact] * self.each + at for fact in facts for at in wanted])


def _seed(
    view: ModelView,
    everything: Sequence[PhrasedFact],
    parts: tuple[list[PhrasedFact], list[PhrasedFact]],
    rows: _Rows,
    plan: Plan,
    seed: int,
    work: Path,
    silent: bool,
) -> dict[str, Any]:
    """One seed's numbers, fact by fact where facts are counted one by one."""
    learnt, measured = parts
    began = time.monotonic()
    own = rows.of(learnt, rows.asked)
    detectors: dict[str, Trained] = {}
    for kind, recipe in ((LAND, plan.land), (CODE, plan.fact_code)):
        path = work / f"{kind}-{seed}.safetensors"
        trained = train(view, learnt, own, recipe, seed, work / f"{kind}-{seed}.checkpoint", silent)
        if kind == CODE:
            trained = replace(trained, threshold=plan.land.threshold)
        trained.save(path)
        detectors[kind] = Trained.load(path)
    trained_for = time.monotonic() - began
    sets = all_sets(measured, rows.of(measured), (learnt, own), detectors, seed)
    groups = [(fact.relation, fact.object) for fact in measured]
    known = {(fact.relation, fact.object) for fact in learnt}
    unseen = [group not in known for group in groups]
    found: dict[str, Any] = {
        "identification": {name: _identification(some, groups, rows.asked, unseen) for name, some in sets.items()},
        "unseen_objects": sum(unseen),
        "figure1": {name: _histograms(sets[name], rows.asked) for name in (BASELINE, LAND, CODE)},
        "example": _example(measured, sets, rows.asked, view),
        **_interventions(view, everything, measured, sets, plan, seed, silent),
    }
    found["losses"] = {kind: trained.provenance["losses"] for kind, trained in detectors.items()}
    found["layers"] = detectors[CODE].answer["layers"]
    found["seconds"] = {"train": trained_for, "measure": time.monotonic() - began - trained_for}
    return found


def _identification(
    sets: Sets, groups: list[tuple[str, str]], asked: int, unseen: list[bool]
) -> dict[str, float | None]:
    """The overlap measures; `unseen` tells the facts whose object no training fact of the relation has."""
    same = [own[:asked] for own in sets]
    measures, others = overlap(same), across(same, groups)
    apart = [own for own, alone in zip(same, unseen, strict=True) if alone]
    heldout = [between(own[:asked], own[asked:]).mean() for own in sets if len(own) > asked]
    names = ("n_s", "n_u", "n_so", "r_so", "n_uo", "r_uo", "empty")
    return {
        **{name: getattr(measures, name) for name in names},
        **{f"cross_{kind}": value for kind, value in others.items()},
        "heldout_phrasings": float(torch.stack(heldout).mean()) if heldout else None,
        "r_so_unseen_objects": overlap(apart).r_so if apart else None,
    }


def _histograms(sets: Sets, asked: int) -> dict[str, Any]:
    measures = overlap([own[:asked] for own in sets])
    counts = {
        "r_so": torch.histc(measures.pairs.flatten(), BINS, 0, 1),
        "r_uo": torch.histc(measures.unions, BINS, 0, 1),
    }
    whole = {name: [int(count) for count in counted] for name, counted in counts.items()}
    return {**whole, "mean_r_so": measures.r_so, "mean_r_uo": measures.r_uo}


def _example(facts: Sequence[PhrasedFact], sets: dict[str, Sets], asked: int, view: ModelView) -> dict[str, Any]:
    """The fact whose baseline R_so is the median, in its first three phrasings, as tables 5 and 8 show one."""
    own = overlap([some[:asked] for some in sets[BASELINE]]).pairs.mean(1)
    at = int(own.argsort(stable=True)[len(own) // 2])
    fact = facts[at]
    lists = {
        name: [
            [list(divmod(place, view.d_ff)) for place in sets[name][at][p].nonzero()[:, 0].tolist()] for p in range(3)
        ]
        for name in (BASELINE, LAND, CODE)
    }
    return {
        "subject": fact.subject,
        "object": fact.object,
        "relation": fact.relation,
        "prompts": [asked.text for asked in fact.facts[:3]],
        "n_layers": view.n_layers,
        "d_ff": view.d_ff,
        "neurons": lists,
    }


def _interventions(
    view: ModelView,
    everything: Sequence[PhrasedFact],
    measured: Sequence[PhrasedFact],
    sets: dict[str, Sets],
    plan: Plan,
    seed: int,
    silent: bool,
) -> dict[str, Any]:
    subjects, kept = editing.prepare(view, measured, everything, plan, seed)
    sets = {name: [some[at] for at in kept] for name, some in sets.items()}
    phrasings = range(len(measured[0].prompts))
    sources = random.Random(seed).sample(phrasings, min(plan.sources, len(phrasings)))
    jobs: list[tuple[str, str, Callable[[], editing.Measured]]] = []
    for name in METHODS:
        own = sets[name]
        for table, factor in AMPLIFIED.items():
            jobs.append(
                (
                    table,
                    name,
                    lambda own=own, factor=factor: editing.amplifications(
                        view, subjects, own, plan, factor, sources, seed
                    ),
                )
            )
        jobs.append(
            ("editing", name, lambda own=own: editing.edits(view, subjects, own, plan, plan.printed, phrasings, seed))
        )
        for strength in plan.lambdas:
            jobs.append(
                (
                    f"curve {strength}",
                    name,
                    lambda own=own, strength=strength: editing.edits(
                        view, subjects, own, plan, strength, sources, seed
                    ),
                )
            )
    found: dict[str, Any] = {table: {} for table, _, _ in jobs}
    for table, name, job in tqdm(jobs, desc=f"measuring, seed {seed}", unit="run", disable=silent or None):
        found[table][name] = job()
    counterfactual = sum(subject.counterfactual for subject in subjects)
    return {
        "before": editing.before(view, subjects),
        "protocol": {
            "counterfactual": counterfactual,
            "answer": len(subjects) - counterfactual,
            "left_out": len(measured) - len(subjects),
        },
        "neurons": {
            name: mean([float(own[: len(phrasings)].sum(1).float().mean()) for own in some])
            for name, some in sets.items()
        },
        **found,
    }
