"""A model as lm-evaluation-harness asks for it: log-likelihoods and greedy text of the weights that are there now.

Departures from the harness's own model of transformers (`HFLM`, 0.4.13):

- Nothing is sampled: a task that asks for it is refused.
- The last token of a row counts among the model's most tokens, so a row too long for it holds one token less.
- The tokenizer's own beginning-of-sequence token is no part of a text whose likelihood is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, final

from lm_eval.api.model import LM  # pyright: ignore[reportMissingImports]
from lm_eval.models.utils import normalize_gen_kwargs  # pyright: ignore[reportMissingImports]
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window  # pyright: ignore[reportMissingImports]

from errata.errors import InputError
from errata.evaluation.likelihoods import likelihoods
from errata.model.scoring import target_likelihoods
from errata.model.tokens import Tokens, longest_row, start_id, token_ids
from errata.model.view import ModelView
from errata.model.writing import new_tokens, require_writing

LONGEST = 2048  # tokens of a row where nothing bounds the model's, as in HFLM
NEW_TOKENS = 256  # where the task does not say, as in HFLM
# What a task may say of generation; what shapes sampling alone plays no part.
UNDERSTOOD = frozenset({"until", "do_sample", "max_gen_toks", "temperature", "top_p", "top_k"})


@final
class HarnessModel(LM):  # pyright: ignore[reportUntypedBaseClass]
    """A ModelView for `lm_eval.evaluate`; what is applied to the view when it is asked counts."""

    def __init__(self, view: ModelView, batch_size: int = 64) -> None:
        super().__init__()
        require_writing(view)
        self._view = view
        self._batch_size = batch_size
        self._most = longest_row(view.model) or LONGEST

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Of every (context, continuation) its log-likelihood, and whether greedy decoding would write it."""
        return likelihoods(self._view, [request.args for request in requests], self._batch_size)

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        """Of every text its log-likelihood: windows as long as the model reads, every token scored once."""
        texts = [list(self._windows(request.args[0])) for request in requests]
        flat = target_likelihoods(self._view, [row for rows in texts for row in rows], self._batch_size)
        found = iter(flat)
        return [sum((next(found)[0] for _ in rows), start=0.0) for rows in texts]

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Behind every context what the model writes greedily, up to its end or the first text that is to end it."""
        found: dict[int, str] = {}
        groups: dict[str, list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(at)
        for places in groups.values():
            texts = self._written([requests[at].args[0] for at in places], requests[places[0]].args[1])
            found.update(zip(places, texts, strict=True))
        return [found[at] for at in range(len(requests))]

    def _windows(self, text: str) -> Iterator[Tokens]:
        tokenizer = self._view.tokenizer
        own = token_ids(tokenizer, "")
        front = own[-1] if own else start_id(tokenizer)
        ids = list(token_ids(tokenizer, text)[len(own) :])
        for window in get_rolling_token_windows(ids, front, max_seq_len=self._most - 1, context_len=1):
            context, scored = make_disjoint_window(window)
            yield Tokens((*context, *scored), len(context))

    def _written(self, contexts: Sequence[str], asked: dict[str, Any]) -> list[str]:
        settings: dict[str, Any] = dict(normalize_gen_kwargs(asked, NEW_TOKENS))
        unknown = sorted(set(settings) - UNDERSTOOD)
        if settings["do_sample"] or unknown:
            what = "sampling" if settings["do_sample"] else unknown[0]
            raise InputError(f"The task asks for {what} in its generation_kwargs: text is written greedily here.")
        most, stops = settings["max_gen_toks"], [stop for stop in settings["until"] if stop]
        room = self._most - most
        if room < 1:
            raise InputError(
                f"The task asks for {most} new tokens and {self._view.name} reads {self._most} in all: set "
                "max_gen_toks in the task's generation_kwargs."
            )
        tokenizer = self._view.tokenizer
        rows = [(token_ids(tokenizer, context) or (start_id(tokenizer),))[-room:] for context in contexts]

        def finished(text: str) -> bool:
            return any(stop in text for stop in stops)

        written = new_tokens(self._view, rows, most, finished, self._batch_size)
        return [_before(str(tokenizer.decode(new, skip_special_tokens=True)), stops) for new in written]


def _before(text: str, stops: Sequence[str]) -> str:
    """The text before the first of the stops."""
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]
