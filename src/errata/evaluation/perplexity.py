"""Perplexity of a model, as it now is, on a text: how surprised it is, a token and a byte.

    t_0                what stands for the beginning: the token that the tokenizer puts in front of any text by itself,
                       or else its beginning-of-sequence token, or else its end-of-sequence token
    t_1 … t_N          the tokens of the whole text, every space and line break of it
    window k           t_kS … t_(kS + W − 1): `width` W tokens, `stride` S ≤ W apart
    nats               −Σ log p(t_i | the tokens before t_i in the first window that has one), over every such t_i
    perplexity         exp(nats / number of these t_i)
    bits a byte        nats / (ln 2 · bytes of the text in UTF-8)

With S < W every token t_1 … t_N is scored, exactly once, and all but those of the first window behind at least W − S
others. S = W is the cheapest and knows least: the first token of every later window has nothing in front and is not
scored, and there are no bits a byte. Perplexity a token depends on the tokenizer: between models compare bits a byte.

The interval is that of a ratio, with windows as the units that were drawn, linearised (Cochran 1977, chapter 6):

    r = Σx_k / Σn_k ,   s² = K/(K − 1) · Σ(x_k − r n_k)² / (Σn_k)² ,   exp(r ± z s)

x_k the nats and n_k the tokens of window k. Windows of one text are neighbours, so it is rather too narrow.

Sources: the strided evaluation of GPT-2 (Radford et al. 2019) as transformers documents it; t_0 and bits a byte as in
lm-evaluation-harness. Departures: the last window is not moved back to be full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from typing import Any

from errata.errors import InputError
from errata.model.scoring import target_log_probs
from errata.model.tokens import Tokens, longest_row, start_id, token_ids
from errata.model.view import ModelView
from errata.model.writing import require_writing
from errata.scores import Z95

PROTOCOL = "held-out text"
WIDTH = 1024
# Tokens of windows that go through the model in one pass: logits of a vocabulary each.
AT_ONCE = 2048


@dataclass(frozen=True, slots=True)
class Perplexity:
    """What was measured on one text: nats and tokens of every window, in order, and the text's bytes.

    `bytes` is None where some token was not scored.
    """

    width: int
    stride: int
    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    bytes: int | None

    @property
    def per_token(self) -> float:
        """exp(nats / tokens); infinite where the model is broken."""
        return per_token(sum(self.nats), sum(self.tokens))

    @property
    def bits_per_byte(self) -> float | None:
        """Nats / (ln 2 · bytes); None where some token was not scored."""
        return None if self.bytes is None else sum(self.nats) / (log(2) * self.bytes)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of `per_token`; None for a single window and for a broken model."""
        count, total, mean = len(self.nats), sum(self.tokens), sum(self.nats) / sum(self.tokens)
        if count < 2 or not isfinite(self.per_token):
            return None
        squares = sum((nats - mean * tokens) ** 2 for nats, tokens in zip(self.nats, self.tokens, strict=True))
        half = Z95 * sqrt(count / (count - 1) * squares) / total
        return per_token(sum(self.nats) - half * total, total), per_token(sum(self.nats) + half * total, total)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; of a broken model the numbers are None, and `broken` is true."""
        broken = not isfinite(self.per_token)
        bits, interval = self.bits_per_byte, self.interval
        return {
            "protocol": PROTOCOL,
            "direction": "lower",
            "perplexity": None if broken else self.per_token,
            "interval": None if interval is None or not isfinite(interval[1]) else list(interval),
            "bits_per_byte": None if broken else bits,
            "broken": broken,
            "tokens": sum(self.tokens),
            "bytes": self.bytes,
            "windows": len(self.tokens),
            "width": self.width,
            "stride": self.stride,
        }


def perplexity(view: ModelView, text: str, width: int | None = None, stride: int | None = None) -> Perplexity:
    """Measure a model on a text, in windows of `width` tokens (its own most, but 1,024) `stride` apart (half of that).

    Raises InputError for an empty text and for windows that cannot be, UnsupportedModelError for a model that fills
    masks.
    """
    require_writing(view)
    width, stride = _sizes(view, width, stride)
    own = token_ids(view.tokenizer, "")
    front = own or (start_id(view.tokenizer),)
    body = token_ids(view.tokenizer, text)[len(own) :]
    if not body:
        raise InputError("The text holds no tokens: give held-out text for the perplexity.")
    rows = windows((*front, *body), width, stride, len(front))
    found = nats(view, rows, max(1, AT_ONCE // width))
    whole = sum(len(row.target) for row in rows) == len(body)
    return Perplexity(
        width, stride, tuple(found), tuple(len(row.target) for row in rows), len(text.encode()) if whole else None
    )


def windows(ids: Sequence[int], width: int, stride: int, given: int = 1) -> list[Tokens]:
    """The windows of a row of tokens that score any: a window's target are its tokens that no earlier one scored.

    The first `given` tokens of all, and any window's first, are scored by none.
    """
    found: list[Tokens] = []
    done = given
    for at in range(0, len(ids), stride):
        row, first = tuple(ids[at : at + width]), max(done, at + 1)
        if first < at + len(row):
            found.append(Tokens(row, first - at))
            done = at + len(row)
    return found


def nats(view: ModelView, rows: Sequence[Tokens], batch_size: int = 16) -> list[float]:
    """−Σ log p of every row's target."""
    return [-float(found.double().sum()) for found in target_log_probs(view, rows, batch_size)]


def per_token(total: float, count: int) -> float:
    """exp(total / count); infinite where that is not a number or has no bound."""
    mean = total / count
    return exp(mean) if isfinite(mean) and mean < 700 else float("inf")


def _sizes(view: ModelView, width: int | None, stride: int | None) -> tuple[int, int]:
    most = longest_row(view.model)
    width = min(WIDTH, most or WIDTH) if width is None else width
    stride = max(1, width // 2) if stride is None else stride
    if width < 2 or (most is not None and width > most):
        upper = "" if most is None else f" to {most}, which is all that {view.name} reads at once"
        raise InputError(f"A window of {width} tokens cannot be: give a width from 2{upper}.")
    if not 1 <= stride <= width:
        raise InputError(f"Windows of {width} tokens cannot be {stride} apart: give a stride from 1 to {width}.")
    return width, stride
