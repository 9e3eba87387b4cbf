"""One way in: names, places, draws, the hub through a package that is not the real one, folders, embedded models."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from errata.datasets import hub, pocket_examinations
from errata.datasets.catalog import NAMES, load
from errata.errors import InputError, MissingPackageError

COMMIT = "0123456789" * 4


def rows(count: int) -> list[dict[str, Any]]:
    return [{"subject": f"S{at}", "prompt": "The twin of {} is", "target": "Oslo"} for at in range(count)]


def written(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, found)), encoding="utf-8")
    return path


def subjects(found: Any) -> list[str]:
    return [case.fact.subject for case in found.cases]


def test_a_set_knows_its_files(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [*rows(2), *rows(1)])
    found = load("jsonl", str(path))
    assert (found.name, subjects(found)) == ("jsonl", ["S0", "S1"])
    assert found.skipped == {"subject and relation seen before": 1}
    assert found.files == {"a.jsonl": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}


def test_seed_0_takes_the_first_and_another_seed_draws(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", rows(30))
    assert subjects(load("jsonl", path, 3)) == ["S0", "S1", "S2"]
    drawn = subjects(load("jsonl", path, 9, seed=4))
    assert drawn == subjects(load("jsonl", path, 9, seed=4)) != subjects(load("jsonl", path, 9, seed=5))
    assert len(set(drawn)) == 9 and drawn == sorted(drawn, key=lambda name: int(name[1:]))
    for seed in (0, 1):
        with pytest.raises(InputError, match="31 cases are wanted and the files give 30"):
            load("jsonl", path, 31, seed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fever", "x.json"), "no data set 'fever' of records: choose one of counterfact, "),
        (("jsonl", []), "is not part of Errata: give its file"),
        (("jsonl", "no.jsonl"), "There is no file no.jsonl"),
        (("jsonl", "data/no.jsonl"), "There is no file data/no.jsonl"),
        (("jsonl", "empty.jsonl"), "empty.jsonl holds no records"),
        (("jsonl", "empty.jsonl", 0), "Expected a count of at least 1, found 0"),
        (("jsonl", "empty.jsonl", None, 0, "main"), "A revision, split or subset is the hub's"),
        (("pocket", "relu"), "no embedded model 'relu': choose gelu or swiglu"),
        (("pocket", ["gelu", "swiglu"]), "Expected one place of pocket, found 2"),
        (("pararel", "nowhere"), "There is no folder nowhere"),
    ],
)
def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.jsonl").touch()
    with pytest.raises(InputError, match=message):
        load(*arguments)


class Package:
    """What errata.datasets.hub uses of the package `datasets`."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        self.found, self.asked, self.given = found, {}, 0

    def load_dataset(self, path: str, name: str | None, **options: Any) -> Any:
        self.asked = {"path": path, "name": name, **options}
        for row in self.found:
            self.given += 1
            if row.get("broken"):
                raise ValueError("a column changed\nsomewhere")
            yield row


def test_the_hub_is_streamed_at_one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    padded = [{**row, "answer": None, "more": None} for row in rows(5)]
    package = Package([*padded, {"broken": True}])
    monkeypatch.setitem(sys.modules, "datasets", package)
    api = SimpleNamespace(dataset_info=lambda name, revision: SimpleNamespace(sha=COMMIT))
    monkeypatch.setattr(hub, "HfApi", lambda: api)
    found = load("jsonl", "owner/name:data/a.jsonl", 3, subset="own", revision="main")
    assert subjects(found) == ["S0", "S1", "S2"] and package.given == 3
    assert found.files == {"owner/name:data/a.jsonl": f"commit:{COMMIT}"}
    assert package.asked == {
        "path": "owner/name",
        "name": "own",
        "data_files": "data/a.jsonl",
        "split": "train",
        "revision": COMMIT,
        "streaming": True,
    }
    with pytest.raises(InputError, match=r"owner/name cannot be read behind record 5 \(a column changed\)"):
        load("jsonl", "owner/name", split="test")
    assert (package.asked["data_files"], package.asked["split"]) == (None, "test")


def test_a_commit_is_asked_for_and_a_commit_given_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> Any:
        raise OSError("no network")

    monkeypatch.setattr(hub, "HfApi", unreachable)
    assert hub.pinned("owner/name", COMMIT) == COMMIT
    with pytest.raises(InputError, match=r"no data set 'owner/name' that this machine can reach \(no network\)"):
        load("jsonl", "owner/name:a.jsonl")


def test_without_the_package_the_hub_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'errata-lm\[hub\]'"):
        load("jsonl", "owner/name", revision=COMMIT)


def test_a_cell_of_a_table_becomes_what_was_published() -> None:
    assert hub.as_published({"a": None, "b": [{"c": None, "d": 1}]}) == {"b": [{"d": 1}]}
    assert hub.as_published({"a": '{"b": [["x"], null], "c": null}'}) == {"a": {"b": [["x"], None]}}
    assert hub.as_published(["[Chorus] is", "{} is", "[X] was"]) == ["[Chorus] is", "{} is", "[X] was"]


def test_the_embedded_facts() -> None:
    found = load("pocket", "pocket-gelu", 3, seed=2)
    assert list(found.examinations) == pocket_examinations.examinations("gelu", 3, 2)
    assert "pocket" in NAMES


def test_a_folder_of_pararel(tmp_path: Path) -> None:
    pairs = {"P19": [["Ada", "Rome"], ["Ida", "Oslo"], ["Ada", "Bonn"], ["Eva", "Rome"]], "P31": [["x", "y"]]}
    (tmp_path / "query_pairs.json").write_text(json.dumps(pairs))
    found = load("pararel", tmp_path)
    assert sorted(subjects(found)) == ["Ada", "Eva", "Ida"]
    assert found.skipped == {"subject and relation seen before": 1, "relation without ten phrasings": 1}
    assert list(found.files) == ["query_pairs.json"]
    objects = {(subject, obj) for subject, obj in pairs["P19"]}
    for one in found.examinations:
        fact = one.case.fact
        assert (fact.subject, fact.answer) in objects and (fact.subject, fact.target) not in objects
        assert len(one.case.paraphrases) == 9 and all(fact.subject in prompt for prompt in one.case.paraphrases)
        assert all(probe.answer != fact.target and fact.subject not in probe.prompt for probe in one.case.neighbours)
    assert subjects(load("pararel", tmp_path, 2, seed=1)) == subjects(load("pararel", tmp_path, seed=1))[:2]
