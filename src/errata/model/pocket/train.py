"""Train a pocket model: `python -m errata.model.pocket.train gelu --data DIR --out DIR`.

The loss is next-token NLL on ParaRel facts and plain text. Half of the fact rows are *interchanged*: at the subject's
last token, the residual stream after one early block is replaced by that of another subject of the same relation,
and the row is trained to answer with the other subject's object (interchange intervention training, Geiger et al.
2022, arXiv 2112.00826, eq. 3 with the subject's last token as the aligned variable). So what the model knows of a
subject has to be gathered at the subject's last token, where large models gather it and where ROME writes.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast

from errata.model.pocket.build import SHAPES, build_model, build_tokenizer, save_pocket
from errata.model.pocket.corpus import PocketFact, choose_facts, plain_text, read_pairs
from errata.model.pocket.muon import Muon

IGNORE = -100


@dataclass(frozen=True)
class Recipe:
    """The settings of one training run; each is a command-line option."""

    passes: int = 12
    draws: int = 3  # phrasings of every fact a pass; each makes one plain and one interchanged row
    pairs: int = 96  # pairs of rows a step
    windows: int = 8  # plain-text windows a step
    window: int = 96  # tokens a window
    prefixed: float = 0.06  # share of fact rows that stand after another sentence
    lr: float = 6e-3  # of the hidden matrices (Muon)
    embedding_lr: float = 2e-3  # of everything else (AdamW)
    weight_decay: float = 0.05
    template_weight: float = 0.2
    text_weight: float = 0.5
    blocks: tuple[int, ...] = (1, 2, 3)  # blocks after which rows are interchanged
    per_relation: int = 104
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One tokenised sentence: where its subject ends, where its answer stands."""

    ids: list[int]
    subject_last: int
    answer: range


def rows_of(tokenizer: PreTrainedTokenizerFast, texts: list[tuple[str, str, str, str]]) -> list[Row]:
    """Tokenise (prefix, prompt, subject, object) once each, with offsets; the full stop belongs to the answer."""
    joined = [f"{prefix}{prompt} {obj}." for prefix, prompt, _, obj in texts]
    encoded = tokenizer(joined, return_offsets_mapping=True)
    rows = []
    for (prefix, prompt, subject, _), ids, offsets in zip(
        texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        end_of_subject = len(prefix) + prompt.rindex(subject) + len(subject) - 1
        end_of_prompt = len(prefix) + len(prompt)
        last = next(i for i, (a, b) in enumerate(offsets) if a <= end_of_subject < b)
        first = next(i for i, (a, b) in enumerate(offsets) if b > end_of_prompt and b > a)
        rows.append(Row([*ids, tokenizer.eos_token_id], last, range(first, len(ids) + 1)))
    return rows


def pairs_of(facts: list[PocketFact], recipe: Recipe, chance: random.Random) -> list[tuple[tuple, tuple]]:
    """Draw (source, base) texts: the source tells its own fact; the base stands in another subject's sentence."""
    by_relation: dict[str, list[PocketFact]] = {}
    for fact in facts:
        by_relation.setdefault(fact.relation, []).append(fact)
    drawn = []
    for fact in facts:
        for prompt in chance.sample(fact.prompts, recipe.draws):
            other = chance.choice(by_relation[fact.relation])
            while other.subject == fact.subject:
                other = chance.choice(by_relation[fact.relation])
            source = (_prefix(facts, recipe, chance), prompt, fact.subject, fact.object)
            base = (_prefix(facts, recipe, chance), chance.choice(other.prompts), other.subject, fact.object)
            drawn.append((source, base))
    chance.shuffle(drawn)
    return drawn


def _prefix(facts: list[PocketFact], recipe: Recipe, chance: random.Random) -> str:
    if chance.random() >= recipe.prefixed:
        return ""
    fact = chance.choice(facts)
    return f"{chance.choice(fact.prompts)} {fact.object}. "


def batches(pairs: list[tuple[Row, Row]], size: int, chance: random.Random) -> Iterator[list[tuple[Row, Row]]]:
    """Group pairs of like length; the batches come in random order."""
    order = sorted(range(len(pairs)), key=lambda i: (max(len(r.ids) for r in pairs[i]), chance.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    chance.shuffle(groups)
    for group in groups:
        yield [pairs[i] for i in group]


def collate(pairs: list[tuple[Row, Row]], recipe: Recipe, chance: random.Random) -> dict[str, Tensor]:
    """Pad right; sources fill the first half of the batch, bases the second."""
    rows = [source for source, _ in pairs] + [base for _, base in pairs]
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORE)
    weight = torch.zeros(len(rows), width)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        labels[i, : len(row.ids)] = ids[i, : len(row.ids)]
        for position in range(1, len(row.ids)):
            if position in row.answer:
                weight[i, position] = 1.0
            elif i < len(pairs) and chance.random() < recipe.template_weight:
                weight[i, position] = 1.0
    last = torch.tensor([row.subject_last for row in rows])
    return {"ids": ids, "labels": labels, "weight": weight, "last": last}


def body_and_blocks(model: nn.Module) -> tuple[nn.Module, nn.ModuleList]:
    body = model.base_model
    return body, body.h if hasattr(body, "h") else body.layers


def fact_loss(model: nn.Module, batch: dict[str, Tensor], block: int) -> Tensor:
    """NLL of the chosen tokens, the second half of the rows with the first half's subject states."""
    body, blocks = body_and_blocks(model)
    half = len(batch["ids"]) // 2
    source, base = torch.arange(half), torch.arange(half, 2 * half)

    def interchange(_module: nn.Module, _inputs: object, output: Tensor | tuple) -> Tensor | tuple:
        hidden = output[0] if isinstance(output, tuple) else output
        mixed = hidden.index_put((base, batch["last"][base]), hidden[source, batch["last"][source]])
        return (mixed, *output[1:]) if isinstance(output, tuple) else mixed

    handle = blocks[block].register_forward_hook(interchange)
    try:
        hidden = body(batch["ids"], use_cache=False).last_hidden_state
    finally:
        handle.remove()
    chosen = batch["weight"][:, 1:] > 0
    logits = model.lm_head(hidden[:, :-1][chosen])
    return nn.functional.cross_entropy(logits, batch["labels"][:, 1:][chosen])


def text_loss(model: nn.Module, windows: Tensor) -> Tensor:
    """NLL of plain text."""
    body, _ = body_and_blocks(model)
    hidden = body(windows, use_cache=False).last_hidden_state
    return nn.functional.cross_entropy(model.lm_head(hidden[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())


@torch.no_grad()
def recall(model: nn.Module, tokenizer: PreTrainedTokenizerFast, facts: list[PocketFact], heldout: bool) -> float:
    """Share of prompts whose answer every token of which is the greedy choice."""
    texts = [
        ("", p, f.subject, f.object) for f in facts for p in (f.heldout_prompts if heldout else f.prompts)
    ]
    rows = rows_of(tokenizer, texts)
    right = 0
    body, _ = body_and_blocks(model)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for start in range(0, len(order), 512):
        group = [rows[i] for i in order[start : start + 512]]
        width = max(len(r.ids) for r in group)
        ids = torch.tensor([r.ids + [0] * (width - len(r.ids)) for r in group])
        hidden = body(ids, use_cache=False).last_hidden_state
        where = [(i, p) for i, r in enumerate(group) for p in r.answer]
        at = torch.tensor(where).T
        best = model.lm_head(hidden[at[0], at[1] - 1]).argmax(-1)
        wrong = set(at[0][best != ids[at[0], at[1]]].tolist())
        right += len(group) - len(wrong)
    return right / len(rows)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 3 % of the steps, then linear decay to zero."""
    warm = max(1, int(0.03 * steps))
    return peak * min(step / warm, (steps - step) / max(1, steps - warm))


def build_optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, biases and norms; each group remembers its peak rate."""
    _, blocks = body_and_blocks(model)
    matrices = [p for p in blocks.parameters() if p.ndim == 2]
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


def train(kind: str, data: Path, out: Path, recipe: Recipe, work: Path) -> None:
    """Train to the end of the recipe, from the last checkpoint in `work` if there is one, and save to `out`."""
    facts = choose_facts(read_pairs(data / "pararel/kn_query_pairs.json.gz"), recipe.per_relation, recipe.seed)
    text = plain_text(data / "text/wikitext-2_valid.txt.gz")
    more = plain_text(data / "text/wikitext-2_test.txt.gz")
    text, unseen = text + more[: len(more) * 4 // 5], more[len(more) * 4 // 5 :]
    torch.manual_seed(recipe.seed)
    sentences = [f"{p} {f.object}." for f in facts for p in f.prompts]
    tokenizer = build_tokenizer(kind, sentences, text)
    model = build_model(kind, tokenizer)
    stream = torch.tensor([t for line in text for t in [*tokenizer(line)["input_ids"], tokenizer.eos_token_id]])
    optimizers = build_optimizers(model, recipe)
    per_pass = math.ceil(len(facts) * recipe.draws / recipe.pairs)
    steps, done = per_pass * recipe.passes, 0
    checkpoint = work / f"{kind}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        done = state["passes"]
    print(f"{kind}: {sum(p.numel() for p in model.parameters()):,} parameters, {len(facts)} facts, {steps} steps")
    bar = tqdm(total=steps, initial=done * per_pass, mininterval=5)
    for number in range(done, recipe.passes):
        started, chance = time.time(), random.Random(f"{recipe.seed}-{number}")
        texts = pairs_of(facts, recipe, chance)
        rows = rows_of(tokenizer, [t for pair in texts for t in pair])
        pairs = list(zip(rows[::2], rows[1::2], strict=True))
        total = 0.0
        for index, group in enumerate(batches(pairs, recipe.pairs, chance)):
            step = number * per_pass + index
            for optimizer in optimizers:
                for part in optimizer.param_groups:
                    part["lr"] = learning_rate(step, steps, part["peak"])
            starts = [chance.randrange(len(stream) - recipe.window) for _ in range(recipe.windows)]
            loss = fact_loss(model, collate(group, recipe, chance), chance.choice(recipe.blocks))
            plain = text_loss(model, torch.stack([stream[s : s + recipe.window] for s in starts]))
            model.zero_grad()
            (loss + recipe.text_weight * plain).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            total += float(loss.detach())
            bar.update()
            bar.set_postfix(fact=f"{loss.item():.3f}", text=f"{plain.item():.2f}")
        work.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "passes": number + 1,
            },
            checkpoint.with_suffix(".tmp"),
        )
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        sample = random.Random(0).sample(facts, 300)
        print(
            f"pass {number + 1}: loss {total / per_pass:.3f} recall {recall(model, tokenizer, sample, False):.3f} "
            f"held-out phrasings {recall(model, tokenizer, sample, True):.3f} {time.time() - started:.0f} s",
            flush=True,
        )
    save_pocket(kind, out, model, tokenizer, facts, unseen)


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
    options = parser.parse_args()
    recipe = Recipe(passes=options.passes, per_relation=options.per_relation, seed=options.seed)
    train(options.kind, options.data, options.out, recipe, options.work)


if __name__ == "__main__":
    main()
