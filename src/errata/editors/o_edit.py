"""O-Edit: updates asked, by two terms in the loss, to be orthogonal to earlier ones and to implicit knowledge.

    L(δ) = NLL + KL + weight decay + λ₁ ‖U_eᵀδ‖/‖δ‖ + λ₂ ‖U_iᵀδ‖/‖δ‖

U_e and U_i: errata.editors._orthogonal. Source: Cai and Cao 2024, arXiv 2410.11469.

Departures: a reconstruction. The paper's criteria are its own, the equations for them are ours; every choice is a field
(docs/o-edit.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from errata.editors._orthogonal import OrthogonalEditor


@dataclass(frozen=True)
class OEdit(OrthogonalEditor):
    """Reconstruction of O-Edit: orthogonality by the loss."""


METHOD = OEdit
