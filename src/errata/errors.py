"""Every error Errata raises on purpose.

ErrataError                   one sentence: what was expected, what was found, what to do
├── InputError                a fact, a file, an option that cannot be used
│   ├── RecordError           a record of a file that cannot be used
│   └── TokenError            prompt and target that no clean token boundary separates
├── UnsupportedModelError     a model whose value projections cannot be found or edited
├── EditError                 an edit that could not be computed, or that touched what it must not
├── BulkError                 a bulk run that could not go on; what is done is kept
├── TrainingError             a detector's training that went astray
├── MissingPackageError       an optional package that is not installed
└── LedgerError               a ledger that cannot be opened or changed
    ├── ConflictError         an edit of a subject and relation that an applied edit already changes
    ├── RefusedEditError      an edit that changes no weight, or makes one that is not finite
    └── CorruptionError       a file or a weight that is not what was recorded
"""

import difflib
from collections.abc import Iterable

# What reading a damaged file, or one of another kind, can raise; PyTorch says RuntimeError of a shape, dtype or number.
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RuntimeError, MemoryError),
)


class ErrataError(Exception):
    """Base of every error raised on purpose; `exit_code` is the command line's.

    Cause: none of its own: what is raised is one of the kinds below.
    Cure: catch it to catch them all; its text says what to do.
    """

    exit_code = 2


class InputError(ErrataError):
    """A fact, a file or an option that cannot be used.

    Cause: a subject that is not in its prompt, a setting that a method does not have, a file that is damaged or of
    another kind, two options that exclude each other.
    Cure: do what the sentence says; where a name was mistyped it gives the nearest one, where a file is wrong its
    place.
    """


def nearest(name: object, known: Iterable[str]) -> str:
    """` (did you mean 'rome'?)` for a name that is near one of those known, and nothing for any other."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def unknown(what: str, name: object, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name there is not, with the nearest there is and all of them; `where` follows the name.

    Example: `raise unknown("editor", "roma", ["memit", "rome"])`
    """
    names = list(known)
    listed = ", ".join(names) or "none"
    return InputError(f"There is no {what} {name!r}{where}{nearest(name, names)}: choose one of {listed}.")


class RecordError(InputError):
    """A record of a file that cannot be used; `reason` is the same for all records that are wrong alike.

    Cause: a line or a record that is not laid out as its data set is, or lacks what an edit needs.
    Cure: mend the line named in front of the sentence; `errata data check FILE` names every such line at once.
    """

    def __init__(self, place: str, reason: str, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place, self.reason, self.sentence = place, reason, sentence


class TokenError(InputError):
    """A prompt and a target that share a token, or a subject no token ends in.

    Cause: one token spans the end of the prompt and the beginning of the target, or a text has no token of its own.
    Cure: end the prompt at a word boundary, in front of the space, and give the subject as it stands in the prompt;
    where a model fills masks, an answer of one token.
    """


class UnsupportedModelError(ErrataError):
    """A model in which no value projection can be told apart, with the reason and the way out.

    Cause: experts, several candidates in a block, layers that share weights or differ in width, packed or offloaded
    weights where an edit is asked for, a slow tokenizer.
    Cure: docs/models.md has a row for each; `value_projection=` names the map where structure leaves a choice, and
    facts can be located in models that cannot be edited.
    """


class EditError(ErrataError):
    """An edit that could not be computed, or an editor that left the model changed.

    Cause: an optimisation that diverged, a localizer that found no neuron, a system that is singular, a delta made
    for a model of other shapes, an editor that wrote to the model.
    Cure: a smaller rate, a lower threshold, another layer (`errata layers MODEL`) or another method, as the
    sentence says; an editor of your own only returns deltas.
    """


class BulkError(ErrataError):
    """A bulk run that could not go on; the shards that are done are kept.

    Cause: a worker process ended by itself, most often for lack of memory, or was lost again and again.
    Cure: give the same command again: it goes on with the shards that are missing, if need be with fewer
    `--workers`.
    """

    exit_code = 1


class TrainingError(ErrataError):
    """A training that went astray; what it had written before is kept.

    Cause: the loss is no longer finite.
    Cure: lower the learning rate; an earlier checkpoint of the same training is still there.
    """

    exit_code = 1


class MissingPackageError(ErrataError, ImportError):
    """An optional package that is not installed, with the command that installs it.

    Cause: a method, an export or the page needs a package that is not among those that Errata always brings.
    Cure: run the command in the sentence, such as `pip install 'errata-lm[web]'`.
    """


class LedgerError(ErrataError):
    """A ledger that cannot be opened, read or changed.

    Cause: no ledger in that directory, a ledger of another model or version, an edit that is not in it or is
    applied already, another process that writes to it, a disk that cannot be written.
    Cure: `errata log` shows what a ledger holds and for which model; nothing was changed, so the same step can be
    tried again.
    """


class ConflictError(LedgerError):
    """An edit of a subject and relation that an applied edit already changes; `ids` names those edits.

    Cause: two edits of one fact would be added up, which neither asked for.
    Cure: undo the edits it names first, or let `supersede=True` (`--supersede`) do so.
    """

    def __init__(self, message: str, ids: tuple[int, ...]) -> None:
        super().__init__(message)
        self.ids = ids


class RefusedEditError(LedgerError):
    """An edit refused for what it does to the weights.

    Cause: all of it is lost to rounding, or a weight would be NaN or infinite.
    Cure: a stronger or smaller edit, or a wider dtype.
    """


class CorruptionError(LedgerError):
    """A delta file or a weight that differs from its recorded fingerprint.

    Cause: a file was changed, cut off or exchanged, or a weight is not what the ledger's edits add up to.
    Cure: `errata verify` names everything that differs; put the file back from a copy, or load the model anew.
    """
