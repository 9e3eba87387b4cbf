"""The table of docs/reliability.md from benchmarks/results/fuzz.json: `python -m benchmarks._fuzz_table`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "fuzz.json"


def table(result: dict[str, Any]) -> str:
    """A row a target, and all together: seconds, inputs, edges of the code that were reached, crashes."""
    rows = [(f"`{name}`", *_numbers(one, len(one["crashes"]))) for name, one in result["targets"].items()]
    rows.append(("together", *_numbers({**result, "edges": ""}, result["crashes"])))
    lines = [
        "| loader | seconds | of them on the processor | inputs | edges | crashes |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _numbers(one: dict[str, Any], crashes: int) -> tuple[str, str, str, str, int]:
    return f"{one['seconds']:,.0f}", f"{one['cpu_seconds']:,.0f}", f"{one['executions']:,}", f"{one['edges']}", crashes


def sentence(result: dict[str, Any]) -> str:
    """What was run, in words."""
    corpus = result["corpus"]
    said = (
        f"`{result['command']}`, atheris {result['versions']['atheris']}, Python {result['versions']['python']}: "
        f"{result['executions']:,} inputs in {result['seconds'] / 60:.0f} minutes, of which the processor, "
        f"busy with other work, gave {result['cpu_seconds'] / 60:.0f}; "
        f"{corpus['inputs']:,} inputs of {corpus['bytes'] / 1024:.0f} KiB are kept. Crashes found and "
        f"mended: {len(result['mended'])}."
    )
    return textwrap.fill(said, 128, break_on_hyphens=False)


if __name__ == "__main__":
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    print(f"{sentence(found)}\n\n{table(found)}")
