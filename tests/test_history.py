"""The history of edits: state as a fold over what is in the weights."""

from errata.deltas import Edit
from errata.history import History


def edits(*names):
    return tuple(Edit((), name, ()) for name in names)


def folded(history, calls):
    def step(state, edit):
        calls.append(edit.method)
        return (*state, edit.method)

    return history.fold("names", tuple, step)


def test_a_fold_goes_on_where_it_ended():
    calls = []
    history = History(edits("a", "b"))
    assert folded(history, calls) == ("a", "b")
    longer = history.then(*edits("c"))
    assert folded(longer, calls) == ("a", "b", "c")
    assert calls == ["a", "b", "c"]
    assert len(longer) == 3
    assert [edit.method for edit in longer] == ["a", "b", "c"]


def test_a_shorter_history_knows_nothing_of_what_came_later():
    calls = []
    history = History(edits("a"))
    folded(history.then(*edits("b")), calls)
    assert folded(history, calls) == ("a",)


def test_branches_of_one_history_do_not_mix():
    calls = []
    history = History(edits("a"))
    folded(history.then(*edits("b")), calls)
    assert folded(history.then(*edits("c")), calls) == ("a", "c")


def test_an_empty_history_is_the_start():
    assert folded(History(), []) == ()


def test_a_history_within_longer_edits_goes_on():
    calls = []
    history = History(edits("a", "b"))
    folded(history, calls)
    longer = history.within(edits("a", "b", "c")).then(*edits("d"))
    assert folded(longer, calls) == ("a", "b", "c", "d")
    assert calls == ["a", "b", "c", "d"]
    assert [edit.method for edit in longer] == ["a", "b", "c", "d"]
    assert len(history) == 2
