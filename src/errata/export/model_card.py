"""The model card of an export, README.md: what was corrected, in words, how it was tested, and how to take it back.

It is made from the manifest alone, so that every statement in it can be held against errata.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from errata.export.adapter_file import SERVING_RANKS, serving_rank
from errata.export.base import POCKET, Base
from errata.export.manifest import CARD, Answer, Correction, Manifest
from errata.facts import Fact

TAGS = ("errata", "knowledge-editing", "model-editing")
STATES = {"before": "unedited model", "after": "corrected weights", "truncated": "the adapter, with its lower rank"}


def save(folder: Path, manifest: Manifest) -> None:
    """Write README.md."""
    (folder / CARD).write_text(text(manifest), encoding="utf-8")


def text(manifest: Manifest) -> str:
    """The whole card."""
    parts = [_metadata(manifest), _summary(manifest), _corrections(manifest), _scores(manifest), _answers(manifest)]
    if manifest.kind == "peft":
        parts.append(_rank(manifest))
    return "\n".join([*parts, _use(manifest), _undo(manifest), _provenance(manifest)])


def _metadata(manifest: Manifest) -> str:
    """The front matter that the hub reads; nothing in it is guessed."""
    adapter = manifest.kind == "peft"
    data = ModelCardData(
        base_model=manifest.base.name if manifest.base.on_hub else None,
        library_name="peft" if adapter else "transformers",
        license=manifest.base.licence,
        pipeline_tag="text-generation",
        tags=[*TAGS, "lora"] if adapter else [*TAGS],
    )
    if manifest.base.on_hub:
        data["base_model_relation"] = "adapter" if adapter else "finetune"
    return f"---\n{data.to_yaml()}\n---\n"


def _summary(manifest: Manifest) -> str:
    base, count = manifest.base, len(manifest.corrections)
    what = "LoRA adapter" if manifest.kind == "peft" else "complete model"
    at = f" at revision `{base.revision}`" if base.revision else ""
    licence = f"`{base.licence}`" if base.licence else "not named here: see its own card"
    return (
        f"# {_plural(count, 'correction')} of {_name(base)}\n\n"
        f"This is a {what}: {_shown(base)}{at}, with {_plural(count, 'correction')} that Errata made in its "
        f"weights. It belongs to these weights in {base.dtype} and to no others.\n\n"
        f"Licence of the base model: {licence}.\n"
    )


def _corrections(manifest: Manifest) -> str:
    lines = [line for correction in manifest.corrections for line in _correction(correction)]
    return "\n".join(["## Corrections", "", "In the order in which they were made.", "", *lines, ""])


def _correction(correction: Correction) -> Iterator[str]:
    layers = sorted(set(correction.layers))
    made = f"method `{correction.method}`, {correction.at[:10]}, layer{'s' * (len(layers) > 1)} {_listed(layers)}"
    if not correction.facts:
        yield f"- **Edit {correction.id}** is about no fact of its own ({made})."
    for fact in correction.facts:
        yield f"- **Edit {correction.id}**: {_in_words(fact)} ({made})."


def _in_words(fact: Fact) -> str:
    """A correction as a sentence has it."""
    asked = f"what stands behind {quoted(fact.text)}"
    if fact.target is None:
        return f"{asked} is changed, to nothing in particular"
    was = f", and no longer {quoted(fact.answer)}" if fact.answer else ""
    return f"{asked} is to be {quoted(fact.target)}{was}"


def _scores(manifest: Manifest) -> str:
    lines = ["## Scores", ""]
    if not manifest.scores:
        return "\n".join([*lines, "Nothing was measured: whether the corrections took is not known.", ""])
    lines += [
        "Efficacy is the share of corrected prompts that are answered with the new answer, paraphrase that of the same "
        "questions in other words, neighbours the share of prompts about other facts whose answer is still that of "
        "the unedited model. Higher is better; intervals are 95 %. The protocol `generation` has the model write "
        "freely, to its own end, and takes the whole answer.",
        "",
    ]
    for state, scores in manifest.scores.items():
        lines += [f"- {STATES[state]}: {_score(score)}" for score in scores.values()]
    missing = [name for name in ("paraphrase", "neighbours") if name not in manifest.scores["after"]]
    if missing:
        lines += ["", f"Not measured: {' and '.join(missing)}."]
    return "\n".join([*lines, ""])


def _score(score: Any) -> str:
    low, high = score["interval"]
    return (
        f"{score['name']} {score['mean']:.3f} [{low:.3f}, {high:.3f}], n = {score['n']}, protocol `{score['protocol']}`"
    )


def _answers(manifest: Manifest) -> str:
    asked = [answer for answer in manifest.answers if answer.kind == "prompt"]
    if not asked:
        return ""
    return "\n".join(["## Answers to the corrected prompts", "", *map(_answer, asked), ""])


def _answer(answer: Answer) -> str:
    cut = "" if answer.truncated is None else f"; by the adapter with its lower rank {quoted(answer.truncated)}"
    return f"- {quoted(answer.prompt)}: {quoted(answer.before)} before, {quoted(answer.after)} after{cut}"


def _rank(manifest: Manifest) -> str:
    r = manifest.r or 0
    limit = serving_rank(r)
    serve = (
        f"vLLM serves it with `--max-lora-rank {limit}` or more."
        if limit
        else f"vLLM serves ranks up to {SERVING_RANKS[-1]}: this adapter is above, and needs merged weights there."
    )
    lines = ["## Rank", "", f"r = {r}, lora_alpha = {r}: the scale is 1. {serve}"]
    if not manifest.truncated:
        return "\n".join([*lines, "Nothing was left out: the adapter holds the whole sum of the corrections.", ""])
    lines += ["**Directions were left out** to stay below a limit; what that costs the answers, the scores say.", ""]
    lines += [
        f"- layer {row.layer}: rank {row.rank} of {row.needed}, {row.lost:.3g} of the energy ‖ΔW‖² lost"
        for row in manifest.layers
    ]
    return "\n".join([*lines, ""])


def _use(manifest: Manifest) -> str:
    base = manifest.base
    loaded = repr(base.name) + (f", revision={base.revision!r}" if base.revision else "")
    note, imports = "", ""
    if manifest.kind == "merged":
        code = (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained("PATH OR ID OF THIS FOLDER")\n'
            'tokenizer = AutoTokenizer.from_pretrained("PATH OR ID OF THIS FOLDER")\n'
        )
    else:
        if base.embedded:
            loaded, imports = f"errata.pocket({base.name.removeprefix(POCKET)!r})", "import errata\n"
            note = f"`{base.name}` comes with Errata: `{loaded}` is its folder.\n\n"
        code = (
            f"{imports}from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n\n"
            f'base = AutoModelForCausalLM.from_pretrained({loaded}, dtype="{base.dtype}")\n'
            'model = PeftModel.from_pretrained(base, "PATH OR ID OF THIS FOLDER")\n'
        )
    return f"## Use\n\n{note}```python\n{code}```\n"


def _undo(manifest: Manifest) -> str:
    ids = _listed([correction.id for correction in manifest.corrections])
    some = (
        f"To take back one correction and keep the others: `errata undo NUMBER` in the ledger that this was exported "
        f"from (it holds edit{'s' * (len(manifest.corrections) > 1)} {ids}), and export again.\n"
    )
    if manifest.kind == "merged":
        whole = (
            "To take back all of them: load the base model. Nothing in this folder remembers the unedited weights.\n"
        )
    else:
        whole = (
            "To take back all of them: `model.unload()`, or leave the adapter out when loading; the base weights are "
            "then untouched. Do not merge and unmerge in half precision: `merge_adapter` then `unmerge_adapter` leaves "
            "rounding behind. `errata import` takes the adapter into a ledger, where undoing is exact.\n"
        )
    return f"## Undo\n\n{whole}\n{some}"


def _provenance(manifest: Manifest) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    base = manifest.base
    return (
        "## Provenance\n\n"
        f"- base model: {_shown(base)}, value projections `{base.fingerprint}` in {base.dtype}\n"
        f"- corrected weights: `{manifest.weights_sha256}` over all parameters, as `errata verify` prints it "
        "where these edits are applied and no others\n"
        f"- made with {versions}\n"
        "- errata.json holds all of this for programs, with every edit's hash and every answer\n\n"
        "An edit changes what was asked. What follows from it (its reverse, facts two steps away) is not corrected "
        "with it, and what was not measured is not known.\n"
    )


def quoted(words: str) -> str:
    """A text as it was, as Markdown code on one line: nothing in it is markup, and no line break ends the sentence."""
    line = " ".join(words.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    if not line:
        return "nothing"
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _name(base: Base) -> str:
    """The base model's name without the folders of a machine."""
    return base.name if base.on_hub or base.embedded else Path(base.name).name


def _shown(base: Base) -> str:
    if base.on_hub:
        return f"[{base.name}](https://huggingface.co/{base.name})"
    where = "the embedded model" if base.embedded else "a model in a local folder,"
    return f"{where} `{_name(base)}`"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
