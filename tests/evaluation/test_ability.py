"""All abilities in one call, and from files: each number is the one that its own function gives."""

import json
from pathlib import Path

import pytest

from errata.cli.ability import measure
from errata.errors import InputError
from errata.evaluation import Item, abilities, perplexity, score_items
from errata.evaluation.harness import Harnessed
from errata.scores import Score, Scores
from tests.tiny import TEXT, tiny

TOWNS = [Item("The Colosseum is in", ("Rome",), ("Paris", "Rome")), Item("Dante was born in", ("Rome",), ("Rome", "y"))]


def test_every_part_is_its_own_functions() -> None:
    view = tiny("gpt2")
    found = abilities(view, {"towns": TOWNS, "one": TOWNS}, text=TEXT, limit=1)
    expected = score_items(view, TOWNS[:1])
    assert list(found.scores) == [f"{task}/{name}" for task in ("towns", "one") for name in expected]
    assert all(found.scores[f"towns/{name}"].values == one.values for name, one in expected.items())
    assert found.perplexity == perplexity(view, TEXT) and found.harnessed is None
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert written["perplexity"]["tokens"] == sum(perplexity(view, TEXT).tokens)
    assert written["scores"]["towns/acc"]["n"] == 1 and written["harness"] is None
    nothing = abilities(view)
    assert dict(nothing.scores) == {} and nothing.perplexity is None


def test_the_harnesss_scores_stand_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = Harnessed(
        Scores([Score("arc/acc", "lm", "higher", (1.0, 0.0))]),
        {"results": {"arc": {"alias": "arc", "acc,none": 0.5, "acc_stderr,none": "N/A", "f1,none": float("nan")}}},
    )
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr("errata.evaluation.ability.harness", lambda *given: asked.append(given) or ran)
    view = tiny("gpt2")
    found = abilities(view, {"towns": TOWNS}, ["arc"], limit=2, fewshot=5)
    assert asked == [(view, ["arc"], 2, 5)]
    assert list(found.scores) == ["towns/acc", "towns/acc_norm", "towns/acc_bytes", "arc/acc"]
    assert found.to_dict()["harness"] == {"arc": {"acc,none": 0.5}}


def test_files_are_read(tmp_path: Path) -> None:
    view, text, file = tiny("gpt2"), tmp_path / "text.txt", tmp_path / "towns.jsonl"
    text.write_text(TEXT)
    rows = [{"prompt": one.prompt, "choices": one.choices, "answer": one.answers[0]} for one in TOWNS]
    file.write_text("\n".join(map(json.dumps, rows)))
    found = measure(view, [str(file)], text)
    assert found.to_dict() == abilities(view, {"towns": TOWNS}, text=TEXT).to_dict()
    with pytest.raises(InputError, match="two task files named 'towns'"):
        measure(view, [str(file), str(file)])
    with pytest.raises(InputError, match="cannot be read"):
        measure(view, [], tmp_path / "none.txt")
