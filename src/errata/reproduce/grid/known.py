"""Attributions computed once and answered from then on, for every editor and for the random control.

A file holds the scores `[facts, layers, d_ff]` and the chosen neurons of one localizer on the facts of one seed, and
why a fact could not be attributed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from errata.errors import UNREADABLE, InputError
from errata.facts import Case, Fact
from errata.methods import Localizer, settings_of
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet
from errata.reproduce.grid.cases import Drawn
from errata.strict import json_of


@dataclass(frozen=True)
class Known(Localizer):
    """A localizer that answers from what was computed before.

    `found`    each fact's attribution
    `seconds`  what each took
    `errors`   why a fact has none
    `settings` the localizer's, as they were for all facts alike
    """

    found: Mapping[Fact, Attribution] = field(default_factory=dict)
    seconds: Mapping[Fact, float] = field(default_factory=dict)
    errors: Mapping[Fact, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """The facts' attributions; raises InputError for a fact that has none, and for those of another model."""
        for fact in facts:
            if fact in self.errors:
                raise InputError(self.errors[fact])
        unknown = [fact for fact in facts if fact not in self.found]
        if unknown:
            raise InputError(f"Nothing was attributed for {unknown[0].text!r}: attribute it before it is edited.")
        found = [self.found[fact] for fact in facts]
        if any(one.scores.shape != (view.n_layers, view.d_ff) for one in found):
            raise InputError(f"What was attributed is of another model than {view.name}: attribute it anew.")
        return found

    def best(self, count: int) -> Known:
        """The same with the `count` neurons of the highest scores, fewer where fewer have a score above 0."""
        return replace(self, found={fact: _best(one, count) for fact, one in self.found.items()})


def attribute(view: ModelView, localizer: Localizer, drawn: Drawn, in_all_phrasings: bool) -> bytes:
    """A file's content: each case's fact attributed by itself, or together with its other phrasings.

    A fact that cannot be attributed keeps no other from being; where none can, the first error is raised.
    """
    found: list[Attribution] = []
    seconds: list[float] = []
    errors: dict[int, str] = {}
    for at, (case, phrasings) in enumerate(zip(drawn.cases, drawn.phrasings, strict=True)):
        facts = [case.fact, *(_rephrased(case.fact, phrasings) if in_all_phrasings else ())]
        began = time.perf_counter()
        try:
            found.append(localizer.attribute(view, facts)[0])
        except InputError as error:
            errors[at] = str(error)
            found.append(_nothing(view, localizer))
        seconds.append(time.perf_counter() - began)
    if len(errors) == len(found):
        raise InputError(errors[0])
    alike = _shared([one.settings for at, one in enumerate(found) if at not in errors])
    header = {
        "rows": [
            {"error": errors[at]} if at in errors else [one.method, one.objective, one.answer, one.neurons.gap]
            for at, one in enumerate(found)
        ],
        "settings": {"name": localizer.name, **settings_of(localizer), **alike},
    }
    tensors = {
        "scores": torch.stack([one.scores.detach().float().cpu() for one in found]),
        "chosen": torch.stack([_mask(one.neurons) for one in found]),
        "seconds": torch.tensor(seconds, dtype=torch.float64),
    }
    return save(tensors, {"header": json.dumps(header)})


def read(path: Path, cases: Sequence[Case]) -> Known:
    """What `attribute` wrote for these cases; raises InputError for a file that holds something else."""
    try:
        with safe_open(path, "pt") as file:
            scores, chosen = file.get_tensor("scores"), file.get_tensor("chosen")
            seconds: list[float] = file.get_tensor("seconds").tolist()
            header = json_of(file.metadata()["header"])
        found: dict[Fact, Attribution] = {}
        errors: dict[Fact, str] = {}
        for case, own, mask, row in zip(cases, scores, chosen, header["rows"], strict=True):
            if isinstance(row, dict):
                errors[case.fact] = row["error"]
            else:
                method, objective, answer, gap = row
                found[case.fact] = Attribution(own, None, _set(mask, gap), method, objective, answer)
        taken = {case.fact: own for case, own in zip(cases, seconds, strict=True)}
        return Known(found, taken, errors, dict(header["settings"]))
    except (*UNREADABLE, SafetensorError, InputError) as error:
        raise InputError(f"{path} holds no attributions ({error}): delete it, and they are made anew.") from error


def _nothing(view: ModelView, localizer: Localizer) -> Attribution:
    """What stands in the place of a fact that could not be attributed."""
    chosen = NeuronSet(view.n_layers, view.d_ff)
    return Attribution(torch.zeros(view.n_layers, view.d_ff), None, chosen, localizer.name, "", "")


def _shared(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that all have, with the same value."""
    return {
        name: value
        for name, value in found[0].items()
        if all(name in other and other[name] == value for other in found)
    }


def _rephrased(fact: Fact, phrasings: Sequence[str]) -> list[Fact]:
    """The fact in those of its other phrasings that name its subject as it is."""
    return [replace(fact, prompt=prompt) for prompt in phrasings if fact.subject in prompt]


def _best(one: Attribution, count: int) -> Attribution:
    top = NeuronSet.top(one.scores, count, one.neurons.gap)
    members = frozenset(neuron for neuron in top.members if float(one.scores[neuron]) > 0)
    return replace(one, neurons=replace(top, members=members))


def _mask(chosen: NeuronSet) -> torch.Tensor:
    mask = torch.zeros(chosen.n_layers, chosen.d_ff, dtype=torch.bool)
    for neuron in chosen.members:
        mask[neuron] = True
    return mask


def _set(mask: torch.Tensor, gap: float | None) -> NeuronSet:
    members = frozenset((int(layer), int(index)) for layer, index in mask.nonzero().tolist())
    return NeuronSet(len(mask), mask.shape[1], members, gap)
