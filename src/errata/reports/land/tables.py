"""A result of `errata reproduce land` as Markdown: its tables, with the paper's numbers in marked rows, and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from errata.neurons import Neuron
from errata.reports.land import paper
from errata.reports.land.numbers import RANDOM, example_sets, in_all, label, methods_of
from errata.reports.land.paper import Printed
from errata.reports.land.words import CONTROL, DESCRIPTIONS, FIGURES, METHODS, NOTES, READING, TITLES
from errata.reports.markdown import MISSING, plain, setting, table
from errata.reports.measured import Measured, Result, count, points, ratio, share

Show = Callable[[Measured], str]

WRITTEN = 60
SETTINGS = ("objective", "threshold", "steps", "lambda", "factor")
SHARES = frozenset({"r_so", "r_uo"})
IDENTIFICATION: dict[str, tuple[str, Show]] = {
    "n_s": ("N_s", count),
    "n_u": ("N_u", count),
    "n_so": ("N_so", count),
    "r_so": ("R_so", share),
    "n_uo": ("N_uo", count),
    "r_uo": ("R_uo", share),
    "empty": ("empty", share),
    "cross_same_relation": ("R_cross, same relation, other object", share),
    "cross_same_object": ("R_cross, same object", share),
    "cross_different_relation": ("R_cross, other relation", share),
    "heldout_phrasings": ("R_so, held-out phrasings", share),
    "r_so_unseen_objects": ("R_so, new objects", share),
}
RATIOS: dict[str, tuple[str, Show]] = {
    "same": ("Same", ratio),
    "related": ("Related", ratio),
    "unrelated": ("Unrelated", ratio),
}
EDITING: dict[str, tuple[str, Show]] = {
    "neurons": ("neurons", count),
    "same": ("Same", share),
    "related": ("Related", share),
    "unrelated": ("Unrelated", share),
    "kept": ("neighbours kept", share),
    "kept_same_object": ("kept, same object", share),
}
EQUAL_DAMAGE: dict[str, tuple[str, Show]] = {
    "lambda": ("λ", ratio),
    "related": ("Related", share),
    "unrelated": ("Unrelated", share),
}


SWEPT = {
    "r_so": "R_so",
    "cross_same_relation": "R_cross, same relation",
    "empty": "empty",
    "related": "Related",
    "unrelated": "Unrelated",
    "kept": "neighbours kept",
}
OPTIONAL = frozenset({"sweep", "layers"})


def tables(result: Result) -> dict[str, str]:
    """Every table of a result as Markdown, by name."""
    return {
        "identification": _measured(result, "identification", IDENTIFICATION, paper.IDENTIFICATION),
        "amplification": _measured(result, "amplification", RATIOS, paper.AMPLIFICATION),
        "suppression": _measured(result, "suppression", RATIOS),
        "editing": _measured(result, "editing", EDITING, paper.EDITING, result.get("before")),
        "equal_damage": _measured(result, "equal_damage", EQUAL_DAMAGE),
        "example": _example(result),
        "sweep": _sweep(result),
        "layers": _layers(result),
        "targets": _targets(result),
    }


def page(result: Result, figures: Mapping[str, str]) -> str:
    """A whole Markdown page: what was measured, every table with how to read it, figures, and where it comes from."""
    written = tables(result)
    blocks = [f"# LAND on {result['model']}", _measurement(result), _methods(result)]
    for name, title in TITLES.items():
        if name in OPTIONAL and name not in result:
            continue
        blocks += [f"## {title}", READING[name], written[name], *([NOTES[name]] if name in NOTES else [])]
        blocks += [f"![{DESCRIPTIONS[key]}]({figures[key]})" for key in FIGURES.get(name, ()) if key in figures]
        if name == "equal_damage":
            blocks += _differences(result)
    return "\n\n".join([*blocks, "## Provenance", _provenance(result)]) + "\n"


def _measured(
    result: Result,
    name: str,
    columns: Mapping[str, tuple[str, Show]],
    printed: Sequence[Printed] = (),
    before: Mapping[str, Any] | None = None,
) -> str:
    found = result.get(name) or {}
    measured = {"before": before} if before else {}
    measured |= {method: found[method] for method in methods_of(result, found)}
    rows = [
        [f"`{result['model']}`", label(method), *(show(values.get(key)) for key, (_, show) in columns.items())]
        for method, values in measured.items()
    ]
    for row in printed:
        cells = [_as_printed(row, key) for key in columns]
        rows.append([f"*paper, {row.model}*", f"*{label(row.method)}*", *cells])
    return table(["model", "method", *(title for title, _ in columns.values())], rows, text=2)


def _as_printed(row: Printed, key: str) -> str:
    """A cell of the paper, with the two decimals it is printed with."""
    if key not in row.values:
        return MISSING
    percent = key in SHARES or row.table == 10
    return f"*{100 * row.values[key]:.2f} %*" if percent else f"*{row.values[key]:.2f}*"


def _example(result: Result) -> str:
    example = result.get("example")
    rows: list[list[str]] = []
    for method in methods_of(result, example["neurons"] if example else None):
        found = example_sets(result, method)
        common = in_all(found)
        for prompt, neurons in zip(result["example"]["prompts"], found, strict=True):
            shared = f"{len(common)} of {len(neurons)}"
            rows.append([label(method), prompt, shared, _neurons(neurons, common)])
    return table(["method", "prompt", "in all three", "neurons"], rows, text=4)


def _neurons(found: set[Neuron], common: set[Neuron]) -> str:
    names = {neuron: f"({neuron[0]}, {neuron[1]})" for neuron in sorted(found)}
    written = [f"**{name}**" if neuron in common else name for neuron, name in names.items()]
    rest = f" and {len(written) - WRITTEN} more" if len(written) > WRITTEN else ""
    return (" ".join(written[:WRITTEN]) or "none") + rest


def _sweep(result: Result) -> str:
    """One row a variant of a detector: numbers of one seed, without intervals."""
    rows = [
        [
            label(row["method"]),
            ", ".join(f"{name} {setting(value)}" for name, value in row["change"].items()) or "as compared",
            plain(row["neurons"], 1),
            *(_percent(row.get(key)) for key in SWEPT),
        ]
        for row in (result.get("sweep") or {}).get("rows", ())
    ]
    return table(["method", "changed", "neurons", *SWEPT.values()], rows, text=2)


def _layers(result: Result) -> str:
    layers = result.get("layers") or ()
    rows = [["w", *(f"{value['mean']:.2f}" for value in layers)]] if layers else []
    return table(["layer", *map(str, range(len(layers)))], rows)


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f} %"


def _targets(result: Result) -> str:
    rows = [
        [target["name"], plain(target["value"]), target["wanted"], "yes" if target["reached"] else "**no**"]
        for target in result.get("targets") or ()
    ]
    return table(["target", "measured", "wanted", "reached"], rows)


def _differences(result: Result) -> list[str]:
    found = result.get("differences") or ()
    rows = [[each["name"], points(each["value"])] for each in found]
    reading = "Differences between methods, in percentage points:"
    return [reading, table(["difference", "value"], rows)] if rows else []


def _measurement(result: Result) -> str:
    settings, seeds, protocol = result["settings"], result["seeds"], result.get("protocol") or {}
    detail = ", ".join(f"{name} {setting(settings[name])}" for name in SETTINGS if name in settings)
    sentences = [
        f"{result['facts']} facts of `{result['model']}` are asked in {result['phrasings']} phrasings each; each "
        "phrasing's neurons are identified by every method, and the trained methods see none of these facts before.",
        f"The settings are {detail}; the others stand at the end." if detail else "The settings stand at the end.",
        "The neurons are then doubled, set to zero, and edited: λ times the old answer's vector is taken from their "
        "value vectors and λ times the new one's is added.",
    ]
    if protocol:
        sentences.append(
            f"{protocol.get('counterfactual', 0)} edits went to a counterfactual object, because the model was right, "
            f"and {protocol.get('answer', 0)} to the data set's answer, because it was wrong."
        )
    many = f"the mean over {len(seeds)} seeds ± half the width of its 95 % interval"
    sentences.append(f"A number is {many if len(seeds) > 1 else 'that of a single seed, without an interval'}.")
    return " ".join(sentences)


def _methods(result: Result) -> str:
    """What the methods' names stand for, those of the result."""
    randoms = [method for method in result["methods"] if method.startswith(RANDOM)]
    lines = [f"- {label(method)}: {METHODS[method]}" for method in result["methods"] if method in METHODS]
    lines += [f"- {' · '.join(map(label, randoms))}: {CONTROL}"] if randoms else []
    return "\n".join(["The methods:", "", *lines])


def _provenance(result: Result) -> str:
    seconds = result.get("seconds") or {}
    total = sum(value for value in seconds.values() if value is not None)
    stages = [f"{stage} {plain(value, 1)}" for stage, value in seconds.items()]
    versions = [f"{name} {version}" for name, version in (result.get("versions") or {}).items()]
    settings = [f"{name} {setting(value)}" for name, value in result["settings"].items()]
    lines = {
        "command": f"`{result['command']}`",
        "seeds": ", ".join(map(str, result["seeds"])),
        "settings": ", ".join(settings) or MISSING,
        "versions": ", ".join(versions) or MISSING,
        "seconds": f"{', '.join(stages)}; {total:.1f} together" if stages else MISSING,
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items())
