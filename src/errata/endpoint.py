"""Ask a language model behind an OpenAI-compatible endpoint, with nothing but the standard library.

The key is read from an environment variable when a request is sent, and is held nowhere: what is written of an
endpoint, or shown of it, has the variable's name at most.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from errata.errors import UNREADABLE, InputError

LARGEST = 1 << 20
# Refusals that another try may get past.
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint: `url` up to and with its version (https://host/v1), and the model.

    key_variable   environment variable that holds the key; None, or an empty variable, for no key
    seconds        how long an answer may take
    attempts       how often it is asked where it does not answer, or says that it is busy or broken
    pause          seconds before the second attempt, twice as many before each further one
    """

    url: str
    model: str
    key_variable: str | None = None
    seconds: float = 120.0
    temperature: float = 1.0
    attempts: int = 1
    pause: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https?://[\w.:\[\]-]+(/[^\s?#]*)?", self.url):
            shown = self.url.rpartition("@")[2].partition("?")[0]  # what else may stand there is a secret
            raise InputError(
                f"The address {shown!r} is no endpoint: give one like http://localhost:8000/v1, without user and query."
            )
        if self.key_variable is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.key_variable, re.ASCII):
            raise InputError("The key's variable has no name: give one such as OPENAI_API_KEY, never the key itself.")
        if self.attempts < 1:
            raise InputError(f"Expected 1 attempt or more, found {self.attempts}: give for example 3.")

    @property
    def address(self) -> str:
        """Where chat completions are asked for."""
        return f"{self.url.rstrip('/')}/chat/completions"

    def payload(self, text: str) -> dict[str, Any]:
        """What is sent."""
        message = {"role": "user", "content": text}
        return {"model": self.model, "messages": [message], "temperature": self.temperature}

    def ask(self, text: str) -> str:
        """The answer to one message; raises InputError where there is none."""
        for attempt in range(1, self.attempts):
            try:
                return self._answer(text)
            except _NotNowError:
                time.sleep(self.pause * 2 ** (attempt - 1))
        return self._answer(text)

    def _answer(self, text: str) -> str:
        content = self._content(text)
        try:
            answer = json.loads(content)["choices"][0]["message"]["content"]
            return answer.strip()
        except (*UNREADABLE, IndexError) as error:
            raise InputError(f"{self.address} answers, but not with a chat completion: give another one.") from error

    def _content(self, text: str) -> bytes:
        request = Request(self.address, json.dumps(self.payload(text)).encode(), {"Content-Type": "application/json"})
        key = os.environ.get(self.key_variable, "").strip() if self.key_variable else ""
        if key:
            request.add_unredirected_header("Authorization", f"Bearer {key}")
        try:
            with urlopen(request, timeout=self.seconds) as response:
                return response.read(LARGEST)
        except HTTPError as error:
            message = (
                f"{self.address} refuses ({error.code} {error.reason}): see to the address, the model and the key."
            )
            raise (_NotNowError if error.code in PASSING else InputError)(message) from error
        except (OSError, ValueError, HTTPException) as error:
            message = f"{self.address} does not answer ({error}): see to the address and the network."
            raise _NotNowError(message) from error


class _NotNowError(InputError):
    """A request that may do better later."""
