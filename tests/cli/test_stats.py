"""`errata stats`: layers are measured once, and the second time answered from the cache."""

from pathlib import Path

import pytest

from errata.cli.options import layer_numbers
from errata.errors import InputError
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ERRATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_measures_once(run: Run, folder: Path, own_cache: Path) -> None:
    words = ["stats", folder, "--layers", "0,2", "--tokens", 2048, "--tolerance", 0.9]
    first = run(*words, "--json").json
    assert [row["layer"] for row in first["layers"]] == [0, 2]
    assert first["memory_bytes"] == 8 * 8 * 64**2
    for row in first["layers"]:
        assert not row["cached"] and row["converged"] and 0 < row["error"] <= 0.9
        assert Path(row["file"]).parent == own_cache and Path(row["file"]).is_file()
    again = run(*words, "--json").json
    assert [{**row, "cached": False} for row in again["layers"]] == first["layers"]
    assert all(row["cached"] for row in again["layers"])
    shown = run(*words)
    assert shown.code == 0 and shown.err == "" and "kept" in shown.out and str(own_cache) in shown.out.replace("\n", "")


def test_all_layers_of_a_small_model_and_what_is_short(run: Run, folder: Path) -> None:
    shown = run("stats", folder, "--tokens", 256, "--tolerance", 0)
    assert shown.code == 0
    assert "384 KB" in shown.err or "MB of memory" in shown.err
    assert "layers 0, 1, 2" in shown.err and "--tokens" in shown.err


def test_a_text_file(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("The capital of France is Paris. The mother tongue of Dante is Italian.\n" * 60, encoding="utf-8")
    found = run("stats", folder, "--layers", "1", "--text", path, "--json").json["layers"][0]
    assert found["source"].startswith("text.txt, sha256 ")
    refused = run("stats", folder, "--layers", "1", "--text", tmp_path / "nowhere.txt")
    assert refused.code == 2 and "cannot be read" in refused.err


def test_layers_that_cannot_be(run: Run, folder: Path) -> None:
    assert "layers 0 to 2" in run("stats", folder, "--layers", "3").err
    assert layer_numbers("4-6, 1") == [1, 4, 5, 6]
    for text in ("x", "1,,2", "3-", "-1"):
        with pytest.raises(InputError, match="4-8"):
            layer_numbers(text)


def test_too_much_memory_is_not_taken_unasked(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errata.cli.stats.MUCH", 1000)
    refused = run("stats", folder, "--json")
    assert refused.code == 2 and "--layers" in refused.json["error"]
