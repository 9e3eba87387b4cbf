"""What the unedited model says to a data set's cases, asked once and kept as a file.

The file's name is a hash over the model's weights, how it is held, the cases, the protocol with its settings and the
versions, so that nothing else is ever read in its place. Answers hold their case; a file holds all else of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast, get_args

from errata.errors import UNREADABLE, InputError
from errata.evaluation.protocols import Outcome, Protocol, Settings, protocol
from errata.facts import Examination
from errata.ledger.disk import write_durably
from errata.methods import versions
from errata.model.view import ModelView
from errata.reproduce.source import digest
from errata.strict import json_in

CASE = "examination"
# By kind of answers, what they are made of.
LEAVES = {"Examined": str, "Choices": int | None, "Likelihoods": float | None}
# By protocol, what was said to one case.
Said = dict[str, Outcome]
log = logging.getLogger(__name__)


def before(
    view: ModelView,
    weights: str,
    protocols: Sequence[str],
    cases: Sequence[Examination],
    settings: Settings,
    work: Path,
) -> list[Said]:
    """What the model without its edits says to each case, by every protocol."""
    with view.unedited():
        said = [said_unedited(view, weights, protocol(name), cases, settings, work) for name in protocols]
    return [dict(zip(protocols, answers, strict=True)) for answers in zip(*said, strict=True)]


def said_unedited(
    view: ModelView,
    weights: str,
    protocol: Protocol[Any],
    cases: Sequence[Examination],
    settings: Settings,
    work: Path,
) -> list[Outcome]:
    """What the model, which must be unedited now, says to the cases; from the file where they were asked before."""
    if settings.endpoint is not None and protocol.name == "judge":
        return protocol.ask(view, cases, settings)  # another's judgement may change, and is not kept
    held = [weights, str(view.dtype), view.device.type]
    asked = [*held, protocol.name, settings.limit, settings.written, versions(), [asdict(one) for one in cases]]
    path = work / f"unedited-{protocol.name}-{digest(asked)[:16]}.json"
    if path.exists():
        return _read(path, cases)
    found = protocol.ask(view, cases, settings)
    _keep(path, found)
    return found


def _keep(path: Path, said: Sequence[Outcome]) -> None:
    """Write a file of answers; a disk that refuses it is a note, not an error."""
    content = json.dumps({"kind": type(said[0]).__name__, "rows": [_plain(one) for one in said]})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, content.encode())
    except OSError as error:
        log.warning("%s cannot be written (%s): the model will be asked again.", path, error)


def _plain(one: Outcome) -> dict[str, Any]:
    return {entry.name: getattr(one, entry.name) for entry in fields(one) if entry.name != CASE}


def _read(path: Path, cases: Sequence[Examination]) -> list[Outcome]:
    try:
        held = json_in(path)
        kind = {one.__name__: one for one in get_args(Outcome)}[held["kind"]]
        rows = cast(list[Mapping[str, Any]], held["rows"])
        if not all(isinstance(leaf, LEAVES[held["kind"]]) for row in rows for leaf in _leaves(list(row.values()))):
            raise ValueError(f"not all of them are those of {held['kind']}")
        return [
            kind(**{CASE: case}, **{name: _frozen(value) for name, value in row.items()})
            for case, row in zip(cases, rows, strict=True)
        ]
    except (*UNREADABLE, InputError) as error:
        raise InputError(f"The file {path} holds no answers ({error}): delete it, and they are asked anew.") from error


def _leaves(value: Any) -> Iterator[Any]:
    """What stands in lists inside one another."""
    if not isinstance(value, list):
        yield value
        return
    for one in cast(list[Any], value):
        yield from _leaves(one)


def _frozen(value: Any) -> Any:
    """Lists as the tuples they were."""
    return tuple(map(_frozen, cast(list[Any], value))) if isinstance(value, list) else value
