"""The dictionaries say the same things, and the page says nothing that is not in them."""

from __future__ import annotations

import json
import re

import pytest

from errata import registry
from errata.web.app import STATIC
from errata.web.wire import Kind

LANGUAGES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((STATIC / "i18n").iterdir())}
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in sorted((STATIC / "js").iterdir()))
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")


def test_every_language_has_every_word_with_the_same_places() -> None:
    english = LANGUAGES["en"]
    assert set(LANGUAGES) == {"en", "zh"}
    for language, words in LANGUAGES.items():
        assert list(words) == list(english), language
        for key, text in words.items():
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", english[key])), (language, key)


def test_every_word_the_page_uses_is_there_and_none_is_idle() -> None:
    words = set(LANGUAGES["en"])
    plain = set(re.findall(r"\bt\(\s*\"([^\"]+)\"", SCRIPTS)) | set(re.findall(r"data-t(?:-label)?=\"([^\"]+)\"", PAGE))
    chosen = re.findall(r"\bt\([^()]*\? \"([\w.]+)\" : \"([\w.]+)\"", SCRIPTS)
    used = plain | {word for pair in chosen for word in pair}
    made = [re.escape(stem) for stem in re.findall(r"(?:\bt\(|words\[)`([\w.]+)\${", SCRIPTS)]
    assert used - words == set()
    assert [word for word in words - used if not re.match("|".join(made), word)] == []


def test_every_kind_of_job_and_step_has_a_word() -> None:
    words = LANGUAGES["en"]
    assert [kind for kind in Kind.__args__ if f"job.{kind}" not in words] == []
    source = "\n".join(path.read_text(encoding="utf-8") for path in STATIC.parent.parent.rglob("*.py"))
    told = r"tell\.progress\(\"([^\"]+)\"", r"\bsteps\([^\"\n]*, \"([^\"]+)\"", r"\bsay\(\"([^\"]+)\"\)"
    steps = {step for pattern in told for step in re.findall(pattern, source)}
    assert {"asking", "attributing", "optimising values"} <= steps
    assert [step for step in steps if f"step.{step}" not in words] == []


@pytest.mark.parametrize("name", ["style.css", "index.html", "icon.svg"])
def test_nothing_comes_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8") + SCRIPTS
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []


def test_the_default_editor_exists() -> None:
    assert "rome" in registry.names("errata.editors")
