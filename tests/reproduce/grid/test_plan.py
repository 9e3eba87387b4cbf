"""What the grid is made of, and what its files are named by."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from errata.datasets import pararel, pocket
from errata.detectors.trained import Trained, shipped
from errata.errors import InputError
from errata.facts import Case, Fact
from errata.registry import names
from errata.reproduce.grid import EDITORS, plan_of, usual_localizers
from errata.reproduce.grid.cases import TRAINED_SEED, about, cases_of
from errata.reproduce.grid.plan import FIXED
from errata.reproduce.source import EMBEDDED, Source, source
from errata.training.recipe import THRESHOLDS
from errata.training.train import facts_sha256

PLAN = plan_of("pocket-gelu", ["land", "all_in_layers"], ["fine", "ensemble-paper"], seeds=(0, 1))


def test_every_localizer_meets_every_editor_in_both_views() -> None:
    assert [unit.name for unit in PLAN.units() if unit.seed == 0] == [
        "land × fine, own, seed 0",
        "all_in_layers × fine, own, seed 0",
        "land × fine, matched, seed 0",
        "land × ensemble-paper, own, seed 0",
        "all_in_layers × ensemble-paper, own, seed 0",
        "land × ensemble-paper, matched, seed 0",
    ]
    assert [unit.controlled for unit in PLAN.units()[:2]] == [True, False]


def test_all_methods_of_the_grid_can_be_made() -> None:
    everything = [name for name in names("errata.localizers") if name != "random"]
    plan = plan_of("pocket-gelu", everything, list(EDITORS))
    assert all(unit.finder.build().name == unit.finder.localizer for unit in plan.units())
    assert {unit.editor for unit in plan.units()} == set(EDITORS)
    made = {unit.editor: unit.build() for unit in plan.units() if unit.seed == 2}
    assert all("localizer" in editor.__dataclass_fields__ for editor in made.values())
    assert getattr(made["ensemble-robust"], "seed", None) == 2


def test_by_default_what_costs_most_is_left_out() -> None:
    plan = plan_of("pocket-gelu", None, None)
    usual = set(names("errata.localizers")) - {"fact_code", "causal_trace", "random"}
    assert plan.localizers == usual_localizers() and plan.editors == tuple(EDITORS)[:-1]
    assert set(usual_localizers()) == usual and len(plan.units()) == 3 * 4 * (len(usual) + len(usual) - 1)


def test_what_would_be_the_same_neurons_is_not_measured_twice() -> None:
    plan = plan_of("pocket-gelu", ["fact_code", "land"], ["fine"], seeds=(0,))
    assert [unit.name for unit in plan.units()] == [
        "fact_code × fine, own, seed 0",
        "land × fine, own, seed 0",
        "land × fine, matched, seed 0",
    ]
    assert plan.fixed("fact_code") and not replace(plan, count=10).fixed("fact_code")
    for model in EMBEDDED:
        file = shipped("fact_code", model)
        assert file is not None and Trained.load(file).answer["size"] == FIXED["fact_code"]


def test_a_file_is_named_by_what_stands_behind_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    learnt, *_, whole = PLAN.units()
    preset = next(unit for unit in PLAN.units() if unit.editor == "ensemble-paper" and unit.controlled)

    def names_of() -> list[str]:
        return [PLAN.unit_file(unit, "w", "d") for unit in (learnt, whole, preset)]

    before, found = names_of(), PLAN.finder_file(learnt.finder, "w", "d")
    monkeypatch.setattr("errata.reproduce.grid.plan.PRESETS", {"paper": (1.0, 0.0, 0.0)})
    assert [one == other for one, other in zip(before, names_of(), strict=True)] == [True, False, False]
    monkeypatch.undo()
    other = tmp_path / "detector"
    other.write_bytes(b"another")
    monkeypatch.setattr("errata.reproduce.grid.plan.shipped", lambda kind, _: other if kind == "land" else None)
    assert before[0] != names_of()[0] and found != PLAN.finder_file(learnt.finder, "w", "d")
    monkeypatch.undo()
    monkeypatch.setattr("errata.reproduce.grid.plan.IN_ALL_PHRASINGS", ("land",))
    assert before[0] != names_of()[0] and found != PLAN.finder_file(learnt.finder, "w", "d")


def test_a_file_is_named_by_what_its_numbers_depend_on() -> None:
    own, _, matched, *_ = PLAN.units()
    more = replace(PLAN, count=21, editors=("fine",))
    assert more.unit_file(own, "w", "d") == PLAN.unit_file(own, "w", "d")
    assert more.unit_file(matched, "w", "d") != PLAN.unit_file(matched, "w", "d")
    assert PLAN.unit_file(own, "w", "e") != PLAN.unit_file(own, "w", "d") != PLAN.unit_file(own, "v", "d")
    assert PLAN.finder_file(own.finder, "w", "d") != PLAN.finder_file(own.finder, "w", "e")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"localizers": ("lands",)}, "no localizer 'lands' in the grid"),
        ({"localizers": ("random",)}, "stands beside every other"),
        ({"editors": ("rome",)}, "no editor 'rome' in the grid"),
        ({"views": ()}, "none or not different"),
        ({"editors": ("fine", "fine")}, "none or not different"),
        ({"count": 0}, "0 neurons"),
        ({"localizers": ("all_in_layers",), "views": ("matched",)}, "nothing to measure"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(PLAN, **changes)


@pytest.mark.parametrize("model", EMBEDDED)
def test_no_fact_was_trained_or_tuned_on(model: str) -> None:
    kind = model.removeprefix("pocket-")
    cases = cases_of(source(model, None, ()), 1, 100).cases
    facts = {case.fact.key for case in cases}
    assert len({case.fact.subject for case in cases}) == 100
    trained = {(fact.subject, fact.relation) for fact in pararel.embedded(kind).split(0).train}
    assert not facts & trained
    for seed in (1, 7, 11):
        assert not {case.fact.subject for case in pocket.cases(kind, 40, seed)} & {subject for subject, _ in facts}
    assert cases != cases_of(source(model, None, ()), 2, 100).cases
    with pytest.raises(InputError, match="--facts"):
        cases_of(source(model, None, ()), 0, 1000)


@pytest.mark.parametrize("model", EMBEDDED)
def test_no_localizer_is_given_what_is_scored(model: str) -> None:
    found = cases_of(source(model, None, ()), 0, 100)
    trained = {prompt for row in pocket.facts(model.removeprefix("pocket-")) for prompt in row.prompts}
    for case, phrasings in zip(found.cases, found.phrasings, strict=True):
        assert len(case.paraphrases) == 2 and not trained & set(case.paraphrases)
        assert len(phrasings) == 9 and set(phrasings) < trained and case.fact.text not in phrasings


def test_a_result_says_how_many_facts_differ() -> None:
    data = source("pocket-gelu", None, ())
    found = about(data, [cases_of(data, seed, 60) for seed in (0, 1)])
    assert 60 < found["facts"] < 120 and found["paraphrases"] == [2, 2] and found["heldout"]
    other = source("pocket-swiglu", None, ())
    assert about(other, [cases_of(other, seed, 60) for seed in (0, 1)])["digests"] == found["digests"]


def test_a_data_set_gives_its_first_facts_and_other_seeds_draw() -> None:
    cases = tuple(Case(Fact(f"Person {at}", "{} was born in", "Paris", "Rome")) for at in range(20))
    data = Source("counterfact", cases=cases)
    assert cases_of(data, 0, 5).cases == cases[:5]
    other = cases_of(data, 1, 5).cases
    assert len(other) == 5 and other != cases_of(data, 2, 5).cases and list(other) == sorted(other, key=cases.index)


@pytest.mark.parametrize("model", EMBEDDED)
@pytest.mark.parametrize("kind", ["land", "fact_code"])
def test_the_detectors_were_trained_on_that_split(kind: str, model: str) -> None:
    file = shipped(kind, model)
    assert file is not None
    trained = Trained.load(file)
    split = pararel.embedded(model.removeprefix("pocket-")).split(TRAINED_SEED)
    assert trained.provenance["seed"] == TRAINED_SEED and trained.provenance["facts"] == len(split.train)
    assert trained.provenance["facts_sha256"] == facts_sha256(split.train)
    assert trained.threshold == THRESHOLDS[model]
