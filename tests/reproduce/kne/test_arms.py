"""Arms by name: the editor that each is built as, its seed, and what is refused."""

import pytest

from errata.editors.ensemble import Ensemble
from errata.errors import InputError
from errata.localizers.ensemble import Ensemble as Integrated
from errata.localizers.random import Random
from errata.reproduce.kne.arms import arm


def test_the_control_is_the_same_editor_on_as_many_random_neurons() -> None:
    own, control = arm("kne-robust").build(3), arm("random").build(3)
    assert isinstance(own, Ensemble) and own.preset == "robust" and own.localizer == Integrated()
    assert isinstance(control, Ensemble) and control.localizer == Random(Integrated(), seed=3, apart=True)
    assert control.preset == own.preset and control.lr == own.lr and control.seed == 3


def test_statistics_of_the_unedited_model_are_one_for_all_seeds() -> None:
    for name in ("rome", "memit", "alphaedit"):
        assert arm(name).build(3) == arm(name).build(0)
    assert arm("lora").build(3) != arm("lora").build(0)


def test_a_tuned_arm_names_the_arm_whose_sweep_it_is() -> None:
    assert arm("ft_m-tuned").tuned == "ft_m" and arm("ft_m-tuned").editor == "ft_m" and arm("ft_m").tuned is None
    swept = arm("ft_m").changed({"lr": 0.1})
    assert (swept.name, swept.base, swept.tuned) == ("ft_m, lr 0.1", "ft_m", None)


@pytest.mark.parametrize(("name", "message"), [("kne", "no arm 'kne'"), ("rome-tuned", "no sweep for 'rome'")])
def test_an_arm_that_is_none_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arm(name)
