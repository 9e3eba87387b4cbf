"""The words of the page that shows a result of `errata reproduce kne`: titles, how to read a table, arms."""

from __future__ import annotations

ARMS = {
    "kne-paper": "KNE, paper",
    "kne-robust": "KNE, robust",
    "kne-robust-tuned": "KNE, robust, tuned",
    "random": "random neurons, robust",
    "ft_m": "FT-M",
    "ft_m-tuned": "FT-M, tuned",
    "ft_l": "FT-L",
    "ft_l-tuned": "FT-L, tuned",
    "lora": "LoRA",
    "fine": "FiNE",
    "rome": "ROME",
    "memit": "MEMIT",
    "alphaedit": "AlphaEdit",
}
READING = {
    "targets": "What was wanted, what was measured, and whether that is enough. A dash was not measured yet.",
    "generation": (
        "Protocol *generation*: the model writes freely and greedily behind the bare prompt; the whole answer counts. "
        "`efficacy` is the edit prompt, `trained` and `held out` are paraphrases that the model was or was not trained "
        "on, `portability` questions whose answers follow from the edit (`before`: of the unedited model), `inverse` "
        "the fact asked from its target, `locality` answers that stayed as they were, `kept` those right before and "
        "still right, `fluency` the entropy of what is written behind openings, in bits. n counts cases. "
        "A fact whose edit failed, counted beside the arm, is scored as it is in what follows the edit, and left out "
        "of locality, `kept` and fluency: nothing could have disturbed them."
    ),
    "locality": (
        "Protocol *generation*, what was to stay, by its kind: other subjects of the relation, other subjects with the "
        "old object, the same subject in other relations, its other objects in the relation."
    ),
    "forced": (
        "Protocol *teacher-forced*, as KnowEdit scores: the share of right tokens behind the right tokens before them; "
        "locality is the share of tokens that stayed. The model is told the answer's length and all but one token of "
        "it, so none of these numbers can be held against one of protocol generation."
    ),
    "costs": (
        "Seconds are the median of one group's edit, peak memory what one group's edit takes beyond what is held, "
        "neurons the columns that are edited, steps those of the optimisation. Parts are measured side by side, in "
        "processes of one thread each."
    ),
    "differences": (
        "KNE (robust) less each other arm on the same facts, single edits, protocol *generation*: mean and the 95 % "
        "interval of the paired bootstrap over facts and seeds."
    ),
    "share": (
        "Tuning facts alone, single edits, protocol *generation*: KNE and its control with a share p of all neurons in "
        "the ensemble. No other table uses these facts."
    ),
    "layers": "The same with the ensemble chosen within one layer, as large as over all.",
    "rate": (
        "The same for fine-tuning's learning rate, and for KNE's with the weight of its divergence on other subjects. "
        "The tuned arms of the other tables use the setting with the best mean of efficacy, trained paraphrases and "
        "locality."
    ),
    "timing": (
        "The first of the same facts, every arm with the same number of steps and no early stop, in one process that "
        "has all threads to itself."
    ),
}
TITLES = {
    "targets": "Targets",
    "generation": "By free generation",
    "locality": "What stayed",
    "forced": "Under teacher forcing",
    "costs": "Time and memory",
    "differences": "Differences",
    "share": "Sweep over the share p",
    "layers": "Sweep over layers",
    "rate": "Sweep over learning rates and weights",
    "timing": "Equal steps",
}
FIGURES = {"generation": ("arms",), "share": ("share",), "layers": ("layers",)}
DESCRIPTIONS = {
    "arms": "Efficacy, paraphrases, portability and locality of every arm, for each number of facts edited together",
    "share": "Efficacy, paraphrases and locality against the share of neurons, KNE beside random neurons",
    "layers": "Efficacy, paraphrases and locality with the ensemble within one layer, KNE beside random neurons",
}
GENERATION = {
    "efficacy": "efficacy",
    "generalization": "trained",
    "heldout": "held out",
    "portability": "portability",
    "portability_before": "before",
    "inverse": "inverse",
    "locality": "locality",
    "kept": "kept",
}
FOLLOWING = {"composed": "composed", "reasoning": "reasoning", "aliasing": "aliasing", "logical": "logical"}
STAYING = {
    "specificity": "same relation",
    "same_object": "same object",
    "same_subject": "same subject",
    "other_answers": "other objects",
}
FORCED = {
    "edit_success": "edit success",
    "generalization": "paraphrases",
    "heldout": "held out",
    "portability": "portability",
    "portability_before": "before",
    "locality": "locality",
}


def label(arm: str) -> str:
    """The name a reader sees: `FT-M, tuned` for `ft_m-tuned`."""
    return ARMS.get(arm, arm)
