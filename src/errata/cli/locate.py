"""`errata locate`: the neurons that score highest for a fact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import options, output
from errata.errors import InputError

if TYPE_CHECKING:
    from errata.facts import Fact
    from errata.model.view import ModelView
    from errata.neurons import Attribution


def locate(
    model: options.Model,
    subject: Annotated[str, typer.Option(metavar="S", help="The entity the fact is about.")],
    prompt: Annotated[str, typer.Option(metavar="P", help="A prompt that contains the subject, or {} in its place.")],
    answer: Annotated[str | None, typer.Option(metavar="A", help="The answer; by default the model's own.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="T", help="What the answer shall become; some localizers score for it.")
    ] = None,
    phrasing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="P",
            help="Another prompt for the same fact, repeat it; kn_refined keeps what enough of them share.",
        ),
    ] = None,
    method: options.Localizer = "knowledge_neurons",
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="gauss-legendre or riemann-right.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="M", help="Path points a layer.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(metavar="GAP", help="Add points where a gap is above this share of the largest change."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="T", help="Keep neurons from this share of the highest score.")
    ] = None,
    settings: options.Set = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the chosen neurons to a file.")] = None,
    ledger: options.WithLedger = None,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Score every neuron for a fact, and show the layers and neurons that score highest.

    Example: errata locate pocket-gelu --subject "Danielle Darrieux" --prompt "The mother tongue of {} is"
    """
    from errata.cli.session import consulted
    from errata.cli.settings import make_localizer
    from errata.facts import Fact

    if save is not None and not save.absolute().parent.is_dir():
        raise InputError(f"There is no directory {save.parent} to write the neurons to.")
    fact = Fact(subject, prompt, target, answer)
    localizer = make_localizer(method, settings or [], rule=rule, steps=steps, tolerance=tolerance, threshold=threshold)
    with consulted(model, ledger, dtype, device) as view:
        found = localizer.attribute(view, _phrasings(view, fact, phrasing or []))[0]
        name = view.name
    if save is not None:
        found.neurons.save(save)
    if as_json:
        output.print_json({"model": name, "subject": fact.subject, "prompt": fact.text, **_row(found)})
        return
    from errata.reports.tables import cells_for, heat_strip, neuron_table

    page = output.paper()
    page.print(f"{fact.text} {found.answer}", style="bold", markup=False, soft_wrap=True)
    page.print(f"{found.method}, {found.objective} of the answer\n", style="dim")
    page.print(heat_strip(found, cells_for(page.width)))
    page.print()
    page.print(neuron_table(found))
    least = found.settings.get("threshold")
    kept = "kept"
    if found.gap is not None and isinstance(least, float):
        kept = f"reach {least:.0%} of the highest score"
    gap = "" if found.gap is None else f"; completeness gap {found.gap:.1e}"
    page.print(f"\n{len(found.neurons)} neurons {kept}{gap}")
    if save is not None:
        output.margin().print(f"The neurons are in {save}.", markup=False, soft_wrap=True)


def _phrasings(view: ModelView, fact: Fact, more: list[str]) -> list[Fact]:
    """The fact, and again in every other phrasing: with the answer to the first, so that they are one fact."""
    if not more:
        return [fact]
    from errata.facts import Fact
    from errata.model.phrases import answer_of
    from errata.model.writing import generate

    answer = fact.answer or answer_of(generate(view, [fact.text])[0])
    if not answer:
        raise InputError(f"The model gives no answer to {fact.text!r}: say which answer to attribute.")
    return [Fact(fact.subject, prompt, fact.target, answer) for prompt in (fact.prompt, *more)]


def _row(found: Attribution) -> dict[str, Any]:
    layers: list[dict[str, Any]] = []
    for at, row in enumerate(found.scores):
        change = None if found.change is None else float(found.change[at])
        layers.append(_layer(at, float(row.double().sum()), change))
    scores = found.scores.tolist()
    return {
        "answer": found.answer,
        "method": found.method,
        "objective": found.objective,
        "settings": found.settings,
        "gap": found.gap if found.change is None else max(layer["gap"] for layer in layers),
        "layers": layers,
        "neurons": [[layer, index, scores[layer][index]] for layer, index in found.neurons],
        "scores": scores,
    }


def _layer(layer: int, total: float, change: float | None) -> dict[str, Any]:
    """A layer's sum of scores, f(x) − f(0), and their distance, rounded up so that adding up in any order stays in."""
    if change is None:
        return {"layer": layer, "sum": total}
    return {"layer": layer, "sum": total, "change": change, "gap": abs(total - change) * (1 + 1e-6) + 1e-12}
