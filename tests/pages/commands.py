"""The shell commands that pages show, word by word, and the command line that they must fit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language; a block may stand in a list."""
    text = page.read_text(encoding="utf-8")
    return [text for _, name, text in re.findall(r"^( *)```(\w*)\n(.*?)^\1```", text, re.M | re.S) if name == language]


def shell_lines(page: Path) -> Iterator[list[str]]:
    """Every line of the page's shell blocks that calls errata, as words; comments, pipes and variables left out."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(re.sub(r"^\$ ", "", line.strip()), comments=True)
            for stop in ("|", "&&", ">", ";"):
                words = words[: words.index(stop)] if stop in words else words
            while words and re.fullmatch(r"\w+=\S*", words[0]):
                words = words[1:]
            if words and words[0] == "errata":
                yield words[1:]


def spans(page: Path) -> Iterator[list[str]]:
    """Every command in a line of text, such as `errata undo 1`, as words."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for found in re.findall(r"`errata ([^`\n]+)`", text):
        yield found.replace("…", " ").split()


def command_of(group: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that words call, and its arguments; fails for a word that is no command."""
    while words and hasattr(group, "commands"):
        if words[0].startswith("-"):
            break
        assert words[0] in group.commands, f"errata has no command {words[0]!r}: {' '.join(words)}"
        group, words = group.commands[words[0]], words[1:]
    return group, words


def unknown_options(command: Any, words: list[str]) -> list[str]:
    """The options among the words that a command does not have; each has -h and --help."""
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    return [
        word
        for word in (word.partition("=")[0] for word in words)
        if re.fullmatch(r"--?[a-z][\w-]*", word) and word not in known
    ]
