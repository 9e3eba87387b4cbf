"""Which of two results may be held against each other, and what a reader must know of their differences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from errata.errors import InputError, unknown
from errata.evaluation.results import Header, Results

# Letters of a model's fingerprint that are shown.
FINGERPRINT = 15


def require_same(a: Header, b: Header) -> None:
    """Raise InputError where data or regime differ: such numbers are never held against each other."""
    for what, ours, theirs in (
        ("data", (a.data, a.revision), (b.data, b.revision)),
        ("regime", (a.regime, dict(a.schedule)), (b.regime, dict(b.schedule))),
    ):
        if ours != theirs:
            raise InputError(
                f"The results differ in their {what}: {_said(ours)} and {_said(theirs)}. "
                f"Expected the same {what}: evaluate both methods in one way."
            )


def _said(pair: tuple[str, Any]) -> str:
    return " ".join(str(part) for part in pair if part)


def shared_protocols(a: Results, b: Results, named: Sequence[str] | None) -> list[str]:
    """The protocols that both have, or those named; raises InputError where their settings differ."""
    ours, theirs = a.header.protocols, b.header.protocols
    both = [name for name in sorted(ours) if name in theirs]
    if not both:
        raise InputError(
            f"The results share no protocol: found {', '.join(ours)} and {', '.join(theirs)}. "
            "Numbers of different protocols are never held against each other."
        )
    chosen = _known("protocol", named, both)
    for name in chosen:
        if ours[name] != theirs[name]:
            raise InputError(
                f"The protocol {name} has other settings in each of the results: {dict(ours[name])} and "
                f"{dict(theirs[name])}. Evaluate both with the same, or name another protocol of {', '.join(both)}."
            )
    return chosen


def shared_metrics(
    a: Results, b: Results, protocols: Sequence[str], named: Sequence[str] | None
) -> dict[str, list[str]]:
    """By protocol the metrics that both have, or those named that it has."""
    shared = {name: sorted({*a.metrics(name)} & {*b.metrics(name)}) for name in protocols}
    chosen = _known("metric", named, sorted({metric for own in shared.values() for metric in own}))
    return {name: [metric for metric in chosen if metric in own] for name, own in shared.items()}


def _known(what: str, named: Sequence[str] | None, there: Sequence[str]) -> list[str]:
    """The names asked for, each once; raises InputError for one that is not there in both results."""
    for name in named or ():
        if name not in there:
            raise unknown(what, name, there, " in both results")
    return list(dict.fromkeys(named)) if named else list(there)


def notes(a: Results, b: Results, protocols: Sequence[str], both: Collection[tuple[str, int]]) -> Iterator[str]:
    """What to know of the two headers, of what only one has, and of flagged cases among those that both have."""
    one, other = a.header, b.header
    if _model(one) != _model(other):
        yield (
            f"The models differ: a is of {_model(one)}, b of {_model(other)}. "
            "A difference is the models' and the methods' together."
        )
    if (one.method, one.settings) == (other.method, other.settings):
        yield f"Both are of {one.method} with the same settings."
    names = sorted({*one.versions, *other.versions})
    if changed := [name for name in names if one.versions.get(name) != other.versions.get(name)]:
        yield f"The versions of {', '.join(changed)} differ."
    for name, mine, theirs in (("a", a, b), ("b", b, a)):
        if lonely := [each for each in mine.header.protocols if each not in theirs.header.protocols]:
            yield f"Only {name} has the protocol {', '.join(lonely)}."
        for protocol in protocols:
            if lonely := [each for each in mine.metrics(protocol) if each not in theirs.metrics(protocol)]:
                yield f"Only {name} has {', '.join(lonely)} ({protocol})."
    yield from _flagged(a, b, both)
    if one.regime == "sequential" and len({seed for _, seed in both}) == 1:
        yield "One sequence was measured: the intervals are over its facts, not over sequences."


def _flagged(a: Results, b: Results, both: Collection[tuple[str, int]]) -> Iterator[str]:
    rows = [[row for row in found.rows if (row.case, row.seed) in both] for found in (a, b)]
    for words, counts in (
        ("answered with the target before the edit", [sum(row.already for row in own) for own in rows]),
        ("not edited, because the edit failed", [sum(row.failed for row in own) for own in rows]),
    ):
        if any(counts):
            yield f"Of {len(both)} cases {counts[0]} in a and {counts[1]} in b were {words}; they count."


def _model(header: Header) -> str:
    return f"{header.model} ({header.weights[:FINGERPRINT]}, {header.dtype})"
