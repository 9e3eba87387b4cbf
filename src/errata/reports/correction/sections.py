"""What a report on corrections shows of answers, weights and health; a figure without content is a sentence instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from errata.evaluation.metrics import PROTOCOL
from errata.evaluation.probes import MAX_NEW_TOKENS
from errata.ledger.records import listed
from errata.reports.correction.account import Account, Single, Tested
from errata.reports.correction.course import SCORES
from errata.reports.correction.figures import change_map, checkup_curves, edit_lanes, norm_curves
from errata.reports.correction.prompts import MEANING, Source
from errata.reports.markdown import MISSING
from errata.reports.markup import table
from errata.reports.passages import KINDS, answers, located, probabilities

OPEN = 3  # as many facts are shown with all their prompts; of more each is folded


def worse(account: Account) -> str:
    """Every answer that got worse, all of them and none folded."""
    asked = sum(len(one.comparison.changes) for one in account.tested)
    if not asked:
        return ""
    rows = [
        [
            str(number),
            {"prompt": "edit prompt"}.get(change.kind, change.kind),
            change.before.prompt,
            change.before.answer or MISSING,
            change.after.answer or MISSING,
        ]
        for number, change in account.worse
    ]
    missed = [one for one in account.tested if not one.comparison.took]
    blocks: list[str] = []
    if missed:
        rest = [
            [str(one.question.edit), found.prompt, found.expected, found.answer or MISSING]
            for one in missed
            for found in [one.comparison.prompt.after]
        ]
        blocks.append(f"<h3>Edit prompts that do not say their target: {len(missed)} of {len(account.tested)}</h3>")
        blocks.append(table(("edit", "prompt", "target", "answer"), rest))
    if rows:
        heads = ("edit", "kind", "prompt", "before", "after")
        blocks.append(f'<p class="alarm"><strong>{len(rows)} of {asked} answers got worse.</strong></p>')
        blocks.append(f'<div class="bad">{table(heads, rows)}</div>')
    else:
        blocks.insert(0, f"<p>No answer got worse; asked were {asked}.</p>")
    return "".join(blocks)


def changed(account: Account) -> str:
    """How it was asked, the scores with their intervals, and every fact with its prompts."""
    if not account.tested:
        why = "no edit is in the weights" if account.single is None else "the edit names no target"
        return f"<p>Nothing was asked: {why}.</p>"
    blocks = [f"<p>{_compared(account)} {_protocol()}</p>", _sources(account)]
    if len(account.tested) > 1:
        blocks += [_scores(account), _by_edit(account)]
    if len(account.tested) <= OPEN:
        several = len(account.tested) > 1
        blocks += [(f"<h3>{_name(one)}</h3>" if several else "") + _tables(one) for one in account.tested]
    else:
        folded = "".join(f"<details><summary>{_name(one)}</summary>{_tables(one)}</details>" for one in account.tested)
        note = "Folded, a fact each; those that are open are printed. What got worse stands above in full."
        blocks.append(f'<div class="folded"><h3>Every prompt</h3><p class="note">{note}</p>{folded}</div>')
    if account.single is not None:
        blocks.append(_odds(account, account.single))
    return "".join(blocks)


def places(account: Account) -> str:
    """The neurons' change and, of one edit, their scores for the answer before it."""
    if not account.layers:
        return "<p>No weight differs from the unedited model’s.</p>"
    svg = change_map(account)
    rows = [
        [f"L{one.layer}", one.module, f"{one.changed:,} of {one.size:,}", *(f"{value:.4g}" for value in values)]
        for one in account.layers
        for values in [(one.norm, one.relative, one.top)]
    ]
    heads = ("layer", "module", "entries changed", "‖ΔW‖", "‖ΔW‖ / ‖W₀‖", "σ_max(ΔW)")
    whose = "of all applied edits together" if account.single is None else "of this edit alone"
    text = (
        f"<h3>The change of the weights</h3><p>ΔW = W − W₀ {whose}, after rounding; a neuron’s change is the norm of "
        "its column.</p>"
        + _figure(svg, "Each cell shows the strongest of a run of neighbouring neurons; the strongest are named.")
        + table(heads, rows, numbers=(2, 3, 4, 5))
    )
    single = account.single
    if single is None:
        return text
    first = " (first fact)" if len(account.tested) > 1 else ""
    title = f"<h3>The neurons that scored highest for the answer before the edit{first}</h3>"
    if single.attribution is None:
        return f"{text}{title}<p>Left out: {escape(single.unlocated)}.</p>"
    return text + title + located(single.attribution)


def health(account: Account) -> str:
    """The ledger's curves: how far the weights moved, which edits still hold, what checkups found."""
    if account.single is not None or not account.entries:
        return ""
    return _norms(account) + _held(account) + _checkups(account)


def _norms(account: Account) -> str:
    title = "<h3>How far the weights moved</h3>"
    if account.course is None:
        return f"{title}<p>Left out: the file of an edit in the log cannot be read.</p>"
    svg = norm_curves(account.course)
    if svg is None:
        return f"{title}<p>Left out: the log has one event, and a curve needs two.</p>"
    kinds = Counter(event.kind for event in account.course.events)
    what = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    taken = "; strokes at the foot are edits taken out" if kinds.keys() & {"undo", "supersede"} else ""
    return title + _figure(
        svg, f"‖Σ ΔW‖ / ‖W₀‖ of every changed layer after each event of the log ({what}), before rounding{taken}."
    )


def _held(account: Account) -> str:
    title = "<h3>Which edits hold now</h3>"
    svg = edit_lanes(account)
    if svg is None:
        return f"{title}<p>Left out: fewer than two edits were asked.</p>"
    return title + _figure(
        svg,
        f"Protocol {PROTOCOL}, the model as the ledger has it now: every edit’s share of prompts that say the target, "
        "and of neighbours that answer as the unedited model. A stroke up to 1 is what is missing.",
    )


def _checkups(account: Account) -> str:
    title = "<h3>Checkups on the way</h3>"
    if not account.checkups:
        return f"{title}<p>Left out: the ledger keeps no checkup; <code>errata edit --sequence</code> makes them.</p>"
    svg = checkup_curves(account.checkups)
    names = (*SCORES, "known")
    rows = [
        [str(row["edit"]), str(row["edited"])]
        + [MISSING if row[name] is None else _below(row[name]["mean"], row[name]["interval"]) for name in names]
        + [MISSING if row["perplexity"] is None else f"{row['perplexity']:.2f}"]
        for row in account.checkups
    ]
    figure = (
        "<p>One checkup makes no curve.</p>"
        if svg is None
        else _figure(
            svg,
            f"Protocol {PROTOCOL}: scores of all edits of the sequence so far, and of known facts those still right.",
        )
    )
    return title + figure + table(("edit", "edited", *names, "perplexity"), rows, numbers=range(7), raw=True)


def _compared(account: Account) -> str:
    single = account.single
    if single is None:
        return "Before: the unedited model. After: the model with all applied edits."
    if single.beside:
        rest = f"edit{'s' if len(single.beside) > 1 else ''} {listed(single.beside)} in force both times"
    else:
        rest = "no other edit in force"
    rivals = f" Left out, being about the same fact: {listed(single.rivals)}." if single.rivals else ""
    return f"Before: the model without this edit. After: with it; {rest}.{rivals}"


def _protocol() -> str:
    return (
        f"Protocol <strong>{PROTOCOL}</strong>: every prompt is continued greedily, with no gold prefix and no gold "
        f"length, for at most {MAX_NEW_TOKENS} tokens, and the whole answer counts. A paraphrase should say the "
        "target; a neighbour, another fact, should keep the answer it had before."
    )


def _sources(account: Account) -> str:
    counts: Counter[Source] = Counter(one.question.source for one in account.tested)
    lines = [f"{count} fact{'s' if count > 1 else ''} {MEANING[source]}" for source, count in counts.items()]
    if account.targets > len(account.tested):
        lines.append(f"asked were {len(account.tested)} of {account.targets} facts, drawn with seed 0")
    if account.overlapping:
        lines.append(f"{account.overlapping} neighbours were left out: another correction is about them")
    return f"<p class='note'>Asked: {escape('; '.join(lines))}.</p>"


def _scores(account: Account) -> str:
    rows = [[one.name, _interval(one.mean, one.interval), str(one.n), one.protocol] for one in account.scores.values()]
    heads = ("score", "mean and 95 % interval", "facts", "protocol")
    return f"<h3>Scores</h3>{table(heads, rows, numbers=(2,))}"


def _by_edit(account: Account) -> str:
    rows = [
        [
            str(one.question.edit),
            escape(found.prompt.before.prompt),
            escape(found.prompt.before.answer) or MISSING,
            _marked(found.took, found.prompt.after.answer),
            _share([change.after.right for change in found.of("paraphrase")]),
            _share([change.unchanged for change in found.of("neighbour")]),
        ]
        for one in account.tested
        for found in [one.comparison]
    ]
    heads = ("edit", "prompt", "before", "after", "paraphrases", "neighbours")
    return f"<h3>Every fact</h3>{table(heads, rows, numbers=(4, 5), raw=True)}"


def _marked(right: bool, answer: str) -> str:
    return f'<span class="{"better" if right else "worse"}">{escape(answer) or MISSING}</span>'


def _tables(one: Tested) -> str:
    found = one.comparison
    return "".join(answers(title, found.of(kind), kind) for kind, title in KINDS.items() if found.of(kind))


def _odds(account: Account, single: Single) -> str:
    if not single.shifts:
        return "<p class='note'>No probabilities are shown: there was no answer before the edit to follow.</p>"
    first = account.tested[0].comparison.prompt
    which = "" if len(account.tested) == 1 else f" of the first fact, “{escape(first.before.prompt)}”"
    return (
        f"<h3>Probabilities</h3><p>The probability of the whole answer behind every prompt{which}.</p>"
        + probabilities(single.shifts, first.before.answer, first.after.expected)
    )


def _name(one: Tested) -> str:
    found = one.comparison.prompt
    text = f"{found.before.prompt} {found.after.answer or MISSING}"
    return f"Edit {one.question.edit}: {escape(text)}"


def _figure(svg: str | None, caption: str) -> str:
    return "" if svg is None else f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _interval(mean: float, interval: Sequence[float]) -> str:
    return f"{mean:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _below(mean: float, interval: Sequence[float]) -> str:
    return f'{mean:.3f}<br><span class="note">{interval[0]:.3f}–{interval[1]:.3f}</span>'


def _share(right: list[bool]) -> str:
    if not right:
        return MISSING
    text = f"{sum(right)} of {len(right)}"
    return text if all(right) else f"<strong>{text}</strong>"
