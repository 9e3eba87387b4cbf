"""The file of a shard: one row a prompt, and the same bytes for the same rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from errata.bulk.keep import Keep
from errata.bulk.prompts import Prompt
from errata.errors import InputError
from errata.neurons import Attribution

KEY, SHAPE = b"errata.job", b"errata.shape"

COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("relation", pa.string()),
        pa.field("answer", pa.string()),
        pa.field("layers", pa.list_(pa.int32())),
        pa.field("indices", pa.list_(pa.int32())),
        pa.field("scores", pa.list_(pa.float32())),
        pa.field("kept", pa.int32()),
        pa.field("maximum", pa.float32()),
        pa.field("sums", pa.list_(pa.float64())),
        pa.field("change", pa.list_(pa.float32())),
        pa.field("gap", pa.float64()),
        pa.field("error", pa.string()),
    ]
)


def row_of(prompt: Prompt, found: Attribution | InputError, keep: Keep) -> dict[str, Any]:
    """A prompt's row: its scores, or the error that stands in their place."""
    asked = {"id": prompt.id, "prompt": prompt.fact.text, "relation": prompt.fact.relation}
    if isinstance(found, InputError):
        return {**asked, "answer": prompt.fact.answer, "error": str(found)}
    try:
        kept = keep.of(found.scores)
    except InputError as error:
        return {**asked, "answer": found.answer, "error": str(error)}
    return {
        **asked,
        "answer": found.answer,
        "layers": kept.layers,
        "indices": kept.indices,
        "scores": kept.scores,
        "kept": len(kept.scores),
        "maximum": float(found.scores.max()),
        "sums": found.scores.double().sum(-1).tolist(),
        "change": None if found.change is None else found.change.tolist(),
        "gap": found.gap,
    }


def encode(rows: list[dict[str, Any]], key: str, n_layers: int, d_ff: int) -> bytes:
    """The rows as a Parquet file, which carries the job's key and the model's shape and no time or place."""
    schema = COLUMNS.with_metadata({KEY: key.encode(), SHAPE: f"{n_layers} {d_ff}".encode()})
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, sink, compression="zstd", compression_level=3, version="2.6", data_page_version="1.0")
    return sink.getvalue().to_pybytes()
