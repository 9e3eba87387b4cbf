"""The page on errors, made from their classes: what each means, its cause and its cure."""

from __future__ import annotations

import importlib
import inspect
import re

from errata.errors import ErrataError
from pages.docstrings import escaped
from pages.links import ROOT

HEADINGS = ("Cause", "Cure")
DECLARED = re.compile(r"^class [A-Z]\w*\(\w+Error\b", re.MULTILINE)


def errors() -> list[type[ErrataError]]:
    """Every error a user can meet: the classes of `errata.errors`, and others that are an ErrataError, base first."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        if DECLARED.search(path.read_text(encoding="utf-8")):
            importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    return _below(ErrataError)


def pages() -> dict[str, str]:
    """The page, by its place in the site."""
    return {"errors.md": page()}


def page() -> str:
    """Every error with cause and cure."""
    blocks = [
        "# Errors",
        "Everything that Errata raises on purpose is an `ErrataError`. Its text is one sentence: what was expected, "
        "what was found, and what to do. The command line prints it and ends with its exit code; with `--json` it "
        'prints `{"error": SENTENCE}`. A refused operation leaves weights and files as they were.',
        *(section(one) for one in errors()),
    ]
    return "\n\n".join(blocks) + "\n"


def section(error: type[ErrataError]) -> str:
    """One error: raises ValueError for a docstring without cause or cure."""
    meaning, *rest = inspect.cleandoc(error.__doc__ or "").split("\n\n")
    text = " ".join(rest)
    found = re.fullmatch(r"Cause: (.+?)\s+Cure: (.+)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"The docstring of {error.__name__} does not go on with 'Cause: …' and 'Cure: …'.")
    bases = [base.__name__ for base in error.__bases__ if issubclass(base, ErrataError)]
    parent = f"A kind of {', '.join(f'[`{base}`](#{base.lower()})' for base in bases)}; " if bases else ""
    lines = [
        f"**{title}.** {_linked(' '.join(part.split()))}" for title, part in zip(HEADINGS, found.groups(), strict=True)
    ]
    head = f"{escaped(' '.join(meaning.split()))} {parent}{'e' if bases else 'E'}xit code {error.exit_code}."
    return "\n\n".join([f"## {error.__name__}", head, *lines])


def _linked(text: str) -> str:
    """Text of a docstring as Markdown, in which pages are links."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", escaped(text))


def _below(error: type[ErrataError]) -> list[type[ErrataError]]:
    ours = error.__module__.startswith("errata.") and not error.__name__.startswith("_")
    own = [error] if ours else []
    return [*own, *(one for child in error.__subclasses__() for one in _below(child))]
