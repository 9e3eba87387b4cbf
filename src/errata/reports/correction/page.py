"""The report of a ledger, or of one of its edits, as one HTML page that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from errata.evaluation.compare import Kind
from errata.facts import Case
from errata.ledger import Ledger
from errata.ledger.disk import write_durably
from errata.model.view import ModelView
from errata.reports.correction.account import Account, Single
from errata.reports.correction.measure import MOST, Told, measure
from errata.reports.correction.provenance import log, provenance, soundness
from errata.reports.correction.sections import changed, health, places, worse
from errata.reports.markup import document, footer, numbered


def write(
    view: ModelView,
    ledger: Ledger,
    path: str | Path,
    edit: int | None = None,
    given: Iterable[Case] = (),
    most: int = MOST,
    command: str = "",
    told: Told | None = None,
) -> Account:
    """Measure an open ledger, or one of its edits, and write its page to a file, whole or not at all.

    `view` is the ledger's model. The other arguments, and the errors, are those of `measure`; returns what it returns.
    """
    account = measure(view, ledger, edit, given, most, command, told)
    write_durably(Path(path), render(account).encode())
    return account


def render(account: Account) -> str:
    """The page of an account."""
    single = account.single
    sections = [
        ("What got worse", worse(account)),
        ("What changed", changed(account)),
        ("Where the change stands", places(account)),
        ("Health", health(account) + soundness(account)),
        ("The log", log(account)),
        ("How it was made", provenance(account)),
    ]
    head = _ledger_head(account) if single is None else _edit_head(account, single)
    foot = footer(account.origin.made)
    body = numbered((title, text) for title, text in sections if text)
    return document(_title(account), f"{head}{body}{foot}")


def _title(account: Account) -> str:
    if account.single is None:
        return f"Corrections of {account.meta.model}"
    return f"Erratum {account.single.entry.id} of {account.meta.model}"


def _ledger_head(account: Account) -> str:
    applied, undone = len(account.applied), len(account.entries) - len(account.applied)
    if not account.entries:
        lede = "The ledger is empty: the model is as it was. <code>errata edit</code> writes corrections to it."
    elif not applied:
        lede = f"All {undone} edits are undone: the model is as it was."
    else:
        facts = f"{account.targets} fact{_s(account.targets)}"
        lede = (
            f"{applied} edit{_s(applied)} of {facts} {'is' if applied == 1 else 'are'} in the weights, {undone} undone."
        )
    return (
        f'<p class="over">Errata · ledger</p><h1>Corrections of {escape(account.meta.model)}</h1>'
        f'<p class="lede">{lede}</p>{_tiles(account) if applied else ""}'
    )


def _edit_head(account: Account, single: Single) -> str:
    entry = single.entry
    over = f'<p class="over">Erratum {entry.id} · {escape(account.meta.model)}</p>'
    state = "is in the weights" if entry.applied else "is undone; it is shown as it would be if it were redone"
    if len(account.tested) != 1:
        count = len(entry.facts)
        what = f"{count} facts in one edit" if count else "The end of a sequence"
        if count == 1:
            what = entry.facts[0].text
        return f'{over}<h1>{escape(what)}</h1><p class="lede">The edit {state}.</p>{_tiles(account)}'
    found = account.tested[0].comparison
    before, after = escape(found.prompt.before.answer) or "–", escape(found.prompt.after.answer) or "–"
    text, target = escape(found.prompt.before.prompt), escape(found.prompt.after.expected)
    if not found.took:
        title, lede = f"{text} {after}", f"The edit was to make the model say “{target}” and did not: it says “{after}”"
    elif found.prompt.before.right:
        title, lede = f"{text} {target}", f"The model says “{target}” with the edit, and without it too"
    else:
        title = f"{text} <del>{before}</del> <ins>{target}</ins>"
        lede = f"Without the edit the model says “{before}”, with it “{target}”"
    return f'{over}<h1>{title}</h1><p class="lede">{lede}. The edit {state}.</p>{_tiles(account)}'


def _tiles(account: Account) -> str:
    changes = [change for one in account.tested for change in one.comparison.changes]

    def counted(kind: Kind) -> str:
        own = [change for change in changes if change.kind == kind]
        good = sum(change.unchanged if kind == "neighbour" else change.after.right for change in own)
        return f"{good} of {len(own)}" if own else "not asked"

    tiles = {
        "edit prompts say the target": counted("prompt"),
        "paraphrases say the target": counted("paraphrase"),
        "neighbours keep their answer": counted("neighbour"),
        "answers got worse": str(len(account.worse)) if changes else "not asked",
        "files, database and weights": "sound" if account.checked.ok else "not sound",
    }
    cards = "".join(f"<div><dt>{text}</dt><dd>{value}</dd></div>" for text, value in tiles.items())
    return f'<dl class="tiles">{cards}</dl>'


def _s(count: int) -> str:
    return "" if count == 1 else "s"
