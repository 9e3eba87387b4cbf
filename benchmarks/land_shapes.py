"""What `errata reproduce land` costs on GPT-2 and Llama-3.2-1B: their shapes with random weights, stage by stage.

    python benchmarks/land_shapes.py gpt2-124m --facts 200 --steps 50
    python benchmarks/land_shapes.py llama-3.2-1b --facts 2 --steps 15 --edits 4

The facts are the embedded model's, ten phrasings each; answers of random weights mean nothing, and nothing but time and
memory is kept. From the time of a prompt, a training step and a question the paper's whole protocol is worked out:
27,738 facts in ten phrasings, nine tenths trained on for three epochs, and table 10 for four methods over the last
tenth. Writes benchmarks/results/land-shapes.json; models measured before stay in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _shapes import CONFIGS
from transformers import AutoModelForCausalLM

import errata
from errata.datasets import pararel
from errata.detectors import land
from errata.detectors.strengths import Strengths
from errata.methods import versions
from errata.model.load import load, pocket
from errata.model.tokens import encode
from errata.model.variants import Change, Question, ask
from errata.training.identify import identify
from errata.training.recipe import FactCodeRecipe, LandRecipe
from errata.training.train import train

OUT = Path(__file__).parent / "results" / "land-shapes.json"
PAPER_FACTS, PHRASINGS = 27_738, 10
METHODS, ASKED = 4, 12  # of table 10: its methods, and the questions that each edit is asked


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("shape", choices=["gpt2-124m", "llama-3.2-1b"])
    parser.add_argument("--facts", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100, help="training steps that are timed")
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = measure(given.shape, Path(folder), given.facts, given.steps, given.edits, given.seed)
    row["command"] = shlex.join(["python", "benchmarks/land_shapes.py", *sys.argv[1:]])
    rows = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    rows[given.shape] = row
    OUT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(row, indent=2))


def measure(shape: str, folder: Path, facts: int, steps: int, edits: int, seed: int) -> dict[str, Any]:
    model = save(shape, folder / shape, seed)
    chosen = pararel.embedded("gelu").split(seed).train
    chosen = chosen[:: max(1, len(chosen) // facts)][:facts]
    prompts = [fact for phrased in chosen for fact in phrased.facts]
    localizer = errata.localizer("knowledge_neurons")
    found, identifying = timed(lambda: identify(model, prompts, localizer, folder / "work", silent=True))
    view = load(model)
    enough = grown(found.strengths, max(len(chosen), 40) * PHRASINGS)
    many = (chosen * 40)[: len(enough) // PHRASINGS]
    epochs = -(-steps * 8 // (len(enough) * 9 // 10))
    detector, landing = timed(lambda: train(view, many, enough, LandRecipe(epochs=epochs), seed, silent=True))
    land_steps = epochs * -(-len(many) * 9 // 10 * PHRASINGS // 8)
    recipe = FactCodeRecipe(steps=steps)
    _, coding = timed(lambda: train(view, many, enough, recipe, seed, silent=True))
    with torch.no_grad():
        sets = land.outputs(detector.weights, enough.rows(range(edits)).above(0.3)) > 0
    questions, asking = timed(lambda: edited(view, prompts, sets, edits))
    each = {
        "prompt": identifying / len(prompts),
        "land_step": landing / land_steps,
        "fact_code_step": coding / steps,
        "question": asking / questions,
    }
    whole = {
        "identify": each["prompt"] * PAPER_FACTS * PHRASINGS,
        "train_land": each["land_step"] * 3 * (PAPER_FACTS * 9 // 10) * PHRASINGS / 8,
        "train_fact_code": each["fact_code_step"] * FactCodeRecipe().steps,
        "edit": each["question"] * METHODS * ASKED * (PAPER_FACTS // 10) * PHRASINGS,
    }
    return {
        "facts": len(chosen),
        "prompts": len(prompts),
        "layers": view.n_layers,
        "d_ff": view.d_ff,
        "detector_parameters": detector.weights.count,
        "threads": torch.get_num_threads(),
        "seed": seed,
        "seconds_each": each,
        "hours_of_the_paper": {name: seconds / 3600 for name, seconds in whole.items()},
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "strengths_bytes_a_prompt": len(found.strengths.to_bytes()) / len(prompts),
        "versions": versions(),
    }


def save(shape: str, folder: Path, seed: int) -> str:
    """A model of the shape with random weights, and the embedded model's tokenizer, in a folder."""
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(CONFIGS[shape](), dtype=torch.float32).save_pretrained(folder)
    for file in pocket("gelu").glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return str(folder)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def grown(strengths: Strengths, rows: int) -> Strengths:
    """The rows again and again: training time depends on how many neurons a row has, not on which."""
    return strengths.rows([at % len(strengths) for at in range(max(rows, len(strengths)))])


def edited(view: errata.ModelView, prompts: list[errata.Fact], sets: torch.Tensor, edits: int) -> int:
    """Edits of eq. 7 with ASKED questions each, in one go."""
    directions = torch.randn(edits, view.d_model, generator=torch.Generator().manual_seed(0))
    changes = [Change(sets[at].float(), directions[at]) for at in range(edits)]
    rows = [encode(view.tokenizer, fact.text).ids for fact in prompts[:ASKED]]
    questions = [Question(row, at, (0,)) for at in range(edits) for row in rows]
    return len(ask(view, questions, changes))


if __name__ == "__main__":
    main()
