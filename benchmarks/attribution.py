"""Errata's attribution against the published scheme and captum: seconds, differences, errors, memory, matrix rate.

    python benchmarks/attribution.py              writes results/attribution.json (--quick: the accepted rows only)
    python benchmarks/attribution.py --resume     goes on where an interrupted run stopped
    python benchmarks/attribution.py --device cuda        writes results/attribution-gpu.json
    python benchmarks/attribution.py --table      prints the result file's tables for the docs

All are timed in turns in one process; ratios are of median seconds a prompt. The rivals take one prompt at a time, as
published, and a batch is compared with the same single prompts. Warm-ups are not counted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from _acceptance import summary
from _accuracy import integration_errors
from _attribution_table import tables
from _cells import PROBABILITY, PUBLISHED, Cell, Rule, Runs, fast_scores, measure, measure_growth, part
from _machine import count_flops, profile
from _published import plain_scores
from _shapes import build, pocket_prompts, random_prompts, random_rows

from errata.localizers._paths import path_scores
from errata.localizers._quadrature import quadrature
from errata.localizers.knowledge_neurons import DEFAULTS
from errata.methods import versions
from errata.reproduce.peak import peak_in_process, peak_on_card

RESULTS = Path(__file__).parent / "results"
SHAPES = ("gpt2-124m", "llama-124m", "pocket-gelu", "pocket-swiglu")
GPU_SHAPES = ("llama-3.2-1b", "llama-3-8b")
LENGTHS, BATCHES, HEADLINE_TOKENS = (8, 16, 32, 64, 128), (1, 8, 64), 12
SIX: Rule = ("gauss-legendre", 6)
BUDGETS = (512 * 2**20, 2 * 2**30)


class Checkpoint:
    """Parts of a result that are kept as soon as they are measured, and not measured again by `--resume`."""

    def __init__(self, path: Path, settings: dict[str, Any], resume: bool) -> None:
        self.path, self.settings = path, settings
        kept = json.loads(path.read_text()) if resume and path.exists() else {}
        self.parts: dict[str, Any] = kept["parts"] if kept.get("settings") == settings else {}

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """A part by its name, measured now if it has not been."""
        if name not in self.parts:
            print(f"{datetime.datetime.now():%H:%M:%S} {name}", file=sys.stderr, flush=True)
            self.parts[name] = compute()
            self.path.write_text(json.dumps({"settings": self.settings, "parts": self.parts}))
        return json.loads(json.dumps(self.parts[name]))  # the same, measured now or read again


def errors_of(name: str, seed: int) -> dict[str, Any]:
    """Integration errors on facts of a pocket model, or on random prompts."""
    view = build(name, seed)
    pocket = name.startswith("pocket-")
    return integration_errors(view, pocket_prompts(view, 16, seed) if pocket else random_prompts(view, 12, 4, seed))


def cell_of(name: str, cell: Cell, seed: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Any:
    """The rows of one model and prompt length."""
    view = build(name, seed, dtype, device)
    return measure(view, random_prompts(view, cell.length, max(cell.batches), seed), cell)


def work_of(name: str, seed: int) -> dict[str, Any]:
    """Operations of the headline's large batch and of one plain prompt, and where the batch's time goes."""
    view = build(name, seed)
    prompts = random_prompts(view, HEADLINE_TOKENS, BATCHES[-1], seed)
    large = partial(fast_scores, view, prompts, PUBLISHED)
    plain = partial(plain_scores, view, prompts.rows[0], prompts.targets[0], quadrature(*PUBLISHED))
    fast_scores(view, part(prompts, 1), PUBLISHED)  # what is done once a model is not the batch's work
    return {"flops": count_flops(large), "plain_flops": count_flops(plain), "profile": profile(large)}


def memory_of(name: str, seed: int, budget: int, scheme: str = "errata") -> dict[str, Any]:
    """Peak memory of a fresh process: 64 prompts of 128 tokens, or one prompt of the plain scheme's costliest layer."""
    command = [sys.executable, __file__, "--measure-memory", name, scheme, str(budget), "--seed", str(seed)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return {"scheme": scheme, **found}


def measure_memory(name: str, scheme: str, budget: int, seed: int) -> dict[str, Any]:
    """Bytes on top of the loaded and warmed-up model."""
    view, nodes = build(name, seed), quadrature(*PUBLISHED)
    rows = random_rows(view, LENGTHS[-1], BATCHES[-1], seed)
    targets = [0] * len(rows)  # any: asking the model for its own would be work of this size before the measurement
    if scheme == "plain":
        plain_scores(view, rows[0][:4], 0, nodes, [0])
        used = peak_in_process(lambda: plain_scores(view, rows[0], 0, nodes, [0]))
        return {"tokens": LENGTHS[-1], "prompts": 1, "bytes": used}
    path_scores(view, [rows[0][:4]], [0], quadrature("gauss-legendre", 1), PROBABILITY)
    taken = peak_in_process(lambda: path_scores(view, rows, targets, nodes, PROBABILITY, memory=budget))
    return {
        "tokens": LENGTHS[-1],
        "prompts": len(rows),
        "budget": budget,
        "bytes": taken,
        "share": taken / budget,
    }


def growth_of(name: str, seed: int) -> list[dict[str, Any]]:
    """From 16 to 64 tokens."""
    view = build(name, seed)
    ends = (random_prompts(view, 16, BATCHES[-1], seed), random_prompts(view, 64, BATCHES[-1], seed))
    return measure_growth(view, ends, (PUBLISHED, SIX), BATCHES[-1])


def grid_cell(length: int) -> Cell:
    """Everything at one length; what takes minutes runs once."""
    few, rivals = (3, (PUBLISHED, SIX)) if length <= 16 else (1, (PUBLISHED,))
    return Cell(length, (PUBLISHED, SIX), rivals, rivals, BATCHES, Runs(batch=1, plain=few, captum=few))


def run_cpu(options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    """Errors first, since they say how many Gauss–Legendre points the headline takes; then times, memory, work."""
    main, seed = options.headline, options.seed
    names = (main, f"{main}-awake", *(name for name in SHAPES if name.startswith("pocket-")))
    errors = [checkpoint.once(f"errors {name}", partial(errors_of, name, seed)) for name in names]
    needed = [found["gauss_points_as_good_on_every_prompt"] for found in errors]
    points = needed[0]  # of the weights that are timed; those of the other models are timed too
    others = needed[1:2] if options.quick else needed[1:]
    extra = sorted({points, SIX[1], DEFAULTS["gauss-legendre"][0], *others} - {None})
    rules = (PUBLISHED, *(("gauss-legendre", n) for n in extra))
    headline = Cell(HEADLINE_TOKENS, rules, (PUBLISHED,), (PUBLISHED,), BATCHES, Runs(plain=5))
    rows = checkpoint.once(f"{main} {HEADLINE_TOKENS}", partial(cell_of, main, headline, seed))
    growth = checkpoint.once(f"{main} growth", partial(growth_of, main, seed))
    for length in () if options.quick else options.lengths:
        for name in options.shapes:
            rows += checkpoint.once(f"{name} {length}", partial(cell_of, name, grid_cell(length), seed))
    memory = [
        checkpoint.once(f"memory {scheme} {budget}", partial(memory_of, main, seed, budget, scheme))
        for scheme, budget in [*(("errata", budget) for budget in BUDGETS), ("plain", 0)]
    ]
    work = checkpoint.once("work", partial(work_of, main, seed))
    return summary(rows, growth, errors, memory, work, main, HEADLINE_TOKENS, points)


def gpu_cell(name: str, dtype: torch.dtype, length: int, seed: int) -> list[dict[str, Any]]:
    """The rows of one model, dtype and length on the card, with the large batch's operations and memory."""
    view = build(name, seed, dtype, "cuda")
    prompts = random_prompts(view, length, BATCHES[-1], seed)
    runs = Runs(single=9, batch=5, plain=5, captum=3)
    rows = measure(view, prompts, Cell(length, (PUBLISHED, SIX), (PUBLISHED, SIX), (PUBLISHED, SIX), BATCHES, runs))
    for row in rows:
        chosen = part(prompts, row["batch"])
        run = partial(fast_scores, view, chosen, (row["rule"], row["points"]))
        row["peak_bytes"] = peak_on_card(run, view.device)
        row["flops"] = count_flops(run)
        row["rate_share"] = row["flops"] / row["seconds"]["median"] / row["matmul_rate"]
    return rows


def run_gpu(options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    """Every shape in bfloat16 and float32."""
    rows: list[dict[str, Any]] = []
    for name in options.shapes:
        for dtype in (torch.bfloat16, torch.float32):
            for length in options.lengths:
                compute = partial(gpu_cell, name, dtype, length, options.seed)
                rows += checkpoint.once(f"{name} {dtype} {length}", compute)
    return {"card": torch.cuda.get_device_name(), "rows": rows}


def parse() -> argparse.Namespace:
    """The command line; what depends on the device is filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="only the rows that the accepted measures come from")
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run has measured")
    parser.add_argument("--table", action="store_true", help="print the tables of the result file and measure nothing")
    parser.add_argument("--headline", default=SHAPES[0], help="the model of the accepted measures")
    parser.add_argument("--shapes", nargs="+", help="models of the grid")
    parser.add_argument("--lengths", nargs="+", type=int, help="prompt lengths of the grid")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure-memory", nargs=3, metavar=("MODEL", "SCHEME", "BYTES"), help="used by the script")
    options = parser.parse_args()
    gpu = options.device == "cuda"
    name = "attribution-gpu" if gpu else "attribution-quick" if options.quick else "attribution"
    options.out = options.out or RESULTS / f"{name}.json"
    options.shapes = options.shapes or (GPU_SHAPES if gpu else SHAPES)
    options.lengths = options.lengths or ((HEADLINE_TOKENS, 128) if gpu else LENGTHS)
    return options


def main() -> None:
    """Measure and write the result file."""
    options = parse()
    if options.measure_memory:
        name, scheme, budget = options.measure_memory
        print(json.dumps(measure_memory(name, scheme, int(budget), options.seed)))
        return
    if options.table:
        print(*tables(json.loads(options.out.read_text())).values(), sep="\n\n")
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        print("attribution.py --device cuda: this machine has no CUDA device; nothing was measured.", file=sys.stderr)
        sys.exit(2)
    settings = {
        "device": options.device,
        "quick": options.quick,
        "headline": options.headline,
        "seed": options.seed,
        "threads": torch.get_num_threads(),
        "versions": {**versions(), "captum": version("captum")},
    }
    checkpoint = Checkpoint(options.out.with_suffix(".partial.json"), settings, options.resume)
    found = (run_gpu if options.device == "cuda" else run_cpu)(options, checkpoint)
    result = {
        "command": shlex.join(["python", "benchmarks/attribution.py", *arguments()]),
        "date": datetime.date.today().isoformat(),
        **settings,
        **found,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    checkpoint.path.unlink(missing_ok=True)
    print(*tables(result).values(), sep="\n\n")


def arguments() -> list[str]:
    """The command line without what only says where to write and where to go on."""
    given = iter(sys.argv[1:])
    return [word for word in given if word != "--resume" and not (word == "--out" and next(given))]


if __name__ == "__main__":
    main()
