"""LAND's tables and figure on any model, with controls, and the fact code beside it."""

from errata.reproduce.land.plan import Plan
from errata.reproduce.land.run import reproduce

__all__ = ["Plan", "reproduce"]
