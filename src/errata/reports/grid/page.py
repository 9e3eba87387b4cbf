"""Results of `errata grid` as one Markdown page: findings first, then the heat maps, the tables and the provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from errata.reports.grid.findings import findings
from errata.reports.grid.numbers import Result, Row, cells, contrasts, listed, views
from errata.reports.grid.tables import differences, every_cell
from errata.reports.grid.words import ADVANTAGED, OWN, READING, TITLES, VIEWS, advantage, editor, localizer
from errata.reports.markdown import NOTHING, plain
from errata.reports.provenance import provenance, unmeasured

KINDS = ("control", "completion", "whole")


def page(results: Mapping[str, Result], figures: Mapping[str, str]) -> str:
    """The page on all models; `figures` holds the files of those that were drawn, by model."""
    blocks = ["# The grid: every way to find neurons with every way to edit them", _measurement(results)]
    blocks += _unfinished(results)
    blocks += ["## Findings", *_findings(results), "## Heat maps", READING["grid"]]
    for model, name in figures.items():
        blocks.append(f"![Mean of the three scores on {model}, localizers by editors]({name})")
    for kind in KINDS:
        blocks += [f"## {TITLES[kind]}", READING[kind], *_tables(results, kind)]
    blocks += [f"## {TITLES['cells']}", READING["cells"], *_by_view(results, every_cell)]
    blocks.append("## Provenance")
    return "\n\n".join([*blocks, *(_provenance(model, result) for model, result in results.items())]) + "\n"


def _measurement(results: Mapping[str, Result]) -> str:
    compared = sum(len(result["contrasts"]) for result in results.values())
    sentences = [
        "Each fact is edited alone on the unedited model, through the neurons that a localizer finds for it and "
        "through random ones, as many and in the same layers.",
        "Everything is scored by free greedy generation, with the whole answer wanted and no hint of its length.",
        *(_measured(model, result) for model, result in results.items()),
        *_shared_facts(results),
        "Intervals are bootstrap intervals over facts, 95 %; a fact that several seeds drew counts once. Were there no "
        f"difference anywhere, about {plain(compared / 20, 0)} of the {compared} in the mean would have an interval "
        "without 0.",
    ]
    return " ".join(sentences)


def _measured(model: str, result: Result) -> str:
    """What was asked on a model, and what its reader must know of single localizers."""
    settings, data, seeds = result["settings"], result["data"], len(result["seeds"])
    fewest, most = data["paraphrases"]
    paraphrases = f"{most}" if fewest == most else f"{fewest} to {most}"
    sentences = [
        f"On `{model}`: {settings['facts']} facts a seed of {data['drawn']}, {seeds} seed{'s' if seeds > 1 else ''} "
        f"({data['facts']} different facts of {settings['facts'] * seeds}), {settings['count']} neurons where the "
        f"number is equal; generalization is over {paraphrases} paraphrases a fact"
        f"{', on which neither model nor detector was trained' if data['heldout'] else ''}.",
        *(
            f"What {localizer(name)} finds is {settings['count']} neurons by itself, and stands in the first view only."
            for name in result["once"]
        ),
        *_empty(result),
    ]
    if ADVANTAGED in result["localizers"]:
        sentences.append(f"{advantage(result)}.")
    return " ".join(sentences)


def _empty(result: Result) -> list[str]:
    """For how many facts a localizer found no neuron, of the cells with the most facts."""
    found: dict[str, Row] = {}
    for row in cells(result, OWN):
        if not row["random"] and row["edits"] > found.get(row["localizer"], {"edits": 0})["edits"]:
            found[row["localizer"]] = row
    each = [f"{localizer(name)} for {row['empty']} of {row['edits']}" for name, row in found.items() if row["empty"]]
    return (
        [f"No neurons were found by {listed(each)}: those count as the unedited model on both sides."] if each else []
    )


def _shared_facts(results: Mapping[str, Result]) -> list[str]:
    """Whether all models were asked the same."""
    asked = [result["data"]["digests"] for result in results.values()]
    return ["All models have the same facts."] if len(asked) > 1 and all(one == asked[0] for one in asked) else []


def _unfinished(results: Mapping[str, Result]) -> list[str]:
    return [
        block
        for model, result in results.items()
        for block in unmeasured(result, f"On `{model}` ", "count as the unedited model")
    ]


def _findings(results: Mapping[str, Result]) -> list[str]:
    return [
        block
        for model, result in results.items()
        for block in (f"### {model}", "\n".join(f"- {finding.text}" for finding in findings(result)) or NOTHING)
    ]


def _tables(results: Mapping[str, Result], kind: str) -> list[str]:
    """The tables of a kind of difference, of every model and view that has some."""
    chosen = {
        model: result for model, result in results.items() if any(contrasts(result, kind, v) for v in views(result))
    }
    return _by_view(chosen, lambda result, view: differences(result, kind, view)) or [NOTHING]


def _by_view(results: Mapping[str, Result], written: Callable[[Result, str], str]) -> list[str]:
    return [
        block
        for model, result in results.items()
        for view in views(result)
        for block in (f"### {model}, {VIEWS[view]}", written(result, view))
    ]


def _provenance(model: str, result: Result) -> str:
    methods = {f"{localizer(name)} (`{name}`)": found for name, found in result["localizers"].items()}
    methods |= {f"{editor(name)} (`{name}`)": found for name, found in result["editors"].items()}
    return f"### {model}\n\n" + provenance(result, " of editing, summed over processes", methods, without=())
