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
    """Base of every error raised on purpose; `exit_code` is the command line's."""

    exit_code = 2


class InputError(ErrataError):
    """A fact, a file or an option that cannot be used."""


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
    """A record of a file that cannot be used; `reason` is the same for all records that are wrong alike."""

    def __init__(self, place: str, reason: str, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place, self.reason, self.sentence = place, reason, sentence


class TokenError(InputError):
    """A prompt and a target that share a token, or a subject no token ends in."""


class UnsupportedModelError(ErrataError):
    """A model in which no value projection can be told apart, with the reason and the way out."""


class EditError(ErrataError):
    """An edit that could not be computed, or an editor that left the model changed."""


class BulkError(ErrataError):
    """A bulk run that could not go on; the shards that are done are kept."""

    exit_code = 1


class TrainingError(ErrataError):
    """A training that went astray; what it had written before is kept."""

    exit_code = 1


class MissingPackageError(ErrataError, ImportError):
    """An optional package that is not installed, with the command that installs it."""


class LedgerError(ErrataError):
    """A ledger that cannot be opened, read or changed."""


class ConflictError(LedgerError):
    """An edit of a subject and relation that an applied edit already changes; `ids` names those edits."""

    def __init__(self, message: str, ids: tuple[int, ...]) -> None:
        super().__init__(message)
        self.ids = ids


class RefusedEditError(LedgerError):
    """An edit refused for what it does to the weights: it changes none, or makes one that is NaN or infinite."""


class CorruptionError(LedgerError):
    """A delta file or a weight that differs from its recorded fingerprint."""
