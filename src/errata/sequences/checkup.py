"""A checkup: what a model has kept, and how far its weights have moved, at one point of a sequence.

    efficacy        the edit prompt says the target          generalization   share of paraphrases that do
    specificity     share of neighbours that are answered as the unedited model answers them
    known           share of the facts that the unedited model knew and that are still answered right
    perplexity      exp of the mean −log p of a token of the held-out text, in windows of WINDOW tokens

Protocol "generation" for the first four (see `errata.evaluation.metrics`), "held-out text" for the last. A checkup
measures the edits since the last one (`new`) and all of the sequence's edits so far (`all`: retention). Cases that no
edit in force is about (already so, failed, undone) do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from errata.deltas import Edit
from errata.evaluation.metrics import PROTOCOL, score
from errata.evaluation.perplexity import nats, per_token, windows
from errata.evaluation.probes import CaseOutcome, Reply, answers, probe, reach
from errata.facts import Case, Probe
from errata.model.tokens import Tokens, encode
from errata.model.view import ModelView
from errata.scores import Score, Scores
from errata.sequences.battery import Battery
from errata.sequences.drift import Drift, drift

NAMES = {"efficacy": "efficacy", "paraphrase": "generalization", "neighbours": "specificity"}
# Of the held-out text at most this many tokens are read.
TOKENS, WINDOW = 16384, 128


@dataclass(frozen=True, slots=True)
class Before:
    """The unedited model: its answers to every case, the known facts it has right, and its perplexity."""

    outcomes: tuple[CaseOutcome, ...]
    known: tuple[Probe, ...]
    perplexity: float | None


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was measured after `done` cases, `edited` of them in force; `edit` is the id of the last edit applied.

    `right_after` holds what every step's cases scored directly after that step. `known` and `perplexity` are None
    where there is nothing to measure them on; a perplexity that is infinite is None too, with `broken` true.
    """

    done: int
    edited: int
    edit: int | None
    new: Scores
    all: Scores
    right_after: Scores
    known: Score | None
    perplexity: float | None
    perplexity_before: float | None
    broken: bool
    layers: tuple[Drift, ...]

    @property
    def relative(self) -> float:
        """The largest ‖W − W₀‖_F / ‖W₀‖_F of a layer."""
        return max((layer.relative for layer in self.layers), default=0.0)

    @property
    def growth(self) -> float:
        """The largest σ_max(W) / σ_max(W₀) of a layer."""
        return max((layer.growth for layer in self.layers), default=1.0)

    def to_dict(self) -> dict[str, Any]:
        """The checkup as plain values for JSON."""
        return {
            "done": self.done,
            "edited": self.edited,
            "edit": self.edit,
            "new": self.new.to_dict(),
            "all": self.all.to_dict(),
            "right_after": self.right_after.to_dict(),
            "known": None if self.known is None else self.known.to_dict(),
            "perplexity": self.perplexity,
            "perplexity_before": self.perplexity_before,
            "broken": self.broken,
            "layers": [asdict(layer) for layer in self.layers],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Checkup:
        """The checkup that `to_dict` wrote."""
        known = row["known"]
        return cls(
            done=row["done"],
            edited=row["edited"],
            edit=row["edit"],
            new=_scores(row["new"]),
            all=_scores(row["all"]),
            right_after=_scores(row["right_after"]),
            known=None if known is None else _score(known),
            perplexity=row["perplexity"],
            perplexity_before=row["perplexity_before"],
            broken=row["broken"],
            layers=tuple(Drift(**layer) for layer in row["layers"]),
        )


def before(view: ModelView, battery: Battery) -> Before:
    """What the model says and knows now, to be asked before the first edit."""
    outcomes = tuple(probe(view, battery.cases))
    replies = _replies(view, battery.known)
    known = tuple(fact for fact, reply in zip(battery.known, replies, strict=True) if reply.right)
    return Before(outcomes, known, perplexity(view, battery.text))


def checkup(
    view: ModelView,
    battery: Battery,
    before: Before,
    done: int,
    since: int,
    edits: Sequence[Edit],
    edit: int | None = None,
    right_after: Sequence[Scores] = (),
) -> Checkup:
    """Measure the model as it now is, after `done` cases of which the first `since` were done at the last checkup.

    `edits` are all edits in force, in order, `edit` the id of the last; `right_after` what `just_edited` gave for every
    step since then.
    """
    keys = {(fact.key, fact.target) for one in edits for fact in one.facts}
    chosen = [at for at in range(done) if _key(battery.cases[at]) in keys]
    after = probe(view, [battery.cases[at] for at in chosen])
    pairs = [(at, before.outcomes[at], outcome) for at, outcome in zip(chosen, after, strict=True)]
    fresh = {_key(case) for case in battery.cases[since:done]}
    newer = [one for one in edits if any((fact.key, fact.target) in fresh for fact in one.facts)]
    own = set(map(id, newer))
    earlier = [one for one in edits if one.facts and id(one) not in own]
    found = perplexity(view, battery.text)
    return Checkup(
        done=done,
        edited=len(chosen),
        edit=edit,
        new=_named([pair for pair in pairs if pair[0] >= since]),
        all=_named(pairs),
        right_after=joined(right_after),
        known=_known(view, before.known),
        perplexity=found if found is None or isfinite(found) else None,
        perplexity_before=before.perplexity,
        broken=found is not None and not isfinite(found),
        layers=drift(view, earlier, newer),
    )


def just_edited(view: ModelView, before: Sequence[CaseOutcome]) -> Scores:
    """The scores of these cases now, directly after the step that edited them; `before` is the unedited model's."""
    after = probe(view, [outcome.case for outcome in before])
    return _named([(0, *pair) for pair in zip(before, after, strict=True)])


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of several groups of cases as one."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    return Scores(
        Score(name, PROTOCOL, "higher", tuple(v for part in parts if name in part for v in part[name].values))
        for name in names
    )


def perplexity(view: ModelView, text: Sequence[str]) -> float | None:
    """exp(−mean log p) of the tokens of a text but each window's first; None where there are none."""
    rows: list[Tokens] = []
    read = 0
    for piece in text:
        ids = encode(view.tokenizer, piece).ids[: TOKENS - read]
        read += len(ids)
        rows += windows(ids, WINDOW, WINDOW)
    return per_token(sum(nats(view, rows)), sum(len(row.target) for row in rows)) if rows else None


def _key(case: Case) -> tuple[tuple[str, str], str | None]:
    return case.fact.key, case.fact.target


def _named(pairs: Sequence[tuple[int, CaseOutcome, CaseOutcome]]) -> Scores:
    found = score([pair[1] for pair in pairs], [pair[2] for pair in pairs])
    return Scores(Score(NAMES[name], one.protocol, one.direction, one.values) for name, one in found.items())


def _known(view: ModelView, known: Sequence[Probe]) -> Score | None:
    if not known:
        return None
    return Score("known", PROTOCOL, "higher", tuple(float(reply.right) for reply in _replies(view, known)))


def _replies(view: ModelView, probes: Sequence[Probe]) -> list[Reply]:
    texts = answers(view, [one.prompt for one in probes], until=reach(one.answer for one in probes))
    return [Reply(one.prompt, one.answer, text) for one, text in zip(probes, texts, strict=True)]


def _scores(rows: Mapping[str, Mapping[str, Any]]) -> Scores:
    return Scores(map(_score, rows.values()))


def _score(row: Mapping[str, Any]) -> Score:
    return Score(row["name"], row["protocol"], row["direction"], tuple(row["values"]))
