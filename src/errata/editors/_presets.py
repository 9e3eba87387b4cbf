"""Layers to edit in models whose layers somebody measured; for every other model a share of the depth.

A model is known by its shape: (model type, layers, d_model). Sources: Meng et al. 2022 (ROME) and 2023 (MEMIT), released
settings for GPT-2 XL and GPT-J; Fang et al. 2025 (AlphaEdit), released settings for Llama-3-8B; Cai and Cao 2024 use
Mistral-7B with the layers of Llama. The embedded models: `errata layers` (LOG.md, 2026-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass

from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class Preset:
    """What a model is edited with where a method's own field is None.

    `one`        ROME's layer
    `spread`     MEMIT's layers
    `lambda_c`   MEMIT's λ
    `threshold`  AlphaEdit: eigenvalues of C below it are its null space
    `l2`         AlphaEdit's L₂
    """

    one: int
    spread: tuple[int, ...]
    lambda_c: float | None = None
    threshold: float | None = None
    l2: float | None = None


_MEASURED: tuple[tuple[tuple[str, int, int], Preset], ...] = (
    (("gpt2", 48, 1600), Preset(17, (13, 14, 15, 16, 17), 20_000.0, 2e-2, 10.0)),
    (("gptj", 28, 4096), Preset(5, (3, 4, 5, 6, 7, 8), 15_000.0, 2e-2, 10.0)),
    (("llama", 32, 4096), Preset(5, (4, 5, 6, 7, 8), 15_000.0, 2e-2, 10.0)),
    (("mistral", 32, 4096), Preset(5, (4, 5, 6, 7, 8), 15_000.0, 2e-2, 10.0)),
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
