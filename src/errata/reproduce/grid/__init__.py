"""Every way to find a fact's neurons with every way to edit them, each beside random neurons of equal number."""

from errata.reproduce.grid.plan import EDITORS, VIEWS, Plan, plan_of, usual_localizers
from errata.reproduce.grid.run import reproduce

__all__ = ["EDITORS", "VIEWS", "Plan", "plan_of", "reproduce", "usual_localizers"]
