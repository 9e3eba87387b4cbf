"""What travels between the page and the server: requests, jobs, results."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Word = Annotated[str, Field(min_length=1, max_length=300)]
EXACT = 2**53 - 1  # what every reader of JSON holds exactly
Number = Annotated[int, Field(ge=1, le=EXACT)]  # of an edit or a job
Kind = Literal["ask", "locate", "neuron", "preview", "commit", "undo", "redo", "diff", "compare", "export"]
State = Literal["queued", "running", "done", "failed", "cancelled"]


class Request(BaseModel):
    """What a client may send: the fields named and no others, of their own types: no false where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Scaling(Request):
    """One neuron at a multiple of its activation: 0 suppresses it, 2 amplifies it."""

    layer: int = Field(ge=0)
    index: int = Field(ge=0)
    factor: float = Field(ge=-100, le=100)


class Ask(Request):
    """A text for the model to continue, with some neurons changed if `scalings` says so."""

    prompt: Text
    tokens: int = Field(default=24, ge=1, le=256)
    scalings: list[Scaling] = Field(default_factory=list[Scaling], max_length=1000)


class Locate(Request):
    """A fact whose neurons are wanted; without an answer, of the model's own."""

    subject: Word
    prompt: Text
    answer: Word | None = None
    method: Word = "knowledge_neurons"


class NeuronAt(Request):
    """A neuron by layer and index, both from 0."""

    layer: int = Field(ge=0)
    index: int = Field(ge=0)


class Neighbour(Request):
    """Another fact, which is to stay."""

    prompt: Text
    answer: Word


class CaseOf(Request):
    """A fact, what its answer shall become, and the prompts that test it."""

    subject: Word
    prompt: Text
    target: Word
    relation: Word | None = None
    paraphrases: list[Text] = Field(default_factory=list[Text], max_length=100)
    neighbours: list[Neighbour] = Field(default_factory=list[Neighbour], max_length=100)


class Preview(CaseOf):
    """A correction to compute and to look at; nothing is written."""

    method: Word = "rome"
    supersede: bool = False


class Commit(Request):
    """The preview to write to the ledger; a client that knows its doubts says so."""

    preview: Number
    despite_doubts: bool = False


class UndoTo(Request):
    """The last edit that stays; 0 undoes all."""

    last: int = Field(ge=0, le=EXACT)


class Diff(Request):
    """Nothing: all edits together; `a`: that edit alone; both: how the two compare."""

    a: Number | None = None
    b: Number | None = None


class Compare(Request):
    """Prompts to ask without the corrections and with them."""

    prompts: list[Text] = Field(min_length=1, max_length=20)
    tokens: int = Field(default=24, ge=1, le=256)


class Export(Request):
    """The applied corrections as a LoRA adapter, as merged weights, or as a report to read."""

    kind: Literal["peft", "merged", "report"]


class Progress(BaseModel):
    """How far a job is: `done` of `total` steps of what it is doing; both 0 where the number is unknown."""

    what: str
    done: int
    total: int


class Job(BaseModel):
    """A piece of work on the model: one at a time runs, the others wait."""

    id: int
    kind: Kind
    state: State
    request: dict[str, Any]
    at: str
    ends: bool = Field(description="Whether it can be cancelled now.")
    progress: Progress | None = None
    text: str = Field(default="", description="What the model has written so far.")
    result: dict[str, Any] | None = Field(default=None, description="In lists, of the newest jobs only.")
    error: str | None = None
    conflicts: list[int] = Field(default_factory=list[int], description="Applied edits of the same fact.")


class Model(BaseModel):
    """The model that is served."""

    name: str
    architecture: str
    parameters: int
    dtype: str
    n_layers: int
    d_ff: int
    editable: bool
    directory: str = Field(description="The name of the ledger's directory.")


class Snapshot(BaseModel):
    """All that a page needs to begin, or to begin again."""

    instance: str = Field(description="Another one after the server was started again.")
    model: Model
    revision: int = Field(description="Number of the ledger's last event: it grows with every change.")
    applied: int
    jobs: list[Job]


class FactOf(BaseModel):
    """A fact of an edit."""

    subject: str
    prompt: str
    target: str | None
    answer: str | None
    relation: str | None


class EntryOf(BaseModel):
    """One edit of the ledger."""

    id: int
    method: str
    applied: bool
    at: str
    norm: float
    layers: list[int]
    ranks: list[int]
    facts: list[FactOf]


class EventOf(BaseModel):
    """One thing that happened to the ledger."""

    id: int
    at: str
    kind: str
    edit: int
    by: int | None


class LedgerOf(BaseModel):
    """The newest edits and events of the ledger, newest first."""

    revision: int
    total: int
    applied: int
    entries: list[EntryOf]
    events: list[EventOf]


class Health(BaseModel):
    """That the server lives."""

    status: Literal["ok"] = "ok"
    instance: str


class Example(BaseModel):
    """A fact that an embedded model was trained on, and another answer of its relation."""

    subject: str
    prompt: str
    answer: str
    target: str


class Methods(BaseModel):
    """Names of methods."""

    localizers: list[str]
    editors: list[str]


class Refusal(BaseModel):
    """Why a request was not done."""

    error: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refusal, "description": why}
    for code, why in {
        400: "A body that is no JSON",
        401: "No token, or another one",
        403: "Another host or origin",
        404: "No such job",
        408: "A body that does not come",
        409: "Too late to cancel",
        413: "A body too long",
        414: "An address too long",
        422: "A request that cannot be used",
        429: "Too much at once: nothing was done, ask again after `Retry-After` seconds",
        431: "Headers too long",
    }.items()
}
