"""Layers to edit in models whose layers somebody measured; for every other model a share of the depth.

A model is known by its shape: (model type, layers, d_model). Sources: Meng et al. 2022 (ROME) and 2023 (MEMIT), released
settings for GPT-2 XL and GPT-J; released settings for Llama-3-8B and Mistral-7B as the peers use them. The embedded models
are ours: chosen on facts that no result uses (LOG.md, 2026-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass

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
    rome: ValueSettings = ValueSettings()
    memit: ValueSettings = ValueSettings()
    contexts: tuple[int, ...] = (5, 10)


def _values(steps: int, lr: float, weight_decay: float, clamp: float) -> ValueSettings:
    return ValueSettings(steps=steps, lr=lr, weight_decay=weight_decay, clamp=clamp)


_TWENTY = (5,) * 10 + (10,) * 10
_POCKET = _values(60, 2.0, 1e-3, 4.0)
_EMBEDDED = Preset(1, (0, 1, 2), rome=_POCKET, memit=_POCKET, contexts=(5,))
_MEASURED: tuple[tuple[tuple[str, int, int], Preset], ...] = (
    (
        ("gpt2", 48, 1600),
        Preset(
            17,
            (13, 14, 15, 16, 17),
            20_000.0,
            2e-2,
            10.0,
            _values(20, 0.5, 0.5, 4.0),
            _values(20, 0.5, 0.5, 0.75),
            _TWENTY,
        ),
    ),
    (
        ("gptj", 28, 4096),
        Preset(
            5,
            (3, 4, 5, 6, 7, 8),
            15_000.0,
            2e-2,
            10.0,
            _values(20, 0.5, 0.5, 4.0),
            _values(25, 0.5, 0.5, 0.75),
            _TWENTY,
        ),
    ),
    (
        ("llama", 32, 4096),
        Preset(
            5, (4, 5, 6, 7, 8), 15_000.0, 2e-2, 10.0, _values(25, 0.5, 1e-3, 4.0), _values(25, 0.1, 0.5, 0.75), _TWENTY
        ),
    ),
    (
        ("mistral", 32, 4096),
        Preset(
            5, (4, 5, 6, 7, 8), 15_000.0, 2e-2, 10.0, _values(25, 0.5, 1e-3, 4.0), _values(25, 0.5, 1e-3, 4.0), _TWENTY
        ),
    ),
    (("gpt2", 6, 256), _EMBEDDED),
    (("llama", 6, 256), _EMBEDDED),
)


def preset(view: ModelView) -> Preset:
    """The model's preset; else a fifth of its depth for one layer, and the layers around it for several."""
    config = view.model.config
    shape = str(config.model_type), view.n_layers, view.d_model
    for known, found in _MEASURED:
        if known == shape:
            return found
    one = round(0.2 * view.n_layers)
    return Preset(one, tuple(range(max(0, one - 1), min(view.n_layers, one + 2))))
