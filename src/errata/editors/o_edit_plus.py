"""O-Edit+: O-Edit, and behind it a projection that makes updates orthogonal exactly.

    L(δ) as in O-Edit ,  then  ΔW_t ← (I − UUᵀ) ΔW_t ,  U = orth[U_e, U_i] ;   ΔW_total += ΔW_t

The projection weakens the write, W_t k = W_{t−1}k + (I − UUᵀ)(v* − W_{t−1}k), so the loss stays on. U_e and U_i:
errata.editors._orthogonal. Source: Cai and Cao 2024, arXiv 2410.11469. A reconstruction (docs/o-edit.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from errata.editors._orthogonal import OrthogonalEditor


@dataclass(frozen=True)
class OEditPlus(OrthogonalEditor):
    """Reconstruction of O-Edit+: orthogonality by the loss and by projection."""

    enforce: Literal["none", "loss", "in_loop", "post", "loss+post"] = "loss+post"


METHOD = OEditPlus
