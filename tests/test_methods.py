"""What every editor promises: it computes, it does not change the model."""

from dataclasses import dataclass

import pytest
import torch

from errata import Fact
from errata.errors import EditError
from errata.methods import Computed, Editor, settings_of
from tests.tiny import tiny

FACT = Fact("France", "The capital of {} is", target="Rome", answer="Paris")


@dataclass(frozen=True)
class Careless(Editor):
    """Writes to the model, or leaves a hook, and returns a harmless delta."""

    hook: bool = False

    def _edit(self, view, facts, history):
        if self.hook:
            view.projection(0).register_forward_pre_hook(lambda *_: None)
        else:
            with torch.no_grad():
                view.parameter(0).data[0, 0] += 1
        return Computed([view.delta(0, torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff))])


@pytest.mark.parametrize("hook", [True, False])
def test_an_editor_that_changes_the_model_is_caught(hook):
    with pytest.raises(EditError, match="left the model changed"):
        Careless(hook=hook).edit(tiny("gpt2"), [FACT])


def test_settings_are_plain_values():
    import json

    from errata import editor
    from errata.associative.values import ValueSettings

    row = settings_of(editor("neuron_values"))
    assert row["localizer"]["name"] == "knowledge_neurons"
    assert settings_of(editor("rome"))["values"] is None
    assert json.loads(json.dumps(settings_of(editor("rome", values=ValueSettings(steps=7)))))["values"]["steps"] == 7
