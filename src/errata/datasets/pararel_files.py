"""What a user's ParaRel folder holds: the templates that end in `[Y]`, and the pairs of subject and object.

Pairs are looked for under the names in PAIRS, templates under those in TEMPLATES; the first that is there counts. A
folder among them holds a JSONL file for each relation, named after it; a file holds all, with a field `relation`.
`query_pairs.json` is knowledge-neurons', the others are ParaRel's. ParaRel's `graphs` hold the same templates, as
pickles; they are not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from errata.datasets import phrasings, records
from errata.datasets.phrasings import OBJECT, PARARELS, SUBJECT, Phrasing
from errata.errors import InputError

TEMPLATES = (
    "patterns.jsonl",
    "patterns.jsonl.gz",
    "graphs_json",
    "pattern_data/graphs_json",
    "data/pattern_data/graphs_json",
)
PAIRS = (
    "query_pairs.json",
    "query_pairs.json.gz",
    "kn_query_pairs.json",
    "kn_query_pairs.json.gz",
    "trex_lms_vocab.jsonl",
    "trex_lms_vocab.jsonl.gz",
    "trex_lms_vocab",
    "data/trex_lms_vocab",
)

Pair: TypeAlias = tuple[str, str]


def source_of_pairs(folder: str | Path) -> Path:
    """The file or folder that holds the pairs; raises InputError for a folder without them."""
    source = _first_there(Path(folder), PAIRS)
    if source is None:
        raise InputError(f"The folder {folder} holds no pairs: expected one of {', '.join(PAIRS)} in it.")
    return source


def templates(folder: str | Path) -> dict[str, tuple[Phrasing, ...]]:
    """The folder's templates that end in `[Y]`, by relation; none where it holds no templates.

    Raises InputError with the place of a template that is none.
    """
    source = _first_there(Path(folder), TEMPLATES)
    if source is None:
        return {}
    found: list[Phrasing] = []
    for place, relation, row in _rows(source, "pattern"):
        pattern = row["pattern"]
        if pattern.count(SUBJECT) != 1 or pattern.count(OBJECT) != 1:
            raise InputError(f"{place}: expected a pattern with [X] once and [Y] once, found {pattern!r}; mend it.")
        template = phrasings.adapted(pattern)
        if template is not None:
            try:
                found.append(Phrasing(relation, template, PARARELS))
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
    return phrasings.by_relation(found)


def pairs(folder: str | Path) -> dict[str, tuple[Pair, ...]]:
    """The folder's pairs of subject and object, by relation, in order."""
    source = source_of_pairs(folder)
    if ".jsonl" not in source.name and source.is_file():
        return _query_pairs(source)
    found: dict[str, list[Pair]] = defaultdict(list)
    for _, relation, row in _rows(source, "sub_label", "obj_label"):
        found[relation].append((row["sub_label"].strip(), row["obj_label"].strip()))
    return {relation: tuple(group) for relation, group in found.items()}


def _query_pairs(path: Path) -> dict[str, tuple[Pair, ...]]:
    """knowledge-neurons' layout: `{"P19": [["Allan Peiper", "Alexandra"], …], …}`."""
    content = records.document(path)
    if not isinstance(content, Mapping) or not all(isinstance(rows, list) for rows in content.values()):
        raise InputError(f"The file {path} is not an object of lists of pairs: give it as it was published.")
    return {
        relation: tuple(_pair(f"{path}, {relation}, pair {number}", row) for number, row in enumerate(rows, start=1))
        for relation, rows in content.items()
    }


def _pair(place: str, row: Any) -> Pair:
    match row:
        case [str(subject), str(obj)] if subject.strip() and obj.strip():
            return subject.strip(), obj.strip()
        case _:
            raise InputError(f"{place}: expected a subject and an object, found {row!r}; give two texts.")


def _rows(source: Path, *names: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Place, relation and object of every row, of a file for all relations or of a folder with a file for each."""
    if source.is_file():
        rows = records.lines(source, "relation", *names)
        return [(place, row["relation"], row) for place, row in rows]
    files = sorted(source.glob("*.jsonl"))
    return [(place, file.stem, row) for file in files for place, row in records.lines(file, *names)]


def _first_there(folder: Path, names: Sequence[str]) -> Path | None:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}: give the one that holds ParaRel.")
    return next((folder / name for name in names if (folder / name).exists()), None)
