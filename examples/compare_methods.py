"""Compare methods: the same facts edited by each, alone, and the paired difference with its interval."""

import errata
from errata.datasets import pocket
from errata.evaluation import evaluate
from errata.evaluation.statistics import differences, estimate

METHODS = ("rome", "ft_m")

view = errata.load("pocket-gelu")
cases = pocket.cases("gelu", count=6, seed=3)  # facts with a false target, paraphrases and neighbours
scores = {}
for name in METHODS:
    editor = errata.editor(name)
    scores[name] = evaluate(view, cases, [editor.edit(view, [case.fact]) for case in cases])
    print(name, *scores[name].values(), sep="\n  ")

print(f"{METHODS[0]} − {METHODS[1]}, the same {len(cases)} facts")
for metric in scores[METHODS[0]]:
    ours, theirs = ({(at, 0): value for at, value in enumerate(scores[name][metric].values)} for name in METHODS)
    found = estimate(differences(ours, theirs))
    verdict = "no difference is shown" if found.low <= 0 <= found.high else "a difference"
    print(f"  {metric} {found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]: {verdict}")
