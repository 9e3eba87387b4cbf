"""Measure the house: what the table in CONTRIBUTING.md says of the code. `make house` writes it there.

documented   public functions and methods with a docstring of a sentence or more, which names every error of Errata's
             that the function itself raises
typed        functions with an annotation on every parameter and on what they return
duplicates   pairs of functions with SIMILAR like lines or more on end, layout, comments and docstrings apart
dead         what vulture finds used by nothing in src, tests, benchmarks and examples
complexity   McCabe's, by ruff
"""

from __future__ import annotations

import ast
import builtins
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src/errata"
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- house -->\n", "<!-- /house -->"
SIMILAR = 6
MOST_COMPLEX = 10
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, public: bool = True) -> Iterator[tuple[Function, bool]]:
    """Every function and method that stands in no other function, and whether its name and its class's are public."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            if any(ast.unparse(one).endswith("overload") for one in node.decorator_list):
                continue
            yield node, public and not node.name.startswith("_")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, public and not node.name.startswith("_"))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from functions(node, public)


def raised(function: Function) -> set[str]:
    """The errors of Errata's that a function's own lines raise."""
    calls = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    names = {"InputError" if name == "unknown" else name for name in (ast.unparse(call.func) for call in calls)}
    return {name for name in names if name.endswith("Error") and not hasattr(builtins, name)}


def lacking(path: Path, function: Function) -> str | None:
    """What a docstring lacks; None for a full one. A command's errors are its exit code, so it need not name them."""
    text = ast.get_docstring(function)
    if not text:
        return "no docstring"
    if not re.search(r"[.:!?`)]$", text.split("\n\n")[0].rstrip()):
        return "no sentence"
    missing = set[str]() if path.parent.name == "cli" else raised(function)
    if missing and not re.search(r"(?i)\brais|refuse", text):
        return f"does not say that it raises {', '.join(sorted(missing))}"
    return None


def is_typed(function: Function) -> bool:
    """Whether every parameter but self and cls, and what is returned, has an annotation."""
    given = function.args
    names = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return function.returns is not None and all(one.annotation or one.arg in ("self", "cls") for one in names)


def run(*words: str) -> str:
    """What a tool prints; its exit code says only whether it found anything."""
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def tool(name: str) -> str:
    """A tool of the environment that this runs in."""
    return str(Path(sys.executable).parent / name)


def duplicates(found: Sequence[tuple[Path, Function]]) -> list[str]:
    """Pairs of functions that share SIMILAR lines or more on end, docstrings, comments and layout apart."""
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, function in found:
        body = function.body[ast.get_docstring(function) is not None :]
        lines = [line.strip() for statement in body for line in ast.unparse(statement).splitlines()]
        for start in range(len(lines) - SIMILAR + 1):
            places[tuple(lines[start : start + SIMILAR])].append(_at(path, function))
    alike = {tuple(sorted({one, other})) for own in places.values() for one, other in combinations(own, 2)}
    return [f"{' and '.join(pair)}: {SIMILAR} like lines or more" for pair in sorted(alike)]


def dead() -> list[str]:
    """What nothing uses, as vulture tells it."""
    return [line for line in run(tool("vulture")).splitlines() if line.startswith("src/")]


def complexities() -> list[tuple[int, str]]:
    """Every function's complexity with its place, the highest first."""
    told = json.loads(
        run(
            *(tool("ruff"), "check", "--isolated", "--select", "C901", "--config", "lint.mccabe.max-complexity=0"),
            *("--output-format", "json", "--exit-zero", "src/errata"),
        )
    )
    rows = [(int(re.search(r"\((\d+) >", row["message"])[1]), _place(row)) for row in told]  # type: ignore[index]
    return sorted(rows, reverse=True)


def _place(row: dict[str, Any]) -> str:
    return f"{Path(row['filename']).relative_to(ROOT)}:{row['location']['row']}"


def measure() -> tuple[list[tuple[str, str]], list[str]]:
    """The table's rows, and every place that falls short."""
    files = sorted(SOURCE.rglob("*.py"))
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in files}
    found = [
        (path, function, public)
        for path in files
        for function, public in functions(ast.parse(path.read_text(encoding="utf-8")))
    ]
    named = [(path, one) for path, one, public in found if public]
    short = [f"{_at(path, one)}: {why}" for path, one in named if (why := lacking(path, one))]
    untyped = [f"{_at(path, one)}: not typed" for path, one, _ in found if not is_typed(one)]
    largest = max(lengths, key=lambda path: lengths[path])
    pairs, unused, complex_ = duplicates([(path, one) for path, one, _ in found]), dead(), complexities()
    above = [f"{place}: complexity {value}" for value, place in complex_ if value > MOST_COMPLEX]
    rows = [
        ("public functions with full docstrings", _share(len(named) - len(short), len(named))),
        ("functions typed", _share(len(found) - len(untyped), len(found))),
        ("files", f"{len(files)}, of {median(lengths.values()):.0f} lines in the median"),
        ("largest file", f"{lengths[largest]} lines (`{largest.relative_to(SOURCE)}`); 300 are allowed"),
        (f"pairs of functions with {SIMILAR} like lines or more", str(len(pairs))),
        ("unused code", str(len(unused))),
        (
            "complexity of a function",
            f"{median(value for value, _ in complex_):.0f} in the median, {complex_[0][0]} at most",
        ),
    ]
    return rows, [*short, *untyped, *pairs, *unused, *above]


def _at(path: Path, function: Function) -> str:
    return f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} of {whole:,}".replace("100.0%", "100 %").replace("%", " %").replace("  ", " ")


def table(rows: list[tuple[str, str]]) -> str:
    """The table in Markdown."""
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""])


def main() -> None:
    """Write the table, and print what falls short."""
    rows, short = measure()
    page = PAGE.read_text(encoding="utf-8")
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(page[:start] + table(rows) + page[end:], encoding="utf-8")
    print(table(rows), *short, sep="\n")


if __name__ == "__main__":
    main()
