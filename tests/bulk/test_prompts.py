"""Files of prompts: what is read, and what is refused with its line."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errata.bulk.prompts import prompts_sha256, read_prompts
from errata.errors import InputError
from errata.facts import Fact
from tests.bulk.conftest import Write, rows


def test_a_row_becomes_a_fact(write: Write) -> None:
    path = write([{"prompt": "The capital of {} is", "subject": "France", "answer": "Paris", "relation": "P36"}])
    (prompt,) = read_prompts(path)
    assert prompt.id == "0"
    assert prompt.fact == Fact("France", "The capital of {} is", None, "Paris", "P36")


def test_a_prompt_without_subject_is_its_own(write: Write) -> None:
    path = write([{"prompt": " Paris is in "}, "", {"prompt": "Rome is in", "id": 7, "answer": None}])
    first, second = read_prompts(path)
    assert first.fact.text == " Paris is in" and second.fact.text == "Rome is in"
    assert (first.id, second.id) == ("0", "7")


def test_parquet_is_the_same_as_jsonl(write: Write, tmp_path: Path) -> None:
    given = [*rows(5), {"prompt": "Rome is in"}]
    columns = {name: [row.get(name) for row in given] for name in ("id", "prompt", "subject", "answer")}
    columns["id"][-1] = "last"
    pq.write_table(pa.table(columns), tmp_path / "prompts.pq", row_group_size=2)
    same = read_prompts(write([*given[:-1], {**given[-1], "id": "last"}]))
    assert read_prompts(tmp_path / "prompts.pq") == same
    assert prompts_sha256(same) != prompts_sha256(same[::-1])


def test_a_line_ends_at_a_line_feed_only(write: Write) -> None:
    (prompt,) = read_prompts(write(['{"prompt": "Paris\u2028is in"}']))
    assert prompt.fact.text == "Paris\u2028is in"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"prompt": "Paris",', "is not JSON"),
        ("[1]", "expected an object, found [1]"),
        ({"subject": "France"}, "'prompt' is missing"),
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": 3}, "'prompt' is not a text"),
        ({"prompt": "Paris is in", "answers": "x"}, "no field 'answers'"),
        ({"prompt": "Paris is in", "id": 1.5}, "id 1.5 is neither"),
        ({"prompt": "Paris is in", "id": True}, "id True is neither"),
        ({"prompt": "Paris is in", "id": ""}, "id '' is neither"),
        ({"prompt": "Paris is in", "id": 0}, "id '0' is that of line 1 too"),
        ({"prompt": "{} is in"}, "no subject to stand there"),
        ({"prompt": "{} or {}", "subject": "Paris"}, "2 slots"),
        ({"prompt": "Paris is in", "subject": "Rome"}, "does not contain the subject"),
        ({"prompt": "Paris is in", "answer": " "}, "is empty"),
        ('{"prompt": "half \\ud800 is"}', "surrogate"),
    ],
)
def test_a_broken_row_is_refused_with_its_line(write: Write, row: Any, reason: str) -> None:
    path = write([{"prompt": "Rome is in"}, "", row])
    with pytest.raises(InputError, match="line 3") as caught:
        read_prompts(path)
    assert reason in str(caught.value)


def test_a_broken_parquet_row_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "prompts.parquet"
    pq.write_table(pa.table({"prompt": ["Rome is in", None]}), path)
    with pytest.raises(InputError, match=r"row 2: the field 'prompt' is missing"):
        read_prompts(path)


def test_files_that_cannot_be_read(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path)
    with pytest.raises(InputError, match="holds no prompts"):
        read_prompts(write(["", " "]))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="in UTF-8"):
        read_prompts(tmp_path / "bytes")
    (tmp_path / "cut").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match="whole Parquet file"):
        read_prompts(tmp_path / "cut")
