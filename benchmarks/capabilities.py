"""Which method does what on which model: every promise of the contract tests, tried on every architecture.

    python benchmarks/capabilities.py                       all methods: minutes
    python benchmarks/capabilities.py --only gradient_norm  one method, beside what the file holds of the others

Models are the random miniature ones of the tests, and the two embedded ones. Written after every method is
benchmarks/results/capabilities.json: for every method, model and promise, true, false or the sentence of the refusal.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from pathlib import Path

from errata.methods import versions

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/capabilities.json"
KINDS = ("localizers", "editors")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.contracts.promises import MODELS, TRAITS, names, promises  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these methods alone; the others stay as they are")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    held = json.loads(given.out.read_text(encoding="utf-8")) if given.only and given.out.exists() else {}
    found: dict[str, dict[str, dict[str, dict[str, bool | str]]]] = {
        kind: {name: row for name, row in held.get(kind, {}).items() if name in names(kind)} for kind in KINDS
    }
    for kind in KINDS:
        for name in names(kind):
            if given.only and name not in given.only:
                continue
            started = time.process_time()
            found[kind][name] = {model: promises(kind, name, model) for model in MODELS[kind]}
            print(f"{kind[:-1]} {name}: {time.process_time() - started:.0f} s", flush=True)
            write(
                given.out,
                {"models": {kind: list(models) for kind, models in MODELS.items()}, "traits": sorted(TRAITS)},
                found,
            )


def write(path: Path, about: dict[str, object], found: dict[str, dict[str, object]]) -> None:
    """Write what was tried so far, methods in their order."""
    result = {
        "command": "python benchmarks/capabilities.py",
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        **about,
        **{kind: dict(sorted(rows.items())) for kind, rows in found.items()},
    }
    path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
