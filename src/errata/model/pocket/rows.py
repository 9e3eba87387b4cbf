"""The rows a pocket model is trained on: facts in phrasings, in pairs of which the second is interchanged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from errata.model.pocket.corpus import PocketFact

IGNORE = -100
Text = tuple[str, str, str, str]  # prefix, prompt, subject, object


@dataclass(frozen=True)
class Recipe:
    """The settings of one training run; each is a command-line option."""

    passes: int = 12
    draws: int = 3  # phrasings of every fact a pass; each makes one plain and one interchanged row
    pairs: int = 96  # pairs of rows a step
    windows: int = 8  # plain-text windows a step
    window: int = 96  # tokens a window
    prefixed: float = 0.06  # share of fact rows that stand after another sentence
    lr: float = 6e-3  # of the hidden matrices (Muon)
    embedding_lr: float = 2e-3  # of everything else (AdamW)
    weight_decay: float = 0.05
    template_weight: float = 0.2
    text_weight: float = 0.5
    blocks: tuple[int, ...] = (1, 2, 3)  # blocks after which rows are interchanged
    per_relation: int = 104
    seed: int = 0
    d_model: int | None = None  # width of the residual stream; None: the embedded model's
    d_ff: int | None = None  # neurons of a layer; None: the embedded model's


@dataclass(frozen=True, slots=True)
class Row:
    """One tokenised sentence: where its subject ends, where its answer stands."""

    ids: list[int]
    subject_last: int
    answer: range


def rows_of(tokenizer: PreTrainedTokenizerFast, texts: list[Text]) -> list[Row]:
    """Tokenise (prefix, prompt, subject, object) once each, with offsets; the full stop belongs to the answer."""
    joined = [f"{prefix}{prompt} {obj}." for prefix, prompt, _, obj in texts]
    encoded: Any = tokenizer(joined, return_offsets_mapping=True)
    rows = []
    for (prefix, prompt, subject, _), ids, offsets in zip(
        texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        end_of_subject = len(prefix) + prompt.rindex(subject) + len(subject) - 1
        end_of_prompt = len(prefix) + len(prompt)
        last = next(i for i, (a, b) in enumerate(offsets) if a <= end_of_subject < b)
        first = next(i for i, (a, b) in enumerate(offsets) if b > end_of_prompt and b > a)
        rows.append(Row([*ids, cast(int, tokenizer.eos_token_id)], last, range(first, len(ids) + 1)))
    return rows


def pairs_of(facts: list[PocketFact], recipe: Recipe, chance: random.Random) -> list[tuple[Text, Text]]:
    """Draw (source, base) texts: the source tells its own fact; the base stands in another subject's sentence."""
    by_relation: dict[str, list[PocketFact]] = {}
    for fact in facts:
        by_relation.setdefault(fact.relation, []).append(fact)
    drawn = []
    for fact in facts:
        for prompt in chance.sample(fact.prompts, recipe.draws):
            other = chance.choice(by_relation[fact.relation])
            while other.subject == fact.subject:
                other = chance.choice(by_relation[fact.relation])
            source = (_prefix(facts, recipe, chance), prompt, fact.subject, fact.object)
            base = (_prefix(facts, recipe, chance), chance.choice(other.prompts), other.subject, fact.object)
            drawn.append((source, base))
    chance.shuffle(drawn)
    return drawn


def _prefix(facts: list[PocketFact], recipe: Recipe, chance: random.Random) -> str:
    if chance.random() >= recipe.prefixed:
        return ""
    fact = chance.choice(facts)
    return f"{chance.choice(fact.prompts)} {fact.object}. "


def batches(pairs: list[tuple[Row, Row]], size: int, chance: random.Random) -> Iterator[list[tuple[Row, Row]]]:
    """Group pairs of like length; the batches come in random order."""
    order = sorted(range(len(pairs)), key=lambda i: (max(len(r.ids) for r in pairs[i]), chance.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    chance.shuffle(groups)
    for group in groups:
        yield [pairs[i] for i in group]


def collate(pairs: list[tuple[Row, Row]], recipe: Recipe, chance: random.Random) -> dict[str, Tensor]:
    """Pad right; sources fill the first half of the batch, bases the second."""
    rows = [source for source, _ in pairs] + [base for _, base in pairs]
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORE)
    weight = torch.zeros(len(rows), width)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        labels[i, : len(row.ids)] = ids[i, : len(row.ids)]
        for position in range(1, len(row.ids)):
            if position in row.answer or (i < len(pairs) and chance.random() < recipe.template_weight):
                weight[i, position] = 1.0
    last = torch.tensor([row.subject_last for row in rows])
    return {"ids": ids, "labels": labels, "weight": weight, "last": last}
