"""Does the same work give the same bytes, and what does another number of threads change?

    python benchmarks/determinism.py --model pocket-gelu --threads 1,1,2,2

Every localizer and every editor works on the same fact, once for each number given, each time in a process of its own
with its own hash seed and its own empty cache. Held against the first: whether the bytes are the same, and how far the
scores of every neuron, and the change of every weight, are from them. Results: benchmarks/results/determinism.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from errata import Edit, Fact, ModelView, editor, localizer, registry
from errata.associative.values import ValueSettings
from errata.methods import versions
from errata.model.identity import file_sha256
from errata.model.load import load

ROOT = Path(__file__).parent.parent
OUT = ROOT / "benchmarks" / "results" / "determinism.json"
PACKAGES = ("errata.localizers", "errata.editors")
FACT = {
    "pocket-gelu": Fact("Danielle Darrieux", "The mother tongue of {} is", target="English", answer="French"),
    "pocket-swiglu": Fact("Danielle Darrieux", "The mother tongue of {} is", target="English", answer="French"),
}
OTHER = Fact("France", "The capital of {} is", target="Rome", answer="Paris")
# Few steps and little text: the arithmetic is the same, and so is its order.
SMALL: dict[str, Any] = {
    "steps": 4,
    "covariance_tokens": 2048,
    "context_lengths": (3,),
    "values": ValueSettings(steps=4),
    "others": 2,
}
TRAINED = ("land", "fact_code")  # localizers with a detector, which an embedded model has


def model_of(name: str) -> ModelView:
    """An embedded model, or one of the tests' tiny ones: `tiny-gpt2`."""
    if not name.startswith("tiny-"):
        return load(name)
    sys.path.insert(0, str(ROOT))
    from tests.tiny import tiny  # noqa: PLC0415

    return tiny(name.removeprefix("tiny-"))


def method_names(model: str) -> list[tuple[str, str]]:
    """Package and name of every method that can work on a model."""
    found = [(package, name) for package in PACKAGES for name in registry.names(package)]
    return [pair for pair in found if pair[1] not in TRAINED or model.startswith("pocket-")]


def compute(model: str, names: list[str], threads: int, folder: Path) -> None:
    """What the methods give, one file each: the scores and the neurons of a localizer, the edit of an editor."""
    torch.set_num_threads(threads)
    view, fact = model_of(model), FACT.get(model, OTHER)
    for package, name in method_names(model):
        if names and name not in names:
            continue
        kind, path = package.rpartition(".")[2], folder / f"{package.rpartition('.')[2]}.{name}"
        chosen = registry.method_class(package, name)
        own = {field.name: SMALL[field.name] for field in fields(chosen) if field.name in SMALL}
        if kind == "localizers":
            found = localizer(name, **own).attribute(view, [fact])[0]
            neurons = torch.tensor(list(found.neurons), dtype=torch.int64)
            save_file({"scores": found.scores.contiguous(), "neurons": neurons}, str(path))
        else:
            editor(name, **own).edit(view, [fact]).save(path)


def runs(model: str, names: list[str], threads: list[int], folder: Path) -> list[Path]:
    """One folder of files a run, each made by a process of its own."""
    places = []
    for turn, count in enumerate(threads):
        place = folder / f"{turn}"
        place.mkdir()
        words = [
            sys.executable,
            str(Path(__file__)),
            "--model",
            model,
            "--compute",
            str(place),
            "--threads",
            str(count),
        ]
        environment = {
            **os.environ,
            "PYTHONHASHSEED": str(turn + 1),
            "OMP_NUM_THREADS": str(count),
            "OMP_WAIT_POLICY": "passive",  # idle threads do not spin where other processes want the cores
            "ERRATA_CACHE": str(place / "cache"),
            "HF_HUB_OFFLINE": "1",
        }
        subprocess.run([*words, "--methods", *names], check=True, env=environment, cwd=ROOT)
        places.append(place)
    return places


def files(place: Path) -> dict[str, str]:
    """The hash of every method's file."""
    return {path.name: file_sha256(path) for path in sorted(place.glob("*.*"))}


def distance(a: Path, b: Path) -> dict[str, float | bool]:
    """How far what a method gave in one run is from what it gave in another.

    `bytes`  whether the files are the same      `furthest`  the largest difference of an entry / the largest entry
    """
    same = a.read_bytes() == b.read_bytes()
    if a.name.startswith("localizers."):
        (one, two) = (load_file(path) for path in (a, b))
        pairs = [(one["scores"], two["scores"])]
        kept = {"neurons": torch.equal(one["neurons"], two["neurons"])}
    else:
        (left, right) = (Edit.load(path) for path in (a, b))
        pairs = [(x.dense(), y.dense()) for x, y in zip(left.deltas, right.deltas, strict=True)]
        kept = {}
    furthest = max(float((x - y).abs().max()) for x, y in pairs) / max(float(x.abs().max()) for x, _ in pairs)
    return {"bytes": same, "furthest": furthest, **kept}


def main(model: str, names: list[str], threads: list[int], out: Path) -> None:
    """Measure a model and put it into the result file, beside the others."""
    with tempfile.TemporaryDirectory() as folder:
        places = runs(model, names, threads, Path(folder))
        first = places[0]
        rows = {
            name: {
                f"{threads[turn]} threads, run {turn}": distance(first / name, place / name)
                for turn, place in enumerate(places)
                if turn > 0
            }
            for name in files(first)
        }
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"models": {}}
    known["models"][model] = {
        "command": shlex.join(["python", "benchmarks/determinism.py", *sys.argv[1:]]),
        "seed": 0,
        "threads": threads,
        "versions": versions(),
        "methods": rows,
    }
    out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-gelu", help="pocket-gelu, pocket-swiglu or one of the tests' tiny-…")
    parser.add_argument("--threads", default="1,1,2,2", help="of each run; the first is what the others are held to")
    parser.add_argument("--methods", nargs="*", default=[], help="these alone")
    parser.add_argument("--compute", type=Path, help="only write the files of one run into this folder")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    counts = [int(word) for word in given.threads.split(",")]
    if given.compute is not None:
        compute(given.model, given.methods, counts[0], given.compute)
    else:
        main(given.model, given.methods, counts, given.out)
