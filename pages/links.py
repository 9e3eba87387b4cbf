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
LINK = re.compile(r"(!?\[(?:[^\]\[]|\[[^\]]*\])*\]\()([^)\s]+)(\))")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def project_pages() -> dict[str, Path]:
    """The pages of the repository's first folder, by their place in the site; the front page stands for README."""
    found = [path for path in sorted(ROOT.glob("*.md")) if not path.name.startswith("README")]
    return {f"project/{path.stem.lower()}.md": path for path in found}


def place(path: str) -> str:
    """The place in the site of a file or folder of the repository."""
    if path in MADE:
        return MADE[path]
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
    for part in CODE.split(markdown)[::2]:
        yield from (match[2] for match in LINK.finditer(part))


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
        found = target(match[2], path)
        if found is None:
            return match[0]
        hash_ = match[2][match[2].index("#") :] if "#" in match[2] else ""
        return f"{match[1]}{relative(place(found), place(path))}{hash_}{match[3]}"

    parts = CODE.split(markdown)
    return "".join(part if at % 2 else LINK.sub(lead, part) for at, part in enumerate(parts))


def relative(uri: str, page: str) -> str:
    """How a page of the site links to another place in it."""
    return os.path.relpath(uri, PurePosixPath(page).parent)
