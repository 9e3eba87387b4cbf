"""The numbers that the LAND paper prints in its tables 4, 7, 9 and 10, to stand beside measured ones.

Source: Wu et al. 2025 (LAND). Shares are between 0 and 1; a change ratio is as equation 6 has it. The columns carry
the names they have in a result of `errata reproduce land`: table 7 calls a detector's `n_s` N_L and its `n_so` N_Lo.
"""

from __future__ import annotations

from typing import NamedTuple

GPT2 = "GPT-2"
LLAMA = "Llama-3.2-1B"
BEFORE = "before"


class Printed(NamedTuple):
    """One row of a table of the paper."""

    table: int
    model: str
    method: str
    values: dict[str, float]


def _identified(model: str, n_s: float, n_u: float, n_so: float, r_so: float, n_uo: float, r_uo: float) -> Printed:
    values = {"n_s": n_s, "n_u": n_u, "n_so": n_so, "r_so": r_so, "n_uo": n_uo, "r_uo": r_uo}
    return Printed(4, model, "knowledge_neurons", values)


def _detected(model: str, n_s: float, n_so: float, r_so: float) -> Printed:
    return Printed(7, model, "land", {"n_s": n_s, "n_so": n_so, "r_so": r_so})


def _answered(table: int, model: str, method: str, same: float, related: float, unrelated: float) -> Printed:
    return Printed(table, model, method, {"same": same, "related": related, "unrelated": unrelated})


IDENTIFICATION: tuple[Printed, ...] = (
    _identified(GPT2, 23.79, 106.97, 6.87, 0.2097, 21.88, 0.2280),
    _detected(GPT2, 27.93, 25.02, 0.9658),
    _identified(LLAMA, 16.50, 90.88, 3.82, 0.2276, 14.58, 0.2218),
    _detected(LLAMA, 20.43, 20.18, 0.9766),
)
AMPLIFICATION: tuple[Printed, ...] = (
    _answered(9, GPT2, "knowledge_neurons", 2.48, 2.23, 1.74),
    _answered(9, GPT2, "kn_refined", 3.10, 2.53, 2.43),
    _answered(9, GPT2, "land", 3.21, 2.44, 2.44),
    _answered(9, LLAMA, "knowledge_neurons", 6.24, 5.48, 4.10),
    _answered(9, LLAMA, "kn_refined", 7.02, 6.01, 6.00),
    _answered(9, LLAMA, "land", 17.30, 16.40, 14.04),
)
EDITING: tuple[Printed, ...] = (
    _answered(10, GPT2, BEFORE, 0.0713, 0.0499, 0.0010),
    _answered(10, GPT2, "knowledge_neurons", 0.1498, 0.1169, 0.0130),
    _answered(10, GPT2, "kn_refined", 0.2049, 0.1745, 0.0340),
    _answered(10, GPT2, "land", 0.2581, 0.2157, 0.0286),
    _answered(10, LLAMA, BEFORE, 0.1531, 0.1194, 0.0018),
    _answered(10, LLAMA, "knowledge_neurons", 0.1665, 0.1267, 0.0097),
    _answered(10, LLAMA, "kn_refined", 0.1676, 0.1270, 0.0101),
    _answered(10, LLAMA, "land", 0.2175, 0.1824, 0.0144),
)
