"""The page on capabilities: method × model × promise, from the registry and what was tried on every model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from errata.registry import names
from errata.reports.markdown import table
from pages.docstrings import escaped
from pages.links import FILES, ROOT

RESULT = "benchmarks/results/capabilities.json"
COMMAND = "python benchmarks/capabilities.py"
KINDS = ("localizers", "editors")
KEPT, IN_PART, REFUSED, BROKEN, UNTRIED = "✓", "in part", "refused", "✗", "not tried"
# What a method is for: where this is refused, all is.
FIRST = {"localizers": "scores every neuron", "editors": "one fact"}
MEANINGS = {
    "scores every neuron": "finite scores `[n_layers, d_ff]`, for an answer of several tokens too, and neurons chosen",
    "alone as together": "a fact's scores do not depend on the facts beside it",
    "same again": "the same call gives the same bits",
    "own answer": "a fact without an answer is scored for the model's own",
    "no facts": "no facts give no attributions",
    "completeness gap": "says how far its scores miss their exact sum; – where they are shares of nothing",
    "one fact": "an edit with finite deltas",
    "several at once": "one edit of several facts",
    "in a sequence": "an edit on top of earlier ones",
    "saved, applied, undone bit for bit": "through a file and a ledger and back to the same bits",
    "remembers": "later edits know of earlier ones by more than their weights",
    "closing edit": "the end of a sequence adds an edit of its own",
    "bfloat16": "in a model of bfloat16 weights",
    "leaves the model alone": "weights, hooks, gradients and mode are afterwards what they were",
}


@cache
def result() -> Mapping[str, Any]:
    """What was tried, as committed."""
    path = ROOT / RESULT
    return (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"models": {}, "traits": [], "versions": {}}
    )


def pages() -> dict[str, str]:
    """The page, by its place in the site."""
    return {"capabilities.md": page(result())}


def page(found: Mapping[str, Any]) -> str:
    """For each kind of method: what it does, then on which models all of it holds, then why where it does not."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    blocks = [
        "# Capabilities",
        "Every method is tried on random miniature models of every architecture of the tests, and on the two embedded "
        "models: what is promised of all methods ([contract tests](guides/adding-a-method.md)), and what differs by "
        "design. It says that something can be done, and nothing on how well it works.",
    ]
    for kind in KINDS:
        blocks += _of_kind(found, kind)
    file = f"[{RESULT.rpartition('/')[2]}]({FILES}{RESULT})"
    blocks.append(
        f"{file}, made by `{COMMAND}` with {versions}." if versions else f"Nothing was tried yet: `{COMMAND}`."
    )
    return "\n\n".join(blocks) + "\n"


def _of_kind(found: Mapping[str, Any], kind: str) -> list[str]:
    tried, models, traits = found.get(kind, {}), found["models"].get(kind, []), found["traits"]
    promised = list(dict.fromkeys(name for one in tried.values() for kept in one.values() for name in kept))
    promised = [name for name in MEANINGS if name in promised]
    word = kind.removesuffix("s")
    what = [
        (f"[`{name}`](methods/{kind}/{name}.md)", *_row(tried.get(name), promised, traits))
        for name in names(f"errata.{kind}")
    ]
    where = [
        (f"`{name}`", *(_cell(kind, tried.get(name, {}).get(model), traits) for model in models))
        for name in names(f"errata.{kind}")
    ]
    meanings = "\n".join(f"- **{name}**: {MEANINGS[name]}" for name in promised)
    return [
        f"## {kind.capitalize()}",
        table((word, *promised), what, 1).replace("--:", ":-:"),
        "A number says on how many models it holds, where not on all.",
        meanings,
        f"### {kind.capitalize()} by model",
        table((word, *models), where, 1).replace("--:", ":-:"),
        _refusals(tried, traits),
    ]


def _row(tried: Mapping[str, Any] | None, promised: list[str], traits: list[str]) -> list[str]:
    """What a method does on all models: a mark, or on how many."""
    if tried is None:
        return [UNTRIED, *("" for _ in promised[1:])]
    cells: list[str] = []
    for name in promised:
        outcomes = [kept.get(name) for kept in tried.values()]
        count = sum(outcome is True for outcome in outcomes)
        none = "–" if name in traits else "0"
        cells.append(KEPT if count == len(outcomes) else f"{count} of {len(outcomes)}" if count else none)
    return cells


def _cell(kind: str, kept: Mapping[str, Any] | None, traits: list[str]) -> str:
    """Whether a method keeps every promise on a model."""
    if kept is None:
        return UNTRIED
    missed = [outcome for name, outcome in kept.items() if name not in traits and outcome is not True]
    if not all(isinstance(outcome, str) for outcome in missed):
        return BROKEN
    return KEPT if not missed else IN_PART if kept.get(FIRST[kind]) is True else REFUSED


def _refusals(tried: Mapping[str, Any], traits: list[str]) -> str:
    """Each sentence of a refusal, once a method."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, models in tried.items():
        for model, kept in models.items():
            for what, outcome in kept.items():
                if what not in traits and outcome is not True:
                    said = outcome if isinstance(outcome, str) else f"not kept: {what}"
                    found.setdefault((name, said.replace(f"tiny-{model}", "this model")), []).append(model)
    rows = [
        f"- `{name}` ({', '.join(dict.fromkeys(models))}): {escaped(said)}" for (name, said), models in found.items()
    ]
    return "Refused, or not kept:\n\n" + "\n".join(rows) if rows else "Nothing is refused."
