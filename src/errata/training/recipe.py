"""How detectors are trained: the settings of each kind, with their defaults and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from errata.errors import InputError

# LAND's t of the embedded models: the paper's for GPT-2 and for Llama, whose blocks they have.
THRESHOLDS = {"pocket-gelu": 0.3, "pocket-swiglu": 0.2}


@dataclass(frozen=True)
class LandRecipe:
    """LAND's training.

    `threshold`         t, the share of the highest attribution that makes an input neuron (paper: 0.3 GPT-2, 0.2 Llama)
    `rank`              R (paper: 64)
    `epochs`            passes over the phrasings (paper: 3, over nine times as many facts)
    `batch`             phrasings a step (paper: 8)
    `learning_rate`     of Adam (paper: 1e-4)
    `counter_examples`  texts of other facts whose neurons leave a fact's target (the paper gives no number)
    `ratio`             size of the answer as a multiple of the input's, for which P is chosen (ours: 1.2, as table 7's)
    """

    threshold: float = 0.3
    rank: int = 64
    epochs: int = 3
    batch: int = 8
    learning_rate: float = 1e-4
    counter_examples: int = 1
    ratio: float = 1.2

    def __post_init__(self) -> None:
        _positive(self, "rank", "epochs", "batch", "learning_rate", "ratio", "threshold")
        if self.threshold > 1:
            raise InputError(f"The setting threshold is {self.threshold}: it is a share of the highest, at most 1.")


@dataclass(frozen=True)
class FactCodeRecipe:
    """The fact code's training; all of it is ours.

    `rank`           R: length of the code
    `steps`          steps of Adam, its rate rising over the first tenth and falling to nothing along a cosine
    `batch`          facts a step, two phrasings of each
    `learning_rate`  the highest
    `contrast`       μ, weight of InfoNCE
    `temperature`    of InfoNCE
    `sharpness`      β, how near a known code must be to be recalled
    `size`           neurons the detector answers
    """

    rank: int = 64
    steps: int = 1500
    batch: int = 48
    learning_rate: float = 1e-3
    contrast: float = 0.3
    temperature: float = 0.1
    sharpness: float = 20.0
    size: int = 20

    def __post_init__(self) -> None:
        _positive(self, "rank", "steps", "batch", "learning_rate", "temperature", "sharpness", "size")


def _positive(recipe: LandRecipe | FactCodeRecipe, *names: str) -> None:
    for name in names:
        if not getattr(recipe, name) > 0:
            raise InputError(f"The setting {name} is {getattr(recipe, name)}: give a number above 0.")
