"""A sequence: steps and checkups where they belong, and after an interruption the bits of a run without one."""

from dataclasses import replace
from pathlib import Path

import pytest

import errata
from errata.associative.values import ValueSettings
from errata.errors import ConflictError, EditError, InputError
from errata.ledger import Ledger
from errata.methods import Editor, editor
from errata.model.phrases import answer_of
from errata.model.view import ModelView
from errata.model.writing import generate
from errata.sequences import Battery, Health, Kept, Scratch, Step, before, run
from tests.ledger.conftest import random_edit
from tests.sequences.planted import SUBJECTS, Planted, battery, facts_of
from tests.tiny import tiny


@pytest.fixture
def view() -> ModelView:
    return tiny("gpt2")


@pytest.mark.parametrize(
    ("batch", "every", "done"),
    [
        (1, 3, [3, 6, 7]),
        (2, 3, [4, 6, 7]),
        (3, 2, [3, 6, 7]),
        (7, 2, [7]),
        (1, (1, 5), [1, 5, 7]),
        (4, (1, 2, 3), [4, 7]),
        (1, 100, [7]),
    ],
)
def test_checkups_come_behind_the_step_that_reaches_their_number(
    view: ModelView, batch: int, every: int | tuple[int, ...], done: list[int]
) -> None:
    steps: list[Step] = []
    with Scratch(view) as book:
        rows = list(run(view, Planted(), battery(), batch, book, every, told=steps.append))
        assert [facts_of(edit) for edit in book.history()] == [
            list(SUBJECTS[at : at + batch]) for at in range(0, 7, batch)
        ]
    assert [row.done for row in rows] == done
    assert [row.all["efficacy"].n for row in rows] == done == [row.edited for row in rows]
    news = [b - a for a, b in zip([0, *done], done, strict=False)]
    assert [row.new["efficacy"].n for row in rows] == [row.right_after["efficacy"].n for row in rows] == news
    assert [row.edit for row in rows] == [-(-row.done // batch) for row in rows]
    assert [(step.first, step.end) for step in steps] == [(at, min(at + batch, 7)) for at in range(0, 7, batch)]


def test_scratch_gives_the_bits_of_a_ledger_and_then_the_model_back(view: ModelView, tmp_path: Path) -> None:
    unedited = view.weights_sha256()
    with Scratch(view) as book:
        in_memory = [row.to_dict() for row in run(view, Planted(), battery(), 2, book, 3)]
        edited = view.weights_sha256()
        with pytest.raises(EditError, match="1 to 4"):
            book.edit(5)
    assert view.weights_sha256() == unedited != edited
    with Ledger.open(tmp_path / "book", view) as ledger:
        kept = [row.to_dict() for row in run(view, Planted(), battery(), 2, Kept.of(ledger), 3)]
        assert ledger.applied == (1, 2, 3, 4)
    assert view.weights_sha256() == edited
    assert kept == in_memory


ROME = editor("rome", values=ValueSettings(steps=2), context_lengths=(2,), covariance_tokens=512, layer=1)


@pytest.mark.parametrize("method", [Planted(), ROME], ids=["planted", "rome"])
@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_sequence_goes_on_to_the_same_bits(tmp_path: Path, method: Editor, stop: int) -> None:
    def go(folder: str, most: int | None, batch: int = 2) -> tuple[list[bytes], str, list[dict]]:
        view = tiny("gpt2")
        asked = before(view, battery(5))
        steps: list[Step] = []

        def tell(step: Step) -> None:
            steps.append(step)
            if len(steps) == most:
                raise KeyboardInterrupt

        with Ledger.open(tmp_path / folder, view) as ledger:
            rows = []
            try:
                rows = list(run(view, method, battery(5), batch, Kept.of(ledger), 100, unedited=asked, told=tell))
            except KeyboardInterrupt:
                assert most is not None
            edits = [ledger.edit(number).to_bytes() for number in ledger.applied]
        return edits, view.weights_sha256(), [{**row.to_dict(), "right_after": 0} for row in rows]

    whole = go("whole", None)
    assert len(whole[0]) == 3 and len(go("parts", stop)[0]) == stop
    assert go("parts", None) == whole
    edits, weights, rows = go("parts", None)
    assert (edits, weights) == whole[:2] and [row["done"] for row in rows] == [5]


def test_a_case_that_is_so_already_is_left_out(view: ModelView) -> None:
    cases = list(battery(3).cases)
    said = answer_of(generate(view, [cases[1].fact.text])[0])
    cases[1] = replace(cases[1], fact=replace(cases[1].fact, target=said))
    steps: list[Step] = []
    with Scratch(view) as book:
        (row,) = run(view, Planted(size=1e-6), Battery(tuple(cases)), 3, book, 9, told=steps.append)
        assert [facts_of(edit) for edit in book.history()] == [["France", "Spain"]]
    assert steps[0].already == (1,)
    assert (row.done, row.edited, row.all["efficacy"].n) == (3, 2, 2)


def test_a_step_that_cannot_be_edited_is_reported_and_the_next_one_tried(view: ModelView) -> None:
    steps: list[Step] = []
    with Scratch(view) as book:
        (row,) = run(view, Planted(refuses="Italy"), battery(3), 1, book, 9, told=steps.append)
    assert [step.edit for step in steps] == [1, None, 2]
    assert steps[1].error == "Italy cannot be edited: take another."
    assert (row.done, row.edited, row.edit) == (3, 2, 2)


def test_an_undone_edit_stays_undone_and_undone_ends_are_made_again(view: ModelView, tmp_path: Path) -> None:
    asked = before(view, battery(4))
    with Ledger.open(tmp_path, view) as ledger:
        list(run(view, Planted(), battery(4), 1, Kept.of(ledger), 9, unedited=asked))
        for number in (2, 4):
            ledger.undo(number)
        rows = list(run(view, Planted(), battery(4), 1, Kept.of(ledger), 9, unedited=asked))
        assert ledger.applied == (1, 3, 5)
        assert facts_of(ledger.edit(5)) == ["Germany"]
    assert [(row.done, row.edited) for row in rows] == [(4, 3)]


def test_other_edits_of_the_ledger_are_no_part_of_the_sequence(view: ModelView, tmp_path: Path) -> None:
    asked = before(view, battery(3))
    spain, other = battery(3).cases[2].fact, random_edit(view, 5)
    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(replace(other, facts=(spain,)))
        steps: list[Step] = []
        list(run(view, Planted(), battery(3), 1, Kept.of(ledger), 9, unedited=asked, told=steps.append))
        assert [(step.edit, step.already) for step in steps] == [(2, ()), (3, ()), (None, (2,))]
        ledger.undo(1)
        ledger.apply(replace(other, facts=(replace(spain, target="Bergen"),)))
        with pytest.raises(ConflictError, match="Fact 3 of the sequence and applied edit 4"):
            run(view, Planted(), battery(3), 1, Kept.of(ledger), 9, unedited=asked)
        with pytest.raises(InputError, match="holds edits already"):
            run(view, Planted(), battery(3), 1, Kept.of(ledger), 9)


def test_the_edit_that_ends_a_sequence_is_made_once(view: ModelView, tmp_path: Path) -> None:
    asked, method = before(view, battery(3)), Planted(ends=True)
    with Ledger.open(tmp_path, view) as ledger:
        rows = list(run(view, method, battery(3), 1, Kept.of(ledger), 2, unedited=asked))
        assert ledger.applied == (1, 2, 3, 4) and ledger.edit(4).facts == ()
        assert [row.edit for row in rows] == [2, 4]
        assert list(run(view, method, battery(3), 1, Kept.of(ledger), 2, unedited=asked, earlier=rows)) == []
        assert ledger.applied == (1, 2, 3, 4)
    # At a checkup it is in the weights for as long as that takes.
    other = tiny("gpt2")
    with Scratch(other) as book:
        first = next(run(other, method, battery(3), 1, book, 2))
        closing = method.close(other, book.history())
        assert closing is not None
        with other.applied(closing.deltas):
            change = other.weight(1) - other.base_weight(1)
        assert first.layers[0].relative == pytest.approx(float(change.norm() / other.base_weight(1).norm()))


def test_an_alarm_ends_a_sequence(view: ModelView) -> None:
    health = Health(retention=None, new=None, generalization=None, specificity=None, known=None, relative=0.1, least=1)
    scale = float(view.base_weight(1).norm())
    with Scratch(view) as book:
        rows = list(run(view, Planted(size=scale * 0.06), battery(), 1, book, 1, health))
    assert [row.relative > 0.1 for row in rows] == [False] * (len(rows) - 1) + [True]
    assert 1 < len(rows) < 7
    alarm = health.judge(rows)
    assert alarm is not None and alarm.good == rows[-2] and alarm.at == rows[-1].done


@pytest.mark.parametrize(("batch", "every"), [(0, 1), (1, 0), (1, (2, 1)), (1, (0, 1))])
def test_steps_and_checkups_need_a_number(view: ModelView, batch: int, every: int | tuple[int, ...]) -> None:
    with Scratch(view) as book, pytest.raises(InputError, match="1"):
        run(view, Planted(), battery(), batch, book, every)


def test_a_sequence_is_of_facts_that_can_be_edited() -> None:
    cases = battery(2).cases
    with pytest.raises(InputError, match="no cases"):
        Battery(())
    with pytest.raises(InputError, match="1 and 3 of the sequence are both about France"):
        Battery((*cases, replace(cases[0], fact=replace(cases[0].fact, target="Bergen"))))
    with pytest.raises(InputError, match="no target"):
        Battery((errata.Case(errata.Fact("France", "The home of {} is")),))
