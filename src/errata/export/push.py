"""Upload an export to the hub: its own files, as they were written, and nothing else of the folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from errata.errors import InputError
from errata.export.manifest import CARD, Manifest
from errata.export.whole import MANIFEST
from errata.model.placement import first_line


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where an export went: the repository, its address, the commit and the files."""

    repo: str
    url: str
    commit: str
    files: tuple[str, ...]


def push(
    directory: str | Path,
    repo: str,
    private: bool | None = None,
    branch: str | None = None,
    message: str | None = None,
    endpoint: str | None = None,
) -> Pushed:
    """Upload an export as one commit of a model repository, which is made if it is missing.

    The hub's own settings hold: the token of `hf auth login` or HF_TOKEN, the address in HF_ENDPOINT unless `endpoint`
    is given. Raises InputError for a folder that is no whole export, one whose base model nobody else would find, and
    whatever the hub refuses.

    Example: push("adapter", "me/corrections").url
    """
    folder = Path(directory)
    manifest = Manifest.load(folder)
    manifest.refuse_changed(folder)
    if not (folder / CARD).is_file():
        raise InputError(f"{folder / CARD} is not there: export the ledger again, a model needs its card.")
    base = manifest.base
    if not base.on_hub and not base.embedded:
        raise InputError(
            f"The base model is a folder of this machine ({base.name}): export again and say which model of the hub it "
            "is a copy of (--base OWNER/NAME)."
        )
    names = (*manifest.files, MANIFEST, CARD)
    for name in names:
        if (folder / name).is_symlink():  # it might lead to a file that nobody means to publish
            raise InputError(f"{folder / name} is a link: put the file itself there, or export the ledger again.")
    operations = [CommitOperationAdd(name, folder / name) for name in names]
    count = len(manifest.corrections)
    words = message or f"{count} correction{'s' * (count != 1)} of {base.name}"
    try:
        api = HfApi(endpoint=endpoint)
        found = api.create_repo(repo, private=private, exist_ok=True).repo_id
        if branch is not None:
            api.create_branch(found, branch=branch, exist_ok=True)
        commit = api.create_commit(found, operations, commit_message=words, revision=branch)
    except Exception as error:  # the hub library and its HTTP client have errors of their own
        raise InputError(
            f"{repo!r} was not pushed ({first_line(error)}): see to the name, the token (hf auth login, or HF_TOKEN) "
            "and the network."
        ) from error
    return Pushed(found, commit.commit_url, commit.oid, names)
