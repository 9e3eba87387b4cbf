"""The public names, each imported when it is first asked for: help and completion come without PyTorch."""

from .deltas import Edit, WeightDelta
from .errors import ErrataError
from .facts import Case, Fact, Probe
from .ledger import Ledger
from .methods import Editor, Localizer, editor, localizer
from .model.load import load, pocket
from .model.view import ModelView
from .neurons import Attribution, NeuronSet

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
