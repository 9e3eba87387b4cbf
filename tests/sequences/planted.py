"""Editors whose edits are known beforehand, and a battery for the tiny models."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

import errata
from errata.errors import EditError
from errata.facts import Case, Fact, Probe
from errata.history import History
from errata.methods import Computed, Editor
from errata.model.view import ModelView
from errata.sequences import Battery

SUBJECTS = ("France", "Italy", "Spain", "Germany", "Dante", "Goethe", "Cervantes")


@dataclass(frozen=True)
class Planted(Editor):
    """Adds a random rank-one update of a given size, which depends on the facts and on how long the history is."""

    size: float = 1.0
    layer: int = 1
    refuses: str = ""
    ends: bool = False

    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        if any(fact.subject == self.refuses for fact in facts):
            raise EditError(f"{self.refuses} cannot be edited: take another.")
        return self._made(view, f"{[fact.subject for fact in facts]} {len(history)}")

    def _close(self, view: ModelView, history: History) -> Computed:
        return self._made(view, f"end {len(history)}") if self.ends else Computed(())

    def _made(self, view: ModelView, words: str) -> Computed:
        generator = torch.Generator().manual_seed(int(hashlib.sha256(words.encode()).hexdigest()[:8], 16))
        left, right = torch.randn(view.d_model, 1, generator=generator), torch.randn(1, view.d_ff, generator=generator)
        return Computed((view.delta(self.layer, self.size * left / left.norm(), right / right.norm()),))


def case(subject: str, target: str = "Oslo") -> Case:
    fact = Fact(subject, "The home of {} is", target=target)
    return Case(fact, (f"{subject} has its home in",), (Probe("The capital of Spain is", "Madrid"),))


def battery(count: int = len(SUBJECTS), text: tuple[str, ...] = ()) -> Battery:
    known = (Probe("Ada Lovelace was born in", "London"), Probe("x", "y"))
    return Battery(tuple(map(case, SUBJECTS[:count])), known, text)


def facts_of(edit: errata.Edit) -> list[str]:
    return [fact.subject for fact in edit.facts]
