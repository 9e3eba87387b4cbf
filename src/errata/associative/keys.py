"""Keys: what the value projection of a layer reads at the subject's last token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from errata.model.hooks import capture_inputs, frozen
from errata.model.tokens import Tokens, pad, pad_id, position_arguments
from errata.model.view import ModelView


@torch.no_grad()
def subject_keys(
    view: ModelView, layer: int, rows: Sequence[Tokens], batch_size: int = 128
) -> Float[Tensor, "rows d_ff"]:
    """The key of each row at its subject's last token, float32."""
    found: list[Tensor] = []
    for at in range(0, len(rows), batch_size):
        group = rows[at : at + batch_size]
        batch = pad([row.ids for row in group], pad_id(view.tokenizer), device=view.device)
        with frozen(view.model), capture_inputs([view.projection(layer)]) as seen:
            view.model(
                input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
            )
        keys = seen[0].view(*batch.ids.shape, -1)
        last = [row.subject_last for row in group]
        found.append(keys[torch.arange(len(group)), torch.tensor(last)].float())
    return torch.cat(found)
