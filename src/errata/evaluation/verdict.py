"""Judge a whole reply: it must give an accepted answer, and neither repeat it nor take it back.

    empty         the reply says nothing
    wrong         it does not begin with an accepted answer that is a phrase by itself (`errata.model.phrases.says`)
    contradicts   behind the answer stands
                    a known wrong answer set off as a phrase by itself ("Paris, London", "Paris. No, it is London")
                    the answer denied as a phrase by itself ("Paris. Not Paris")
                    a correction ("Paris. No, …", "Paris. Wait, …"), whatever follows it
                    the prompt's last sentence, or another prompt's that asks the same, with another object
    repeats       behind the answer stands
                    the answer again, set off as a phrase by itself ("Paris, Paris", "Paris. It is Paris")
                    a loop: one to three words three times running, or four and more twice; words of the prompt count
                    the same four words in three places of the reply
    right         nothing of this

A reply is its first line that says anything. A phrase by itself stands between punctuation; words that say nothing by
themselves (LEADS: "it is", "no", "actually", …) may lead into it. More text about anything is no fault: neither
"French, a Romance language" nor "Paris. Rome is in Italy".

The rules are ours; what they serve is that a repetition or contradiction behind the answer counts as a failure (Yang et
al. 2025, "The Mirage of Model Editing"). What nobody has listed as wrong and does not restate a known prompt, as in
"Paris, Madrid", passes: it cannot be told from "Paris, France".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from errata.model.phrases import ENDS_ANSWER, line_of, phrases, says

Reason = Literal["right", "wrong", "repeats", "contradicts", "empty"]

LEADS = (
    "a an the it he she they this that these those is are was were i mean answer in fact really now but or and also "
    "no sorry wait correction actually rather instead maybe perhaps probably likely it's he's she's that's"
)
CORRECTIONS = ("no", "wait", "sorry", "correction", "i mean", "or rather", "rather")
# A loop of at most so many words runs three times, a longer one twice; one word more in so many places is one too.
SHORT, PLACES = 3, 3

# Words, with the signs inside them: "it's", "10,000", "U.S".
_WORD = re.compile(r"\w+(?:[^\w\s]\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n")
# A phrase begins at the begin or behind a sign that ends one, and ends in front of such a sign or at the end.
_ASCII = "".join(sign for sign in ENDS_ANSWER if sign.isascii())
_OTHERS = "".join(sign for sign in ENDS_ANSWER if not sign.isascii())
_SIGN = rf"(?:[{re.escape(_ASCII)}](?!\w)|[{re.escape(_OTHERS)}])"
_BEGIN, _END = rf"(?:^|{_SIGN})[\s(\[{{\"'“‘«「『（【《–—-]*", rf"(?=\s*(?:$|{_SIGN}))"
_LEAD = rf"(?i:(?:(?:{LEADS.replace(' ', '|')})(?!\w)[\s,]*)*)"
_DENIAL = r"(?i:(?:not|no longer|never)\s+)"
_CORRECTION = re.compile(rf"{_BEGIN}((?i:{'|'.join(CORRECTIONS)}))\s*{_SIGN}\W*\w")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply is worth: the reason, and the words that it was found by."""

    reason: Reason
    found: str = ""

    @property
    def right(self) -> bool:
        """Whether the whole reply is right."""
        return self.reason == "right"


def verdict(
    prompt: str, reply: str, right: Sequence[str], wrong: Sequence[str] = (), same: Sequence[str] = ()
) -> Verdict:
    """Judge a reply by the accepted answers, the known wrong ones, and other prompts that ask the `same`."""
    text = line_of(reply)
    if not any(sign.isalnum() for sign in text):
        return Verdict("empty")
    accepted = [answer.strip() for answer in right]
    given = max((answer for answer in accepted if says(text, answer)), key=len, default=None)
    if given is None:
        again = next((answer for answer in accepted if text.startswith((f"{answer} {answer}", answer * 3))), None)
        return Verdict("wrong", text) if again is None else Verdict("repeats", again)
    rest = text[len(given) :].replace("’", "'")
    if not any(sign.isalnum() for sign in rest):
        return Verdict("right", given)
    against = _contradiction(rest, accepted, [answer.strip() for answer in wrong], [prompt, *same])
    if against is not None:
        return Verdict("contradicts", against)
    again = _set_off(rest, [given]) or _loop(_words(_last_sentence(prompt)), _words(given), _words(rest))
    return Verdict("right", given) if again is None else Verdict("repeats", again)


def _contradiction(rest: str, right: Sequence[str], wrong: Sequence[str], prompts: Iterable[str]) -> str | None:
    """The words of the rest that speak against the answer before it."""
    other = _set_off(rest, [answer for answer in wrong if answer not in right])
    against = other or _set_off(rest, right, _DENIAL) or _correction(rest)
    return against or next(filter(None, (_restated(rest, one, right) for one in prompts)), None)


def _set_off(rest: str, answers: Sequence[str], denial: str = "") -> str | None:
    """The first of these answers that stands as a phrase by itself, but for words that lead into it."""
    found = (re.search(f"{_BEGIN}({_LEAD}{denial}{re.escape(answer)}){_END}", rest) for answer in answers)
    return next((match[1] for match in found if match), None)


def _correction(rest: str) -> str | None:
    match = _CORRECTION.search(rest)
    return match and match[1]


def _restated(rest: str, prompt: str, right: Sequence[str]) -> str | None:
    """The last sentence of the prompt, said again with another object, or with the right one denied."""
    words = _words(_last_sentence(prompt))
    if not words:
        return None
    pattern = r"[\W_]+".join(map(re.escape, words))
    for match in re.finditer(rf"(?<!\w){pattern}(?!\w)", rest, re.IGNORECASE):
        behind = rest[match.end() :].lstrip(" :?\"'“")
        object_ = next(iter(phrases(behind)), "")
        gives = any(behind.startswith(answer) or _has(object_, answer) for answer in right)
        denied = re.match(_DENIAL, behind) is not None
        if object_ and gives == denied:
            return f"{match[0]} {object_}"
    return None


def _has(text: str, answer: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) is not None


def _loop(prompt: Sequence[str], given: Sequence[str], rest: Sequence[str]) -> str | None:
    """The words that the rest says again and again."""
    words, start = [*prompt, *given, *rest], len(prompt) + len(given)
    for end in range(start + 1, len(words) + 1):
        for size in range(1, end // 2 + 1):
            times = 3 if size <= SHORT else 2
            run = words[end - size : end]
            if size * times <= end and words[end - size * times : end] == run * times:
                return " ".join(run)
    reply = [*given, *rest]
    pieces = Counter(tuple(reply[at : at + SHORT + 1]) for at in range(len(reply) - SHORT))
    return next((" ".join(piece) for piece, count in pieces.items() if count >= PLACES), None)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _last_sentence(prompt: str) -> str:
    return _SENTENCE_END.split(prompt.strip())[-1]
