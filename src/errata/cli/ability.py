"""What a command is given for general ability, read: task files by their name, the harness's tasks, a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from errata.datasets import records
from errata.errors import InputError
from errata.evaluation.ability import Abilities, abilities
from errata.evaluation.task_files import Item, items_of
from errata.model.view import ModelView

TASK_FILES = (".jsonl", ".jsonl.gz")


def measure(
    view: ModelView,
    tasks: Sequence[str],
    text: Path | None = None,
    limit: int | None = None,
    fewshot: int | None = None,
) -> Abilities:
    """Measure what `tasks` name: JSONL files are local tasks, all else is the harness's; `text` is a file.

    Raises InputError for two task files of one name, and for what cannot be read.
    """
    local: dict[str, tuple[Item, ...]] = {}
    for path in (Path(task) for task in tasks if task.endswith(TASK_FILES)):
        name = path.name.removesuffix(".gz").removesuffix(".jsonl")
        if name in local:
            raise InputError(f"There are two task files named {name!r}: rename one.")
        local[name] = items_of(records.lines(path))
    others = [task for task in tasks if not task.endswith(TASK_FILES)]
    return abilities(view, local, others, None if text is None else records.text(text), limit, fewshot)
