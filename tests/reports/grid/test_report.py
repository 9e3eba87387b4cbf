"""Findings, tables, heat map and page of results of `errata grid`."""

from pathlib import Path
from typing import Any

from errata.reports.grid.figures import draw, heat_map
from errata.reports.grid.findings import findings
from errata.reports.grid.numbers import points, share, verdict
from errata.reports.grid.page import page
from errata.reports.grid.tables import differences, every_cell
from tests.reports.grid.conftest import cell, contrast, measured


def texts(result: dict[str, Any], negative: bool) -> str:
    return "\n".join(finding.text for finding in findings(result) if finding.negative == negative)


def test_a_difference_is_shown_where_its_interval_holds_no_0() -> None:
    assert verdict(measured(0.06)) == "above" and verdict(measured(-0.06)) == "below"
    assert verdict(measured(0.05)) == verdict(measured(-0.04)) == verdict(None) == "open"
    assert verdict({**measured(0.5), "n": 1}) == "open"


def test_what_speaks_against_comes_first(result: dict[str, Any]) -> None:
    order = [finding.negative for finding in findings(result)]
    assert order == sorted(order, reverse=True) and {True, False} == set(order)


def test_chosen_neurons_are_counted_editor_by_editor(result: dict[str, Any]) -> None:
    text = texts(result, negative=True)
    assert "it matters, but mostly for the worse, which neurons are edited" in text
    assert "0 better and 1 worse of 2 with FiNE and 1 better and 0 worse of 1 with neuron values (norm)" in text
    assert (
        "worse than random neurons, in points of the mean, are knowledge neurons with FiNE (−10.0 [−15.0, −5.0])"
        in text
    )
    assert "1 keep fewer neighbours than random neurons do (0 keep more), 1 reach more paraphrases (0 fewer)" in text
    result["contrasts"].append(contrast("control", "knowledge_neurons", "neuron_values-norm", mean=0.3))
    assert "it matters which neurons are edited" in texts(result, negative=False)


def test_what_is_mostly_open_is_not_shown_to_matter(result: dict[str, Any]) -> None:
    names = ("land", "activation", "ensemble", "value_vectors")
    result["contrasts"] = [contrast("control", name, "fine", mean=0.3 if name == "land" else 0.0) for name in names]
    text = texts(result, negative=True)
    assert "it is mostly not shown to matter which neurons are edited" in text
    assert "of 4 choices 1 are shown to do better than random neurons and 0 to do worse" in text


def test_choices_that_are_all_worse_matter_for_the_worse(result: dict[str, Any]) -> None:
    result["contrasts"] = [contrast("control", name, "fine", mean=-0.3) for name in ("land", "activation")]
    text = texts(result, negative=True)
    assert "it matters, but mostly for the worse, which neurons are edited" in text
    assert "of 2 choices 0 are shown to do better than random neurons and 2 to do worse" in text
    assert "not shown to matter" not in text


def test_random_neurons_can_be_the_best(result: dict[str, Any]) -> None:
    result["cells"].append(cell("land", "fine", True, 0.9))
    assert "is highest for random, as LAND with FiNE, 90.0 %" in texts(result, negative=True)


def test_the_best_is_among_cells_of_the_same_seeds(result: dict[str, Any]) -> None:
    result["seeds"] = [0, 1, 2]
    result["cells"] = [{**row, "seeds": [0, 1]} for row in result["cells"]] + [cell("ensemble", "fine", False, 0.99)]
    text = texts(result, negative=False)
    assert "is highest among cells with seeds 0, 1 for LAND with FiNE, 80.0 %" in text


def test_the_best_with_an_advantage_says_so(result: dict[str, Any]) -> None:
    result["cells"].append(cell("kn_refined", "fine", False, 0.9))
    assert "KN-refined is given all of a fact's phrasings at once, none that are scored" in texts(result, False)


def test_a_score_without_cases_is_not_in_the_mean(result: dict[str, Any]) -> None:
    for row in result["cells"]:
        row["specificity"] = None
    text = texts(result, negative=False) + texts(result, negative=True)
    assert "the mean of efficacy and generalization" in text and "three scores" not in text


def test_choices_that_keep_neighbours_are_no_bad_news(result: dict[str, Any]) -> None:
    result["contrasts"] = [contrast("control", "land", "fine", mean=0.2, specificity=0.1)]
    assert findings(result)[-1].negative is False
    assert "0 keep fewer neighbours than random neurons do (1 keep more)" in texts(result, negative=False)


def test_completion_is_judged_by_what_learns(result: dict[str, Any]) -> None:
    assert "helps 0 and harms 0 of 1 editors that learn" in texts(result, negative=True)
    assert "helps 1 and harms 0 of 1 editors that do not learn" in texts(result, negative=False)
    result["contrasts"] = [contrast("completion", "land", "fine", mean=0.2)]
    assert "helps 1 and harms 0 of 1 editors that learn" in texts(result, negative=False)


def test_whole_layers_can_be_better_than_any_choice(result: dict[str, Any]) -> None:
    result["contrasts"] = [contrast("whole", "land", "fine", mean=-0.1)]
    assert (
        "all neurons of the layers that knowledge neurons lie in, choosing is shown to do better in 0 of 1 and worse"
        in (texts(result, negative=True))
    )


def test_edits_that_mostly_fail_are_named(result: dict[str, Any]) -> None:
    assert "fewer than half of the answers become the target with neuron values (norm) (LAND)" in texts(result, True)
    assert "is highest for LAND with FiNE, 80.0 % [75.0, 85.0]" in texts(result, negative=False)


def test_the_size_of_the_change_is_asked_of_editors_that_learn(result: dict[str, Any]) -> None:
    assert "than through random ones in 1 of 2 pairs" in texts(result, negative=True)


def test_numbers_have_signs_and_no_negative_zero() -> None:
    assert points(measured(-0.0004, 0.02)) == "+0.0 [−2.0, 2.0]"
    assert points(measured(0.125, 0.05)) == "+12.5 [7.5, 17.5]" and share(measured(0.9)) == "90.0 % [85.0, 95.0]"
    assert points(None) == share(None) == "–"


def test_tables_have_a_row_for_each_localizer_and_control(result: dict[str, Any]) -> None:
    table = differences(result, "control", "own")
    assert "| LAND | +4.0 [−1.0, 9.0] | **+30.0 [25.0, 35.0]** |" in table
    assert "| knowledge neurons | **−10.0 [−15.0, −5.0]** | – |" in table
    assert "| FiNE | +0.0 [−5.0, 5.0] |" in differences(result, "completion", "own")
    assert "| FiNE | random, as LAND | 30.0 % [25.0, 35.0] |" in every_cell(result, "own")
    assert differences(result, "control", "matched") == every_cell(result, "matched") == "Not measured."


def test_the_page_holds_every_model_and_what_is_missing(result: dict[str, Any]) -> None:
    text = page({"pocket-gelu": result, "other": {**result, "model": "other"}}, {"other": "grid-other.png"})
    assert "**On `pocket-gelu` 1 of 4 parts were not measured:** land × fine, matched, seed 0." in text
    assert "“The optimisation diverged” (2 edits): land × fine, own, seed 0, chosen." in text
    assert "](grid-other.png)" in text and "grid-pocket-gelu-heat.png" not in text
    assert text.index("### pocket-gelu\n\n- Each") < text.index("### other\n\n- Each") < text.index("## Heat maps")
    assert "about 0 of the 10 in the mean" in text and '- LAND (`land`): {"name": "land", "threshold": 1.22' in text
    assert "(93 different facts of 100)" in text and "2 paraphrases a fact, on which neither model nor" in text
    assert "All models have the same facts." in text and "KN-refined" not in text and "stands in the first" not in text


def test_the_page_says_what_single_localizers_have(result: dict[str, Any]) -> None:
    result["localizers"] |= {"kn_refined": {}, "fact_code": {}}
    result["once"] = ["fact_code"]
    result["cells"][0]["empty"] = 7
    result["cells"][1]["empty"] = 8
    other = {**result, "data": {**result["data"], "digests": ["b"], "heldout": False, "paraphrases": [1, 2]}}
    text = page({"pocket-gelu": result, "other": other}, {})
    assert "What fact code finds is 20 neurons by itself" in text
    assert "No neurons were found by LAND for 7 of 100: those count as the unedited model" in text
    assert "KN-refined is given all of a fact's phrasings at once, none that are scored" in text
    assert "those that are scored among them" in text and "over 1 to 2 paraphrases a fact." in text
    assert "All models have the same facts." not in text


def test_the_heat_map_is_the_same_for_the_same_result(result: dict[str, Any], tmp_path: Path) -> None:
    assert draw(result, tmp_path / "a", "grid") == draw(result, tmp_path / "b", "grid") == "grid-heat.png"
    first, second = ((tmp_path / folder / "grid-heat.png").read_bytes() for folder in "ab")
    assert first == second and first.startswith(b"\x89PNG")
    result["cells"][0]["mean"] = measured(0.1)
    draw(result, tmp_path / "b", "grid")
    assert (tmp_path / "b" / "grid-heat.png").read_bytes() != first


def test_the_heat_map_names_rows_and_columns_and_marks_what_is_shown(result: dict[str, Any]) -> None:
    axes = heat_map(result).axes[0]
    rows = [text.get_text() for text in axes.get_yticklabels()]
    assert rows == ["knowledge neurons", "random, as knowledge neurons", "LAND", "random, as LAND"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["neuron values\n(norm)", "FiNE"]
    found = {(text.get_position()[0], text.get_position()[1]): text.get_text() for text in axes.texts}
    assert found[0, 0] == "60" and found[1, 0] == "70 ▼" and found[0, 2] == "40 ▲" and found[1, 2] == "80"
    assert found[0, 1] == found[1, 1] == found[0, 3] == found[1, 3] == "30"


def test_nothing_measured_is_nothing_drawn(result: dict[str, Any], tmp_path: Path) -> None:
    empty = {**result, "cells": [], "contrasts": []}
    assert draw(empty, tmp_path, "grid") is None and findings(empty) == []
    assert "Not measured." in page({"pocket-gelu": empty}, {})
