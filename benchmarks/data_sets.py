"""What becomes of every record of the data sets' files: how many load, and how many are left out, by reason.

    python benchmarks/data_sets.py FOLDER

FOLDER holds the folders counterfact, zsre, knowedit, mquake and pararel; each file in them is read by itself, the
pooled neighbours of CounterFact with the file of their cases. Writes results/data-sets.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from errata.datasets import pararel_files, records
from errata.datasets.catalog import load
from errata.methods import versions

OUT = Path(__file__).parent / "results" / "data-sets.json"
DATA = ("counterfact", "zsre", "knowedit", "mquake")
CASES, POOL = "counterfact/counterfact_21919.jsonl.gz", "counterfact/neighbourhood_pooled.jsonl.gz"
PAIRS, PATTERNS = ("kn_query_pairs.json.gz", "trex_lms_vocab.jsonl.gz"), "patterns.jsonl"


def row(folder: Path, data: str, names: tuple[str, ...]) -> dict[str, Any]:
    """What becomes of the last file's records, read with the files in front of it."""
    found = load(data, [folder / name for name in names])
    total = sum(1 for _ in records.objects(folder / names[-1]))
    return counted(data, names, total, len(found.examinations), dict(found.skipped))


def counted(data: str, names: tuple[str, ...], total: int, loaded: int, skipped: dict[str, int]) -> dict[str, Any]:
    """One row; raises where a record is neither loaded nor counted."""
    if loaded + sum(skipped.values()) != total:
        raise SystemExit(f"{', '.join(names)}: of {total} records {loaded} load, and {skipped} are left out.")
    return {"data": data, "files": list(names), "records": total, "loaded": loaded, "skipped": skipped}


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Every file that holds records, in the order of names."""
    for data in DATA:
        for path in sorted((folder / data).glob("*.json*")):
            name = f"{data}/{path.name}"
            if data != "mquake" or path.name.startswith("MQuAKE"):
                yield row(folder, data, (CASES, POOL) if name == POOL else (name,))
    yield row(folder, "zsre", ("knowedit/ZsRE_ZsRE-test-all.json.gz",))
    for name in PAIRS:
        with tempfile.TemporaryDirectory() as place:
            for one in (name, PATTERNS):
                (Path(place) / one).symlink_to((folder / "pararel" / one).resolve())
            found = load("pararel", place)
            total = sum(map(len, pararel_files.pairs(place).values()))
            yield counted("pararel", (f"pararel/{name}",), total, len(found.examinations), dict(found.skipped))


def main() -> None:
    """Read all files and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    result = {
        "command": shlex.join(["python", "benchmarks/data_sets.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "rows": list(rows(options.folder)),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
