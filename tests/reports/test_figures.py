"""Figures: every cell where its neuron is, names that do not meet, colours that are the page's."""

import re
from itertools import pairwise

import pytest
import torch

from errata.neurons import Attribution, NeuronSet
from errata.reports.figures import before_after, heat_map, spread
from errata.reports.record import Shift
from errata.reports.svg import ROLES
from errata.reports.tables import binned, label, strongest


def attribution(layers: int = 4, d_ff: int = 300, seed: int = 0) -> Attribution:
    scores = torch.randn(layers, d_ff, generator=torch.Generator().manual_seed(seed))
    chosen = NeuronSet.above(scores, 0.9)
    return Attribution(scores, scores.sum(-1), chosen, "knowledge_neurons", "probability", "Paris", {"threshold": 0.9})


def shifts(count: int) -> list[Shift]:
    kinds = ["prompt", "paraphrase", "neighbour"]
    return [Shift(kinds[i % 3], f"Prompt {i} & <co>", "Paris", "Rome", (0.9, 0.1), (0.2, 0.8)) for i in range(count)]


def test_a_cell_shows_the_strongest_of_its_run() -> None:
    scores = torch.zeros(2, 1000)
    scores[1, 517], scores[0, 3] = 2.0, -5.0
    cells = binned(scores, 100)
    assert cells.shape == (2, 100)
    assert cells[1, 51] == 2.0 and cells.sum() == 2.0
    assert torch.equal(binned(scores[:, :7], 100), scores[:, :7].clamp_min(0))


def test_the_strongest_neurons_come_in_order_with_their_places() -> None:
    found = attribution()
    best = strongest(found.scores, 5)
    assert [score for _, score in best] == sorted((score for _, score in best), reverse=True)
    assert all(float(found.scores[layer, index]) == score for (layer, index), score in best)
    assert best[0][1] == float(found.scores.max())
    assert label((3, 512)) == "L3·N512"


@pytest.mark.parametrize("places", [[5.0], [10.0, 11.0, 12.0], [0.0, 1.0, 98.0, 99.0], [50.0] * 8])
def test_names_stand_apart_in_order_and_inside(places: list[float]) -> None:
    found = spread(places, 10.0, 100.0)
    assert all(b - a >= 10.0 - 1e-9 for a, b in pairwise(found))
    assert found[0] >= 5.0 - 1e-9 and found[-1] <= 95.0 + 1e-9
    assert spread([30.0, 60.0], 10.0, 100.0) == [30.0, 60.0]


def test_the_heat_map_names_its_strongest_neurons() -> None:
    found = attribution()
    drawn = heat_map(found)
    assert all(label(neuron) in drawn for neuron, _ in strongest(found.scores, 8))
    assert drawn.count("var(--heat)") > 50
    assert all(f">L{layer}<" in drawn.replace("\n", "") for layer in range(4))


@pytest.mark.parametrize("layers", [1, 2, 48])
def test_a_heat_map_of_any_depth(layers: int) -> None:
    assert "<svg" in heat_map(attribution(layers, 64))


def test_a_heat_map_of_nothing_but_zeros() -> None:
    scores = torch.zeros(2, 8)
    nothing = Attribution(scores, scores.sum(-1), NeuronSet(2, 8), "knowledge_neurons", "probability", "Paris")
    assert "<svg" in heat_map(nothing)


def test_figures_refer_to_nothing_outside_and_take_the_pages_colours() -> None:
    for drawn in (heat_map(attribution()), before_after(shifts(7))):
        assert drawn.startswith('<svg role="img" aria-label=')
        assert "http" not in drawn and "xmlns" not in drawn
        assert not any(stand_in in drawn for stand_in in ROLES)
        assert set(re.findall(r"var\(--(\w+)\)", drawn)) <= set(ROLES.values())


def test_every_prompt_has_its_row() -> None:
    drawn = before_after(shifts(6))
    assert all(f"Prompt {i} &amp; &lt;co&gt;" in drawn for i in range(6))
    assert "Prompt 2 &amp; &lt;co&gt; · Paris" in drawn
    assert "<svg" in before_after(shifts(2))
