"""Take one back: three edits, the second undone, and the weights as if it had never been made."""

import errata

FACTS = [
    errata.Fact("Danielle Darrieux", "The mother tongue of {} is", target="English"),
    errata.Fact("Margaret Atwood", "{} is a citizen of", target="Iran"),
    errata.Fact("Paul Keres", "The mother tongue of {} is", target="French"),
]

view = errata.load("pocket-gelu")
editor = errata.editor("rome")
unedited = view.weights_sha256()
edits = [editor.edit(view, [fact]) for fact in FACTS]

with errata.Ledger.open("without", view) as ledger:
    ledger.apply(edits[0])
    ledger.apply(edits[2])
    never_made = view.weights_sha256()
    ledger.undo_to(0)
print("nothing applied, bit for bit as before:", view.weights_sha256() == unedited)

with errata.Ledger.open("corrections", view) as ledger:
    numbers = [ledger.apply(edit) for edit in edits]
    ledger.undo(numbers[1])
    print("applied now:", *ledger.applied)
    print("as if edit 2 had never been made:", view.weights_sha256() == never_made)
    ledger.redo(numbers[1])
    print("applied again:", *ledger.applied)
    print("everything is what was recorded:", ledger.verify().ok)
