"""Records of a data set on the Hugging Face hub, streamed through the package `datasets` at one commit."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from huggingface_hub import HfApi

from errata.datasets.records import Record
from errata.errors import InputError, MissingPackageError
from errata.strict import json_of

ID = re.compile(r"[\w-][\w.-]*/[\w.-]+(:[^:]+)?")
FILE = re.compile(r"\.(json|jsonl|gz|parquet|csv|txt)$")
COMMIT = re.compile(r"[0-9a-f]{40}")
SPLIT = "train"


def is_id(where: str) -> bool:
    """Whether a name is OWNER/NAME or OWNER/NAME:FILE; one that ends like a file's, without :FILE, is a path."""
    return ID.fullmatch(where) is not None and (":" in where or FILE.search(where) is None)


def pinned(where: str, revision: str | None = None) -> str:
    """The commit that a branch, a tag or, by default, the newest state stands for; a commit stands for itself.

    Raises InputError for a data set that cannot be reached or has no such commit.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    name = where.partition(":")[0]
    try:
        found = HfApi().dataset_info(name, revision=revision).sha
    except Exception as error:  # the hub library and its HTTP client have errors of their own
        raise InputError(
            f"There is no data set {name!r} that this machine can reach ({_first_line(error)}): "
            "see to the name, the revision and the network, or give the path of its file."
        ) from error
    if found is None:
        raise InputError(f"The hub names no commit of {name!r}: give one with revision.")
    return found


def records(where: str, commit: str, subset: str | None = None, split: str | None = None) -> Iterator[Record]:
    """The records in their order, read as they come.

    Raises MissingPackageError without `datasets`, InputError for what it cannot read.
    """
    name, _, file = where.partition(":")
    package = _package()
    number = 0
    try:
        rows = package.load_dataset(
            name, subset, data_files=file or None, split=split or SPLIT, revision=commit, streaming=True
        )
        for row in rows:
            number += 1
            yield f"{where}, record {number}", as_published(row)
    except Exception as error:  # whatever the package and its readers raise
        raise InputError(
            f"{where} cannot be read behind record {number} ({_first_line(error)}): see to file, subset and split, or "
            "download the file and give its path."
        ) from error


def as_published(value: Any) -> Any:
    """A value as it was before it became a cell of a table.

    Without the empty fields with which tables fill up what a record has not; and what the package packs up as JSON,
    because its records are of many shapes, unpacked.
    """
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json_of(value)
        except ValueError:
            return value
    if isinstance(value, dict):
        return {name: as_published(one) for name, one in value.items() if one is not None}
    return [as_published(one) for one in value] if isinstance(value, list) else value


def _package() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise MissingPackageError("The hub is read through datasets: pip install 'errata-lm[hub]'") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
