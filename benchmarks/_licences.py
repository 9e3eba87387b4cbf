"""The licences of everything that Errata needs to run, from what the installed packages say of themselves.

python -m benchmarks._licences docs/licences.md
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from errata.doctor import OWN

ROOT = Path(__file__).parent.parent
OSI = "License :: OSI Approved :: "
HEAD = """\
# Licences

What Errata needs to run, and under which licence each package says it comes. Errata itself is under Apache-2.0, and
the facts and phrasings in it come from ParaRel (MIT): see [NOTICE](../NOTICE).

The page is made by `make licences` from the installed packages; `make sbom` writes the same, with all that is there for
tests and every version, as CycloneDX JSON.
"""
TAIL = """\
PyTorch's builds for NVIDIA's GPUs bring NVIDIA's own libraries, under NVIDIA's terms; the build for CPUs, which this
list is of, does not.
"""


def licence(name: str) -> str:
    """A package's licence in a few words."""
    found = distribution(name).metadata
    if expression := found.get("License-Expression"):
        return expression
    classified = [line.removeprefix(OSI) for line in found.get_all("Classifier", []) if line.startswith(OSI)]
    stated = (found.get("License") or "").strip()
    if stated and len(stated) < 40 and "\n" not in stated:
        return stated
    return ", ".join(classified) or stated.splitlines()[0][:40]


def direct() -> dict[str, tuple[Requirement, list[str]]]:
    """The direct dependencies by name, each with the extras that ask for it; none where it is always needed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for extra, lines in groups.items():
        for asked in map(Requirement, lines if extra not in OWN else ()):
            extras = found.setdefault(canonicalize_name(asked.name), (asked, []))[1]
            if extra:
                extras.append(extra)
    return dict(sorted(found.items()))


def behind(names: list[str]) -> list[str]:
    """All that these packages need in turn, as far as it is installed, without themselves."""
    seen, waiting = set(names), list(names)
    while waiting:
        try:
            lines = distribution(waiting[-1]).requires or ()
        except PackageNotFoundError:
            seen.discard(waiting.pop())
            continue
        waiting.pop()
        for asked in map(Requirement, lines):
            name = canonicalize_name(asked.name)
            if name not in seen and (asked.marker is None or asked.marker.evaluate({"extra": ""})):
                seen.add(name)
                waiting.append(name)
    return sorted(seen - set(names))


def page() -> str:
    """The page, for the packages that are installed."""
    rows = ["| package | versions | for | licence |", "|---|---|---|---|"]
    for name, (asked, extras) in direct().items():
        bounds = ", ".join(sorted(map(str, asked.specifier), reverse=True))
        purpose = ", ".join(f"`{extra}`" for extra in extras) or "always"
        rows.append(f"| {name} | {bounds} | {purpose} | {licence(name)} |")
    more = ["| package | licence |", "|---|---|"]
    more += [f"| {name} | {licence(name)} |" for name in behind(list(direct()))]
    return "\n".join(
        [HEAD, "## Direct dependencies", "", *rows, "", "## What they need in turn", "", *more, "", TAIL.rstrip(), ""]
    )


if __name__ == "__main__":
    try:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    except PackageNotFoundError as error:
        sys.exit(f"{error.name} is not installed, and its licence cannot be read: pip install -e '.[hub,harness]'")
