"""Tampering: gold tells the model nothing, a loop is no answer, an edit that does nothing scores what was before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from errata.deltas import WeightDelta
from errata.endpoint import Endpoint
from errata.evaluation import PROTOCOLS, Settings, score_protocol
from errata.evaluation.examination import Examined
from errata.facts import Case, Consequence, Examination, Fact, Probe
from errata.model.view import ModelView
from tests.endpoint import endpoint
from tests.evaluation.planted import AFTER, BEFORE, FULL, plant
from tests.tiny import tiny

SHORT = Settings(limit=5, written=6)


@contextmanager
def listening(view: ModelView) -> Iterator[list[list[int]]]:
    """Every row of tokens that reaches the model, in order."""
    heard: list[list[int]] = []

    def hear(_module: object, args: tuple, kwargs: dict) -> None:
        heard.extend((kwargs["input_ids"] if "input_ids" in kwargs else args[0]).tolist())

    handle = view.model.register_forward_pre_hook(hear, with_kwargs=True)
    try:
        yield heard
    finally:
        handle.remove()


def with_answers(one: Examination, write: Callable[[str], str]) -> Examination:
    """The examination with every expected and every old answer written otherwise; its prompts stay."""

    def fact(own: Fact) -> Fact:
        return replace(own, target=write(own.target or ""), answer=write(own.answer or ""))

    def probes(own: tuple[Probe, ...]) -> tuple[Probe, ...]:
        return tuple(replace(probe, answer=write(probe.answer)) for probe in own)

    return replace(
        one,
        case=replace(one.case, fact=fact(one.case.fact), neighbours=probes(one.case.neighbours)),
        same_object=probes(one.same_object),
        same_subject=probes(one.same_subject),
        inverse=probes(one.inverse),
        composed=tuple(replace(part, question=probes((part.question,))[0]) for part in one.composed),
        consequences=tuple(replace(part, answers=tuple(map(write, part.answers))) for part in one.consequences),
        other_answers=probes(one.other_answers),
        aliases=tuple(map(write, one.aliases)),
        more=tuple(map(fact, one.more)),
    )


def with_prompts(one: Examination, write: Callable[[str], str]) -> Examination:
    """The examination with every prompt written otherwise."""

    def probes(own: tuple[Probe, ...]) -> tuple[Probe, ...]:
        return tuple(replace(probe, prompt=write(probe.prompt)) for probe in own)

    return replace(
        one,
        case=Case(
            replace(one.case.fact, prompt=write(one.case.fact.prompt)),
            tuple(map(write, one.case.paraphrases)),
            probes(one.case.neighbours),
        ),
        heldout=tuple(map(write, one.heldout)),
        same_object=probes(one.same_object),
        same_subject=probes(one.same_subject),
        inverse=probes(one.inverse),
        composed=tuple(replace(part, question=probes((part.question,))[0]) for part in one.composed),
        consequences=tuple(replace(part, prompt=write(part.prompt)) for part in one.consequences),
        other_answers=probes(one.other_answers),
        essence=tuple(map(write, one.essence)),
    )


def longer(answer: str) -> str:
    return " ".join([answer] * 12)


def first_letter(answer: str) -> str:
    return answer[:1]


def several_phrases(answer: str) -> str:
    return f"{answer}, then. Or\nnot!"


def spaced(text: str) -> str:
    return f"{text} \t\n"


def in_spaces(text: str) -> str:
    return f"  {text} \n"


def asked_with(one: Examination) -> tuple[list[list[int]], list[Examined]]:
    view = tiny("gpt2")
    with listening(view) as heard:
        return heard, PROTOCOLS["generation"].ask(view, [one], SHORT)


@pytest.mark.parametrize("write", [longer, first_letter, several_phrases, in_spaces])
def test_gold_changes_nothing_in_what_reaches_the_model(write: Callable[[str], str]) -> None:
    heard, (plain,) = asked_with(FULL)
    tampered, (other,) = asked_with(with_answers(FULL, write))
    assert heard and tampered == heard
    assert (other.texts, other.written) == (plain.texts, plain.written)


def test_white_space_behind_prompts_changes_nothing_in_what_reaches_the_model() -> None:
    heard, (plain,) = asked_with(FULL)
    tampered, (other,) = asked_with(with_prompts(FULL, spaced))
    assert tampered == heard and (other.texts, other.written) == (plain.texts, plain.written)


@pytest.mark.parametrize("tamper", [lambda one: with_answers(one, in_spaces), lambda one: with_prompts(one, spaced)])
def test_white_space_changes_no_score(
    tamper: Callable[[Examination], Examination], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, found = tiny("gpt2"), []
    for one in (FULL, tamper(FULL)):
        outcomes = []
        for said in (BEFORE, AFTER):
            plant(monkeypatch, said)
            outcomes.append(PROTOCOLS["generation"].ask(view, [one], Settings()))
        found.append(score_protocol(PROTOCOLS["generation"], *outcomes).to_dict())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "reply",
    ["Rome. Rome. Rome. Rome.", "Rome, Rome", "Rome. The capital of France is Rome. The capital of France is Rome."],
)
def test_a_model_that_repeats_its_answer_fails(reply: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, dict.fromkeys(AFTER, reply))
    said = PROTOCOLS["generation"].ask(tiny("gpt2"), [FULL], Settings(written=0))
    found = score_protocol(PROTOCOLS["generation"], said, said)
    assert found["efficacy"].mean == found["generalization"].mean == found["heldout"].mean == 0.0
    assert score_protocol(PROTOCOLS["first-phrase"], said, said)["generalization"].mean == 1.0


def test_a_real_model_that_cannot_stop_repeating_fails() -> None:
    """Its last norm gives one vector whatever it reads, and that vector's token is a word."""
    view = tiny("gpt2")
    words = [
        token
        for token in range(len(view.tokenizer))
        if (text := view.tokenizer.decode([token])).startswith(" ") and text.strip().isalpha() and len(text) > 3
    ]
    output = view.model.get_output_embeddings().weight
    with torch.no_grad():
        view.model.transformer.ln_f.weight.zero_()
        view.model.transformer.ln_f.bias.copy_(output[words[0]])
        output[words[0]] *= 10
    word = view.tokenizer.decode([words[0]]).strip()
    one = Examination(Case(Fact("France", "The capital of {} is", target=word)))
    said = PROTOCOLS["generation"].ask(view, [one], SHORT)
    assert said[0].texts == (f" {word}" * SHORT.limit,)
    assert score_protocol(PROTOCOLS["generation"], said, said)["efficacy"].mean == 0.0
    forced = PROTOCOLS["teacher-forced"].ask(view, [one], SHORT)
    assert score_protocol(PROTOCOLS["teacher-forced"], forced, forced)["efficacy"].mean == 1.0
    once = PROTOCOLS["generation"].ask(view, [one], replace(SHORT, limit=1))
    assert score_protocol(PROTOCOLS["generation"], once, once)["efficacy"].mean == 1.0


def nothing(view: ModelView) -> WeightDelta:
    return view.delta(1, torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff))


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_an_edit_that_does_nothing_scores_what_was_before(architecture: str, name: str) -> None:
    view, protocol = tiny(architecture), PROTOCOLS[name]
    other = replace(FULL, consequences=(Consequence("logical", "Gaul is", ("old",)),), references=())
    with endpoint() as judge:
        judge.reply = lambda text: "yes" if len(text) % 3 else "no"
        settings = replace(SHORT, endpoint=Endpoint(judge.url, "a-model"))
        before = protocol.ask(view, [FULL, other], settings)
        with view.applied([nothing(view)]):
            after = protocol.ask(view, [FULL, other], settings)
    assert before == after
    found = score_protocol(protocol, before, after)
    names = [name for name in found if not name.endswith("_before") and name != "already"]
    assert len(names) > 8
    assert all(found[name].values == found[f"{name}_before"].values for name in names)
