"""What can be done at the page, each a function of the request: on the worker's thread, which owns model and ledger.

Cancelling raises before a pass through a block of the model and before a step of an optimisation. Edits are computed
without writing, and only `commit`, `undo`, `redo` and `undo_to` change the ledger: they are short and run to their end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, final

from errata import methods
from errata.datasets.pocket_probes import complete
from errata.desk import Correction, Desk, correction_row
from errata.errors import InputError, LedgerError
from errata.facts import Case, Fact, Probe
from errata.ledger import Entry, Event, Ledger
from errata.model.hooks import before_each_pass
from errata.model.phrases import answer_of
from errata.model.steering import promoted, scaled
from errata.model.writing import stream, top_tokens
from errata.progress import listening
from errata.web import wire
from errata.web.heat import heat_map
from errata.web.jobs import Teller
from errata.web.shipping import Shelf

PREVIEWS = 8  # that can still be committed


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the ledger said last: any thread may read it."""

    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def revision(self) -> int:
        """Number of the last event: it grows with every change."""
        return self.events[-1].id if self.events else 0

    @property
    def applied(self) -> int:
        """How many edits are applied."""
        return sum(entry.applied for entry in self.entries)


@final
class Studio:
    """A desk, the previews made at it, and what the ledger said last; `changed` hears of every change."""

    def __init__(self, desk: Desk, changed: Callable[[LedgerState], None]) -> None:
        self._desk = desk
        self._changed = changed
        self._previews: OrderedDict[int, tuple[Correction, int]] = OrderedDict()
        self.model = _model(desk)
        self.shelf = Shelf()
        self.state = LedgerState()
        if desk.ledger is not None:
            self.state = LedgerState(desk.ledger.entries(), desk.ledger.events())

    def ask(self, tell: Teller, asked: wire.Ask) -> dict[str, Any]:
        """What the model writes, token by token, then the most probable next tokens."""
        view = self._desk.view
        prompt = _prompt(asked.prompt)
        factors = {(one.layer, one.index): one.factor for one in asked.scalings}
        with self._watched(tell), scaled(view, factors):
            text = _written(tell, stream(view, prompt, asked.tokens))
            best = top_tokens(view, prompt)
        return {"text": text, "answer": answer_of(text), "next_tokens": _ranked(best)}

    def locate(self, tell: Teller, asked: wire.Locate) -> dict[str, Any]:
        """The neurons that score highest for the answer, as a heat map of layer × neuron."""
        fact = Fact(asked.subject, asked.prompt, answer=asked.answer)
        with self._watched(tell):
            tell.progress("attributing", 0, 0)
            found = methods.localizer(asked.method).attribute(self._desk.view, [fact])[0]
            return heat_map(self._desk.view, found)

    def neuron(self, tell: Teller, asked: wire.NeuronAt) -> dict[str, Any]:
        """The tokens that one neuron promotes."""
        tell.check()
        best = promoted(self._desk.view, (asked.layer, asked.index))
        return {"layer": asked.layer, "index": asked.index, "tokens": [token for token, _ in best]}

    def preview(self, tell: Teller, asked: wire.Preview, number: int) -> dict[str, Any]:
        """The correction and what it changes; nothing is written, and it can be committed by the job's number."""
        case = complete(case_of(asked), self._desk.view.name)
        editor = methods.editor(asked.method)
        with self._watched(tell):
            tell.progress("asking before", 0, 0)
            found = self._desk.prepare(case, editor, asked.supersede)
        self._previews[number] = found, self.state.revision
        while len(self._previews) > PREVIEWS:
            self._previews.popitem(last=False)
        return {**correction_row(found), "doubts": list(found.doubts), "revision": self.state.revision}

    def commit(self, asked: wire.Commit) -> dict[str, Any]:
        """Write a preview to the ledger and the model.

        Raises InputError for a preview that is gone or in doubt, LedgerError where the ledger is another one since.
        """
        self._follow()
        kept = self._previews.get(asked.preview)
        if kept is None:
            raise InputError(f"There is no preview {asked.preview} any more: preview the correction again.")
        found, revision = kept
        if revision != self.state.revision:
            raise LedgerError("The ledger has changed since this preview: preview the correction again.")
        if found.doubts and not asked.despite_doubts:
            raise InputError(f"{' '.join(found.doubts)} Nothing was written: say that you want it all the same.")
        number = self._desk.commit(found.edit, supersede=bool(found.supersedes))
        del self._previews[asked.preview]
        return {"edit": number, **self._after()}

    def undo(self, number: int) -> dict[str, Any]:
        """Take an edit out."""
        self._ledger.undo(number)
        return {"edit": number, **self._after()}

    def redo(self, number: int) -> dict[str, Any]:
        """Put an edit back."""
        self._ledger.redo(number)
        return {"edit": number, **self._after()}

    def undo_to(self, asked: wire.UndoTo) -> dict[str, Any]:
        """Take every edit behind one out."""
        undone = self._ledger.undo_to(asked.last)
        return {"undone": list(undone), **self._after()}

    def diff(self, tell: Teller, asked: wire.Diff) -> dict[str, Any]:
        """Layer by layer what the weights' changes are, or how two edits compare."""
        tell.check()
        self._follow()
        if self._desk.ledger is None:
            return {"layers": []}
        if asked.a is not None and asked.b is not None:
            rows = self._ledger.diff(asked.a, asked.b)
        else:
            rows = self._ledger.diff(asked.a or asked.b)
        return {"layers": [asdict(row) for row in rows]}

    def compare(self, tell: Teller, asked: wire.Compare) -> dict[str, Any]:
        """Every prompt's answer without the corrections and with them."""
        view = self._desk.view
        prompts = [_prompt(prompt) for prompt in asked.prompts]

        def written(at: int) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for place, prompt in enumerate(prompts):
                tell.progress("asking", at + place, 2 * len(prompts))
                text = "".join(stream(view, prompt, asked.tokens))
                found.append({"text": text, "next_tokens": _ranked(top_tokens(view, prompt))})
            return found

        with self._watched(tell):
            with view.unedited():
                before = written(0)
            after = written(len(prompts))
        triples = zip(prompts, before, after, strict=True)
        return {"rows": [{"prompt": prompt, "before": a, "after": b} for prompt, a, b in triples]}

    def export(self, tell: Teller, asked: wire.Export, number: int) -> dict[str, Any]:
        """The applied corrections as a file, which is then found on the shelf under the job's number."""
        with self._watched(tell):
            made = self.shelf.put(self._desk.view, self._ledger, asked, number, lambda what: tell.progress(what, 0, 0))
        return {"name": made.name, "bytes": made.stat().st_size}

    def close(self) -> None:
        """Close the ledger, and clear the shelf."""
        self._desk.close()
        self.shelf.close()

    @property
    def _ledger(self) -> Ledger:
        ledger = self._desk.find()
        if ledger is None:
            raise LedgerError("There is no ledger yet: the first correction that is committed makes it.")
        return ledger

    def _after(self) -> dict[str, Any]:
        """Tell of the ledger as it is now."""
        self.state = LedgerState(self._ledger.entries(), self._ledger.events())
        self._changed(self.state)
        return {"revision": self.state.revision}

    def _follow(self) -> None:
        """Where another process has changed the ledger, a terminal perhaps, bring the weights to it."""
        ledger = self._desk.find()
        if ledger is not None and ledger.events() != self.state.events:
            ledger.refresh()
            self._after()

    @contextmanager
    def _watched(self, tell: Teller) -> Generator[None]:
        """The model as the ledger has it; each step is told, each pass looks whether the job is cancelled."""
        self._follow()
        with ExitStack() as stack:
            stack.enter_context(listening(tell.progress))
            for block in self._desk.view.structure.blocks:
                stack.enter_context(before_each_pass(block, tell.check))
            yield


def case_of(asked: wire.CaseOf) -> Case:
    """The case of a request."""
    fact = Fact(asked.subject, asked.prompt, asked.target, relation=asked.relation)
    near = tuple(Probe(row.prompt, row.answer) for row in asked.neighbours)
    return Case(fact, tuple(_prompt(text) for text in asked.paraphrases), near)


def case_row(case: Case) -> wire.CaseOf:
    """A case as a request has it."""
    fact = case.fact
    return wire.CaseOf(
        subject=fact.subject,
        prompt=fact.prompt,
        target=fact.target or "",
        relation=fact.relation,
        paraphrases=list(case.paraphrases),
        neighbours=[wire.Neighbour(prompt=probe.prompt, answer=probe.answer) for probe in case.neighbours],
    )


def _model(desk: Desk) -> wire.Model:
    view = desk.view
    return wire.Model(
        name=view.name,
        architecture=type(view.model).__name__,
        parameters=sum(parameter.numel() for parameter in view.model.parameters()),
        dtype=str(view.dtype).removeprefix("torch."),
        n_layers=view.n_layers,
        d_ff=view.d_ff,
        editable=view.editable,
        directory=desk.directory.name,
    )


def _written(tell: Teller, pieces: Iterable[str]) -> str:
    found: list[str] = []
    for piece in pieces:
        tell.text(piece)
        found.append(piece)
    return "".join(found)


def _ranked(best: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"token": token, "probability": share} for token, share in best]


def _prompt(text: str) -> str:
    prompt = text.rstrip()
    if not prompt:
        raise InputError("The prompt is empty: write a text that ends where the answer begins.")
    return prompt
