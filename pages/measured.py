"""What was measured here of a method: rows of the committed result files, all models of one kind in one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from errata.reports.markdown import MISSING, table
from errata.reports.measured import share
from pages.links import FILES, ROOT, relative

RESULTS = "benchmarks/results"
MODELS = ("pocket-gelu", "pocket-swiglu")
SCORES = ("efficacy", "generalization", "specificity")
EXAMINED = {
    "efficacy": "efficacy",
    "generalization": "trained paraphrases",
    "heldout": "held out",
    "portability": "portability",
    "locality": "locality",
}
GENERATION = "protocol *generation*"
Result = Mapping[str, Any]
Rows = list[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows about one method: what they are, the result files they come from and the pages that show all of these."""

    title: str
    head: Sequence[str]
    rows: Rows
    files: Sequence[str]
    pages: Sequence[str] = ()


@cache
def read(name: str) -> Result:
    """A result file, or nothing where there is none."""
    path = ROOT / RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def section(kind: str, name: str, place: str) -> str:
    """Every table about a method, as Markdown of the page at `place`."""
    found = [one for one in (make(name) for make in TABLES[kind]) if one.rows]
    if not found:
        return "Nothing has been measured by a committed benchmark yet."
    made = (
        f"The commands that make the files, with seeds and versions: [results]({relative('results/index.md', place)})."
    )
    return "\n\n".join([*(_written(one, place) for one in found), made])


def _written(one: Measured, place: str) -> str:
    files = [f"[{name}.json]({relative(f'{FILES}{RESULTS}/{name}.json', place)})" for name in one.files]
    pages = [f"[{name}]({relative(f'results/{_file(name)}', place)})" for name in one.pages]
    more = f"; in full: {', '.join(pages)}" if pages else ""
    return f"{one.title}\n\n{table(one.head, one.rows, 2)}\n\nFrom {', '.join(files)}{more}."


def _file(page: str) -> str:
    """The file of a page of results, which is of one of two kinds."""
    return next((f"{page}{end}" for end in (".md", ".html") if (ROOT / "docs/results" / f"{page}{end}").exists()), page)


def _single(name: str) -> Measured:
    """Single edits of an editor, and of it on others."""
    rows: Rows = [
        (model, f"`{arm}`", *(_interval(one["scores"][score]) for score in SCORES), f"{one['seconds_per_edit']:.2f}")
        for model, found in read("editing").get("models", {}).items()
        for arm, one in found["arms"].items()
        if one["editor"]["editor"] == name
    ]
    facts = _counts(found["facts"] for found in read("editing").get("models", {}).values())
    title = f"Single edits of {facts} facts, each on the unedited model; {GENERATION}."
    return Measured(title, ("model", "arm", *SCORES, "seconds"), rows, ["editing"])


def _examined(name: str) -> Measured:
    """Single edits with all that is to follow and to stay."""
    files = [f"kne-{model}" for model in MODELS if read(f"kne-{model}")]
    rows: Rows = [
        (read(file)["model"], f"`{arm}`", *(share(one["generation"].get(score)) for score in EXAMINED))
        for file in files
        for arm, one in read(file)["tables"]["1"].items()
        if read(file)["arms"][arm]["editor"] == name
    ]
    facts, seeds = (_counts(found) for found in ((read(f)["settings"]["facts"] for f in files), _seeds(files)))
    title = (
        f"Single edits with what follows and what stays: {facts} facts a seed, {seeds} seeds, mean ± half the width of "
        f"the 95 % interval; {GENERATION}."
    )
    return Measured(title, ("model", "arm", *EXAMINED.values()), rows, files, files)


def _sequence(name: str) -> Measured:
    """The end of the longest sequence, edits one by one."""
    files = [f"o-edit-{model}" for model in MODELS if read(f"o-edit-{model}")]
    head = ("model", "arm", "edits", "seeds", *SCORES, "known")
    rows: Rows = [
        (
            read(file)["model"],
            f"`{arm}`",
            f"{points[-1]['edits']:,}",
            str(len(points[-1]["seeds"])),
            *(share(points[-1].get(score)) for score in (*SCORES, "known")),
        )
        for file in files
        for arm, points in read(file)["sequences"]["1"].items()
        if points and read(file)["arms"][arm]["editor"] == name
    ]
    title = f"A sequence of edits, one by one, all of them asked at its end; {GENERATION}."
    return Measured(title, head, rows, files, files)


def _ranked(name: str) -> Measured:
    """The leaderboard's rows of an editor, at the end of what was edited in a row."""
    found = read("leaderboard")
    rows: Rows = [
        (
            entry["model"],
            entry["method"],
            entry["regime"],
            *(_interval(entry["scores"]["generation"][score]) for score in (*SCORES, "known")),
        )
        for entry in found.get("entries", ())
        if found["methods"][entry["method"]]["editor"] == name
        and (entry["kind"] == "single" or entry["when"] == "at the end")
    ]
    title = f"In the leaderboard, on the same cases as all methods, a sequence asked at its end; {GENERATION}."
    return Measured(title, ("model", "row", "edits", *SCORES, "known"), rows, ["leaderboard"], ["leaderboard"])


def _grid(name: str, of: str) -> Measured:
    """Cells of the grid with this localizer, or with this editor."""
    other = "editor" if of == "localizer" else "localizer"
    models = read("grid").get("models", {})
    rows: Rows = [
        (model, f"`{cell[other]}`", *(_interval(cell[score]) for score in SCORES), f"{cell['neurons']:.0f}")
        for model, found in models.items()
        for cell in found["cells"]
        if cell["view"] == "own" and not cell["random"] and name == _method(found, cell, of)
    ]
    facts = _counts(found["settings"]["facts"] for found in models.values())
    seeds = _counts(len(found["seeds"]) for found in models.values())
    title = f"In the grid: {facts} facts a seed, {seeds} seeds, each edited alone; {GENERATION}."
    return Measured(title, ("model", other, *SCORES, "neurons"), rows, ["grid"], ["grid"])


def _method(found: Result, cell: Mapping[str, Any], of: str) -> str:
    return cell["localizer"] if of == "localizer" else found["editors"][cell["editor"]]["name"]


def _identified(name: str) -> Measured:
    """How a localizer's neurons agree between phrasings, and what editing them does."""
    files = [f"land-{model}" for model in MODELS if name in read(f"land-{model}").get("identification", {})]
    rows: Rows = []
    for file in files:
        own, edits = read(file)["identification"][name], read(file)["editing"][name]
        overlaps = (share(own[column]) for column in ("r_so", "cross_same_relation"))
        scores = (share(edits[column]) for column in ("same", "related", "kept"))
        rows.append((read(file)["model"], f"{own['n_s']['mean']:.1f}", *overlaps, *scores))
    facts, seeds = (_counts(found) for found in ((read(f)["facts"] for f in files), _seeds(files)))
    title = (
        f"Neurons of {facts} facts in ten phrasings, {seeds} seeds; then edited through them by `neuron_values`, asked "
        "in the same phrasing, in another one, and about neighbours."
    )
    head = ("model", "N_s", "R_so", "R_cross, same relation", "same", "other", "neighbours kept")
    return Measured(title, head, rows, files, files)


def _seeds(files: Iterable[str]) -> Iterator[int]:
    return (len(read(file)["seeds"]) for file in files)


def _counts(found: Iterable[int]) -> str:
    """`200`, or `100 to 200` where they differ."""
    counts = sorted(set(found))
    return " to ".join(str(count) for count in (counts if len(counts) < 2 else (counts[0], counts[-1])))


def _interval(value: Mapping[str, Any] | None) -> str:
    """`97.3 % [95.1, 98.9]` of a mean with the two ends of its interval."""
    if not value or value["mean"] is None:
        return MISSING
    ends = value.get("interval")
    shown = f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else ""
    return f"{100 * value['mean']:.1f} %{shown}".replace("-", "−")


TABLES: Mapping[str, Sequence[Callable[[str], Measured]]] = {
    "localizers": (_identified, lambda name: _grid(name, "localizer")),
    "editors": (_single, _examined, _sequence, _ranked, lambda name: _grid(name, "editor")),
}
