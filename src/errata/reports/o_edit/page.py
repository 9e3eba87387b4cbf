"""A result of `errata reproduce o-edit` as one Markdown page: what was measured, the tables, the provenance."""

from __future__ import annotations

from collections.abc import Mapping

from errata.reports.measured import Result
from errata.reports.o_edit.tables import tables
from errata.reports.o_edit.words import DESCRIPTIONS, FIGURES, READING, TITLES, label
from errata.reports.provenance import provenance, unmeasured


def page(result: Result, figures: Mapping[str, str]) -> str:
    """The page; `figures` holds the files of those that were drawn, by name."""
    written = tables(result)
    blocks = [f"# Sequences of edits on {result['model']}: reconstruction of O-Edit", _measurement(result)]
    blocks += unmeasured(result, "", "their scores are of the others")
    for name, title in TITLES.items():
        blocks += [f"## {title}", READING[name], written[name]]
        blocks += [f"![{DESCRIPTIONS[key]}]({figures[key]})" for key in FIGURES.get(name, ()) if key in figures]
    return "\n\n".join([*blocks, "## Provenance", _provenance(result)]) + "\n"


def _measurement(result: Result) -> str:
    settings, seeds, data = result["settings"], result["seeds"], result["data"]
    over = f"the mean over {len(seeds)} seeds ± half the width of its 95 % interval"
    sentences = [
        f"Facts of {data['name']} are edited into `{result['model']}` one after another, {settings['edits']} in a "
        f"sequence, in steps of {' and of '.join(map(str, settings['batches']))}; nothing is undone in between.",
        "Everything is scored by free greedy generation, with the whole answer wanted and no hint of its length.",
        "O-Edit has no public code: the rows called O-Edit and O-Edit+ are a reconstruction of it.",
        f"A number is {over if len(seeds) > 1 else 'that of a single seed, without an interval'}, unless it says "
        "otherwise.",
    ]
    width = result.get("width")
    if width:
        sentences.append(
            f"A value projection has d_ff = {width['d_ff']} keys' directions and d_model = {width['d_model']} values': "
            "a sequence that comes near these numbers has to disturb what is there, by whatever method."
        )
    skipped = ", ".join(f"{count} with {reason}" for reason, count in data["skipped"].items())
    if skipped:
        sentences.append(f"Of the data set's records were left out: {skipped}.")
    return " ".join(sentences)


def _provenance(result: Result) -> str:
    arms = {f"{label(arm)} (`{arm}`)": found for arm, found in result["arms"].items()}
    return provenance(result, ", summed over processes", arms, without=("switches", "model"))
