"""Export a ledger as a LoRA adapter: without loss or, when asked, in the strongest directions below a rank limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from errata.errors import InputError
from errata.export import adapter_file, model_card
from errata.export.base import Base, base_of
from errata.export.chosen import chosen
from errata.export.factors import Factors, by_layer, compress
from errata.export.manifest import LayerRank, Manifest, corrections_of, hashes
from errata.export.proof import cases_of, prove
from errata.export.whole import refuse_taken, whole
from errata.facts import Case
from errata.ledger import Ledger
from errata.methods import versions
from errata.model.jobs import fills_masks
from errata.model.view import ModelView


def write(
    view: ModelView,
    ledger: Ledger,
    directory: str | Path,
    edits: Iterable[int] | None = None,
    max_rank: int | None = None,
    truncate: bool = False,
    base: Base | None = None,
    cases: Sequence[Case] | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write the applied edits of a ledger, or those of these ids, as adapter_config.json and adapter_model.safetensors.

    `view` is the model that the ledger was opened with. `cases` test the export; by default each fact's own prompt
    does, and () tests nothing. `say` hears what is being done. The directory is there whole or not at all; a file
    errata.json says all of the export, a card README.md the same in words.

    Where the sum of a layer needs more than `max_rank` directions this raises InputError; with `truncate` the
    strongest are kept, and lost energy and scores before and after it are in manifest and card.
    Raises InputError too for a directory that is taken and for no edits, CorruptionError for a damaged file.

    Example: peft_adapter.write(view, ledger, "adapter", max_rank=16).r
    """
    target = Path(directory)
    refuse_taken(target, overwrite)
    if max_rank is not None and max_rank < 1:
        raise InputError(f"The rank limit is {max_rank}: give 1 or more.")
    entries = chosen(ledger, edits)
    say("adding up the edits")
    ids = [entry.id for entry in entries]
    layers = _layers(ledger, ids, max_rank, truncate)
    short = any(factors.rank < factors.needed for factors in layers)
    kept = [view.delta(factors.layer, factors.left, factors.right) for factors in layers] if short else []
    if cases is None:
        cases = cases_of(view, [fact for entry in entries for fact in entry.facts])
    if short and not cases:
        raise InputError("Directions are left out, and nothing tests what that costs: give cases, or a higher limit.")
    say("asking the model before and after")
    proof = prove(view, ledger.weights(ids), cases, kept)
    r = max(factors.rank for factors in layers)
    manifest = Manifest(
        kind="peft",
        base=base or base_of(view),
        corrections=corrections_of(entries),
        weights_sha256=proof.weights_sha256,
        r=r,
        layers=tuple(LayerRank(f.layer, f.module, f.needed, f.rank, f.lost) for f in layers),
        answers=proof.answers,
        scores=proof.scores,
        versions=versions(),
    )
    say("writing the adapter")
    with whole(target, overwrite) as folder:
        transposed = any(view.structure.projections[factors.layer].transposed for factors in layers)
        adapter_file.save(folder, layers, r, manifest.base, transposed, not fills_masks(view))
        manifest = replace(manifest, files=hashes(folder))
        manifest.save(folder)
        model_card.save(folder, manifest)
    return manifest


def _layers(ledger: Ledger, ids: Sequence[int], max_rank: int | None, truncate: bool) -> list[Factors]:
    """The factors of every layer that the edits change; raises InputError for more directions than are allowed."""
    most = max_rank if truncate else None
    deltas = by_layer(ledger.edit(number) for number in ids)
    found = [factors for own in deltas.values() if (factors := compress(own, most)).rank]
    if not found:
        raise InputError("The edits add up to nothing: there is nothing to export.")
    widest = max(found, key=lambda factors: factors.rank)
    if max_rank is not None and widest.rank > max_rank:
        raise InputError(
            f"The edits add up to rank {widest.rank} in layer {widest.layer}, and {max_rank} is the limit: export "
            "fewer of them, export the merged weights, or keep the strongest directions only (--truncate), which "
            "measures what is lost."
        )
    return found
