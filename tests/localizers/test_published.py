"""The rivals of benchmarks/attribution.py compute what Errata does: the plain scheme and captum, in both precisions."""

import pytest
import torch

from benchmarks._machine import count_flops
from benchmarks._published import captum_scores, plain_scores
from errata.localizers._paths import path_scores
from errata.localizers._quadrature import quadrature
from errata.model.hooks import count_hooks
from errata.model.scoring import OBJECTIVES
from tests.tiny import tiny

ROW, TARGET = [5, 9, 77, 31, 200, 4, 8], 17


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt"])
@pytest.mark.parametrize("rule", [("riemann-right", 20), ("gauss-legendre", 6)])
def test_errata_the_published_scheme_and_captum_agree(architecture, rule, dtype):
    view = tiny(architecture, dtype=dtype)
    view.model.requires_grad_(False)
    plain = plain_scores(view, ROW, TARGET, quadrature(*rule))
    captum = captum_scores(view, ROW, TARGET, *rule)
    fast = path_scores(view, [ROW], [TARGET], quadrature(*rule), OBJECTIVES["probability"]).scores[0]
    scale = plain.abs().max()
    assert plain.shape == (view.n_layers, view.d_ff)
    assert scale > 0
    assert (captum - plain).abs().max() / scale < 1e-6
    assert (fast - plain).abs().max() / scale < 1e-5
    assert count_hooks(view.model) == 0


def test_one_layer_alone_scores_as_among_all():
    view = tiny("gpt2")
    view.model.requires_grad_(False)
    rule = quadrature("riemann-right", 4)
    whole = plain_scores(view, ROW, TARGET, rule)
    assert torch.equal(plain_scores(view, ROW, TARGET, rule, [1])[0], whole[1])


def test_the_operations_of_the_plain_scheme_are_counted_forward_and_backward():
    """Against the sum by hand: the maps of attention and feed-forward, attention itself, the head."""
    view = tiny("gpt2")
    view.model.requires_grad_(False)
    points, length, layers, d, f = 5, len(ROW), view.n_layers, view.d_model, view.d_ff
    attention, head = 4 * length**2 * d, 2 * length * d * view.model.config.vocab_size
    maps = 2 * length * (4 * d * d + 2 * d * f)
    forward = layers * (maps + attention) + head
    back_to = [head + 2 * length * d * f + above * (maps + attention * 5 // 2) for above in range(layers)]
    expected = layers * (1 + points) * forward + points * sum(back_to)
    assert count_flops(lambda: plain_scores(view, ROW, TARGET, quadrature("riemann-right", points))) == expected
