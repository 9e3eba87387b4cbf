"""A language model as the judge of free generation: it is shown prompt, accepted answers and the whole reply.

It is asked REQUEST once for each distinct reply, at temperature 0 unless the endpoint says otherwise, and has to say
yes or no. A judgement that begins with neither leaves its question out and counts in `unclear`. Texts stand in the
request as JSON strings, so that a reply cannot end its own quotation. The words of the request are ours.

A judge errs, and is one model at one time: quote its name and version, and `generation` beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from errata.endpoint import Endpoint
from errata.evaluation.examination import Examined, questions
from errata.evaluation.generation import replied_values
from errata.evaluation.probes import asked_once
from errata.facts import Examination
from errata.model.phrases import line_of

AT_ONCE = 8
REQUEST = """\
A language model was given a prompt and continued it. Judge its continuation.

Prompt: {prompt}
Accepted answers: {accepted}
Continuation: {reply}

Does the continuation give an accepted answer, whatever else it goes on to say, without giving another answer to the
same prompt, taking the answer back, or saying it again and again? Answer with one word: yes or no."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model wrote, and what the judge said of every reply: scores are worked out without asking again."""

    examined: Examined
    judgements: tuple[str, ...]

    @property
    def examination(self) -> Examination:
        """What the replies belong to."""
        return self.examined.examination


def judge(endpoint: Endpoint, found: Sequence[Examined]) -> list[Judged]:
    """Ask the judge for every reply; raises InputError where the endpoint gives no answer."""
    requests = [
        request(question.prompt, question.expected, text)
        for one in found
        for question, text in zip(questions(one.examination), one.texts, strict=True)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = iter(asked_once(lambda distinct: list(pool.map(endpoint.ask, distinct)), requests))
    return [Judged(one, tuple(next(said) for _ in one.texts)) for one in found]


def request(prompt: str, accepted: Sequence[str], reply: str) -> str:
    """What the judge is asked of one reply."""
    texts = {"prompt": prompt, "accepted": [answer.strip() for answer in accepted], "reply": line_of(reply)}
    return REQUEST.format(**{name: json.dumps(text, ensure_ascii=False) for name, text in texts.items()})


def approves(judgement: str) -> bool | None:
    """Whether a judgement says yes; None where it says neither yes nor no."""
    word = re.match(r"\W*(yes|no)\b", judgement, re.IGNORECASE)
    return word and word[1].lower() == "yes"


def judged_values(before: Sequence[Judged], after: Sequence[Judged]) -> list[dict[str, float]]:
    """Of every case its value of each score that it counts in."""
    rows: list[dict[str, float]] = []
    for old, new in zip(before, after, strict=True):
        was, now = ([approves(said) for said in one.judgements] for one in (old, new))
        unclear = sum(right is None for right in now) / len(now)
        rows.append(replied_values(old.examined, new.examined, was, now) | {"unclear": unclear})
    return rows
