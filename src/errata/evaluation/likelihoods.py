"""log p(continuation | context), split into tokens as lm-evaluation-harness splits them.

    tokens of the context         those that it has alone, without the white space at its end
    tokens of the continuation    what follows so many tokens in the tokens of both together

The white space at a context's end belongs to the continuation. Where the two share a token, it counts as the context's.
An empty context is the token that stands for the beginning: what the tokenizer puts in front of any text by itself, or
else its beginning-of-sequence token, or else its end-of-sequence token.

Source: `TemplateLM._encode_pair` and `loglikelihood` of lm-evaluation-harness 0.4.13. Departures: what a tokenizer adds
behind a text is dropped; a context too long for the model loses its first tokens at the model's most tokens in all, the
last included, where the harness has room for one more.
"""

from __future__ import annotations

from collections.abc import Sequence

from errata.errors import InputError
from errata.model.scoring import target_likelihoods
from errata.model.tokens import Tokens, longest_row, start_id, token_ids
from errata.model.view import ModelView
from errata.model.writing import require_writing


def likelihoods(view: ModelView, pairs: Sequence[tuple[str, str]], batch_size: int = 64) -> list[tuple[float, bool]]:
    """Of every (context, continuation): Σ log p of its tokens in nats, and whether greedy decoding would write them."""
    require_writing(view)
    return target_likelihoods(view, [fitting(view, split(view, *pair)) for pair in pairs], batch_size)


def split(view: ModelView, context: str, continuation: str) -> Tokens:
    """The tokens of both, split by the rule above; raises InputError for a continuation without tokens of its own."""
    kept = context.rstrip()
    continuation = context[len(kept) :] + continuation
    own = token_ids(view.tokenizer, "")
    alone = token_ids(view.tokenizer, kept) if kept else own or (start_id(view.tokenizer),)
    whole = token_ids(view.tokenizer, kept + continuation)
    if not kept and not own and whole[:1] != alone:
        whole = (*alone, *whole)
    if len(whole) <= len(alone):
        raise InputError(f"{continuation!r} has no tokens of its own behind {kept[-40:]!r}: give another continuation.")
    return Tokens(whole, len(alone))


def fitting(view: ModelView, row: Tokens) -> Tokens:
    """The row without the first tokens of its context that the model has no room for; raises InputError for too few."""
    surplus = len(row.ids) - (longest_row(view.model) or len(row.ids))
    if surplus <= 0:
        return row
    if surplus >= row.n_prompt:
        raise InputError(f"A continuation of {len(row.target)} tokens is too long for {view.name}: give a shorter one.")
    return Tokens(row.ids[surplus:], row.n_prompt - surplus)
