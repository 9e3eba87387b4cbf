"""What the localizers with a detector share: the detector of a model, and what is found before it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained, shipped
from errata.errors import InputError
from errata.facts import Fact
from errata.methods import localizer
from errata.model.view import ModelView
from errata.neurons import Attribution


def detector_for(view: ModelView, kind: str, path: str | None) -> Trained:
    """The detector at `path`, or the one shipped with an embedded model.

    Raises InputError where there is none, and for one of another kind or of another model.
    """
    file = Path(path) if path is not None else shipped(kind, view.name)
    if file is None:
        raise InputError(
            f"No {kind} detector comes with {view.name}: train one (errata train {kind} MODEL --out FILE) and name it "
            "with the setting detector=FILE."
        )
    found = Trained.load(file)
    if found.kind != kind:
        raise InputError(f"{file} holds a {found.kind} detector, not {kind}: give the other method, or another file.")
    shape = (view.n_layers, view.d_ff)
    if found.weights.shape[:2] != shape or (view.editable and found.fingerprint != view.model_fingerprint()):
        raise InputError(
            f"{file} was trained for another model ({found.provenance.get('model', 'unnamed')}), not {view.name}: "
            f"train one for this model (errata train {kind})."
        )
    return found


def identified(view: ModelView, facts: Sequence[Fact]) -> tuple[list[Attribution], Strengths]:
    """Attributions of the facts, and their strengths: what a detector reads."""
    found = localizer("knowledge_neurons").attribute(view, facts)
    return found, Strengths.of([attribution.scores for attribution in found])
