"""Shards, and files that are there whole or not at all."""

import os
import platform
from pathlib import Path

import pytest

from errata.bulk.prompts import Prompt
from errata.bulk.shards import Shard, split, write_once
from errata.facts import Fact

PROMPTS = tuple(Prompt(str(number), Fact("Paris", "Paris is in")) for number in range(7))


def test_split_keeps_every_prompt_in_order() -> None:
    found = split(PROMPTS, 3)
    assert [shard.number for shard in found] == [0, 1, 2]
    assert [len(shard.prompts) for shard in found] == [3, 3, 1]
    assert sum((shard.prompts for shard in found), ()) == PROMPTS
    assert Shard(12, ()).path(Path("d")) == Path("d/shard-00012.parquet")


def test_a_file_appears_under_its_name_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (seen.append([path.name for path in tmp_path.iterdir()]), sync(handle))[1]
    )
    write_once(tmp_path / "shard", b"data")
    temporary = f".shard.{platform.node()}.{os.getpid()}.tmp"
    assert seen[0] == [temporary]
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]
    assert (tmp_path / "shard").read_bytes() == b"data"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_once(tmp_path / "shard", b"data")
    assert list(tmp_path.iterdir()) == []
