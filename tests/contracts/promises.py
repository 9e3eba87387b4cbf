"""What every method promises on every model, found out by trying: True, or the sentence with which it refuses.

Methods are found by the registry, models by tests/tiny.py: a new file in `errata.localizers` or `errata.editors` is
held to all of it, and stands in the table of capabilities (benchmarks/capabilities.py), without a line written here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from errata import Edit, Fact, Ledger, load, registry
from errata.associative.values import ValueSettings
from errata.datasets import pocket
from errata.errors import ErrataError
from errata.methods import Editor, Localizer, editor, localizer
from errata.model.hooks import count_hooks
from errata.model.view import ModelView
from errata.sequences import Scratch
from tests.tiny import ARCHITECTURES, tiny

EMBEDDED = ("pocket-gelu", "pocket-swiglu")
# Localizers are tried on the embedded models too, because trained ones come with a detector for these alone.
MODELS: Mapping[str, tuple[str, ...]] = {"localizers": (*ARCHITECTURES, *EMBEDDED), "editors": ARCHITECTURES}
FACT = Fact("France", "The capital of {} is", target="Madrid", answer="Rome Paris")
OTHER = Fact("Dante", "The mother tongue of {} is", target="French", answer="Italian")
# A setting of this name gets this value wherever a method has it: promises are about what an edit is, not how good.
QUICK: Mapping[str, Any] = {
    "values": ValueSettings(steps=4, lr=0.3),
    "context_lengths": (3,),
    "covariance_tokens": 2048,
    "gradient_tokens": 512,
    "others": 2,
}

Outcome = bool | str
Promises = dict[str, Outcome]


def names(kind: str) -> list[str]:
    """Every method of a kind: localizers or editors."""
    return registry.names(f"errata.{kind}")


def view_of(model: str, dtype: torch.dtype = torch.float32) -> ModelView:
    """A tiny random model of an architecture, or an embedded one."""
    return load(model, dtype=str(dtype).removeprefix("torch.")) if model in EMBEDDED else tiny(model, dtype=dtype)


def facts_of(model: str) -> tuple[Fact, Fact]:
    """Two facts to try a method on; of an embedded model two that it knows."""
    if model not in EMBEDDED:
        return FACT, OTHER
    first, second = pocket.cases(model.removeprefix("pocket-"), 2, 0)
    return first.fact, second.fact


def quick(method: Any) -> Any:
    """The method with settings that take little time, also inside the editor it stands on."""
    known = method.__dataclass_fields__
    inner = {name: quick(getattr(method, name)) for name in known if isinstance(getattr(method, name), Editor)}
    return replace(method, **{name: value for name, value in QUICK.items() if name in known}, **inner)


def promises(kind: str, name: str, model: str) -> Promises:
    """What one method keeps on one model."""
    if kind == "localizers":
        return _of_localizer(localizer(name), model)
    return _of_editor(quick(editor(name)), model)


@dataclass
class _Outcomes:
    """Outcomes by name; a check that refuses is one, an error that is none of Errata's is the caller's."""

    found: Promises

    def tried(self, name: str, check: Callable[[], bool]) -> None:
        try:
            self.found[name] = bool(check())
        except ErrataError as error:
            self.found[name] = re.sub(r"\S*/(src/errata/)", r"\1", str(error))


def _untouched(view: ModelView) -> tuple[Any, ...]:
    """All that a computation must leave as it was."""
    parameters = list(view.model.parameters())
    flags = [(parameter.requires_grad, parameter.grad is None) for parameter in parameters]
    return view.weights_sha256(), count_hooks(view.model), view.model.training, flags


def _of_localizer(method: Localizer, model: str) -> Promises:
    view, (fact, other), outcomes = view_of(model), facts_of(model), _Outcomes({})
    before = _untouched(view)

    def scores() -> bool:
        first, second = method.attribute(view, [fact, other])
        alone = method.attribute(view, [other])[0]
        outcomes.found["alone as together"] = torch.allclose(
            second.scores, alone.scores, atol=1e-5 * float(alone.scores.abs().max())
        )
        outcomes.found["completeness gap"] = first.gap is not None
        shaped = first.scores.shape == (view.n_layers, view.d_ff) and bool(torch.isfinite(first.scores).all())
        return shaped and len(first.neurons) > 0 and first.method == method.name

    def again() -> bool:
        one, two = (method.attribute(view, [other])[0] for _ in range(2))
        return torch.equal(one.scores, two.scores) and one.neurons == two.neurons

    def unanswered() -> bool:
        return bool(method.attribute(view, [replace(other, answer=None)])[0].answer)

    def narrow() -> bool:
        found = method.attribute(view_of(model, torch.bfloat16), [other])[0]
        return bool(torch.isfinite(found.scores).all()) and len(found.neurons) > 0

    outcomes.tried("scores every neuron", scores)
    outcomes.tried("same again", again)
    outcomes.tried("own answer", unanswered)
    outcomes.tried("no facts", lambda: method.attribute(view, []) == [])
    outcomes.tried("bfloat16", narrow)
    outcomes.found["leaves the model alone"] = _untouched(view) == before
    return outcomes.found


def _of_editor(method: Editor, model: str) -> Promises:
    view, outcomes = view_of(model), _Outcomes({})
    before = _untouched(view)
    made: list[Edit] = []

    def one() -> bool:
        made.append(method.edit(view, [FACT]))
        outcomes.found["remembers"] = bool(made[0].state)
        return _sound(made[0]) and made[0].method == method.name

    def sequence() -> bool:
        with Scratch(view) as book:
            book.apply(method.edit(view, [FACT], book.history()))
            second = method.edit(view, [OTHER], book.history())
            book.apply(second)
            outcomes.found["closing edit"] = method.close(view, book.history()) is not None
        return _sound(second)

    def kept() -> bool:
        edit = made[0] if made else method.edit(view, [FACT])
        with tempfile.TemporaryDirectory() as folder:
            edit.save(Path(folder) / "edit.safetensors")
            again = Edit.load(Path(folder) / "edit.safetensors")
            with Ledger.open(Path(folder) / "ledger", view) as ledger:
                number = ledger.apply(again)
                written = view.weights_sha256() != before[0]
                ledger.undo(number)
        return again.to_bytes() == edit.to_bytes() and written and view.weights_sha256() == before[0]

    def narrow() -> bool:
        return _sound(method.edit(view_of(model, torch.bfloat16), [OTHER]))

    outcomes.tried("one fact", one)
    outcomes.tried("several at once", lambda: _sound(method.edit(view, [FACT, OTHER])))
    outcomes.tried("in a sequence", sequence)
    outcomes.tried("saved, applied, undone bit for bit", kept)
    outcomes.tried("bfloat16", narrow)
    outcomes.found["leaves the model alone"] = _untouched(view) == before
    return outcomes.found


def _sound(edit: Edit) -> bool:
    """Whether an edit has a delta, and all of it is finite and not nothing."""
    factors = [part for delta in edit.deltas for part in (delta.left, delta.right)]
    return bool(factors) and all(bool(torch.isfinite(part).all()) for part in factors) and edit.norm() > 0


# What differs between methods by design, and is no promise.
TRAITS = frozenset({"completeness gap", "remembers", "closing edit"})


def broken(kept: Promises) -> dict[str, Outcome]:
    """The promises that are not kept, with the sentence of a refusal."""
    return {name: outcome for name, outcome in kept.items() if name not in TRAITS and outcome is not True}
