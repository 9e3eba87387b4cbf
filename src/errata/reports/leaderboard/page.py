"""A leaderboard as one HTML page that needs nothing outside itself: tables, plots and what they were made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from errata.reports.leaderboard.figures import Entry, against, bars, retention
from errata.reports.markdown import MISSING
from errata.reports.markup import document, plain, table
from errata.reports.provenance import several

Result = Mapping[str, Any]
SHOWN = (
    *("efficacy", "generalization", "heldout", "specificity", "known", "same_object", "same_subject"),
    *("other_answers", "portability", "inverse", "fluency", "consistency"),
)
DRAWN = ("efficacy", "generalization", "specificity", "portability")
READING = {
    "generation": "The model writes greedily behind the bare prompt to its own end, and the whole reply is judged: it "
    "must say the answer, and neither repeat nor contradict it.",
    "first-phrase": "The same writing, judged by its first phrase alone.",
    "teacher-forced": "The share of the answer's tokens that are the model's first choice behind the right tokens "
    "before them, as KnowEdit counts. The model is told the answer's length and all but one token of it.",
    "likelihood": "Whether the one answer is more probable than the other, as CounterFact counts.",
    "judge": "A language model judged the replies of protocol generation.",
}


def page(result: Result) -> str:
    """The page of a result."""
    tables = groupby(result["entries"], key=lambda entry: (entry["model"], entry["data"], entry["regime"]))
    sections = "".join(_section(result, *key, list(own)) for key, own in tables)
    return document(f"Leaderboard: {result['name']}", f"{_head(result)}{sections}{_provenance(result)}{_foot()}")


def _head(result: Result) -> str:
    entries, units = result["entries"], result["units"]
    tiles = {
        "methods": len({entry["method"] for entry in entries}),
        "models": len({entry["model"] for entry in entries}),
        "protocols, never in one table": len(result["protocols"]),
        "parts measured": f"{units['measured']} of {units['planned']}",
    }
    cards = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in tiles.items())
    missing = f"<p><strong>Not measured:</strong> {escape(several(units['missing']))}.</p>" if units["missing"] else ""
    failed = "".join(
        f"<p><strong>{escape(one['unit'])}:</strong> {one['facts']} cases could not be edited and are scored as they "
        f"are, left out of what was to stay; the first: {escape(str(one['error']).rstrip('.'))}.</p>"
        for one in units["failed"]
    )
    return (
        f'<p class="over">Errata · leaderboard</p><h1>{escape(result["name"].replace("_", " ").capitalize())}</h1>'
        '<p class="lede">Every method on the same cases, each number with the protocol it was measured in and its '
        "95 % interval over facts. Bold numbers are level with the best of their column: the paired difference to it "
        "is not shown, with Holm’s correction over the methods of the table.</p>"
        f'<dl class="tiles">{cards}</dl>{missing}{failed}'
    )


def _section(result: Result, model: str, data: str, regime: str, entries: Sequence[Entry]) -> str:
    title = f"{model}, {data}: {regime}"
    blocks = [f"<h2>{escape(title)}</h2>", f"<p>{_said(entries)}</p>"]
    for when in dict.fromkeys(entry["when"] for entry in entries):
        own = [entry for entry in entries if entry["when"] == when]
        for protocol in result["protocols"]:
            asked = f"protocol {protocol}, {when}"
            blocks.append(f"<h3>{escape(asked.capitalize())}</h3><p class='note'>{escape(READING[protocol])}</p>")
            blocks.append(_table(result, own, protocol))
            if protocol == result["protocols"][0]:
                blocks += _figures(own, protocol, f"{title}, {asked}")
    return f"<section>{''.join(blocks)}</section>"


def _said(entries: Sequence[Entry]) -> str:
    first = entries[0]
    already = max(entry["already"] for entry in entries)
    seeds = len(first["seeds"])
    return (
        f"{first['cases']} cases, {seeds} seed{'s' if seeds > 1 else ''}. "
        + (f"{already} of them said the target before any edit. " if already else "No case said the target before. ")
        + "In the row <em>unedited</em> stands what an edit that does nothing scores. Seconds "
        "are the median of a step, which is all that is edited at once."
    )


def _table(result: Result, entries: Sequence[Entry], protocol: str) -> str:
    scores = [entry["scores"][protocol] for entry in entries]
    shown = [name for name in SHOWN if any(name in own for own in scores)]
    shown += [name for name in dict.fromkeys(n for own in scores for n in own) if _kind(name, shown)]
    level = {
        row["metric"]: row["level"]
        for row in result["level"]
        if (row["protocol"], row["when"]) == (protocol, entries[0]["when"])
        and all(row[name] == entries[0][name] for name in ("model", "data", "regime"))
    }
    unedited = ["<em>unedited</em>", *(_before(scores, name) for name in shown), MISSING, MISSING]
    rows = [
        [
            escape(entry["method"]),
            *(_cell(entry["scores"][protocol].get(name), entry["method"] in level.get(name, ())) for name in shown),
            f"{entry['seconds_per_step']:.2f}",
            str(entry["failed"]),
        ]
        for entry in entries
    ]
    heads = ["method", *(name.replace("_", " ") for name in shown), "s a step", "failed"]
    return table(heads, [unedited, *rows], numbers=range(1, len(heads)), raw=True)


def _kind(name: str, shown: Sequence[str]) -> bool:
    """Whether a score is shown too: the kinds of portability, whatever a data set has; not sums of what is there."""
    return name not in shown and name != "locality" and not name.endswith("_magnitude")


def _before(scores: Sequence[Mapping[str, Any]], name: str) -> str:
    found = [own[name]["before"] for own in scores if name in own and own[name]["before"] is not None]
    return MISSING if not found else f"{found[0]:.3f}"


def _cell(score: Mapping[str, Any] | None, level: bool) -> str:
    if score is None:
        return MISSING
    low, high = score["interval"]
    mean = f"{score['mean']:.3f}".replace("-", "−")
    shown = f"<strong>{mean}</strong>" if level else mean
    return f'{shown}<br><span class="note">{low:.3f}–{high:.3f}</span>'


def _figures(entries: Sequence[Entry], protocol: str, title: str) -> list[str]:
    drawn = [name for name in DRAWN if any(name in entry["scores"][protocol] for entry in entries)]
    figures = {
        "Means with their 95 % intervals; a stroke marks the unedited model.": bars(entries, protocol, drawn, title),
        "Efficacy against specificity: the upper right corner is where an edit should be.": against(
            entries, protocol, title
        ),
        "On the way of the sequence: the share of all cases edited so far whose edit prompt says the target; the "
        "other methods in the background.": retention(entries, title) if entries[0]["when"] != "right after" else None,
    }
    return [
        f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in figures.items() if svg
    ]


def _provenance(result: Result) -> str:
    values = {
        "command": result["command"],
        "versions": plain(result["versions"]),
        "weights": plain(result["weights"]),
        "settings": plain(result["settings"]),
        "seconds": f"{result['seconds']:.0f} of editing and asking, summed over processes. All times are on the clock, "
        "beside whatever else the machine did.",
    }
    cases = {
        f"{row['data']} on {row['model']}, seed {row['seed']}": f"{row['cases']} cases, {row['revision']}"
        for row in result["data"]
    }
    methods = {name: plain(settings) for name, settings in result["methods"].items()}
    parts = {"How it was made": values, "Cases": cases, "Methods": methods}
    return (
        "<section><h2>Provenance</h2>"
        + "".join(
            f'<h3>{title}</h3><div class="pairs">{table(("", ""), list(map(list, rows.items())))}</div>'
            for title, rows in parts.items()
        )
        + "</section>"
    )


def _foot() -> str:
    return "<footer>Made by Errata. This page holds its figures and loads nothing.</footer>"
