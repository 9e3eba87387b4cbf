"""More phrasings of a relation, asked of a language model behind an OpenAI-compatible endpoint and checked one by one.

LAND (§3.1) tops relations up this way; the words of the request are ours. What comes back is text of unknown worth:
a line is kept if it is sound (errata.datasets.phrasings.fault) and like no phrasing that is there. Whether it means
the relation, a person has to see.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from errata.datasets.phrasings import Phrasing, fault, likeness
from errata.endpoint import Endpoint
from errata.errors import InputError

REQUEST = """\
The sentences below say the same thing of a subject [X] and an object [Y]:

{known}

Write {count} more sentences that say exactly this, each in other words. Every sentence has [X] once and [Y] once, \
ends in [Y] without a full stop, and has no article "a" or "an" in front of [Y]. It begins with [X] or a capital \
letter. Answer with the sentences only, one a line, without numbers."""

_MARKER = re.compile(r"^(?:[-*•]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is no new phrasing, and why."""

    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a language model wrote: the phrasings that can be used, and the lines that cannot."""

    phrasings: tuple[Phrasing, ...]
    refusals: tuple[Refusal, ...]


def message(known: Sequence[Phrasing], count: int) -> str:
    """What is asked for: `count` more phrasings like the known ones; raises InputError where none is known."""
    if not known:
        raise InputError("No phrasing of the relation is known to ask for more like it: give a folder that has some.")
    return REQUEST.format(known="\n".join(phrasing.template for phrasing in known), count=count)


def propose(endpoint: Endpoint, known: Sequence[Phrasing], count: int, rounds: int = 3) -> Proposal:
    """Ask for `count` phrasings like the known ones, up to `rounds` times; fewer where the model gives no more."""
    found: list[Phrasing] = []
    refused: list[Refusal] = []
    for _ in range(rounds):
        if len(found) >= count:
            break
        answer = endpoint.ask(message([*known, *found], count - len(found)))
        proposal = checked(answer, [*known, *found], endpoint.model)
        found += proposal.phrasings
        refused += proposal.refusals
    return Proposal(tuple(found[:count]), tuple(refused))


def checked(answer: str, known: Sequence[Phrasing], source: str) -> Proposal:
    """The lines of an answer, told apart; numbers, bullets, quotation marks and full stops around them are dropped."""
    seen = {likeness(phrasing.template) for phrasing in known}
    found: list[Phrasing] = []
    refused: list[Refusal] = []
    for line in filter(None, map(str.strip, answer.splitlines())):
        template = _MARKER.sub("", line).strip("\"'`“” ").rstrip(" .")
        reason = fault(template, strict=True) or ("is like one that is there" if likeness(template) in seen else None)
        if reason is not None:
            refused.append(Refusal(line, reason))
        else:
            seen.add(likeness(template))
            found.append(Phrasing(known[0].relation, template, source))
    return Proposal(tuple(found), tuple(refused))
