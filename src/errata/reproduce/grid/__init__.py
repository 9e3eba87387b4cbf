"""Every way to find a fact's neurons with every way to edit them, each beside random neurons of equal number."""

from errata.reproduce.grid.plan import EDITORS, LOCALIZERS, VIEWS, Plan, plan_of
from errata.reproduce.grid.run import reproduce

__all__ = ["EDITORS", "LOCALIZERS", "VIEWS", "Plan", "plan_of", "reproduce"]
