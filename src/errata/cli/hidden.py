"""Secrets are kept out of what is kept: the command that a result, a page or a card names shows none."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from errata.errors import InputError

HIDDEN = "***"
KEY = "OPENAI_API_KEY"
OPTIONS = ("--token",)  # what stands behind them is a secret
SHORTEST = 8  # characters of a variable's value that is looked for
VARIABLES = re.compile(r"(^|_)(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
USER = re.compile(r"(?<=://)[^/?#\s@]*@")  # user:password@ of an address
QUERY = re.compile(r"(?<=\?)\S*")  # ?token=… of an address


def without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command with `***` in place of secrets.

    These are: what stands behind --token; user, password and query of an address; and whatever the environment holds
    in a variable whose name ends in TOKEN, KEY, SECRET, PASSWORD or CREDENTIALS.
    """
    held = {value for name, value in os.environ.items() if VARIABLES.search(name) and len(value) >= SHORTEST}
    found: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        option, equals, _ = word.partition("=")
        if before in OPTIONS:
            shown = HIDDEN
        elif equals and option in OPTIONS:
            shown = f"{option}={HIDDEN}"
        else:
            shown = _plain(word)
        for value in sorted(held, key=len, reverse=True):
            shown = shown.replace(value, HIDDEN)
        found.append(shown)
    return found


def require_name(variable: str) -> None:
    """Raise InputError where the variable that shall hold a key is not set; its name is not said: it may be the key.

    The usual one, KEY, need not be set: many endpoints ask for no key.
    """
    if variable != KEY and variable not in os.environ:
        raise InputError(
            "The environment has no variable of the name that was given for the key: give the name of one that is set, "
            f"for example {KEY}, and never the key itself."
        )


def _plain(word: str) -> str:
    """A word without the secrets of an address."""
    return QUERY.sub(HIDDEN, USER.sub(f"{HIDDEN}@", word)) if "://" in word else word
