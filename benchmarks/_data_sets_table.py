"""What becomes of every record of the data sets' files, as a Markdown table for the docs."""

from __future__ import annotations

from typing import Any


def table(result: dict[str, Any]) -> str:
    """One line a data set and file: its records, how many load, and how many are left out for which reason."""
    lines = ["| data set | file | records | load | left out |", "|---|---|--:|--:|---|"]
    for row in result["rows"]:
        files = " with ".join(f"`{name.rpartition('/')[2].removesuffix('.gz')}`" for name in reversed(row["files"]))
        left = "; ".join(f"{count:,}: {reason}" for reason, count in row["skipped"].items()) or "–"
        lines.append(f"| {row['data']} | {files} | {row['records']:,} | {row['loaded']:,} | {left} |")
    return "\n".join(lines)
