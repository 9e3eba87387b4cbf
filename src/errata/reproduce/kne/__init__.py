"""KNE beside fine-tuning, closed forms and random neurons, in two protocols, from one command."""

from errata.reproduce.kne.arms import ARMS
from errata.reproduce.kne.facts import Source, source
from errata.reproduce.kne.plan import Plan, plan_of
from errata.reproduce.kne.run import reproduce

__all__ = ["ARMS", "Plan", "Source", "plan_of", "reproduce", "source"]
