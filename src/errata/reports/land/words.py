"""The words of the page that shows a result of `errata reproduce land`: titles, how to read a table, methods."""

from __future__ import annotations

READING = {
    "identification": (
        "N_s neurons are found from one phrasing and N_u from all phrasings of a fact together; two phrasings share "
        "N_so of them, which is R_so of their union. R_so is worth something only beside R_cross, the overlap between "
        "*different* facts in the same phrasing: a detector that always answers the same has both at 100 %. `empty` is "
        "the share of phrasings for which nothing is found. New objects are those that no training fact of the "
        "relation has."
    ),
    "example": (
        "Neurons as (layer, index), those that all three phrasings have in bold; the paper's tables 5 and 8 show the "
        "same for one fact of its own."
    ),
    "amplification": (
        "The change ratio (P_after − P_before) / P_before of the answer when the neurons' activations are doubled: "
        "asked in the phrasing they come from (Same), in another phrasing of the fact (Related), and the same answer "
        "behind another fact's prompt (Unrelated). Neurons that carry a fact have a high Related and a low Unrelated; "
        "an answer that the model is sure of leaves no room upwards."
    ),
    "suppression": (
        "The same ratio when the neurons are set to zero: −1 means that the answer is gone. A good set is far below 0 "
        "under Related and near 0 under Unrelated. The paper does not print this table."
    ),
    "editing": (
        "The share of prompts that give the new answer after the edit (Unrelated: another fact's prompts), and the "
        "share of neighbours kept: other facts of the relation, answered right before, that are answered right after. "
        "`kept, same object` is that of neighbours with the fact's own object. The row `before` is the unedited model."
    ),
    "equal_damage": (
        "A larger λ changes more answers, the neighbours' too. So the methods are compared at equal damage: the "
        "highest success under Related with at least 90 % of the neighbours kept, interpolated along each method's "
        "curve, and the λ it takes."
    ),
    "sweep": (
        "One setting changed at a time, on the first seed's facts; edits as printed. `recall false` leaves out the "
        "known codes, `contrast 0` the term that holds facts apart."
    ),
    "layers": (
        "The weight of a layer in the fact code: how alike a fact's phrasings are there, less how alike the relation's "
        "facts are. It says at which layers the last position's neurons tell facts apart."
    ),
    "targets": "What was wanted, what was measured, and whether that is enough.",
}
NOTES = {
    "identification": (
        "KN-refined sees all phrasings of a fact, so its overlap is 1 by construction. The paper's rows are its table "
        "4 (Baseline) and table 7 (LAND; N_s and N_so are what it calls N_L and N_Lo). The paper's N_uo is smaller "
        "than its N_s, though a phrasing's set lies inside the union; by the definition, followed here, they are equal."
    ),
    "amplification": "The paper's rows are its table 9.",
    "editing": "The paper's rows are its table 10; what becomes of neighbours it does not print.",
}
METHODS = {
    "knowledge_neurons": "`knowledge_neurons`, the neurons of the one phrasing",
    "kn_refined": "those that enough of the fact's phrasings share",
    "land": "the paper's detector",
    "fact_code": "ours",
    "relation_frequent": "the neurons found most often for the relation, whatever the fact",
}
CONTROL = "random neurons, as many as that method finds and in the same layers"
TITLES = {
    "identification": "Identification (tables 4 and 7, figure 1)",
    "example": "One fact in three phrasings (tables 5 and 8)",
    "amplification": "Amplification (table 9)",
    "suppression": "Suppression (not in the paper)",
    "editing": "Editing (table 10)",
    "equal_damage": "Editing at equal damage (not in the paper)",
    "sweep": "Other settings",
    "layers": "Layers that tell facts apart (not in the paper)",
    "targets": "Targets",
}
FIGURES = {
    "identification": ("figure1", "identification"),
    "example": ("example",),
    "amplification": ("amplification",),
    "suppression": ("suppression",),
    "editing": ("editing",),
    "equal_damage": ("curve",),
}
DESCRIPTIONS = {
    "figure1": "Histograms of R_so over pairs of phrasings and of R_uo over phrasings",
    "identification": "R_so beside R_cross for every method",
    "example": "The neurons of three phrasings of one fact on layer × neuron",
    "amplification": "Change ratio with the neurons doubled, for every method",
    "suppression": "Change ratio with the neurons at zero, for every method",
    "editing": "Success of the edit and neighbours kept, for every method",
    "curve": "Success under Related against neighbours kept, over λ",
}
