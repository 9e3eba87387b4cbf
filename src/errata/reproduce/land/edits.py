"""What edits and amplifications of the identified neurons do: to the phrasing, to others of the fact, to other facts.

    CR = (P_after − P_before) / P_before      P of the fact's answer, the neurons times f at the last position   (6)
    SR = share of questions whose most probable next token is the new answer's                                   (8)
    kept = share of the relation's other facts, answered right before, that are answered right after             (ours)

Same asks the phrasing that the neurons come from, Related another phrasing of the fact, Unrelated a fact of another
relation. Answers of several tokens count by their first. The edit is eq. 7: t′ − t times λ onto every identified
value vector.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from errata.datasets.pararel import PhrasedFact
from errata.model.tokens import encode
from errata.model.variants import Answer, Change, Question, ask
from errata.model.view import ModelView
from errata.reproduce.land.plan import Plan
from errata.reproduce.land.sets import Sets

Measured = dict[str, list[float]]
# Edits asked about in one go: their neurons lie dense in memory.
AT_ONCE = 64


@dataclass(frozen=True)
class Probe:
    """A question: its kind (same, related, unrelated, kept, kept_same_object), its ids, the token that counts."""

    kind: str
    ids: tuple[int, ...]
    token: int


@dataclass(frozen=True)
class Subject:
    """A test fact with all that its edits are asked: prompts, the old and the new token, other facts."""

    prompts: tuple[tuple[int, ...], ...]
    answer: int
    old: tuple[int, ...]
    new: int
    counterfactual: bool
    neighbours: tuple[Probe, ...]
    unrelated: tuple[tuple[int, ...], ...]


def prepare(
    view: ModelView, facts: Sequence[PhrasedFact], everything: Sequence[PhrasedFact], plan: Plan, seed: int
) -> tuple[list[Subject], list[int]]:
    """Draw what every fact's edits are asked, and what they should say.

    A fact that the model answers right in most phrasings is edited to another object of its relation; any other to its
    own answer, from what the model says in its place (the paper's protocol). Returns the subjects and the places of
    their facts: one without another object to go to is left out.
    """
    draw = random.Random(seed)
    ids = _Ids(view)
    relations: dict[str, list[PhrasedFact]] = defaultdict(list)
    for fact in everything:
        relations[fact.relation].append(fact)
    chosen: list[tuple[list[PhrasedFact], list[PhrasedFact]]] = []
    for fact in facts:
        near = [other for other in relations[fact.relation] if other.subject != fact.subject]
        far = [other for name, others in relations.items() if name != fact.relation for other in others]
        chosen.append((draw.sample(near, min(4 * plan.neighbours, len(near))), draw.sample(far, 2 * plan.unrelated)))
    own = [[ids.prompt(fact, at) for at in range(len(fact.prompts))] for fact in facts]
    near = [[(other, ids.prompt(other, draw.randrange(len(other.prompts)))) for other in some] for some, _ in chosen]
    asked = [Question(row, None, ()) for rows in own for row in rows]
    asked += [Question(row, None, ()) for rows in near for _, row in rows]
    said = iter(ask(view, asked, []))
    own_said = [[next(said).best for _ in rows] for rows in own]
    near_said = [[next(said).best for _ in rows] for rows in near]
    subjects: list[Subject] = []
    kept: list[int] = []
    for at, (fact, rows, best, others, others_best, (_, far)) in enumerate(
        zip(facts, own, own_said, near, near_said, chosen, strict=True)
    ):
        answer = ids.answer(fact, fact.object)
        counterfactual = 2 * sum(token == answer for token in best) > len(best)
        objects = sorted({other.object for other in relations[fact.relation]} - {fact.object})
        different = [token for token in (ids.answer(fact, name) for name in objects) if token != answer]
        if counterfactual and not different:
            continue
        kept.append(at)
        right = [
            Probe("kept" if other.object != fact.object else "kept_same_object", row, token)
            for (other, row), token in zip(others, others_best, strict=True)
            if token == ids.answer(other, other.object)
        ]
        subjects.append(
            Subject(
                prompts=tuple(rows),
                answer=answer,
                old=tuple([answer] * len(best) if counterfactual else best),
                new=draw.choice(different) if counterfactual else answer,
                counterfactual=counterfactual,
                neighbours=tuple(right),
                unrelated=tuple(ids.prompt(other, draw.randrange(len(other.prompts))) for other in far),
            )
        )
    return subjects, kept


class _Ids:
    """Token ids of prompts and first tokens of answers, each looked up once."""

    def __init__(self, view: ModelView) -> None:
        self.tokenizer = view.tokenizer
        self._answers: dict[tuple[str, str], int] = {}

    def prompt(self, fact: PhrasedFact, at: int) -> tuple[int, ...]:
        return encode(self.tokenizer, fact.facts[at].text).ids

    def answer(self, fact: PhrasedFact, text: str) -> int:
        """The first token of an answer behind the relation's first phrasing."""
        key = (fact.relation, text)
        if key not in self._answers:
            self._answers[key] = encode(self.tokenizer, fact.facts[0].text, text).target[0]
        return self._answers[key]


Make = Callable[[int, int], Change]


def edits(
    view: ModelView,
    subjects: Sequence[Subject],
    sets: Sets,
    plan: Plan,
    strength: float,
    sources: Sequence[int],
    seed: int,
) -> Measured:
    """SR of eq. 8 and the neighbours kept, fact by fact, when eq. 7 with λ = `strength` is done from `sources`."""
    embeddings = cast(Any, view.model.get_output_embeddings()).weight.detach().float().cpu()
    shape = (view.n_layers, view.d_ff)

    def change(fact: int, source: int) -> Change:
        subject = subjects[fact]
        direction = strength * (embeddings[subject.new] - embeddings[subject.old[source]])
        return Change(sets[fact][source].view(shape).float(), direction)

    def probes(fact: int, source: int, draw: random.Random) -> list[Probe]:
        subject = subjects[fact]
        others = [at for at in range(len(subject.prompts)) if at != source]
        near = draw.sample(subject.neighbours, min(plan.neighbours, len(subject.neighbours)))
        return [
            Probe("same", subject.prompts[source], subject.new),
            *(Probe("related", subject.prompts[at], subject.new) for at in draw.sample(others, plan.related)),
            *(Probe("unrelated", row, subject.new) for row in draw.sample(subject.unrelated, plan.unrelated)),
            *near,
        ]

    return _measured(view, subjects, sources, change, probes, seed, None)


def amplifications(
    view: ModelView,
    subjects: Sequence[Subject],
    sets: Sets,
    plan: Plan,
    factor: float,
    sources: Sequence[int],
    seed: int,
) -> Measured:
    """CR of eq. 6, fact by fact, when the neurons found from `sources` are multiplied by `factor`."""
    shape = (view.n_layers, view.d_ff)

    def change(fact: int, source: int) -> Change:
        return Change(sets[fact][source].view(shape).float(), factor=factor)

    def probes(fact: int, source: int, draw: random.Random) -> list[Probe]:
        subject = subjects[fact]
        others = [at for at in range(len(subject.prompts)) if at != source]
        return [
            Probe("same", subject.prompts[source], subject.answer),
            *(Probe("related", subject.prompts[at], subject.answer) for at in draw.sample(others, plan.related)),
            *(Probe("unrelated", row, subject.answer) for row in draw.sample(subject.unrelated, plan.unrelated)),
        ]

    def rate(after: Answer, before: Answer) -> float:
        """(P_after − P_before) / P_before = exp(log P_after − log P_before) − 1."""
        return float(torch.tensor(after.log_probs[0] - before.log_probs[0], dtype=torch.float64).expm1())

    return _measured(view, subjects, sources, change, probes, seed, rate)


def before(view: ModelView, subjects: Sequence[Subject]) -> Measured:
    """SR without an edit: how often the new answer is given anyway, in the fact's prompts and in unrelated ones."""
    found: Measured = {"same": [], "related": [], "unrelated": []}
    for subject in subjects:
        own = ask(view, [Question(row, None, ()) for row in subject.prompts], [])
        far = ask(view, [Question(row, None, ()) for row in subject.unrelated], [])
        share = sum(answer.best == subject.new for answer in own) / len(own)
        found["same"].append(share)
        found["related"].append(share)
        found["unrelated"].append(sum(answer.best == subject.new for answer in far) / len(far))
    return found


def _measured(
    view: ModelView,
    subjects: Sequence[Subject],
    sources: Sequence[int],
    change: Make,
    probes: Callable[[int, int, random.Random], list[Probe]],
    seed: int,
    rate: Callable[[Answer, Answer], float] | None,
) -> Measured:
    """Mean of every kind of probe, fact by fact: of `rate(after, before)`, or of being right where there is none.

    A fact without a kind's probes does not count in it.
    """
    unedited: dict[tuple[tuple[int, ...], int], Answer] = {}
    rows: list[Mapping[str, float]] = []
    facts_at_once = max(1, AT_ONCE // len(sources))
    for start in range(0, len(subjects), facts_at_once):
        places = [
            (fact, source) for fact in range(start, min(start + facts_at_once, len(subjects))) for source in sources
        ]
        asked = [probes(fact, source, random.Random(f"{seed}-{fact}-{source}")) for fact, source in places]
        if rate is not None:
            fresh = sorted({(probe.ids, probe.token) for some in asked for probe in some} - unedited.keys())
            unedited |= zip(fresh, ask(view, [Question(ids, None, (token,)) for ids, token in fresh], []), strict=True)
        questions = [Question(probe.ids, at, (probe.token,)) for at, some in enumerate(asked) for probe in some]
        answers = iter(ask(view, questions, [change(fact, source) for fact, source in places]))
        found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for (fact, _), some in zip(places, asked, strict=True):
            for probe in some:
                after = next(answers)
                right = float(after.best == probe.token)
                number = right if rate is None else rate(after, unedited[probe.ids, probe.token])
                found[fact][probe.kind].append(number)
                if probe.kind == "kept_same_object":
                    found[fact]["kept"].append(number)
        rows += [{kind: sum(own) / len(own) for kind, own in found[fact].items()} for fact in sorted(found)]
    kinds = dict.fromkeys(kind for row in rows for kind in row)
    return {kind: [row[kind] for row in rows if kind in row] for kind in kinds}
