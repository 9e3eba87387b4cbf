"""The order of the units, what a sweep changes, and what a unit's file is named by."""

from dataclasses import replace
from typing import Any

import pytest

from errata.editors.ensemble import PRESETS, Ensemble
from errata.errors import InputError
from errata.localizers.ensemble import Ensemble as Integrated
from errata.localizers.random import Random
from errata.reproduce.kne import ARMS, Plan, plan_of
from errata.reproduce.kne.arms import RATES, arm

PLAN = plan_of("pocket-gelu", ["kne-robust", "random", "ft_m-tuned"], layers=(1,), shares=(0.1,), seeds=(0, 1))


def test_sweeps_come_with_the_arms_that_they_are_for() -> None:
    units = PLAN.sweeps()
    assert (units[0].kind, units[0].arm.name) == ("rate", "ft_m, lr 0.0001")
    assert [(unit.kind, unit.arm.name) for unit in units[len(RATES["ft_m"]) :]] == [
        ("share", "kne-robust, share 0.1"),
        ("layers", "kne-robust, layers [1]"),
        ("share", "random, share 0.1"),
        ("layers", "random, layers [1]"),
    ]
    share, layers = units[-2].arm.build(0), units[-1].arm.build(0)
    assert isinstance(share, Ensemble) and share.localizer == Random(Integrated(share=0.1), apart=True)
    assert isinstance(layers, Ensemble) and layers.localizer == Random(Integrated(layers=(1,)), apart=True)
    assert {unit.facts for unit in units} == {40} and {unit.drawn for unit in units} == {None}
    timings = PLAN.timings()
    assert [(unit.arm.name, unit.facts) for unit in timings] == [("kne-robust, steps 25, stop 1.0", 10)]
    nothing = plan_of("pocket-gelu", ["kne-robust"], tuning=0)
    assert nothing.sweeps() == () and nothing.timings() == ()


def test_the_settings_of_kne_are_swept_on_tuning_facts_too() -> None:
    plan = plan_of("pocket-gelu", ["kne-robust", "kne-robust-tuned"], shares=())
    units = plan.sweeps()
    assert [dict(unit.change) for unit in units] == [
        *({"lr": lr, "kl_neighbours": weight} for lr in (0.02, 0.05, 0.1) for weight in (1.0, 5.0)),
        *({"lr": 0.02, "kl_neighbours": 5.0, "share": share} for share in (0.1, 0.3)),
    ]
    larger = units[-1].arm.build(0)
    assert isinstance(larger, Ensemble) and larger.localizer == Integrated(share=0.3) and larger.lr == 0.02
    tuned = plan.edits({"kne-robust-tuned": {"lr": 0.02, "share": 0.3}})[1].arm
    assert tuned.name == "kne-robust-tuned" and tuned.build(0) == replace(larger, kl_neighbours=None)
    assert {unit.arm.base for unit in units} == {"kne-robust"} and {unit.kind for unit in units} == {"rate"}
    for chosen, same in (({"lr": 0.02, "kl_neighbours": 5.0}, True), ({"lr": 0.1, "kl_neighbours": 5.0}, False)):
        own, tuned = plan.edits({"kne-robust-tuned": chosen})[:2]
        assert (plan.file_name(own, "w", "d") == plan.file_name(tuned, "w", "d")) is same


def test_sweeps_over_place_and_share_run_at_one_rate() -> None:
    """At the preset's own random neurons of some layers would not have their targets within its steps."""
    plan = plan_of("pocket-gelu", ["kne-robust", "random"], facts=200, shares=(0.01,), layers=(2,), rates={})
    built = [unit.arm.build(0) for unit in plan.sweeps()]
    assert [one.lr for one in built if isinstance(one, Ensemble)] == [0.05] * 4
    assert [unit.arm.name for unit in plan.sweeps()][::2] == ["kne-robust, share 0.01", "random, share 0.01"]


def test_single_edits_of_all_seeds_come_first_and_tuned_arms_take_what_was_chosen() -> None:
    units = PLAN.edits({"ft_m-tuned": {"lr": 0.002}})
    assert [(unit.seed, unit.batch) for unit in units[::3]] == [(s, b) for b in (1, 10, 100) for s in (0, 1)]
    tuned = units[2].arm
    assert tuned.name == "ft_m-tuned" and tuned.resolved(0)["lr"] == 0.002
    assert units[0].name == "kne-robust, single edits, seed 0" and units[3].name.endswith("single edits, seed 1")


def test_without_tuning_facts_no_arm_is_tuned() -> None:
    assert {one.name for one in plan_of("pocket-gelu", None).arms} == set(ARMS)
    assert {one.name for one in plan_of("pocket-gelu", None, tuning=0).arms} == {
        name for name in ARMS if not name.endswith("-tuned")
    }


def test_of_the_usual_batches_those_that_fit_are_taken() -> None:
    assert [plan_of("pocket-gelu", ["rome"], facts=facts).batches for facts in (1, 25, 100)] == [
        (1,),
        (1, 10),
        (1, 10, 100),
    ]
    with pytest.raises(InputError, match="found 100"):
        plan_of("pocket-gelu", ["rome"], facts=25, batches=(1, 100))
    units = plan_of("pocket-gelu", ["rome"], facts=25, batches=(10,), seeds=(0,)).edits({})
    assert [unit.name for unit in units] == ["rome, batches of 10 and one of 5, seed 0"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": ()}, "seeds"),
        ({"batches": (0,)}, "batches"),
        ({"batches": (1, 1)}, "batches"),
        ({"facts": 0}, "a fact or more"),
        ({"facts": 99}, "batches of 99 facts at most, all that there are, found 100"),
        ({"shares": (3.0,)}, r"in \(0, 1\], found 3"),
        ({"tuning": 0}, "ft_m-tuned needs tuning facts"),
        ({"arms": (arm("rome"), arm("rome"))}, "give each once"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Plan(**{"model": "pocket-gelu", "arms": PLAN.arms, **settings})


def test_a_file_is_named_by_all_that_its_numbers_depend_on() -> None:
    unit, other = PLAN.edits({})[0], PLAN.edits({"ft_m-tuned": {"lr": 1.0}})[2]
    tuned = PLAN.edits({"ft_m-tuned": {"lr": 2.0}})[2]
    names = {
        PLAN.file_name(unit, "w", "d"),
        PLAN.file_name(unit, "x", "d"),
        PLAN.file_name(unit, "w", "e"),
        PLAN.file_name(other, "w", "d"),
        PLAN.file_name(tuned, "w", "d"),
        plan_of("pocket-gelu", ["kne-robust"], written=9).file_name(unit, "w", "d"),
    }
    assert len(names) == 6


def test_a_file_is_named_by_what_the_presets_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    units = PLAN.edits({"ft_m-tuned": {"lr": 1.0}})[:3]
    before = [PLAN.file_name(unit, "w", "d") for unit in units]
    assert units[0].arm.resolved(0)["kl_neighbours"] == PRESETS["robust"]["kl_neighbours"]
    monkeypatch.setitem(PRESETS, "robust", {**PRESETS["robust"], "kl_neighbours": 2.0})
    after = [PLAN.file_name(unit, "w", "d") for unit in units]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]


def test_only_the_file_of_a_time_is_named_by_the_device() -> None:
    other = replace(PLAN, device="cuda")
    for unit, same in ((PLAN.edits({})[0], True), (PLAN.sweeps()[0], True), (PLAN.timings()[0], False)):
        assert (PLAN.file_name(unit, "w", "d") == other.file_name(unit, "w", "d")) is same
