"""The loss and its gradient against the whole model's own, by autograd on its weights; sampled subjects."""

import pytest
import torch

from errata import Fact
from errata.editors._gradient import Columns, Descent, added, batches, below, surely
from errata.editors._questions import (
    Question,
    at_the_prompts_end,
    essence,
    kept,
    repetitions,
    targets,
    with_other_subjects,
)
from errata.editors._questions import _subject as subject_in
from errata.errors import EditError
from errata.model.hooks import frozen
from tests.editors.fixed import CHOSEN
from tests.tiny import ARCHITECTURES, tiny

FACTS = [
    Fact("Ada Lovelace", "{} was born in", target="Paris"),
    Fact("France", "The capital of {} is", target="Madrid. The"),
]
LAYERS = (0, 1, 2)


def log_probs(view, question):
    """Of the next token at the question's places, from a plain pass of the model."""
    ids = torch.tensor([question.ids])
    logits = view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    return logits[0, list(question.places)].float().log_softmax(-1)


def plain_loss(view, questions, before, over):
    total = torch.zeros(())
    for question in questions:
        log_p = log_probs(view, question)
        if question.kind == "keep":
            terms = (before[question].exp() * (before[question] - log_p)).sum(-1)
        else:
            p = log_p[torch.arange(len(question.tokens)), list(question.tokens)]
            terms = -p if question.kind == "learn" else -torch.log(1 - p.exp())
        total = total + question.weight * (terms.max() if over == "max" else terms.mean())
    return total


def all_questions(view):
    learnt = targets(view, FACTS, ["", "The Eiffel Tower. "])
    return learnt + repetitions(learnt, 0.3) + kept(view, essence(FACTS), 0.7)


def chosen_of(layer):
    return [index for at, index in CHOSEN if at == layer]


@pytest.mark.parametrize("over", ["mean", "max"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loss_and_gradient_are_the_whole_models(architecture, over):
    """From a change that is not zero, so that the divergence counts; at all positions, in all chosen columns."""
    view = tiny(architecture)
    questions = all_questions(view)
    generator = torch.Generator().manual_seed(1)
    with frozen(view.model):
        changes = [Columns.of(view, layer, chosen_of(layer), 0.5) for layer in LAYERS]
        parts = batches(view, questions, 0, together=3)
        for change in changes:
            change.free.data = 0.1 * torch.randn(change.free.shape, generator=generator)
        with added(view, changes):
            losses = [part.loss(over)[0] for part in parts]
            sum(losses).backward()
        with torch.no_grad():
            before = {question: log_probs(view, question) for question in questions if question.kind == "keep"}
    assert len(parts) > 1
    with view.applied([change.delta(view) for change in changes]), torch.enable_grad():
        weights = [view.parameter(layer) for layer in LAYERS]
        expected = plain_loss(view, questions, before, over)
        slopes = torch.autograd.grad(expected, weights)
    assert torch.allclose(sum(losses), expected, atol=1e-5, rtol=1e-4)
    for change, slope in zip(changes, slopes, strict=True):
        full = slope.T if view.structure.projections[change.layer].transposed else slope
        own = 0.5 * full[:, chosen_of(change.layer)]
        assert torch.allclose(change.free.grad, own, atol=1e-3 * float(own.abs().max()))


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama", "gemma3", "mistral"])
def test_what_lies_below_is_left_out_and_nothing_is_lost(architecture):
    view = tiny(architecture)
    with frozen(view.model):
        change = Columns.of(view, 2)
        short, whole = (batches(view, all_questions(view), block, together=64) for block in (2, 0))
        assert all(part.tail.states is not None for part in short)
        slopes = []
        for parts in (short, whole):
            with added(view, [change]):
                sum(part.loss("mean")[0] for part in parts).backward()
            slopes.append(change.free.grad)
            change.free.grad = None
    assert torch.allclose(slopes[0], slopes[1], atol=1e-3 * float(slopes[0].abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_trained_is_what_is_written(dtype):
    """W + change() has the very bits of the edited weight, whatever the dtype; the other columns keep theirs."""
    view = tiny("gpt2", dtype=dtype)
    change = Columns.of(view, 0, [5, 1, 33], 0.5)
    change.free.data = torch.randn(change.free.shape, generator=torch.Generator().manual_seed(0)).mul(1e-2)
    trained = (view.weight(0)[:, [5, 1, 33]].float() + change.change().detach()).to(dtype)
    before = view.weight(0).clone()
    with view.applied([change.delta(view)]):
        assert torch.equal(view.weight(0)[:, [5, 1, 33]], trained)
        others = [i for i in range(view.d_ff) if i not in (5, 1, 33)]
        assert torch.equal(view.weight(0)[:, others], before[:, others])
        assert not torch.equal(view.weight(0), before)


def test_the_factors_are_the_smaller_of_two_and_exact():
    view = tiny("llama")
    generator = torch.Generator().manual_seed(0)
    for chosen, rank in ((range(4), 4), (range(40), 32), (None, 32)):
        change = Columns.of(view, 1, chosen)
        change.free.data = torch.randn(change.free.shape, generator=generator)
        delta, expected = change.delta(view), torch.zeros(view.d_model, view.d_ff)
        expected[:, : change.free.shape[1]] = change.free.detach()
        assert delta.rank == rank
        assert torch.equal(delta.dense(), expected)


def test_adams_first_step_is_the_learning_rate_in_every_entry():
    view = tiny("gpt2")
    with frozen(view.model):
        change = Columns.of(view, 1, [2, 9])
        parts = batches(view, targets(view, FACTS), 1, together=64)
        descent = Descent([change.free], 0.25)
        with added(view, [change]):
            before, done = descent.step(parts, lambda _: False)
            after = descent.read(parts)
    assert not done
    assert torch.allclose(change.free.detach().abs(), torch.tensor(0.25), atol=1e-4)
    assert sum(a.nll for a in after) < sum(a.nll for a in before)


def test_answers_that_are_done_stop_the_step():
    view = tiny("gpt2")
    with frozen(view.model):
        change = Columns.of(view, 1, [2, 9])
        parts = batches(view, targets(view, FACTS), 1, together=1)
        with added(view, [change]):
            answers, done = Descent([change.free], 0.25).step(parts, below(1e9))
    assert done
    assert len(answers) == 2
    assert not change.free.any()
    for answer, question in zip(sorted(answers, key=lambda a: a.fact), targets(view, FACTS), strict=True):
        log_p = log_probs(view, question).detach()
        own = log_p[torch.arange(len(question.tokens)), list(question.tokens)]
        assert answer.nll == pytest.approx(-float(own.mean()), abs=1e-4)
        assert answer.least == pytest.approx(float(own.min().exp()), rel=1e-3)
        assert answer.greedy == (log_p.argmax(-1).tolist() == list(question.tokens))
    assert not surely(0.9)(answers)
    assert not below(0.0)(answers)


def test_questions_of_one_text_travel_once():
    view = tiny("gpt2")
    learnt = targets(view, FACTS)
    with frozen(view.model):
        parts = batches(view, learnt + repetitions(learnt, 1.0), 0, together=64)
    assert sum(len(part.tail) for part in parts) == 2
    assert sum(question.weight for question in learnt) == pytest.approx(1.0)
    ended = at_the_prompts_end(learnt[1])
    assert set(ended.places) == {len(ended.ids) - 1}
    assert ended.ids == learnt[1].ids[: learnt[1].places[0] + 1]
    assert ended.tokens == learnt[1].tokens


def test_a_model_with_nan_is_refused():
    view = tiny("gpt2")
    with torch.no_grad():
        view.parameter(2).fill_(torch.nan)
    with frozen(view.model):
        parts = batches(view, targets(view, FACTS), 0, together=64)
        with pytest.raises(EditError, match="NaN"):
            Descent([Columns.of(view, 0).free], 0.1).step(parts, below(0.0))


def test_other_subjects_stand_in_the_facts_own_templates():
    view = tiny("llama")
    facts = [*FACTS, Fact("Italy", "The capital of {} is", target="Paris"), Fact("Italy", "Italy was born in", "Rome")]
    prompts = with_other_subjects(view, facts, 6, seed=3)
    assert prompts == with_other_subjects(view, facts, 6, seed=3)
    assert prompts != with_other_subjects(view, facts, 6, seed=4)
    born = [prompt for prompt in prompts if prompt.endswith(" was born in")]
    capital = [prompt for prompt in prompts if prompt.startswith("The capital of ") and prompt.endswith(" is")]
    assert len(born) > 2
    assert len(capital) > 2
    assert len(born) + len(capital) == len(prompts) == len(set(prompts)) <= 12
    assert not {fact.text for fact in facts} & set(prompts)


def test_other_subjects_are_the_unedited_models_and_sampled_once():
    view = tiny("llama")
    view.write(1, -3 * view.weight(1))
    edited = with_other_subjects(view, FACTS, 6, seed=3)
    assert edited == with_other_subjects(tiny("llama"), FACTS, 6, seed=3)
    with torch.no_grad():
        view.model.get_input_embeddings().weight.zero_()
    assert with_other_subjects(view, FACTS, 6, seed=3) == edited


def test_a_sampled_subject_ends_where_the_template_goes_on():
    view = tiny("gpt2")

    def ids(text):
        return view.tokenizer(text)["input_ids"]

    assert subject_in(view, ids(" San Marino is Rome. Goethe is"), " is", 1) == "San Marino"
    assert subject_in(view, ids(" Paris. The island"), " is", len(ids(" Paris"))) == "Paris"
    assert subject_in(view, ids(" Rome\nParis is"), " is", 1) != "Rome\nParis"
    assert subject_in(view, ids(" Paris is the"), "", len(ids(" Paris"))) == "Paris"
    assert subject_in(view, ids(" is Rome"), " is", 3) == ""


def test_kept_prompts_weigh_together_as_one():
    view = tiny("gpt2")
    found = kept(view, ["Dante is a", "Goethe is a", "Dante is a"], 0.6)
    assert [question.weight for question in found] == [0.3, 0.3]
    assert kept(view, [], 1.0) == []
    assert isinstance(found[0], Question)
