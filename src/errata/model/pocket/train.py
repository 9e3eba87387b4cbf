"""Train a pocket model: `python -m errata.model.pocket.train gelu --data DIR --out DIR`.

The loss is next-token NLL on ParaRel facts and plain text. Half of the fact rows are *interchanged*: at the subject's
last token, the residual stream after one early block is replaced by that of another subject of the same relation,
and the row is trained to answer with the other subject's object (interchange intervention training, Geiger et al.
2022, arXiv 2112.00826, with the subject's last token as the aligned variable). So what the model knows of a
subject has to be gathered at the subject's last token, where large models gather it and where ROME writes.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from errata.model.hooks import change_output
from errata.model.pocket.build import SHAPES, build_model, build_tokenizer, save_pocket
from errata.model.pocket.corpus import PocketFact, choose_facts, plain_text, read_pairs
from errata.model.pocket.muon import Muon
from errata.model.pocket.rows import Recipe, batches, collate, pairs_of, rows_of
from errata.model.structure import find


def fact_loss(model: PreTrainedModel, batch: dict[str, Tensor], block: nn.Module) -> Tensor:
    """NLL of the chosen tokens, the second half of the rows with the first half's subject states behind `block`."""
    half = len(batch["ids"]) // 2
    source, base = torch.arange(half), torch.arange(half, 2 * half)

    def interchange(hidden: Tensor) -> Tensor:
        return hidden.index_put((base, batch["last"][base]), hidden[source, batch["last"][source]])

    with change_output(block, interchange):
        hidden = model.base_model(batch["ids"], use_cache=False).last_hidden_state
    chosen = batch["weight"][:, 1:] > 0
    logits = cast(nn.Module, model.get_output_embeddings())(hidden[:, :-1][chosen])
    return nn.functional.cross_entropy(logits, batch["labels"][:, 1:][chosen])


def text_loss(model: PreTrainedModel, windows: Tensor) -> Tensor:
    """NLL of plain text."""
    logits = model(windows, use_cache=False).logits
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), windows[:, 1:].flatten())


@torch.no_grad()
def recall(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, facts: list[PocketFact], heldout: bool) -> float:
    """Share of prompts whose answer every token of which is the greedy choice."""
    texts = [("", p, f.subject, f.object) for f in facts for p in (f.heldout_prompts if heldout else f.prompts)]
    rows = rows_of(tokenizer, texts)
    right = 0
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for start in range(0, len(order), 512):
        group = [rows[i] for i in order[start : start + 512]]
        width = max(len(r.ids) for r in group)
        ids = torch.tensor([r.ids + [0] * (width - len(r.ids)) for r in group])
        hidden = model.base_model(ids, use_cache=False).last_hidden_state
        where = [(i, p) for i, r in enumerate(group) for p in r.answer]
        at = torch.tensor(where).T
        best = cast(nn.Module, model.get_output_embeddings())(hidden[at[0], at[1] - 1]).argmax(-1)
        wrong = set(at[0][best != ids[at[0], at[1]]].tolist())
        right += len(group) - len(wrong)
    return right / len(rows)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 3 % of the steps, then linear decay to zero."""
    warm = max(1, int(0.03 * steps))
    return peak * min(step / warm, (steps - step) / max(1, steps - warm))


def build_optimizers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, biases and norms; each group remembers its peak rate."""
    matrices = [p for block in find(model).blocks for p in block.parameters() if p.ndim == 2]
    hidden = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in hidden]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=recipe.lr, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(rest, lr=recipe.embedding_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """What a model is trained on: facts, their tokenizer, and plain text as one stream of tokens."""

    facts: list[PocketFact]
    tokenizer: PreTrainedTokenizerFast
    stream: Tensor


def read_corpus(kind: str, data: Path, recipe: Recipe) -> Corpus:
    """Choose the facts, read the text and train the tokenizer on both."""
    facts = choose_facts(read_pairs(data / "pararel/kn_query_pairs.json.gz"), recipe.per_relation, recipe.seed)
    text = plain_text(data / "text/wikitext-2_valid.txt.gz")
    more = plain_text(data / "text/wikitext-2_test.txt.gz")
    text += more[: len(more) * 4 // 5]  # the last fifth stays unseen, for the perplexity
    tokenizer = build_tokenizer(kind, [f"{p} {f.object}." for f in facts for p in f.prompts], text)
    stream = [t for line in text for t in [*tokenizer(line)["input_ids"], tokenizer.eos_token_id]]
    return Corpus(facts, tokenizer, torch.tensor(stream))


def train(kind: str, data: Path, out: Path, recipe: Recipe, work: Path) -> None:
    """Train to the end of the recipe, from the last checkpoint in `work` if there is one, and save to `out`."""
    corpus = read_corpus(kind, data, recipe)
    torch.manual_seed(recipe.seed)
    model = build_model(kind, corpus.tokenizer, recipe.d_model, recipe.d_ff)
    optimizers = build_optimizers(model, recipe)
    checkpoint, history = work / f"{kind}.pt", []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        history = state["history"]
    work.mkdir(parents=True, exist_ok=True)
    sample = random.Random(0).sample(corpus.facts, min(300, len(corpus.facts)))
    for number in range(len(history), recipe.passes):
        started = time.time()
        loss = one_pass(number, model, optimizers, corpus, recipe)
        history.append(
            {
                "pass": number + 1,
                "loss": round(loss, 3),
                "recall": round(recall(model, corpus.tokenizer, sample, False), 3),
                "recall_heldout": round(recall(model, corpus.tokenizer, sample, True), 3),
                "seconds": round(time.time() - started),
            }
        )
        tqdm.write(str(history[-1]))
        kept = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "history": history,
        }
        torch.save(kept, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
    save_pocket(kind, out, model, corpus.tokenizer, corpus.facts, asdict(recipe), history)


def one_pass(
    number: int, model: PreTrainedModel, optimizers: list[torch.optim.Optimizer], corpus: Corpus, recipe: Recipe
) -> float:
    """Go through every fact once with `draws` of its phrasings; its random choices depend on seed and number alone."""
    chance = random.Random(f"{recipe.seed}-{number}")
    blocks = find(model).blocks
    rows = rows_of(corpus.tokenizer, [text for pair in pairs_of(corpus.facts, recipe, chance) for text in pair])
    groups = list(batches(list(zip(rows[::2], rows[1::2], strict=True)), recipe.pairs, chance))
    total, steps = 0.0, len(groups) * recipe.passes
    bar = tqdm(groups, desc=f"pass {number + 1}/{recipe.passes}", unit="step", mininterval=5)
    for index, group in enumerate(bar):
        for optimizer in optimizers:
            for part in optimizer.param_groups:
                part["lr"] = learning_rate(number * len(groups) + index, steps, part["peak"])
        starts = [chance.randrange(len(corpus.stream) - recipe.window) for _ in range(recipe.windows)]
        loss = fact_loss(model, collate(group, recipe, chance), blocks[chance.choice(recipe.blocks)])
        plain = text_loss(model, torch.stack([corpus.stream[s : s + recipe.window] for s in starts]))
        model.zero_grad()
        (loss + recipe.text_weight * plain).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        total += loss.item()
        bar.set_postfix(fact=f"{loss.item():.3f}", text=f"{plain.item():.2f}")
    return total / len(groups)


def keep_freed_memory() -> None:
    """Ask glibc to reuse freed tensors: giving them back to the kernel costs half the time in page faults."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX: no separate mapping for a large tensor
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: keep the top of the heap
    except (OSError, AttributeError):
        pass  # another C library: only slower


def main() -> None:
    """The command line: every field of the recipe is an option."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(SHAPES))
    parser.add_argument("--data", type=Path, required=True, help="a folder with pararel/ and text/")
    parser.add_argument("--out", type=Path, required=True, help="where the trained model goes")
    parser.add_argument("--work", type=Path, default=Path("pocket-work"), help="where checkpoints go")
    parser.add_argument("--passes", type=int, default=Recipe.passes)
    parser.add_argument("--per-relation", type=int, default=Recipe.per_relation)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--d-model", type=int, help="width of the residual stream; heads and neurons grow with it")
    parser.add_argument("--d-ff", type=int, help="neurons of a layer, for a wider or narrower model")
    options = parser.parse_args()
    given = vars(options)
    recipe = Recipe(**{name: given[name] for name in ("passes", "per_relation", "seed", "d_model", "d_ff")})
    train(options.kind, options.data, options.out, recipe, options.work)


if __name__ == "__main__":
    main()
