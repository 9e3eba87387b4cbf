"""The front page, in both languages: commands print what it shows, pictures are there, its table says its sources."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from errata.cli import build, main
from errata.registry import names
from tests.told import same

ROOT = Path(__file__).parent.parent
README, CHINESE = (ROOT / name for name in ("README.md", "README.zh.md"))
FOUND_OUT = ("measured", "source", "documentation")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def runs(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with what it prints."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("ERRATA_LEDGER", raising=False)
    shown = [run for block in blocks(README, "console") for run in runs(block)]
    assert len(shown) >= 8
    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}
    for command, expected in shown:
        program, *words = shlex.split(command)
        capfd.readouterr()
        assert program == "errata" and main(words) == 0, command
        printed = capfd.readouterr().out
        assert same(_named(expected, ours), _named(printed, theirs)), f"{command} printed\n{printed}"


def _named(text: str, known: dict[str, str]) -> str:
    """A text whose hashes are numbered as they come: which are equal is the same everywhere, what they are is not."""
    return re.sub(r"\b[0-9a-f]{64}\b", lambda found: known.setdefault(found[0], f"hash-{len(known)}"), text)


def test_both_languages_show_the_same_commands_and_sections() -> None:
    for language in ("console", "sh", "python"):
        assert [_plain(one) for one in blocks(CHINESE, language)] == [_plain(one) for one in blocks(README, language)]
    sections = [re.findall(r"^(#+) ", page.read_text(encoding="utf-8"), re.MULTILINE) for page in (README, CHINESE)]
    rows = [re.findall(r"^\|", page.read_text(encoding="utf-8"), re.MULTILINE) for page in (README, CHINESE)]
    assert sections[0] == sections[1] and rows[0] == rows[1]


def _plain(block: str) -> list[str]:
    """A block's lines without their comments, which are in the page's language."""
    return [re.sub(r"\s+# .*", "", line) for line in block.splitlines()]


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_pictures_and_sources_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r'src="([^"]+)"', text)
    assert pictures and all((ROOT / name).is_file() for name in pictures)
    (table,) = re.findall(r"^\| \| Errata \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    for row in table.splitlines():
        said = row.strip("| ").split(" | ")[-1]
        assert said.startswith(FOUND_OUT), row
    assert "**" in table


def test_the_page_knows_every_command_and_every_method() -> None:
    text = README.read_text(encoding="utf-8")
    listed = "\n".join(blocks(README, "sh"))
    commands = {entry.name for entry in [*build().registered_commands, *build().registered_groups]} - {"demo"}
    assert [name for name in sorted(filter(None, commands)) if f"\nerrata {name} " not in f"\n{listed}"] == []
    assert [name for name in names("errata.editors") if f"`{name}`" not in text] == []
    assert len(names("errata.editors")) == int(re.findall(r"^\| editors \| (\d+)", text, re.MULTILINE)[0])
    assert f"{len(names('errata.localizers'))} ways" in text


def test_options_on_the_page_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    for line in "\n".join(blocks(README, "sh")).splitlines():
        words = shlex.split(line, comments=True)
        options = [word for word in words if word.startswith("--")]
        if words[:1] != ["errata"] or not options:
            continue
        count = 2 + (words[1] in {group.name for group in build().registered_groups})
        main([*words[1:count], "--help"])
        told = capsys.readouterr().out
        assert [option for option in options if option not in told] == [], line
