"""The way back: take an adapter, or another ledger, into a ledger.

An adapter becomes one edit: what it adds up is not told apart again. A ledger's applied edits come one by one, each
with its provenance and state, so that each can be undone by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from errata.deltas import Edit
from errata.errors import InputError
from errata.export import adapter_file
from errata.export.factors import without_zeros
from errata.export.manifest import Manifest
from errata.export.whole import MANIFEST
from errata.ledger import Ledger
from errata.ledger.store import Store
from errata.methods import versions
from errata.model.view import ModelView

METHOD = "adapter"


@dataclass(frozen=True, slots=True)
class Source:
    """What there is to import: `model` and `dtype` as it names them, `manifest` where it is an export of Errata's."""

    directory: Path
    kind: str
    model: str | None
    dtype: str | None
    manifest: Manifest | None = None


def source_of(directory: str | Path) -> Source:
    """What a directory holds: a `ledger` or an `adapter`; raises InputError for anything else and for damaged ones."""
    path = Path(directory)
    if (path / "ledger.sqlite").is_file():
        store = Store.open(path, None)
        try:
            meta = store.meta()
        finally:
            store.close()
        return Source(path, "ledger", meta.model, meta.dtype)
    if not (path / adapter_file.CONFIG).is_file():
        hint = "errata apply writes a saved edit" if path.is_file() else "merged weights cannot be told apart"
        raise InputError(f"{path} holds neither a ledger nor an adapter: give the directory of one ({hint}).")
    config = adapter_file.config_of(path)
    if not (path / MANIFEST).exists():
        name = config.get("base_model_name_or_path")
        return Source(path, "adapter", name if isinstance(name, str) else None, None)
    manifest = Manifest.load(path)
    manifest.refuse_changed(path)
    return Source(path, "adapter", manifest.base.name, manifest.base.dtype, manifest)


def take(
    source: Source,
    view: ModelView,
    ledger: Ledger,
    supersede: bool = False,
    rebase: bool = False,
) -> tuple[int, ...]:
    """Apply what a source holds to a ledger, all of it or nothing; returns the new edits' ids.

    `supersede` undoes the edits that it conflicts with; `rebase` takes it for other weights than it was made for, of
    the same shapes: its effect there is not the one that was measured.
    Raises InputError for an adapter that changes other modules, shapes or weights, LedgerError for such edits.
    """
    edits = _edits(source, view, rebase)
    return ledger.apply_all([_rebased(edit, view) for edit in edits] if rebase else edits, supersede)


def adapter_edit(source: Source, view: ModelView, rebase: bool = False) -> Edit:
    """An adapter as one edit of a model; zeros that pad its rank are left out.

    Raises InputError for an adapter of another model, unless `rebase`, and of other modules or shapes.
    """
    manifest = source.manifest
    if manifest is not None and not rebase and manifest.base.fingerprint != view.model_fingerprint():
        raise InputError(
            f"The adapter was made for {manifest.base.name} in {manifest.base.dtype} with weights "
            f"{manifest.base.fingerprint[:12]}…, {view.name} has others: take that model, or accept that the effect is "
            "another one (--rebase)."
        )
    layers = {projection.name: projection.layer for projection in view.structure.projections}
    deltas = []
    for module, (left, right) in adapter_file.load(source.directory).items():
        if module not in layers:
            raise InputError(
                f"The adapter changes {module!r}, which is no value projection of {view.name} (such as "
                f"{next(iter(layers))!r}): a ledger holds changes of these alone."
            )
        layer = layers[module]
        if (left.shape[0], right.shape[1]) != tuple(view.weight(layer).shape):
            raise InputError(
                f"The adapter has {(left.shape[0], right.shape[1])} for {module}, {view.name} has "
                f"{tuple(view.weight(layer).shape)}: take the model that it was made for."
            )
        delta = view.delta(layer, *without_zeros(left, right))  # refuses what is not finite
        if delta.rank:
            deltas.append(delta)
    if not deltas:
        raise InputError(f"The adapter in {source.directory} changes nothing: all of it is zero.")
    deltas.sort(key=lambda delta: delta.layer)
    facts = manifest.facts if manifest else ()
    settings = {"source": source.directory.name, "corrections": len(manifest.corrections) if manifest else None}
    return Edit(tuple(deltas), METHOD, tuple(dict.fromkeys(facts)), settings, versions=versions())


def _edits(source: Source, view: ModelView, rebase: bool) -> Sequence[Edit]:
    if source.kind == "adapter":
        return [adapter_edit(source, view, rebase)]
    store = Store.open(source.directory, None)
    try:
        found = [store.load(entry) for entry in store.entries() if entry.applied]
    finally:
        store.close()
    if not found:
        raise InputError(f"The ledger at {source.directory} has no applied edit: there is nothing to import.")
    return found


def _rebased(edit: Edit, view: ModelView) -> Edit:
    """The edit with this model's fingerprints; layers that it does not have stay for the ledger to refuse."""
    known = range(view.n_layers)
    stamped = (replace(d, base=view.layer_fingerprint(d.layer)) if d.layer in known else d for d in edit.deltas)
    return replace(edit, deltas=tuple(stamped))
