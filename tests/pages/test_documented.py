"""Nothing is left out of the documentation: every command, method, option, score and error; what it shows exists."""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from errata.datasets.pocket_examinations import examinations
from errata.evaluation.protocols import PROTOCOLS, Settings
from errata.model.load import load
from errata.registry import method_class, names
from pages import capabilities, commands, errors, links, methods, published, results
from pages.docstrings import described, options
from tests.pages.commands import PAGES, ROOT, blocks, command_of, shell_lines, spans, unknown_options
from tests.shared import shared

METHODS = [(kind, name) for kind, package in methods.KINDS.items() for name in names(package)]
GROUP = commands.application()
COMMANDS = dict(commands.commands(GROUP))
# What a fence may be marked with; each of them is looked at by a test, but text and diff.
LANGUAGES = {"python", "py", "sh", "json", "toml", "text", "console", "diff"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize(("kind", "name"), METHODS, ids=[f"{kind}-{name}" for kind, name in METHODS])
def test_every_method_is_documented_by_its_file(kind: str, name: str) -> None:
    """Its docstring has every section, each of its options a meaning, and its page the fixed headings."""
    package = methods.KINDS[kind]
    described(importlib.import_module(f"{package}.{name}").__doc__ or "")
    assert [one.name for one in options(method_class(package, name)) if not one.meaning] == []
    page = methods.page(kind, name)
    assert tuple(re.findall(r"^## (.*)$", page, re.MULTILINE)) == methods.HEADINGS
    assert f"[`{name}`]({kind}/{name}.md)" in methods.index()


@pytest.mark.parametrize("missing", ["equation", "source", "departures"])
def test_a_docstring_without_a_section_is_refused(missing: str) -> None:
    parts = {"equation": "    s = k", "source": "Source: ours.", "departures": "Departures: none."}
    del parts[missing]
    with pytest.raises(ValueError, match=f"has no {missing}"):
        described("\n\n".join(["An idea.", *parts.values()]))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_documented_by_its_help(words: str) -> None:
    command = COMMANDS[words]
    text, example = commands.parts(command)
    assert text and all(one.help for one in command.params if one.name != "help"), words
    found, rest = command_of(GROUP, example.split()[1:])
    assert found is command and unknown_options(command, rest) == []
    assert f"### {words}\n" in commands.page()


def test_every_error_is_documented_by_its_class() -> None:
    page = errors.page()
    raised = {
        one
        for path in (ROOT / "src").rglob("*.py")
        for one in re.findall(r"raise (\w+Error)\b", path.read_text("utf-8"))
    }
    ours = {error.__name__ for error in errors.errors()}
    assert {"ErrataError", "LedgerError", "DeclinedError"} <= ours and len(raised & ours) > 8
    private = {"StoppedError", "BusyError"}  # the page's own signals, met by nobody: a stop, and an answer 429
    other = {name for name in raised - ours if not name.startswith("_") and not hasattr(builtins, name)}
    assert other == private
    assert [name for name in ours if f"## {name}\n" not in page] == []


def test_what_does_not_exist_is_found_out() -> None:
    """The helpers of these tests, on words that must not pass."""
    with pytest.raises(AssertionError, match="no command 'lokate'"):
        command_of(GROUP, ["lokate", "pocket-gelu"])
    command, rest = command_of(GROUP, ["locate", "pocket-gelu", "--subjects", "S", "--set=steps=2"])
    assert unknown_options(command, rest) == ["--subjects"]


def test_an_error_without_a_cure_is_refused() -> None:
    class BareError(errors.ErrataError):
        """Something."""

    with pytest.raises(ValueError, match="BareError"):
        errors.section(BareError)


def test_every_score_is_documented() -> None:
    """Whatever the protocols measure has its row in docs/protocols.md."""
    view, found = load("pocket-gelu"), examinations("gelu", count=6)
    page = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
    shown: set[str] = set()
    for name, protocol in PROTOCOLS.items():
        if name == "judge":
            continue  # it asks a language model, and scores what `generation` does
        said = protocol.ask(view, found, Settings(written=20))
        shown |= {score for case in protocol.values(said, said) for score in case}
    known = set(re.findall(r"`(\w+)`", page))
    bare = {score.removesuffix("_before").removesuffix("_magnitude") for score in shown}
    assert len(bare) > 6 and sorted(bare - known) == []


def test_every_language_of_a_block_is_looked_at() -> None:
    fences = {
        (name_of(page), mark) for page in PAGES for mark in re.findall(r"^ *```(\w+)$", page.read_text("utf-8"), re.M)
    }
    assert [fence for fence in fences if fence[1] not in LANGUAGES] == []


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "py")], ids=name_of)
def test_scripts_that_need_more_than_this_process_are_run_by_a_test_of_their_own(page: Path) -> None:
    """They begin with their file's name, and a test reads them out of the page by it."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for block in blocks(page, "py"):
        ast.parse(block)
        assert f'"{block.splitlines()[0].removeprefix("# ")}"' in tests


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "json") or blocks(page, "toml")], ids=name_of)
def test_data_in_the_documentation_can_be_read(page: Path) -> None:
    assert all(json.loads(line) for block in blocks(page, "json") for line in block.splitlines())
    assert all(tomllib.loads(block.replace("…", "x")) for block in blocks(page, "toml"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")], ids=name_of)
def test_commands_in_the_documentation_fit_the_command_line(page: Path) -> None:
    """Every argument and option of a shell block is taken by the command as it is."""
    for words in shell_lines(page):
        command, rest = command_of(GROUP, words)
        assert unknown_options(command, rest) == [], " ".join(words)
        if not hasattr(command, "commands") and not {"--help", "-h"} & set(rest):
            command.make_context(command.name, list(rest))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_in_a_line_exist(page: Path) -> None:
    for words in spans(page):
        named = [word for word in words if word.islower() or word.startswith("-")]
        if not named or words[0].isupper():
            continue
        command, rest = command_of(GROUP, words)
        assert unknown_options(command, rest) == [], " ".join(words)


@pytest.mark.parametrize("page", [ROOT / "docs/quickstart.md"], ids=name_of)
def test_the_quickstart_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shell commands in one folder, with a covariance of less text; the demo has a test of its own."""
    from errata.cli import main

    monkeypatch.chdir(tmp_path)
    run = [words for words in shell_lines(page) if words not in (["demo"], ["--version"])]
    assert len(run) > 8
    for words in run:
        less = ["--set", "covariance_tokens=20000"] if words[0] == "edit" else []
        assert main([*words, *less]) == 0, words


def test_the_table_of_capabilities_is_that_of_the_result_file() -> None:
    """Every method has a row, whatever was tried is shown, and nothing that was promised is broken."""
    found, page = capabilities.result(), capabilities.page(capabilities.result())
    assert [name for kind, name in METHODS if f"[`{name}`](methods/{kind}/{name}.md)" not in page] == []
    assert capabilities.BROKEN not in page
    for kind in methods.KINDS:
        assert set(found[kind]) <= set(names(methods.KINDS[kind]))
        for models in found[kind].values():
            assert list(models) == found["models"][kind]
            assert {what for kept in models.values() for what in kept} <= set(capabilities.MEANINGS)


@pytest.mark.slow
def test_every_method_was_tried() -> None:
    """Where one was not: python benchmarks/capabilities.py --only NAME."""
    assert capabilities.UNTRIED not in capabilities.page(capabilities.result())


def test_a_method_that_was_not_tried_stands_in_the_table_all_the_same() -> None:
    found: dict[str, Any] = {**capabilities.result(), "localizers": {}}
    assert f"[`land`](methods/localizers/land.md) | {capabilities.UNTRIED} |" in capabilities.page(found)


def test_published_numbers_are_those_of_our_notes_on_the_papers() -> None:
    """Every value that the pages quote stands in the notes on the papers, which are not part of the repository."""
    notes = "\n".join(shared(f"papers/{name}").read_text("utf-8") for name in ("baselines.md", "kne.md", "land.md"))
    known = set(re.findall(r"\d+(?:\.\d+)?", notes))
    for source in published.numbers()["source"]:
        for name, *row in source["rows"]:
            assert (ROOT / f"src/errata/localizers/{name}.py").exists() or (
                ROOT / f"src/errata/editors/{name}.py"
            ).exists()
            assert len(row) == len(source["columns"])
            values = re.findall(r"\d+(?:\.\d+)?", " ".join(value for value in row if not re.search("[A-Za-z]", value)))
            assert values and set(values) <= known, row


def test_every_result_is_in_the_index() -> None:
    page = results.page()
    assert [path.name for path in results.result_files() if f"[{path.name}]" not in page] == []
    assert [path.name for path in results.result_pages() if f"({path.name})" not in page] == []
    assert all(len(results.title(path)) < 90 for path in results.result_pages())
    assert [path.name for path in results.result_files() if results.what(path) == results.MISSING] == []


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("docs/land.md", "land.md"),
        ("README.md", "index.md"),
        ("LOG.md", "project/log.md"),
        ("src/errata/editors/rome.py", "methods/editors/rome.md"),
        ("src/errata/editors/_linear.py", "files/src/errata/editors/_linear.py"),
        ("src/errata/cli/edit.py", "cli.md"),
        ("benchmarks/results/grid.json", "files/benchmarks/results/grid.json"),
    ],
)
def test_files_of_the_repository_have_their_places(path: str, place: str) -> None:
    assert links.place(path) == place


def test_links_are_led_to_their_places_and_code_is_left_alone() -> None:
    text = "[log](../LOG.md#first) and `[log](../LOG.md)`\n\n```md\n[log](../LOG.md)\n```\n[site](https://example.org)"
    assert links.rewritten(text, "docs/results/grid.md").startswith("[log](../docs/LOG.md") is False
    found = links.rewritten(text, "docs/land.md")
    assert found.startswith("[log](project/log.md#first) and `[log](../LOG.md)`")
    assert "```md\n[log](../LOG.md)\n```" in found and "(https://example.org)" in found
