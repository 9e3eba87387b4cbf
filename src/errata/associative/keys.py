"""Keys and states at the subject's last token: what a value projection reads there, and what a block leaves there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from errata.facts import Fact
from errata.model.head import decoder_of
from errata.model.hooks import capture_inputs, capture_outputs, frozen
from errata.model.tokens import Tokens, encode_fact, pad, pad_id, position_arguments, require_room
from errata.model.view import ModelView

ROWS = 128


def subject_keys(
    view: ModelView, layers: Sequence[int], rows: Sequence[Tokens]
) -> dict[int, Float[Tensor, "rows d_ff"]]:
    """The key of each row at its subject's last token in each of the layers, float32."""
    found = _at_subject(view, [(view.projection(layer), True) for layer in layers], rows)
    return dict(zip(layers, found, strict=True))


def mean_keys(
    view: ModelView, layers: Sequence[int], facts: Sequence[Fact], contexts: Sequence[str]
) -> dict[int, Float[Tensor, "facts d_ff"]]:
    """k* = mean over contexts of the key at the subject's last token, float64 on the CPU (ROME, eq. 3)."""
    found = subject_keys(view, layers, _rows(view, facts, contexts))
    return {layer: _mean(keys, len(contexts)) for layer, keys in found.items()}


def keys_and_states(
    view: ModelView, layer: int, last: int, facts: Sequence[Fact], contexts: Sequence[str]
) -> tuple[Float[Tensor, "facts d_ff"], Float[Tensor, "facts d_model"]]:
    """k* of one layer, and h behind block `last` at the subject in the first context; float64 on the CPU."""
    read = [(view.projection(layer), True), (view.structure.blocks[last], False)]
    keys, states = _at_subject(view, read, _rows(view, facts, contexts))
    return _mean(keys, len(contexts)), states[:: len(contexts)].double().cpu()


def _rows(view: ModelView, facts: Sequence[Fact], contexts: Sequence[str]) -> list[Tokens]:
    return [encode_fact(view.tokenizer, fact, prefix=context) for fact in facts for context in contexts]


def _mean(keys: Tensor, contexts: int) -> Tensor:
    return keys.double().cpu().view(-1, contexts, keys.shape[-1]).mean(1)


@torch.no_grad()
def _at_subject(view: ModelView, read: Sequence[tuple[nn.Module, bool]], rows: Sequence[Tokens]) -> list[Tensor]:
    """Of every module what goes in (true) or comes out (false) at each row's subject's last token."""
    found: list[list[Tensor]] = [[] for _ in read]
    require_room(view.model, (row.ids for row in rows))
    ins, outs = [module for module, goes_in in read if goes_in], [module for module, goes_in in read if not goes_in]
    with frozen(view.model):
        for at in range(0, len(rows), ROWS):
            group = rows[at : at + ROWS]
            batch = pad([row.ids for row in group], pad_id(view.tokenizer), device=view.device)
            with capture_inputs(ins) as entered, capture_outputs(outs) as left:
                decoder_of(view)(
                    input_ids=batch.ids,
                    attention_mask=batch.mask,
                    use_cache=False,
                    **position_arguments(view.model, batch),
                )
            last = torch.tensor([row.subject_last for row in group])
            seen = {**{id(m): entered[i] for i, m in enumerate(ins)}, **{id(m): left[i] for i, m in enumerate(outs)}}
            for parts, (module, _) in zip(found, read, strict=True):
                states = seen[id(module)].view(*batch.ids.shape, -1)
                parts.append(states[torch.arange(len(group)), last.to(states.device)].float())
    return [torch.cat(parts) for parts in found]
