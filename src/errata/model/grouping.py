"""Which rows travel together: groups of like length, so that little of a pass is padding.

cost = Σ over groups of rows · longest + START ,   the least over all ways to cut the sorted rows
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Tokens whose computing takes as long as starting one more pass. A processor that computes thousands of tokens at once
# is idle in a short pass.
START_CPU, START = 16, 512


def groups(lengths: Sequence[int], most: int, device: torch.device) -> list[list[int]]:
    """The rows' places in groups of at most `most`, shorter ones first, those of one length in their order."""
    start = START_CPU if device.type == "cpu" else START
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    width = torch.tensor([lengths[place] for place in order])
    # best[end]: the least cost of the first `end` rows; begins[end]: where the last group of that way begins.
    best, begins = torch.zeros(len(order) + 1), [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        first = max(0, end - most)
        cost = best[first:end] + (end - torch.arange(first, end)) * width[end - 1] + start
        begins[end] = first + int(cost.argmin())
        best[end] = cost.min()
    found, end = list[list[int]](), len(order)
    while end > 0:
        found.append(order[begins[end] : end])
        end = begins[end]
    return found[::-1]
