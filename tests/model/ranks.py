"""What each process of a tensor-parallel run does: `torchrun … ranks.py FOLDER EXAMPLE`. Run by test_parallel.py.

Every folder `FOLDER/NAME` with a model in it is attributed; what rank r found goes to `FOLDER/NAME.r.safetensors`, and
what it was refused to `FOLDER/refused.r.json`. At the end the Python file EXAMPLE runs, in FOLDER.
"""

import json
import math
import os
import runpy
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import distributed

from errata import Fact, Ledger, ModelView, editor, load, localizer
from errata.errors import ErrataError
from errata.localizers._paths import path_scores
from errata.localizers._quadrature import quadrature
from errata.model.jobs import jobs_of
from errata.model.scoring import OBJECTIVES

FACTS = (
    Fact("France", "The capital of {} is", answer="Paris", target="Rome"),
    Fact("Danielle Darrieux", "The mother tongue of {} is", answer="French", target="German"),
)


def found(view: ModelView, thorough: bool) -> dict[str, torch.Tensor]:
    """This rank's own scores, in the model's precision, and the attributions, which are the same everywhere."""
    tolerance = 1e-3 if thorough else math.inf
    jobs = jobs_of(view, FACTS, [fact.answer or "" for fact in FACTS])
    rule = quadrature("gauss-legendre", 4)
    own = path_scores(view, jobs.ids, jobs.targets, rule, OBJECTIVES["probability"], tolerance=tolerance)
    made = localizer("knowledge_neurons", steps=4, tolerance=tolerance).attribute(view, FACTS)
    plain = localizer("knowledge_neurons", steps=4, algorithm="plain").attribute(view, FACTS) if thorough else made
    return {
        "own": own.scores,
        "change": own.change,
        "growing": torch.stack([each.scores for each in made]),
        "plain": torch.stack([each.scores for each in plain]),
        "members": torch.tensor([(f, *neuron) for f, each in enumerate(made) for neuron in each.neurons]),
        "gaps": torch.stack([each.gaps for each in made]),
        "neurons": torch.tensor([view.neurons.start, view.neurons.stop]),
        "self_test": torch.tensor(view.self_test()),
    }


def refused(view: ModelView, folder: Path) -> list[str]:
    """What each attempt at an edit was answered."""
    attempts = (
        lambda: editor("rome").edit(view, [FACTS[0]]),
        lambda: Ledger.open(folder / "ledger", view),
        lambda: view.write(0, view.weight(0)),
        view.model_fingerprint,
    )
    answers = []
    for attempt in attempts:
        try:
            attempt()
            answers.append("")
        except ErrataError as error:
            answers.append(f"{type(error).__name__}: {error}")
    return answers


def main(folder: Path, example: str) -> None:
    """Attribute every model in the folder, divided between the processes of this run."""
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    for place in sorted(path.parent for path in folder.glob("*/config.json")):
        view = load(str(place), tensor_parallel=ranks)
        save_file(found(view, place.name == "llama"), f"{place}.{rank}.safetensors")
    (folder / f"refused.{rank}.json").write_text(json.dumps(refused(view, folder)))
    os.chdir(folder)
    runpy.run_path(example)
    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
