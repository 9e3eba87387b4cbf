"""`errata inspect`: the memories found in a model, and a self-test that they are what they seem."""

from __future__ import annotations

from typing import Any

from errata.cli import options, output


def inspect(
    model: options.Model,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Show a model's layers as key-value memories, and test that W·k + b is what each of them puts out.

    Example: errata inspect pocket-swiglu
    """
    found = _look(model, dtype, device)
    if as_json:
        output.print_json(found)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("layer", "module", "d_ff", "d_model", "stored as", "gated", "self-test"):
        table.add_column(title, justify="right" if title in {"layer", "d_ff", "d_model"} else "left")
    for row in found["layers"]:
        numbers = str(row["layer"]), row["module"], str(row["d_ff"]), str(row["d_model"])
        gated = "gated" if row["gated"] else "plain"
        table.add_row(*numbers, Text(row["orientation"]), gated, f"{row['error']:.1e}")
    page = output.paper()
    size = f"{found['parameters']:,} parameters · {found['dtype']}"
    page.print(f"{found['model']} · {found['class']} · {size}", style="bold", markup=False, soft_wrap=True)
    page.print(table)
    page.print(f"self-test: W·k + b = output within {found['max_error']:.1e} of the largest output, in every layer")
    if found["editable"]:
        page.print(f"fingerprint {found['fingerprint']}", style="dim")
    else:
        page.print("packed or offloaded weights: facts can be located, but not edited")


def _look(model: str, dtype: str | None, device: str) -> dict[str, Any]:
    from errata.desk.opening import open_view

    view = open_view(model, dtype, device)
    errors = view.self_test()
    rows = [
        {
            "layer": projection.layer,
            "module": projection.name,
            "d_ff": projection.d_ff,
            "d_model": projection.d_model,
            "orientation": "[d_ff, d_model]" if projection.transposed else "[d_model, d_ff]",
            "gated": projection.gated,
            "error": error,
        }
        for projection, error in zip(view.structure.projections, errors, strict=True)
    ]
    return {
        "model": view.name,
        "class": type(view.model).__name__,
        "parameters": sum(parameter.numel() for parameter in view.model.parameters()),
        "dtype": str(view.dtype).removeprefix("torch."),
        "device": str(view.device),
        "editable": view.editable,
        "fingerprint": view.model_fingerprint() if view.editable else None,
        "weights_sha256": view.weights_sha256() if view.editable else None,
        "max_error": max(errors),
        "layers": rows,
    }
