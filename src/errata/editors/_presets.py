"""Layers to edit in models whose layers somebody measured; for every other model a share of the depth.

A model is known by its shape: (model type, layers, d_model). Sources: Meng et al. 2022 (ROME) and 2023 (MEMIT),
released settings for GPT-2 XL and GPT-J; released settings for Llama-3-8B and Mistral-7B as the peers use them. Those
of the embedded models are ours (LOG.md, 2026-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from errata.associative.values import ValueSettings
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class Preset:
    """What a model is edited with where a method's own field is None.

    `one`        ROME's layer
    `spread`     MEMIT's layers
    `lambda_c`   MEMIT's λ
    `threshold`  AlphaEdit: eigenvalues of C below it are its null space
    `l2`         AlphaEdit's L₂
    `rome`       ROME's optimisation of v*;  `memit`: that of z
    `contexts`   tokens of each sampled context beside the bare prompt
    """

    one: int
    spread: tuple[int, ...]
    lambda_c: float | None = None
    threshold: float | None = None
    l2: float | None = None
    rome: ValueSettings = field(default_factory=ValueSettings)
    memit: ValueSettings = field(default_factory=ValueSettings)
    contexts: tuple[int, ...] = (5, 10)


def _values(steps: int, lr: float, weight_decay: float, clamp: float) -> ValueSettings:
    return ValueSettings(steps=steps, lr=lr, weight_decay=weight_decay, clamp=clamp)


def _published(one: int, spread: tuple[int, ...], lambda_c: float, rome: ValueSettings, memit: ValueSettings) -> Preset:
    """Released settings: ten contexts of 5 and ten of 10 tokens; AlphaEdit's threshold 2e-2 and L₂ = 10."""
    return Preset(one, spread, lambda_c, 2e-2, 10.0, rome, memit, (5,) * 10 + (10,) * 10)


_POCKET = _values(60, 2.0, 1e-3, 4.0)
_EMBEDDED = Preset(1, (0, 1, 2, 3), rome=_POCKET, memit=_POCKET, contexts=(5,))
_MEASURED: dict[tuple[str, int, int], Preset] = {
    ("gpt2", 48, 1600): _published(
        17, tuple(range(13, 18)), 20_000.0, _values(20, 0.5, 0.5, 4.0), _values(20, 0.5, 0.5, 0.75)
    ),
    ("gptj", 28, 4096): _published(
        5, tuple(range(3, 9)), 15_000.0, _values(20, 0.5, 0.5, 4.0), _values(25, 0.5, 0.5, 0.75)
    ),
    ("llama", 32, 4096): _published(
        5, tuple(range(4, 9)), 15_000.0, _values(25, 0.5, 1e-3, 4.0), _values(25, 0.1, 0.5, 0.75)
    ),
    ("mistral", 32, 4096): _published(
        5, tuple(range(4, 9)), 15_000.0, _values(25, 0.5, 1e-3, 4.0), _values(25, 0.5, 1e-3, 4.0)
    ),
    # The embedded models, and those that their training script makes of other width.
    **{(kind, 6, d_model): _EMBEDDED for kind in ("gpt2", "llama") for d_model in (128, 256, 384, 512)},
}


def preset(view: ModelView) -> Preset:
    """The model's preset; else a fifth of its depth for one layer, and the layers around it for several.

    Behind the last block nothing reads the subject's token any more, so it is left out where another is there.
    """
    known = _MEASURED.get((str(view.model.config.model_type), view.n_layers, view.d_model))
    if known is not None:
        return known
    one = round(0.2 * view.n_layers)
    return Preset(one, tuple(range(max(0, one - 1), max(one + 1, min(view.n_layers - 1, one + 2)))))
