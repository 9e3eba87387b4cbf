"""How far each quadrature rule is from the integral: the published scheme and Errata's, both against float64."""

from __future__ import annotations

import copy
from typing import Any

import torch
from _published import plain_scores
from _shapes import Prompts
from torch import Tensor

from errata import ModelView
from errata.localizers._paths import path_scores
from errata.localizers._quadrature import quadrature
from errata.localizers.knowledge_neurons import DEFAULTS
from errata.model.scoring import OBJECTIVES

PROBABILITY = OBJECTIVES["probability"]
DEFAULT = DEFAULTS["gauss-legendre"]
PUBLISHED = ("riemann-right", 20)
REFERENCE = ("gauss-legendre", 300)
TABULATED, MOST = 8, 20  # Gauss–Legendre points: up to here in every table, and the most that are tried


def integration_errors(view: ModelView, prompts: Prompts) -> dict[str, Any]:
    """Errors of the published scheme, of the default and of 1, 2, … Gauss–Legendre points; how few are as good.

    error: largest |score − reference| of any layer and neuron, as a share of the prompt's largest |reference|;
    gap: largest |Σ scores − change| of any layer, as a share of the prompt's largest change.
    """
    exact = _reference(view, prompts)
    nodes = quadrature(*PUBLISHED)
    plain = torch.stack([plain_scores(view, *prompt, nodes) for prompt in _pairs(prompts)])
    published = _errors(plain, *exact)
    rule = quadrature("gauss-legendre", DEFAULT[0])
    default = path_scores(view, prompts.rows, prompts.targets, rule, PROBABILITY, tolerance=DEFAULT[1])
    gauss: dict[int, dict[str, Any]] = {}
    enough = None
    for points in range(1, MOST + 1):
        rule = quadrature("gauss-legendre", points)
        found = path_scores(view, prompts.rows, prompts.targets, rule, PROBABILITY).scores
        gauss[points] = _errors(found, *exact)
        both = zip(gauss[points]["errors"], published["errors"], strict=True)
        if enough is None and all(own <= other for own, other in both):
            enough = points
        if enough is not None and points >= TABULATED:
            break
    return {
        "model": view.name,
        "prompts": len(prompts.rows),
        "tokens": sorted({len(row) for row in prompts.rows}),
        "reference": {"rule": REFERENCE[0], "points": REFERENCE[1], "dtype": "float64"},
        "mean_change": float(exact[1].mean()),
        "published": {"rule": PUBLISHED[0], "points": PUBLISHED[1], **published},
        "default": {"points": DEFAULT[0], "tolerance": DEFAULT[1], **_errors(default.scores, *exact)},
        "gauss_legendre": gauss,
        "gauss_points_as_good_on_every_prompt": enough,
    }


def _reference(view: ModelView, prompts: Prompts) -> tuple[Tensor, Tensor]:
    """Scores and changes by many points, with a copy of the model in float64."""
    double = ModelView(copy.deepcopy(view.model).double(), view.tokenizer, name=view.name)
    found = path_scores(double, prompts.rows, prompts.targets, quadrature(*REFERENCE), PROBABILITY)
    return found.scores.double(), found.change.double()


def _errors(scores: Tensor, exact: Tensor, change: Tensor) -> dict[str, Any]:
    errors = (scores - exact).abs().amax((1, 2)) / exact.abs().amax((1, 2))
    gaps = (scores.double().sum(-1) - change).abs().amax(1) / change.abs().amax(1)
    return {
        "mean_error": float(errors.mean()),
        "largest_error": float(errors.max()),
        "mean_gap": float(gaps.mean()),
        "largest_gap": float(gaps.max()),
        "errors": errors.tolist(),
    }


def _pairs(prompts: Prompts) -> list[tuple[list[int], int]]:
    return list(zip(prompts.rows, prompts.targets, strict=True))
