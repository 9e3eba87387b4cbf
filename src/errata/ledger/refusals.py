"""What a ledger refuses, in its words: another model, an edit for other weights, a second edit about the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from errata.deltas import Edit
from errata.errors import ConflictError, LedgerError, RefusedEditError
from errata.facts import Fact
from errata.ledger.fold import Fold, Plan, same_bits
from errata.ledger.records import Entry, Meta
from errata.model.view import ModelView


def dtype_of(view: ModelView) -> str:
    """The dtype of a view's weights as people write it: `float32`."""
    return str(view.dtype).removeprefix("torch.")


def refuse_other_model(path: Path, expected: Meta, found: Meta) -> None:
    """Raise LedgerError where a ledger is for another model or dtype."""
    if expected.fingerprint == found.fingerprint:
        return
    if expected.dtype != found.dtype:
        raise LedgerError(
            f"The ledger at {path} is for {expected.model} in {expected.dtype}, found {found.model} in {found.dtype}: "
            f"load the model with dtype={expected.dtype}."
        )
    raise LedgerError(
        f"The ledger at {path} is for {expected.model} with weights {expected.fingerprint[:12]}…, found {found.model} "
        f"with weights {found.fingerprint[:12]}…: open it with the model it was made for, or take another directory."
    )


def refuse_other_weights(edit: Edit, view: ModelView, base_of: Callable[[int], str]) -> None:
    """Raise LedgerError for an edit made for other layers, shapes or weights; `base_of` fingerprints a layer."""
    for delta in edit.deltas:
        if not 0 <= delta.layer < view.n_layers:
            raise LedgerError(f"The edit is for layer {delta.layer}, {view.name} has {view.n_layers}.")
        found = view.structure.projections[delta.layer].name, tuple(view.weight(delta.layer).shape)
        if (delta.module, delta.shape) != found:
            raise LedgerError(
                f"The edit is for {delta.module} {delta.shape}, layer {delta.layer} is {found[0]} {found[1]}: "
                "compute it for this model."
            )
        base = base_of(delta.layer)
        if delta.base != base:
            raise LedgerError(
                f"The edit is for weights {delta.base[:12]}… of {delta.module}, this model's unedited ones are "
                f"{base[:12]}…: compute it for this model, in this dtype, on its unedited weights."
            )


@torch.no_grad()
def refuse_idle(number: int, view: ModelView, fold: Fold, plan: Plan, earlier: Plan | None) -> None:
    """Raise RefusedEditError where the edit of this id, the newest, leaves every weight as it would be without it.

    `plan` holds the weights with it, `earlier` those planned before it in the same transaction.
    """
    for layer, ids in plan.wanted.items():
        if number not in ids[-1:]:
            continue
        without = fold.plan({layer: ids[:-1]}, earlier or plan)
        before = without.weights.get(layer, view.base_weight(layer).cpu())
        if not same_bits(before, plan.weights[layer]):
            return
    raise RefusedEditError(
        f"The edit changes no weight: all of it is lost to rounding in {dtype_of(view)}; use a stronger "
        "edit or a wider dtype."
    )


def conflict(what: str, facts: Sequence[Fact], rivals: Sequence[Entry], way_out: str) -> ConflictError:
    """The error for applied edits about the same subject and relation."""
    keys = {fact.key for fact in facts}
    shared = next(fact.key for fact in rivals[0].facts if fact.key in keys)
    ids = tuple(rival.id for rival in rivals)
    others = f"applied edit {ids[0]}" if len(ids) == 1 else f"applied edits {', '.join(map(str, ids))}"
    way_out = way_out if len(ids) == 1 else way_out.replace("undo it", "undo them")
    return ConflictError(f"{what} and {others} are both about {' / '.join(shared)}: {way_out}.", ids)
