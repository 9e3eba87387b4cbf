"""`errata edit` and `errata apply`: correct facts in a model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError


def edit(
    model: options.Model,
    ledger: options.LedgerDir = options.CORRECTIONS,
    subject: Annotated[str | None, typer.Option(metavar="S", help="The entity the fact is about.")] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="P", help="A prompt that contains the subject, or {} in its place.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="T", help="What the answer shall be.")] = None,
    answer: Annotated[str | None, typer.Option(metavar="A", help="What the answer is now.")] = None,
    relation: Annotated[str | None, typer.Option(metavar="R", help="A name for what is asked, such as P103.")] = None,
    paraphrase: Annotated[
        list[str] | None, typer.Option(metavar="P", help="The same question in other words; repeat it.")
    ] = None,
    neighbour: Annotated[
        list[str] | None, typer.Option(metavar="P=A", help="Another fact that must stay; repeat it.")
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="FACTS", help="A JSONL file with one fact a line.")] = None,
    sequence: Annotated[
        Path | None, typer.Option(metavar="FACTS", help="A JSONL file of facts to edit in a row, with checkups.")
    ] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", help="Facts a step of --sequence; 1 by default.")] = None,
    every: Annotated[
        str | None, typer.Option(metavar="K", help="A checkup every K facts of --sequence (10), or 1,10,100: at these.")
    ] = None,
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="Text for the checkups' perplexity.")] = None,
    known: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A JSONL file of prompt and answer: facts that should stay.")
    ] = None,
    health: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A threshold of the alarm, for example retention=0.9; repeat it."),
    ] = None,
    no_alarm: Annotated[bool, typer.Option("--no-alarm", help="Go on whatever the checkups find.")] = False,
    method: options.Editor = "rome",
    settings: options.Set = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write the edit even if checks got worse.")] = False,
    supersede: Annotated[bool, typer.Option("--supersede", help="Undo applied edits of the same fact.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute and check the edit, but write nothing.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Save the edit, for errata apply.")] = None,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Correct a fact: compute the edit, show what it changes, ask if anything got worse, then write it to the ledger.

    Paraphrases and neighbours test the edit; of a pocket model's facts they are known and need not be given. With
    --file every line is an edit of its own: a line that fails is reported, the others stay. With --sequence the facts
    are edited one step after the other, and what is kept of all of them is measured on the way; the same command goes
    on after an interruption.

    Example: errata edit pocket-gelu --subject "Paul Keres" --prompt "The mother tongue of {} is" --target French
    """
    from errata.cli import cases, editing
    from errata.cli.settings import make_editor, make_health
    from errata.facts import Fact

    given = {
        "batch": batch,
        "every": every,
        "text": text,
        "known": known,
        "health": health,
        "no-alarm": no_alarm or None,
    }
    only = next((name for name, value in given.items() if value is not None), None)
    if sequence is None and only is not None:
        raise InputError(f"--{only} is about a sequence: give it together with --sequence.")
    if sequence is not None:
        from errata.cli.sequence import edit_sequence, planned

        one = (subject, prompt, target, answer, relation, paraphrase, neighbour, file, save)
        if any(word is not None for word in one) or yes or supersede or dry_run:
            raise InputError(
                "--sequence holds whole facts and asks nothing: give it without options of a single edit, --file, "
                "--save, --yes, --supersede and --dry-run."
            )
        course = planned(ledger, make_editor(method, settings or []), 1 if batch is None else batch, every or "10")
        watch = make_health(health or [], no_alarm)
        found = cases.read_cases(sequence)
        raise typer.Exit(edit_sequence(course, watch, found, text, known, model, dtype, device, as_json))
    plan = editing.Plan(ledger, make_editor(method, settings or []), yes, supersede, dry_run, as_json)
    single = (subject, prompt, target)
    if file is not None:
        if any(word is not None for word in (*single, answer, relation, save)) or paraphrase or neighbour:
            raise InputError("--file holds whole facts: give it without --subject, --prompt, --target and --save.")
        raise typer.Exit(editing.edit_file(plan, cases.read_cases(file), model, dtype, device))
    if subject is None or prompt is None or target is None:
        raise InputError("An edit needs --subject, --prompt and --target, or --file with one fact a line.")
    if save is not None and not save.absolute().parent.is_dir():
        raise InputError(f"There is no directory {save.parent} to save the edit in.")
    fact = Fact(subject, prompt, target, answer, relation)
    case = cases.case_of(fact, paraphrase or (), neighbour or ())
    raise typer.Exit(editing.edit_one(plan, case, save, model, dtype, device))


def apply(
    words: Annotated[list[str], typer.Argument(metavar="[MODEL] FILE", help="A saved edit; the model, if it is new.")],
    ledger: options.LedgerDir = options.CORRECTIONS,
    supersede: Annotated[bool, typer.Option("--supersede", help="Undo applied edits of the same fact.")] = False,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Write a saved edit to a ledger; the model is the ledger's own unless it is given.

    Example: errata apply pocket-gelu errata-demo/edit.safetensors --ledger corrections
    """
    from errata.cli.session import pages
    from errata.deltas import Edit
    from errata.desk import desk
    from errata.desk.opening import has_ledger

    if len(words) > 2:
        raise InputError(f"apply takes a model and one file, found {len(words)} words: apply files one by one.")
    found = Edit.load(words[-1])
    if len(words) == 1 and not has_ledger(ledger):
        raise InputError(f"There is no ledger at {ledger} that names a model: give the model before the file.")
    model = words[0] if len(words) == 2 else pages(ledger).meta.model
    with desk(ledger, model, dtype, device) as place:
        number = place.commit(found, supersede)
        weights = place.view.weights_sha256()
    if as_json:
        output.print_json({"id": number, "ledger": str(ledger), "method": found.method, "weights_sha256": weights})
        return
    about = ", ".join(f"{fact.subject} → {fact.target}" for fact in found.facts[:3])
    output.paper().print(f"Edit {number} is applied: {about}.", markup=False, soft_wrap=True)
