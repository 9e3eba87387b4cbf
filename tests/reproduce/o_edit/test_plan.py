"""Arms by name, the order of the units, and what a unit's key depends on."""

import pytest

from errata.editors.rome import Rome
from errata.errors import InputError
from errata.methods import editor
from errata.reports.o_edit.words import label
from errata.reproduce.o_edit.plan import Arm, Plan, Unit, arm, without_covariance

ROME = Arm("rome", "rome")


def test_an_arm_is_an_editor_by_name() -> None:
    assert arm("rome") == ROME
    assert arm("rome").build(3) == Rome(seed=3)
    assert without_covariance("rome").build(0) == Rome(use_covariance=False)


def test_an_arm_has_the_settings_behind_its_name() -> None:
    made = arm("o_edit_plus-memit_aligned:enforce=loss+post:rank_cap=0.1:implicit_rank=null").build(0)
    assert made == editor("o_edit_plus", base=editor("memit_aligned"), enforce="loss+post", rank_cap=0.1)
    assert arm("rome:ridge=0.1").resolved(2)["ridge"] == 0.1
    assert label("o_edit_plus:enforce=loss+post") == "O-Edit+ on ROME, enforce loss+post"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("o_edit:enforce=never", "choose one of"),
        ("rome:ridge", "write KEY=VALUE"),
        ("rome:depth=2", "depth"),
        ("rom", "no editor 'rom'"),
        ("rome-neuron_values", "rome stands on no other"),
        ("", "''"),
    ],
)
def test_an_arm_that_is_none_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arm(name)


def test_settings_are_plain_values() -> None:
    made = Arm("quick", "rome", {"values": {"steps": 2}, "context_lengths": [2]}).build(1)
    assert isinstance(made, Rome) and made.values.steps == 2 and made.context_lengths == (2,) and made.seed == 1


def test_the_first_seed_comes_first_and_its_switches_before_the_other_seeds() -> None:
    plan = Plan("pocket-gelu", (ROME,), switches=({"enforce": "none"},), no_covariance=("rome",), seeds=(0, 1))
    assert [(unit.kind, unit.batch, unit.seed) for unit in plan.units()] == [
        ("single", 1, 0),
        ("sequence", 1, 0),
        ("sequence", 50, 0),
        ("covariance", 1, 0),
        ("ablation", 1, 0),
        ("sequence", 1, 1),
        ("sequence", 50, 1),
        ("covariance", 1, 1),
        ("ablation", 1, 1),
    ]


def test_checkpoints_end_a_step() -> None:
    plan = Plan("pocket-gelu", (ROME,))
    assert plan.checkpoints(1, 60) == (1, 10, 20, 30, 50, 60)
    assert plan.checkpoints(50, 230) == (50, 100, 150, 200, 230)


def test_a_key_is_that_of_all_a_unit_depends_on() -> None:
    plan = Plan("pocket-gelu", (ROME,))
    unit = Unit("sequence", ROME, 1, 0, 10)
    others = [
        plan.key(Unit("sequence", Arm("rome", "rome", {"ridge": 0.1}), 1, 0, 10), "w", "d"),
        plan.key(Unit("sequence", ROME, 2, 0, 10), "w", "d"),
        plan.key(Unit("sequence", ROME, 1, 1, 10), "w", "d"),
        plan.key(Unit("sequence", ROME, 1, 0, 20), "w", "d"),
        plan.key(unit, "x", "d"),
        plan.key(unit, "w", "x"),
    ]
    assert plan.key(unit, "w", "d") not in others and len(set(others)) == len(others)
    assert plan.key(unit, "w", "d") == Plan("pocket-gelu", (ROME,), device="cpu", seeds=(0,)).key(unit, "w", "d")


@pytest.mark.parametrize(
    "wrong",
    [{"seeds": (0, 0)}, {"edits": 0}, {"ablation": 2000}, {"batches": ()}, {"batches": (0,)}, {"arms": (ROME, ROME)}],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Plan(**{"model": "pocket-gelu", "arms": (ROME,), **wrong})  # pyright: ignore[reportArgumentType]
