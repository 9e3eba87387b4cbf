"""Every data set by name, and the one way in: `load(name, where)`.

counterfact, zsre, knowedit, mquake, ripple, jsonl     records: files, or a data set on the hub
pararel                                                a folder
pocket                                                 an embedded model, by name
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from errata.datasets import (
    counterfact,
    hub,
    jsonl,
    knowedit,
    mquake,
    pararel,
    pararel_examinations,
    pararel_files,
    pocket_examinations,
    records,
    ripple,
    zsre,
)
from errata.datasets.collected import DataSet, Make, collect, draw
from errata.datasets.records import Record
from errata.errors import InputError, unknown
from errata.model.load import POCKET

NO_PHRASINGS = "relation without ten phrasings"


def _of_all(paths: Sequence[Path]) -> Iterator[Record]:
    return (record for path in paths for record in records.objects(path))


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set's records are read: what makes an examination of one, and what gives the records of its files.

    `distinct` whether a subject and relation counts once; MQuAKE's records share facts.
    """

    examination: Make
    records: Callable[[Sequence[Path]], Iterator[Record]] = _of_all
    distinct: bool = True


LAYOUTS = {
    "counterfact": Layout(counterfact.examination, counterfact.records),
    "zsre": Layout(zsre.examination),
    "knowedit": Layout(knowedit.examination),
    "mquake": Layout(mquake.examination, distinct=False),
    "ripple": Layout(ripple.examination),
    "jsonl": Layout(jsonl.examination),
}


def load(
    name: str,
    where: str | Path | Sequence[str | Path],
    count: int | None = None,
    seed: int = 0,
    revision: str | None = None,
    split: str | None = None,
    subset: str | None = None,
) -> DataSet:
    """A data set, or `count` of it: with seed 0 the first, with another seed as many drawn at random.

    `where` is a path, several, or OWNER/NAME or OWNER/NAME:FILE on the hub, which alone has a `revision` (a commit, a
    tag, a branch), a `split` and a `subset`; of `pararel` a folder, of `pocket` `gelu` or `swiglu`. Both of these are
    in an order that the seed draws.

    Raises InputError for a name, a place or a record that cannot be used, and for fewer examinations than `count`;
    MissingPackageError where the hub is wanted without the package `datasets`.
    """
    if count is not None and count < 1:
        raise InputError(f"Expected a count of at least 1, found {count}: leave it out for the whole data set.")
    layout = layout_of(name) if name not in MADE else None
    places = [where] if isinstance(where, str | Path) else list(where)
    if not places:
        raise InputError(f"The data set {name} is not part of Errata: give its file.")
    remote = layout is not None and len(places) == 1 and _is_remote(places[0])
    if not remote and (revision or split or subset):
        raise InputError(f"A revision, split or subset is the hub's: {places[0]} is a path, leave them out.")
    if layout is None:
        if len(places) > 1:
            raise InputError(f"Expected one place of {name}, found {len(places)}: load each by itself.")
        return MADE[name](str(places[0]), count, seed)
    if remote:
        origin = str(places[0])
        commit = hub.pinned(origin, revision)
        source, files = hub.records(origin, commit, subset, split), {origin: f"commit:{commit}"}
    else:
        paths = [_there(Path(place)) for place in places]
        source, files = layout.records(paths), {path.name: records.sha256(path) for path in paths}
    found, skipped = collect(source, layout.examination, count if seed == 0 else None, layout.distinct)
    if not found and not skipped:
        raise InputError(f"{', '.join(files)} holds no records: give a file that has some.")
    chosen = found if count is None or seed == 0 else tuple(draw(found, seed, count))
    return DataSet(name, chosen, skipped, files)


def layout_of(name: str) -> Layout:
    """The layout of a data set of records; raises InputError for one there is not."""
    if name not in LAYOUTS:
        raise unknown("data set", name, LAYOUTS, " of records")
    return LAYOUTS[name]


def _pararel(where: str, count: int | None, seed: int) -> DataSet:
    folder = Path(where)
    data = pararel.read(folder)
    found, skipped = pararel_examinations.examinations(data, count, seed)
    source = pararel_files.source_of_pairs(folder)
    rest = sum(map(len, pararel_files.pairs(folder).values())) - len(data.facts)
    files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    left_out = {**skipped, NO_PHRASINGS: rest} if rest else skipped
    return DataSet("pararel", found, left_out, {path.name: records.sha256(path) for path in files})


def _pocket(where: str, count: int | None, seed: int) -> DataSet:
    kind = where.removeprefix("pocket-")
    if kind not in POCKET:
        raise InputError(f"There is no embedded model {where!r}: choose {' or '.join(POCKET)}.")
    return DataSet("pocket", tuple(pocket_examinations.examinations(kind, count, seed)))


MADE: dict[str, Callable[[str, int | None, int], DataSet]] = {"pararel": _pararel, "pocket": _pocket}
NAMES = (*LAYOUTS, *MADE)


def _is_remote(place: str | Path) -> bool:
    return isinstance(place, str) and not Path(place).exists() and hub.is_id(place)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"There is no file {path}: give a file that is there, or OWNER/NAME:FILE on the hub.")
    return path
