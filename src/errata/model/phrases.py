"""Read what a model wrote: its answer, and whether it is the expected one."""

from __future__ import annotations

# What a tokenizer writes for bytes that are not yet, or never will be, a character.
UNFINISHED = "\ufffd"
ENDS_PHRASE = ".,;!?\n。，；！？"
ENDS_ANSWER = ENDS_PHRASE + ":…)]}\"'”’»—、：」』）】》"


def says(continuation: str, answer: str) -> bool:
    """Whether a continuation gives exactly this answer: the answer, then nothing or the end of the phrase.

    A sign inside a word or number (U.S, 10,000, it's) ends nothing.
    """
    text, answer = continuation.strip(), answer.strip()
    rest = text[len(answer) :].lstrip(" ")
    return bool(answer) and text.startswith(answer) and (not rest or _ends_phrase(rest, 0, ENDS_ANSWER))


def line_of(continuation: str) -> str:
    """The first line of a continuation that says anything."""
    return continuation.strip().partition("\n")[0].rstrip()


def line_ended(continuation: str) -> bool:
    """Whether a line that says something has ended: no further text changes `line_of`."""
    return "\n" in continuation.lstrip()


def answer_of(continuation: str) -> str:
    """The answer a continuation gives: its text up to the end of the first phrase."""
    text = continuation.strip()
    ends = (i for i in range(len(text)) if _ends_phrase(text, i, ENDS_PHRASE))
    return text[: next(ends, len(text))].strip()


def phrases(text: str) -> list[str]:
    """The pieces of a text between the signs that end an answer; signs and spaces alone are none."""
    cuts = [i for i in range(len(text)) if _ends_phrase(text, i, ENDS_ANSWER)]
    pieces = [
        text[begin:end].strip() for begin, end in zip([0, *(i + 1 for i in cuts)], [*cuts, len(text)], strict=True)
    ]
    return [piece for piece in pieces if any(sign.isalnum() for sign in piece)]


def decided(continuation: str) -> bool:
    """Whether the first phrase has ended, whatever is written next: no further text changes `answer_of`.

    Nor does it change `says` of an answer that is one phrase itself, `answer_of(answer) == answer`. A sign that the
    next character could turn into the inside of a word or number ends nothing before that character is there.
    """
    text = continuation.lstrip().rstrip(UNFINISHED)
    at = next((i for i in range(len(text)) if _ends_phrase(text, i, ENDS_PHRASE)), len(text))
    return at < len(text) - 1 or (at < len(text) and (text[at] == "\n" or not text[at].isascii()))


def _ends_phrase(text: str, place: int, signs: str) -> bool:
    inside = place + 1 < len(text) and text[place + 1].isalnum() and text[place].isascii() and text[place] != "\n"
    return text[place] in signs and not inside
