"""`errata compare`: a table and sentences, or JSON; and what is refused."""

import json
from pathlib import Path

import pytest

from errata.evaluation.results import write
from tests.cli.conftest import Run
from tests.cli.test_bad_input import refused
from tests.evaluation.outcomes import results, shares


@pytest.fixture
def files(elsewhere: Path) -> tuple[Path, Path]:
    """ROME right on nine of twenty facts, MEMIT on one other."""
    paths = Path("rome.jsonl"), Path("memit.jsonl")
    write(paths[0], results(shares("1" * 9 + "0" * 11)))
    write(paths[1], results(shares("0" * 9 + "1" + "0" * 10), method="memit"))
    return paths


def test_it_says_which_is_higher(run: Run, files: tuple[Path, Path]) -> None:
    found = run("compare", *files)
    assert (found.code, found.err) == (0, "")
    text = " ".join(found.out.split())
    assert "efficacy (generation): rome is higher than memit (rome − memit = +0.400" in text
    assert "corrected p = 0.021" in text and "Cases and seeds in both: 20" in text
    assert "\x1b[" not in found.out


def test_json_is_one_object(run: Run, files: tuple[Path, Path]) -> None:
    found = run("compare", *files, "--protocol", "generation", "--metrics", "efficacy", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.json["a"] == {"file": "rome.jsonl", "model": "pocket-gelu", "method": "rome"}
    (row,) = found.json["rows"]
    assert (row["p"], row["verdict"], row["n"]) == (0.021484375, "a higher", 20)
    assert found.json["correction"] == "holm" and found.json["only_a"] == 0


def test_nothing_to_show_is_no_failure(run: Run, files: tuple[Path, Path]) -> None:
    """Two files of one method go by their names."""
    write(Path("again.jsonl"), results(shares("1" * 9 + "0" * 8 + "111")))
    found = run("compare", files[0], "again.jsonl")
    assert found.code == 0 and "n is too small (rome − again = −0.150" in " ".join(found.out.split())
    found = run("compare", files[0], files[0])
    assert found.code == 0 and "not one of 20 facts differs" in found.out


def test_bad_input_is_refused(run: Run, elsewhere: Path, files: tuple[Path, Path]) -> None:
    write(Path("other.jsonl"), results([1.0] * 8, data="zsre"))
    lines = files[1].read_text().splitlines()
    lines[4] = json.dumps({**json.loads(lines[4]), "seed": "0"})
    Path("broken.jsonl").write_text("\n".join(lines))
    for words, expected in [
        ([files[0], "none.jsonl"], "none.jsonl cannot be read"),
        ([files[0], "broken.jsonl"], "broken.jsonl, line 5: expected a whole number under 'seed', found '0'"),
        ([files[0], "other.jsonl"], "differ in their data"),
        ([*files, "--protocol", "judge"], "no protocol 'judge'"),
        ([*files, "--metrics", "locality"], "no metric 'locality'"),
        ([*files, "--metrics", " , "], "name nothing"),
        ([*files, "--correction", "no"], "no correction 'no'"),
    ]:
        assert expected in refused(run, elsewhere, "compare", *words)
