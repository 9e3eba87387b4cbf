"""A user's own file as examinations: one JSON object a line, of the fields below and no others.

    subject, prompt, target       the fact to edit; `{}` stands for the subject in prompts
    answer, relation              the true answer; a name of what is asked, the same for the same question
    aliases                       texts: other names of the target
    paraphrases, heldout          prompts that should give the target
    neighbours, same_object,      what is to stay, and `inverse`, what is to follow: "PROMPT=ANSWER", or objects with
    same_subject, other_answers   `prompt` and `answer`
    consequences                  objects with `kind`, `prompt` and `answers`, texts of which any is right
    more                          facts edited together with the first: objects with the fields of the first two lines
    essence, references           openings about the subject; texts that are true after the edit

The meaning of each is that of errata.facts.Examination. A second line of the same subject and relation (without one:
of the same prompt) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from errata.datasets.collected import NO_FACT, unfit
from errata.datasets.records import field, fields, unusable
from errata.errors import InputError, RecordError
from errata.facts import SLOT, Case, Consequence, Examination, Fact, Probe

REQUIRED = ("subject", "prompt", "target")
OPTIONAL = ("answer", "relation")
LISTS = (
    *("paraphrases", "neighbours", "heldout", "same_object", "same_subject", "inverse", "essence"),
    *("consequences", "other_answers", "aliases", "more", "references"),
)
CONSEQUENCE = ("kind", "prompt", "answers")


def examination(place: str, row: dict[str, Any]) -> Examination:
    """The examination of a line; raises RecordError for one that cannot be used."""
    _require_known(place, row, (*REQUIRED, *OPTIONAL, *LISTS))
    fact = _fact(place, row)

    def prompts(name: str) -> tuple[str, ...]:
        return tuple(_filled(one, fact) for one in _texts(place, row, name))

    def probes(name: str) -> tuple[Probe, ...]:
        return tuple(_probe(place, one, name, fact) for one in _list(place, row, name))

    return Examination(
        Case(fact, prompts("paraphrases"), probes("neighbours")),
        heldout=prompts("heldout"),
        same_object=probes("same_object"),
        same_subject=probes("same_subject"),
        inverse=probes("inverse"),
        essence=prompts("essence"),
        consequences=tuple(_consequence(place, one, fact) for one in _objects(place, row, "consequences")),
        other_answers=probes("other_answers"),
        aliases=_texts(place, row, "aliases"),
        more=tuple(_further(place, one) for one in _objects(place, row, "more")),
        references=_texts(place, row, "references"),
    )


def neighbour(text: str) -> Probe:
    """A probe from "PROMPT=ANSWER"; raises InputError for another text."""
    prompt, equals, answer = text.rpartition("=")
    if not equals or not prompt.strip() or not answer.strip():
        raise InputError(f"The neighbour {text!r} is not PROMPT=ANSWER: write its prompt, = and the answer it gives.")
    return Probe(prompt.rstrip(), answer.strip())


def probe(place: str, row: dict[str, Any]) -> Probe:
    """A probe from an object with `prompt` and `answer`."""
    return Probe(field(place, row, "prompt"), field(place, row, "answer"))


def _fact(place: str, row: dict[str, Any]) -> Fact:
    subject, prompt, target = (field(place, row, name) for name in REQUIRED)
    answer, relation = (None if row.get(name) is None else field(place, row, name) for name in OPTIONAL)
    try:
        return Fact(subject, prompt, target, answer, relation)
    except InputError as error:
        reason = unfit(subject, prompt, target, [answer] if answer else [])
        raise RecordError(place, reason or NO_FACT, str(error)) from error


def _further(place: str, row: dict[str, Any]) -> Fact:
    _require_known(f"{place}, more", row, (*REQUIRED, *OPTIONAL))
    return _fact(f"{place}, more", row)


def _consequence(place: str, row: dict[str, Any], fact: Fact) -> Consequence:
    where = f"{place}, consequences"
    _require_known(where, row, CONSEQUENCE)
    answers = fields(where, row, "answers")
    if not answers:
        raise unusable(where, "an answer under 'answers'", [], "give one")
    return Consequence(field(where, row, "kind"), _filled(field(where, row, "prompt"), fact), answers)


def _probe(place: str, value: Any, name: str, fact: Fact) -> Probe:
    where = f"{place}, {name}"
    if isinstance(value, dict):
        _require_known(where, value, ("prompt", "answer"))
        found = probe(where, value)
    elif isinstance(value, str):
        try:
            found = neighbour(value)
        except InputError as error:
            raise RecordError(where, f"not PROMPT=ANSWER in {name!r}", str(error)) from error
    else:
        raise unusable(where, f'"PROMPT=ANSWER" or an object with prompt and answer in {name!r}', value, "write it so")
    return Probe(_filled(found.prompt, fact), found.answer)


def _filled(prompt: str, fact: Fact) -> str:
    return prompt.replace(SLOT, fact.subject)


def _texts(place: str, row: dict[str, Any], name: str) -> tuple[str, ...]:
    return () if row.get(name) is None else fields(place, row, name)


def _list(place: str, row: dict[str, Any], name: str) -> list[Any]:
    value = [] if row.get(name) is None else row[name]
    if not isinstance(value, list):
        raise unusable(place, f"a list under {name!r}", value, "write it in [ ]")
    return value


def _objects(place: str, row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = _list(place, row, name)
    if not all(isinstance(one, dict) for one in found):
        raise unusable(place, f"objects under {name!r}", found, "write each in { }")
    return found


def _require_known(place: str, row: dict[str, Any], names: Sequence[str]) -> None:
    unknown = sorted(set(row) - set(names))
    if unknown:
        raise RecordError(
            place, "unknown field", f"there is no field {unknown[0]!r}; the fields are {', '.join(names)}."
        )
