"""Every localizer and every editor keeps what all of them promise; the registry says which there are."""

from dataclasses import fields

import pytest

from errata.registry import method_class
from tests.contracts.promises import EMBEDDED, MODELS, broken, names, promises

# The others take a minute: they are tried with the slow tests, and by benchmarks/capabilities.py.
QUICK_MODEL = "llama"
METHODS = [(kind, name) for kind in ("localizers", "editors") for name in names(kind)]
EVERY = pytest.mark.parametrize(("kind", "name"), METHODS, ids=[f"{kind}-{name}" for kind, name in METHODS])


def needs_detector(kind: str, name: str) -> bool:
    """Whether a method reads a trained detector, which comes with the embedded models alone."""
    return "detector" in {entry.name for entry in fields(method_class(f"errata.{kind}", name))}


def check(kind: str, name: str, model: str) -> None:
    """All is kept; a method that wants a trained detector may be refused for want of one for these very weights."""
    found = broken(promises(kind, name, model))
    if needs_detector(kind, name):
        assert model not in EMBEDDED or "scores every neuron" not in found
        found = {what: outcome for what, outcome in found.items() if "train one" not in str(outcome)}
    assert found == {}


@EVERY
def test_what_every_method_promises(kind: str, name: str) -> None:
    check(kind, name, QUICK_MODEL)


@pytest.mark.parametrize("model", EMBEDDED)
@pytest.mark.parametrize(("kind", "name"), [method for method in METHODS if needs_detector(*method)])
def test_what_trained_methods_promise_where_their_detector_is(kind: str, name: str, model: str) -> None:
    check(kind, name, model)


@pytest.mark.slow
@EVERY
def test_what_every_method_promises_on_the_other_models(kind: str, name: str) -> None:
    for model in MODELS[kind]:
        if model != QUICK_MODEL:
            check(kind, name, model)
