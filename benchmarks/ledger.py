"""What a ledger costs as it grows: applying, undoing, redoing and re-opening, on an embedded model.

    python benchmarks/ledger.py                   writes results/ledger.json
    python benchmarks/ledger.py --lengths 100     a short ledger only

Two kinds of edits: one layer of rank one, as ROME makes them, and five layers of rank five, as MEMIT makes them; both
with keys as state, random, one fact each. A ledger grows to each length, in its files, and
by its last 50 edits as a user applies them. There the edit in place 137 (or the middle
one of a shorter ledger) is undone and redone, and the ledger opened again on unedited weights, with the sums it keeps
and without them. After an undo and an opening, every layer is compared, bit for bit, with the plain sum of the other
edits, which are drawn anew and never read from the ledger. Times are medians, in seconds that passed, the disk's and
other programs' included, and in seconds that the processors worked for this one.
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
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

import errata
from errata.deltas import Edit, WeightDelta
from errata.facts import Fact
from errata.ledger import Ledger
from errata.ledger.blocks import BLOCK, RunningSum
from errata.ledger.fold import same_bits
from errata.ledger.store import Store
from errata.methods import versions
from errata.model.rounding import rounded
from errata.model.view import ModelView

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

        def drawn(rows: int, columns: int) -> Tensor:
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


class Clock:
    """Medians of the seconds, passed and worked, of what is timed under a name."""

    def __init__(self) -> None:
        self.passed: dict[str, list[float]] = {}
        self.worked: dict[str, list[float]] = {}

    @contextmanager
    def timing(self, name: str) -> Generator[None]:
        """Time the block."""
        started, worked = time.perf_counter(), time.process_time()
        yield
        self.worked.setdefault(name, []).append(time.process_time() - worked)
        self.passed.setdefault(name, []).append(time.perf_counter() - started)

    def medians(self) -> dict[str, dict[str, float]]:
        """By name, of the last `SAMPLE` times."""
        found = {"seconds": self.passed, "processor": self.worked}
        return {unit: {name: median(times[-SAMPLE:]) for name, times in by.items()} for unit, by in found.items()}


@torch.no_grad()
def plain_sum(source: Source, unedited: dict[int, Tensor], length: int, without: int = 0) -> dict[int, Tensor]:
    """Every layer as W₀ and the sum of the first edits but one: made from nothing the ledger has kept."""
    sums = {layer: RunningSum(torch.zeros(unedited[layer].shape)) for layer in source.bases}
    for number in range(1, length + 1):
        if number != without:
            for delta in source.edit(number).deltas:
                sums[delta.layer].add(number, [delta])
    return unedited | {layer: rounded(unedited[layer], running.total) for layer, running in sums.items()}


def at_length(path: Path, source: Source, ledger: Ledger, unedited: dict[int, Tensor]) -> tuple[Any, Ledger]:
    """The times of a ledger as long as it now is, and the ledger, opened again."""
    view, length, clock = source.view, len(ledger.entries()), Clock()
    number = min(UNDONE, length // 2)
    whole, undone = plain_sum(source, unedited, length), plain_sum(source, unedited, length, number)
    exact: dict[str, bool] = {}

    def compare(name: str, wanted: dict[int, Tensor]) -> None:
        same = all(same_bits(weight, view.weight(layer)) for layer, weight in wanted.items())
        exact[name] = exact.get(name, True) and same

    for _ in range(RUNS):
        with clock.timing("undo"):
            ledger.undo(number)
        compare("undo", undone)
        with clock.timing("redo"):
            ledger.redo(number)
        compare("redo", whole)
    for name in [*["open"] * RUNS, "open_without_sums"]:
        if name == "open_without_sums":
            shutil.rmtree(path / "sums", ignore_errors=True)
        ledger.close()
        view.restore()
        with clock.timing(name):
            ledger = Ledger.open(path, view)
        compare(name, whole)
    with clock.timing("undo_after_opening"):
        ledger.undo(number)
    compare("undo_after_opening", undone)
    ledger.redo(number)
    with clock.timing("verify"):
        sound = ledger.verify().ok
    size = {name: sum(file.stat().st_size for file in (path / name).glob("*")) for name in ("deltas", "sums")}
    return {"edits": length, "undone": number, **clock.medians(), "sound": sound, "exact": exact, "bytes": size}, ledger


def fill(path: Path, source: Source, length: int) -> None:
    """Record edits as applied, up to this length, without writing a model each time."""
    store = Store.open(path, None)
    with store.transaction():
        for number in range(store.next_id(), length + 1):
            store.add(number, source.edit(number))
        store.commit()
    store.close()


def measure(model: str, kind: str, lengths: list[int], seed: int, done: Callable[[dict[str, Any]], None]) -> None:
    """A ledger's times at each length, each given to `done`."""
    view = errata.load(model)
    unedited = {layer: view.weight(layer).clone() for layer in range(view.n_layers)}
    source, clock = Source.of(view, *KINDS[kind], seed), Clock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        ledger = Ledger.open(path, view)
        for length in sorted(lengths):
            ledger.close()
            fill(path, source, length - SAMPLE)
            ledger = Ledger.open(path, view)
            for number in range(len(ledger.entries()) + 1, length + 1):
                edit = source.edit(number)
                with clock.timing("apply"):
                    ledger.apply(edit)
            applying = clock.medians()
            row, ledger = at_length(path, source, ledger, unedited)
            for unit, times in applying.items():
                row[unit] = times | row[unit]
            done({"kind": kind, **row})
        ledger.close()


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-gelu")
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS))
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "ledger.json")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
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

    def done(row: dict[str, Any]) -> None:
        rows.append({**row, "load": os.getloadavg()[0]})
        options.out.write_text(json.dumps(result, indent=1) + "\n")
        times = ", ".join(f"{name} {took:.3f}" for name, took in row["seconds"].items())
        exact = "bit-exact" if all(row["exact"].values()) else "NOT BIT-EXACT"
        print(f"{row['kind']}, {row['edits']} edits: {times} s, {exact}", flush=True)

    for kind in options.kinds:
        measure(options.model, kind, options.lengths, options.seed, done)


if __name__ == "__main__":
    main()
