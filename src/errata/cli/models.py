"""`errata models`: the embedded models, and how to name others."""

from __future__ import annotations

import json
from math import prod
from typing import Any

from errata.cli import options, output


def models(as_json: options.Json = False) -> None:
    """List the embedded models, and how to name others.

    Example: errata models
    """
    from errata.model.load import POCKET

    rows = [_row(kind) for kind in POCKET]
    if as_json:
        output.print_json({"models": rows})
        return
    from rich.table import Table

    table = Table("model", "architecture", "facts", "relations", "parameters", "size", box=None, pad_edge=False)
    for row in rows:
        sizes = f"{row['parameters'] / 1e6:.1f} M", f"{row['bytes'] / 1e6:.1f} MB"
        table.add_row(row["name"], row["architecture"], f"{row['facts']:,}", str(row["relations"]), *sizes)
    page = output.paper()
    page.print(table)
    page.print()
    for row in rows:
        page.print(f"{row['name']} is in {row['path']}", style="dim", markup=False, soft_wrap=True)
    page.print(
        "\nAny other causal language model goes by its folder ([cyan]./my-model[/]) or its hub id ([cyan]gpt2[/]);\n"
        "[cyan]errata inspect MODEL[/] says whether its memories can be found."
    )


def _row(kind: str) -> dict[str, Any]:
    from safetensors import safe_open

    from errata.datasets import pocket as data
    from errata.model.load import pocket

    folder = pocket(kind)
    rows = data.facts(kind)
    weights = folder / "model.safetensors"
    with safe_open(str(weights), framework="pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    return {
        "name": f"pocket-{kind}",
        "architecture": json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0],
        "facts": len(rows),
        "relations": len({row.relation for row in rows}),
        "parameters": sum(prod(shape) for shape in shapes),
        "bytes": weights.stat().st_size,
        "path": str(folder),
    }
