"""A directory is there whole or not at all, and nothing of the user's gives way to it."""

from pathlib import Path

import pytest

from errata.errors import InputError
from errata.export.whole import MANIFEST, whole


def fill(folder: Path, word: str) -> None:
    (folder / MANIFEST).write_text(word)
    (folder / "weights").write_text(word)


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    with whole(tmp_path / "out") as folder:
        fill(folder, "one")
        (folder / "weights").chmod(0o600)
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out/weights").read_text() == "one"
    assert (tmp_path / "out/weights").stat().st_mode == (tmp_path / f"out/{MANIFEST}").stat().st_mode
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_nothing_and_an_earlier_export_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "out") as folder:
        fill(folder, "half")
        raise KeyboardInterrupt
    assert not any(tmp_path.iterdir())
    with whole(tmp_path / "out") as folder:
        fill(folder, "one")
    with pytest.raises(RuntimeError), whole(tmp_path / "out", overwrite=True) as folder:
        fill(folder, "two")
        raise RuntimeError
    assert (tmp_path / "out/weights").read_text() == "one" and len(list(tmp_path.iterdir())) == 1


def test_only_an_export_gives_way_and_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with whole(out) as folder:  # an empty directory is nobody's
        fill(folder, "one")
    with pytest.raises(InputError, match="--overwrite"), whole(out) as folder:
        fill(folder, "two")
    with whole(out, overwrite=True) as folder:
        fill(folder, "two")
    assert (out / "weights").read_text() == "two"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no export wrote"), whole(tmp_path / "mine", overwrite=True):
        pass
    assert (tmp_path / "mine/thesis.txt").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no directory"), whole(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="make it first"), whole(tmp_path / "a/b"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "out"]


def test_where_names_cannot_be_exchanged_the_old_one_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, replace = tmp_path / "out", Path.replace
    with whole(out) as folder:
        fill(folder, "one")
    monkeypatch.setattr("errata.export.whole._exchanged", lambda *_: False)

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError(5, "Input/output error")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(InputError, match="Input/output error"), whole(out, overwrite=True) as folder:
            fill(folder, "two")
    assert (out / "weights").read_text() == "one"
    with whole(out, overwrite=True) as folder:
        fill(folder, "two")
    assert (out / "weights").read_text() == "two" and list(tmp_path.iterdir()) == [out]
