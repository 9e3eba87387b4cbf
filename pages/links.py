"""Where a file of the repository stands in the site, and links of a page made to lead there.

A page links to files as a reader of the repository would, `../src/errata/editors/rome.py`. In the site such a link
leads to the page that is made from that file; files from which no page is made are copied beside the pages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
FILES = "files/"
# Pages made from one file or folder each; a link into the folder leads to its page.
MADE = {
    "README.md": "index.md",
    "docs/results": "results/index.md",
    "benchmarks/results": "results/index.md",
    "benchmarks/results/capabilities.json": "capabilities.md",
    "src/errata/errors.py": "errors.md",
    "src/errata/cli": "cli.md",
    "src/errata/localizers": "methods/index.md",
    "src/errata/editors": "methods/index.md",
}
METHOD = re.compile(r"src/errata/(localizers|editors)/([a-z]\w*)\.py")
# A link, or code, in which nothing is one; a link's text may be code.
PART = re.compile(
    r"^```.*?^```$|(?P<before>!?\[(?:[^\]\[]|\[[^\]]*\])*\]\()(?P<target>[^)\s]+)(?P<after>\))|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)
# Pages that stand inside the package, by their places in the site.
CARDS = {f"models/pocket-{kind}.md": f"src/errata/model/pocket/{kind}/README.md" for kind in ("gelu", "swiglu")}


def project_pages() -> dict[str, str]:
    """The pages that stand outside of docs/, by their places in the site; the front page stands for README."""
    found = [path for path in sorted(ROOT.glob("*.md")) if not path.name.startswith("README")]
    return {**{f"project/{path.stem.lower()}.md": path.name for path in found}, **CARDS}


def place(path: str) -> str:
    """The place in the site of a file or folder of the repository."""
    own = MADE | {card: uri for uri, card in CARDS.items()}
    if path in own:
        return own[path]
    method = METHOD.fullmatch(path)
    if method:
        return f"methods/{method[1]}/{method[2]}.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("src/errata/cli/"):
        return MADE["src/errata/cli"]
    if "/" not in path and path.endswith(".md"):
        return f"project/{path.removesuffix('.md').lower()}.md"
    return FILES + path


def links(markdown: str) -> Iterator[str]:
    """The targets of a text's links and pictures, those in code left out."""
    yield from (match["target"] for match in PART.finditer(markdown) if match["target"])


def target(link: str, path: str) -> str | None:
    """The file or folder that a link of the file `path` leads to; None for an anchor or another site."""
    own = link.partition("#")[0]
    if not own or ":" in own:
        return None
    return normal(str(PurePosixPath(path).parent / own))


def normal(path: str) -> str:
    """A path without steps back."""
    return os.path.normpath(path)


def rewritten(markdown: str, path: str) -> str:
    """The text of the file `path` with links that lead to their places in the site."""

    def lead(match: re.Match[str]) -> str:
        found = target(match["target"], path) if match["target"] else None
        if found is None:
            return match[0]
        _, hash_, anchor = match["target"].partition("#")
        return f"{match['before']}{relative(place(found), place(path))}{hash_}{anchor}{match['after']}"

    return PART.sub(lead, markdown)


def relative(uri: str, page: str) -> str:
    """How a page of the site links to another place in it."""
    return os.path.relpath(uri, PurePosixPath(page).parent)
