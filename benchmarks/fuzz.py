"""Coverage-guided fuzzing of every pure-Python loader (tests/faults/fuzz), with atheris.

    python benchmarks/fuzz.py --minutes 60

Each target runs in a process of its own for an equal share of the time, from the sound files of
tests/faults/fuzz/seeds.py and from what earlier runs kept. Half of the mutations are libFuzzer's, of bytes, half change
JSON as JSON (tests/faults/fuzz/mutation.py). An exception that is no ErrataError is a crash; it ends the target's
share, and the input is kept. The result goes to benchmarks/results/fuzz.json; the inputs that reached something new,
the shortest first, to tests/faults/corpus, where a fast test replays them. `--only manifest job --more` adds to what is
there, for example when a crash is mended. Needs: pip install 'errata-lm[fuzz]'.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/fuzz.json"
CORPUS = ROOT / "tests/faults/corpus"
LARGEST = 1 << 20  # bytes of the kept corpus
COUNT = 16  # targets, of which each may keep as much
LONGEST = 4096  # bytes of an input
STARTING = 10.0  # seconds that a process takes to begin


@dataclass
class Course:
    """What came of one target."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    executions: int = 0
    edges: int = 0
    crashes: list[str] = field(default_factory=list)


def fuzz_one(name: str, arguments: list[str]) -> None:
    """Hand this process to libFuzzer; it does not come back."""
    import atheris

    with atheris.instrument_imports(include=["errata", "tomllib"]):
        from tests.faults.fuzz.targets import TARGETS, refused_clearly
    from tests.faults.fuzz.mutation import mutated

    target = TARGETS[name]

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        changed = mutated(data, seed) if seed % 2 else None
        return atheris.Mutate(data, size) if changed is None else changed[:size]

    atheris.Setup([sys.argv[0], *arguments], lambda data: refused_clearly(target, data) and None, custom_mutator=mutate)
    atheris.Fuzz()


def run(name: str, work: Path, seconds: float) -> Course:
    """One target, for so long."""
    course = Course()
    found, artifacts = work / name, work / f"{name}.crashes"
    artifacts.mkdir(exist_ok=True)
    options = [f"-max_total_time={max(1, int(seconds))}", f"-max_len={LONGEST}", "-timeout=60", "-rss_limit_mb=4096"]
    options += [f"-artifact_prefix={artifacts}/", f"-dict={work / name}.dict", "-print_final_stats=1", str(found)]
    began, used = time.monotonic(), cpu_seconds()
    said = child(name, options)
    course.seconds, course.cpu_seconds = round(time.monotonic() - began, 1), round(cpu_seconds() - used, 1)
    course.executions = number(r"stat::number_of_executed_units: (\d+)", said) or number(r"#(\d+)\s", said)
    course.edges = number(r"cov: (\d+)", said)
    for path in artifacts.iterdir():
        last = [line for line in said.splitlines() if re.match(r"\w*(Error|Exception|Interrupt)\b", line)]
        course.crashes.append(f"{path.name}: {last[-1] if last else 'no message'}")
        path.replace(work / f"{name}-{path.name}")
    return course


def child(name: str, options: list[str]) -> str:
    """What libFuzzer says in a process of its own."""
    command = [sys.executable, __file__, "--target", name, "--", *options]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    return done.stdout


def cpu_seconds() -> float:
    """Processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def number(pattern: str, text: str) -> int:
    """The last number that a pattern finds; 0 for none."""
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def prepare(work: Path, names: list[str], seeds: dict[str, list[bytes]]) -> None:
    """A folder of inputs and a dictionary of words for every target."""
    for name in names:
        folder = work / name
        folder.mkdir(parents=True)
        for data in seeds[name]:
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        if (CORPUS / f"{name}.zip").exists():
            with ZipFile(CORPUS / f"{name}.zip") as kept:
                kept.extractall(folder)
        words = set(re.findall(rb'"[\w ]{1,40}"|[\w.-]{2,40}', b"\n".join(seeds[name])))
        words |= {b"null", b"true", b"NaN", b"1e999", b"\\ud800", b"../", b"[[[[[[[[", b"-1", b"9223372036854775807"}
        lines = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words))
        (work / f"{name}.dict").write_text("".join(f'"{line}"\n' for line in lines))


def keep(work: Path, names: list[str]) -> None:
    """The inputs that reached something new (libFuzzer makes each as short as it can), cut to LARGEST bytes in all."""
    CORPUS.mkdir(exist_ok=True)
    for name in names:
        crashed = sorted(work.glob(f"{name}-*"))
        found = sorted((work / name).iterdir(), key=lambda path: (path.stat().st_size, path.name))
        kept, left = dict[str, bytes](), LARGEST // COUNT
        for path in [*crashed, *found]:
            left -= path.stat().st_size
            if left < 0:
                break
            data = path.read_bytes()
            kept[hashlib.sha256(data).hexdigest()[:16]] = data
        with ZipFile(CORPUS / f"{name}.zip", "w", ZIP_DEFLATED) as file:
            for title, data in sorted(kept.items()):
                file.writestr(ZipInfo(title), data, ZIP_DEFLATED)  # without a date: the same inputs, the same bytes


def main() -> None:
    """Fuzz all targets for so many minutes in all, and write what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", nargs="*", help="targets, by default all")
    parser.add_argument("--more", action="store_true", help="add to the result that is there")
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.target:
        fuzz_one(given.target, given.rest)
        return
    from tests.faults.fuzz.seeds import seeds
    from tests.faults.fuzz.targets import TARGETS

    names = given.only or list(TARGETS)
    result: dict[str, Any] = {"seconds": 0.0, "mended": [], "targets": {}}
    commands = [shlex.join(["python", "benchmarks/fuzz.py", *sys.argv[1:]])]
    if given.more:
        result = json.loads(RESULT.read_text(encoding="utf-8"))
        commands.insert(0, result["command"])
    work = Path(tempfile.mkdtemp(prefix="errata-fuzz-"))
    prepare(work, names, seeds())
    began, seconds, before = time.monotonic(), 60 * given.minutes, result["seconds"]
    for place, name in enumerate(names):
        left = began + seconds - time.monotonic()
        course = run(name, work, left / (len(names) - place) - STARTING)
        took = time.monotonic() - began
        print(f"{took:7.0f} s  {name}  {course}", flush=True)
        result = joined(result, name, course)
        result["seconds"] = round(before + took, 1)
        keep(work, [name])
        RESULT.write_text(json.dumps(described(result, commands), indent=1) + "\n", encoding="utf-8")


def joined(result: dict[str, Any], name: str, course: Course) -> dict[str, Any]:
    """The result with one more course; a crash of an earlier one, which this one began with, is mended."""
    known = result["targets"].get(name, vars(Course()))
    both = {
        "seconds": round(known["seconds"] + course.seconds, 1),
        "cpu_seconds": round(known["cpu_seconds"] + course.cpu_seconds, 1),
        "executions": known["executions"] + course.executions,
        "edges": max(known["edges"], course.edges),
        "crashes": course.crashes,
    }
    mended = [*result["mended"], *(f"{name}: {crash}" for crash in known["crashes"])]
    return {**result, "mended": mended, "targets": {**result["targets"], name: both}}


def described(result: dict[str, Any], commands: list[str]) -> dict[str, Any]:
    """The result with what it was made with, and its sums."""
    courses = result["targets"].values()
    kept = [one for path in CORPUS.glob("*.zip") for one in ZipFile(path).infolist()]
    return {
        "command": " && ".join(commands),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("atheris", "errata-lm", "safetensors", "torch")}
        | {"python": sys.version.split()[0]},
        "seconds": result["seconds"],
        "cpu_seconds": round(sum(course["cpu_seconds"] for course in courses), 1),
        "executions": sum(course["executions"] for course in courses),
        "crashes": sum(len(course["crashes"]) for course in courses),
        "mended": result["mended"],
        "corpus": {"inputs": len(kept), "bytes": sum(one.file_size for one in kept)},
        "targets": result["targets"],
    }


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))
    main()
