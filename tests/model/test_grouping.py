"""Groups of rows: as cheap as the cheapest of all ways to cut them, none too large, every row in one."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from errata.model.grouping import START, START_CPU, groups

CPU = torch.device("cpu")


def cost(lengths: list[int], found: list[list[int]], start: int) -> int:
    return sum(len(group) * max(lengths[place] for place in group) + start for group in found)


def cheapest(lengths: list[int], most: int, start: int) -> int:
    """The least cost over every way to cut the sorted rows, tried one by one."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    ways = (cut for count in range(len(order)) for cut in combinations(range(1, len(order)), count))
    cuts = ([order[a:b] for a, b in zip((0, *way), (*way, len(order)), strict=True)] for way in ways)
    return min(cost(lengths, own, start) for own in cuts if max(map(len, own)) <= most)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.integers(1, 10))
def test_no_way_to_cut_is_cheaper(lengths: list[int], most: int) -> None:
    found = groups(lengths, most, CPU)
    assert sorted(place for group in found for place in group) == list(range(len(lengths)))
    assert max(map(len, found)) <= most
    assert cost(lengths, found, START_CPU) == cheapest(lengths, most, START_CPU)


@pytest.mark.parametrize(("device", "expected"), [("cpu", [[0, 2, 3], [1]]), ("meta", [[0, 2, 3, 1]])])
def test_one_long_row_goes_alone_where_padding_costs_more_than_a_pass(device: str, expected: list[list[int]]) -> None:
    assert groups([6, 40, 6, 7], 64, torch.device(device)) == expected
    assert START_CPU < START


def test_no_rows_make_no_group() -> None:
    assert groups([], 8, CPU) == []
