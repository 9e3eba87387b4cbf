"""Where a report's prompts come from, and which neighbours are left out."""

from errata.deltas import Edit
from errata.evaluation.kept import PROBES, keep, kept, measured_alone
from errata.facts import Case, Fact, Probe
from errata.reports.correction.prompts import Prompts, Question, apart

FACT = Fact("Danielle Darrieux", "The mother tongue of {} is", target="English")
CASE = Case(FACT, ("At home she spoke",), (Probe("He spoke", "Dutch"),))
BARE = Edit((), "rome", (FACT,), measured={"loss": 1.0})


def source(model: str, edit: Edit, *given: Case) -> tuple[str, Case]:
    (found,) = Prompts(model, given).of(1, edit)
    return found.source, found.case


def test_prompts_are_kept_with_an_edit() -> None:
    edit = keep(BARE, [CASE])
    assert kept(edit, FACT) == CASE and kept(BARE, FACT) is None
    assert measured_alone(edit) == {"loss": 1.0} == dict(BARE.measured)
    assert keep(BARE, [Case(FACT)]) is BARE
    for damaged in (3, [{}], [{"prompt": FACT.text, "paraphrases": [], "neighbours": [["one"]]}], {"a": 1}):
        assert kept(Edit((), "rome", (FACT,), measured={PROBES: damaged}), FACT) is None


def test_the_first_source_that_has_any_is_taken() -> None:
    edit = keep(BARE, [CASE])
    other = Case(FACT, ("Given:",))
    assert source("pocket-gelu", edit, other) == ("given", other)
    assert source("pocket-gelu", edit, Case(FACT)) == ("kept", CASE)
    name, case = source("pocket-gelu", BARE)
    assert name == "embedded" and len(case.paraphrases) == 9 and len(case.neighbours) == 10 and case.fact == FACT
    named = Fact(FACT.subject, FACT.prompt, target="English", relation="P103")
    name, case = source("some-model", Edit((), "rome", (named,)))
    assert name == "shipped" and len(case.paraphrases) >= 9 and not case.neighbours
    assert all("Danielle Darrieux" in text and text != FACT.text for text in case.paraphrases)
    assert source("some-model", BARE) == ("none", Case(FACT))
    assert list(Prompts("some-model").of(1, Edit((), "suppress", (Fact("A", "A is"),)))) == []


def test_a_neighbour_that_another_correction_is_about_is_left_out() -> None:
    def question(number: int, subject: str, *near: str) -> Question:
        fact = Fact(subject, "{} spoke", target="Dutch")
        return Question(number, Case(fact, (), tuple(Probe(text, "French") for text in near)), "kept")

    found, left_out = apart([question(1, "Ann", "Bob spoke", "Cid spoke"), question(2, "Bob", "Eve spoke")])
    assert left_out == 1
    assert [[near.prompt for near in one.case.neighbours] for one in found] == [["Cid spoke"], ["Eve spoke"]]
