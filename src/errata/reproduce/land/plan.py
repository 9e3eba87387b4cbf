"""What a reproduction of LAND is made of: the model, the facts, the seeds, and every setting its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from errata.errors import InputError
from errata.training.recipe import FactCodeRecipe, LandRecipe

LAMBDAS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)


@dataclass(frozen=True)
class Plan:
    """The settings of `errata reproduce land`.

    `facts`        held-out facts measured a seed
    `train_facts`  facts trained on; None for all of the nine tenths
    `seeds`        seeds of split, training and draws
    `printed`      λ₁ = λ₂ of table 10 (paper: 2)
    `lambdas`      λ of the curve of Related success against neighbours kept
    `sources`      phrasings of a fact that are identified from in table 9 and on the curve (table 10 takes all)
    `related`      other phrasings asked for each edit;  `unrelated`, `neighbours`: other facts asked for each edit
    `kept`         share of neighbours kept at which methods are compared
    """

    model: str
    facts: int = 120
    train_facts: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    land: LandRecipe = field(default_factory=LandRecipe)
    fact_code: FactCodeRecipe = field(default_factory=FactCodeRecipe)
    printed: float = 2.0
    lambdas: tuple[float, ...] = LAMBDAS
    sources: int = 2
    related: int = 3
    unrelated: int = 3
    neighbours: int = 5
    kept: float = 0.9

    def __post_init__(self) -> None:
        for name in ("facts", "sources", "related", "unrelated", "neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"The setting {name} is {getattr(self, name)}: give at least 1.")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"The seeds {self.seeds} are none or not different: give each once.")

    def settings(self) -> dict[str, Any]:
        """Everything but the seeds, as plain values."""
        return json.loads(json.dumps({name: value for name, value in asdict(self).items() if name != "seeds"}))

    def key(self, seed: int, weights: str, data: str) -> str:
        """What a seed's numbers depend on, as a hash: these settings, the model's weights, the data."""
        content = json.dumps([self.settings(), seed, weights, data], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]
