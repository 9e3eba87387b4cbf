"""Numbers and texts at the edge: each gives the right result or a clear error, and a refusal touches no weight."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from errata import registry
from errata.associative.covariance import Covariance, CovarianceSettings, cache_path
from errata.associative.values import ValueSettings
from errata.deltas import Edit
from errata.errors import EditError, ErrataError, InputError, RefusedEditError, TokenError, UnsupportedModelError
from errata.facts import Case, Fact
from errata.history import History
from errata.ledger import Ledger
from errata.methods import Computed, Editor, Localizer, editor, localizer
from errata.model.hooks import count_hooks
from errata.model.load import load
from errata.model.tokens import encode_fact, longest_row
from errata.model.view import ModelView
from errata.model.writing import generate, new_tokens, stream, top_tokens
from errata.sequences import Battery, Kept, Step, run
from errata.sequences.book import Scratch
from tests.faults.conftest import Counted
from tests.tiny import ARCHITECTURES, tiny, tiny_model, tiny_tokenizer

FACT = Fact("France", "The capital of {} is", target="Rome", answer="Paris", relation="capital")
LONG = "The capital of Italy is Rome. " * 3334  # 100,020 characters

EDITORS = registry.names("errata.editors")
# Those that need no detector, which is trained for a model.
LOCALIZERS = [name for name in registry.names("errata.localizers") if name not in ("land", "fact_code", "kn_refined")]
FEW = [("gpt2", name) for name in EDITORS]
MANY = [(kind, name) for kind in ARCHITECTURES if kind != "gpt2" for name in EDITORS]
SPREAD = ("memit", "memit_aligned", "alphaedit")
CLOSED_FORMS = ("rome", "memit", "memit_aligned", "alphaedit", "rect", "prune", "delta_edit", "o_edit", "o_edit_plus")

QUICKLY = ("rome", "memit", "ft_m", "ensemble", "knowledge_neurons", "value_vectors", "causal_trace")
QUICK: dict[str, Any] = {"context_lengths": (2,), "covariance_tokens": 100, "values": ValueSettings(steps=2)}


def quick(name: str, **changed: Any) -> Editor:
    """An editor that does as little as it can; closed forms that wrap others wrap a quick one."""
    fields = registry.method_class("errata.editors", name).__dataclass_fields__
    given: dict[str, Any] = {key: value for key, value in QUICK.items() if key in fields}
    if "base" in fields:
        given["base"] = quick("rome", **{key: changed.pop(key) for key in list(changed) if key not in fields})
    for key, value in (("steps", 2), ("epochs", 2), ("gradient_tokens", 256)):
        if key in fields:
            given[key] = value
    if name in SPREAD:
        given["layers"] = (0, 1)  # behind the last layer nothing reads what the subject's token holds
    return editor(name, **{**given, **changed})


@contextmanager
def untouched(view: ModelView) -> Iterator[None]:
    """The model has the same bits and no hook behind the block."""
    before = view.weights_sha256()
    yield
    assert view.weights_sha256() == before
    assert count_hooks(view.model) == 0


def mostly_slow(names: Sequence[str]) -> list[Any]:
    """Names of methods, marked for the long tier but for one of each kind."""
    return [name if name in QUICKLY else pytest.param(name, marks=pytest.mark.faults) for name in names]


def fast(*pairs: Any) -> list[Any]:
    """Cases of the fast tier, and behind them, marked, those of the long one."""
    few, many = pairs
    return [*few, *(pytest.param(*case, marks=pytest.mark.faults) for case in many)]


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize(("kind", "name"), fast(FEW, MANY))
def test_no_editor_edits_a_model_that_is_not_finite(kind: str, name: str, value: float, counted: Counted) -> None:
    view = tiny(kind)
    with torch.no_grad():
        view.parameter(1)[0, 0] = value
    with untouched(view), pytest.raises(UnsupportedModelError, match="NaN or infinite entries in"):
        quick(name).edit(view, [FACT])
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", LOCALIZERS)
def test_a_localizer_of_such_a_model_refuses_or_needs_no_numbers(name: str, value: float, counted: Counted) -> None:
    view = tiny("gpt2")
    with torch.no_grad():
        view.parameter(1).fill_(value)
    with untouched(view):
        try:
            (found,) = localizer(name).attribute(view, [FACT])
        except ErrataError as error:
            assert "NaN" in str(error) or "finite" in str(error)
        else:
            assert bool(torch.isfinite(found.scores).all())
            assert name in ("random", "all_in_layers")
    counted("numeric faults answered", 1)


def test_a_checkpoint_that_is_not_finite_is_not_loaded(tmp_path: Path, counted: Counted) -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[3, 3] = torch.nan
    model.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"infinite entries in model\.embed_tokens\.weight"):
        load(str(tmp_path))
    counted("numeric faults answered", 1)


WILD: dict[str, dict[str, Any]] = {
    **{name: {"values": ValueSettings(steps=8, lr=1e20, clamp=None)} for name in CLOSED_FORMS},
    **{name: {"lr": 1e20, "steps": 8} for name in ("ensemble", "fine", "ft_l", "ft_m", "lora")},
    "loc_ft_bf": {"lr": 1e20, "epochs": 8},
    "neuron_values": {"lambda_new": 1e38},
}


@pytest.mark.parametrize(("kind", "name"), fast([("gpt2", name) for name in WILD], [("llama", name) for name in WILD]))
def test_an_optimisation_that_diverges(kind: str, name: str, tmp_path: Path, counted: Counted) -> None:
    """The editor refuses, or its edit is finite and the ledger takes it or refuses it; then the model is as it was."""
    view = tiny(kind)
    book, own = Ledger.open(tmp_path / "book", view), quick(name, **WILD[name])
    with untouched(view):
        try:
            edit = own.edit(view, [FACT])
        except (EditError, InputError):
            edit = None
        if edit is not None:
            assert all(bool(torch.isfinite(f).all()) for d in edit.deltas for f in (d.left, d.right))
            try:
                book.undo(book.apply(edit))
            except RefusedEditError:
                assert book.applied == ()
        view.restore()
    assert book.verify().ok
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("rate", [-1.0, torch.nan, torch.inf])
@pytest.mark.parametrize("name", mostly_slow(sorted(set(WILD) - {"neuron_values"})))
def test_a_learning_rate_that_is_none(name: str, rate: float, counted: Counted) -> None:
    view = tiny("gpt2")
    with untouched(view), pytest.raises(InputError, match="learning rate"):
        changed = {"values": ValueSettings(lr=rate)} if name in CLOSED_FORMS else {"lr": rate}
        quick(name, **changed).edit(view, [FACT])
    counted("numeric faults answered", 1)


def planted(view: ModelView, matrix: torch.Tensor) -> None:
    """Every layer's covariance is this one."""
    settings = CovarianceSettings(tokens=QUICK["covariance_tokens"])
    for layer in range(view.n_layers):
        key = ("covariance", cache_path(view, layer, settings).name)
        view.memo[key] = Covariance(matrix.double(), 100, 0.0, True, "planted", 0.0)


@pytest.mark.parametrize("kind", ["zero", "of one direction", "not finite", "not positive"])
@pytest.mark.parametrize("name", mostly_slow(CLOSED_FORMS))
def test_a_covariance_that_is_singular(name: str, kind: str, counted: Counted) -> None:
    view = tiny("gpt2")
    size = view.d_ff
    matrix = {
        "zero": torch.zeros(size, size),
        "of one direction": torch.ones(size, size),
        "not finite": torch.full((size, size), torch.nan),
        "not positive": -torch.eye(size),
    }[kind]
    planted(view, matrix)
    own = quick(name)
    with untouched(view):
        try:
            edit = own.edit(view, [FACT])
        except EditError as error:
            assert "covariance" in str(error) or "singular" in str(error) or "key" in str(error)
        else:
            assert kind in ("zero", "of one direction", "not positive")
            assert all(bool(torch.isfinite(d.dense()).all()) for d in edit.deltas)
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("name", mostly_slow(EDITORS))
def test_keys_of_no_length(name: str, tmp_path: Path, counted: Counted) -> None:
    """Where a layer reads nothing, no update changes what it writes: an error, or a change elsewhere that is finite."""
    view = tiny("gpt2")
    with torch.no_grad():
        for block in view.structure.blocks:
            for parameter in (block.mlp.c_fc.weight, block.mlp.c_fc.bias):
                parameter.zero_()
    own = quick(name)
    with Ledger.open(tmp_path / "book", view) as book, untouched(view):
        try:
            edit = own.edit(view, [FACT])
            assert all(bool(torch.isfinite(d.dense()).all()) for d in edit.deltas)
            book.undo(book.apply(edit))
            view.restore()
        except ErrataError as error:
            assert str(error).endswith(".")
            assert book.applied == ()
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("name", mostly_slow(EDITORS))
def test_a_target_of_200_tokens(name: str, counted: Counted) -> None:
    """A tiny model reads 128 tokens: the target is refused, in words, before anything is computed from it."""
    view = tiny("gpt2")
    fact = Fact("France", "The capital of {} is", target="a " * 200, answer="Paris")
    with untouched(view):
        try:
            edit = quick(name).edit(view, [fact])
        except ErrataError as error:
            assert "tokens and the model reads 128" in str(error)
        else:
            assert name == "neuron_values"  # of the target it needs the first token that differs
            assert edit.norm() > 0
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("name", ["rome", "ft_m"])
def test_a_target_of_200_tokens_where_there_is_room(name: str, counted: Counted) -> None:
    view = load("pocket-gelu")
    target = " ".join(["Paris"] * 200)
    fact = Fact("Danielle Darrieux", "The mother tongue of {} is", target=target)
    assert len(encode_fact(view.tokenizer, fact, target).target) == 200
    with untouched(view):
        changed: dict[str, Any] = {"layers": (2,)} if name == "ft_m" else {"layer": 2}
        edit = quick(name, **changed).edit(view, [fact])
    assert 0 < edit.norm() < float("inf")
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("subject", ["", " ", "\n\t", "\u3000", "\ud800", "a\udfffb"])
def test_a_subject_that_is_none(subject: str, counted: Counted) -> None:
    with pytest.raises(InputError, match=r"subject is empty|half of a surrogate pair"):
        Fact(subject, "The capital of {} is", target="Rome")
    counted("numeric faults answered", 1)


TEXTS = {
    "emoji": Fact("👩‍👩‍👧‍👦", "The family {} lives in", target="🇮🇹 Rome"),
    "right to left": Fact("القاهرة", "المدينة {} تقع في", target="روما"),
    "both directions": Fact("תל אביב", "The city of {} (עיר) is in", target="Rome"),
    "combining": Fact("e\u0301e\u0301", "{} says", target="e\u0301"),
    "no width": Fact("\u200bFrance\u200b", "The capital of {} is", target="Rome"),
    "Chinese": Fact("法国", "{}的首都是", target="罗马"),
    "NUL": Fact("Fra\0nce", "The capital of {} is", target="Ro\0me"),
    "three times": Fact("France", "France, France and the capital of France is", target="Rome"),
}


@pytest.mark.parametrize("text", list(TEXTS))
@pytest.mark.parametrize("name", mostly_slow(EDITORS))
def test_texts_of_every_kind(name: str, text: str, counted: Counted) -> None:
    view, fact = tiny("gpt2"), TEXTS[text]
    with untouched(view):
        try:
            edit = quick(name).edit(view, [fact])
            assert 0 < edit.norm() < float("inf")
        except ErrataError as error:
            assert name == "neuron_values", error
            assert "give" in str(error) or "share every token" in str(error) or ":" in str(error)
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("text", list(TEXTS))
@pytest.mark.parametrize("name", mostly_slow(LOCALIZERS))
def test_texts_of_every_kind_are_located(name: str, text: str, counted: Counted) -> None:
    view, fact = tiny("gpt2"), TEXTS[text]
    given = Fact(fact.subject, fact.prompt, target=fact.target, answer="Paris")
    with untouched(view):
        (found,) = localizer(name).attribute(view, [given])
    assert bool(torch.isfinite(found.scores).all())
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("model", ["pocket-gelu", "pocket-swiglu"])
def test_the_subject_counts_where_it_stands_last(model: str, counted: Counted) -> None:
    """Three times in a prompt: the token is the last one's, and emoji and Arabic end where their bytes do."""
    view = load(model)
    for fact in TEXTS.values():
        row = encode_fact(view.tokenizer, fact)
        assert row.subject_last is not None
        behind = fact.text[fact.subject_end :]
        rest = view.tokenizer.decode(list(row.ids[row.subject_last + 1 :]))
        assert rest.strip() == behind.strip() or "\0" in fact.text or fact is TEXTS["combining"]
        counted("numeric faults answered", 1)


@pytest.mark.parametrize("name", mostly_slow(EDITORS))
def test_a_prompt_of_100000_characters_is_not_edited(name: str, counted: Counted) -> None:
    view = tiny("gpt2")
    for fact in (
        Fact("France", LONG + "The capital of {} is", target="Rome"),
        Fact(LONG, "{} is", target="Rome"),
        Fact("France", "The capital of {} is", target=LONG),
    ):
        with untouched(view):
            try:
                quick(name).edit(view, [fact])
            except TokenError as error:
                assert "tokens and the model reads 128" in str(error)
            else:
                assert name == "neuron_values" and fact.target == LONG.strip()
        counted("numeric faults answered", 1)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox"])
@pytest.mark.parametrize("name", mostly_slow(LOCALIZERS))
def test_a_prompt_of_100000_characters_is_not_located(kind: str, name: str, counted: Counted) -> None:
    view = tiny(kind)
    fact = Fact("France", LONG + "The capital of {} is", target="Rome", answer="Paris")
    with untouched(view):
        try:
            localizer(name).attribute(view, [fact])
        except TokenError as error:
            assert "tokens and the model reads 128" in str(error)
        else:
            assert name in ("random", "all_in_layers")
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("ask", [lambda v, p: generate(v, [p]), lambda v, p: list(stream(v, p)), top_tokens])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_prompt_of_100000_characters_is_not_answered(
    kind: str, ask: Callable[[ModelView, str], object], counted: Counted
) -> None:
    view = tiny(kind)
    with untouched(view), pytest.raises(TokenError, match="the model reads 128"):
        ask(view, LONG)
    counted("numeric faults answered", 1)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_writing_stops_where_the_context_is_full(kind: str, counted: Counted) -> None:
    view = tiny(kind)
    limit = longest_row(view.model)
    assert limit == 128
    ids = view.tokenizer("a b c d e f g h i j " * 20)["input_ids"]
    rows = [ids[:length] for length in (limit, limit - 1, limit - 3, 5)]
    room = [min(8, limit - len(row) + 1) for row in rows]
    assert room == [1, 2, 4, 8]
    with untouched(view):
        for together in (1, 4):
            assert [len(new) for new in new_tokens(view, rows, 8, batch_size=together)] == room
        prompt = view.tokenizer.decode(rows[1])
        assert "".join(stream(view, prompt, 8)) == generate(view, [prompt], 8)[0]
        with pytest.raises(TokenError, match="129 tokens and the model reads 128"):
            generate(view, [view.tokenizer.decode(ids[: limit + 1])])
    counted("numeric faults answered", 1)


def huge(view: ModelView, subject: str) -> Edit:
    """An edit whose product overflows float32 although its factors are finite."""
    left, right = torch.full((view.d_model, 1), 1e30), torch.full((1, view.d_ff), 1e30)
    return Edit((view.delta(0, left, right),), "huge", (Fact(subject, "The capital of {} is", target="Rome"),))


@dataclass(frozen=True)
class Planned(Editor):
    """A small change, and for Italy one that overflows, and for Spain one that is lost to rounding."""

    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        size = {"Italy": 1e30, "Spain": 1e-30}.get(facts[0].subject, 1e-2)
        return Computed(
            [view.delta(0, torch.full((view.d_model, 1), size), torch.full((1, view.d_ff), max(1.0, size)))]
        )


def test_an_edit_that_overflows_is_refused_everywhere(tmp_path: Path, counted: Counted) -> None:
    view = tiny("gpt2")
    with untouched(view):
        with Ledger.open(tmp_path / "book", view) as book, pytest.raises(RefusedEditError, match="NaN or infinite"):
            book.apply(huge(view, "France"))
        with pytest.raises(EditError, match="NaN or infinite"), view.applied(huge(view, "France").deltas):
            raise AssertionError("the block is not entered")
        with Scratch(view) as scratch, pytest.raises(EditError, match="NaN or infinite"):
            scratch.apply(huge(view, "France"))
        with pytest.raises(EditError, match="NaN or infinite"):
            Planned().edit(view, [Fact("Italy", "The capital of {} is", target="Rome")])
        assert Ledger.open(tmp_path / "book", view).entries() == ()
    counted("numeric faults answered", 4)


def test_a_sequence_goes_on_behind_an_edit_that_is_refused(tmp_path: Path, counted: Counted) -> None:
    """Of four edits the second overflows and the third changes nothing: both are failed steps, the fourth is made."""
    view = tiny("gpt2")
    subjects = ("France", "Italy", "Spain", "Germany")
    cases = tuple(Case(Fact(one, "The capital of {} is", target="Rome", answer="Paris")) for one in subjects)
    told: list[Step] = []
    with Ledger.open(tmp_path / "book", view) as book:
        rows = list(run(view, Planned(), Battery(cases), 1, Kept.of(book), 10, told=told.append))
        assert [step.edit is not None for step in told] == [True, False, False, True]
        assert "NaN or infinite" in str(told[1].error) and "changes no weight" in str(told[2].error)
        assert rows[-1].done == 4 and rows[-1].edited == 2
        assert [entry.facts[0].subject for entry in book.entries()] == ["France", "Germany"]
        assert book.verify().ok
    view = tiny("gpt2")
    with Scratch(view) as scratch:
        told.clear()
        list(run(view, Planned(), Battery(cases), 1, scratch, 10, told=told.append))
        assert [step.edit is not None for step in told] == [True, False, True, True]
    counted("numeric faults answered", 2)


@pytest.mark.parametrize("name", ["memit_aligned", "alphaedit", "delta_edit"])
@pytest.mark.parametrize(
    "bad", [torch.ones(3), torch.ones(1, 3), torch.ones(1, 2, 3), torch.ones(1, 64, dtype=torch.int64)]
)
def test_what_an_earlier_edit_left_is_of_another_shape(name: str, bad: torch.Tensor, counted: Counted) -> None:
    view = tiny("gpt2")
    state = {f"keys.{layer}": bad for layer in range(view.n_layers)} | {"interference": bad}
    earlier = Edit((), "stranger", (), state=state)
    with untouched(view):
        try:
            quick(name).edit(view, [FACT], History([earlier]))
        except EditError as error:
            assert "stranger" in str(error)
        else:
            assert name == "delta_edit"
    counted("numeric faults answered", 1)


def test_an_edit_holds_no_state_that_is_not_finite() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        Edit((), "rome", (), state={"keys.0": torch.full((1, 2), torch.nan)})


def test_every_localizer_is_looked_at() -> None:
    """Those left out read a detector that is trained for a model, or a trained model's phrasings."""
    assert set(registry.names("errata.localizers")) - set(LOCALIZERS) == {"land", "fact_code", "kn_refined"}
    assert all(issubclass(registry.method_class("errata.localizers", name), Localizer) for name in LOCALIZERS)
    assert set(WILD) == set(EDITORS)
