"""What leaves the page as a file: an adapter or the merged weights as a zip, the report as a page.

Files are written to a folder of the server's own, under names of its own; a client names a job, never a path.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import final
from zipfile import ZIP_STORED, ZipFile

from errata.datasets.pocket_probes import complete
from errata.export import merged, peft_adapter
from errata.export.chosen import chosen
from errata.export.proof import cases_of
from errata.facts import Case
from errata.ledger import Ledger
from errata.model.view import ModelView
from errata.reports.correction import page
from errata.web import wire

KEPT = 4  # files, the newest
NAMES = {"peft": "adapter.zip", "merged": "merged.zip", "report": "report.html"}


@final
class Shelf:
    """The files that were exported last, each under its job's number; they go with the server."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="errata-serve-")
        self._files: OrderedDict[int, Path] = OrderedDict()

    def find(self, number: int) -> Path | None:
        """The file of a job; None where there is none, or none any more."""
        return self._files.get(number)

    def close(self) -> None:
        """Remove everything."""
        self._folder.cleanup()

    def put(self, view: ModelView, ledger: Ledger, asked: wire.Export, number: int, say: Callable[[str], None]) -> Path:
        """Write what is asked for; a failure leaves nothing behind."""
        place = Path(self._folder.name) / str(number)
        place.mkdir()
        try:
            made = _written(view, ledger, asked, place, say)
        except BaseException:
            shutil.rmtree(place)
            raise
        self._files[number] = made
        while len(self._files) > KEPT:
            shutil.rmtree(self._files.popitem(last=False)[1].parent)
        return made


def _written(view: ModelView, ledger: Ledger, asked: wire.Export, place: Path, say: Callable[[str], None]) -> Path:
    target = place / NAMES[asked.kind]
    if asked.kind == "report":
        command = f"errata report {target.name} --ledger {ledger.path.name}"
        page.write(view, ledger, target, command=command, told=say)
        return target
    folder, cases = place / target.stem, _cases(view, ledger)
    if asked.kind == "peft":
        peft_adapter.write(view, ledger, folder, cases=cases, say=say)
    else:
        merged.write(view, ledger, folder, cases=cases, say=say)
    say("packing")
    with ZipFile(target, "w", ZIP_STORED) as archive:  # weights do not get smaller
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{folder.name}/{path.name}")
    shutil.rmtree(folder)
    return target


def _cases(view: ModelView, ledger: Ledger) -> tuple[Case, ...]:
    """The corrected facts, with what an embedded model's facts know of them."""
    facts = [fact for entry in chosen(ledger) for fact in entry.facts]
    return tuple(complete(case, view.name) for case in cases_of(view, facts))
