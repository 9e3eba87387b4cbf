"""lm-evaluation-harness on the model that is in memory: its tasks, its prompts, its counting, the weights as they are.

Inside `with view.applied(edit.deltas)`, or on the model of a ledger, the edited model is measured; nothing is saved.
A metric of the harness becomes a score where it is the mean of its documents' values; all others stay in `raw`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from math import isclose, isfinite
from pathlib import Path
from typing import Any

from errata.errors import InputError, MissingPackageError
from errata.model.view import ModelView
from errata.scores import Score, Scores

SEED = 1234  # of the examples that are drawn to stand in front, the harness's own


@dataclass(frozen=True, slots=True, eq=False)
class Harnessed:
    """Scores named `task/metric` (and `/filter` where the task has one), and all that the harness itself returned."""

    scores: Scores
    raw: Mapping[str, Any]

    def results(self) -> dict[str, dict[str, Any]]:
        """The harness's own numbers, by task, as plain values for JSON; what is no number is left out."""
        return {
            task: {name: float(value) for name, value in row.items() if _is_number(value)}
            for task, row in self.raw["results"].items()
        }


def harness(
    view: ModelView,
    tasks: Sequence[str],
    limit: int | None = None,
    fewshot: int | None = None,
    batch_size: int = 64,
) -> Harnessed:
    """Run tasks by name, YAML file, or folder of YAML files, each on its first `limit` documents (all by default).

    `fewshot` examples stand in front where the task does not forbid it; by default as many as the task says.
    A task's YAML may name Python functions, which are run: take tasks from those you trust.
    Raises MissingPackageError without the harness, InputError for tasks that cannot be loaded or asked.
    """
    if not tasks:
        raise InputError("There are no tasks: give names that lm-evaluation-harness knows, YAML files or folders.")
    if limit is not None and limit < 1:
        raise InputError(f"Expected 1 document or more, found {limit}: give for example 100.")
    installed = _version()
    from lm_eval import evaluator  # pyright: ignore[reportMissingImports]

    from errata.evaluation.harness_model import HarnessModel

    loaded = _loaded(tasks)
    for task in loaded["tasks"].values():
        _with_examples(task, fewshot)
    evaluate: Any = evaluator.evaluate
    raw = evaluate(HarnessModel(view, batch_size), loaded, limit=limit, bootstrap_iters=0, log_samples=True)
    return Harnessed(Scores(_scores(raw, installed)), raw)


def _version() -> str:
    """The version of the harness; raises MissingPackageError where it is not installed."""
    try:
        import_module("lm_eval.evaluator")
        return version("lm-eval")
    except ImportError as error:
        raise MissingPackageError(
            f"lm-evaluation-harness is not installed ({error}): pip install 'errata-lm[harness]'"
        ) from error


def _loaded(specs: Sequence[str]) -> dict[str, Any]:
    """Every task, and every group of tasks, in the layout that the harness evaluates."""
    from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

    known: Any = None
    found: dict[str, Any] = {"tasks": {}, "groups": {}, "group_map": {}}
    for spec in specs:
        path = Path(spec).expanduser()
        if path.is_dir():
            manager = TaskManager(include_path=str(path), include_defaults=False)
            wanted = manager.all_subtasks
        elif path.is_file():
            manager, wanted = TaskManager(include_defaults=False), [str(path)]
        else:
            known = known or TaskManager()  # reads thousands of files
            manager, wanted = known, [spec]
        try:
            if not wanted:
                raise FileNotFoundError("no YAML file in it is a task")
            part = manager.load(wanted)
        except Exception as error:  # unknown names, YAML, data sets and the network fail in many ways
            why = str(error).partition("\n")[0] or repr(error)
            raise InputError(
                f"The task {spec!r} cannot be loaded ({why}): give a name that lm-evaluation-harness has, a YAML file "
                "or a folder of them, and without a network one with local data."
            ) from error
        twice = sorted(set(part["tasks"]) & set(found["tasks"]))
        if twice:
            raise InputError(f"The task {twice[0]!r} is given twice: name it once.")
        for name, held in found.items():
            held.update(part.get(name, {}))
    return found


def _with_examples(task: Any, fewshot: int | None) -> None:
    """How many examples stand in front, and by which seed they are drawn, as the harness's own command sets it."""
    own = task.get_config("num_fewshot")
    if own is None or (fewshot is not None and own != 0):
        task.set_config(key="num_fewshot", value=fewshot or 0)
    task.set_fewshot_seed(seed=SEED)


def _scores(raw: Mapping[str, Any], installed: str) -> Iterator[Score]:
    for task, samples in raw["samples"].items():
        kind = raw["configs"][task].get("output_type", "custom")
        protocol = f"lm-evaluation-harness {installed}, {kind}, {raw['n-shot'][task]}-shot"
        for chosen in dict.fromkeys(sample["filter"] for sample in samples):
            own = [sample for sample in samples if sample["filter"] == chosen]
            for metric in dict.fromkeys(name for sample in own for name in sample["metrics"]):
                values = tuple(sample.get(metric) for sample in own)
                better = raw["higher_is_better"][task].get(metric)
                whole = raw["results"][task].get(f"{metric},{chosen}")
                if better is None or not _is_mean(whole, values):
                    continue
                name = f"{task}/{metric}" if chosen == "none" else f"{task}/{metric}/{chosen}"
                yield Score(name, protocol, "higher" if better else "lower", tuple(float(one) for one in values))


def _is_mean(whole: Any, values: Sequence[Any]) -> bool:
    return all(map(_is_number, (whole, *values))) and isclose(whole, sum(values) / len(values), abs_tol=1e-9)


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and isfinite(value)
    except TypeError:
        return False
