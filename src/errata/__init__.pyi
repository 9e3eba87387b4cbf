"""The public names."""

from errata.deltas import Edit, WeightDelta
from errata.errors import ErrataError
from errata.facts import Case, Fact, Probe
from errata.ledger import Ledger
from errata.methods import Editor, Localizer, editor, localizer
from errata.model.load import load, pocket
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet

__all__ = [
    "Attribution",
    "Case",
    "Edit",
    "Editor",
    "ErrataError",
    "Fact",
    "Ledger",
    "Localizer",
    "ModelView",
    "NeuronSet",
    "Probe",
    "WeightDelta",
    "editor",
    "load",
    "localizer",
    "pocket",
]
