"""Files larger than memory should be: lines, documents and bombs, read in a child whose address space is bounded."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import Counted

ROOT = Path(__file__).parent.parent.parent

# The child may take ROOM bytes of address space beyond what it has taken by the time that everything is imported.
CHILD = """\
import resource, sys
from pathlib import Path
from errata.bulk.prompts import read_prompts
from errata.cli.cases import read_cases
from errata.datasets import catalog
from errata.datasets.check import check
from errata.datasets.records import document
from errata.errors import ErrataError
from errata.evaluation import results
from errata.export.manifest import Manifest
from errata.neurons import NeuronSet
from errata.reproduce.leaderboard import plan
from errata.strict import json_in
kind, path, room = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
loaders = {
    "check": check, "cases": read_cases, "prompts": read_prompts, "results": results.read, "neurons": NeuronSet.load,
    "board": plan.read, "document": document, "counterfact": lambda p: catalog.load("counterfact", p),
}
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (held + room, held + room))
try:
    loaders[kind](path)
except ErrataError as error:
    print(error)
else:
    sys.exit("it was taken")
"""
LOADERS = ("check", "cases", "prompts", "results", "neurons", "board", "document", "counterfact")
ROOM = 768 << 20


def sentence(kind: str, path: Path, room: int = ROOM) -> str:
    """What a loader says of a file, within so much memory."""
    command = [sys.executable, "-c", CHILD, kind, str(path), str(room)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, f"{kind}: {ran.stderr[-2000:]}"
    assert "Traceback" not in ran.stderr
    return ran.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded by Linux's means")
@pytest.mark.parametrize("kind", [pytest.param(k, marks=[] if k == "check" else [pytest.mark.faults]) for k in LOADERS])
def test_a_line_of_a_gigabyte(kind: str, tmp_path: Path, counted: Counted) -> None:
    """A sparse file: a gigabyte of NUL bytes behind the beginning of a record, and not one line feed."""
    path = tmp_path / "facts.jsonl"
    with path.open("wb") as file:
        file.write(b'{"subject": "')
        file.truncate(1 << 30)
    said = sentence(kind, path)
    assert "more than" in said and str(path) in said
    counted("files of a gigabyte refused in bounded memory", 1)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded by Linux's means")
def test_a_line_of_a_gigabyte_that_is_really_there(tmp_path: Path, counted: Counted) -> None:
    path = tmp_path / "facts.jsonl"
    piece = b"x" * (1 << 20)
    with path.open("wb") as file:
        file.write(b'{"subject": "')
        for _ in range(1024):
            file.write(piece)
        file.write(b'"}\n')
    for kind in LOADERS:
        assert "more than" in sentence(kind, path)
        counted("files of a gigabyte refused in bounded memory", 1)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded by Linux's means")
@pytest.mark.parametrize("kind", ["check", "cases", "prompts", "document", "counterfact"])
@pytest.mark.parametrize(("content", "pieces"), [(b"[", 1024), (b" ", 1024), (b'{"a": 1}\n', 1024), (b"\n", 32)])
def test_a_bomb(kind: str, content: bytes, pieces: int, tmp_path: Path, counted: Counted) -> None:
    """A gzip of a megabyte that unpacks to a gigabyte of brackets, spaces or records, or to 32 million empty lines."""
    path = tmp_path / "facts.jsonl.gz"
    piece = content * ((1 << 20) // len(content))
    with gzip.open(path, "wb") as file:
        for _ in range(pieces):
            file.write(piece)
    assert path.stat().st_size < 1 << 24
    assert sentence(kind, path).strip()
    counted("files of a gigabyte refused in bounded memory", 1)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded by Linux's means")
def test_many_short_lines_that_are_wrong(tmp_path: Path, counted: Counted) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b"x\n" * (1 << 26))
    assert "are not of the layout" in sentence("check", path, 256 << 20)
    counted("files of a gigabyte refused in bounded memory", 1)
