"""Which method does what on which model: every promise of the contract tests, tried on every architecture.

    python benchmarks/capabilities.py                       all methods: minutes
    python benchmarks/capabilities.py --only gradient_norm  one method, beside what the file holds of the others

Models are the random miniature ones of the tests, and the two embedded ones. Written is benchmarks/results/
capabilities.json: for every method, model and promise, true, false or the sentence of the refusal.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import torch

from errata.methods import versions

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/capabilities.json"
KINDS = ("localizers", "editors")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.contracts.promises import MODELS, TRAITS, names, promises

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these methods alone; the others stay as they are")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.manual_seed(0)
    held = json.loads(given.out.read_text(encoding="utf-8")) if given.only and given.out.exists() else {}
    found = {}
    for kind in KINDS:
        found[kind] = {}
        for name in names(kind):
            if given.only and name not in given.only:
                if name in held.get(kind, {}):
                    found[kind][name] = held[kind][name]
                continue
            found[kind][name] = {model: promises(kind, name, model) for model in MODELS}
            print(f"{kind[:-1]} {name}", flush=True)
    result = {
        "command": "python benchmarks/capabilities.py",
        "date": datetime.date.today().isoformat(),
        "seed": 0,
        "versions": versions(),
        "models": list(MODELS),
        "traits": sorted(TRAITS),
        **found,
    }
    given.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
