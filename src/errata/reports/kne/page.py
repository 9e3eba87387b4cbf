"""A result of `errata reproduce kne` as one Markdown page: what was measured, the tables, the provenance."""

from __future__ import annotations

from collections.abc import Mapping

from errata.reports.kne.tables import changed, tables
from errata.reports.kne.words import DESCRIPTIONS, FIGURES, READING, TITLES, label
from errata.reports.measured import Result
from errata.reports.provenance import provenance, unmeasured


def page(result: Result, figures: Mapping[str, str]) -> str:
    """The page; `figures` holds the files of those that were drawn, by name."""
    written = tables(result)
    blocks = [
        f"# KNE on {result['model']}",
        _measurement(result),
        *unmeasured(result, "", "count as they are in what follows the edit"),
    ]
    for name, title in TITLES.items():
        blocks += [f"## {title}", READING[name], written[name]]
        blocks += [f"![{DESCRIPTIONS[key]}]({figures[key]})" for key in FIGURES.get(name, ()) if key in figures]
    return "\n\n".join([*blocks, "## Provenance", _provenance(result)]) + "\n"


def _measurement(result: Result) -> str:
    settings, seeds, data = result["settings"], result["seeds"], result["data"]
    over = f"the mean over {len(seeds)} seeds ± half the width of its 95 % interval"
    sizes = ", ".join(map(str, settings["batches"]))
    sentences = [
        f"For each seed {settings['facts']} facts of {data['name']} are edited into `{result['model']}`, in groups of "
        f"{sizes}; every group is edited on the unedited model.",
        "KNE has no public code: what is the paper's and what is not stands in the documentation of KNE.",
        f"A number is {over if len(seeds) > 1 else 'that of a single seed, without an interval'}, unless it says "
        "otherwise.",
    ]
    chosen = [f"{label(arm)}: {changed(change)}" for arm, change in result["chosen"].items() if change]
    if chosen:
        sentences.append(f"The sweep on {settings['tuning']} tuning facts chose {'; '.join(chosen)}.")
    skipped = ", ".join(f"{count} with {reason}" for reason, count in data["skipped"].items())
    if skipped:
        sentences.append(f"Of the data set's records were left out: {skipped}.")
    return " ".join(sentences)


def _provenance(result: Result) -> str:
    arms = {f"{label(arm)} (`{arm}`)": found for arm, found in result["arms"].items()}
    return provenance(
        result, ", summed over parts, of which several are measured at once", arms, without=("rates", "model")
    )
