"""Does Errata work at both ends of the versions it says it works with?

    python benchmarks/_resolutions.py lowest newest

Makes an environment for each end, in a temporary folder: every direct dependency at its lower bound (`lowest`), or at
the newest that is offered below its upper bound (`newest`). Then the core of the tests runs there, on the installed
package. PyTorch is what --torch says, at both ends: its other builds are gigabytes. Whatever is no direct dependency is
the newest that fits. Results: benchmarks/results/resolutions.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from errata.doctor import OWN

ROOT = Path(__file__).parent.parent
OUT = ROOT / "benchmarks" / "results" / "resolutions.json"
ENDS = ("lowest", "newest")
# What the tests are run with, of the extras for work on this repository; the rest looks at the source.
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "beartype", "captum", "duckdb", "httpx")
CORE = (  # something of every part, and what each direct dependency is for
    "tests/test_deltas.py",
    "tests/test_facts.py",
    "tests/test_methods.py",
    "tests/test_neurons.py",
    "tests/model/test_hooks.py",
    "tests/model/test_load.py",
    "tests/model/test_opaque.py",
    "tests/model/test_view.py",
    "tests/ledger/test_ledger.py",
    "tests/ledger/test_refusals.py",
    "tests/editors/test_rome.py",
    "tests/export/test_adapter.py",
    "tests/export/test_push.py",
    "tests/bulk/test_run.py",
    "tests/bulk/test_shards.py",
    "tests/evaluation/test_harness.py",
    "tests/cli/test_edit.py",
    "tests/web/test_guard.py",
    "tests/web/test_routes.py",
)
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)
SUMMARY = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


def requirements() -> dict[str, Requirement]:
    """Every direct dependency by name, of all extras and of the tools of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(own for name, own in extras.items() if name not in OWN)]
    lines = [line for group in groups for line in group]
    lines += [line for line in extras["dev"] if Requirement(line).name in TOOLS]
    return {found.name: found for found in map(Requirement, lines)}


def lower(found: Requirement) -> str:
    """The lower bound of a requirement: `2.0` of `numpy>=2.0,<3`."""
    (bound,) = [one.version for one in found.specifier if one.operator == ">="]
    return bound


def measure(end: str, torch: str, tests: list[str], folder: Path) -> dict[str, Any]:
    """Make the environment of one end, run the tests in it, and say what came of it."""
    begun = time.perf_counter()
    wanted = {name: found for name, found in requirements().items() if name != "torch"}
    pins = [f"{name}=={lower(found)}" for name, found in wanted.items()] if end == "lowest" else []
    constraints = folder / f"{end}.txt"
    constraints.write_text("\n".join([shlex.split(torch)[0], *pins]) + "\n", encoding="utf-8")
    if not (folder / end / "bin" / "python").exists():
        venv.create(folder / end, with_pip=True)
    python = folder / end / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints]
    subprocess.run([*install, *shlex.split(torch)], check=True)
    subprocess.run([*install, str(ROOT), *map(str, wanted.values())], check=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    words = [python, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow and not faults", *tests]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stdout[-4000:] + done.stderr[-2000:])
    return {
        "versions": versions(python, ["torch", *sorted(wanted)]),
        "tests": {kind.removesuffix("s"): int(n) for n, kind in SUMMARY.findall(done.stdout.splitlines()[-1])},
        "failed_tests": sorted(set(FAILED.findall(done.stdout))),
        "exit_code": done.returncode,
        "seconds": round(time.perf_counter() - begun),
    }


def versions(python: Path, names: list[str]) -> dict[str, str]:
    """What is installed of these packages."""
    code = "import sys; from importlib.metadata import version; print(*(f'{n}={version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    return dict(word.split("=", 1) for word in done.stdout.split())


def main(ends: list[str], torch: str, tests: list[str], folder: Path, out: Path) -> int:
    """Measure the ends and put them into the result file, beside what it holds of the other; the exit code."""
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"ends": {}}
    for end in ends:
        known["ends"][end] = {
            "command": shlex.join(["python", "benchmarks/_resolutions.py", end, "--torch", torch]),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            **measure(end, torch, tests, folder),
        }
        out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(f"{end}: {known['ends'][end]['tests']} in {known['ends'][end]['seconds']} s")
    return max(known["ends"][end]["exit_code"] for end in ends)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ends", nargs="+", choices=ENDS, metavar="lowest|newest")
    parser.add_argument("--torch", default="torch==2.13.0", help="what pip is asked for; torch==2.13.0")
    parser.add_argument("--tests", nargs="+", default=list(CORE), help="the tests to run instead of the core")
    parser.add_argument("--folder", type=Path, help="where the environments stay; a temporary folder")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(given.ends, given.torch, given.tests, given.folder or Path(temporary), given.out))
