"""What a neuron's value vector writes towards a token by itself: its direct effect on the logit, without a gradient.

    score_i^(l) = Σ_j k_{t_j,i}^(l) · (W_i^(l) · U_{o_j})

W_i `[d_model]` is column i of W, U_o the output embedding row of token o, and t_j the position that predicts token j
of the fact's answer or target. No later layer and no norm takes part. Source: Pan et al. 2025 (FiNE), arXiv
2503.01090: o is the model's own top token at each position of the new target, the five best neurons are kept for each
token, the last three layers are left out.

Departures: by default the top share p of the summed scores is kept, of all layers, at the answer's positions, so that
localizers are compared at equal number; FiNE's choice is `per_token=5, last_layers=3, attributed="target"`, with which
the editor `fine` finds its neurons. Of a model with fewer than six layers half are left out. Behind a norm that follows
the feed-forward network (Gemma, OLMo 2), W_i is taken as it is, unnormed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
from errata.facts import Fact
from errata.localizers._asked import Row, attributed_to, rows_of, watched
from errata.localizers._selection import top_share
from errata.methods import Localizer, settings_of
from errata.model.head import answer_directions, decoder_of, head_logits
from errata.model.hooks import capture_inputs, frozen
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet


@dataclass(frozen=True)
class ValueVectors(Localizer):
    """Activation times value vector · output embedding.

    `share`        p, share of all neurons to keep
    `per_token`    neurons to keep for each token of the answer instead (FiNE: 5)
    `last_layers`  layers at the end of which none is kept (FiNE: 3), half of the layers at most
    `attributed`   whose tokens' positions are read: the fact's answer or its target (FiNE)
    `own`          o is the model's own best token at each of them (FiNE), not the answer's or target's
    """

    share: float = 0.03
    per_token: int | None = None
    last_layers: int = 0
    attributed: str = "answer"
    own: bool = True

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Direct effects `[layers, d_ff]` on each fact's logits.

        Raises InputError for a setting that cannot be used, and for a model whose output embedding is of another width.
        """
        if self.last_layers < 0:
            raise InputError(f"{self.last_layers} last layers cannot be left out: give 0 or more.")
        if self.per_token is not None and self.per_token < 1:
            raise InputError(f"{self.per_token} neurons a token are none: keep at least 1.")
        answers = attributed_to(view, facts, self.attributed)
        found: list[Attribution] = []
        for row, answer in zip(watched(rows_of(view, facts, answers)), answers, strict=True):
            by_token = self._effects(view, row)
            scores = by_token.sum(0)
            chosen = self._chosen(scores, by_token)
            found.append(Attribution(scores, None, chosen, self.name, "logit", answer, settings_of(self)))
        return found

    @torch.no_grad()
    def _effects(self, view: ModelView, row: Row) -> Float[Tensor, "tokens layers d_ff"]:
        ids, at = torch.tensor([row.ids], device=view.device), list(row.at)
        modules = [projection.module for projection in view.structure.projections]
        with frozen(view.model), capture_inputs(modules) as seen:
            states = decoder_of(view)(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)[0]
            best = head_logits(view, states[0, at]).argmax(-1).tolist()
        rows = answer_directions(view)[best if self.own else list(row.targets)].float()
        effects: list[Tensor] = []
        for layer in range(view.n_layers):
            keys = view.ranks.part(seen[layer].reshape(len(row.ids), -1))[at].float()
            effects.append((keys * view.pull_back(layer, rows).to(keys)).cpu())
        return view.ranks.whole(torch.stack(effects, dim=1))

    def _chosen(self, scores: Tensor, by_token: Tensor) -> NeuronSet:
        inside = len(scores) - min(self.last_layers, len(scores) // 2)
        sets = (
            [top_share(scores[:inside], self.share)]
            if self.per_token is None
            else [NeuronSet.top(own[:inside], self.per_token) for own in by_token]
        )
        return NeuronSet(len(scores), scores.shape[1], frozenset(neuron for own in sets for neuron in own))


METHOD = ValueVectors
