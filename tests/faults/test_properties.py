"""Properties of every loader: whatever the bytes, a value or an ErrataError comes out, and so it stays."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.conftest import Counted
from tests.faults.fuzz.mutation import mutated
from tests.faults.fuzz.seeds import seeds
from tests.faults.fuzz.targets import TARGETS, refused_clearly

ROOT = Path(__file__).parent.parent.parent
CORPUS = Path(__file__).parent / "corpus"
SEEDS = seeds()
FEW, MANY = 24, 4000

SIZES = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.faults)]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def tried(target: str, count: int, strategy: st.SearchStrategy[bytes], counted: Counted) -> None:
    """Feed a target so many inputs of a strategy."""
    inputs = 0

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def feed(data: bytes) -> None:
        nonlocal inputs
        inputs += 1
        refused_clearly(TARGETS[target], data)

    feed()
    counted("inputs tried", inputs)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("target", list(TARGETS))
def test_any_bytes(target: str, count: int, counted: Counted) -> None:
    tried(target, count // 4, st.binary(max_size=200), counted)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("target", list(TARGETS))
def test_a_sound_file_with_some_of_it_changed(target: str, count: int, counted: Counted) -> None:
    """Values of JSON for others, or bytes for others."""
    chosen, seed = st.sampled_from(SEEDS[target]), st.integers(0, 2**32)
    by_value = st.builds(lambda data, n: mutated(data, n) or data, chosen, seed)
    by_byte = st.builds(
        lambda data, at, more: data[: at % (len(data) + 1)] + more + data[at % (len(data) + 1) + len(more) :],
        *(chosen, st.integers(0, 10_000), st.binary(max_size=6)),
    )
    tried(target, count, st.one_of(by_value, by_value, by_byte), counted)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("target", list(TARGETS))
def test_json_of_every_shape(target: str, count: int, counted: Counted) -> None:
    import json

    texts = json_values.map(lambda value: json.dumps(value).encode(errors="surrogatepass"))
    tried(target, count // 4, st.one_of(texts, st.lists(texts, max_size=3).map(b"\n".join)), counted)


def test_sound_files_are_taken() -> None:
    """Or the properties above would hold of loaders that refuse everything."""
    for target, own in SEEDS.items():
        for data in own if target != "pairs" else own[:1]:
            assert not refused_clearly(TARGETS[target], data), (target, data)


REPLAY = """\
import sys
from pathlib import Path
from zipfile import ZipFile
from tests.faults.fuzz.targets import TARGETS, refused_clearly
count = 0
for path in sorted(Path(sys.argv[1]).glob("*.zip")):
    with ZipFile(path) as kept:
        for name in kept.namelist():
            refused_clearly(TARGETS[path.stem], kept.read(name))
            count += 1
print(count)
"""


def test_what_a_fuzzer_found_is_taken_or_refused(counted: Counted) -> None:
    """The kept corpus, in a process in which nothing else checks types: what the tests check, a user does not."""
    ran = subprocess.run(
        [sys.executable, "-c", REPLAY, str(CORPUS)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert int(ran.stdout) == len(_kept()) > 0
    counted("inputs of the fuzzer's corpus replayed", int(ran.stdout))


def test_the_corpus_is_small_and_of_every_target() -> None:
    kept = _kept()
    assert sum(size for _, size in kept) <= 1 << 20
    assert {target for target, _ in kept} == set(TARGETS) == set(SEEDS)


def _kept() -> list[tuple[str, int]]:
    """The target and the size of every input of the corpus."""
    return [(path.stem, one.file_size) for path in CORPUS.glob("*.zip") for one in ZipFile(path).infolist()]
