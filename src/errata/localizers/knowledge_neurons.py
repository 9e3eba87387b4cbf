"""Knowledge neurons: integrated gradients on feed-forward neurons at the last prompt position.

    P_x(ŵ)  = p(y* | x, w = ŵ)                                                                     (1)
    Attr(w) = w̄ ∫₀¹ ∂P_x(αw̄)/∂w dα  ≈  w̄ Σ_j weight_j ∂P_x(α_j w̄)/∂w                              (2, 3)
    keep the neurons with Attr ≥ t · max over all layers and neurons

w is one layer's post-activation neurons, the value projection's input, all scaled together. Sources: Dai et al. 2022
(Knowledge Neurons, eqs. 2–4); Wu et al. 2025 (LAND, eqs. 1–3).

Departures: Gauss–Legendre instead of the right Riemann sum by default (`rule="riemann-right", steps=20` is the
papers'). An answer of several tokens: each is scored at its own position behind the gold prefix, and the scores add
up. Without a given answer, the model's own greedy answer is attributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from tqdm.auto import tqdm

from errata.errors import InputError
from errata.facts import Fact
from errata.localizers._paths import by_length, growing_pass, plain_pass
from errata.localizers._quadrature import quadrature
from errata.methods import Localizer, settings_of
from errata.model.prefix import keeps_keys
from errata.model.scoring import answer_of, generate, objective, token_jobs
from errata.model.tokens import encode_fact
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet


@dataclass(frozen=True)
class KnowledgeNeurons(Localizer):
    """Integrated gradients of an answer's probability along each layer's neurons.

    `rule`       quadrature: gauss-legendre or riemann-right
    `steps`      m, path points a layer (the papers: 20, right Riemann)
    `threshold`  t, share of the highest score a neuron must reach (Dai: 0.2; LAND: 0.3 GPT-2, 0.2 Llama)
    `objective`  probability (the papers) or log_probability, in nats
    `algorithm`  growing (one forward, one backward) or plain (straight from the equations, for comparison)
    `batch`      single-token predictions scored together
    """

    rule: str = "gauss-legendre"
    steps: int = 20
    threshold: float = 0.2
    objective: str = "probability"
    algorithm: Literal["growing", "plain"] = "growing"
    batch: int = 16

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Attribute each fact's answer; scores `[layers, d_ff]` add up to f(x) − f(0) in every layer."""
        if not 0 < self.threshold <= 1:
            raise InputError(f"The threshold {self.threshold} is outside (0, 1]: it is a share of the highest score.")
        rule, value = quadrature(self.rule, self.steps), objective(self.objective)
        answers = [fact.answer for fact in facts]
        unknown = [i for i, answer in enumerate(answers) if answer is None]
        for i, text in zip(unknown, generate(view, [facts[i].text for i in unknown]), strict=True):
            answers[i] = answer_of(text)
            if not answers[i]:
                raise InputError(f"The model gives no answer to {facts[i].text!r}: say which answer to attribute.")
        given = [answer or "" for answer in answers]
        rows = [encode_fact(view.tokenizer, fact, answer) for fact, answer in zip(facts, given, strict=True)]
        jobs = token_jobs(rows)
        scores = torch.zeros(len(facts), view.n_layers, view.d_ff)
        change = torch.zeros(len(facts), view.n_layers)
        run = growing_pass if self.algorithm == "growing" and keeps_keys(view) else plain_pass
        groups = by_length(jobs.ids, self.batch)
        for group in tqdm(groups, desc="attributing", unit="batch", disable=None if len(groups) > 4 else True):
            ids = torch.tensor([jobs.ids[i] for i in group], device=view.device)
            targets = torch.tensor([jobs.targets[i] for i in group], device=view.device)
            found = run(view, ids, targets, rule, value)
            for place, i in enumerate(group):
                scores[jobs.owner[i]] += found.scores[place]
                change[jobs.owner[i]] += found.change[place]
        return [self._attribution(scores[i], change[i], answer) for i, answer in enumerate(given)]

    def _attribution(self, scores: torch.Tensor, change: torch.Tensor, answer: str) -> Attribution:
        gap = float((scores.double().sum(-1) - change.double()).abs().max())
        return Attribution(
            scores=scores,
            change=change,
            neurons=NeuronSet.above(scores, self.threshold, gap),
            method=self.name,
            objective=self.objective,
            answer=answer,
            settings=settings_of(self),
        )


METHOD = KnowledgeNeurons
