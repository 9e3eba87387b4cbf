"""Records of files: every form, one at a time, and what is wrong, in its place, without an end at the first."""

import gzip
import json
from pathlib import Path

import pytest

from errata.datasets import records
from errata.errors import InputError, RecordError

ROWS = [{"a": 1}, {"a": "ä\n\u2028"}]


def held(path: Path) -> list[object]:
    return [row.reason if isinstance(row, RecordError) else row for _, row in records.attempts(path)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False) + "\n",
        "\n\n" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
        "\r\n".join(map(json.dumps, ROWS)) + "\r\n",
        "\ufeff" + "\n".join(map(json.dumps, ROWS)),
        "\ufeff" + json.dumps(ROWS),
        json.dumps({"one": ROWS[:1], "two": ROWS[1:]}),
        json.dumps({"one": ROWS[:1], "two": ROWS[1:]}, indent=1),
    ],
)
def test_the_forms_of_a_file(tmp_path: Path, content: str, packed: bool) -> None:
    path = tmp_path / "x"
    data = content.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert held(path) == ROWS


def test_a_line_is_put_together_from_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PIECE", 3)
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, [*ROWS, {}, {"b": "x" * 50}])) + "\n")
    assert held(path) == [*ROWS, {}, {"b": "x" * 50}]


def test_places(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1}\n\n{"a": 2}')
    assert [place for place, _ in records.objects(path)] == [f"{path}, line 1", f"{path}, line 3"]
    path.write_text('[{"a": 1}]')
    assert [place for place, _ in records.objects(path)] == [f"{path}, record 1"]
    path.write_text('{"a": [{"a": 1}]}')
    assert [place for place, _ in records.objects(path)] == [f"{path}, a, record 1"]


def test_lines_behind_a_broken_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a":\n\xff\n[1]\n{"a": 2}\n')
    assert held(path) == [{"a": 1}, "not JSON", "not JSON", "expected an object", {"a": 2}]
    with pytest.raises(RecordError, match="line 2: expected an object, found what is not JSON"):
        list(records.objects(path))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('[{"a": 1}, 3, {"a": 2}]', [{"a": 1}, "expected an object", {"a": 2}]),
        ('[{"a": 1}, {"a"', [{"a": 1}, "not JSON"]),
        ('[{"a": 1} {"a": 2}]', [{"a": 1}, "expected a comma or ] behind it"]),
        ('[{"a": 1}', [{"a": 1}, "expected a comma or ] behind it"]),
        ('[{"a": 1}]\n[]', [{"a": 1}, "expected the end of the file"]),
        ("[]", []),
    ],
)
def test_a_broken_list(tmp_path: Path, content: str, found: list[object]) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert held(path) == found


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        held(tmp_path / "nowhere")
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(json.dumps(ROWS * 99).encode())[:60])
    with pytest.raises(InputError, match="cannot be read"):
        held(cut)


def test_what_was_found_is_shown_in_short(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        records.field("here", {"a": ["x" * 999]}, "a")
    assert len(str(caught.value)) < 220 and "…; give one." in str(caught.value)
