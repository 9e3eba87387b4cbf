"""Tables of docs/reliability.md from result files.

python -m benchmarks._reliability_table
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def threads(result: dict[str, Any], model: str = "pocket-gelu") -> str:
    """What another number of threads changes, and whether the same number gives the same bytes."""
    found = result["models"][model]
    methods = found["methods"]
    same, others = [], []
    for turn, count in enumerate(found["threads"][1:], start=1):
        (same if count == found["threads"][0] else others).append(f"{count} threads, run {turn}")
    rows = ["| method | again | with other threads, furthest entry | same neurons |", "|---|---|---|---|"]
    for name, own in methods.items():
        again = all(own[run]["bytes"] for run in same)
        furthest = max(own[run]["furthest"] for run in others)
        neurons = {True: "yes", False: "no", None: ""}[
            all(own[run]["neurons"] for run in others) if "neurons" in own[others[0]] else None
        ]
        kind, _, method = name.partition(".")
        far = "same bytes" if all(own[run]["bytes"] for run in others) else f"{furthest:.0e}"
        shown = "same bytes" if again else "other bytes"
        rows.append(f"| {method} ({kind.removesuffix('s')}) | {shown} | {far} | {neurons} |")
    return "\n".join(rows)


def resolutions(result: dict[str, Any]) -> str:
    """Versions at both ends, and how many tests passed with them."""
    ends = result["ends"]
    low, new = ends["lowest"], ends["newest"]
    rows = [
        "| | lowest | newest |",
        "|---|---|---|",
        *(f"| {name} | {low['versions'][name]} | {new['versions'][name]} |" for name in low["versions"]),
        f"| tests passed | {low['tests']['passed']} | {new['tests']['passed']} |",
        f"| failed | {len(low['failed_tests'])} | {len(new['failed_tests'])} |",
        f"| skipped | {low['tests'].get('skipped', 0)} | {new['tests'].get('skipped', 0)} |",
    ]
    return "\n".join(rows)


def counts(result: dict[str, Any]) -> str:
    """What the tests of faults counted in one run, with how long it took."""
    tests = result["tests"]
    other = ", ".join(f"{n:,} {outcome}" for outcome, n in tests.items() if outcome != "passed")
    said = (
        f"`{result['command']}`, Errata {result['versions']['errata-lm']}, Python {result['python']}, "
        f"{result['cores']} processors, {result['seconds'] / 60:.0f} minutes: {tests['passed']:,} tests passed"
        f"{other and ', ' + other}."
    )
    rows = [f"| {what} | {count:,} |" for what, count in result["counts"].items()]
    return "\n".join([textwrap.fill(said, 128, break_on_hyphens=False), "", "| counted | times |", "|---|---:|", *rows])


def fuzzed(result: dict[str, Any]) -> str:
    """What was fuzzed, and a row a target, and all together: time, inputs, edges of the code reached, crashes."""
    corpus = result["corpus"]
    said = (
        f"`{result['command']}`, atheris {result['versions']['atheris']}, Python {result['versions']['python']}: "
        f"{result['executions']:,} inputs in {result['cpu_seconds'] / 60:.0f} minutes of a processor, "
        f"{result['seconds'] / 60:.0f} on the clock; {corpus['inputs']:,} inputs of {corpus['bytes'] / 1024:.0f} KiB "
        f"are kept. Crashes found and mended: {len(result['mended'])}."
    )
    rows = [(f"`{name}`", *_of_target(one, len(one["crashes"]))) for name, one in result["targets"].items()]
    rows.append(("together", *_of_target({**result, "edges": ""}, result["crashes"])))
    lines = [
        textwrap.fill(said, 128, break_on_hyphens=False),
        "",
        "| loader | seconds | of them on the processor | inputs | edges | crashes |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _of_target(one: dict[str, Any], crashes: int) -> tuple[str, str, str, str, int]:
    return f"{one['seconds']:,.0f}", f"{one['cpu_seconds']:,.0f}", f"{one['executions']:,}", f"{one['edges']}", crashes


TABLES = {
    "counts": ("reliability", counts),
    "fuzz": ("fuzz", fuzzed),
    "threads": ("determinism", threads),
    "resolutions": ("resolutions", resolutions),
}


def fill(page: str) -> str:
    """The page with its tables anew."""
    tables = {
        name: make(json.loads((RESULTS / f"{stem}.json").read_text(encoding="utf-8")))
        for name, (stem, make) in TABLES.items()
        if (RESULTS / f"{stem}.json").exists()
    }
    for name, table in tables.items():
        head, _, rest = page.partition(f"<!-- {name} -->\n")
        page = f"{head}<!-- {name} -->\n{table}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    return page


if __name__ == "__main__":
    place = Path(__file__).parent.parent / "docs" / "reliability.md"
    place.write_text(fill(place.read_text(encoding="utf-8")), encoding="utf-8")
