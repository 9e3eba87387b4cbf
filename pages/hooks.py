"""What MkDocs calls while it builds the site: pages are made, listed and linked here (`python -m mkdocs build`)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from pages import capabilities, commands, errors, links, methods, results

DOCS = links.ROOT / "docs"


@cache
def generated() -> dict[str, str]:
    """Every page that is made from code and result files, by its place in the site."""
    found: dict[str, str] = {}
    for part in (methods, commands, errors, capabilities, results):
        found |= part.pages()
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write out the navigation: `folder/*` becomes the pages of a folder, `?page.md` a page that may be missing."""
    known = {*generated(), *links.project_pages(), *(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))}
    config.nav = _written_out(config.nav, known)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, those of the repository's first folder, and other files that a page links to."""
    for uri, text in generated().items():
        files.append(File.generated(config, uri, content=text))
    for uri, path in links.project_pages().items():
        files.append(File.generated(config, uri, abs_src_path=str(links.ROOT / path)))
    for path in sorted(_linked(files)):
        files.append(File.generated(config, links.FILES + path, abs_src_path=str(links.ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Lead the links of a page that stands in the repository to their places in the site."""
    path = _path(page.file.src_uri)
    return markdown if path is None else links.rewritten(markdown, path)


def _path(uri: str) -> str | None:
    """The file of the repository that a page is; None for one that is made."""
    if uri in generated():
        return None
    return links.project_pages().get(uri, f"docs/{uri}")


def _linked(files: Iterable[File]) -> set[str]:
    """Files of the repository that are no pages and that some page links to."""
    found: set[str] = set()
    for file in files:
        if not file.is_documentation_page():
            continue
        path = _path(file.src_uri)
        for link in links.links(file.content_string):
            if path is None:
                place = str(PurePosixPath(file.src_uri).parent / link.partition("#")[0])
                target = links.normal(place).removeprefix(links.FILES) if links.FILES in place else ""
            else:
                target = links.target(link, path) or ""
                target = target if links.place(target) == links.FILES + target else ""
            if target and (links.ROOT / target).is_file():
                found.add(target)
    return found


def _written_out(entries: Any, known: set[str]) -> Any:
    if isinstance(entries, dict):
        return {title: _written_out(entry, known) for title, entry in entries.items()}
    if isinstance(entries, list):
        return [one for entry in entries for one in _entries(entry, known)]
    return entries


def _entries(entry: Any, known: set[str]) -> list[Any]:
    """What one entry of a list stands for: a folder's pages, a page if it is there, or itself."""
    if not isinstance(entry, str):
        return [_written_out(entry, known)]
    if entry.endswith("/*"):
        folder = entry.removesuffix("*")
        return sorted(uri for uri in known if uri.startswith(folder) and Path(uri).name != "index.md")
    return [entry.removeprefix("?")] if not entry.startswith("?") or entry[1:] in known else []
