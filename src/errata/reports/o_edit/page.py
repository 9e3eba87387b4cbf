"""A result of `errata reproduce o-edit` as one Markdown page: what was measured, the tables, the provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errata.reports.land.numbers import Result
from errata.reports.markdown import MISSING, plain, setting
from errata.reports.o_edit.tables import tables
from errata.reports.o_edit.words import DESCRIPTIONS, FIGURES, READING, TITLES, label

NAMED = 12


def page(result: Result, figures: Mapping[str, str]) -> str:
    """The page; `figures` holds the files of those that were drawn, by name."""
    written = tables(result)
    blocks = [f"# Sequences of edits on {result['model']}: reconstruction of O-Edit", _measurement(result)]
    blocks += _unfinished(result)
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


def _unfinished(result: Result) -> list[str]:
    """What was not measured, and which edits failed, said where nobody can miss it."""
    units = result["units"]
    blocks: list[str] = []
    if units["missing"]:
        blocks.append(
            f"**{len(units['missing'])} of {units['planned']} parts were not measured:** {_listed(units['missing'])}. "
            "The numbers below are of the others; the same command goes on with the rest."
        )
    failed = [f"{one['unit']} ({one['facts']} facts; the first: {one['error']})" for one in units["failed"]]
    if failed:
        blocks.append(
            f"**In {len(failed)} parts some facts could not be edited,** and their scores are of the others: "
            f"{_listed(failed)}."
        )
    return blocks


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + rest


def _provenance(result: Result) -> str:
    settings: Mapping[str, Any] = result["settings"]
    shown = [f"{name} {setting(value)}" for name, value in settings.items() if name not in ("switches", "model")]
    versions = [f"{name} {version}" for name, version in (result.get("versions") or {}).items()]
    lines = {
        "command": f"`{result['command']}`",
        "seeds": ", ".join(map(str, result["seeds"])),
        "settings": ", ".join(shown),
        "versions": ", ".join(versions) or MISSING,
        "seconds": f"{plain(result.get('seconds'), 0)}, summed over processes",
        **{f"{label(arm)} (`{arm}`)": setting(found) for arm, found in result["arms"].items()},
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items())
