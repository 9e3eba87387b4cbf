"""Export a ledger as merged weights: the model with W = round(W₀ + Σ ΔW_i), as save_pretrained writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from errata.errors import UnsupportedModelError
from errata.export import model_card
from errata.export.base import Base, base_of
from errata.export.chosen import chosen
from errata.export.manifest import Manifest, corrections_of, hashes
from errata.export.proof import cases_of, prove
from errata.export.whole import refuse_taken, whole
from errata.facts import Case
from errata.ledger import Ledger
from errata.methods import versions
from errata.model.view import ModelView


def write(
    view: ModelView,
    ledger: Ledger,
    directory: str | Path,
    edits: Iterable[int] | None = None,
    shard_size: str = "5GB",
    base: Base | None = None,
    cases: Sequence[Case] | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write the whole corrected model: safetensors in shards, configuration, generation configuration and tokenizer.

    The weights have the bits that the ledger gives them, in the model's own dtype; with chosen `edits`, those that
    it would give with these alone. All else is as for `peft_adapter.write`.
    Raises UnsupportedModelError where transformers cannot save the model.

    Example: merged.write(view, ledger, "corrected").weights_sha256 == view.weights_sha256()
    """
    target = Path(directory)
    refuse_taken(target, overwrite)
    entries = chosen(ledger, edits)
    say("adding up the edits")
    weights = ledger.weights(entry.id for entry in entries)
    if cases is None:
        cases = cases_of(view, [fact for entry in entries for fact in entry.facts])
    say("asking the model before and after")
    proof = prove(view, weights, cases)
    manifest = Manifest(
        kind="merged",
        base=base or base_of(view),
        corrections=corrections_of(entries),
        weights_sha256=proof.weights_sha256,
        answers=proof.answers,
        scores=proof.scores,
        versions=versions(),
    )
    say("writing the weights")
    with whole(target, overwrite) as folder:
        with view.unedited(), view.holding(weights.items()):
            try:
                view.model.save_pretrained(folder, max_shard_size=shard_size)
            except (ValueError, NotImplementedError) as error:
                raise UnsupportedModelError(f"{view.name} cannot be saved ({error}): export an adapter.") from error
        view.tokenizer.save_pretrained(folder)
        manifest = replace(manifest, files=hashes(folder))
        manifest.save(folder)
        model_card.save(folder, manifest)
    return manifest
