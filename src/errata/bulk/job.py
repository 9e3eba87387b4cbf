"""What a bulk run computes: everything its results depend on, and the key made of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from errata.bulk.keep import Keep
from errata.errors import UNREADABLE, InputError
from errata.methods import versions
from errata.strict import json_in

FORMAT = "errata-bulk-1"
FILE = "job.json"
MOST = 1 << 31  # prompts
# Another Python computes the same; another of these may not.
DEPENDED_ON = ("errata-lm", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Job:
    """One method with its settings over one list of prompts on one version of a model.

    `model`      the name it was loaded by; not in the key, because `weights` says which model it is
    `weights`    `commit:…` of a hub model or `sha256:…` of a folder
    `dtype`      as asked for; None is the dtype the model was saved for
    `device`     cpu, cuda: kinds of device round differently
    `threads`    CPU threads a worker: the order of a sum depends on them
    `prompts`    SHA-256 over ids and facts
    """

    model: str
    weights: str
    dtype: str | None
    device: str
    method: str
    settings: dict[str, Any]
    keep: Keep
    threads: int
    shard_size: int
    count: int
    prompts: str
    versions: dict[str, str]

    @property
    def key(self) -> str:
        """SHA-256 over every field but the model's name; raises InputError for a setting JSON cannot describe."""
        fields = asdict(self)
        del fields["model"]
        try:
            text = json.dumps(fields, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"A setting of {self.method} cannot be written as JSON ({error}).") from error
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def revision(self) -> str | None:
        """The commit to load a hub model at; None for a folder."""
        kind, _, value = self.weights.partition(":")
        return value if kind == "commit" else None

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.count // self.shard_size)

    def to_json(self) -> str:
        """The job as `job.json` holds it."""
        return json.dumps({"format": FORMAT, "key": self.key, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, directory: Path) -> Job:
        """Read the job of a directory; raises InputError where there is none, or one that was changed."""
        path = directory / FILE
        try:
            row = json_in(path)
            if row.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            key = row.pop("key")
            row["keep"] = Keep(**row["keep"])
            job = cls(**row)
            if job.key != key:
                raise ValueError("its key is not that of its fields")
            if not all(type(number) is int and 0 < number < MOST for number in (job.count, job.shard_size)):
                raise ValueError(f"{job.count!r} prompts in shards of {job.shard_size!r}")
        except (*UNREADABLE, InputError) as error:
            raise InputError(f"{path} is not the job of a bulk run ({error}): give the run's directory.") from error
        return job


def current_versions() -> dict[str, str]:
    """The versions a job's results depend on, as installed here."""
    found = versions()
    return {name: found[name] for name in DEPENDED_ON}
