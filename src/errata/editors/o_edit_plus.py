"""O-Edit+: updates that are orthogonal to earlier ones and to implicit knowledge, exactly.

    δ ← (I − UUᵀ) δ  after each step of the optimisation ,  U = orth[U_e, U_i] ;   ΔW_total += ΔW_t

so that the projection that O-Edit+ puts behind the update, ΔW_t ← (I − UUᵀ) ΔW_t, finds nothing to take away. Behind
the update alone it weakens the write, W_t k = W_{t−1}k + (I − UUᵀ)(v* − W_{t−1}k): `enforce="loss+post"` is that form,
and docs/results shows what it costs. U_e and U_i: errata.editors._orthogonal. Source: Cai and Cao 2024, arXiv
2410.11469.

Departures: a reconstruction. The paper projects behind the update, here δ is projected in the loop; every choice is a
field (docs/o-edit.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from errata.editors._orthogonal import OrthogonalEditor


@dataclass(frozen=True)
class OEditPlus(OrthogonalEditor):
    """Reconstruction of O-Edit+: orthogonality by projection."""

    enforce: Literal["none", "loss", "in_loop", "post", "loss+post"] = "in_loop"


METHOD = OEditPlus
