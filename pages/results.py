"""The index of results, made from the committed files: what each holds, the command that makes it, and its versions."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from errata.reports.markdown import MISSING, table
from pages.commands import application, commands, parts
from pages.docstrings import escaped
from pages.links import FILES, ROOT, relative

PLACE = "results/index.md"
FOLDER = ROOT / "benchmarks/results"
PAGES = ROOT / "docs/results"
MAKEFILE = ROOT / "Makefile"


def pages() -> dict[str, str]:
    """The index, by its place in the site."""
    return {PLACE: page()}


def page() -> str:
    """Every result page and every result file."""
    shown = [(f"[{title(path)}]({path.name})", f"`{path.stem}`") for path in result_pages()]
    rows = [
        (
            f"[{path.name}]({relative(f'{FILES}benchmarks/results/{path.name}', PLACE)})",
            what(path),
            made(path),
            when(path),
        )
        for path in result_files()
    ]
    blocks = [
        "# Results",
        "Every number in this documentation that was measured here comes from one of these files; a test holds the "
        "pages to them. Parts of long runs stand beside them in the repository, in folders named `.work`.",
        "## Pages",
        table(("page", "file"), shown, 2),
        "## Files",
        table(("file", "what it holds", "made by", "with"), rows, 4),
    ]
    return "\n\n".join(blocks) + "\n"


def result_files() -> list[Path]:
    """The committed files of results."""
    return sorted(FOLDER.glob("*.json"))


def result_pages() -> list[Path]:
    """The pages that were written from them, and are held to them by tests."""
    return sorted([*PAGES.glob("*.md"), *PAGES.glob("*.html")])


def title(path: Path) -> str:
    """A page's first heading; the title of a page in HTML."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r"<title>([^<]*)</title>" if path.suffix == ".html" else r"^# (.*)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else path.stem


def made(path: Path) -> str:
    """The commands that make a file, as it records them."""
    return " · ".join(f"`{command}`" for command in recorded(path)) or MISSING


def what(path: Path) -> str:
    """What the command or script that makes a file says of itself, in its first sentence."""
    script, words = script_of(path), next(iter(recorded(path)), "")
    if script is not None:
        return escaped(
            " ".join((ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").split("\n\n")[0].split())
        )
    target = re.search(
        rf"^{words.removeprefix('make ')}:.*?## (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE
    )
    if target is not None:
        return escaped(target[1])
    known = {name: parts(command)[0][0] for name, command in commands(application())}
    own = [name for name in known if words.startswith(f"{name} ")]
    return escaped(known[max(own, key=len)]) if own else MISSING


def script_of(path: Path) -> Path | None:
    """The benchmark that writes a file: the one its command names, else the one that names the file."""
    named = [match[1] for command in recorded(path) if (match := re.search(r"(benchmarks/\w+\.py)", command))]
    if named:
        return ROOT / named[0]
    scripts = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
    return (
        None if recorded(path) else next((one for one in scripts if path.name in one.read_text(encoding="utf-8")), None)
    )


def when(path: Path) -> str:
    """Versions and date, as far as the file records them."""
    for found in _parts(json.loads(path.read_text(encoding="utf-8"))):
        if "versions" in found:
            versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
            return ", ".join(filter(None, [str(found.get("date", ""))[:10], versions]))
    return MISSING


def recorded(path: Path) -> list[str]:
    """The commands that a file records, of its whole or of its models."""
    found = [one["command"] for one in _parts(json.loads(path.read_text(encoding="utf-8"))) if "command" in one]
    return list(dict.fromkeys(found))


def _parts(result: Any) -> Iterator[Mapping[str, Any]]:
    """A result, and what it holds of each model."""
    if isinstance(result, dict):
        yield result
        for inner in result.values():
            for one in inner.values() if isinstance(inner, dict) else ():
                if isinstance(one, dict) and "command" in one:
                    yield one
            if isinstance(inner, dict) and "command" in inner:
                yield inner
