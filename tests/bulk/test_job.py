"""The key of a job: another one for anything that could change a result."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from errata.bulk.job import FILE, Job, current_versions
from errata.bulk.keep import Keep
from errata.errors import InputError

JOB = Job(
    model="a-model",
    weights="sha256:ab",
    dtype=None,
    device="cpu",
    method="knowledge_neurons",
    settings={"steps": 20, "rule": "gauss-legendre"},
    keep=Keep(),
    threads=1,
    shard_size=10,
    count=25,
    prompts="cd",
    versions={"torch": "2.0"},
)
OTHERS: dict[str, Any] = {
    "weights": "sha256:ac",
    "dtype": "float32",
    "device": "cuda",
    "method": "random",
    "settings": {"steps": 21, "rule": "gauss-legendre"},
    "keep": Keep(top=3),
    "threads": 2,
    "shard_size": 11,
    "count": 26,
    "prompts": "ce",
    "versions": {"torch": "2.1"},
}


def test_every_field_but_the_name_is_in_the_key() -> None:
    assert {field.name for field in fields(Job)} == {"model", *OTHERS}
    keys = {JOB.key, *(replace(JOB, **{name: value}).key for name, value in OTHERS.items())}
    assert len(keys) == 1 + len(OTHERS)
    assert replace(JOB, model="./the/same/model").key == JOB.key


def test_the_order_of_settings_does_not_matter() -> None:
    assert replace(JOB, settings=dict(reversed(JOB.settings.items()))).key == JOB.key


def test_shards_and_revision() -> None:
    assert JOB.shards == 3 and replace(JOB, count=30).shards == 3
    assert JOB.revision is None
    assert replace(JOB, weights="commit:123").revision == "123"


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(JOB.to_json(), encoding="utf-8")
    assert Job.load(tmp_path) == JOB


@pytest.mark.parametrize("change", [("20", "30"), ("errata-bulk-1", "errata-bulk-9"), ('"dtype"', '"type"'), ("{", "")])
def test_a_changed_job_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    (tmp_path / FILE).write_text(JOB.to_json().replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match="is not the job of a bulk run"):
        Job.load(tmp_path)


def test_a_setting_that_json_cannot_describe() -> None:
    with pytest.raises(InputError, match="cannot be written as JSON"):
        _ = replace(JOB, settings={"steps": object()}).key


def test_versions_are_those_that_change_results() -> None:
    assert set(current_versions()) == {"errata-lm", "torch", "transformers"}
