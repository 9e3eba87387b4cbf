"""The words of the page that shows a result of `errata reproduce o-edit`: titles, how to read a table, arms."""

from __future__ import annotations

EDITORS = {
    "rome": "ROME",
    "memit": "MEMIT",
    "memit_aligned": "MEMIT aligned",
    "alphaedit": "AlphaEdit",
    "rect": "RECT",
    "prune": "PRUNE",
    "delta_edit": "DeltaEdit",
    "o_edit": "O-Edit",
    "o_edit_plus": "O-Edit+",
}
# Editors that stand on another, and on which where an arm's name does not say.
BASES = {"rect": "memit", "prune": "memit", "delta_edit": "rome", "o_edit": "rome", "o_edit_plus": "rome"}

READING = {
    "targets": "What was wanted, what was measured, and whether that is enough. A dash was not measured yet.",
    "single": (
        "Each fact is edited alone on the unedited model. Intervals are over facts: 95 %, Wilson's for shares of "
        "yes and no, bootstrap otherwise. Seconds are the median of an edit, in one thread."
    ),
    "end": (
        "After the last edit every fact edited so far is asked again: `efficacy` its prompt, `generalization` its "
        "paraphrases, `specificity` its neighbours. `mean` is the mean of the three, `known` the share of facts that "
        "were never edited and are still answered right, out of those the unedited model answers right. ‖ΔW‖ is the "
        "norm of the sum of all updates as a share of the unedited weight's, in the layer where it is largest; `space` "
        "the share of its d_model directions that hold 95 % of that sum. A fact whose target the model says already, "
        "or whose edit failed, does not count."
    ),
    "after": (
        "The same scores taken right after each edit, for the facts just edited, and averaged over the sequence. What "
        "lies between this table and the one above has been forgotten, or overwritten by later edits."
    ),
    "lengths": (
        "The mean of the three scores over all edits so far, at each number of edits: a sequence of n edits is the "
        "beginning of the longest one."
    ),
    "efficacy": "Efficacy alone, over all edits so far.",
    "known": "The share of known facts never edited that are still answered right, at each number of edits.",
    "batches": "The same facts in the same order, several of them edited together in each step.",
    "ablation": (
        "The reconstruction of O-Edit on ROME with its switches changed, all else as in `o_edit_plus`: how "
        "orthogonality is asked for (`enforce`), towards what (`protect`), and how large the protected space may be."
    ),
    "covariance": (
        "The same arms with the covariance of the keys of general text, and with the identity in its place, as the "
        "released settings for some models have it."
    ),
    "health": (
        "Up to how many edits all three scores stayed above 90 %, when the first alarm of `errata.sequences.health` "
        "fired, and when efficacy over all edits so far was first seen below one half. All are read at the checkpoints."
    ),
}
TITLES = {
    "targets": "Targets",
    "single": "Single edits",
    "end": "After the whole sequence, edits one by one",
    "after": "Right after each edit, edits one by one",
    "lengths": "At every length: mean of the three scores",
    "efficacy": "At every length: efficacy",
    "known": "At every length: known facts",
    "batches": "In batches",
    "ablation": "Switches",
    "covariance": "With and without covariance",
    "health": "Health alarms",
}
FIGURES = {
    "lengths": ("mean", "panels"),
    "batches": ("batches",),
    "ablation": ("ablation",),
    "health": ("health",),
}
DESCRIPTIONS = {
    "mean": "Mean of efficacy, generalization and specificity against the number of edits, a line for each editor",
    "panels": "Efficacy, generalization, specificity, known facts, norm of the update and space used, over edits",
    "batches": "Mean of the three scores against the number of edits in batches",
    "ablation": "Scores of O-Edit with its switches changed",
    "health": "When alarms fired and when efficacy fell below one half, for each sequence",
}
COLUMNS = {
    "efficacy": "efficacy",
    "generalization": "generalization",
    "specificity": "specificity",
    "mean": "mean",
}


def label(arm: str) -> str:
    """The name a reader sees: `O-Edit+ on MEMIT aligned, rank_cap 0.1` for `o_edit_plus-memit_aligned:rank_cap=0.1`."""
    called, *settings = arm.split(":")
    editor, _, base = called.partition("-")
    base = base or BASES.get(editor, "")
    shown = EDITORS.get(editor, editor) + (f" on {EDITORS.get(base, base)}" if base else "")
    return ", ".join([shown, *(setting.replace("=", " ") for setting in settings)])
