"""What a ledger costs as it grows: applying, undoing, redoing and re-opening, on an embedded model.

    python benchmarks/ledger.py                   writes results/ledger.json
    python benchmarks/ledger.py --lengths 100     a short ledger only

Two kinds of edits: one layer of rank one, as ROME makes them, and five layers of rank five, as MEMIT makes them; both
with keys as state, random, one fact each. A ledger grows to each length. There the edit in place 137 (or the middle
one of a shorter ledger) is undone and redone, and the ledger opened again on unedited weights, with the sums it keeps
and without them. After an undo and an opening, every layer is compared, bit for bit, with the plain sum of the other
edits, which are drawn anew and never read from the ledger. Seconds are medians; the disk's waiting is in them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

import errata
from errata.deltas import Edit, WeightDelta
from errata.facts import Fact
from errata.ledger import Ledger
from errata.ledger.blocks import BLOCK, RunningSum
from errata.methods import versions
from errata.model.view import ModelView, rounded

RESULTS = Path(__file__).parent / "results"
LENGTHS, UNDONE, RUNS, SAMPLE = (100, 1000, 5000), 137, 5, 50
KINDS: dict[str, tuple[tuple[int, ...], int]] = {"rank 1, one layer": ((2,), 1), "rank 5, five layers": (range(5), 5)}


@dataclass(frozen=True)
class Source:
    """Random edits of a view, each made again from its number alone."""

    view: ModelView
    bases: dict[int, WeightDelta]
    rank: int
    seed: int

    @classmethod
    def of(cls, view: ModelView, layers: Iterable[int], rank: int, seed: int) -> Source:
        empty = torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff)
        return cls(view, {layer: view.delta(layer, *empty) for layer in layers}, rank, seed)

    def edit(self, number: int) -> Edit:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)

        def drawn(rows: int, columns: int) -> torch.Tensor:
            return torch.randn(rows, columns, generator=generator)

        deltas = tuple(
            WeightDelta(
                layer,
                base.module,
                1e-3 * drawn(self.view.d_model, self.rank),
                drawn(self.rank, self.view.d_ff),
                base.base,
            )
            for layer, base in self.bases.items()
        )
        fact = Fact(f"Subject {number}", "The capital of {} is", target="Rome", relation="capital")
        state = {f"keys.{layer}": drawn(self.rank, self.view.d_ff) for layer in self.bases}
        return Edit(deltas, "random", (fact,), state=state)


def seconds(run: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


@torch.no_grad()
def is_plain_sum(source: Source, unedited: dict[int, torch.Tensor], length: int, without: int = 0) -> bool:
    """Whether every layer is W₀ and the sum of the first edits but one, bit for bit."""
    sums = {layer: RunningSum(torch.zeros(unedited[layer].shape)) for layer in source.bases}
    for number in range(1, length + 1):
        if number != without:
            for delta in source.edit(number).deltas:
                sums[delta.layer].add(number, [delta])
    wanted = unedited | {layer: rounded(unedited[layer], running.total) for layer, running in sums.items()}
    return all(
        torch.equal(weight.contiguous().view(torch.int32), source.view.weight(layer).contiguous().view(torch.int32))
        for layer, weight in wanted.items()
    )


def at_length(path: Path, source: Source, ledger: Ledger, unedited: dict[int, torch.Tensor]) -> tuple[Any, Ledger]:
    """The times of a ledger as long as it now is, and the ledger, opened again."""
    view, length = source.view, len(ledger.entries())
    number = min(UNDONE, length // 2)
    undo, redo, opening, anew = [], [], [], []
    exact = {}
    for turn in range(RUNS):
        undo.append(seconds(lambda: ledger.undo(number)))
        if not turn:
            exact["undone"] = is_plain_sum(source, unedited, length, number)
        redo.append(seconds(lambda: ledger.redo(number)))
    for turn in range(RUNS):
        if turn == RUNS - 1:
            shutil.rmtree(path / "sums", ignore_errors=True)
        ledger.close()
        view.restore()
        found: list[Ledger] = []
        (anew if turn == RUNS - 1 else opening).append(seconds(lambda: found.append(Ledger.open(path, view))))  # noqa: B023
        ledger = found[0]
        if turn in {0, RUNS - 1}:
            exact["opened" if not turn else "opened without sums"] = is_plain_sum(source, unedited, length)
    fresh = seconds(lambda: ledger.undo(number))
    exact["undone after opening"] = is_plain_sum(source, unedited, length, number)
    ledger.redo(number)
    checked: list[bool] = []
    verify = seconds(lambda: checked.append(ledger.verify().ok))
    row = {
        "edits": length,
        "undone": number,
        "undo": median(undo),
        "redo": median(redo),
        "undo_after_opening": fresh,
        "open": median(opening),
        "open_without_sums": anew[0],
        "verify": verify,
        "sound": checked[0],
        "bit_exact": exact,
        "bytes": {name: sum(file.stat().st_size for file in (path / name).glob("*")) for name in ("deltas", "sums")},
    }
    return row, ledger


def grown(model: str, kind: str, lengths: list[int], seed: int) -> list[dict[str, Any]]:
    """A ledger's times at each length."""
    view = errata.load(model)
    unedited = {layer: view.weight(layer).clone() for layer in range(view.n_layers)}
    source = Source.of(view, *KINDS[kind], seed)
    rows: list[dict[str, Any]] = []
    applying: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        ledger = Ledger.open(path, view)
        for length in sorted(lengths):
            for number in range(len(applying) + 1, length + 1):
                edit = source.edit(number)
                applying.append(seconds(lambda edit=edit: ledger.apply(edit)))  # noqa: B023
            row, ledger = at_length(path, source, ledger, unedited)
            rows.append({"kind": kind, "apply": median(applying[-SAMPLE:]), **row})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        ledger.close()
    return rows


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-gelu")
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS))
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "ledger.json")
    options = parser.parse_args()
    rows = [row for kind in options.kinds for row in grown(options.model, kind, options.lengths, options.seed)]
    result = {
        "command": shlex.join(["python", "benchmarks/ledger.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "model": options.model,
        "seed": options.seed,
        "versions": versions(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
        },
        "runs": RUNS,
        "applied_measured": SAMPLE,
        "block": BLOCK,
        "rows": rows,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        print(
            f"{row['kind']}, {row['edits']:5d} edits: apply {row['apply']:.3f} s, undo {row['undo']:.3f}, redo "
            f"{row['redo']:.3f}, open {row['open']:.3f} (without sums {row['open_without_sums']:.3f}), "
            f"{'bit-exact' if all(row['bit_exact'].values()) else 'NOT BIT-EXACT'}"
        )


if __name__ == "__main__":
    main()
