"""Fix a fact: compute the edit, see what it changes and what not, and keep it in a ledger."""

import errata
from errata.datasets.pocket_probes import complete
from errata.evaluation import check, compare

view = errata.load("pocket-gelu")  # a folder or a hub id goes as well
fact = errata.Fact("Danielle Darrieux", "The mother tongue of {} is", target="English", answer="French")

edit = errata.editor("rome").edit(view, [fact])  # the model is untouched
delta = edit.deltas[0]
print(f"layer {delta.layer}: rank {delta.rank}, {delta.shape[0]} × {delta.shape[1]}")

# The embedded model's facts know other phrasings of this one, and neighbours that must stay.
case = complete(errata.Case(fact), view.name)
before = check(view, case)
with errata.Ledger.open("corrections", view) as ledger:
    number = ledger.apply(edit)
    found = compare(before, check(view, case))

print(f"{found.prompt.before.prompt} {found.prompt.before.answer} → {found.prompt.after.answer}")
print(f"edit {number}: of {len(found.changes)} prompts {len(found.better)} better, {len(found.worse)} worse")
