"""Keys and states at the subject's last token: what a value projection reads there, and what a block leaves there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from errata.facts import Fact
from errata.model.head import decoder_of
from errata.model.hooks import capture_inputs, capture_outputs, frozen
from errata.model.tokens import Tokens, encode_fact, pad, pad_id, position_arguments
from errata.model.view import ModelView

ROWS = 128


def subject_keys(
    view: ModelView, layers: Sequence[int], rows: Sequence[Tokens]
) -> dict[int, Float[Tensor, "rows d_ff"]]:
    """The key of each row at its subject's last token in each of the layers, float32."""
    return _at_subject(view, layers, [view.projection(layer) for layer in layers], rows, inputs=True)


def subject_states(view: ModelView, layer: int, rows: Sequence[Tokens]) -> Float[Tensor, "rows d_model"]:
    """h of each row at its subject's last token behind one block, float32."""
    return _at_subject(view, [layer], [view.structure.blocks[layer]], rows, inputs=False)[layer]


def mean_keys(
    view: ModelView, layers: Sequence[int], facts: Sequence[Fact], contexts: Sequence[str]
) -> dict[int, Float[Tensor, "facts d_ff"]]:
    """k* = mean over contexts of the key at the subject's last token, float64 on the CPU (ROME, eq. 3)."""
    rows = [encode_fact(view.tokenizer, fact, prefix=context) for fact in facts for context in contexts]
    found = subject_keys(view, layers, rows)
    return {
        layer: keys.double().cpu().view(len(facts), len(contexts), -1).mean(1) for layer, keys in found.items()
    }


@torch.no_grad()
def _at_subject(
    view: ModelView, layers: Sequence[int], modules: Sequence[nn.Module], rows: Sequence[Tokens], inputs: bool
) -> dict[int, Tensor]:
    found: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    capture = capture_inputs if inputs else capture_outputs
    for at in range(0, len(rows), ROWS):
        group = rows[at : at + ROWS]
        batch = pad([row.ids for row in group], pad_id(view.tokenizer), device=view.device)
        with frozen(view.model), capture(modules) as seen:
            decoder_of(view)(
                input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
            )
        last = torch.tensor([row.subject_last for row in group])
        for place, layer in enumerate(layers):
            states = seen[place].view(*batch.ids.shape, -1)
            found[layer].append(states[torch.arange(len(group)), last.to(states.device)].float())
    return {layer: torch.cat(parts) for layer, parts in found.items()}
